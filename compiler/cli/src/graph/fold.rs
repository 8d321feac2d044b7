//! Boxes that are alike become one: what is done for each of eight crops is
//! shown once, with `×8`.
//!
//! Two boxes are alike where they say the same, but for the number of a view,
//! and where what comes in is alike. Different expressions never are: equal
//! ones are one node of the graph already.

use std::collections::HashMap;

use super::{Kind, Link, Scene, Unit};

/// What boxes that are alike have in common.
type Likeness = (Kind, String, Vec<String>, Vec<(String, usize, bool)>);

/// The scene with alike boxes in one.
pub fn folded(scene: Scene) -> Scene {
    let mut place: Vec<usize> = Vec::new();
    let mut known: HashMap<Likeness, usize> = HashMap::new();
    let mut units: Vec<Unit> = Vec::new();
    let mut links: Vec<Link> = Vec::new();
    for (index, unit) in scene.units.iter().enumerate() {
        let mut inputs: Vec<(String, usize, bool)> = Vec::new();
        for link in scene.links.iter().filter(|l| l.to == index) {
            let label = unit.ports.get(link.port).cloned().unwrap_or_default();
            let from = place.get(link.from).copied().unwrap_or_default();
            let input = (label, from, link.gradient);
            if !inputs.contains(&input) {
                inputs.push(input);
            }
        }
        let mut order = inputs.clone();
        order.sort();
        let key = (
            unit.kind,
            numberless(&unit.title),
            unit.lines.iter().map(|l| memberless(l)).collect(),
            order,
        );
        if let Some(at) = known.get(&key) {
            place.push(*at);
            if let Some(same) = units.get_mut(*at) {
                same.times += 1;
                same.title = key.1;
                same.lines = key.2;
            }
            continue;
        }
        known.insert(key, units.len());
        place.push(units.len());
        for (port, (_, from, gradient)) in inputs.iter().enumerate() {
            links.push(Link {
                from: *from,
                to: units.len(),
                port,
                gradient: *gradient,
            });
        }
        units.push(Unit {
            ports: inputs.into_iter().map(|(label, ..)| label).collect(),
            ..unit.clone()
        });
    }
    Scene {
        units,
        links,
        ..scene
    }
}

/// `view local` for `view local[3]`.
fn numberless(title: &str) -> String {
    match title.strip_suffix(']').and_then(|t| t.rsplit_once('[')) {
        Some((name, number)) if number.bytes().all(|b| b.is_ascii_digit()) => name.to_owned(),
        _ => title.to_owned(),
    }
}

/// A line of a box; which member of a list it names does not matter.
fn memberless(line: &str) -> String {
    match line.split_once("] ") {
        Some((name, dims)) if line.starts_with("= ") => {
            format!("{} {dims}", numberless(&format!("{name}]")))
        }
        _ if line.starts_with("= ") => numberless(line),
        _ => line.to_owned(),
    }
}
