//! Texts with mistakes, each with what the user is told and what is left of
//! the tree. The expected answers stand in `files/broken/*.txt` themselves:
//! `//~ COLUMN message` (and `//~ help: ...`) below the line that it names,
//! `//= ...` for the tree. `UPDATE=1` writes them anew; then read the diff.

#[path = "../../../tests/support/trees.rs"]
mod trees;

use std::fmt::Write;

fn answered(case: &str) -> String {
    let lines = case.lines();
    let text: Vec<&str> = lines
        .filter(|l| !l.trim_start().starts_with("//~") && !l.starts_with("//="))
        .collect();
    let (map, parsed) = trees::parse(&(text.join("\n") + "\n"));
    let mut out = String::new();
    for (i, line) in text.iter().enumerate() {
        let _ = writeln!(out, "{line}");
        for d in &parsed.diagnostics {
            let (file, at, column) = map.place(d.span().unwrap()).unwrap();
            assert_eq!(&*file, "test.ssl", "{d:?}");
            assert!(at <= text.len() + 1, "{d:?}");
            let last = i + 1 == text.len() && at > text.len();
            if at == i + 1 || last {
                let _ = writeln!(out, "//~ {column} {}", d.message);
                if let Some(help) = &d.help {
                    let _ = writeln!(out, "//~   help: {help}");
                }
            }
        }
    }
    for line in trees::file(&parsed.file).lines() {
        let _ = writeln!(out, "//= {line}");
    }
    out
}

#[test]
fn mistakes_are_told_where_they_are_and_hide_nothing() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files/broken");
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = String::new();
    let mut cases = 0;
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    names.sort();
    for name in names {
        let text = std::fs::read_to_string(&name).unwrap();
        let found: Vec<String> = text.split("-----\n").map(answered).collect();
        cases += found.len();
        if update {
            std::fs::write(&name, found.join("-----\n")).unwrap();
            continue;
        }
        for (expected, found) in text.split("-----\n").zip(&found) {
            if expected != found {
                let _ = writeln!(wrong, "expected:\n{expected}\nfound:\n{found}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases > 25, "only {cases} cases found");
}
