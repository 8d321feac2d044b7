//! GELU with the exact normal distribution, `x P(X <= x)` (Hendrycks & Gimpel
//! 2016), as PyTorch's default.
//!
//! Burn's own is not used: on the CPU it is one scalar loop that takes longer
//! than the matrix product before it, and elsewhere its gradient is that of the
//! tanh approximation.

use std::f32::consts::{FRAC_1_SQRT_2, LN_2, LOG2_E};

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::lanes::wide;
use super::node::{Block, Operation, one};
use super::on_host;

/// Elements that one task takes.
const CHUNK: usize = 1 << 13;

/// `x P(X <= x)` for a standard normal X, with its exact gradient.
pub(crate) fn gelu(x: Tensor<2>) -> Tensor<2> {
    match on_host(&x) {
        true => one(x, Gelu),
        false => plain(x),
    }
}

pub(super) fn plain(x: Tensor<2>) -> Tensor<2> {
    let erf = (x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf();
    x * (erf + 1.0) * 0.5
}

#[derive(Debug)]
struct Gelu;

impl Operation for Gelu {
    fn forward(&self, mut inputs: Vec<Block>, keep: bool) -> (Block, Vec<Block>) {
        let x = inputs.remove(0);
        let shape = x.dims::<2>();
        let kept = if keep { vec![x.clone()] } else { Vec::new() };
        let mut values = x.into_vec();
        values.par_chunks_mut(CHUNK).for_each(forward);
        (Block::new(values, shape), kept)
    }

    fn backward(&self, kept: Vec<Block>, gradient: Block, _: &[bool]) -> Vec<Option<Block>> {
        let shape = gradient.dims::<2>();
        let mut gradient = gradient.into_vec();
        let chunks = gradient.par_chunks_mut(CHUNK);
        let xs = kept[0].values().par_chunks(CHUNK);
        chunks
            .zip(xs)
            .for_each(|(gradient, x)| backward(gradient, x));
        vec![Some(Block::new(gradient, shape))]
    }
}

/// GELU in place.
pub(super) fn forward(x: &mut [f32]) {
    wide!({
        for x in x {
            *x *= normal(*x).0;
        }
    });
}

/// Times GELU's slope at x.
pub(super) fn backward(gradient: &mut [f32], x: &[f32]) {
    wide!({
        for (gradient, x) in gradient.iter_mut().zip(x) {
            let (below, density) = normal(*x);
            *gradient *= below + x * density;
        }
    });
}

/// `P(X <= x)` and the density at x of a standard normal X, to 2e-7.
///
/// Abramowitz & Stegun 7.1.26 for the complement of the error function.
#[inline(always)]
pub(super) fn normal(x: f32) -> (f32, f32) {
    const DENSITY_AT_ZERO: f32 = 0.398_942_3;
    let z = x.abs() * FRAC_1_SQRT_2;
    let bell = exp_of_negative(-z * z);
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series = t * (-1.453_152_f32 + t * 1.061_405_4);
    let series = t * (-0.284_496_74 + t * (1.421_413_7 + series));
    let tail = 0.5 * bell * t * (0.254_829_6 + series);
    let below = if x < 0.0 { tail } else { 1.0 - tail };
    (below, bell * DENSITY_AT_ZERO)
}

/// `e^x` for x <= 0 without a branch or a call, so that loops vectorise: 2 to
/// the nearest whole power, times a Taylor series of 2^f over +-1/2.
#[inline(always)]
pub(super) fn exp_of_negative(x: f32) -> f32 {
    /// Adding it leaves a rounded whole number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let power = x.max(-87.0) * LOG2_E;
    let whole = power + ROUND;
    let f = power - (whole - ROUND);
    let series = 1.333_355_8e-3 + f * (1.540_353e-4 + f * 1.525_273_4e-5);
    let series = 0.240_226_5 + f * (0.055_504_11 + f * (9.618_129e-3 + f * series));
    let fraction = 1.0 + f * (LN_2 + f * series);
    fraction * f32::from_bits((whole.to_bits() << 23).wrapping_add(1_f32.to_bits()))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// Value and slope against the formula in float64.
    #[test]
    fn matches_the_formula() {
        let xs: Vec<f32> = (-12_000..=12_000).map(|i| i as f32 * 1e-3).collect();
        let data = TensorData::new(xs.clone(), [1, xs.len()]);
        let leaf = Tensor::<2>::from_data(data, &Device::flex().autodiff()).require_grad();
        let traced = gelu(leaf.clone());
        let slopes = leaf.grad(&traced.clone().sum().backward()).expect("a leaf");
        let plain = gelu(leaf.without_autodiff());
        let vec = |t: Tensor<2>| t.into_data().try_into_vec::<f32>().expect("float32");
        let (traced, plain, slopes) = (vec(traced), vec(plain), vec(slopes));
        for (i, x) in xs.into_iter().map(f64::from).enumerate() {
            let below = 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
            let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let close = |found: f32, expected: f64| {
                let error = (f64::from(found) - expected).abs();
                assert!(
                    error < 3e-7 * (1.0 + x.abs()),
                    "at {x}: {found}, not {expected}"
                );
            };
            close(plain[i], x * below);
            close(traced[i], x * below);
            close(slopes[i], below + x * density);
        }
    }

    #[test]
    fn passes_on_what_is_not_a_number() {
        let data = TensorData::new(vec![f32::NAN, f32::INFINITY, 0.0], [1, 3]);
        let x = Tensor::<2>::from_data(data, &Device::flex());
        let y = gelu(x).into_data().try_into_vec::<f32>().expect("float32");
        assert!(y[0].is_nan());
        assert_eq!(y[1..], [f32::INFINITY, 0.0]);
    }

    #[test]
    fn the_written_out_formula_agrees() {
        let xs: Vec<f32> = (-40..40).map(|i| i as f32 * 0.1).collect();
        let data = TensorData::new(xs, [8, 10]);
        let x = Tensor::<2>::from_data(data, &Device::flex());
        let written = plain(x.clone().cast(burn::tensor::FloatDType::F64));
        let fast = gelu(x).cast(burn::tensor::FloatDType::F64);
        let error = (written - fast).abs().max().into_scalar::<f64>();
        assert!(error < 1e-6, "{error}");
    }
}
