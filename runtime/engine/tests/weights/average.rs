//! What is trained, what is frozen, and what an average takes of each.

use burn::tensor::{Device, Tensor};
use ssl_engine::nets::{Kind, Mode, Network};
use ssl_plan::{Module, Position, Vit};

use super::encoder;
use super::support::{array, gradients, head, stage, tensors, tiny_vit};

#[test]
fn a_frozen_patch_projection_and_a_fixed_position_take_no_gradient() {
    let device = Device::flex().autodiff();
    let vit = Vit {
        position: Position::Sincos2d,
        frozen_patch_projection: true,
        ..tiny_vit()
    };
    let mut net = Network::new("net", &[stage(None, Module::Vit(vit))], 0, &device);
    let image = Tensor::from_data(array(1, [4, 3, 8, 8]), &device);
    let output = net.forward_image(image, Mode::Train).remove(0);
    let grads = output.powi_scalar(2).sum().backward();
    let frozen = [
        "net.pos_embed",
        "net.patch_embed.proj.weight",
        "net.patch_embed.proj.bias",
    ];
    for (key, grad) in gradients(&net, &grads) {
        assert_eq!(grad.is_none(), frozen.contains(&key.as_str()), "{key}");
    }
    for (key, kind, _) in tensors(&net) {
        assert_eq!(
            kind == Kind::Frozen,
            frozen.contains(&key.as_str()),
            "{key}"
        );
    }
}

#[test]
fn networks_share_no_running_statistics() {
    let device = Device::flex();
    let image = || Tensor::from_data(array(1, [4, 3, 8, 8]), &device);
    let mut first = encoder(0, &device);
    let mut second = first.clone();
    let before = tensors(&second);
    first.forward_image(image(), Mode::Train);
    assert_ne!(before, tensors(&first));
    assert_eq!(before, tensors(&second));
    second.average(&first, 0.5);
    assert_eq!(
        before,
        tensors(&second),
        "an average leaves statistics alone"
    );
    second.copy_from(&first);
    assert_eq!(tensors(&first), tensors(&second));
}

#[test]
fn an_average_mixes_trained_copies_frozen_and_keeps_buffers() {
    let device = Device::flex().autodiff();
    let vit = || Vit {
        frozen_patch_projection: true,
        ..tiny_vit()
    };
    let make = |seed, device| {
        let stages = [
            stage(Some("backbone"), Module::Vit(vit())),
            stage(Some("projector"), Module::Mlp(head(&[16, 32, 8]))),
        ];
        Network::new("net", &stages, seed, device)
    };
    let online = make(1, &device);
    let mut average = make(2, &Device::flex());
    let before = tensors(&average);
    average.average(&online, 0.75);
    let online = tensors(&online);
    for (((key, kind, after), (_, _, before)), (_, _, online)) in
        tensors(&average).into_iter().zip(before).zip(online)
    {
        match kind {
            Kind::Trained(_) => {
                let mixed = before.iter().zip(&online).map(|(b, o)| 0.75 * b + 0.25 * o);
                let close = mixed.zip(&after).all(|(m, a)| (m - a).abs() < 1e-7);
                assert!(close, "{key}");
            }
            Kind::Frozen => assert_eq!(after, online, "{key}"),
            Kind::Buffer => assert_eq!(after, before, "{key}"),
        }
    }
}
