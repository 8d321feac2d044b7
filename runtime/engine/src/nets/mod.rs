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
mod block;
mod convnext;
mod decoder;
mod drop;
mod heads;
mod layers;
mod mask;
mod mlp;
mod position;
mod resnet;
mod rows;
mod selective;
mod start;
mod stem;
mod vit;

use burn::tensor::{Device, Tensor};
use ssl_plan::{Module, ParamClass, Precision, Stage};

pub(crate) use average::settle;
pub use drop::Moment;
pub(crate) use heads::l2_normalize;
use layers::Pass;
pub use mask::Mask;
pub use rows::Rows;
use start::Scope;
pub(crate) use start::{is_under, normal_values};

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
    Convnext(Box<convnext::Convnext>),
    Mlp(mlp::Mlp),
    Linear(Box<heads::Linear>),
    Prototypes(Box<heads::Prototypes>),
    L2Normalize { eps: f64 },
    VitDecoder(Box<decoder::VitDecoder>),
}

/// What a stage takes and gives.
#[derive(Debug, Clone)]
pub enum Signal {
    /// `[B, C, H, W]`
    Image(Tensor<4>),
    /// `[B, D]`
    Embedding(Tensor<2>),
    /// `[B, N, D]`
    Tokens(Tensor<3>),
}

impl Signal {
    /// What stands for a sample, `[B, D]`: an embedding itself, and of tokens
    /// the first. `None` for an image.
    pub fn feature(self) -> Option<Tensor<2>> {
        match self {
            Signal::Image(_) => None,
            Signal::Embedding(x) => Some(x),
            Signal::Tokens(x) => {
                let [batch, _, dim] = x.dims();
                Some(x.slice([0..batch, 0..1]).reshape([batch, dim]))
            }
        }
    }

    /// Without a gradient.
    #[must_use]
    pub fn detach(self) -> Self {
        match self {
            Signal::Image(x) => Signal::Image(x.inner()),
            Signal::Embedding(x) => Signal::Embedding(x.inner()),
            Signal::Tokens(x) => Signal::Tokens(x.inner()),
        }
    }
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
        Network::build(stages, &Scope::new(name, seed, device, &[]))
    }

    /// As [`Network::new`], where parameters whose key is in `freeze`, or starts
    /// with a path there up to a dot, take no gradient.
    pub fn with_frozen(
        name: &str,
        stages: &[Stage],
        seed: u64,
        device: &Device,
        freeze: &[String],
    ) -> Self {
        Network::build(stages, &Scope::new(name, seed, device, freeze))
    }

    /// Names, kinds and shapes of a network's tensors, without drawing values.
    pub fn outline(name: &str, stages: &[Stage]) -> Vec<(String, Kind, Vec<usize>)> {
        struct Shapes(Vec<(String, Kind, Vec<usize>)>);
        impl Visit for Shapes {
            fn tensor<const D: usize>(&mut self, key: &str, kind: Kind, tensor: &mut Tensor<D>) {
                let shape = tensor.dims().to_vec();
                self.0.push((key.to_owned(), kind, shape));
            }
        }
        let device = Device::flex();
        let scope = Scope::new(name, 0, &device, &[]).outline();
        let mut shapes = Shapes(Vec::new());
        Network::build(stages, &scope).visit(&mut shapes);
        shapes.0
    }

    fn build(stages: &[Stage], net: &Scope) -> Self {
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
                    Module::Convnext(plan) => {
                        Body::Convnext(Box::new(convnext::Convnext::new(plan, &scope)))
                    }
                    Module::Mlp(plan) => Body::Mlp(mlp::Mlp::new(plan, &scope)),
                    Module::Linear(plan) => {
                        Body::Linear(Box::new(heads::Linear::new(plan, &scope)))
                    }
                    Module::Prototypes { input, count } => {
                        Body::Prototypes(Box::new(heads::Prototypes::new([*input, *count], &scope)))
                    }
                    Module::L2Normalize { eps } => Body::L2Normalize { eps: *eps },
                    Module::VitDecoder(plan) => {
                        Body::VitDecoder(Box::new(decoder::VitDecoder::new(plan, &scope)))
                    }
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

    /// One stage on its own: what it gives for its input. An encoder that is
    /// given a mask does not see the hidden patches, a decoder fills them in.
    /// `None` where there is no such stage, or it takes no such input.
    pub fn forward_stage(
        &mut self,
        stage: usize,
        input: Signal,
        mask: Option<&Mask>,
        mode: Mode,
    ) -> Option<Signal> {
        self.forward_at(stage, input, mask, mode, None)
    }

    /// [`Network::forward_stage`] as one of a run's forward passes, by which
    /// blocks are left out in training; without a `moment` none is.
    pub fn forward_at(
        &mut self,
        stage: usize,
        input: Signal,
        mask: Option<&Mask>,
        mode: Mode,
        moment: Option<Moment>,
    ) -> Option<Signal> {
        let mut segments = 0..self.segments(stage);
        segments.try_fold(input, |x, segment| {
            self.forward_segment([stage, segment], x, mask, mode, moment)
        })
    }

    /// The segments of a stage, which run in order: of a backbone and of a
    /// decoder what goes before the blocks, every block, and what comes after
    /// them; a head is one. 0 where there is no such stage.
    pub fn segments(&self, stage: usize) -> usize {
        self.stages
            .get(stage)
            .map_or(0, |stage| stage.body.segments())
    }

    /// One segment of a stage, `[stage, segment]`: what it gives for what the
    /// one before it gave. A stage is all of its segments in order, whose
    /// inputs are all that is needed to compute any of them again.
    pub fn forward_segment(
        &mut self,
        [stage, segment]: [usize; 2],
        input: Signal,
        mask: Option<&Mask>,
        mode: Mode,
        moment: Option<Moment>,
    ) -> Option<Signal> {
        let pass = Pass {
            mode,
            precision: self.precision,
            moment,
        };
        let body = &mut self.stages.get_mut(stage)?.body;
        body.segment(segment, input, mask, pass)
    }

    /// The feature of every stage, `[B, D]` (see [`Signal::feature`]), the
    /// net's own last. `input` is `[B, C, H, W]`.
    ///
    /// # Panics
    ///
    /// Panics where the shapes of stages and input do not fit together, which
    /// the compiler has ruled out in every Plan that it writes.
    pub fn forward_image(&mut self, input: Tensor<4>, mode: Mode) -> Vec<Tensor<2>> {
        self.forward(Signal::Image(input), mode)
    }

    /// As [`Network::forward_image`] for a net that takes an embedding
    /// `[B, D]`.
    pub fn forward_embedding(&mut self, input: Tensor<2>, mode: Mode) -> Vec<Tensor<2>> {
        self.forward(Signal::Embedding(input), mode)
    }

    /// The feature of one stage alone, `[B, D]`, for images `[B, C, H, W]`: no
    /// stage behind it runs. `None` where there is no such stage, or one does
    /// not take what it is given.
    pub fn feature(&mut self, stage: usize, images: Tensor<4>, mode: Mode) -> Option<Tensor<2>> {
        let mut signal = Signal::Image(images);
        for i in 0..=stage {
            signal = self.forward_stage(i, signal, None, mode)?;
        }
        signal.feature()
    }

    fn forward(&mut self, mut signal: Signal, mode: Mode) -> Vec<Tensor<2>> {
        let mut outputs = Vec::with_capacity(self.stages.len());
        for stage in 0..self.stages.len() {
            let Some(output) = self.forward_stage(stage, signal, None, mode) else {
                panic!("stage {stage} does not take what it is given");
            };
            outputs.extend(output.clone().feature());
            signal = output;
        }
        outputs
    }

    /// Position embeddings that were made for another size of the image, under
    /// this network's key, for its own (timm's `resample_abs_pos_embed`).
    /// `None` where they fit as they are, or are none.
    pub fn fit_positions(&self, key: &str, shape: &[usize], values: &[f32]) -> Option<Vec<f32>> {
        let stage = |stage: &&Built| key.strip_prefix(&stage.path) == Some(".pos_embed");
        match &self.stages.iter().find(stage)?.body {
            Body::Vit(vit) => vit.fit_positions(values, shape),
            _ => None,
        }
    }

    /// Puts parameters back to where they are bound to lie: prototypes have
    /// length 1. To be done to a stage after each of its updates.
    pub fn project_stage(&mut self, stage: usize) {
        if let Some(Body::Prototypes(prototypes)) =
            self.stages.get_mut(stage).map(|stage| &mut stage.body)
        {
            prototypes.project();
        }
    }

    /// How many stages it has.
    pub fn stage_count(&self) -> usize {
        self.stages.len()
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

    /// Walks over the parameters and buffers of one segment, `[stage,
    /// segment]`; over nothing where there is no such stage.
    pub fn visit_segment<V: Visit>(&mut self, [stage, segment]: [usize; 2], visitor: &mut V) {
        if let Some(stage) = self.stages.get_mut(stage) {
            stage.body.visit_segment(segment, visitor);
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

    /// The same network with parameters that take no gradient, on a device
    /// that has gradients: what it computes has no graph and is, to the bit,
    /// what the network itself computes, where a kernel for devices without
    /// gradients may round otherwise.
    #[must_use]
    pub fn untracked(&self) -> Self {
        struct Cut;
        impl Visit for Cut {
            fn tensor<const D: usize>(&mut self, _: &str, _: Kind, tensor: &mut Tensor<D>) {
                if tensor.is_autodiff() {
                    *tensor = tensor.clone().without_autodiff().autodiff();
                }
            }
        }
        let mut network = self.clone();
        network.visit(&mut Cut);
        network
    }
}

impl Body {
    fn segment(
        &mut self,
        segment: usize,
        input: Signal,
        mask: Option<&Mask>,
        pass: Pass,
    ) -> Option<Signal> {
        Some(match (self, input) {
            (Body::Vit(vit), x) => vit.segment(segment, x, mask, pass)?,
            (Body::VitDecoder(decoder), x) => decoder.segment(segment, x, mask, pass)?,
            (_, _) if mask.is_some() => return None,
            (Body::Resnet(resnet), Signal::Image(x)) => resnet.segment(segment, x, pass)?,
            (Body::Convnext(net), Signal::Image(x)) => net.segment(segment, x, pass)?,
            (Body::Resnet(_) | Body::Convnext(_), _) => return None,
            (head, Signal::Image(x)) => Signal::Embedding(head.rows(x.flatten(1, 3), pass)?),
            (head, Signal::Embedding(x)) => Signal::Embedding(head.rows(x, pass)?),
            (head, Signal::Tokens(x)) => {
                let [batch, count, dim] = x.dims();
                let x = head.rows(x.reshape([batch * count, dim]), pass)?;
                let [_, dim] = x.dims();
                Signal::Tokens(x.reshape([batch, count, dim]))
            }
        })
    }

    /// `[rows, in]` to `[rows, out]`, of a module that looks at one row at a
    /// time but for the batch's statistics.
    fn rows(&mut self, x: Tensor<2>, pass: Pass) -> Option<Tensor<2>> {
        Some(match self {
            Body::Mlp(mlp) => mlp.forward(x, pass),
            Body::Linear(linear) => linear.forward(x, pass),
            Body::Prototypes(prototypes) => prototypes.forward(x, pass),
            Body::L2Normalize { eps } => heads::l2_normalize(x, *eps),
            Body::Vit(_) | Body::Resnet(_) | Body::Convnext(_) | Body::VitDecoder(_) => {
                return None;
            }
        })
    }

    fn segments(&self) -> usize {
        match self {
            Body::Vit(vit) => vit.segments(),
            Body::Resnet(resnet) => resnet.segments(),
            Body::Convnext(net) => net.segments(),
            Body::VitDecoder(decoder) => decoder.segments(),
            Body::Mlp(_) | Body::Linear(_) | Body::Prototypes(_) | Body::L2Normalize { .. } => 1,
        }
    }

    fn visit<V: Visit>(&mut self, visitor: &mut V) {
        for segment in 0..self.segments() {
            self.visit_segment(segment, visitor);
        }
    }

    fn visit_segment<V: Visit>(&mut self, segment: usize, visitor: &mut V) {
        match self {
            Body::Vit(vit) => vit.visit_segment(segment, visitor),
            Body::Resnet(resnet) => resnet.visit_segment(segment, visitor),
            Body::Convnext(net) => net.visit_segment(segment, visitor),
            Body::VitDecoder(decoder) => decoder.visit_segment(segment, visitor),
            Body::Mlp(mlp) => mlp.visit(visitor),
            Body::Linear(linear) => linear.visit(visitor),
            Body::Prototypes(prototypes) => prototypes.visit(visitor),
            Body::L2Normalize { .. } => {}
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
