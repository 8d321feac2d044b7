//! Weights that fit networks, and those that do not.

use burn::tensor::Device;
use ssl_engine::nets::Network;
use ssl_engine::weights::{self, Average, Fault, NamedTensor, Unexpected, collect};
use ssl_plan::{Module, Position, Vit};

use super::encoder;
use super::support::{self, fixtures, head, stage, tensors, tiny_vit};

/// PyTorch's own file of initial weights, with an average that is not in it.
#[test]
fn weights_from_pytorch_fit_and_an_average_starts_as_a_copy() {
    let given = weights::read(&fixtures("mocov3_replay/init.safetensors")).expect("read");
    let vit = Vit {
        dim: 32,
        heads: 4,
        hidden: 128,
        position: Position::Sincos2d,
        frozen_patch_projection: true,
        ..tiny_vit()
    };
    let stages = [
        stage(Some("backbone"), Module::Vit(vit)),
        stage(Some("projector"), Module::Mlp(head(&[32, 64, 64, 16]))),
    ];
    let device = Device::flex();
    let mut encoder = Network::new("encoder", &stages, 0, &device);
    let position = |net: &Network| collect(net).swap_remove(1).data;
    let ours = position(&encoder);
    let mut momentum = Network::new("momentum", &stages, 9, &device);
    let predictor = [stage(None, Module::Mlp(head(&[16, 64, 16])))];
    let mut predictor = Network::new("predictor", &predictor, 0, &device);
    let average = Average {
        network: &mut momentum,
        of: 0,
    };
    let nets = &mut [&mut encoder, &mut predictor];
    weights::load(nets, &mut [average], &given, Unexpected::Refuse).expect("fits");
    let values = |net: &Network| tensors(net).into_iter().map(|t| t.2).collect::<Vec<_>>();
    assert_eq!(values(&encoder), values(&momentum));
    support::assert_close("sincos2d", &ours, &position(&encoder), 1e-6);
    let qkv = "encoder.backbone.blocks.1.attn.qkv.weight";
    let given = given.iter().find(|t| t.key == qkv).expect("a key");
    assert!(collect(&encoder).contains(given));
}

#[test]
fn every_misfit_is_named_and_changes_nothing() {
    let device = Device::flex();
    let mut net = encoder(0, &device);
    let before = tensors(&net);
    let mut given = collect(&encoder(1, &device));
    given[2].key = "encoder.backbone.patch_embed.proj.wieght".to_owned();
    given[4].shape = vec![4, 4];
    given.push(NamedTensor {
        key: "encoder.projector.1.num_batches_tracked".to_owned(),
        shape: Vec::new(),
        data: vec![3.0],
    });
    let error = weights::load(&mut [&mut net], &mut [], &given, Unexpected::Refuse)
        .expect_err("nothing fits");
    let weight = "encoder.backbone.patch_embed.proj.weight".to_owned();
    let expected = [
        Fault::Missing {
            key: weight.clone(),
            shape: vec![16, 3, 2, 2],
        },
        Fault::Shape {
            key: "encoder.backbone.blocks.0.norm1.weight".to_owned(),
            expected: vec![16],
            found: vec![4, 4],
        },
        Fault::Unexpected {
            key: given[2].key.clone(),
            shape: vec![16, 3, 2, 2],
            nearest: Some((weight, vec![16, 3, 2, 2])),
        },
    ];
    assert_eq!(error.faults, expected);
    assert!(
        error
            .to_string()
            .contains("the nearest is `encoder.backbone.patch_embed.proj.weight`")
    );
    assert_eq!(before, tensors(&net));

    // An average that is given in part is not silently completed.
    let mut given = collect(&net);
    let mut average = encoder(0, &device);
    given.truncate(given.len() - 1);
    let averages = &mut [Average {
        network: &mut average,
        of: 0,
    }];
    let error = weights::load(&mut [], averages, &given, Unexpected::Refuse).expect_err("a part");
    assert_eq!(error.faults.len(), 1);
}
