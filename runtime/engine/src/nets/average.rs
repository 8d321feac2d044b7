//! Copies and exponential moving averages of one network in another of the
//! same shape.

use std::any::Any;
use std::vec::IntoIter;

use burn::tensor::{Device, Tensor};

use super::{Kind, Network, Visit};
use crate::pointwise::{Number, Rule, apply};

impl Network {
    /// Takes over the tensors of another network of the same shape, buffers
    /// included: how an average starts.
    ///
    /// # Panics
    ///
    /// Panics where the networks differ in shape.
    pub fn copy_from(&mut self, other: &Network) {
        self.blend(other, Blend::Copy);
    }

    /// One step of an exponential moving average:
    /// `new = decay old + (1 - decay) other` over trained parameters. Frozen
    /// ones are copied; buffers stay this network's own.
    ///
    /// # Panics
    ///
    /// Panics where the networks differ in shape.
    pub fn average(&mut self, other: &Network, decay: f64) {
        self.blend(other, Blend::Average(decay));
    }

    /// Takes over the running statistics of another network of the same shape,
    /// and nothing else.
    ///
    /// # Panics
    ///
    /// Panics where the networks differ in shape.
    pub fn take_statistics(&mut self, other: &Network) {
        self.blend(other, Blend::Statistics);
    }

    fn blend(&mut self, other: &Network, blend: Blend) {
        let mut taken = Take(Vec::new());
        other.without_gradients().visit(&mut taken);
        let mut give = Give {
            tensors: taken.0.into_iter(),
            blend,
        };
        self.visit(&mut give);
        assert!(give.tensors.next().is_none(), "networks of different shape");
    }
}

/// Every tensor of a network, as `Tensor<D>`, in order.
struct Take(Vec<Box<dyn Any>>);

impl Visit for Take {
    fn tensor<const D: usize>(&mut self, _: &str, _: Kind, tensor: &mut Tensor<D>) {
        self.0.push(Box::new(tensor.clone()));
    }
}

/// What becomes of a network that is given another one's tensors.
#[derive(Clone, Copy)]
enum Blend {
    Copy,
    Average(f64),
    Statistics,
}

struct Give {
    tensors: IntoIter<Box<dyn Any>>,
    blend: Blend,
}

impl Visit for Give {
    fn tensor<const D: usize>(&mut self, key: &str, kind: Kind, tensor: &mut Tensor<D>) {
        let other = self
            .tensors
            .next()
            .and_then(|t| t.downcast::<Tensor<D>>().ok());
        let Some(other) = other.filter(|other| other.dims() == tensor.dims()) else {
            panic!("networks of different shape at `{key}`");
        };
        let device = tensor.device();
        let new = match (kind, self.blend) {
            (Kind::Buffer, Blend::Average(_))
            | (Kind::Trained(_) | Kind::Frozen, Blend::Statistics) => return,
            (Kind::Trained(_), Blend::Average(decay)) => {
                let dims = tensor.dims();
                let flat = [1, dims.iter().product()];
                // Out of its place, so that it can be changed in place.
                let old = tensor.extract().without_autodiff().reshape(flat);
                let (new, []) = apply(&Toward { decay }, old, other.reshape(flat), []);
                new.reshape(dims)
            }
            (Kind::Frozen, Blend::Average(_))
            | (_, Blend::Copy)
            | (Kind::Buffer, Blend::Statistics) => *other,
        };
        *tensor = settle(new, kind, &device);
    }
}

/// `decay p + (1 - decay) g`
struct Toward {
    decay: f64,
}

impl Rule<0> for Toward {
    fn update<N: Number>(&self, p: N, g: N, _: [N; 0]) -> (N, [N; 0]) {
        (p.times(self.decay) + g.times(1.0 - self.decay), [])
    }
}

/// Puts a plain tensor where a network on `device` keeps one of this kind: a
/// trained one becomes a leaf that keeps its gradient.
pub(crate) fn settle<const D: usize>(tensor: Tensor<D>, kind: Kind, device: &Device) -> Tensor<D> {
    match kind {
        Kind::Trained(_) if device.is_autodiff() => {
            tensor.to_device(device).autodiff().require_grad()
        }
        Kind::Trained(_) | Kind::Frozen => tensor.to_device(device),
        Kind::Buffer => tensor,
    }
}
