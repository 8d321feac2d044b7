//! The order of boxes and lines within their layers.

use super::{Item, ROUNDS};

/// Orders every row so that few lines cross.
pub fn order(items: &[Item], rows: &mut Vec<Vec<usize>>) {
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
