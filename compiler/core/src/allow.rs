//! `allow(LINT)`: warnings that a pipeline, and whatever extends it, takes
//! back by name.

use ssl_diagnostics::{Code, Diagnostic, Lint, all_lints, lint};
use ssl_syntax::ast::Ident;

use crate::merge::Effective;
use crate::names::Meant;

/// Whether one of some `allow`s takes a diagnostic back.
pub fn covers(allow: &[Ident], diagnostic: &Diagnostic) -> bool {
    diagnostic
        .lint
        .is_some_and(|name| allow.iter().any(|a| a.name == name))
}

/// Removes what the pipeline allows, and reports lints that are not known. With
/// `whole`, when everything was checked, also those of its own `allow`s that
/// took nothing back.
pub fn judge(effective: &Effective, diagnostics: &mut Vec<Diagnostic>, whole: bool) {
    let mut found = Vec::new();
    for name in &effective.allow {
        if lint(&name.name).is_none() {
            let known = all_lints().iter().map(|l| l.name);
            found.push(
                Diagnostic::error(
                    Code::UNKNOWN_LINT,
                    format!("there is no lint `{}` to allow", name.name),
                )
                .at(name.span, "not a lint")
                .help("list the lints with `sslc explain lints`")
                .near(&name.name, known),
            );
        }
    }
    for name in &effective.own_allow {
        let of_file = [
            Lint::DANGLING_DOC,
            Lint::UNUSED_IMPORT,
            Lint::UNUSED_FUNCTION,
        ];
        let judged = lint(&name.name).is_some_and(|l| !of_file.contains(l));
        let used = diagnostics
            .iter()
            .any(|d| d.lint == Some(name.name.as_str()));
        if whole && judged && !used {
            found.push(
                Diagnostic::lint(
                    Lint::USELESS_ALLOW,
                    format!("`allow({})` takes nothing back", name.name),
                )
                .at(name.span, "there is no such warning in this pipeline")
                .help("remove it"),
            );
        }
    }
    diagnostics.extend(found);
    diagnostics.retain(|d| !covers(&effective.allow, d));
}
