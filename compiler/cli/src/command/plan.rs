//! `sslc plan`: the resolved run.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use ssl_core::Demand;
use ssl_plan::{Origin, Plan};

use super::Subject;
use crate::{listing, output};

/// Options of `sslc plan`.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    subject: Subject,
    /// Print the Plan itself, as JSON
    #[arg(long)]
    json: bool,
}

/// Prints the plan of a pipeline.
pub fn run(options: &Options) -> ExitCode {
    let compilation = options
        .subject
        .choice
        .compile(&options.subject.file, Demand::Check);
    output::diagnostics(&compilation);
    let Some(plan) = &compilation.plan else {
        return super::no_plan(&compilation);
    };
    if options.json {
        match serde_json::to_string_pretty(plan) {
            Ok(text) => output::print(&(text + "\n")),
            Err(e) => {
                output::eprint(&format!("the plan cannot be written: {e}\n"));
                return ExitCode::from(2);
            }
        }
    } else {
        output::print(&render(plan));
    }
    ExitCode::SUCCESS
}

/// The plan for a reader.
fn render(plan: &Plan) -> String {
    let recipe = &plan.recipe;
    let mut out = listing::values(plan);
    let w = &mut out;

    let data = &recipe.data;
    let _ = writeln!(w, "\ndata");
    let labels = data
        .classes
        .as_ref()
        .map_or("no labels".into(), |c| format!("{} classes", c.len()));
    let held_out = data.held_out.map_or(String::new(), |n| {
        format!(", {} held out", thousands(n as u64))
    });
    let _ = writeln!(
        w,
        "  {} images, {labels}{held_out}",
        thousands(data.samples as u64)
    );
    let _ = writeln!(
        w,
        "  {} steps of {} images; {} an epoch, {} epochs",
        thousands(recipe.train.steps as u64),
        data.batch,
        data.steps_per_epoch,
        recipe.train.epochs
    );

    let _ = writeln!(w, "\nparameters");
    let name = |p: &ssl_plan::ParameterCount| match &p.stage {
        Some(stage) => format!("{}.{stage}", p.net),
        None => p.net.clone(),
    };
    let width = plan
        .estimate
        .parameters
        .iter()
        .map(|p| name(p).len())
        .max()
        .unwrap_or(0);
    for p in &plan.estimate.parameters {
        let _ = writeln!(
            w,
            "  {:width$}  {:>14} trained  {:>12} not trained",
            name(p),
            thousands(p.trained),
            thousands(p.frozen)
        );
    }

    let e = &plan.estimate;
    let total = e.weight_bytes + e.gradient_bytes + e.optimizer_bytes + e.activation_bytes;
    let _ = writeln!(w, "\nmemory, estimated");
    for (what, bytes) in [
        ("weights", e.weight_bytes),
        ("gradients", e.gradient_bytes),
        ("optimizer", e.optimizer_bytes),
        ("activations", e.activation_bytes),
        ("together", total),
    ] {
        let _ = writeln!(w, "  {what:11}  {:>10}", size(bytes));
    }

    let train = &recipe.train;
    let _ = writeln!(
        w,
        "\nschedules     first step    10%         50%         90%         last step"
    );
    let mut row = |name: &str, s: &ssl_plan::Schedule| {
        let last = train.steps.saturating_sub(1) as f64;
        let _ = write!(w, "  {name:11}");
        for share in [0.0, 0.1, 0.5, 0.9, 1.0] {
            let _ = write!(w, " {:11.6}", s.at((last * share).round()));
        }
        let _ = writeln!(w);
    };
    row("lr", &train.optimizer.lr);
    if train.optimizer.weight_decay.at(0.0) != 0.0 {
        row("weight decay", &train.optimizer.weight_decay);
    }
    for net in &recipe.nets {
        if let ssl_plan::NetKind::Ema { decay, .. } = &net.kind {
            row(&net.name, decay);
        }
    }
    out
}

/// Who set a value, for a reader.
pub fn origin(origin: &Origin) -> String {
    match origin {
        Origin::File {
            file,
            line,
            column,
            pipeline,
        } => match pipeline {
            Some(p) => format!("{file}:{line}:{column} (from `{p}`)"),
            None => format!("{file}:{line}:{column}"),
        },
        Origin::Set { text } => format!("--set {text}"),
        Origin::Default => "default".into(),
        Origin::Derived { path } => format!("from {path}"),
    }
}

/// `1234567` as `1,234,567`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Bytes for a reader.
pub fn size(bytes: u64) -> String {
    let mut x = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if x < 1024.0 {
            return if unit == "B" {
                format!("{bytes} B")
            } else {
                format!("{x:.1} {unit}")
            };
        }
        x /= 1024.0;
    }
    format!("{x:.1} TiB")
}
