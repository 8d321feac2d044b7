//! `sslc new`: from a method, a backbone and a folder of images to a file.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ssl_core::draft::{Answers, Backbone, Base, Folder, Start, answers, text};
use ssl_core::{Compilation, DatasetInfo, Demand, Method, Request, World, WorldError, methods};
use ssl_diagnostics::SourceMap;
use ssl_plan::Source;

use crate::ask::{self, Ended};
use crate::output;
use crate::world::{Disk, reason};

/// Options of `sslc new`.
#[derive(Args)]
#[command(after_help = "\
On a terminal, what is left out is asked for. Numbers that nobody gives are
derived from the images: how many there are, and how large.

Examples:
  sslc new
  sslc new --list
  sslc new --method mocov3 --backbone vit_small --data photos
  sslc new signs.ssl --method simclr --backbone resnet18 --data photos --image 64 --epochs 200

Exit codes: 0 written, 1 the file would not pass `sslc check`, 2 usage, 74 it cannot be written.
Nothing is ever overwritten.")]
pub struct Options {
    /// The file to write [default: mine.ssl]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// A method of the standard library, or one of its pipelines: `mocov3`, `mocov3.vit_small`
    #[arg(long, value_name = "NAME")]
    method: Option<String>,
    /// One of the method's pipelines, or a backbone: `vit_tiny` ... `vit_huge`, `resnet18` ...
    #[arg(long, value_name = "NAME")]
    backbone: Option<String>,
    /// The folder of images
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    data: Option<PathBuf>,
    /// Side of a view in pixels
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..))]
    image: Option<u32>,
    /// Images in a step
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// Passes over the data
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// List the methods with their pipelines
    #[arg(long)]
    list: bool,
    /// Ask for what is left out also where standard input is no terminal
    #[arg(long)]
    ask: bool,
}

/// Why there is no file, as its exit code.
struct Stop(u8);

impl From<Ended> for Stop {
    fn from(_: Ended) -> Self {
        output::eprint("nothing was written\n");
        Stop(2)
    }
}

fn usage<T>(message: &str, help: &str) -> Result<T, Stop> {
    output::eprint(&format!("error: {message}\n  help: {help}\n"));
    Err(Stop(2))
}

/// Writes a first file.
pub fn run(options: &Options) -> ExitCode {
    if options.list {
        output::print(&list(&methods()));
        return ExitCode::SUCCESS;
    }
    match create(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop(code)) => ExitCode::from(code),
    }
}

fn list(methods: &[Method]) -> String {
    let mut out = String::new();
    for method in methods {
        out += &format!("{}: {}\n", method.name, method.doc);
        let width = method.pipelines.iter().map(|(n, _)| n.len()).max();
        let width = width.unwrap_or(0);
        for (name, doc) in &method.pipelines {
            out += &format!("  {name:width$}  {doc}\n");
        }
    }
    out
}

fn create(options: &Options) -> Result<(), Stop> {
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let asks = options.ask || terminal;
    // What exists is seen before anything is asked.
    if let Some(out) = &options.file {
        free(out)?;
    }
    let (method, pipeline) = method(options, asks)?;
    let mut start = pipeline_of(options, &method, pipeline, asks)?;
    let probed = folder(options, asks)?;
    let out = match &options.file {
        Some(out) => out.clone(),
        None if asks => ask::line("File to write", Some(&"mine.ssl"), |answer| {
            let path = PathBuf::from(answer);
            match path.symlink_metadata() {
                Ok(_) => Err(format!("`{answer}` is there already")),
                Err(_) => Ok(path),
            }
        })?,
        None => {
            let out = PathBuf::from("mine.ssl");
            free(&out)?;
            out
        }
    };
    start.name = identifier(&out);
    let folder = Folder {
        path: from(&out, Path::new(&probed.path)),
        ..probed
    };
    let extended = extended(&start);
    let base = Base(&extended.values);
    let batch = options.batch.map(|b| b as usize);
    let derived = answers(&base, &folder, batch);
    let mut chosen = Answers {
        image: options.image.map_or(derived.image, |i| i as usize),
        batch: derived.batch,
        epochs: options.epochs.map_or(derived.epochs, |e| e as usize),
    };
    if asks {
        if options.image.is_none() && base.value("image").is_some() {
            chosen.image = ask::number("Side of a view in pixels", chosen.image)?;
        }
        if options.batch.is_none() {
            chosen.batch = ask::number("Images in a step", chosen.batch)?;
        }
        if options.epochs.is_none() {
            let again = answers(&base, &folder, Some(chosen.batch));
            chosen.epochs = ask::number("Epochs", again.epochs)?;
        }
    }
    if options.image.is_some() && base.value("image").is_none() {
        let message = format!(
            "`{}.{}` has no `image` to set",
            start.module, start.pipeline
        );
        return usage(&message, "leave `--image` out");
    }
    write(&out, &start, &base, &folder, chosen)
}

/// The method, and its pipeline where the flag names one.
fn method(options: &Options, asks: bool) -> Result<(Method, Option<String>), Stop> {
    let all = methods();
    let names = || {
        let names = all.iter().map(|m| format!("`{}`", m.name));
        names.collect::<Vec<_>>().join(", ")
    };
    let Some(wanted) = &options.method else {
        if !asks {
            return usage(
                "which method?",
                &format!("name one with `--method`: {}", names()),
            );
        }
        let shown = all.iter().map(|m| (m.name.to_owned(), m.doc.clone()));
        let at = ask::choice("Method", &shown.collect::<Vec<_>>())?;
        return all.into_iter().nth(at).map(|m| (m, None)).ok_or(Stop(2));
    };
    let wanted = wanted.strip_prefix("std.").unwrap_or(wanted);
    let (module, pipeline) = match wanted.split_once('.') {
        Some((module, pipeline)) => (module, Some(pipeline.to_owned())),
        None => (wanted, None),
    };
    match all.iter().find(|m| m.name == module) {
        Some(found) => Ok((found.clone(), pipeline)),
        None => {
            let near = ssl_core::nearest(module, all.iter().map(|m| m.name));
            let help = match near {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("choose from {}", names()),
            };
            usage(
                &format!("the standard library has no method `{module}`"),
                &help,
            )
        }
    }
}

/// The pipeline that is extended, with another backbone where none has it.
fn pipeline_of(
    options: &Options,
    method: &Method,
    pipeline: Option<String>,
    asks: bool,
) -> Result<Start, Stop> {
    // What reads the embedded digits is no start for a folder.
    let fitting: Vec<&(String, String)> = method
        .pipelines
        .iter()
        .filter(|(name, doc)| {
            let start = begin(method, name, doc, None);
            !Base(&extended(&start).values).is_embedded()
        })
        .collect();
    let found = |name: &str| {
        let found = method.pipelines.iter().find(|(n, _)| n == name);
        found.map(|(n, d)| begin(method, n, d, None))
    };
    let names: Vec<String> = fitting.iter().map(|(n, _)| format!("`{n}`")).collect();
    let choose = format!("choose from {}", names.join(", "));
    if let Some(pipeline) = &pipeline
        && found(pipeline).is_none()
    {
        let message = format!("`{}` has no pipeline `{pipeline}`", method.name);
        return usage(&message, &choose);
    }
    let named = pipeline.as_deref().and_then(found);
    let Some(wanted) = &options.backbone else {
        if let Some(start) = named {
            return Ok(start);
        }
        return match fitting.as_slice() {
            [] => usage(
                &format!("`{}` has nothing for a folder", method.name),
                &choose,
            ),
            [first, _, ..] if asks => {
                let shown: Vec<_> = fitting.iter().map(|p| (*p).clone()).collect();
                let at = ask::choice("Backbone", &shown)?;
                let (name, doc) = shown.get(at).unwrap_or(first);
                Ok(begin(method, name, doc, None))
            }
            [(name, doc), ..] => Ok(begin(method, name, doc, None)),
        };
    };
    if let (None, Some(start)) = (&named, found(wanted)) {
        return Ok(start);
    }
    let part = |name: &str| name.split('_').any(|p| p == wanted) || name.contains(wanted.as_str());
    let alike: Vec<_> = fitting.iter().filter(|(n, _)| part(n)).collect();
    match (&named, alike.as_slice()) {
        (None, [(name, doc)]) => return Ok(begin(method, name, doc, None)),
        (None, [_, _, ..]) => {
            let names: Vec<String> = alike.iter().map(|(n, _)| format!("`{n}`")).collect();
            let message = format!("`{}` has several with `{wanted}`", method.name);
            return usage(&message, &format!("choose from {}", names.join(", ")));
        }
        _ => {}
    }
    let Some(backbone) = Backbone::named(wanted) else {
        let message = format!(
            "`{wanted}` is neither a backbone nor a pipeline of `{}`",
            method.name
        );
        return usage(
            &message,
            &format!("{choose}, or `vit_tiny`, `resnet18` and the like"),
        );
    };
    // The one that is most like it.
    let same = |start: &Start| {
        let compiled = extended(start);
        Base(&compiled.values).backbone().map(|b| b.1) == Some(backbone.function())
    };
    let starts: Vec<Start> = match named {
        Some(start) => vec![start],
        None => fitting
            .iter()
            .map(|(n, d)| begin(method, n, d, None))
            .collect(),
    };
    let chosen = starts.iter().find(|s| same(s)).or(starts.first());
    match chosen {
        Some(start) => Ok(Start {
            backbone: Some(backbone),
            ..start.clone()
        }),
        None => usage(
            &format!("`{}` has nothing for a folder", method.name),
            &choose,
        ),
    }
}

fn begin(method: &Method, pipeline: &str, doc: &str, backbone: Option<Backbone>) -> Start {
    Start {
        module: method.name.to_owned(),
        pipeline: pipeline.to_owned(),
        doc: doc.to_owned(),
        backbone,
        name: "mine".into(),
    }
}

/// What a folder has; its path as it was typed.
fn folder(options: &Options, asks: bool) -> Result<Folder, Stop> {
    match &options.data {
        Some(path) => look(path)
            .or_else(|message| usage(&message, "name a folder of JPEG or PNG files with `--data`")),
        None if asks => {
            let found = ask::line("Folder of images", None, |answer| look(Path::new(answer)))?;
            let labels = if found.labelled {
                "in class folders"
            } else {
                "without class folders"
            };
            output::eprint(&format!("  {} images, {labels}\n", found.samples));
            Ok(found)
        }
        None => usage("which images?", "name their folder with `--data FOLDER`"),
    }
}

/// Images whose size is looked at.
const LOOKED_AT: usize = 64;

fn look(path: &Path) -> Result<Folder, String> {
    let source = Source::ImageFolder {
        path: path.display().to_string(),
        test: None,
    };
    let probe = ssl_data::probe(&source).map_err(|e| e.to_string())?;
    let mut sizes = ssl_data::sizes(path, LOOKED_AT).map_err(|e| e.to_string())?;
    sizes.sort_by_key(|[h, w]| *h.min(w));
    Ok(Folder {
        path: path.display().to_string(),
        samples: probe.samples,
        labelled: probe.classes.is_some(),
        size: sizes.get(sizes.len() / 2).copied(),
    })
}

/// A world in which one more file is there.
struct With<'a> {
    path: &'a Path,
    text: &'a str,
}

impl World for With<'_> {
    fn read(&self, path: &Path) -> Result<String, WorldError> {
        if path == self.path {
            return Ok(self.text.to_owned());
        }
        Disk.read(path)
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        Disk.absolute(path)
    }

    fn variable(&self, name: &str) -> Option<String> {
        Disk.variable(name)
    }

    fn dataset(&self, source: &Source, stall_limit: Duration) -> Result<DatasetInfo, WorldError> {
        Disk.dataset(source, stall_limit)
    }
}

fn compile(path: &Path, text: &str) -> Compilation {
    let request = Request {
        path: path.to_owned(),
        demand: Demand::Check,
        ..Request::default()
    };
    ssl_core::compile(&request, &With { path, text })
}

/// The pipeline that is extended, as it is.
fn extended(start: &Start) -> Compilation {
    let Start {
        module, pipeline, ..
    } = start;
    let text = format!("use std.{module}\npipeline mine extends {module}.{pipeline} {{\n}}\n");
    compile(Path::new("new.ssl"), &text)
}

/// Writes the file, where it passes.
fn write(
    out: &Path,
    start: &Start,
    base: &Base<'_>,
    folder: &Folder,
    chosen: Answers,
) -> Result<(), Stop> {
    let attempt = |short: bool| {
        let text = text(start, base, folder, chosen, short);
        let compilation = compile(out, &text);
        (text, compilation)
    };
    let (mut content, mut compilation) = attempt(false);
    if compilation.failed() {
        let (other, mended) = attempt(true);
        if !mended.failed() {
            (content, compilation) = (other, mended);
        }
    }
    output::diagnostics(&compilation);
    if compilation.failed() {
        output::eprint("nothing was written: choose other numbers, or another backbone\n");
        return Err(Stop(1));
    }
    let created = std::fs::File::create_new(out).and_then(|mut f| f.write_all(content.as_bytes()));
    if let Err(e) = created {
        if e.kind() == std::io::ErrorKind::AlreadyExists {
            return free(out);
        }
        let message = format!("`{}` cannot be written: {}", out.display(), reason(&e));
        output::eprint(&format!("error: {message}\n"));
        return Err(Stop(74));
    }
    let mut said = format!("wrote {}\n", out.display());
    if let Some(plan) = &compilation.plan {
        let (trained, frozen) = ssl_core::total_parameters(&plan.recipe);
        let e = &plan.estimate;
        let bytes = e.weight_bytes + e.gradient_bytes + e.optimizer_bytes + e.activation_bytes;
        said += &format!(
            "  {} steps of {} images, {} parameters, about {} of memory\n",
            ssl_core::thousands(plan.recipe.train.steps as u64),
            plan.recipe.data.batch,
            ssl_core::thousands(trained + frozen),
            ssl_core::size(bytes),
        );
    }
    let file = super::run::quoted(out);
    said += &format!(
        "next:\n  sslc plan {file}             every value, and where it comes from\n  \
         sslc why {file} PATH         every layer that set one\n  \
         sslc run {file}              train\n"
    );
    output::print(&said);
    Ok(())
}

/// Refuses to overwrite.
fn free(out: &Path) -> Result<(), Stop> {
    match out.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(_) => usage(
            &format!(
                "`{}` is there already, and is not overwritten",
                out.display()
            ),
            "name another file: `sslc new FILE`",
        ),
    }
}

/// The folder as the file says it: as it was typed where both are relative to
/// one place, else from the root.
fn from(out: &Path, folder: &Path) -> String {
    let beside = out.parent().is_none_or(|p| p.as_os_str().is_empty());
    if beside || folder.is_absolute() {
        return folder.display().to_string();
    }
    Disk.absolute(folder).display().to_string()
}

/// A pipeline's name from a file's.
fn identifier(out: &Path) -> String {
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = stem.chars().map(plain).collect();
    let letter = name.starts_with(|c: char| c.is_ascii_alphabetic());
    // A word of the language cannot be a name.
    let mut map = SourceMap::new();
    let file = map.add("name", format!("pipeline {name} {{\n}}\n"));
    let wrong = |file| !ssl_syntax::parse_file(&map, file).diagnostics.is_empty();
    if letter && !file.is_none_or(wrong) {
        name
    } else {
        format!("mine_{name}")
    }
}
