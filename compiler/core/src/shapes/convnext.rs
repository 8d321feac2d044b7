//! ConvNeXt.

use ssl_plan::{Convnext, Module, Schedule, Shape};

use super::{Misfit, misfit};

/// A ConvNeXt before its image is known.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvnextSpec {
    /// Side of the stem's patches.
    pub patch: usize,
    /// Blocks of each stage.
    pub depths: [usize; 4],
    /// Width of each stage.
    pub dims: [usize; 4],
    /// LayerNorm epsilon.
    pub norm_eps: f64,
    /// What factors on the blocks start from.
    pub layer_scale: Option<f64>,
    /// Probability of leaving out the last block.
    pub drop_path: Option<Schedule>,
}

impl ConvnextSpec {
    pub(super) fn build(
        &self,
        channels: usize,
        image: [usize; 2],
    ) -> Result<(Module, Shape), Misfit> {
        // The stem, then three halvings.
        let least = 8 * self.patch;
        if let Some(side) = image.iter().find(|side| **side < least) {
            let help = match side / 8 {
                0 => "take larger images, or a `resnet(18, stem: small)`".to_owned(),
                patch => format!("take larger images, or `patch: {patch}`"),
            };
            return misfit(
                format!(
                    "a `convnext` of patch {} makes an image {} times smaller, and this one has {side} pixels",
                    self.patch, least
                ),
                help,
            );
        }
        let [.., dim] = self.dims;
        let convnext = Convnext {
            image,
            channels,
            patch: self.patch,
            depths: self.depths,
            dims: self.dims,
            norm_eps: self.norm_eps,
            layer_scale: self.layer_scale,
            drop_path: self.drop_path.clone(),
        };
        Ok((Module::Convnext(convnext), Shape::Embedding { dim }))
    }
}
