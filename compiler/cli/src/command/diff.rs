//! `sslc diff`: in what two runs differ by meaning.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use ssl_core::Demand;
use ssl_core::compare::{Change, Comparison, compare};
use ssl_plan::{FORMAT, Plan};

use super::Choice;
use crate::paint::Paint;
use crate::{complete, output};

/// Options of `sslc diff`.
#[derive(Args)]
#[command(after_help = "\
A side is one of
  FILE           a .ssl file
  FILE:PIPELINE  one pipeline of a file; on the right, :PIPELINE is of the left file
  DIR            a run directory, by the plan that it keeps
  FILE.json      a plan, as `sslc emit plan` prints it

Formatting, comments, names and order that change nothing are no difference.

Exit codes: 0 equal, 1 different, 2 a side cannot be read or has no plan.")]
pub struct Options {
    /// One side
    #[arg(value_name = "A", add = complete::files())]
    left: String,
    /// The other side
    #[arg(value_name = "B", add = complete::files())]
    right: String,
    #[command(flatten)]
    choice: Choice,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A plan and how to call it.
struct Side {
    name: String,
    plan: Plan,
}

/// Compares two plans. `--pipeline` and `--set` hold for both sides that are
/// files.
pub fn run(options: &Options) -> ExitCode {
    let left_file = split(&options.left).0;
    let sides = [&options.left, &options.right].map(|text| {
        let text = match text.strip_prefix(':') {
            Some(pipeline) => format!("{}:{pipeline}", left_file.display()),
            None => text.clone(),
        };
        side(&text, &options.choice)
    });
    let [Some(left), Some(right)] = sides else {
        return ExitCode::from(2);
    };
    let comparison = compare(&left.plan, &right.plan);
    output::print(&if options.json {
        object(&comparison, &left, &right).to_string() + "\n"
    } else {
        render(&comparison, &left, &right, Paint::stdout())
    });
    ExitCode::from(u8::from(!comparison.is_equal()))
}

/// A path and the pipeline behind its colon, where it has one.
fn split(text: &str) -> (PathBuf, Option<String>) {
    let whole = Path::new(text);
    match text.rsplit_once(':') {
        Some((file, pipeline)) if !whole.exists() && !file.is_empty() => {
            (file.into(), Some(pipeline.to_owned()))
        }
        _ => (whole.to_path_buf(), None),
    }
}

fn side(text: &str, choice: &Choice) -> Option<Side> {
    let (path, pipeline) = split(text);
    let saved = if path.is_dir() {
        Some(path.join("plan.json"))
    } else {
        let json = path.extension().is_some_and(|e| e == "json");
        json.then(|| path.clone())
    };
    if let Some(saved) = saved {
        return match read(&saved) {
            Ok(plan) => Some(Side {
                name: format!("{text} ({})", plan.pipeline),
                plan,
            }),
            Err(message) => complain(&message),
        };
    }
    let mut choice = choice.clone();
    if pipeline.is_some() {
        choice.pipeline = pipeline;
    }
    let compilation = choice.compile(&path, Demand::Check);
    if compilation.failed() {
        output::diagnostics(&compilation);
        return None;
    }
    let Some(plan) = compilation.plan else {
        output::eprint(super::NO_PLAN);
        return None;
    };
    Some(Side {
        name: format!("{} ({})", path.display(), plan.pipeline),
        plan,
    })
}

fn complain(message: &str) -> Option<Side> {
    output::eprint(&format!("error: {message}\n"));
    None
}

/// The plan that a run keeps.
fn read(path: &Path) -> Result<Plan, String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| {
        let reason = crate::world::reason(&e);
        format!("`{name}` cannot be read: {reason}\n  help: name a run directory, or a .ssl file")
    })?;
    let format = serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|v| v.get("format")?.as_u64());
    if let Some(format) = format.filter(|f| *f != u64::from(FORMAT)) {
        return Err(format!(
            "`{name}` has plan format {format}, this is {FORMAT}: another version of sslc wrote it"
        ));
    }
    serde_json::from_str(&text).map_err(|e| format!("`{name}` is no plan: {e}"))
}

fn object(comparison: &Comparison, left: &Side, right: &Side) -> Value {
    let list = |changes: &[Change]| {
        let one = |c: &Change| json!({ "path": c.path, "left": c.left, "right": c.right });
        changes.iter().map(one).collect::<Vec<_>>()
    };
    json!({
        "equal": comparison.is_equal(),
        "left": left.name,
        "right": right.name,
        "changes": list(&comparison.changes),
        "consequences": list(&comparison.consequences),
    })
}

/// Most characters of two values on one line.
const SHORT: usize = 60;

fn render(comparison: &Comparison, left: &Side, right: &Side, paint: Paint) -> String {
    if comparison.is_equal() {
        return "no difference in meaning\n".into();
    }
    let mut out = String::new();
    let w = &mut out;
    let _ = writeln!(w, "{} {}", paint.gone("-"), left.name);
    let _ = writeln!(w, "{} {}\n", paint.fresh("+"), right.name);
    changes(w, &comparison.changes, paint);
    if !comparison.consequences.is_empty() {
        let head = match comparison.changes.is_empty() {
            true => "",
            false => "\ntherefore\n",
        };
        w.push_str(head);
        changes(w, &comparison.consequences, paint);
    }
    out
}

fn changes(w: &mut String, list: &[Change], paint: Paint) {
    let length = |t: &Option<String>| t.as_ref().map_or(0, |t| t.chars().count());
    let short = |c: &&Change| {
        c.left.is_none() || c.right.is_none() || length(&c.left) + length(&c.right) <= SHORT
    };
    let width = list.iter().filter(short).map(|c| c.path.chars().count());
    let width = width.max().unwrap_or(0);
    for change in list {
        let path = &change.path;
        let _ = match (&change.left, &change.right) {
            (Some(a), Some(b)) if short(&change) => {
                let (a, b) = (paint.gone(a), paint.fresh(b));
                writeln!(w, "~ {path:width$}  {a} -> {b}")
            }
            (Some(a), Some(b)) => {
                let (a, b) = (paint.gone(a), paint.fresh(b));
                writeln!(w, "~ {path}\n    - {a}\n    + {b}")
            }
            (Some(a), None) => {
                let (sign, a) = (paint.gone("-"), paint.gone(a));
                writeln!(w, "{sign} {path:width$}  {a}")
            }
            (None, Some(b)) => {
                let (sign, b) = (paint.fresh("+"), paint.fresh(b));
                writeln!(w, "{sign} {path:width$}  {b}")
            }
            (None, None) => Ok(()),
        };
    }
}
