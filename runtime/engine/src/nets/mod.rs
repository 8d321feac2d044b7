//! Networks, built from the Plan's modules.
//!
//! Every tensor has the name and the layout that timm or torchvision gives it
//! (`blocks.0.attn.qkv.weight`, `[out, in]` for a linear map), so that saving,
//! loading, averaging and optimising are all one walk: [`Network::visit`].

use burn::tensor::{Device, Tensor};
use ssl_plan::{ParamClass, Stage};

/// Whether a forward pass trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// BatchNorm uses the batch's statistics and updates its running ones.
    Train,
    /// BatchNorm uses its running statistics; nothing changes.
    Eval,
}

/// What a tensor of a network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A parameter that takes a gradient; its class where it is no weight.
    Trained(Option<ParamClass>),
    /// A parameter that stays as it was initialised. Averages copy it.
    Frozen,
    /// State that is no parameter: BatchNorm's running statistics. Averages
    /// leave it alone.
    Buffer,
}

/// A walk over the tensors of a network, in a fixed order.
pub trait Visit {
    /// Called for each tensor. `key` is `NET.STAGE.PARAMETER` (no `STAGE` in
    /// a net whose one stage has no name).
    fn tensor<const D: usize>(&mut self, key: &str, kind: Kind, tensor: &mut Tensor<D>);
}

/// A network: stages that run in order.
pub struct Network {}

impl Network {
    /// Builds and initialises a network. What a tensor starts as depends only
    /// on the seed and its key.
    pub fn new(name: &str, stages: &[Stage], seed: u64, device: &Device) -> Self {
        let _ = (name, stages, seed, device);
        Network {}
    }

    /// The output of every stage, `[B, D]`, the net's own last. `input` is
    /// `[B, C, H, W]`.
    pub fn forward_image(&mut self, input: Tensor<4>, mode: Mode) -> Vec<Tensor<2>> {
        let _ = (input, mode);
        Vec::new()
    }

    /// As [`Network::forward_image`] for a net that takes an embedding
    /// `[B, D]`.
    pub fn forward_embedding(&mut self, input: Tensor<2>, mode: Mode) -> Vec<Tensor<2>> {
        let _ = (input, mode);
        Vec::new()
    }

    /// Walks over parameters and buffers.
    pub fn visit<V: Visit>(&mut self, visitor: &mut V) {
        let _ = visitor;
    }
}
