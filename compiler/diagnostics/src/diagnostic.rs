//! The one diagnostic type.

use crate::{Code, Fix, Lint, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// For information.
    Note,
    /// The run would go ahead, but probably not as meant.
    Warning,
    /// Nothing runs.
    Error,
}

impl Severity {
    /// `error`, `warning`, `note`.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// A place and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// Lower case, without a final period; may be empty.
    pub text: String,
}

/// Something to tell the user about a source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// Stable code.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// The name by which a pipeline may allow it; warnings alone have one.
    pub lint: Option<&'static str>,
    /// One sentence: lower case, code in backticks, no final period.
    pub message: String,
    /// The place first, then related places.
    pub labels: Vec<Label>,
    /// The way out, in the imperative.
    pub help: Option<String>,
    /// Edits.
    pub fixes: Vec<Fix>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message)
    }

    /// A warning that a pipeline may allow by the lint's name.
    pub fn lint(lint: Lint, message: impl Into<String>) -> Self {
        let mut out = Self::new(lint.code, Severity::Warning, message);
        out.lint = Some(lint.name);
        out
    }

    /// A warning at a place that cannot be allowed: what it speaks of will not
    /// be done.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message)
    }

    fn new(code: Code, severity: Severity, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity,
            lint: None,
            message: message.into(),
            labels: Vec::new(),
            help: None,
            fixes: Vec::new(),
        }
    }

    /// Adds a place; the first is the one that is named.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Says the way out.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Says the way out, where there is one.
    #[must_use]
    pub fn maybe_help(mut self, text: Option<String>) -> Self {
        if text.is_some() {
            self.help = text;
        }
        self
    }

    /// Adds an edit.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fixes.push(fix);
        self
    }

    /// Adds an edit, where there is one.
    #[must_use]
    pub fn maybe_fix(mut self, fix: Option<Fix>) -> Self {
        self.fixes.extend(fix);
        self
    }

    /// The place that is named.
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|l| l.span)
    }
}
