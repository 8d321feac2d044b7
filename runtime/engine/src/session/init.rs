//! Weights to start from.

use std::collections::BTreeSet;
use std::path::Path;

use burn::tensor::Tensor;

use crate::error::EngineError;
use crate::model::Model;
use crate::nets::{Kind, Visit};
use crate::run::files::{Disk, Files};
use crate::run::tensors::{self, Stored};
use std::collections::BTreeMap;

/// Loads a safetensors file with keys `NET.STAGE.PARAMETER` (float32) into the
/// nets that it names; averages that it does not name start as copies again.
/// A net that it names must be there in full, its running statistics apart.
/// What was loaded, as a sentence.
///
/// # Errors
///
/// [`EngineError::Weights`] where a tensor is missing, has another shape, or
/// is none of the plan's.
pub fn load(path: &Path, model: &mut Model) -> Result<String, EngineError> {
    let unfit = |reason: String| EngineError::Weights {
        path: path.to_path_buf(),
        reason,
    };
    let bytes = Disk.read(path).map_err(EngineError::files("read", path))?;
    let mut stored = tensors::read(&bytes).map_err(unfit)?;
    // PyTorch counts batches; nothing reads it here.
    stored.retain(|key, _| !key.ends_with(".num_batches_tracked"));
    let named: BTreeSet<String> = (stored.keys())
        .map(|key| key.split('.').next().unwrap_or(key).to_string())
        .collect();
    let mut load = Load {
        named: &named,
        stored,
        failure: None,
    };
    model.visit(&mut load);
    let stranger = load.stored.into_keys().next();
    let stranger = stranger.map(|key| format!("it holds `{key}`, which no net of the plan has"));
    if let Some(reason) = load.failure.or(stranger) {
        return Err(unfit(reason));
    }
    if named.is_empty() {
        return Err(unfit("it holds no tensors".to_string()));
    }
    model.arm();
    model.start_averages(&|net| !named.contains(net));
    let names: Vec<String> = named.iter().map(|name| format!("`{name}`")).collect();
    Ok(format!("{} start from `{}`", names.join(", "), path.display()))
}

struct Load<'a> {
    named: &'a BTreeSet<String>,
    stored: BTreeMap<String, Stored>,
    failure: Option<String>,
}

impl Visit for Load<'_> {
    fn tensor<const D: usize>(&mut self, key: &str, kind: Kind, tensor: &mut Tensor<D>) {
        let net = key.split('.').next().unwrap_or(key);
        if !self.named.contains(net) {
            return;
        }
        let dims = tensor.dims();
        match self.stored.remove(key) {
            None if kind == Kind::Buffer => {}
            None => {
                let failure = format!("`{key}` is missing");
                self.failure.get_or_insert(failure);
            }
            Some(stored) => match stored.to_tensor(&tensor.device()) {
                Some(new) if stored.shape == dims => *tensor = new,
                _ => {
                    let failure =
                        format!("`{key}` has shape {:?}, the plan's has {dims:?}", stored.shape);
                    self.failure.get_or_insert(failure);
                }
            },
        }
    }
}
