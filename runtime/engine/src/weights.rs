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

pub use file::{FileError, decode, encode, read, write};

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
    for NamedTensor { key, .. } in tensors {
        if names.contains(key.as_str()) || key.ends_with(".num_batches_tracked") {
            continue;
        }
        // Comparing is quadratic: past a screenful, nobody reads suggestions.
        let nearest = (faults.len() < Misfit::SHOWN)
            .then(|| {
                let score = |name: &str| strsim::normalized_levenshtein(key, name);
                let best = known.iter().map(|(name, _)| (score(name), name));
                best.max_by(|a, b| a.0.total_cmp(&b.0))
            })
            .flatten()
            .filter(|(score, _)| *score > 0.6)
            .map(|(_, name)| name.clone());
        let key = key.clone();
        faults.push(Fault::Unexpected { key, nearest });
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
            None => Some(Fault::Missing { key: key.clone() }),
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
    },
    /// No network has it.
    Unexpected {
        /// The key.
        key: String,
        /// The most similar key that a network has.
        nearest: Option<String>,
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
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the weights do not fit the networks")?;
        for fault in self.faults.iter().take(Self::SHOWN) {
            write!(f, "\n  {fault}")?;
        }
        match self.faults.len().saturating_sub(Self::SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing { key } => write!(f, "`{key}` is missing"),
            Fault::Unexpected { key, nearest: None } => write!(f, "`{key}` belongs to no network"),
            Fault::Unexpected {
                key,
                nearest: Some(nearest),
            } => write!(
                f,
                "`{key}` belongs to no network; the nearest is `{nearest}`"
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
