//! Lists of calls: transforms, monitors, evaluations.

use ssl_diagnostics::{Code, Diagnostic};
use ssl_syntax::ast::{ExprKind, Ident};

use super::assign::set_argument;
use super::{Change, Entry};
use crate::names::{Meant, nearest};
use crate::schema::functions;

/// Applies one change to a list of entries.
pub fn change_entries(
    entries: &mut Vec<Entry>,
    change: Change,
    section: &str,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let position = |entries: &[Entry], name: &str| entries.iter().position(|e| e.name.name == name);
    let unknown = |entries: &[Entry], name: &Ident, why: &str| {
        Diagnostic::error(
            Code::OVERRIDE_NOTHING,
            format!("this `{section}` has no `{}` {why}", name.name),
        )
        .at(name.span, "not there")
        .meant(&name.name, entries.iter().map(|e| e.name.name.as_str()))
    };
    match change {
        Change::Put { entry, place } => {
            if let Some(at) = position(entries, &entry.name.name) {
                entries.remove(at);
                if place.is_none() {
                    entries.insert(at, entry);
                    return;
                }
            }
            let at = match &place {
                None => entries.len(),
                Some(p) => match position(entries, &p.anchor.name) {
                    Some(i) => i + usize::from(p.after),
                    None if misspelt(entries, &p.anchor.name) => entries.len(),
                    None => {
                        diagnostics.push(unknown(entries, &p.anchor, "to stand next to"));
                        entries.len()
                    }
                },
            };
            entries.insert(at, entry);
        }
        Change::Override { path, value } => {
            let [name, rest @ ..] = path.as_slice() else {
                return;
            };
            match entries.iter_mut().find(|e| e.name.name == name.name) {
                Some(entry) if !rest.is_empty() => {
                    set_argument(&mut entry.call, rest, value, diagnostics);
                }
                Some(_) => diagnostics.push(
                    Diagnostic::error(
                        Code::SYNTAX,
                        format!("`{}` cannot be assigned as a whole here", name.name),
                    )
                    .at(name.span, "")
                    .help(format!(
                        "write `{}(...)`, or `{0}.ARGUMENT = ...`",
                        name.name
                    )),
                ),
                None => {
                    if !misspelt(entries, &name.name) {
                        diagnostics.push(unknown(entries, name, "to set"));
                    }
                }
            }
        }
        Change::Drop { name } => {
            if !remove_entry(entries, &name) {
                diagnostics.push(unknown(entries, &name, "to drop"));
            }
        }
    }
}

/// Whether an entry calls no function, and by a slip of this name, which is
/// one: that is told where the entry stands.
fn misspelt(entries: &[Entry], name: &str) -> bool {
    let known = |name: &str| functions().iter().any(|f| f.name == name);
    let called = |entry: &Entry| match &entry.call.expr.kind {
        ExprKind::Call { callee: path, .. } | ExprKind::Path(path) => path.segments.last().cloned(),
        _ => None,
    };
    let called: Vec<Ident> = entries.iter().filter_map(called).collect();
    let slips = called.iter().map(|c| c.name.as_str());
    known(name) && nearest(name, slips.filter(|slip| !known(slip))).is_some()
}

pub(super) fn remove_entry(list: &mut Vec<Entry>, name: &Ident) -> bool {
    let before = list.len();
    list.retain(|e| e.name.name != name.name);
    list.len() < before
}
