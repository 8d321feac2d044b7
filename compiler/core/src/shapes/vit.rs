//! Vision transformers and the decoder of masked autoencoders.

use ssl_plan::{
    BlockNorm, Init, Module, PatchStem, Pool, Position, Schedule, Shape, Vit, VitDecoder,
};

use super::{Masked, Misfit, bad_call, misfit};

/// A vision transformer before its image is known.
#[derive(Debug, Clone, PartialEq)]
pub struct VitSpec {
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Width.
    pub dim: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden width of a block's MLP.
    pub hidden: usize,
    /// What becomes the feature.
    pub pool: Pool,
    /// Position embedding.
    pub position: Position,
    /// Whether the patch projection stays as initialised.
    pub frozen: bool,
    /// Norm before the MLP of a block.
    pub mlp_norm: BlockNorm,
    /// Whether a norm follows the last block.
    pub final_norm: bool,
    /// LayerNorm epsilon.
    pub norm_eps: f64,
    /// How pixels become tokens.
    pub stem: PatchStem,
    /// Whether a norm follows the pooling.
    pub pool_norm: bool,
    /// Tokens that nobody reads.
    pub register_tokens: usize,
    /// Whether queries and keys are normalised.
    pub qk_norm: bool,
    /// What factors on the branches start from.
    pub layer_scale: Option<f64>,
    /// Probability of leaving out the last block.
    pub drop_path: Option<Schedule>,
    /// Whose first weights.
    pub init: Init,
}

/// The decoder of a masked autoencoder before its image is known.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderSpec {
    /// Width.
    pub dim: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden width of a block's MLP.
    pub hidden: usize,
    /// LayerNorm epsilon.
    pub norm_eps: f64,
}

/// Heads divide the width.
fn heads_fit(heads: usize, dim: usize) -> Result<(), Misfit> {
    if dim.is_multiple_of(heads) {
        return Ok(());
    }
    misfit(
        format!("{heads} heads do not divide the width of {dim}"),
        "choose `heads` that divide `dim`",
    )
}

/// Sine and cosine of two axes need four equal parts.
fn sincos_fits(dim: usize, help: &str) -> Result<(), Misfit> {
    if dim.is_multiple_of(4) {
        return Ok(());
    }
    misfit(
        format!("`sincos2d` needs a width divisible by 4, and `dim` is {dim}"),
        help,
    )
}

impl VitSpec {
    pub(super) fn build(
        &self,
        [channels, h, w]: [usize; 3],
        mask: Option<Masked>,
    ) -> Result<(Module, Shape), Misfit> {
        let (patch, dim, heads) = (self.patch, self.dim, self.heads);
        if h % patch != 0 || w % patch != 0 {
            let fitting: Vec<String> = (1..=h.min(w))
                .filter(|p| h % p == 0 && w % p == 0)
                .filter(|p| *p > 1 && h / p <= 64)
                .map(|p| p.to_string())
                .collect();
            return misfit(
                format!("a patch of {patch} does not divide the image of {h}x{w}"),
                format!("patches that fit: {}", fitting.join(", ")),
            );
        }
        heads_fit(heads, dim)?;
        if self.position == Position::Sincos2d {
            sincos_fits(dim, "choose another `dim`, or `position: learned`")?;
        }
        if self.stem == PatchStem::Conv {
            self.stem_fits(mask)?;
        }
        let patches = (h / patch) * (w / patch);
        if let Some(mask) = mask {
            if mask.count != patches {
                return bad_call(
                    format!(
                        "the mask has {} patches, and the network {patches}",
                        mask.count
                    ),
                    format!("draw it with the network's patch: `random_mask(..., patch: {patch})`"),
                );
            }
            if matches!(self.pool, Pool::Mean | Pool::MeanPatches) {
                return misfit(
                    "a masked `vit` cannot pool by the mean".into(),
                    "write `pool: tokens`, or `pool: cls`",
                );
            }
        }
        let vit = Vit {
            image: [h, w],
            channels,
            patch,
            dim,
            depth: self.depth,
            heads,
            hidden: self.hidden,
            pool: self.pool,
            position: self.position,
            frozen_patch_projection: self.frozen,
            mlp_norm: self.mlp_norm,
            final_norm: self.final_norm,
            norm_eps: self.norm_eps,
            init: self.init,
            stem: self.stem,
            pool_norm: self.pool_norm,
            register_tokens: self.register_tokens,
            qk_norm: self.qk_norm,
            layer_scale: self.layer_scale,
            drop_path: self.drop_path.clone(),
        };
        let output = match self.pool {
            Pool::Tokens => Shape::Tokens {
                count: 1 + patches - mask.map_or(0, |m| m.hidden),
                dim,
            },
            Pool::Cls | Pool::Mean | Pool::MeanPatches => Shape::Embedding { dim },
        };
        Ok((Module::Vit(vit), output))
    }

    /// Convolutions of stride 2 make patches of a power of two, and each patch
    /// sees its neighbours.
    fn stem_fits(&self, mask: Option<Masked>) -> Result<(), Misfit> {
        let (patch, dim) = (self.patch, self.dim);
        if !patch.is_power_of_two() || patch < 2 {
            return misfit(
                format!("a conv stem halves the image, and cannot make a patch of {patch}"),
                "choose a patch of 2, 4, 8, 16 or 32, or `stem: linear`",
            );
        }
        if !dim.is_multiple_of(patch / 2) {
            return misfit(
                format!(
                    "a conv stem doubles its width up to `dim`, and {dim} cannot be halved {} times",
                    patch.ilog2() - 1
                ),
                format!(
                    "choose a `dim` divisible by {}, or `stem: linear`",
                    patch / 2
                ),
            );
        }
        if self.frozen {
            return misfit(
                "a conv stem that stays as initialised cannot learn to see".into(),
                "write `patch_projection: trained`",
            );
        }
        if mask.is_some() {
            return misfit(
                "under a conv stem the visible patches see the hidden ones".into(),
                "write `stem: linear`",
            );
        }
        Ok(())
    }
}

impl DecoderSpec {
    pub(super) fn build(
        &self,
        count: usize,
        input: usize,
        mask: Option<Masked>,
    ) -> Result<(Module, Shape), Misfit> {
        let Some(mask) = mask else {
            return bad_call(
                "`vit_decoder` does not know which patches are hidden".into(),
                "give it the encoder's mask: `decoder(z, mask: m)`",
            );
        };
        if count != 1 + mask.count - mask.hidden {
            return bad_call(
                format!(
                    "the decoder gets {count} tokens, and the mask leaves {} patches and a class token",
                    mask.count - mask.hidden
                ),
                "give encoder and decoder the same mask",
            );
        }
        heads_fit(self.heads, self.dim)?;
        sincos_fits(self.dim, "choose another `dim`")?;
        let [channels, h, w] = mask.image;
        // The mask was drawn with a patch that divides the image.
        let area = (h * w).checked_div(mask.count).unwrap_or(1);
        let patch = area.isqrt().max(1);
        let decoder = VitDecoder {
            input,
            grid: [h / patch, w / patch],
            patch,
            channels,
            dim: self.dim,
            depth: self.depth,
            heads: self.heads,
            hidden: self.hidden,
            norm_eps: self.norm_eps,
        };
        let output = Shape::Tokens {
            count: mask.count,
            dim: patch * patch * channels,
        };
        Ok((Module::VitDecoder(decoder), output))
    }
}
