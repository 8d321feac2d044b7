//! Every warning has a name, and `allow(NAME)` takes it back.

use std::collections::BTreeSet;
use std::path::Path;

use ssl_core::{Demand, Request, Whole};
use ssl_diagnostics::{Severity, all_lints, code_info, lint};

use super::compiling::Bench;
use super::{cases, check};

/// A case under another text.
fn check_text(path: &Path, text: &str) -> Whole {
    let dir = path.parent().expect("a case lies in a folder");
    let name = Path::new(path.file_name().expect("a case is a file"));
    let read = |file: &Path| match file == name {
        true => Some(text.to_owned()),
        false => std::fs::read_to_string(dir.join(file)).ok(),
    };
    let request = Request {
        path: name.into(),
        demand: Demand::Run,
        ..Request::default()
    };
    ssl_core::check_file(&request, &Bench(read))
}

fn raised(whole: &Whole) -> BTreeSet<&'static str> {
    whole.diagnostics.iter().filter_map(|d| d.lint).collect()
}

#[test]
fn every_lint_is_raised_by_a_case_and_taken_back_by_allow() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        let text = std::fs::read_to_string(&case).expect("a case is readable");
        for name in raised(&check(&case)) {
            seen.insert(name);
            // In every pipeline, since what a base has wrong all have wrong.
            let mut inside = false;
            let allowed: String = text
                .lines()
                .map(|line| {
                    inside |= line.starts_with("pipeline ");
                    let opens = inside && line.contains('{');
                    inside &= !opens;
                    match opens {
                        true => line.replacen('{', &format!("{{\n  allow({name})\n"), 1) + "\n",
                        false => line.to_owned() + "\n",
                    }
                })
                .collect();
            let still = raised(&check_text(&case, &allowed));
            // This one speaks of `allow` itself.
            assert!(
                name == "useless_allow" || !still.contains(name),
                "{}: `allow({name})` does not take it back",
                case.display()
            );
        }
    }
    let missing: Vec<&str> = all_lints()
        .iter()
        .map(|l| l.name)
        .filter(|n| !seen.contains(n))
        .collect();
    assert!(missing.is_empty(), "no case raises {missing:?}");
}

/// A warning without a name cannot be allowed. Data that is missing and
/// constructs that are not there yet are no matter of taste.
#[test]
fn every_warning_has_a_name() {
    for case in cases() {
        for d in check(&case).diagnostics {
            let fact = ["E0003", "E0108", "E0502"].contains(&d.code.short());
            let named = d
                .lint
                .is_some_and(|n| lint(n).is_some_and(|l| l.code == d.code));
            assert!(
                named == (d.severity == Severity::Warning && !fact),
                "{}: `{}` has the name {:?}",
                case.display(),
                d.message,
                d.lint
            );
        }
    }
}

/// Whoever reads a page finds what to write.
#[test]
fn every_lint_stands_on_the_page_of_its_code() {
    for lint in all_lints() {
        let page = code_info(lint.code.short()).expect("a code").page;
        let line = format!("`allow({})`", lint.name);
        assert!(page.contains(&line), "{}: no {line}", lint.code);
    }
}
