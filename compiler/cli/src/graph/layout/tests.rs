//! Nothing lies upon anything, whatever is linked to what.

use super::{Layout, Rect, layout};
use crate::graph::{Kind, Link, Scene, Unit, measure, svg};

/// A repeatable row of numbers below `n`.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % n
    }
}

fn scene(count: usize, draw: &mut Draw) -> Scene {
    let mut units: Vec<Unit> = Vec::new();
    let mut links = Vec::new();
    for to in 0..count {
        let mut ports = Vec::new();
        for _ in 0..draw.below(4).min(to) {
            let from = draw.below(to);
            links.push(Link {
                from,
                to,
                port: ports.len(),
                gradient: draw.below(2) == 0,
            });
            ports.push("p".repeat(draw.below(9)));
        }
        let views = ports.is_empty() && draw.below(2) == 0;
        units.push(Unit {
            kind: if views { Kind::View } else { Kind::Operation },
            title: "w".repeat(1 + draw.below(40)),
            lines: vec!["line".into(); draw.below(6)],
            ports,
            times: 1 + draw.below(4),
            live: false,
        });
    }
    Scene {
        title: "a <b> & \"c\"".into(),
        subtitle: String::new(),
        units,
        links,
        nets: Vec::new(),
    }
}

fn placed(scene: &Scene) -> Layout {
    let sizes: Vec<_> = scene.units.iter().map(measure::size).collect();
    let ports: Vec<_> = scene.units.iter().map(measure::ports).collect();
    layout(scene, &sizes, &ports)
}

fn apart(a: &Rect, b: &Rect) -> bool {
    let gap = 8.0;
    a.x + a.w + gap <= b.x
        || b.x + b.w + gap <= a.x
        || a.y + a.h + gap <= b.y
        || b.y + b.h + gap <= a.y
}

#[test]
fn boxes_keep_apart_and_no_line_runs_through_one() {
    let mut draw = Draw(7);
    for round in 0..300 {
        let count = 1 + draw.below(30);
        let scene = scene(count, &mut draw);
        let layout = placed(&scene);
        for (i, a) in layout.boxes.iter().enumerate() {
            assert!(a.x >= -0.5 && a.y >= -0.5, "round {round}: {a:?}");
            assert!(a.x + a.w <= layout.size.0 + 0.5 && a.y + a.h <= layout.size.1 + 0.5);
            for b in layout.boxes.iter().skip(i + 1) {
                assert!(apart(a, b), "round {round}: {a:?} and {b:?}");
            }
        }
        for (link, route) in scene.links.iter().zip(&layout.routes) {
            // Straight pieces pass no box but the two that they join; between
            // them curves stay in the room between layers.
            let mut lowest = f64::NEG_INFINITY;
            for ((x, top), (_, bottom)) in route {
                assert!(*top >= lowest && bottom >= top, "round {round}: {route:?}");
                lowest = *bottom;
                for (i, b) in layout.boxes.iter().enumerate() {
                    let through = *x > b.x && *x < b.x + b.w && *top < b.y + b.h && *bottom > b.y;
                    assert!(
                        !through || i == link.from || i == link.to,
                        "round {round}: a line at {x} through {b:?}"
                    );
                }
            }
            let (from, to) = (layout.boxes[link.from], layout.boxes[link.to]);
            assert!(from.y + from.h < to.y, "links go down");
        }
        // Names of inputs stand side by side within their box.
        for (unit, places) in scene.units.iter().zip(&layout.ports) {
            let widths = measure::ports(unit);
            let mut spans: Vec<(f64, f64)> = places
                .iter()
                .zip(&widths)
                .map(|(at, w)| (at - w / 2.0, at + w / 2.0))
                .collect();
            spans.sort_by(|a, b| a.0.total_cmp(&b.0));
            let inside = measure::size(unit).0 + 0.5;
            assert!(
                spans.iter().all(|s| s.0 >= -0.5 && s.1 <= inside),
                "{spans:?}"
            );
            assert!(
                spans.windows(2).all(|w| w[0].1 <= w[1].0 + 0.5),
                "{spans:?}"
            );
        }
        let text = svg::render(&scene);
        assert!(!text.contains("NaN") && !text.contains("<b>"), "{text}");
    }
}

#[test]
fn a_scene_of_a_thousand_boxes_is_placed_in_no_time() {
    let scene = scene(1_000, &mut Draw(1));
    let start = std::time::Instant::now();
    assert_eq!(placed(&scene).boxes.len(), 1_000);
    let taken = start.elapsed();
    assert!(taken.as_secs() < 20, "{taken:?}");
}
