//! Operations of several tensor operations in one: a CPU kernel that passes
//! over memory once, with its gradient, and beside it the same in plain tensor
//! operations, which every other backend and every other number format uses.
//!
//! An operation is one function on tensors: `linear`, `layer_norm`,
//! `attention`. On float32 tensors of the CPU backend it computes by an
//! [`Operation`], which Burn's graph holds as one node ([`node`]); else by its
//! own `plain`, which is its definition and what its tests compare with.
//!
//! Kernels are parallel over rows, images or heads. What they sum, they sum in
//! pieces of fixed sizes and in a fixed order, so that no bit depends on the
//! number of threads.

mod attention;
mod batch_norm;
mod conv;
mod gelu;
mod lanes;
mod layer_norm;
mod linear;
mod node;
mod product;
#[cfg(test)]
mod tests;

use burn::tensor::{DType, Device, Tensor};

pub(crate) use attention::{attention, attention_apart};
pub(crate) use batch_norm::{After, batch_norm, follow};
pub(crate) use conv::conv2d;
pub(crate) use gelu::gelu;
pub(crate) use layer_norm::layer_norm;
pub(crate) use linear::{Activation, linear};

/// Whether a tensor is one that the CPU kernels compute with.
pub(crate) fn on_host<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && x.device() == Device::flex()
}
