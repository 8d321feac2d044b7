//! Position embeddings: fixed two-dimensional ones, and another size of any.

/// The sine and cosine embedding of MoCo v3: `height * width` rows of `dim`
/// values, row-major over the grid.
///
/// With `w_k = 10000^(-k / (dim / 4))`, a row is `sin(y w)`, `cos(y w)`,
/// `sin(x w)`, `cos(x w)`: the first half encodes the **row** of the grid, as
/// in the reference's code, so that weights can be exchanged. `dim` is
/// divisible by 4.
pub(super) fn sincos2d(height: usize, width: usize, dim: usize) -> Vec<f32> {
    let quarter = dim / 4;
    let waves: Vec<f64> = (0..quarter)
        .map(|k| 10_000_f64.powf(-(k as f64) / quarter as f64))
        .collect();
    let mut values = Vec::with_capacity(height * width * dim);
    for y in 0..height {
        for x in 0..width {
            for place in [y as f64, x as f64] {
                values.extend(waves.iter().map(|w| libm::sin(place * w) as f32));
                values.extend(waves.iter().map(|w| libm::cos(place * w) as f32));
            }
        }
    }
    values
}

/// The rows by which a table of `from[0] * from[1]` positions becomes one of
/// another grid: `[to[0] * to[1], from[0] * from[1]]`, row-major. It is bicubic
/// interpolation as PyTorch's `interpolate(mode="bicubic",
/// align_corners=False)` without antialiasing, which is linear in the table.
pub(super) fn resize_map(from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    map_of(from, to, cubic_weights)
}

/// A table of positions, `[prefix + from[0] * from[1], dim]` row-major, for
/// another grid, its first `prefix` rows as they are: timm's
/// `resample_abs_pos_embed`, which is bicubic with antialiasing.
pub(super) fn resample(
    table: &[f32],
    dim: usize,
    prefix: usize,
    from: [usize; 2],
    to: [usize; 2],
) -> Vec<f32> {
    let (first, rows) = table.split_at(prefix * dim);
    let mut out = first.to_vec();
    let count = from[0] * from[1];
    for weights in map_of(from, to, antialiased_weights).chunks(count.max(1)) {
        let mut sums = vec![0.0; dim];
        for (weight, row) in weights.iter().zip(rows.chunks(dim.max(1))) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += f64::from(*weight) * f64::from(*value);
            }
        }
        out.extend(sums.into_iter().map(|sum| sum as f32));
    }
    out
}

/// The product of the maps of both axes.
fn map_of(from: [usize; 2], to: [usize; 2], axis: impl Fn(usize, usize) -> Vec<f64>) -> Vec<f32> {
    let rows = axis(from[0], to[0]);
    let columns = axis(from[1], to[1]);
    let mut map = Vec::with_capacity(to[0] * to[1] * from[0] * from[1]);
    for row in rows.chunks(from[0].max(1)) {
        for column in columns.chunks(from[1].max(1)) {
            for down in row {
                map.extend(column.iter().map(|across| (down * across) as f32));
            }
        }
    }
    map
}

/// One axis of it, `[to, from]`: four taps of Keys' kernel with a = -0.75,
/// those beyond an edge on the edge.
fn cubic_weights(from: usize, to: usize) -> Vec<f64> {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let scale = from as f64 / to as f64;
    let mut weights = vec![0.0; to * from];
    for (i, row) in weights.chunks_mut(from.max(1)).enumerate() {
        let place = scale * (i as f64 + 0.5) - 0.5;
        let first = place.floor();
        let t = place - first;
        let taps = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
        for (tap, weight) in taps.into_iter().enumerate() {
            let at = (first + tap as f64 - 1.0).clamp(0.0, (from - 1) as f64);
            row[at as usize] += weight;
        }
    }
    weights
}

/// One axis of an antialiased map, `[to, from]`: Keys' kernel with a = -0.5,
/// as wide as an output is, over what lies inside, its weights adding to one
/// (PyTorch's `antialias=True`).
fn antialiased_weights(from: usize, to: usize) -> Vec<f64> {
    const A: f64 = -0.5;
    let kernel = |x: f64| match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A,
        _ => 0.0,
    };
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = 2.0 * stretch;
    let mut weights = vec![0.0; to * from];
    for (i, row) in weights.chunks_mut(from.max(1)).enumerate() {
        let centre = scale * (i as f64 + 0.5);
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let inside = &mut row[first..end];
        for (j, weight) in inside.iter_mut().enumerate() {
            *weight = kernel(((first + j) as f64 - centre + 0.5) / stretch);
        }
        let sum: f64 = inside.iter().sum();
        for weight in inside {
            *weight /= sum;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::{resample, resize_map, sincos2d};

    /// The sum and the entries that the reference implementation gives.
    #[test]
    fn matches_the_reference_on_the_imagenet_grid() {
        let values = sincos2d(14, 14, 384);
        let sum: f64 = values.iter().map(|v| f64::from(*v)).sum();
        assert!((sum - 34713.8237).abs() < 1e-3, "{sum}");
        let second = &values[384..768];
        assert_eq!(second[..4], [0.0; 4]);
        assert!((second[192] - 0.841_471).abs() < 1e-6);
        assert!((second[193] - 0.788_593).abs() < 1e-6);
    }

    #[test]
    fn tells_rows_from_columns_on_a_grid_that_is_not_square() {
        let values = sincos2d(2, 3, 8);
        let token = |y: usize, x: usize| &values[(y * 3 + x) * 8..][..8];
        assert_eq!(token(1, 0)[..4], token(1, 2)[..4]);
        assert_eq!(token(0, 2)[4..], token(1, 2)[4..]);
        assert_eq!(token(0, 2)[4], 2_f64.sin() as f32);
    }

    /// PyTorch's `interpolate` of the unit tables of a 3 by 4 grid
    /// (`operations.py`).
    #[test]
    fn another_size_is_bicubic() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/numeric/fixtures/operations.json"
        );
        let text = std::fs::read_to_string(path).expect("the fixture is there");
        let all: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        for (name, to) in [("larger", [5, 7]), ("smaller", [2, 3])] {
            let found = resize_map([3, 4], to);
            let expected = all[name].as_array().expect("a list");
            assert_eq!(found.len(), expected.len(), "{name}");
            for (found, expected) in found.iter().zip(expected) {
                let error = f64::from(*found) - expected.as_f64().expect("a number");
                assert!(error.abs() < 1e-6, "{name}: {found} is not {expected}");
            }
        }
        // timm's, of the same tables behind one row that stays.
        for (name, to) in [("resampled_larger", [5, 7]), ("resampled_smaller", [2, 3])] {
            let mut table = vec![7.0; 12];
            for place in 0..12 {
                table.extend((0..12).map(|i| f32::from(u8::from(i == place))));
            }
            let found = resample(&table, 12, 1, [3, 4], to);
            let expected = all[name].as_array().expect("a list");
            assert_eq!(found.len(), expected.len(), "{name}");
            for (found, expected) in found.iter().zip(expected) {
                let error = f64::from(*found) - expected.as_f64().expect("a number");
                assert!(error.abs() < 1e-6, "{name}: {found} is not {expected}");
            }
        }
    }
}
