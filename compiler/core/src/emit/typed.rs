//! Every resolved value with its origin, then what they make: views and nets
//! with their shapes.

use std::fmt::Write;

use ssl_plan::{NetKind, Origin, Shape};

use crate::Compilation;
use crate::wiring::schedule;

/// Values first; shapes where there is a plan.
pub(super) fn text(compilation: &Compilation) -> Option<String> {
    compilation.effective.as_ref()?;
    let mut out = String::new();
    let w = &mut out;
    for value in &compilation.values {
        let origin = match &value.origin {
            Origin::File {
                file, line, column, ..
            } => format!("{file}:{line}:{column}"),
            Origin::Set { text } => format!("--set {text}"),
            Origin::Default => "default".into(),
            Origin::Derived { path } => format!("from {path}"),
        };
        let _ = writeln!(w, "{} = {}    // {origin}", value.path, value.value);
    }
    let Some(plan) = &compilation.plan else {
        return Some(out);
    };
    let recipe = &plan.recipe;
    let _ = writeln!(w);
    for view in &recipe.views {
        let [height, width] = view.size;
        let batch = recipe.data.batch;
        let _ = writeln!(
            w,
            "view {}: Image[{batch}, 3, {height}, {width}]",
            view.name
        );
    }
    for net in &recipe.nets {
        match &net.kind {
            NetKind::Ema { of, decay } => {
                let _ = writeln!(
                    w,
                    "net {}: average of {of}, decay {}",
                    net.name,
                    schedule(decay)
                );
            }
            NetKind::Stages { stages } => {
                for stage in stages {
                    let name = stage.name.as_ref();
                    let name = name.map_or(net.name.clone(), |s| format!("{}.{s}", net.name));
                    let (input, output) = (shape(&stage.input), shape(&stage.output));
                    let _ = writeln!(w, "net {name}: Net[{input} -> {output}]");
                }
            }
        }
    }
    let train = &recipe.train;
    let _ = writeln!(w, "train: {} steps, {} epochs", train.steps, train.epochs);
    let _ = writeln!(w, "train.lr: Schedule = {}", schedule(&train.optimizer.lr));
    Some(out)
}

fn shape(shape: &Shape) -> String {
    match shape {
        Shape::Image {
            channels,
            height,
            width,
        } => format!("Image[B, {channels}, {height}, {width}]"),
        Shape::Embedding { dim } => format!("Embedding[B, {dim}]"),
        Shape::Tokens { count, dim } => format!("Tokens[B, {count}, {dim}]"),
    }
}
