//! `formula.py` of the reference scripts: numbers that every language computes
//! to the bit, for weights that are too many to store.

#![allow(dead_code)]

/// `formula.uniform`: values in [-1, 1).
pub fn uniform(stream: u32, count: usize) -> impl Iterator<Item = f64> {
    (1..=count as u32).map(move |i| {
        let mut h = i.wrapping_add(stream.wrapping_mul(0x9E37_79B9));
        h ^= h >> 16;
        h = h.wrapping_mul(0x85EB_CA6B);
        h ^= h >> 13;
        h = h.wrapping_mul(0xC2B2_AE35);
        h ^= h >> 16;
        f64::from(h) / 2_f64.powi(31) - 1.0
    })
}

/// `formula.weight`: what a tensor of a network is filled with; the small ones
/// keep the gradients of a ResNet-50 well conditioned.
pub fn weight(stream: u32, name: &str, shape: &[usize]) -> Vec<f32> {
    let rank = shape.len();
    let one = name.ends_with("running_var") || (rank == 1 && name.ends_with("weight"));
    let (offset, scale) = match (name.ends_with("bn3.weight"), one) {
        (true, _) => (0.125, 0.0625),
        (false, true) => (1.0, 0.25),
        (false, false) if rank <= 1 => (0.0, 0.1),
        (false, false) => {
            let inner: usize = shape[1..].iter().product();
            (0.0, (3.0 / inner as f64).sqrt())
        }
    };
    let values = uniform(stream, shape.iter().product());
    values.map(|v| offset + (v * scale) as f32).collect()
}
