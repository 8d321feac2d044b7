//! Parameters that are named to stay as they start.

use ssl_diagnostics::{Code, Diagnostic};
use ssl_plan::{Net, NetKind};

use super::Checker;
use crate::names::Meant;
use crate::shapes::{self, is_under, path_of};

impl Checker<'_> {
    /// Keeps of the named paths those that parameters lie under, and reports
    /// the others.
    pub(super) fn freeze(&mut self, freeze: &mut Vec<String>, nets: &[Net]) {
        if freeze.is_empty() {
            return;
        }
        let keys = keys(nets);
        let all = freeze.to_vec();
        freeze.retain(|path| keys.iter().any(|(key, _)| is_under(key, path)));
        for path in all.iter().filter(|path| !freeze.contains(path)) {
            let at = self.paths.get(path).copied().unwrap_or_default();
            let average = nets.iter().find_map(|net| match &net.kind {
                NetKind::Ema { of, .. } if is_under(path, &net.name) => Some(of),
                _ => None,
            });
            let said = Diagnostic::error(
                Code::UNKNOWN_NAME,
                format!("`{path}` is no parameter, and no part of a net"),
            );
            let said = match average {
                Some(of) => said.at(at, "an average").help(format!(
                    "an average is never updated by an optimizer; freeze `{of}`"
                )),
                None => {
                    let depth = path.split('.').count();
                    let mut known: Vec<String> = keys.iter().map(|(k, _)| upto(k, depth)).collect();
                    known.dedup();
                    said.at(at, "nothing has this name")
                        .meant(path, known.iter().map(String::as_str))
                }
            };
            self.report(said);
        }
        let left = keys
            .iter()
            .any(|(key, trained)| *trained && !freeze.iter().any(|path| is_under(key, path)));
        if !left && !keys.is_empty() {
            let at = all.first().and_then(|path| self.paths.get(path)).copied();
            self.report(
                Diagnostic::error(Code::UNTRAINED, "everything is frozen")
                    .at(at.unwrap_or_default(), "nothing is left to train")
                    .help("freeze less"),
            );
        }
    }
}

/// The keys of all parameters that are a net's own, and whether they are
/// trained.
fn keys(nets: &[Net]) -> Vec<(String, bool)> {
    let mut out = Vec::new();
    for net in nets {
        let NetKind::Stages { stages } = &net.kind else {
            continue;
        };
        for stage in stages {
            let start = path_of(&net.name, stage);
            for parameter in shapes::parameters(&stage.module) {
                out.push((format!("{start}.{}", parameter.name), parameter.trained));
            }
        }
    }
    out
}

/// The first names of a key.
fn upto(key: &str, depth: usize) -> String {
    let names: Vec<&str> = key.split('.').take(depth).collect();
    names.join(".")
}
