//! Which thing a written path means: exactly one, or the end of exactly one.

use ssl_diagnostics::{Code, Diagnostic};

use crate::Compilation;
use crate::merge::{Action, Effective, addresses};
use crate::names;
use crate::schema::functions;

/// The full path.
pub(super) fn find(
    compilation: &Compilation,
    effective: &Effective,
    wanted: &str,
) -> Result<Vec<String>, Box<Diagnostic>> {
    let written: Vec<String> = wanted.split('.').map(|s| s.trim().to_owned()).collect();
    let (live, gone) = known(compilation, effective);
    let all = || live.iter().chain(&gone);
    if let Some(exact) = all().find(|p| **p == written) {
        return Ok(exact.clone());
    }
    // What is there goes before what was dropped.
    for list in [&live, &gone] {
        let matching: Vec<&Vec<String>> = list.iter().filter(|p| p.ends_with(&written)).collect();
        match matching.as_slice() {
            [] => {}
            [one] => return Ok((*one).clone()),
            [first, ..] => {
                let paths: Vec<String> = matching.iter().map(|p| p.join(".")).collect();
                let shown = names::list(paths.iter().map(String::as_str)).unwrap_or_default();
                let several = Diagnostic::error(
                    Code::AMBIGUOUS,
                    format!("`{wanted}` stands for several things: {shown}"),
                )
                .help(format!(
                    "write more of the path, such as `{}`",
                    first.join(".")
                ));
                return Err(Box::new(several));
            }
        }
    }
    Err(Box::new(unknown(wanted, &written, all())))
}

/// Every path that can be explained: what is there, and what was dropped.
fn known(compilation: &Compilation, effective: &Effective) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let split = |p: &str| p.split('.').map(str::to_owned).collect::<Vec<_>>();
    let mut live: Vec<Vec<String>> = compilation.values.iter().map(|v| split(&v.path)).collect();
    live.extend(addresses(effective));
    let mut gone: Vec<Vec<String>> = Vec::new();
    for event in effective.history.events() {
        for n in 1..=event.path.len() {
            let Some(path) = event.path.get(..n) else {
                continue;
            };
            let there = super::trace::setting(effective, path).is_some()
                || super::trace::parts(effective, path).is_some();
            let list = if there { &mut live } else { &mut gone };
            list.push(path.to_vec());
        }
        // What a call could have said that another one has replaced.
        if let Action::Set(expr) = &event.action
            && let Some(name) = super::trace::called(expr)
        {
            let functions = functions().iter().filter(|f| f.name == name);
            for field in functions.flat_map(|f| f.params) {
                let name = std::iter::once(field.name.to_owned());
                gone.push(event.path.iter().cloned().chain(name).collect());
            }
        }
        // Dropping a part of a view that took it over from another one.
        if event.action == Action::Drop {
            gone.push(event.path.clone());
        }
    }
    // What a view would have had from the one that it begins as.
    for _ in 0..effective.views.len() {
        let there = gone.len();
        for (name, view) in &effective.views {
            let base = view.extends.as_ref().map(|b| b.name.as_str());
            let of_base =
                |p: &&Vec<String>| base.is_some() && p.first().map(String::as_str) == base;
            let inherited = gone.iter().filter(of_base).map(|p| {
                let rest = p.iter().skip(1).cloned();
                std::iter::once(name.clone()).chain(rest).collect()
            });
            let fresh: Vec<Vec<String>> = inherited.filter(|p| !gone.contains(p)).collect();
            gone.extend(fresh);
        }
        if gone.len() == there {
            break;
        }
    }
    // Parts of a view, also of one that takes them from another one.
    for (name, view) in &effective.views {
        live.extend(
            view.entries
                .iter()
                .map(|e| vec![name.clone(), e.name.name.clone()]),
        );
    }
    let mut seen = crate::table::HashSet::default();
    live.retain(|p| seen.insert(p.clone()));
    gone.retain(|p| seen.insert(p.clone()));
    (live, gone)
}

fn unknown<'a>(
    wanted: &str,
    written: &[String],
    all: impl Iterator<Item = &'a Vec<String>>,
) -> Diagnostic {
    let all: Vec<&Vec<String>> = all.collect();
    // As many names of each path as were written.
    let tail = |p: &Vec<String>| {
        let from = p.len().saturating_sub(written.len());
        p.get(from..).unwrap_or_default().join(".")
    };
    let mut near: Vec<(f64, String)> = all
        .iter()
        .map(|p| (names::score(wanted, &tail(p)), p.join(".")))
        .filter(|(score, _)| *score >= 0.6)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    near.dedup_by(|a, b| a.1 == b.1);
    near.truncate(5);
    let shown = names::list(near.iter().map(|(_, p)| p.as_str()));
    Diagnostic::error(
        Code::UNKNOWN_NAME,
        format!("there is no `{wanted}` in this pipeline"),
    )
    .help(match shown {
        Some(list) => format!("the nearest: {list}"),
        None => "list what there is with `sslc plan FILE`".into(),
    })
}
