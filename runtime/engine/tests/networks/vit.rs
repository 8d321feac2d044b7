//! Vision transformers.

use ssl_plan::{BlockNorm, Module, PatchStem, Pool, Position, Vit};

use super::support::{large_vit, tiny_vit};
use super::{Input, TOLERANCE, check};

#[test]
fn vit_with_a_class_token() {
    check(
        "vit_cls",
        Module::Vit(tiny_vit()),
        Input::Image([3, 3, 8, 8]),
        TOLERANCE,
    );
}

#[test]
fn vit_with_the_mean_of_its_tokens() {
    let pool = Pool::Mean;
    let vit = Vit { pool, ..tiny_vit() };
    check(
        "vit_mean",
        Module::Vit(vit),
        Input::Image([3, 3, 8, 8]),
        TOLERANCE,
    );
}

#[test]
fn vit_without_position_on_an_oblong_image() {
    let vit = Vit {
        image: [8, 12],
        heads: 4,
        position: Position::None,
        ..tiny_vit()
    };
    check(
        "vit_plain",
        Module::Vit(vit),
        Input::Image([2, 3, 8, 12]),
        TOLERANCE,
    );
}

#[test]
fn vit_with_batch_norm_before_its_mlps_and_no_norm_at_the_end() {
    let vit = Vit {
        mlp_norm: BlockNorm::Batch,
        final_norm: false,
        ..tiny_vit()
    };
    check(
        "vit_batch",
        Module::Vit(vit),
        Input::Image([3, 3, 8, 8]),
        TOLERANCE,
    );
}

/// Views of another size than the network's: the learned positions are
/// interpolated, and the gradient goes through that.
#[test]
fn vit_under_images_of_another_size() {
    check(
        "vit_resized",
        Module::Vit(tiny_vit()),
        Input::Image([3, 3, 12, 10]),
        TOLERANCE,
    );
}

/// The class token is the first of the tokens, and the feature.
#[test]
fn vit_with_all_tokens_has_the_class_token_as_its_feature() {
    let pool = Pool::Tokens;
    let vit = Vit { pool, ..tiny_vit() };
    check(
        "vit_cls",
        Module::Vit(vit),
        Input::Image([3, 3, 8, 8]),
        TOLERANCE,
    );
}

#[test]
fn vits_of_timms_sizes() {
    for (case, dim, heads) in [("vit_tiny_224", 192, 3), ("vit_small_224", 384, 6)] {
        let vit = Vit {
            heads,
            position: Position::Learned,
            frozen_patch_projection: false,
            ..large_vit(dim)
        };
        let input = Input::Image([2, 3, 224, 224]);
        check(case, Module::Vit(vit), input, TOLERANCE);
    }
}

/// Registers, factors on the branches, norms of queries and keys, the mean of
/// the patches beside a class token, a norm behind it.
#[test]
fn vit_with_everything_at_once() {
    let vit = Vit {
        pool: Pool::MeanPatches,
        final_norm: false,
        pool_norm: true,
        register_tokens: 3,
        qk_norm: true,
        layer_scale: Some(0.1),
        ..tiny_vit()
    };
    let input = Input::Image([3, 3, 8, 8]);
    check("vit_everything", Module::Vit(vit), input, TOLERANCE);
}

#[test]
fn vit_with_a_conv_stem() {
    let vit = Vit {
        image: [16, 16],
        patch: 4,
        stem: PatchStem::Conv,
        ..tiny_vit()
    };
    let input = Input::Image([3, 3, 16, 16]);
    check("vit_conv", Module::Vit(vit), input, TOLERANCE);
}
