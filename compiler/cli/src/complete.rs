//! What a shell offers at the tab key: names out of the file that stands on
//! the command line already. Fast and quiet: nothing but text is read, and
//! what cannot be read offers nothing.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap_complete::CompletionCandidate;
use clap_complete::engine::{ArgValueCompleter, PathCompleter};
use ssl_core::{Compilation, DatasetInfo, Demand, Request, World, WorldError};
use ssl_plan::Source;

use crate::world::Disk;

/// The variable by which a shell asks.
pub const VARIABLE: &str = "SSLC_COMPLETE";

/// `.ssl` files, and folders on the way to them.
pub fn files() -> ArgValueCompleter {
    ArgValueCompleter::new(
        PathCompleter::any().filter(|p| p.is_dir() || p.extension().is_some_and(|e| e == "ssl")),
    )
}

/// The file's pipelines.
pub fn pipelines() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let names = compiled(false).map_or(Vec::new(), |c| c.pipelines);
        starting(current, names.into_iter().map(|n| (n, None)))
    })
}

/// The file's sweeps.
pub fn sweeps() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let sweeps = compiled(false).map_or(Vec::new(), |c| c.sweeps);
        let named = sweeps.into_iter().map(|s| {
            (
                s.name,
                Some(format!("{} runs of {}", s.variants.len(), s.of)),
            )
        });
        starting(current, named)
    })
}

/// Paths of values, as `why` takes them.
pub fn paths() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| settings(current, ""))
}

/// Paths of values with a `=` behind them, as `--set` takes them.
pub fn assignments() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| settings(current, "="))
}

/// The codes of diagnostics.
pub fn codes() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let codes = ssl_diagnostics::all_codes().iter();
        let known = codes.map(|c| (c.code.short().to_owned(), Some(c.title.to_owned())));
        starting(current, known)
    })
}

/// What computes.
pub fn devices() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let known = ["auto", "cpu", "cuda"];
        starting(current, known.into_iter().map(|d| (d.to_owned(), None)))
    })
}

/// Formats of exported weights.
pub fn formats() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let known = ssl_engine::export::Format::ALL.into_iter();
        starting(current, known.map(|f| (f.name().to_owned(), None)))
    })
}

fn starting(
    current: &OsStr,
    known: impl Iterator<Item = (String, Option<String>)>,
) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy().to_lowercase();
    known
        .filter(|(name, _)| name.to_lowercase().starts_with(current.as_str()))
        .map(|(name, help)| CompletionCandidate::new(name).help(help.map(Into::into)))
        .collect()
}

/// Paths that begin as it was typed; where none does, those with a part that
/// does.
fn settings(current: &OsStr, end: &str) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let values = compiled(true)
        .and_then(|c| c.plan)
        .map_or(Vec::new(), |p| p.values);
    let with = |fits: &dyn Fn(&str) -> bool| -> Vec<CompletionCandidate> {
        values
            .iter()
            .filter(|v| fits(&v.path))
            .map(|v| {
                CompletionCandidate::new(format!("{}{end}", v.path))
                    .help(Some(v.value.clone().into()))
            })
            .collect()
    };
    let found = with(&|path| path.starts_with(current.as_ref()));
    if found.is_empty() {
        let inner = format!(".{current}");
        return with(&|path| path.contains(&inner));
    }
    found
}

/// Compiles the file of the command line.
fn compiled(whole: bool) -> Option<Compilation> {
    let words: Vec<OsString> = std::env::args_os().skip_while(|w| w != "--").collect();
    let path = words.iter().find_map(|w| file(w))?;
    let pipeline = whole.then(|| after(&words, "--pipeline")).flatten();
    let request = Request {
        path,
        pipeline,
        set: Vec::new(),
        demand: Demand::Check,
        memory: None,
    };
    let mut compilation = ssl_core::compile(&request, &Blind);
    // Of several pipelines none is meant yet: the last one has most.
    if let (true, None, None, Some(last)) = (
        whole,
        &request.pipeline,
        &compilation.plan,
        compilation.pipelines.last(),
    ) {
        let pipeline = Some(last.clone());
        compilation = ssl_core::compile(
            &Request {
                pipeline,
                ..request
            },
            &Blind,
        );
    }
    Some(compilation)
}

/// A word that names a `.ssl` file, quoted or not.
fn file(word: &OsStr) -> Option<PathBuf> {
    let text = word.to_str()?.trim_matches(['"', '\'']).replace('\\', "");
    let path = match text.strip_prefix("~/") {
        Some(rest) => Path::new(&std::env::var_os("HOME")?).join(rest),
        None => PathBuf::from(text),
    };
    (path.extension()? == "ssl" && path.is_file()).then_some(path)
}

/// The value of an option.
fn after(words: &[OsString], option: &str) -> Option<String> {
    let mut words = words.iter().filter_map(|w| w.to_str());
    let prefix = format!("{option}=");
    loop {
        let word = words.next()?;
        if word == option {
            return words.next().filter(|w| !w.is_empty()).map(str::to_owned);
        }
        if let Some(value) = word.strip_prefix(&prefix) {
            return Some(value.to_owned());
        }
    }
}

/// The disk without its data sets, which take time to look through.
struct Blind;

impl World for Blind {
    fn read(&self, path: &Path) -> Result<String, WorldError> {
        Disk.read(path)
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        Disk.absolute(path)
    }

    fn variable(&self, name: &str) -> Option<String> {
        Some(Disk.variable(name).unwrap_or_else(|| name.to_owned()))
    }

    fn dataset(&self, _: &Source, _: Duration) -> Result<DatasetInfo, WorldError> {
        // Enough for any batch.
        Ok(DatasetInfo {
            samples: 1 << 24,
            classes: Some((0..10).map(|i| i.to_string()).collect()),
            held_out: Some(1 << 14),
            ..DatasetInfo::default()
        })
    }
}
