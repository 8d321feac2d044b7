//! The values of a plan, in the order of the file: every group apart, with
//! what the file says about it above, as the file says it.

use std::fmt::Write;

use ssl_plan::{Plan, Resolved};

use crate::command::plan::origin;

/// Columns that a value may take before its origin moves to the right.
const WIDE: usize = 44;

/// The pipeline's name and documentation, its values, and the functions that
/// its step calls.
pub fn values(plan: &Plan) -> String {
    let mut out = format!("pipeline {}\n", plan.pipeline);
    for line in lines_of(plan, "") {
        let _ = writeln!(out, "  {line}");
    }
    let width = |of: fn(&Resolved) -> &str| {
        let all = plan.values.iter().map(|v| of(v).chars().count());
        all.max().unwrap_or(0)
    };
    let (path, value) = (width(|v| &v.path), width(|v| &v.value).min(WIDE));
    let mut group = None;
    for v in &plan.values {
        let declared = v.declared.as_deref();
        let head = declared.map_or(v.path.split('.').next(), |_| Some(""));
        if head != group {
            out.push('\n');
            group = head;
            let about = head.filter(|h| !h.is_empty() && *h != v.path);
            comment(&mut out, about.map_or(&[], |h| lines_of(plan, h)));
        }
        comment(&mut out, &v.docs);
        let from = origin(&v.origin);
        let may_be = declared.map_or(String::new(), |d| format!(", {d}"));
        let _ = writeln!(
            out,
            "  {:path$}  {:value$}  {from}{may_be}",
            v.path, v.value
        );
    }
    let grouped = |path: &str| {
        path.is_empty()
            || plan
                .values
                .iter()
                .any(|v| v.path.split('.').next() == Some(path))
    };
    let rest = plan.docs.iter().filter(|d| !grouped(&d.path));
    for (i, about) in rest.enumerate() {
        if i == 0 {
            out.push('\n');
        }
        comment(&mut out, &about.lines);
        let _ = writeln!(out, "  {}", about.path);
    }
    out
}

fn lines_of<'p>(plan: &'p Plan, path: &str) -> &'p [String] {
    let found = plan.docs.iter().find(|d| d.path == path);
    found.map_or(&[], |d| &d.lines)
}

fn comment(out: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(out, "{}", format!("  /// {line}").trim_end());
    }
}
