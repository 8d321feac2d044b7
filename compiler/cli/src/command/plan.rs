//! `sslc plan`: the resolved run.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use ssl_core::Demand;
use ssl_core::{size, thousands};
use ssl_plan::{
    Checkpointing, Clip, Hyper, Module, NetKind, Optimizer, Origin, Plan, Rule, Schedule,
};

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
    for pack in &data.packs {
        let _ = writeln!(
            w,
            "  packed shards in `{}`: {}, fingerprint {}",
            pack.folder,
            pack.form,
            pack.name()
        );
    }
    let _ = writeln!(
        w,
        "  {} steps of {} images; {} an epoch, {}",
        thousands(recipe.train.steps as u64),
        data.batch,
        data.steps_per_epoch,
        output::epochs(recipe.train.epochs)
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

    memory(w, plan);
    work(w, plan);
    expected(w, plan);

    let train = &recipe.train;
    let _ = writeln!(
        w,
        "\nschedules       first step         10%         50%         90%   last step"
    );
    let mut row = |name: &str, s: &Schedule| {
        let last = train.steps.saturating_sub(1) as f64;
        let _ = write!(w, "  {name:12}");
        for share in [0.0, 0.1, 0.5, 0.9, 1.0] {
            let value = s.at((last * share).round());
            // A learning rate may be too small for six decimals.
            let _ = match value != 0.0 && value.abs() < 1e-3 {
                true => write!(w, " {value:>11.4e}"),
                false => write!(w, " {value:>11.6}"),
            };
        }
        let _ = writeln!(w);
    };
    row("lr", &train.optimizer.lr);
    if train.optimizer.weight_decay.as_constant() != Some(0.0) {
        row("weight decay", &train.optimizer.weight_decay);
    }
    for (name, hyper) in moving(&train.optimizer) {
        row(name, hyper);
    }
    for net in &recipe.nets {
        match &net.kind {
            NetKind::Ema { decay, .. } => row(&net.name, decay),
            NetKind::Stages { stages } => {
                for rate in stages.iter().filter_map(|s| drop_path(&s.module)) {
                    row("drop path", rate);
                }
            }
        }
    }
    out
}

/// What of an optimizer's own numbers moves.
fn moving(optimizer: &Optimizer) -> Vec<(&'static str, &Schedule)> {
    let of_rule = match &optimizer.rule {
        Rule::Adamw { betas: [a, b], .. } | Rule::Lamb { betas: [a, b], .. } => {
            vec![("beta1", a), ("beta2", b)]
        }
        Rule::Sgd { momentum, .. } | Rule::Lars { momentum, .. } => vec![("momentum", momentum)],
    };
    let clip = optimizer.clip.as_ref().map(|clip| match clip {
        Clip::Global { norm } | Clip::Net { norm } | Clip::Parameter { norm } => ("clip", norm),
        Clip::Adaptive { ratio } => ("clip", ratio),
    });
    let all = of_rule.into_iter().chain(clip);
    all.filter_map(|(name, hyper)| match hyper {
        Hyper::Moving(schedule) => Some((name, schedule)),
        Hyper::Constant(_) => None,
    })
    .collect()
}

/// The rate at which a backbone's blocks are left out.
fn drop_path(module: &Module) -> Option<&Schedule> {
    match module {
        Module::Vit(vit) => vit.drop_path.as_ref(),
        Module::Convnext(net) => net.drop_path.as_ref(),
        _ => None,
    }
}

/// Lines of a name, a value to the right, and a word on it.
fn lines(w: &mut String, rows: &[(&str, String, String)]) {
    let width = |cell: fn(&(&str, String, String)) -> usize| rows.iter().map(cell).max();
    let name = width(|r| r.0.len()).unwrap_or(0);
    let value = width(|r| r.1.len()).unwrap_or(0);
    for (what, amount, note) in rows {
        let line = format!("  {what:name$}  {amount:>value$}  {note}");
        let _ = writeln!(w, "{}", line.trim_end());
    }
}

fn memory(w: &mut String, plan: &Plan) {
    let e = &plan.estimate;
    let _ = writeln!(w, "\nmemory, estimated");
    let standing = e.weight_bytes + e.optimizer_bytes + e.state_bytes + e.batch_bytes;
    let averages = match e.average_bytes {
        0 => String::new(),
        bytes => format!("{} of them averages", size(bytes)),
    };
    let peak = match e.gpu_step_bytes > e.step_bytes {
        true => format!("at its peak; {} on a GPU", size(e.gpu_step_bytes)),
        false => "at its peak".into(),
    };
    let mut rows = vec![
        ("weights", size(e.weight_bytes), averages),
        ("optimizer", size(e.optimizer_bytes), String::new()),
        ("queues and banks", size(e.state_bytes), String::new()),
        ("batch", size(e.batch_bytes), String::new()),
        (
            "activations",
            size(e.step_bytes.saturating_sub(standing)),
            "with the gradients, at their peak".into(),
        ),
        ("a step", size(e.step_bytes), peak),
        (
            "a checkpoint",
            size(e.save_bytes),
            "while it is written, on the host".into(),
        ),
        ("batches ahead", size(e.ahead_bytes), "on the host".into()),
        (
            "images kept",
            size(plan.recipe.data.cache),
            "decoded, on the host, at most, for each split".into(),
        ),
    ];
    rows.retain(|(what, _, _)| match *what {
        "queues and banks" => e.state_bytes > 0,
        "images kept" => plan.recipe.data.cache > 0,
        _ => true,
    });
    lines(w, &rows);
}

fn work(w: &mut String, plan: &Plan) {
    let f = &plan.estimate.flops;
    let _ = writeln!(w, "\nwork of a step, matrix products and convolutions");
    let whole = f.total() * plan.recipe.train.steps as f64;
    let none = String::new;
    let again = match plan.recipe.train.activation_checkpointing {
        Checkpointing::Blocks => "that of blocks once more, in the backward pass".to_owned(),
        Checkpointing::None => none(),
    };
    let mut rows = vec![
        ("forward", flops(f.forward), again),
        (
            "averages",
            flops(f.averages),
            "forward, without gradient".into(),
        ),
        ("backward", flops(f.backward), none()),
        ("update", flops(f.update), "optimizer and averages".into()),
        (
            "together",
            flops(f.total()),
            format!("{} in all steps", flops(whole)),
        ),
    ];
    rows.retain(|(what, _, _)| *what != "averages" || f.averages > 0.0);
    lines(w, &rows);
}

/// What the loss can come to, where that could be derived.
fn expected(w: &mut String, plan: &Plan) {
    let last = plan.recipe.train.steps.saturating_sub(1) as f64;
    let value = |s: &Schedule| match (s.at(0.0), s.at(last)) {
        (first, end) if first == end => number(first),
        (first, end) => format!("{} -> {}", number(first), number(end)),
    };
    let mut rows = Vec::new();
    if let Some(collapsed) = &plan.expected.collapsed {
        rows.push((
            "collapsed",
            value(collapsed),
            "where the output is the same for all images".to_owned(),
        ));
    }
    if let Some(least) = &plan.expected.least {
        let note = if least.exact {
            "the least possible"
        } else {
            "a bound: it cannot be lower"
        };
        rows.push(("least", value(&least.value), note.to_owned()));
    }
    if !rows.is_empty() {
        let _ = writeln!(w, "\nloss, derived from the wiring");
        lines(w, &rows);
    }
}

/// A loss with as many digits as one reads.
fn number(x: f64) -> String {
    if x == 0.0 || x.abs() >= 1e-3 {
        format!("{x:.4}")
    } else {
        format!("{x:.1e}")
    }
}

/// Operations for a reader.
fn flops(n: f64) -> String {
    let mut x = n / 1e6;
    for unit in ["MFLOP", "GFLOP", "TFLOP", "PFLOP"] {
        if x < 1000.0 {
            return format!("{x:.1} {unit}");
        }
        x /= 1000.0;
    }
    format!("{x:.1} EFLOP")
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
