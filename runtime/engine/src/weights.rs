//! Weights outside of networks: named arrays, and safetensors files of them.
//!
//! A key is `NET.STAGE.PARAMETER` in timm's, torchvision's or
//! `torch.nn.Sequential`'s own parameter names. Loading is strict: every key
//! that is missing, unknown or of another shape is named, and nothing is
//! changed unless everything fits.

use std::collections::{HashMap, HashSet};
use std::fmt;

use burn::tensor::{Tensor, TensorData};

use crate::nets::{Kind, Network, Visit, settle};

mod file;
mod foreign;
pub mod initial;
pub mod pytorch;

pub use file::{FileError, decode, encode, read, write};
use file::{KEY_LIMIT, convert};

/// A float32 array with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Its name.
    pub key: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, row-major; as many as the shape says.
    pub data: Vec<f32>,
}

impl NamedTensor {
    /// Whether it is one that BatchNorm counts its batches in.
    pub(crate) fn is_counter(&self) -> bool {
        is_counter(&self.key)
    }

    /// Appends its values as files have them: little-endian float32, counters
    /// as 64-bit integers.
    fn append_to(&self, raw: &mut Vec<u8>) {
        if self.is_counter() {
            raw.extend(
                self.data
                    .iter()
                    .flat_map(|value| (*value as i64).to_le_bytes()),
            );
            return;
        }
        raw.reserve(4 * self.data.len());
        raw.extend(self.data.iter().flat_map(|value| value.to_le_bytes()));
    }
}

/// Whether a key is that of BatchNorm's counter of batches, which nobody reads.
fn is_counter(key: &str) -> bool {
    key == "num_batches_tracked" || key.ends_with(".num_batches_tracked")
}

/// All tensors of a network under their full keys, in the order of its walk.
pub fn collect(network: &Network) -> Vec<NamedTensor> {
    let mut tensors = Collect(Vec::new());
    network.clone().visit(&mut tensors);
    tensors.0
}

/// The tensors of one stage under the names that timm or torchvision gives
/// them: `blocks.0.attn.qkv.weight`. Empty where there is no such stage.
pub fn collect_stage(network: &Network, stage: usize) -> Vec<NamedTensor> {
    let mut tensors = Collect(Vec::new());
    network.clone().visit_stage(stage, &mut tensors);
    if let Some(path) = network.stage_path(stage) {
        for tensor in &mut tensors.0 {
            tensor.key.drain(..=path.len());
        }
    }
    tensors.0
}

struct Collect(Vec<NamedTensor>);

impl Visit for Collect {
    fn tensor<const D: usize>(&mut self, key: &str, _: Kind, tensor: &mut Tensor<D>) {
        let data = tensor.clone().without_autodiff().into_data();
        self.0.push(NamedTensor {
            key: key.to_owned(),
            shape: tensor.dims().to_vec(),
            data: data.iter::<f32>().collect(),
        });
    }
}

/// A network that averages another one.
pub struct Average<'a> {
    /// The average.
    pub network: &'a mut Network,
    /// Index of the network that it averages.
    pub of: usize,
}

/// What to do with keys that no network has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unexpected {
    /// They are an error.
    Refuse,
    /// They are left out.
    Ignore,
}

/// Replaces the tensors of networks by given ones.
///
/// Every tensor of `networks` must be given. An average none of whose tensors
/// is given starts as a copy of its network. BatchNorm's `num_batches_tracked`
/// is read by nobody and may be there or not.
///
/// # Errors
///
/// Every key that does not fit. No network has changed then.
pub fn load(
    networks: &mut [&mut Network],
    averages: &mut [Average<'_>],
    tensors: &[NamedTensor],
    unexpected: Unexpected,
) -> Result<(), Misfit> {
    let given: HashMap<&str, &NamedTensor> = tensors.iter().map(|t| (t.key.as_str(), t)).collect();
    let mut wanted = Wanted::default();
    for network in networks.iter_mut() {
        network.visit(&mut wanted);
    }
    let mut faults = wanted.faults(&given);
    let mut known = wanted.shapes;

    let mut copies = Vec::with_capacity(averages.len());
    for average in averages.iter_mut() {
        let mut wanted = Wanted::default();
        average.network.visit(&mut wanted);
        let copy = !wanted
            .shapes
            .iter()
            .any(|(key, _)| given.contains_key(key.as_str()));
        if !copy {
            faults.extend(wanted.faults(&given));
        }
        copies.push(copy);
        known.extend(wanted.shapes);
    }
    if unexpected == Unexpected::Refuse {
        faults.extend(unknown(&known, tensors));
    }
    if !faults.is_empty() {
        return Err(Misfit { faults });
    }

    let mut assign = Assign(&given);
    for network in networks.iter_mut() {
        network.visit(&mut assign);
    }
    for (average, copy) in averages.iter_mut().zip(copies) {
        match networks.get(average.of) {
            Some(network) if copy => average.network.copy_from(network),
            _ => average.network.visit(&mut assign),
        }
    }
    Ok(())
}

/// The keys that no network has, each with the nearest one that is known.
fn unknown(known: &[(String, Vec<usize>)], tensors: &[NamedTensor]) -> Vec<Fault> {
    let names: HashSet<&str> = known.iter().map(|(key, _)| key.as_str()).collect();
    let mut faults = Vec::new();
    for NamedTensor { key, shape, .. } in tensors {
        if names.contains(key.as_str()) || is_counter(key) {
            continue;
        }
        // Comparing is quadratic: past a screenful, nobody reads suggestions.
        let nearest = (faults.len() < Misfit::SHOWN)
            .then(|| {
                let score = |name: &str| strsim::normalized_levenshtein(key, name);
                let best = known.iter().map(|known| (score(&known.0), known));
                best.max_by(|a, b| a.0.total_cmp(&b.0))
            })
            .flatten()
            .filter(|(score, _)| *score > 0.6)
            .map(|(_, known)| known.clone());
        let (key, shape) = (key.clone(), shape.clone());
        faults.push(Fault::Unexpected {
            key,
            shape,
            nearest,
        });
    }
    faults
}

/// The keys and shapes of networks.
#[derive(Default)]
struct Wanted {
    shapes: Vec<(String, Vec<usize>)>,
}

impl Visit for Wanted {
    fn tensor<const D: usize>(&mut self, key: &str, _: Kind, tensor: &mut Tensor<D>) {
        self.shapes.push((key.to_owned(), tensor.dims().to_vec()));
    }
}

impl Wanted {
    fn faults(&self, given: &HashMap<&str, &NamedTensor>) -> Vec<Fault> {
        let fault = |(key, shape): &(String, Vec<usize>)| match given.get(key.as_str()) {
            None => Some(Fault::Missing {
                key: key.clone(),
                shape: shape.clone(),
            }),
            Some(tensor) if tensor.shape != *shape => Some(Fault::Shape {
                key: key.clone(),
                expected: shape.clone(),
                found: tensor.shape.clone(),
            }),
            Some(_) => None,
        };
        self.shapes.iter().filter_map(fault).collect()
    }
}

struct Assign<'a>(&'a HashMap<&'a str, &'a NamedTensor>);

impl Visit for Assign<'_> {
    fn tensor<const D: usize>(&mut self, key: &str, kind: Kind, tensor: &mut Tensor<D>) {
        if let Some(given) = self.0.get(key) {
            let data = TensorData::new(given.data.clone(), given.shape.clone());
            let device = tensor.device();
            *tensor = settle(Tensor::from_data(data, &device), kind, &device);
        }
    }
}

/// Why given tensors are not those of the networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Misfit {
    /// Every key that does not fit.
    pub faults: Vec<Fault>,
}

/// A key that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A network has it and the given tensors do not.
    Missing {
        /// The key.
        key: String,
        /// The network's shape.
        shape: Vec<usize>,
    },
    /// No network has it.
    Unexpected {
        /// The key.
        key: String,
        /// The given shape.
        shape: Vec<usize>,
        /// The most similar key that a network has, and its shape.
        nearest: Option<(String, Vec<usize>)>,
    },
    /// The shapes differ.
    Shape {
        /// The key.
        key: String,
        /// The network's shape.
        expected: Vec<usize>,
        /// The given shape.
        found: Vec<usize>,
    },
}

impl Misfit {
    const SHOWN: usize = 20;

    /// Whether leaving out what does not fit would do.
    pub fn is_partial(&self) -> bool {
        !self
            .faults
            .iter()
            .any(|fault| matches!(fault, Fault::Shape { .. }))
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the weights do not fit the networks")?;
        type Kind = (&'static str, fn(&Fault) -> bool);
        let kinds: [Kind; 3] = [
            ("of another shape", |f| matches!(f, Fault::Shape { .. })),
            ("missing", |f| matches!(f, Fault::Missing { .. })),
            ("of no network", |f| matches!(f, Fault::Unexpected { .. })),
        ];
        for (what, is) in kinds {
            let faults = || self.faults.iter().filter(|fault| is(fault));
            for fault in faults().take(Self::SHOWN) {
                write!(f, "\n  {fault}")?;
            }
            if let Some(more @ 1..) = faults().count().checked_sub(Self::SHOWN) {
                write!(f, "\n  and {more} more {what}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing { key, shape } => write!(f, "`{key}` {shape:?} is missing"),
            Fault::Unexpected {
                key,
                shape,
                nearest: None,
            } => write!(f, "`{key}` {shape:?} belongs to no network"),
            Fault::Unexpected {
                key,
                shape,
                nearest: Some((nearest, of)),
            } => write!(
                f,
                "`{key}` {shape:?} belongs to no network; the nearest is `{nearest}` {of:?}"
            ),
            Fault::Shape {
                key,
                expected,
                found,
            } => write!(
                f,
                "`{key}` has shape {found:?} where the network has {expected:?}"
            ),
        }
    }
}
