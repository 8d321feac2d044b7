//! One file for each way to go wrong, with what is expected beside the line
//! that it is expected on.
//!
//! `//~ E0102 text` says that a diagnostic of this code, whose message holds
//! the text, is at this line; `//~^` points to the line above, one more `^` to
//! one more line; `//~@` to another file. A file without such comments must
//! give no diagnostic. The rendering of each file is kept beside it
//! (`NAME.stderr`); `SSLC_UPDATE=1 cargo test` writes it anew.

#[path = "../support/mutants.rs"]
mod cat;
#[path = "../support/compiling.rs"]
mod compiling;
mod fixes;
mod lints;
mod mutants;

use std::path::{Path, PathBuf};

use compiling::Bench;
use ssl_core::{Demand, Request, Whole};

/// What a comment expects.
#[derive(Debug, PartialEq)]
struct Expected {
    line: usize,
    code: String,
    text: String,
}

fn expectations(text: &str) -> Vec<Expected> {
    let mut out = Vec::new();
    for (i, line) in text.lines().enumerate() {
        for part in line.split("//~").skip(1) {
            let up = part.chars().take_while(|c| *c == '^').count();
            let elsewhere = part.starts_with('@');
            let mut words = part
                .trim_start_matches('@')
                .get(up..)
                .unwrap_or("")
                .trim()
                .splitn(2, ' ');
            out.push(Expected {
                line: if elsewhere { 0 } else { i + 1 - up },
                code: words.next().unwrap_or("").to_owned(),
                text: words.next().unwrap_or("").trim().to_owned(),
            });
        }
    }
    out
}

/// The bytes that a case has, as its line `// memory: 64 MiB` says.
fn memory(path: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut lines = text.lines();
    let mib = lines.find_map(|l| l.strip_prefix("// memory: ")?.strip_suffix(" MiB"))?;
    Some(mib.parse::<u64>().ok()? << 20)
}

/// Every pipeline of a case, and every variant of its sweeps.
fn check(path: &Path) -> Whole {
    let (dir, name) = (path.parent(), path.file_name());
    let request = Request {
        path: name.expect("a case is a file").into(),
        demand: Demand::Run,
        memory: memory(path),
        ..Request::default()
    };
    let dir = dir.expect("a case lies in a folder");
    let read = |file: &Path| std::fs::read_to_string(dir.join(file)).ok();
    ssl_core::check_file(&request, &Bench(read))
}

/// All cases, in order of name.
fn cases() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/ui/cases");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(&dir)
        .expect("the cases are there")
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "ssl"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 10, "the cases are gone");
    cases
}

/// Compares the diagnostics of a file with its comments.
fn judge(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("a case is readable");
    let compilation = check(path);
    let mut wrong = Vec::new();
    let mut expected = expectations(&text);
    for d in &compilation.diagnostics {
        let name = path.file_name().unwrap_or_default().display().to_string();
        let line = d
            .span()
            .and_then(|s| compilation.map.place(s))
            .filter(|p| *p.0 == *name)
            .map_or(0, |p| p.1);
        let found = expected.iter().position(|e| {
            e.line == line && e.code == d.code.short() && d.message.contains(&e.text)
        });
        match found {
            Some(i) => drop(expected.remove(i)),
            None => wrong.push(format!("line {line}: unexpected {}: {}", d.code, d.message)),
        }
    }
    wrong.extend(
        expected
            .iter()
            .map(|e| format!("line {}: missing {} {}", e.line, e.code, e.text)),
    );
    if wrong.is_empty() {
        wrong.extend(snapshot(path, &compilation));
    }
    wrong
}

/// Compares the rendering with the one kept beside the file.
fn snapshot(path: &Path, compilation: &Whole) -> Option<String> {
    let kept = path.with_extension("stderr");
    let now = ssl_diagnostics::render_human(&compilation.map, &compilation.diagnostics, false);
    if std::env::var_os("SSLC_UPDATE").is_some() {
        if now.is_empty() {
            let _ = std::fs::remove_file(kept);
        } else {
            std::fs::write(kept, now).expect("the snapshot can be written");
        }
        return None;
    }
    let before = std::fs::read_to_string(kept).unwrap_or_default();
    (before != now).then(|| format!("the rendering has changed:\n{now}"))
}

#[test]
fn every_case_says_what_it_should() {
    let mut wrong = String::new();
    for case in &cases() {
        for line in judge(case) {
            wrong += &format!("{}: {line}\n", case.file_name().expect("a file").display());
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A code that nothing can raise is a promise that nobody keeps.
#[test]
fn every_code_has_a_case() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/ui/cases");
    let all: String = std::fs::read_dir(dir)
        .expect("the cases are there")
        .filter_map(|e| std::fs::read_to_string(e.ok()?.path()).ok())
        .collect();
    // Raised outside a file: by a path, by the command line.
    let outside = ["E0204"];
    let missing: Vec<&str> = ssl_diagnostics::all_codes()
        .iter()
        .map(|i| i.code.short())
        .filter(|c| {
            !outside.contains(c)
                && !all.contains(&format!("//~ {c}"))
                && !all.contains(&format!("//~@ {c}"))
        })
        .collect();
    assert!(missing.is_empty(), "no case raises {missing:?}");
}
