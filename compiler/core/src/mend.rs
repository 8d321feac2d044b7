//! Applies the fixes that are certain, and checks what comes of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ssl_diagnostics::{Code, Diagnostic, Severity, SourceMap, apply_fixes};
use ssl_plan::Source;

use crate::{DatasetInfo, Request, Whole, World, WorldError, check_file};

/// A mended edit may show the next slip; more rounds than this do not come.
const ROUNDS: usize = 16;

/// A file after its fixes.
#[derive(Debug)]
pub struct Mended {
    /// The text as it was; `None` where the file cannot be read.
    pub before: Option<String>,
    /// The text with every certain fix.
    pub text: String,
    /// What was done, in the imperative.
    pub done: Vec<String>,
    /// What is wrong with the new text.
    pub whole: Whole,
}

/// Applies the certain fixes of a file, again and again until none is left,
/// and checks the result. A fix after which more is wrong is not taken. Only
/// the named file changes, never what it imports.
pub fn mend_file(request: &Request, world: &dyn World) -> Mended {
    let whole = check_file(request, world);
    let Some(before) = whole.map.files().first().map(|f| f.text.to_string()) else {
        return Mended {
            before: None,
            text: String::new(),
            done: Vec::new(),
            whole,
        };
    };
    let mut out = Mended {
        text: before.clone(),
        before: Some(before),
        done: Vec::new(),
        whole,
    };
    for _ in 0..ROUNDS {
        let fixable: Vec<Diagnostic> = out
            .whole
            .diagnostics
            .iter()
            .filter(|d| certain(d))
            .cloned()
            .collect();
        if !out.take(&fixable, request, world) {
            // Together they do harm, or one does: one after the other, then.
            let taken = fixable
                .iter()
                .any(|one| out.take(std::slice::from_ref(one), request, world));
            if !taken {
                break;
            }
        }
    }
    out.restyle(request, world);
    out
}

/// A text in the formatter's style; lines that do not parse stay as they are.
fn styled(text: &str) -> Option<String> {
    let mut map = SourceMap::new();
    let file = map.add("", text)?;
    let formatted = ssl_syntax::format(&map, file);
    (!formatted.declined).then_some(formatted.text)
}

fn certain(diagnostic: &Diagnostic) -> bool {
    diagnostic.fixes.iter().any(|f| f.certain)
}

/// Errors of the text and of its names: what a wrong edit would bring. Others
/// may come to light when a name is right.
fn errors(whole: &Whole) -> usize {
    let severe = |d: &&Diagnostic| {
        let code = d.code.short();
        let textual = code.starts_with("E00") || code.starts_with("E01");
        d.severity == Severity::Error && (textual || d.code == Code::DUPLICATE)
    };
    whole.diagnostics.iter().filter(severe).count()
}

impl Mended {
    /// Brings the text into the formatter's style, where it was in it before.
    fn restyle(&mut self, request: &Request, world: &dyn World) {
        let Some(before) = self.before.as_ref().filter(|b| **b != self.text) else {
            return;
        };
        if styled(before).as_ref() != Some(before) {
            return;
        }
        if let Some(text) = styled(&self.text).filter(|t| *t != self.text) {
            let over = Over {
                world,
                path: &request.path,
                text: &text,
            };
            self.whole = check_file(request, &over);
            self.text = text;
        }
    }

    /// Applies fixes where less is wrong afterwards.
    fn take(&mut self, fixable: &[Diagnostic], request: &Request, world: &dyn World) -> bool {
        let map = &self.whole.map;
        let Some(file) = map.files().first() else {
            return false;
        };
        let Some((text, taken)) = apply_fixes(map, file, fixable) else {
            return false;
        };
        let over = Over {
            world,
            path: &request.path,
            text: &text,
        };
        let whole = check_file(request, &over);
        // A mended word may let the checks see warnings that they did not.
        if errors(&whole) > errors(&self.whole) || still_there(&whole, fixable) {
            return false;
        }
        self.done.extend(taken);
        self.text = text;
        self.whole = whole;
        true
    }
}

/// Whether all of some diagnostics that were mended are there as before.
fn still_there(whole: &Whole, mended: &[Diagnostic]) -> bool {
    let same = |a: &Diagnostic, b: &Diagnostic| a.code == b.code && a.message == b.message;
    mended
        .iter()
        .all(|m| whole.diagnostics.iter().any(|d| same(d, m)))
}

/// The world, but for one text.
struct Over<'a> {
    world: &'a dyn World,
    path: &'a Path,
    text: &'a str,
}

impl World for Over<'_> {
    fn read(&self, path: &Path) -> Result<String, WorldError> {
        match path == self.path {
            true => Ok(self.text.to_owned()),
            false => self.world.read(path),
        }
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        self.world.absolute(path)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.world.variable(name)
    }

    fn dataset(&self, source: &Source, stall_limit: Duration) -> Result<DatasetInfo, WorldError> {
        self.world.dataset(source, stall_limit)
    }
}
