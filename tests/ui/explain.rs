//! Every page of `sslc explain` keeps its word: what it shows as wrong raises
//! its code, and what it shows as mended raises nothing.
//!
//! A page's fences say what holds: `ssl,fails` raises the page's code as an
//! error, `ssl,warns` as a warning and no error, `ssl,passes` nothing. Behind
//! that may stand further codes that come along (`ssl,fails,E0601`), and as on
//! the command line `pipeline=NAME`, `set=PATH=VALUE` and `memory=MIB`. `ssl,file=NAME` is a
//! file of that name, for what follows on the page to import. Snippets stand in
//! the formatter's style.

#[path = "../support/bench.rs"]
mod bench;

use std::collections::HashMap;
use std::path::Path;

use bench::Bench;
use ssl_core::{Demand, Request};
use ssl_diagnostics::{CodeInfo, Diagnostic, Severity, SourceMap, all_codes, code_info, snippets};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    Fails,
    Warns,
    Passes,
}

/// A fence, understood.
struct Fence {
    /// Absent for a file that others import.
    verdict: Option<Verdict>,
    file: String,
    /// Codes that come along.
    also: Vec<&'static str>,
    pipeline: Option<String>,
    set: Vec<String>,
    /// Bytes that are there.
    memory: Option<u64>,
}

impl Fence {
    fn read(text: &'static str) -> Result<Fence, String> {
        let Some(words) = text.strip_prefix("ssl,") else {
            return Err(format!("the fence `{text}` does not begin with `ssl,`"));
        };
        let mut fence = Fence {
            verdict: None,
            file: "page.ssl".to_owned(),
            also: Vec::new(),
            pipeline: None,
            set: Vec::new(),
            memory: None,
        };
        for word in words.split(',') {
            match (word, word.split_once('=')) {
                ("fails", _) => fence.verdict = Some(Verdict::Fails),
                ("warns", _) => fence.verdict = Some(Verdict::Warns),
                ("passes", _) => fence.verdict = Some(Verdict::Passes),
                (_, Some(("file", name))) => fence.file = name.to_owned(),
                (_, Some(("pipeline", name))) => fence.pipeline = Some(name.to_owned()),
                (_, Some(("memory", mib))) => {
                    let mib: u64 = mib.parse().map_err(|e| format!("`{mib}`: {e}"))?;
                    fence.memory = Some(mib << 20);
                }
                (_, Some(("set", value))) => fence.set.push(value.to_owned()),
                (code, None) if code_info(code).is_some() => fence.also.push(code),
                _ => return Err(format!("the fence `{text}` has the unknown word `{word}`")),
            }
        }
        Ok(fence)
    }

    fn compile(&self, files: &HashMap<String, String>) -> Vec<Diagnostic> {
        let request = Request {
            path: (&self.file).into(),
            pipeline: self.pipeline.clone(),
            set: self.set.clone(),
            demand: Demand::Run,
            memory: self.memory,
        };
        let read = |path: &Path| files.get(&path.display().to_string()).cloned();
        let text = files.get(&self.file).map_or("", String::as_str);
        match text.contains("\nsweep ") {
            true => ssl_core::check_file(&request, &Bench(read)).diagnostics,
            false => ssl_core::compile(&request, &Bench(read)).diagnostics,
        }
    }
}

/// How what was raised differs from what the fence says.
fn judge(
    code: &'static str,
    verdict: Verdict,
    fence: &Fence,
    raised: &[Diagnostic],
) -> Vec<String> {
    let (severity, expected) = match verdict {
        Verdict::Fails => (Severity::Error, [&[code], fence.also.as_slice()].concat()),
        Verdict::Warns => (Severity::Warning, [&[code], fence.also.as_slice()].concat()),
        Verdict::Passes => (Severity::Note, Vec::new()),
    };
    let mut wrong = Vec::new();
    for d in raised {
        let worse = d.code.short() == code && d.severity != severity;
        if worse || d.severity > severity || !expected.contains(&d.code.short()) {
            wrong.push(format!(
                "raises {}[{}]: {}",
                d.severity.word(),
                d.code,
                d.message
            ));
        }
    }
    for code in expected {
        if !raised.iter().any(|d| d.code.short() == code) {
            wrong.push(format!("does not raise {code}"));
        }
    }
    wrong
}

fn formatted(text: &str) -> String {
    let mut map = SourceMap::new();
    let file = map.add("page.ssl", text).expect("a snippet is small");
    ssl_syntax::format(&map, file).text
}

/// Everything that a page says and that does not hold.
fn faults(info: &CodeInfo) -> Result<Vec<String>, String> {
    let code = info.code.short();
    let mut wrong = Vec::new();
    if info.page.lines().next() != Some(&format!("# {}: {}", info.code, info.title)) {
        wrong.push("the first line is not the code with its title".to_owned());
    }
    let mut files = HashMap::new();
    let (mut refused, mut mended) = (false, false);
    for (i, snippet) in snippets(info.page).into_iter().enumerate() {
        let fence = Fence::read(snippet.fence)?;
        if formatted(&snippet.text) != snippet.text {
            wrong.push(format!("snippet {}: is not formatted", i + 1));
        }
        files.insert(fence.file.clone(), snippet.text);
        let Some(verdict) = fence.verdict else {
            continue;
        };
        mended |= verdict == Verdict::Passes;
        refused |= verdict != Verdict::Passes;
        let differences = judge(code, verdict, &fence, &fence.compile(&files));
        wrong.extend(
            differences
                .into_iter()
                .map(|d| format!("snippet {}: {d}", i + 1)),
        );
    }
    if !refused || !mended {
        wrong.push("needs a snippet that raises it and one that is mended".to_owned());
    }
    Ok(wrong)
}

#[test]
fn every_page_keeps_its_word() {
    let mut wrong = String::new();
    for info in all_codes() {
        for fault in faults(info).unwrap_or_else(|e| vec![e]) {
            wrong += &format!("{}: {fault}\n", info.code.short());
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A code without a page does not compile; nobody would find a page without a
/// code.
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
        path: "page.ssl".into(),
        ..Request::default()
    };
    let raised = ssl_core::compile(&request, &Bench(|_: &Path| None)).diagnostics;
    let codes: Vec<&str> = raised.iter().map(|d| d.code.short()).collect();
    assert_eq!(codes, ["E0004"]);
}
