//! Arithmetic on each number of a tensor, written once and computed on two
//! carriers: on whole tensors, which a GPU fuses, and on the single numbers of
//! a CPU tensor, in one pass over memory without temporaries.

use std::ops::{Add, Div, Mul, Sub};

use burn::tensor::{DType, Device, Tensor, TensorData};
use rayon::prelude::*;

/// What a rule computes with.
pub trait Number:
    Clone + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// Times a constant.
    fn times(self, factor: f64) -> Self;
    /// Plus a constant.
    fn plus(self, term: f64) -> Self;
    /// Square root.
    fn root(self) -> Self;
}

impl Number for f32 {
    fn times(self, factor: f64) -> Self {
        self * factor as f32
    }
    fn plus(self, term: f64) -> Self {
        self + term as f32
    }
    fn root(self) -> Self {
        self.sqrt()
    }
}

impl Number for Tensor<2> {
    fn times(self, factor: f64) -> Self {
        self.mul_scalar(factor)
    }
    fn plus(self, term: f64) -> Self {
        self.add_scalar(term)
    }
    fn root(self) -> Self {
        self.sqrt()
    }
}

/// A rule that moves a number by another one, with a state of `S` numbers.
pub trait Rule<const S: usize>: Sync {
    /// The number `p` and its state after an update by `g`.
    fn update<N: Number>(&self, p: N, g: N, state: [N; S]) -> (N, [N; S]);
}

/// One update of every number of `p` by that of `g`.
pub fn apply<const S: usize>(
    rule: &impl Rule<S>,
    p: Tensor<2>,
    g: Tensor<2>,
    state: [Tensor<2>; S],
) -> (Tensor<2>, [Tensor<2>; S]) {
    let device = p.device();
    let float32 = [&p, &g]
        .into_iter()
        .chain(&state)
        .all(|x| x.dtype() == DType::F32);
    if float32 && device == Device::flex() {
        on_host(rule, p, g, state, &device)
    } else {
        rule.update(p, g, state)
    }
}

/// Numbers that one task updates.
const CHUNK: usize = 1 << 14;

/// [`apply`] in one pass. What no other tensor shares is changed in place.
fn on_host<const S: usize>(
    rule: &impl Rule<S>,
    p: Tensor<2>,
    g: Tensor<2>,
    state: [Tensor<2>; S],
    device: &Device,
) -> (Tensor<2>, [Tensor<2>; S]) {
    const FLOAT32: &str = "the caller saw float32";
    let mut p = p.into_data();
    let g = g.into_data();
    let mut state = state.map(Tensor::into_data);
    {
        let g = g.as_slice::<f32>().expect(FLOAT32);
        let p = p.as_mut_slice::<f32>().expect(FLOAT32);
        let mut states: Vec<_> = (0..p.len().div_ceil(CHUNK))
            .map(|_| Vec::with_capacity(S))
            .collect();
        for data in &mut state {
            let values = data.as_mut_slice::<f32>().expect(FLOAT32);
            for (chunk, own) in values.chunks_mut(CHUNK).zip(&mut states) {
                own.push(chunk);
            }
        }
        p.par_chunks_mut(CHUNK)
            .zip(g.par_chunks(CHUNK))
            .zip(states)
            .for_each(|((p, g), state)| {
                // As many chunks as there are states were pushed.
                let Ok(state) = <[&mut [f32]; S]>::try_from(state) else {
                    return;
                };
                update_chunk(rule, p, g, state);
            });
    }
    let tensor = |data: TensorData| Tensor::from_data(data, device);
    (tensor(p), state.map(tensor))
}

fn update_chunk<const S: usize>(
    rule: &impl Rule<S>,
    p: &mut [f32],
    g: &[f32],
    mut state: [&mut [f32]; S],
) {
    let length = p.len();
    // Equal lengths, stated so that the loop needs no checks and vectorises.
    let g = &g[..length];
    for values in &mut state {
        let whole = std::mem::take(values);
        *values = &mut whole[..length];
    }
    for i in 0..length {
        let old: [f32; S] = std::array::from_fn(|s| state[s][i]);
        let (new, moved) = rule.update(p[i], g[i], old);
        p[i] = new;
        for (values, value) in state.iter_mut().zip(moved) {
            values[i] = value;
        }
    }
}
