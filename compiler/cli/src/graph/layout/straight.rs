//! Horizontal places: boxes near what they are linked to, lines straight.

use super::{BESIDE, Item, ROUNDS};

/// Gives every item its horizontal place: near what it is linked to, lanes
/// straight, nothing upon another.
pub fn straighten(items: &mut [Item], rows: &[Vec<usize>]) {
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

/// Lets a line that passes several layers run straight down as far as its
/// neighbours allow, in place of a little to the side in each.
pub fn unbend(items: &mut [Item], rows: &[Vec<usize>], chain: &[usize]) {
    let lanes = chain.get(1..chain.len().saturating_sub(1)).unwrap_or(&[]);
    let mut from = 0;
    while let Some(first) = lanes.get(from) {
        let (mut low, mut high) = room(items, rows, *first);
        let mut to = from + 1;
        while let Some(next) = lanes.get(to) {
            let (l, h) = room(items, rows, *next);
            if low.max(l) > high.min(h) {
                break;
            }
            (low, high) = (low.max(l), high.min(h));
            to += 1;
        }
        let run = lanes.get(from..to).unwrap_or(&[]);
        let sum: f64 = run.iter().filter_map(|i| Some(items.get(*i)?.x)).sum();
        // Its own place is always within, but for rounding.
        let x = (sum / run.len() as f64).min(high).max(low);
        for lane in run {
            if let Some(item) = items.get_mut(*lane) {
                item.x = x;
            }
        }
        from = to;
    }
}

/// Between which centres an item can move without coming nearer to its
/// neighbours than the distance between boxes.
fn room(items: &[Item], rows: &[Vec<usize>], index: usize) -> (f64, f64) {
    let free = (f64::NEG_INFINITY, f64::INFINITY);
    let Some(item) = items.get(index) else {
        return free;
    };
    let Some(row) = rows.iter().find(|r| r.contains(&index)) else {
        return free;
    };
    let at = row.iter().position(|i| *i == index).unwrap_or(0);
    let distance = |other: &Item| (item.width + other.width) / 2.0 + BESIDE;
    let beside = |at: Option<usize>| at.and_then(|i| items.get(*row.get(i)?));
    let low = beside(at.checked_sub(1)).map_or(free.0, |o| o.x + distance(o));
    let high = beside(Some(at + 1)).map_or(free.1, |o| o.x - distance(o));
    (low.min(item.x), high.max(item.x))
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
