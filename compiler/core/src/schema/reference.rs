//! `REFERENCE.md`: the schema as tables for a reader, kept true by a test.

use std::fmt::Write;
use std::path::Path;

use ssl_syntax::ast::SectionKind;

use super::{Fallback, Field, Group, fields_of, in_group};
use crate::value::show_number;

/// What stands above the tables.
const HEAD: &str = "\
# What the language takes

Every setting of `data { }` and `train { }`, and every built-in function with its arguments, in the order in which they may
be given without their names. `= x` is what an argument is where nothing is said; one without it must be given, one in
`[brackets]` may be left out. Written by a test from the compiler's own tables
(`SSLC_UPDATE=1 cargo test -p ssl-core --lib reference`).
";

fn default(fallback: &Fallback) -> Option<String> {
    Some(match fallback {
        Fallback::Required | Fallback::Absent => return None,
        Fallback::Int(n) => n.to_string(),
        Fallback::Float(x) => show_number(*x),
        Fallback::Bool(b) => b.to_string(),
        Fallback::Symbol(s) => (*s).to_owned(),
        Fallback::Text(s) => format!("\"{s}\""),
        Fallback::Range(a, b) => format!("{}..{}", show_number(*a), show_number(*b)),
        Fallback::Symbols(s) => format!("[{}]", s.join(", ")),
        Fallback::Epochs(n) => format!("{} epochs", show_number(*n)),
        Fallback::Steps(n) => format!("{} steps", show_number(*n)),
        Fallback::Seconds(n) => format!("{}s", show_number(*n)),
        Fallback::Mebibytes(n) => format!("{}MiB", show_number(*n)),
    })
}

/// A field as it is written, with its default.
fn written(field: &Field) -> String {
    match (default(&field.fallback), field.fallback) {
        (Some(value), _) => format!("{} = {value}", field.name),
        (None, Fallback::Absent) => format!("[{}]", field.name),
        (None, _) => field.name.to_owned(),
    }
}

/// Text within a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn reference() -> String {
    let mut out = HEAD.to_owned();
    for kind in [SectionKind::Data, SectionKind::Train] {
        let _ = writeln!(
            out,
            "\n## `{}`\n\n| setting | takes | what it is |",
            kind.keyword()
        );
        out += "|---|---|---|\n";
        for field in fields_of(kind) {
            let (name, takes, doc) = (written(field), field.want.describe(), field.doc);
            let _ = writeln!(out, "| `{name}` | {} | {} |", cell(&takes), cell(doc));
        }
    }
    for (title, group) in [
        ("Sources", Group::Source),
        ("Transforms", Group::Transform),
        ("Modules", Group::Module),
        ("Averages", Group::Average),
        ("Norms", Group::Norm),
        ("Optimizers", Group::Optimizer),
        ("Schedules", Group::Schedule),
        ("Monitors", Group::Monitor),
        ("Evaluations", Group::Eval),
    ] {
        let _ = writeln!(out, "\n## {title}\n\n| function | what it is | arguments |");
        out += "|---|---|---|\n";
        for function in in_group(group) {
            let arguments: Vec<String> = function
                .params
                .iter()
                .map(|p| format!("`{}`: {}", written(p), p.doc))
                .collect();
            let (name, doc) = (function.name, function.doc);
            let arguments = cell(&arguments.join("; "));
            let _ = writeln!(out, "| `{name}` | {} | {arguments} |", cell(doc));
        }
    }
    out
}

#[test]
fn the_reference_is_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("REFERENCE.md");
    let now = reference();
    if std::env::var_os("SSLC_UPDATE").is_some() {
        std::fs::write(&path, &now).expect("written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == now,
        "REFERENCE.md is not what the schema says; write it with `SSLC_UPDATE=1`"
    );
}
