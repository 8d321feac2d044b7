//! The recipe's name and what tells two recipes apart.

use serde_json::Value;
use ssl_plan::Recipe;

use crate::error::{Difference, EngineError};

/// BLAKE3 of the recipe as JSON with sorted keys and no spaces, in hexadecimal.
///
/// # Errors
///
/// [`EngineError::Plan`] where it cannot be written as JSON.
pub fn hash(recipe: &Recipe) -> Result<String, EngineError> {
    let mut text = String::new();
    canonical(&json(recipe)?, &mut text);
    Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
}

/// The first field, in the order of their paths, in which a saved recipe
/// differs from the one asked for.
///
/// # Errors
///
/// [`EngineError::Plan`] where the recipe cannot be written as JSON.
pub fn difference(saved: &Value, asked: &Recipe) -> Result<Option<Difference>, EngineError> {
    let mut saved = saved.clone();
    decisive(&mut saved);
    Ok(first(&saved, &json(asked)?, String::new()))
}

fn json(recipe: &Recipe) -> Result<Value, EngineError> {
    let found = serde_json::to_value(recipe);
    let mut found = found.map_err(|error| EngineError::plan(error.to_string()))?;
    decisive(&mut found);
    Ok(found)
}

/// Leaves out what decides no number, so that it may be another when a run goes
/// on, and what says no more than that a younger setting is not used.
fn decisive(recipe: &mut Value) {
    let Some(data) = recipe.get_mut("data").and_then(Value::as_object_mut) else {
        return;
    };
    data.remove("cache");
    data.remove("stall_limit");
    if data.get("decode").is_some_and(|decode| decode == "full") {
        data.remove("decode");
    }
    if data
        .get("packs")
        .is_some_and(|packs| packs == &Value::Array(Vec::new()))
    {
        data.remove("packs");
    }
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(key, _)| key.as_str());
            for (i, (key, value)) in fields.into_iter().enumerate() {
                out.push(if i == 0 { '{' } else { ',' });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(value, out);
            }
            out.push_str(if map.is_empty() { "{}" } else { "}" });
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn first(saved: &Value, asked: &Value, path: String) -> Option<Difference> {
    match (saved, asked) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            keys.into_iter().find_map(|key| {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{key}");
                first(
                    a.get(key).unwrap_or(&Value::Null),
                    b.get(key).unwrap_or(&Value::Null),
                    path,
                )
            })
        }
        (Value::Array(a), Value::Array(b)) => (0..a.len().max(b.len())).find_map(|i| {
            first(
                a.get(i).unwrap_or(&Value::Null),
                b.get(i).unwrap_or(&Value::Null),
                format!("{path}[{i}]"),
            )
        }),
        _ if saved == asked => None,
        _ => Some(Difference {
            field: path,
            saved: brief(saved),
            asked: brief(asked),
        }),
    }
}

/// A value on one short line.
fn brief(value: &Value) -> String {
    const MOST: usize = 60;
    match value {
        Value::Null => "absent".to_string(),
        _ => {
            let text = value.to_string();
            match text.char_indices().nth(MOST) {
                Some((end, _)) => format!("`{}...`", &text[..end]),
                None => format!("`{text}`"),
            }
        }
    }
}
