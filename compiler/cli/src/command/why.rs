//! `sslc why`: where a value comes from.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use ssl_core::Demand;
use ssl_core::why::{By, Input, Place, Said, Why, why};

use super::Subject;
use super::plan::origin;
use crate::paint::Paint;
use crate::{complete, output};

/// Options of `sslc why`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sslc why mine.ssl lr                      the end of a path is enough
  sslc why mine.ssl b.gaussian_blur.p
  sslc why mine.ssl momentum                a net, a view, a name of the step
  sslc why mine.ssl lr --set data.batch=512

Exit codes: 0 explained, 1 the file is broken, 2 no such path.")]
pub struct Options {
    #[command(flatten)]
    subject: Subject,
    /// What to explain: `train.optimizer.lr`, or any end of a path that stands for one thing
    #[arg(value_name = "PATH", add = complete::paths())]
    path: String,
}

/// Prints every layer that set a value, in order, and what won.
///
/// A file with errors is explained as far as it goes: the errors come first.
pub fn run(options: &Options) -> ExitCode {
    let subject = &options.subject;
    let compilation = subject.choice.compile(&subject.file, Demand::Check);
    if compilation.failed() {
        output::diagnostics(&compilation);
    }
    match why(&compilation, &options.path) {
        Ok(why) => {
            output::print(&render(&why, Paint::stdout()));
            ExitCode::from(u8::from(compilation.failed()))
        }
        Err(list) => {
            output::report(&compilation.map, &list);
            ExitCode::from(if compilation.failed() { 1 } else { 2 })
        }
    }
}

fn render(why: &Why, paint: Paint) -> String {
    let mut out = String::new();
    let w = &mut out;
    let _ = match &why.value {
        Some(value) => writeln!(w, "{} = {}", paint.strong(&why.path), paint.strong(value)),
        None if why.dropped => writeln!(w, "{} is dropped", paint.strong(&why.path)),
        None => writeln!(w, "{} is not set", paint.strong(&why.path)),
    };
    if let Some(doc) = &why.doc {
        let _ = writeln!(w, "{}", paint.faint(doc));
    }
    let _ = writeln!(w);
    let width = why.layers.len().to_string().len();
    for (i, said) in why.layers.iter().enumerate() {
        layer(w, &format!("{:>width$}", i + 1), said, paint);
    }
    if why.layers.is_empty() && why.inputs.is_empty() {
        let _ = writeln!(w, "  nothing is said of it");
    }
    if let Some(expression) = &why.expression {
        let _ = writeln!(w, "\n  {expression}, where");
    } else if !why.inputs.is_empty() {
        let _ = writeln!(w, "\n  follows from");
    }
    inputs(w, &why.inputs, 2, paint);
    out
}

fn layer(w: &mut String, number: &str, said: &Said, paint: Paint) {
    let holds = if said.wins {
        format!("   {}", paint.fresh("<- holds"))
    } else {
        String::new()
    };
    let what = if said.wins {
        paint.strong(&said.what)
    } else {
        said.what.clone()
    };
    let who = match (&said.by, &said.place) {
        (By::Language, _) => "default of the language".to_owned(),
        (By::Set(text), _) => format!("--set {text}"),
        (By::Pipeline(name), Some(p)) => {
            format!("{}:{}:{} in `{name}`", p.file, p.line, p.column)
        }
        (By::Pipeline(name), None) => format!("`{name}`"),
    };
    // A long text is seen in its line.
    let seen = said.place.is_some() && said.part.is_none() && said.what.chars().count() > 40;
    let what = if seen {
        String::new()
    } else {
        format!(": {what}")
    };
    let _ = writeln!(w, "  {number}  {who}{what}{holds}");
    if let (Some(place), None) = (&said.place, &said.part) {
        source(w, place, number.len() + 4, paint);
    }
}

/// The line, and what of it is meant.
fn source(w: &mut String, place: &Place, indent: usize, paint: Paint) {
    let lead = place.text.len() - place.text.trim_start().len();
    let cut = lead.min(place.mark.start);
    let text = place.text.get(cut..).unwrap_or(&place.text);
    let chars = |from: usize, to: usize| place.text.get(from..to).map_or(0, |t| t.chars().count());
    let before = " ".repeat(chars(cut, place.mark.start));
    let marks = "^".repeat(chars(place.mark.start, place.mark.end).max(1));
    let line = place.line.to_string();
    let (pad, gap) = (" ".repeat(indent), " ".repeat(line.len()));
    let bar = paint.faint("|");
    let _ = writeln!(w, "{pad}{} {bar} {text}", paint.faint(&line));
    let _ = writeln!(w, "{pad}{gap} {bar} {before}{}", paint.fresh(&marks));
}

fn inputs(w: &mut String, list: &[Input], depth: usize, paint: Paint) {
    let width = list
        .iter()
        .map(|i| i.path.chars().count() + i.value.chars().count())
        .max()
        .unwrap_or(0);
    for input in list {
        let used = input.path.chars().count() + input.value.chars().count();
        let _ = writeln!(
            w,
            "{}{} = {}{}   {}",
            "  ".repeat(depth),
            input.path,
            paint.strong(&input.value),
            " ".repeat(width - used),
            paint.faint(&origin(&input.origin)),
        );
        if let Some(expression) = &input.expression {
            let _ = writeln!(w, "{}= {expression}, where", "  ".repeat(depth + 1));
        }
        inputs(w, &input.inputs, depth + 1, paint);
    }
}
