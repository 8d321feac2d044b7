//! Colours on standard output, where a terminal shows them.

/// Paints, or leaves text as it is.
#[derive(Debug, Clone, Copy)]
pub struct Paint(bool);

impl Paint {
    /// Paints where standard output is to be coloured.
    pub fn stdout() -> Self {
        Paint(crate::output::colour_result())
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// What matters most.
    pub fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What stands behind.
    pub fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    /// What was taken away.
    pub fn gone(self, text: &str) -> String {
        self.with("31", text)
    }

    /// What was added, what holds.
    pub fn fresh(self, text: &str) -> String {
        self.with("32", text)
    }
}
