//! Gradient norms by net or by layer.

use std::collections::BTreeMap;

use burn::tensor::{Gradients, Tensor};
use ssl_plan::NormPer;

use crate::error::EngineError;
use crate::model::Model;
use crate::nets::{Kind, Visit};

/// The Euclidean norm of the gradient of every net or layer that has one. One
/// transfer from the device.
///
/// # Errors
///
/// [`EngineError::Compute`] where the device does not hand the norms out.
pub fn gradient_norms(
    model: &mut Model,
    gradients: &Gradients,
    per: NormPer,
) -> Result<BTreeMap<String, f32>, EngineError> {
    let mut squares = BTreeMap::new();
    for member in model.trained() {
        let staged = member.stages.iter().any(|stage| stage.name.is_some());
        member.network.visit(&mut Squares {
            gradients,
            prefix: match per {
                NormPer::Net => None,
                NormPer::Layer => Some(if staged { 2 } else { 1 }),
            },
            squares: &mut squares,
        });
    }
    let (names, sums): (Vec<String>, Vec<Tensor<1>>) = squares.into_iter().unzip();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let norms = Tensor::cat(sums, 0).sqrt();
    let norms = norms
        .try_to_vec_as::<f32>()
        .map_err(|error| EngineError::Compute(error.to_string()))?;
    Ok(names.into_iter().zip(norms).collect())
}

struct Squares<'a> {
    gradients: &'a Gradients,
    /// Parts of a key before the parameter's own name; none for a whole net.
    prefix: Option<usize>,
    squares: &'a mut BTreeMap<String, Tensor<1>>,
}

impl Visit for Squares<'_> {
    fn tensor<const D: usize>(&mut self, key: &str, kind: Kind, tensor: &mut Tensor<D>) {
        if !matches!(kind, Kind::Trained(_)) {
            return;
        }
        let Some(gradient) = tensor.grad(self.gradients) else {
            return;
        };
        let group = match self.prefix {
            Some(prefix) => layer(key, prefix),
            None => key.split('.').next().unwrap_or(key),
        };
        let columns = tensor.dims()[D - 1].max(1);
        let rows = tensor.shape().num_elements() / columns;
        let square = gradient.reshape([rows, columns]).square();
        let sum = square.sum_dim(1).sum_dim(0).reshape([1]);
        match self.squares.get_mut(group) {
            Some(total) => total.inplace(|total| total + sum),
            None => {
                self.squares.insert(group.to_string(), sum);
            }
        }
    }
}

/// The layer of a key: after the net and stage, the first part, with a number
/// after it where that says which of several (`blocks.0`, `layer1.0`, `fc`).
fn layer(key: &str, prefix: usize) -> &str {
    let ends: Vec<usize> = key.match_indices('.').map(|(at, _)| at).collect();
    let part = |i: usize| {
        let start = if i == 0 { 0 } else { *ends.get(i - 1)? + 1 };
        key.get(start..ends.get(i).copied().unwrap_or(key.len()))
    };
    let numbered = part(prefix + 1).is_some_and(|part| part.parse::<usize>().is_ok());
    let last = prefix + usize::from(numbered);
    ends.get(last).map_or(key, |&end| &key[..end])
}

#[cfg(test)]
mod tests {
    use super::layer;

    #[test]
    fn a_layer_is_a_block_a_stem_or_a_linear_map() {
        for (key, prefix, expected) in [
            (
                "encoder.backbone.blocks.11.attn.qkv.weight",
                2,
                "encoder.backbone.blocks.11",
            ),
            (
                "encoder.backbone.patch_embed.proj.bias",
                2,
                "encoder.backbone.patch_embed",
            ),
            (
                "encoder.backbone.cls_token",
                2,
                "encoder.backbone.cls_token",
            ),
            (
                "encoder.backbone.layer1.0.conv1.weight",
                2,
                "encoder.backbone.layer1.0",
            ),
            ("encoder.backbone.bn1.weight", 2, "encoder.backbone.bn1"),
            ("encoder.projector.3.weight", 2, "encoder.projector.3"),
            ("predictor.0.weight", 1, "predictor.0"),
        ] {
            assert_eq!(layer(key, prefix), expected, "{key}");
        }
    }
}
