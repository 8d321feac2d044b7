//! What a step computes, one line for each node.

use std::fmt::Write;

use ssl_plan::Recipe;

use crate::wiring::operation;

/// `%4 = predictor(%3)  [240, 128]  gradient to predictor, encoder  q_a`
pub(super) fn text(recipe: &Recipe) -> String {
    let step = &recipe.step;
    let lines: Vec<[String; 3]> = step
        .nodes
        .iter()
        .enumerate()
        .map(|(id, node)| {
            let op = operation(&node.op, &recipe.nets, &mut |input, _| format!("%{input}"));
            let dims: Vec<String> = node.dims.iter().map(ToString::to_string).collect();
            let dims = match dims.as_slice() {
                [] => "scalar".to_owned(),
                dims => format!("[{}]", dims.join(", ")),
            };
            [format!("%{id}"), op, dims]
        })
        .collect();
    let width = |i: usize, most: usize| {
        let of = |l: &[String; 3]| l.get(i).map_or(0, |t| t.chars().count());
        lines.iter().map(of).max().unwrap_or(0).min(most)
    };
    let (id_width, op_width, dims_width) = (width(0, 8), width(1, 60), width(2, 24));
    let mut out = String::new();
    let w = &mut out;
    for ([id, op, dims], node) in lines.iter().zip(&step.nodes) {
        let reaches = match node.reaches.as_slice() {
            [] => "no gradient".to_owned(),
            nets => format!("gradient to {}", nets.join(", ")),
        };
        let name = node
            .name
            .as_ref()
            .map_or(String::new(), |n| format!("  {n}"));
        let _ = writeln!(
            w,
            "{id:id_width$} = {op:op_width$}  {dims:dims_width$}  {reaches}{name}"
        );
    }
    let _ = writeln!(w, "minimize %{}", step.loss);
    for track in &step.tracks {
        let _ = writeln!(w, "track {} = %{}", track.name, track.node);
    }
    out
}
