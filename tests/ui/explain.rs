//! Every page of `sslc explain` keeps its word: what it shows as wrong raises
//! its code, and what it shows as mended raises nothing.
//!
//! A page's fences say what holds: `ssl,fails` raises the page's code as an
//! error, `ssl,warns` as a warning without an error beside it, `ssl,passes`
//! raises nothing. Behind that may stand further codes that come along
//! (`ssl,fails,E0601`), `pipeline=NAME` and `set=PATH=VALUE`, as on the
//! command line. `sh` is for the reader alone.

mod bench;

use bench::Bench;
use ssl_core::{Demand, Request};
use ssl_diagnostics::{CodeInfo, Diagnostic, Severity, Snippet, all_codes, code_info, snippets};

const NOT_YET: &[&str] = &["E0405"];

/// Codes that no text of a file can raise.
const OUTSIDE: &[&str] = &["E0004"];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    Fails,
    Warns,
    Passes,
}

/// A fence, understood.
struct Fence<'a> {
    verdict: Verdict,
    also: Vec<&'a str>,
    pipeline: Option<String>,
    set: Vec<String>,
}

fn fence(text: &'static str) -> Result<Option<Fence<'static>>, String> {
    let mut words = text.split(',');
    match words.next() {
        Some("ssl") => {}
        Some("sh") => return Ok(None),
        _ => return Err(format!("the fence `{text}` has no language")),
    }
    let mut out = Fence {
        verdict: match words.next() {
            Some("fails") => Verdict::Fails,
            Some("warns") => Verdict::Warns,
            Some("passes") => Verdict::Passes,
            _ => return Err(format!("the fence `{text}` has no verdict")),
        },
        also: Vec::new(),
        pipeline: None,
        set: Vec::new(),
    };
    for word in words {
        match word.split_once('=') {
            Some(("pipeline", name)) => out.pipeline = Some(name.to_owned()),
            Some(("set", value)) => out.set.push(value.to_owned()),
            None if out.verdict != Verdict::Passes && code_info(word).is_some() => {
                out.also.push(word);
            }
            _ => {
                return Err(format!(
                    "the fence `{text}` has the unknown option `{word}`"
                ));
            }
        }
    }
    Ok(Some(out))
}

fn compile(snippet: &Snippet, fence: &Fence) -> Vec<Diagnostic> {
    let request = Request {
        path: "page.ssl".into(),
        pipeline: fence.pipeline.clone(),
        set: fence.set.clone(),
        demand: Demand::Run,
    };
    ssl_core::compile(
        &request,
        &Bench {
            text: Some(&snippet.text),
        },
    )
    .diagnostics
}

/// What the snippet does that its fence does not say.
fn judge(code: &str, fence: &Fence, raised: &[Diagnostic]) -> Vec<String> {
    let mut wrong = Vec::new();
    let raises = |code: &str, severity: Option<Severity>| {
        raised
            .iter()
            .any(|d| d.code.short() == code && severity.is_none_or(|s| d.severity == s))
    };
    let (own, severity) = match fence.verdict {
        Verdict::Fails => (Some(code), Severity::Error),
        Verdict::Warns => (Some(code), Severity::Warning),
        Verdict::Passes => (None, Severity::Note),
    };
    for d in raised {
        let short = d.code.short();
        let expected = own == Some(short) || fence.also.contains(&short);
        if !expected || (fence.verdict == Verdict::Warns && d.severity == Severity::Error) {
            wrong.push(format!(
                "raises {}[{short}]: {}",
                d.severity.word(),
                d.message
            ));
        }
    }
    if let Some(code) = own.filter(|c| !raises(c, Some(severity))) {
        wrong.push(format!("does not raise {}[{code}]", severity.word()));
    }
    let absent = fence.also.iter().filter(|c| !raises(c, None));
    wrong.extend(absent.map(|c| format!("does not raise {c}, which its fence promises")));
    wrong
}

/// Everything that a page says and that does not hold.
fn faults(info: &CodeInfo) -> Vec<String> {
    let code = info.code.short();
    let mut wrong = Vec::new();
    if info.page.lines().next() != Some(&format!("# {}: {}", info.code, info.title)) {
        wrong.push("the first line is not the code with its title".to_owned());
    }
    let mut shown = Vec::new();
    for (i, snippet) in snippets(info.page).iter().enumerate() {
        let fence = match fence(snippet.fence) {
            Ok(Some(fence)) => fence,
            Ok(None) => continue,
            Err(e) => {
                wrong.push(e);
                continue;
            }
        };
        shown.push(fence.verdict);
        let raised = compile(snippet, &fence);
        let own = raised.iter().any(|d| d.code == info.code);
        let mut faults = judge(code, &fence, &raised);
        if NOT_YET.contains(&code) {
            faults.retain(|f| !f.ends_with(&format!("[{code}]")));
            if own {
                faults.push("raises it: take it out of `NOT_YET`".to_owned());
            }
        }
        wrong.extend(
            faults
                .into_iter()
                .map(|f| format!("snippet {}: {f}", i + 1)),
        );
    }
    if !OUTSIDE.contains(&code) {
        if !shown.iter().any(|v| *v != Verdict::Passes) {
            wrong.push("nothing is shown that raises it".to_owned());
        }
        if !shown.contains(&Verdict::Passes) {
            wrong.push("nothing mended is shown".to_owned());
        }
    }
    wrong
}

#[test]
fn every_page_keeps_its_word() {
    let mut wrong = String::new();
    for info in all_codes() {
        for fault in faults(info) {
            wrong += &format!("{}: {fault}\n", info.code.short());
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A code without a page does not compile; nobody would find a page without
/// a code.
#[test]
fn every_page_has_a_code() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../diagnostics/explain");
    for entry in std::fs::read_dir(dir).expect("the pages are there") {
        let path = entry.expect("a page").path();
        let name = path.file_stem().and_then(|n| n.to_str()).expect("a name");
        assert!(
            code_info(name).is_some_and(|i| i.code.short() == name),
            "no code {name}"
        );
    }
}

#[test]
fn a_file_that_is_not_there_is_e0004() {
    let request = Request {
        path: "/no/such/file.ssl".into(),
        ..Request::default()
    };
    let raised = ssl_core::compile(&request, &Bench::default()).diagnostics;
    let codes: Vec<&str> = raised.iter().map(|d| d.code.short()).collect();
    assert_eq!(codes, OUTSIDE);
}
