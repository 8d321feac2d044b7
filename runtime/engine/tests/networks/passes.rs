//! What a pass does beside its values: blocks left out, bfloat16, batches.

use burn::tensor::{Device, Tensor, TensorData};
use ssl_engine::nets::{Mode, Moment, Network, Rows, Signal};
use ssl_plan::{Convnext, Module, Schedule, Vit};

use super::convolutional::convnext;
use super::support::{array, assert_close, fill, gradients, head, stage, tiny_vit, values};

/// Blocks are left out in training alone, differently in every pass, and the
/// same again in the same one.
#[test]
fn blocks_are_left_out_in_training() {
    let rate = Schedule::constant(0.9);
    let vit = Vit {
        drop_path: Some(rate.clone()),
        ..tiny_vit()
    };
    let Module::Convnext(convnext) = convnext(2, [1, 2, 1, 1], [8, 12, 16, 20], 0.1) else {
        panic!("a convnext")
    };
    let convnext = Convnext {
        drop_path: Some(rate),
        ..convnext
    };
    for (module, side) in [(Module::Vit(vit), 8), (Module::Convnext(convnext), 32)] {
        let device = Device::flex().autodiff();
        let mut network = Network::new("net", &[stage(None, module)], 5, &device);
        fill(&mut network);
        let mut run = |mode, place| {
            let image = Tensor::from_data(array(1000, [6, 3, side, side]), &device);
            let moment = Moment {
                seed: 1,
                step: 4,
                place,
                rows: Rows::all(6),
            };
            let output = network.forward_at(0, Signal::Image(image), None, mode, Some(moment));
            values(output.and_then(Signal::feature).expect("a feature"))
        };
        let whole = run(Mode::Eval, 0);
        let first = run(Mode::Train, 0);
        assert_ne!(first, whole);
        assert_ne!(first, run(Mode::Train, 1));
        assert_eq!(first, run(Mode::Train, 0));
        assert_eq!(whole, run(Mode::Eval, 1));
    }
}

/// A step that trains through bfloat16 stays near float32 and leaves
/// float32 gradients.
#[test]
fn bfloat16_is_a_cast_of_the_pass() {
    let device = Device::flex().autodiff();
    let modules = [
        stage(Some("backbone"), Module::Vit(tiny_vit())),
        stage(Some("projector"), Module::Mlp(head(&[16, 32, 8]))),
    ];
    let mut network = Network::new("net", &modules, 3, &device);
    let image = || Tensor::from_data(array(1000, [6, 3, 8, 8]), &device);
    let exact = network.forward_image(image(), Mode::Train);
    let mut network = network.with_precision(ssl_plan::Precision::Bf16);
    let rounded = network.forward_image(image(), Mode::Train);
    for (exact, rounded) in exact.into_iter().zip(rounded.clone()) {
        assert_close(
            "bf16",
            &values(rounded.clone()),
            &values(exact.clone()),
            0.05,
        );
        assert_ne!(values(rounded), values(exact), "nothing was rounded");
    }
    let grads = rounded[1].clone().powi_scalar(2).sum().backward();
    for (key, grad) in gradients(&network, &grads) {
        let trained = !key.contains("running");
        assert_eq!(grad.is_some(), trained, "{key}");
    }
}

#[test]
fn equal_images_give_equal_features_in_any_batch() {
    let device = Device::flex();
    let mut network = Network::new("net", &[stage(None, Module::Vit(tiny_vit()))], 1, &device);
    let data: Vec<f32> = array(7, [5, 3, 8, 8]).iter::<f32>().collect();
    let mut features = |count: usize| {
        let values = data[..count * 192].to_vec();
        let image = Tensor::from_data(TensorData::new(values, [count, 3, 8, 8]), &device);
        network.forward_image(image, Mode::Eval).remove(0)
    };
    let (one, five) = (values(features(1)), values(features(5)));
    assert_close("first of five", &five[..16], &one, 1e-6);
}
