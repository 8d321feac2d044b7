//! Names of parameters, and how many they are.

use burn::tensor::Device;
use ssl_engine::nets::{Network, StageCount};
use ssl_engine::weights::{collect, collect_stage};
use ssl_plan::{Module, Position, Vit};

use super::support::{head, large_vit, stage};
use super::{encoder, one};

fn trained_and_frozen(network: &Network) -> (u64, u64) {
    let counts = network.parameters();
    let sum = |f: fn(&StageCount) -> u64| counts.iter().map(f).sum();
    (sum(|c| c.trained), sum(|c| c.frozen))
}

#[test]
fn parameters_are_as_many_as_in_the_papers() {
    for (dim, trunk, projector) in [(384, 21_590_016, 19_415_040), (768, 85_647_360, 20_987_904)] {
        // The trunk with its class token and without position: 384 fewer than
        // 21,590,016 would be the sum without either.
        let vit = Vit {
            position: Position::None,
            ..large_vit(dim)
        };
        let patches = (3 * 256 + 1) * dim as u64;
        let counts = trained_and_frozen(&one(Module::Vit(vit)));
        assert_eq!(counts, (trunk - patches, patches));
        let counts = trained_and_frozen(&one(Module::Mlp(head(&[dim, 4096, 4096, 256]))));
        assert_eq!(counts, (projector, 0));
    }
    let predictor = one(Module::Mlp(head(&[256, 4096, 256])));
    assert_eq!(trained_and_frozen(&predictor), (2_105_344, 0));
}

#[test]
fn keys_name_the_net_and_its_stages() {
    let keys: Vec<String> = collect(&encoder(0, &Device::flex()))
        .into_iter()
        .map(|t| t.key)
        .collect();
    for key in [
        "encoder.backbone.blocks.0.attn.qkv.weight",
        "encoder.backbone.norm.weight",
        "encoder.projector.0.weight",
        "encoder.projector.4.running_var",
    ] {
        assert!(keys.iter().any(|k| k == key), "{key}");
    }
    let predictor = stage(None, Module::Mlp(head(&[8, 32, 8])));
    let predictor = Network::new("predictor", &[predictor], 0, &Device::flex());
    let keys: Vec<String> = collect(&predictor).into_iter().map(|t| t.key).collect();
    assert_eq!(keys[0], "predictor.0.weight");
    assert_eq!(keys[3], "predictor.1.running_mean");
    assert_eq!(collect_stage(&predictor, 0)[3].key, "1.running_mean");
}
