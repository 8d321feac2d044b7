//! The one style, by cases: `cases/NAME.ssl` is what an author wrote,
//! `cases/NAME.out` what the formatter makes of it. `SSLC_UPDATE=1 cargo test`
//! writes the latter anew, and formats the files that must be formatted.

#[path = "../support/mutants.rs"]
mod cat;
mod mutants;
#[path = "../support/reading.rs"]
mod support;

use std::path::{Path, PathBuf};

use support::{formatted, parsed, reading};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn ssl_files(folder: &str) -> Vec<PathBuf> {
    let folder = workspace().join(folder);
    let mut files = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "ssl") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn is_update() -> bool {
    std::env::var_os("SSLC_UPDATE").is_some()
}

/// What must hold whatever is formatted.
fn assert_sound(name: &str, text: &str) -> String {
    let out = formatted(text);
    assert!(!out.declined, "{name}: declined");
    assert_eq!(reading(&out.text), reading(text), "{name}");
    assert_eq!(formatted(&out.text).text, out.text, "{name}: not stable");
    assert_eq!(out.changed, out.text != text, "{name}");
    out.text
}

#[test]
fn every_case_is_formatted_as_shown() {
    let cases = ssl_files("tests/fmt/cases");
    assert!(cases.len() >= 5, "the cases are gone");
    let mut wrong = String::new();
    for case in cases {
        let name = case.file_name().expect("a file").display().to_string();
        let text = std::fs::read_to_string(&case).expect("a case is readable");
        let out = assert_sound(&name, &text);
        let kept = case.with_extension("out");
        if is_update() {
            std::fs::write(kept, out).expect("the case can be written");
            continue;
        }
        let expected = std::fs::read_to_string(kept).unwrap_or_default();
        if out != expected {
            wrong += &format!("--- {name}, expected\n{expected}--- found\n{out}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// What we show to others is in the style that we ask of them.
#[test]
fn what_we_ship_is_formatted() {
    let mut wrong = Vec::new();
    let shipped = [ssl_files("examples"), ssl_files("compiler/core/std")];
    for file in shipped.into_iter().flatten() {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(&file).expect("a file is readable");
        assert_eq!(parsed(&text).diagnostics, [], "{name}");
        let out = assert_sound(&name, &text);
        if out == text {
            continue;
        }
        if is_update() {
            std::fs::write(&file, out).expect("the file can be written");
        } else {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "`SSLC_UPDATE=1` formats {wrong:#?}");
}

#[test]
fn line_ends_and_marks_are_made_plain() {
    let text = "\u{feff}// a\r\n\r\n\r\npipeline p {\r\n  x = \"\t\"  \r\r\n}";
    let out = assert_sound("line ends", text);
    assert_eq!(out, "// a\n\npipeline p {\n  x = \"\t\"\n}\n");
    for empty in ["", "\n\n", "\u{feff}\r\n", "  \t"] {
        assert_eq!(formatted(empty).text, "", "{empty:?}");
    }
    // In what is copied, too.
    let text = "pipeline p {\r\n   @@  ??\r\r\n}\r";
    assert_eq!(formatted(text).text, "pipeline p {\n   @@  ??\n}\n");
}

/// Texts that nobody means well with take time in proportion to their length,
/// and no more stack than others.
#[test]
fn hostile_texts_are_formatted_soon() {
    let mocov3 = std::fs::read_to_string(workspace().join("examples/mocov3_digits.ssl"));
    let mut texts = vec![mocov3.expect("the example is there").repeat(100)];
    let lines = [
        "  lr 3 = (\n",
        "  a.b: 3 x\n",
        "}\n",
        "{\n",
        "  a {\n",
        "  f(a,\n",
        "# x\n",
        "/*\n",
        "\"\n",
        "// x\n",
        "pipeline p {\n",
        "view v {\n}\n",
        "/// doc\n",
        "\n",
        "'a' 'b\n",
        "\0\u{1}\n",
        "x = 1;\n",
        "data { a = 1 }\n",
        "x = 1\n",
    ];
    texts.extend(lines.map(|line| format!("pipeline p {{\n{}", line.repeat(5_000))));
    let chains = [
        "1 + ",
        "a -> ",
        "-",
        "for a in ",
        "a then ",
        "f(",
        "[",
        "(",
        "x.",
        "1 2 ",
        "1 - 2 * ",
    ];
    texts.extend(
        chains.map(|c| format!("pipeline p {{\n  x = {}1\n y = 2\n}}\n", c.repeat(10_000))),
    );
    for text in texts {
        let start = std::time::Instant::now();
        let out = formatted(&text);
        let taken = start.elapsed();
        let head: String = text.chars().take(40).collect();
        println!("{taken:?} {head:?} {}", out.declined);
        assert!(taken.as_secs() < 10, "{taken:?} for {head:?}");
        assert_eq!(formatted(&out.text).text, out.text, "{head:?}");
    }
}
