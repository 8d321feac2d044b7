//! Where boxes lie: layers from top to bottom after Sugiyama, Tagawa & Toda
//! (1981). A link goes down at least one layer; over a layer that it crosses
//! it has a place of its own, so that no line runs through a box.

mod order;
mod straight;
#[cfg(test)]
mod tests;

use super::{Kind, Scene};
use order::order;
use straight::{straighten, unbend};

/// Pixels between boxes of a layer.
const BESIDE: f64 = 22.0;
/// Pixels that a line takes where it passes between boxes.
const LANE: f64 = 10.0;
/// Least pixels between layers.
const BETWEEN: f64 = 40.0;
/// Rounds of ordering, and of straightening.
const ROUNDS: usize = 24;

/// A box's place.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rect {
    /// Left side.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

/// A point.
pub type Point = (f64, f64);

/// Everything in its place; the corner is at 0, 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Of each box.
    pub boxes: Vec<Rect>,
    /// Of each link: straight pieces down, by their ends; curves join them.
    pub routes: Vec<Vec<(Point, Point)>>,
    /// Of each port of each box: its distance from the box's left side.
    pub ports: Vec<Vec<f64>>,
    /// Size of the whole.
    pub size: Point,
}

/// A box, or a link on its way over a layer.
struct Item {
    unit: Option<usize>,
    width: f64,
    /// Centre.
    x: f64,
    up: Vec<usize>,
    down: Vec<usize>,
}

/// How much room the ports of each box take.
pub type PortWidths<'a> = &'a [Vec<f64>];

/// Places a scene whose boxes have the given sizes.
pub fn layout(scene: &Scene, sizes: &[Point], ports: PortWidths<'_>) -> Layout {
    let layers_of = layers(scene);
    let count = layers_of.iter().max().map_or(0, |l| l + 1);
    let mut items: Vec<Item> = sizes
        .iter()
        .enumerate()
        .map(|(unit, (width, _))| Item {
            unit: Some(unit),
            width: *width,
            x: 0.0,
            up: Vec::new(),
            down: Vec::new(),
        })
        .collect();
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (unit, layer) in layers_of.iter().enumerate() {
        if let Some(row) = rows.get_mut(*layer) {
            row.push(unit);
        }
    }
    // The items that each link passes, both ends included.
    let mut chains: Vec<Vec<usize>> = Vec::new();
    for link in &scene.links {
        let layer = |unit: usize| layers_of.get(unit).copied().unwrap_or(0);
        let mut chain = vec![link.from];
        for l in layer(link.from) + 1..layer(link.to) {
            items.push(Item {
                unit: None,
                width: LANE,
                x: 0.0,
                up: Vec::new(),
                down: Vec::new(),
            });
            let lane = items.len() - 1;
            if let Some(row) = rows.get_mut(l) {
                row.push(lane);
            }
            chain.push(lane);
        }
        chain.push(link.to);
        for pair in chain.windows(2) {
            if let [a, b] = *pair {
                if let Some(item) = items.get_mut(a) {
                    item.down.push(b);
                }
                if let Some(item) = items.get_mut(b) {
                    item.up.push(a);
                }
            }
        }
        chains.push(chain);
    }
    order(&items, &mut rows);
    straighten(&mut items, &rows);
    for chain in &chains {
        unbend(&mut items, &rows, chain);
    }
    place(scene, sizes, ports, &items, &rows, &chains)
}

/// The layer of each box: below all that it reads; what reads nothing and is
/// no view stands right above its first reader.
fn layers(scene: &Scene) -> Vec<usize> {
    let mut layers: Vec<usize> = vec![0; scene.units.len()];
    for link in &scene.links {
        let above = layers.get(link.from).copied().unwrap_or(0);
        if let Some(layer) = layers.get_mut(link.to) {
            *layer = above.max(*layer).max(above + 1);
        }
    }
    for (index, unit) in scene.units.iter().enumerate().rev() {
        if unit.kind == Kind::View || scene.links.iter().any(|l| l.to == index) {
            continue;
        }
        let readers = scene.links.iter().filter(|l| l.from == index);
        let first = readers.filter_map(|l| layers.get(l.to)).min().copied();
        if let (Some(first), Some(layer)) = (first, layers.get_mut(index)) {
            *layer = first.saturating_sub(1);
        }
    }
    layers
}

/// Heights, ports and routes.
fn place(
    scene: &Scene,
    sizes: &[Point],
    ports: PortWidths<'_>,
    items: &[Item],
    rows: &[Vec<usize>],
    chains: &[Vec<usize>],
) -> Layout {
    let left = items
        .iter()
        .map(|i| i.x - i.width / 2.0)
        .fold(f64::INFINITY, f64::min);
    let left = if left.is_finite() { left } else { 0.0 };
    let size = |unit: usize| sizes.get(unit).copied().unwrap_or_default();
    let centre = |item: usize| items.get(item).map_or(0.0, |i| i.x - left);
    let mut boxes = vec![Rect::default(); sizes.len()];
    // Top and bottom of every item's row.
    let mut bands = vec![(0.0, 0.0); items.len()];
    let mut y = 0.0;
    let mut width: f64 = 0.0;
    for (i, row) in rows.iter().enumerate() {
        let units = || row.iter().filter_map(|i| items.get(*i)?.unit);
        let tall = units().map(|u| size(u).1).fold(0.0, f64::max);
        for item in row {
            if let Some(band) = bands.get_mut(*item) {
                *band = (y, y + tall);
            }
            let right = centre(*item) + items.get(*item).map_or(0.0, |i| i.width / 2.0);
            width = width.max(right);
        }
        for unit in units() {
            let (w, h) = size(unit);
            if let Some(rect) = boxes.get_mut(unit) {
                *rect = Rect {
                    x: centre(unit) - w / 2.0,
                    y: y + (tall - h) / 2.0,
                    w,
                    h,
                };
            }
        }
        y += tall;
        if i + 1 < rows.len() {
            // Wide steps to the side need height to stay readable.
            let reach = chains
                .iter()
                .flat_map(|c| c.windows(2))
                .filter(|pair| pair.first().is_some_and(|a| row.contains(a)))
                .map(|pair| match pair {
                    [a, b] => (centre(*a) - centre(*b)).abs(),
                    _ => 0.0,
                })
                .fold(0.0, f64::max);
            y += (BETWEEN + reach / 12.0).min(BETWEEN * 2.2);
        }
    }
    let ports = spread(scene, &boxes, ports, chains, &centre);
    let exits = exits(scene, &boxes, chains, &centre);
    let mut routes = Vec::new();
    for (index, (link, chain)) in scene.links.iter().zip(chains).enumerate() {
        let (Some(from), Some(to)) = (boxes.get(link.from), boxes.get(link.to)) else {
            routes.push(Vec::new());
            continue;
        };
        let out = from.x + exits.get(index).copied().unwrap_or(from.w / 2.0);
        let port = ports.get(link.to).and_then(|p| p.get(link.port));
        let inward = to.x + port.copied().unwrap_or(to.w / 2.0);
        let band = |item: usize| bands.get(item).copied().unwrap_or_default();
        let mut route = vec![((out, from.y + from.h), (out, band(link.from).1))];
        let lanes = chain.iter().filter(|i| **i >= scene.units.len());
        for lane in lanes {
            let (top, bottom) = band(*lane);
            route.push(((centre(*lane), top), (centre(*lane), bottom)));
        }
        route.push(((inward, band(link.to).0), (inward, to.y)));
        routes.push(route);
    }
    Layout {
        boxes,
        routes,
        ports,
        size: (width, y),
    }
}

/// Where links arrive: side by side, each with the room of its name, in the
/// order in which they come.
fn spread(
    scene: &Scene,
    boxes: &[Rect],
    widths: PortWidths<'_>,
    chains: &[Vec<usize>],
    centre: &dyn Fn(usize) -> f64,
) -> Vec<Vec<f64>> {
    let mut out: Vec<Vec<f64>> = Vec::new();
    for (unit, (rect, widths)) in boxes.iter().zip(widths).enumerate() {
        let mut order: Vec<(f64, usize)> = Vec::new();
        for (port, _) in widths.iter().enumerate() {
            let arriving = scene.links.iter().zip(chains);
            let from = arriving
                .filter(|(l, _)| l.to == unit && l.port == port)
                .filter_map(|(_, c)| c.iter().rev().nth(1))
                .map(|item| centre(*item))
                .next();
            order.push((from.unwrap_or(0.0), port));
        }
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total: f64 = widths.iter().sum();
        let room = match total > 0.0 {
            true => (rect.w - total) / widths.len() as f64,
            false => 0.0,
        };
        let mut places = vec![rect.w / 2.0; widths.len()];
        let mut x = 0.0;
        for (_, port) in order {
            let width = widths.get(port).copied().unwrap_or(0.0) + room;
            if let Some(place) = places.get_mut(port) {
                *place = x + width / 2.0;
            }
            x += width;
        }
        out.push(places);
    }
    out
}

/// Where links leave, by link: near the middle, in the order in which they go.
fn exits(
    scene: &Scene,
    boxes: &[Rect],
    chains: &[Vec<usize>],
    centre: &dyn Fn(usize) -> f64,
) -> Vec<f64> {
    let mut out = vec![0.0; scene.links.len()];
    for (unit, rect) in boxes.iter().enumerate() {
        let mut leaving: Vec<(f64, usize)> = scene
            .links
            .iter()
            .zip(chains)
            .enumerate()
            .filter(|(_, (l, _))| l.from == unit)
            .filter_map(|(i, (_, c))| Some((centre(*c.get(1)?), i)))
            .collect();
        leaving.sort_by(|a, b| a.0.total_cmp(&b.0));
        let count = leaving.len() as f64;
        let step = (rect.w * 0.6 / count).min(18.0);
        for (i, (_, link)) in leaving.into_iter().enumerate() {
            if let Some(x) = out.get_mut(link) {
                *x = rect.w / 2.0 + (i as f64 - (count - 1.0) / 2.0) * step;
            }
        }
    }
    out
}
