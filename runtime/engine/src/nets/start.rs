//! What a tensor is named and what it starts from.
//!
//! A tensor's first values are a pure function of the run's seed and the
//! tensor's key: building networks in another order, on another device or
//! beside other networks changes nothing. The generator is BLAKE3 in its
//! extendable-output mode, keyed by the seed, over the tensor's key; normal
//! values come from the Box-Muller transform with a portable `ln` and `cos`.

use std::f64::consts::TAU;
use std::fmt::Display;

use burn::tensor::{Device, Tensor, TensorData};
use ssl_plan::ParamClass;

use super::{Kind, Visit};

/// A named tensor of a network.
#[derive(Debug, Clone)]
pub(super) struct Param<const D: usize> {
    key: String,
    kind: Kind,
    tensor: Tensor<D>,
}

impl<const D: usize> Param<D> {
    /// The tensor, sharing its storage.
    pub(super) fn value(&self) -> Tensor<D> {
        self.tensor.clone()
    }

    /// Puts another tensor in its place.
    pub(super) fn set(&mut self, tensor: Tensor<D>) {
        self.tensor = tensor;
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        visitor.tensor(&self.key, self.kind, &mut self.tensor);
    }
}

/// What a tensor starts from.
#[derive(Debug, Clone)]
pub(super) enum Start {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
    /// All the same.
    Constant(f64),
    /// Uniform within plus and minus the bound.
    Uniform(f64),
    /// Normal around zero with the given standard deviation.
    Normal(f64),
    /// Given values.
    Values(Vec<f32>),
}

impl Start {
    /// Xavier-uniform (Glorot & Bengio 2010): `+-sqrt(6 / (fan_in + fan_out))`.
    pub(super) fn xavier(fan_in: usize, fan_out: usize) -> Self {
        Start::Uniform((6.0 / (fan_in + fan_out) as f64).sqrt())
    }

    /// PyTorch's default for linear maps and convolutions, weight and bias:
    /// `+-1 / sqrt(fan_in)`.
    pub(super) fn fan_in(fan_in: usize) -> Self {
        Start::Uniform(1.0 / (fan_in as f64).sqrt())
    }

    /// Kaiming-normal for ReLU (He et al. 2015), over the fan out:
    /// `sqrt(2 / fan_out)`.
    pub(super) fn kaiming(fan_out: usize) -> Self {
        Start::Normal((2.0 / fan_out as f64).sqrt())
    }

    fn values(self, seed: u64, key: &str, count: usize) -> Vec<f32> {
        match self {
            Start::Zeros => vec![0.0; count],
            Start::Ones => vec![1.0; count],
            Start::Constant(value) => vec![value as f32; count],
            Start::Uniform(bound) => {
                let mut draws = Draws::new(seed, key);
                let scale = 2.0 * bound;
                (0..count)
                    .map(|_| (scale * draws.next() - bound) as f32)
                    .collect()
            }
            Start::Normal(deviation) => {
                let mut draws = Draws::new(seed, key);
                let mut values = Vec::with_capacity(count + 1);
                while values.len() < count {
                    let radius = deviation * (-2.0 * libm::log(draws.next())).sqrt();
                    let angle = TAU * draws.next();
                    values.push((radius * libm::cos(angle)) as f32);
                    values.push((radius * libm::sin(angle)) as f32);
                }
                values.truncate(count);
                values
            }
            Start::Values(values) => values,
        }
    }
}

/// Values of a standard normal distribution, a pure function of the seed and
/// the key.
pub(crate) fn normal_values(seed: u64, key: &str, count: usize) -> Vec<f32> {
    Start::Normal(1.0).values(seed, key, count)
}

/// Uniform numbers inside (0, 1), in steps of 2^-32.
struct Draws {
    reader: blake3::OutputReader,
    buffer: [u8; 4096],
    used: usize,
}

impl Draws {
    fn new(seed: u64, key: &str) -> Self {
        let mut name = [0; blake3::KEY_LEN];
        name[..8].copy_from_slice(&seed.to_le_bytes());
        let mut hasher = blake3::Hasher::new_keyed(&name);
        hasher.update(key.as_bytes());
        Draws {
            reader: hasher.finalize_xof(),
            buffer: [0; 4096],
            used: 4096,
        }
    }

    fn next(&mut self) -> f64 {
        if self.used == self.buffer.len() {
            self.reader.fill(&mut self.buffer);
            self.used = 0;
        }
        let mut word = [0; 4];
        word.copy_from_slice(&self.buffer[self.used..self.used + 4]);
        self.used += 4;
        (f64::from(u32::from_le_bytes(word)) + 0.5) / 4_294_967_296.0
    }
}

/// A place in a network while it is built.
#[derive(Debug, Clone)]
pub(super) struct Scope<'a> {
    path: String,
    seed: u64,
    device: &'a Device,
    freeze: &'a [String],
    outline: bool,
}

impl<'a> Scope<'a> {
    /// The place of a whole net. Parameters whose key is in `freeze`, or starts
    /// with a path there up to a dot, are not trained.
    pub(super) fn new(net: &str, seed: u64, device: &'a Device, freeze: &'a [String]) -> Self {
        Scope {
            path: net.to_owned(),
            seed,
            device,
            freeze,
            outline: false,
        }
    }

    /// The same place, where every tensor is zero: for shapes and names alone.
    pub(super) fn outline(self) -> Self {
        Scope {
            outline: true,
            ..self
        }
    }

    /// The place one name deeper.
    pub(super) fn enter(&self, name: impl Display) -> Self {
        Scope {
            path: format!("{}.{name}", self.path),
            ..self.clone()
        }
    }

    /// What the keys of tensors here start with.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// A weight: trained, and of no special class.
    pub(super) fn weight<const D: usize>(&self, shape: [usize; D], start: Start) -> Param<D> {
        self.tensor("weight", Kind::Trained(None), shape, start)
    }

    /// A trained parameter of a class.
    pub(super) fn trained<const D: usize>(
        &self,
        name: &str,
        class: ParamClass,
        shape: [usize; D],
        start: Start,
    ) -> Param<D> {
        self.tensor(name, Kind::Trained(Some(class)), shape, start)
    }

    /// A tensor of any kind. Trained ones are leaves that keep their gradient
    /// where the device has gradients; buffers lie outside of them.
    pub(super) fn tensor<const D: usize>(
        &self,
        name: &str,
        kind: Kind,
        shape: [usize; D],
        start: Start,
    ) -> Param<D> {
        let key = format!("{}.{name}", self.path);
        let kind = match kind {
            Kind::Trained(_) if self.freeze.iter().any(|path| is_under(&key, path)) => Kind::Frozen,
            _ => kind,
        };
        let start = if self.outline { Start::Zeros } else { start };
        let values = start.values(self.seed, &key, shape.iter().product());
        let tensor = Tensor::from_data(TensorData::new(values, shape), self.device);
        let tensor = match kind {
            Kind::Trained(_) if self.device.is_autodiff() => tensor.require_grad(),
            Kind::Trained(_) | Kind::Frozen => tensor,
            Kind::Buffer => tensor.without_autodiff(),
        };
        Param { key, kind, tensor }
    }
}

/// Whether a key is a path, or lies under it.
pub(crate) fn is_under(key: &str, path: &str) -> bool {
    let rest = key.strip_prefix(path);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
