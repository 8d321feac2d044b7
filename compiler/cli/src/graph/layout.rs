//! Where boxes lie: layers from top to bottom after Sugiyama, Tagawa & Toda
//! (1981). A link goes down at least one layer; over a layer that it crosses
//! it has a place of its own, so that no line runs through a box.

use super::{Kind, Scene};

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

/// Orders every row so that few lines cross.
fn order(items: &[Item], rows: &mut Vec<Vec<usize>>) {
    let mut best = rows.clone();
    let mut fewest = crossings(items, rows);
    for round in 0..ROUNDS {
        let down = round % 2 == 0;
        let count = rows.len();
        for i in 1..count {
            let (this, other) = match down {
                true => (i, i - 1),
                false => (count - 1 - i, count - i),
            };
            let positions = positions(items.len(), rows.get(other));
            if let Some(row) = rows.get_mut(this) {
                sort(items, row, &positions, down);
            }
        }
        swap(items, rows);
        let now = crossings(items, rows);
        if now < fewest {
            fewest = now;
            best.clone_from(rows);
        }
    }
    *rows = best;
}

fn positions(count: usize, row: Option<&Vec<usize>>) -> Vec<f64> {
    let mut out = vec![0.0; count];
    for (i, item) in row.into_iter().flatten().enumerate() {
        if let Some(p) = out.get_mut(*item) {
            *p = i as f64;
        }
    }
    out
}

/// Sorts a row by the mean place of what its items are linked to; items that
/// are linked to nothing there stay.
fn sort(items: &[Item], row: &mut [usize], positions: &[f64], up: bool) {
    let mut keyed: Vec<(f64, usize)> = Vec::new();
    for (i, item) in row.iter().enumerate() {
        let linked = items.get(*item).map_or(&[][..], |it| match up {
            true => &it.up,
            false => &it.down,
        });
        let sum: f64 = linked.iter().filter_map(|l| positions.get(*l)).sum();
        let key = match linked.len() {
            0 => i as f64,
            n => sum / n as f64,
        };
        keyed.push((key, *item));
    }
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (slot, (_, item)) in row.iter_mut().zip(keyed) {
        *slot = item;
    }
}

/// Swaps neighbours as long as that saves crossings.
fn swap(items: &[Item], rows: &mut [Vec<usize>]) {
    let mut places: Vec<f64> = vec![0.0; items.len()];
    for row in rows.iter() {
        for (i, item) in row.iter().enumerate() {
            if let Some(p) = places.get_mut(*item) {
                *p = i as f64;
            }
        }
    }
    for row in rows.iter_mut() {
        for i in 1..row.len() {
            let (Some(&a), Some(&b)) = (row.get(i - 1), row.get(i)) else {
                continue;
            };
            let (Some(left), Some(right)) = (items.get(a), items.get(b)) else {
                continue;
            };
            let count = |l: &Item, r: &Item| {
                inversions(&l.up, &r.up, &places) + inversions(&l.down, &r.down, &places)
            };
            if count(right, left) < count(left, right) {
                row.swap(i - 1, i);
                if let Some(p) = places.get_mut(a) {
                    *p = i as f64;
                }
                if let Some(p) = places.get_mut(b) {
                    *p = (i - 1) as f64;
                }
            }
        }
    }
}

/// Pairs of lines that cross, where the first set's owner stands to the left.
fn inversions(left: &[usize], right: &[usize], places: &[f64]) -> usize {
    let at = |i: &usize| places.get(*i).copied().unwrap_or(0.0);
    left.iter()
        .map(|l| right.iter().filter(|r| at(r) < at(l)).count())
        .sum()
}

fn crossings(items: &[Item], rows: &[Vec<usize>]) -> usize {
    let mut total = 0;
    for (i, row) in rows.iter().enumerate() {
        let places = positions(items.len(), rows.get(i + 1));
        let downs: Vec<&[usize]> = row
            .iter()
            .filter_map(|item| Some(items.get(*item)?.down.as_slice()))
            .collect();
        for (j, left) in downs.iter().enumerate() {
            for right in downs.iter().skip(j + 1) {
                total += inversions(left, right, &places);
            }
        }
    }
    total
}

/// Gives every item its horizontal place: near what it is linked to, lanes
/// straight, nothing upon another.
fn straighten(items: &mut [Item], rows: &[Vec<usize>]) {
    for row in rows {
        let mut x = 0.0;
        for item in row {
            if let Some(item) = items.get_mut(*item) {
                item.x = x + item.width / 2.0;
                x += item.width + BESIDE;
            }
        }
    }
    for round in 0..ROUNDS * 4 {
        let down = round % 2 == 0;
        // Only at the end both sides count, which centres what is between.
        let both = round >= ROUNDS * 3;
        let each: Vec<&Vec<usize>> = match down {
            true => rows.iter().collect(),
            false => rows.iter().rev().collect(),
        };
        for row in each {
            let wanted: Vec<(f64, f64, f64)> = row
                .iter()
                .filter_map(|i| Some(wish(items, items.get(*i)?, down, both)))
                .collect();
            for (item, x) in row.iter().zip(apart(&wanted)) {
                if let Some(item) = items.get_mut(*item) {
                    item.x = x;
                }
            }
        }
    }
}

/// Where an item wants to be, how much, and its width.
fn wish(items: &[Item], item: &Item, down: bool, both: bool) -> (f64, f64, f64) {
    let mut sum = 0.0;
    let mut weight = 0.0;
    let sides = [(&item.up, down || both), (&item.down, !down || both)];
    for (linked, counts) in sides {
        for other in linked.iter().filter(|_| counts) {
            if let Some(other) = items.get(*other) {
                let w = match (item.unit, other.unit) {
                    (None, None) => 8.0,
                    (None, Some(_)) | (Some(_), None) => 2.0,
                    (Some(_), Some(_)) => 1.0,
                };
                sum += w * other.x;
                weight += w;
            }
        }
    }
    match weight > 0.0 {
        true => (sum / weight, weight, item.width),
        false => (item.x, 0.1, item.width),
    }
}

/// The places nearest to the wished ones, by least squares, that keep the
/// order and the distances: pools of neighbours that touch move as one.
fn apart(wanted: &[(f64, f64, f64)]) -> Vec<f64> {
    let mut offsets = Vec::new();
    let mut offset = 0.0;
    let mut before: Option<f64> = None;
    for (_, _, width) in wanted {
        offset += before.map_or(0.0, |b| (b + width) / 2.0 + BESIDE);
        offsets.push(offset);
        before = Some(*width);
    }
    // Mean, weight, number of items.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for ((x, weight, _), offset) in wanted.iter().zip(&offsets) {
        let mut pool = (x - offset, *weight, 1);
        while let Some(last) = pools.last().copied().filter(|last| last.0 > pool.0) {
            pools.pop();
            let weight = last.1 + pool.1;
            let mean = (last.0 * last.1 + pool.0 * pool.1) / weight;
            pool = (mean, weight, last.2 + pool.2);
        }
        pools.push(pool);
    }
    let means = pools
        .into_iter()
        .flat_map(|(mean, _, n)| std::iter::repeat_n(mean, n));
    means.zip(offsets).map(|(mean, o)| mean + o).collect()
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
