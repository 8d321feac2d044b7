//! One diagnostic model for the whole compiler: where (spans over a source
//! map), what (stable codes) and how it is shown (renderers, kept apart).

mod codes;
mod diagnostic;
mod explain;
mod fix;
mod lints;
mod render;
mod source;

pub use codes::{Code, CodeInfo, all as all_codes, info as code_info};
pub use diagnostic::{Diagnostic, Label, Severity};
pub use explain::{Snippet, explain, snippets};
pub use fix::{Edit, Fix, apply_fixes, whole_lines};
pub use lints::{Lint, all as all_lints, by_name as lint};
pub use render::{
    Look, MessageFormat, render_github, render_human, render_human_as, render_json, render_sarif,
    render_short,
};
pub use source::{FileId, SourceFile, SourceMap, Span};
