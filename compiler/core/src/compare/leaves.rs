//! The fields of two recipes that differ, by their place in the plan: what is
//! told where nothing nearer to the source tells it.

use serde_json::Value;
use ssl_plan::Recipe;

use super::Change;

/// Every field that differs.
pub(super) fn changes(left: &Recipe, right: &Recipe, out: &mut Vec<Change>) {
    if let (Ok(a), Ok(b)) = (serde_json::to_value(left), serde_json::to_value(right)) {
        walk(Some(&a), Some(&b), "recipe", out);
    }
}

fn walk(left: Option<&Value>, right: Option<&Value>, path: &str, out: &mut Vec<Change>) {
    match (left, right) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let added = b.keys().filter(|k| !a.contains_key(*k));
            for key in a.keys().chain(added) {
                walk(a.get(key), b.get(key), &format!("{path}.{key}"), out);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for i in 0..a.len().max(b.len()) {
                walk(a.get(i), b.get(i), &format!("{path}[{i}]"), out);
            }
        }
        (a, b) if a == b => {}
        (a, b) => {
            let text = |v: &Value| v.to_string();
            out.push(Change::new(path, a.map(text), b.map(text)));
        }
    }
}
