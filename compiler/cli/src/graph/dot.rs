//! The picture for Graphviz.

use std::fmt::Write;

use super::{Kind, Scene, Unit};

/// Writes a scene in the DOT language, colours for a light background.
pub fn render(scene: &Scene) -> String {
    let mut out = String::from("digraph step {\n");
    let _ = writeln!(
        out,
        "  label={}; labelloc=t; fontname=\"Helvetica\"; rankdir=TB; bgcolor=\"#ffffff\";",
        quoted(&format!("{}\n{}", scene.title, scene.subtitle))
    );
    out.push_str(
        "  node [shape=box, style=\"filled,rounded\", fontname=\"Helvetica\", fontsize=11, margin=\"0.2,0.08\"];\n  \
         edge [fontname=\"Helvetica\", fontsize=9];\n",
    );
    for (i, unit) in scene.units.iter().enumerate() {
        let (fill, line) = colours(unit.kind);
        let _ = writeln!(
            out,
            "  n{i} [label={}, fillcolor=\"{fill}\", color=\"{line}\"{}];",
            quoted(&text(unit)),
            shape(unit.kind)
        );
    }
    for link in &scene.links {
        let port = scene
            .units
            .get(link.to)
            .and_then(|u| u.ports.get(link.port))
            .filter(|p| !p.is_empty());
        let label = port.map_or(String::new(), |p| format!(", label={}", quoted(p)));
        let style = match link.gradient {
            true => "color=\"#0969da\", penwidth=1.8",
            false => "color=\"#8c959f\", style=dashed",
        };
        let _ = writeln!(out, "  n{} -> n{} [{style}{label}];", link.from, link.to);
    }
    let rows = scene.nets.iter().map(|n| format!("{}: {}", n.name, n.text));
    let mut legend: Vec<String> = rows.collect();
    legend.push("solid: a gradient runs back; dashed: no gradient".into());
    let _ = writeln!(
        out,
        "  legend [shape=plaintext, style=\"\", label={}];",
        quoted(&(legend.join("\n") + "\n")).replace("\\n", "\\l")
    );
    out.push_str("}\n");
    out
}

fn text(unit: &Unit) -> String {
    let mut lines = vec![unit.title.clone()];
    lines.extend(unit.shown());
    lines.join("\n")
}

fn shape(kind: Kind) -> &'static str {
    match kind {
        Kind::Minimize => ", penwidth=2",
        Kind::Track | Kind::Stopgrad => ", style=\"filled,rounded,dashed\"",
        Kind::Operation => ", shape=ellipse, style=filled",
        _ => "",
    }
}

fn colours(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::View => ("#ddf4ff", "#54aeff"),
        Kind::Trained => ("#dafbe1", "#2da44e"),
        Kind::Average => ("#fbefff", "#a475f9"),
        Kind::Frozen => ("#eaeef2", "#6e7781"),
        Kind::Function => ("#fff8c5", "#bf8700"),
        Kind::Operation => ("#f6f8fa", "#8c959f"),
        Kind::Stopgrad => ("#ffffff", "#cf222e"),
        Kind::Minimize => ("#ffebe9", "#cf222e"),
        Kind::Track => ("#ffffff", "#8c959f"),
    }
}

/// A string of the DOT language: only quotes and backslashes mean something.
fn quoted(text: &str) -> String {
    let inner = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace(['\r', '\0'], " ")
        .replace('\n', "\\n");
    format!("\"{inner}\"")
}
