//! What is wrong with a text, as far as anyone will read it.

use ssl_diagnostics::{Code, Diagnostic, Span};

/// So many mistakes of one file are told one by one. Who makes more has named
/// the wrong file, or has made one mistake that often.
const LIMIT: usize = 1_000;

/// A list of diagnostics that does not grow beyond all bounds.
#[derive(Debug, Default)]
pub(super) struct Reports {
    list: Vec<Diagnostic>,
    /// How many more there were, and where the first of them is.
    more: usize,
    first: Option<Span>,
}

/// A moment in the life of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    told: usize,
    more: usize,
}

impl Reports {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.len() < LIMIT {
            self.list.push(diagnostic);
            return;
        }
        self.more += 1;
        let place = diagnostic.span();
        self.first = match (self.first, place) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// Where the list stands now.
    pub fn mark(&self) -> Mark {
        Mark {
            told: self.list.len(),
            more: self.more,
        }
    }

    /// Whether there is no room for more: then a mistake need not be explained.
    pub fn is_full(&self) -> bool {
        self.list.len() >= LIMIT
    }

    /// Takes back what came since.
    pub fn take_back(&mut self, mark: Mark) {
        self.list.truncate(mark.told);
        self.more = mark.more;
    }

    /// What came first since, where it was kept.
    pub fn since(&mut self, mark: Mark) -> Option<&mut Diagnostic> {
        self.list.get_mut(mark.told)
    }

    /// Where the diagnostics are that came since.
    pub fn places(&self, mark: Mark) -> impl Iterator<Item = Span> + '_ {
        self.list
            .iter()
            .skip(mark.told)
            .filter_map(Diagnostic::span)
    }

    /// All of them by place, and one that counts those that were left out.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(Diagnostic::span);
        if let Some(first) = self.first.filter(|_| self.more > 0) {
            let what = match self.more {
                1 => "1 more mistake is".to_owned(),
                n => format!("{n} more mistakes are"),
            };
            self.list.push(
                Diagnostic::error(Code::SYNTAX, format!("{what} not told one by one"))
                    .at(first, "one of them")
                    .help("mend the others first"),
            );
        }
        self.list
    }
}
