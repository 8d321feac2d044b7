//! Fixed two-dimensional position embeddings.

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

#[cfg(test)]
mod tests {
    use super::sincos2d;

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
}
