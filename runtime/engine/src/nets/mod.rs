//! Networks, built from the Plan's modules.
//!
//! Every tensor has the name and the layout that timm or torchvision gives it
//! (`blocks.0.attn.qkv.weight`, `[out, in]` for a linear map), so that saving,
//! loading, averaging and optimising are all one walk: [`Network::visit`].
//!
//! Layers hold plain tensors. On a device with gradients the trained ones are
//! leaves that keep their gradient; on any other device the same network runs
//! without a graph.

mod average;
mod gelu;
mod layers;
mod mlp;
mod position;
mod resnet;
mod start;
mod vit;

use burn::tensor::{Device, Tensor};
use ssl_plan::{Module, ParamClass, Precision, Stage};

pub(crate) use average::settle;
use layers::Pass;
use start::Scope;

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
    /// State that is no parameter: BatchNorm's running statistics, which lie
    /// outside of any gradient. Averages leave it alone.
    Buffer,
}

/// A walk over the tensors of a network, in a fixed order.
///
/// A visitor may replace a tensor by one of the same shape. A trained tensor
/// must stay a leaf: `tensor.require_grad()` on a device with gradients.
pub trait Visit {
    /// Called for each tensor. `key` is `NET.STAGE.PARAMETER` (no `STAGE` in
    /// a net whose one stage has no name).
    fn tensor<const D: usize>(&mut self, key: &str, kind: Kind, tensor: &mut Tensor<D>);
}

/// A network: stages that run in order.
///
/// A clone shares storage until either side changes, and nothing after that:
/// running statistics are its own.
#[derive(Debug, Clone)]
pub struct Network {
    stages: Vec<Built>,
    precision: Precision,
}

#[derive(Debug, Clone)]
struct Built {
    name: Option<String>,
    /// What the keys of its tensors start with.
    path: String,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Vit(Box<vit::Vit>),
    Resnet(Box<resnet::Resnet>),
    Mlp(mlp::Mlp),
}

/// What one stage hands to the next.
enum Value {
    Image(Tensor<4>),
    Embedding(Tensor<2>),
}

/// Parameters of one stage. Buffers are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageCount {
    /// The stage's name, where it has one.
    pub stage: Option<String>,
    /// Parameters that take a gradient.
    pub trained: u64,
    /// Parameters that do not, fixed position embeddings among them.
    pub frozen: u64,
}

impl Network {
    /// Builds and initialises a network, in float32. What a tensor starts as
    /// depends only on the seed and its key.
    pub fn new(name: &str, stages: &[Stage], seed: u64, device: &Device) -> Self {
        let net = Scope::new(name, seed, device);
        let stages = stages
            .iter()
            .map(|stage| {
                let scope = match &stage.name {
                    Some(name) => net.enter(name),
                    None => net.clone(),
                };
                let body = match &stage.module {
                    Module::Vit(plan) => Body::Vit(Box::new(vit::Vit::new(plan, &scope))),
                    Module::Resnet(plan) => {
                        Body::Resnet(Box::new(resnet::Resnet::new(plan, &scope)))
                    }
                    Module::Mlp(plan) => Body::Mlp(mlp::Mlp::new(plan, &scope)),
                };
                let name = stage.name.clone();
                let path = scope.path().to_owned();
                Built { name, path, body }
            })
            .collect();
        Network {
            stages,
            precision: Precision::Float32,
        }
    }

    /// The same network with another number format of the forward pass.
    /// Parameters stay float32: a pass casts them, and their gradients arrive
    /// in float32. Norms, softmax, residual sums and results are float32.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// The output of every stage, `[B, D]`, the net's own last. `input` is
    /// `[B, C, H, W]`.
    ///
    /// # Panics
    ///
    /// Panics where the shapes of stages and input do not fit together, which
    /// the compiler has ruled out in every Plan that it writes.
    pub fn forward_image(&mut self, input: Tensor<4>, mode: Mode) -> Vec<Tensor<2>> {
        self.forward(Value::Image(input), mode)
    }

    /// As [`Network::forward_image`] for a net that takes an embedding
    /// `[B, D]`.
    pub fn forward_embedding(&mut self, input: Tensor<2>, mode: Mode) -> Vec<Tensor<2>> {
        self.forward(Value::Embedding(input), mode)
    }

    fn forward(&mut self, mut value: Value, mode: Mode) -> Vec<Tensor<2>> {
        let pass = Pass {
            mode,
            precision: self.precision,
        };
        let mut outputs = Vec::with_capacity(self.stages.len());
        for stage in &mut self.stages {
            let output = match (&mut stage.body, value) {
                (Body::Vit(vit), Value::Image(x)) => vit.forward(x, pass),
                (Body::Resnet(resnet), Value::Image(x)) => resnet.forward(x, pass),
                (Body::Mlp(mlp), Value::Embedding(x)) => mlp.forward(x, pass),
                (Body::Mlp(mlp), Value::Image(x)) => mlp.forward(x.flatten(1, 3), pass),
                (Body::Vit(_) | Body::Resnet(_), Value::Embedding(_)) => {
                    panic!("a backbone takes an image, and an embedding was given")
                }
            };
            outputs.push(output.clone());
            value = Value::Embedding(output);
        }
        outputs
    }

    /// Walks over parameters and buffers.
    pub fn visit<V: Visit>(&mut self, visitor: &mut V) {
        for stage in &mut self.stages {
            stage.body.visit(visitor);
        }
    }

    /// Walks over the parameters and buffers of one stage; over nothing where
    /// there is no such stage.
    pub fn visit_stage<V: Visit>(&mut self, stage: usize, visitor: &mut V) {
        if let Some(stage) = self.stages.get_mut(stage) {
            stage.body.visit(visitor);
        }
    }

    /// What the keys of a stage's tensors start with, without the last dot.
    pub(crate) fn stage_path(&self, stage: usize) -> Option<&str> {
        self.stages.get(stage).map(|stage| stage.path.as_str())
    }

    /// Exact parameter counts, stage by stage.
    pub fn parameters(&self) -> Vec<StageCount> {
        let mut stages = self.stages.clone();
        stages
            .iter_mut()
            .map(|stage| {
                let mut count = StageCount {
                    stage: stage.name.clone(),
                    trained: 0,
                    frozen: 0,
                };
                stage.body.visit(&mut count);
                count
            })
            .collect()
    }

    /// The same network outside of any gradient: a clone for evaluation. It
    /// shares storage with this one and none of its later changes.
    #[must_use]
    pub fn without_gradients(&self) -> Self {
        struct Cut;
        impl Visit for Cut {
            fn tensor<const D: usize>(&mut self, _: &str, _: Kind, tensor: &mut Tensor<D>) {
                *tensor = tensor.clone().without_autodiff();
            }
        }
        let mut network = self.clone();
        network.visit(&mut Cut);
        network
    }
}

impl Body {
    fn visit<V: Visit>(&mut self, visitor: &mut V) {
        match self {
            Body::Vit(vit) => vit.visit(visitor),
            Body::Resnet(resnet) => resnet.visit(visitor),
            Body::Mlp(mlp) => mlp.visit(visitor),
        }
    }
}

impl Visit for StageCount {
    fn tensor<const D: usize>(&mut self, _: &str, kind: Kind, tensor: &mut Tensor<D>) {
        let count = tensor.dims().iter().product::<usize>() as u64;
        match kind {
            Kind::Trained(_) => self.trained += count,
            Kind::Frozen => self.frozen += count,
            Kind::Buffer => {}
        }
    }
}
