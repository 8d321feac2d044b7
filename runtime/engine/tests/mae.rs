//! Masked autoencoders: an encoder that does not see hidden patches and a
//! decoder that fills them in, against plain PyTorch.
//!
//! The fixture comes from `tests/numeric/reference/mae.py`, which names its
//! versions and computes in float64.

mod support;

use burn::tensor::{Device, Tensor};
use serde_json::Value;
use ssl_engine::nets::{Mask, Mode, Network, Signal};
use ssl_plan::{Module, Pool, Position, Precision, Vit, VitDecoder};
use support::{array, assert_close, fill, fixtures, gradients, norm, stage, tiny_vit, values};

fn network(device: &Device) -> Network {
    let encoder = Vit {
        pool: Pool::Tokens,
        position: Position::Sincos2d,
        ..tiny_vit()
    };
    let decoder = VitDecoder {
        input: 16,
        grid: [4, 4],
        patch: 2,
        channels: 3,
        dim: 8,
        depth: 1,
        heads: 2,
        hidden: 32,
        norm_eps: 1e-6,
    };
    let stages = [
        stage(Some("backbone"), Module::Vit(encoder)),
        stage(Some("decoder"), Module::VitDecoder(decoder)),
    ];
    Network::new("net", &stages, 0, device)
}

fn predict(network: &mut Network, images: Tensor<4>, mask: Option<&Mask>) -> Tensor<3> {
    let images = Signal::Image(images);
    let latent = network.forward_stage(0, images, mask, Mode::Train);
    let latent = latent.expect("an encoder takes images");
    match network.forward_stage(1, latent, mask, Mode::Train) {
        Some(Signal::Tokens(pixels)) => pixels,
        other => panic!("a decoder gives tokens, not {other:?}"),
    }
}

fn list(fixture: &Value, name: &str) -> Vec<f32> {
    let values = fixture[name].as_array().expect("a list").iter();
    values
        .map(|v| v.as_f64().expect("a number") as f32)
        .collect()
}

/// `[3, 3, 8, 8]` to `[3, 16, 12]`, in MAE's order, normalised patch by patch.
fn targets(images: Tensor<4>) -> Tensor<3> {
    let patches = images
        .reshape([3, 3, 4, 2, 4, 2])
        .permute([0, 2, 4, 3, 5, 1])
        .reshape([3, 16, 12]);
    let centred = patches.clone() - patches.mean_dim(2);
    let variance = centred.clone().square().sum_dim(2) / 11.0;
    centred / (variance + 1e-6).sqrt()
}

#[test]
fn a_masked_autoencoder_is_pytorchs() {
    let text = std::fs::read_to_string(fixtures("mae.json")).expect("the fixture is there");
    let expected: Value = serde_json::from_str(&text).expect("it is JSON");
    let device = Device::flex().autodiff();
    let mut network = network(&device);
    fill(&mut network);
    let hidden: Vec<bool> = list(&expected, "mask").iter().map(|m| *m == 1.0).collect();
    let mask = Mask::new(&hidden, 3, &Device::flex()).expect("twelve of sixteen");
    assert_eq!(mask.visible(), 4);

    let images = Tensor::from_data(array(1000, [3, 3, 8, 8]), &Device::flex());
    let prediction = predict(&mut network, images.clone(), Some(&mask));
    let found = values(prediction.clone());
    assert_close("prediction", &found, &list(&expected, "prediction"), 1e-4);

    let error = (prediction - targets(images)).square().mean_dim(2);
    let masked = error.reshape([3, 16]) * mask.hidden();
    let loss = masked.sum() / (3.0 * 12.0);
    let known = expected["loss"].as_f64().expect("a number");
    let value = f64::from(loss.clone().into_scalar::<f32>());
    assert!((value - known).abs() < 1e-5 * known, "{value}, not {known}");

    let found = gradients(&network, &loss.backward());
    let norms = expected["norms"].as_object().expect("a table");
    let mut seen = 0;
    for (key, gradient) in found {
        let key = key.strip_prefix("net.").expect("keys start with the net");
        let Some(known) = norms.get(key).and_then(Value::as_f64) else {
            assert!(key.ends_with("pos_embed"), "`{key}` is none of PyTorch's");
            continue;
        };
        let gradient = gradient.unwrap_or_else(|| panic!("`{key}` has no gradient"));
        assert_close(key, &[norm(&gradient) as f32], &[known as f32], 1e-3);
        let whole = match key {
            "decoder.mask_token" => list(&expected, "mask_token"),
            "backbone.patch_embed.proj.weight" => list(&expected, "proj"),
            _ => gradient.clone(),
        };
        assert_close(key, &gradient, &whole, 1e-4);
        seen += 1;
    }
    assert_eq!(seen, norms.len());
}

/// What is hidden from the encoder changes nothing of what it gives.
#[test]
fn hidden_patches_are_not_seen() {
    let device = Device::flex();
    let mut network = network(&device);
    let mask = Mask::draw(1, [0, 0], [2, 16, 12], |row| row, &device).expect("a mask");
    let images: Tensor<4> = Tensor::from_data(array(3, [2, 3, 8, 8]), &device);
    // Noise where the mask hides, and only there.
    let places = mask.hidden().reshape([2, 1, 4, 1, 4, 1]);
    let places = places.expand([2, 3, 4, 2, 4, 2]).reshape([2, 3, 8, 8]);
    let noise: Tensor<4> = Tensor::from_data(array(4, [2, 3, 8, 8]), &device);
    let disturbed = images.clone() + noise * places;
    let one = predict(&mut network, images.clone(), Some(&mask));
    let two = predict(&mut network, disturbed.clone(), Some(&mask));
    assert_eq!(values(one.clone()), values(two));
    let all = predict(&mut network, images, None);
    assert_eq!(all.dims(), one.dims());
    assert_ne!(values(all), values(predict(&mut network, disturbed, None)));
}

/// A mask that hides nothing changes nothing but the order of rounding.
#[test]
fn a_mask_that_hides_nothing_changes_nothing() {
    let device = Device::flex();
    let mut network = network(&device).with_precision(Precision::Float32);
    let images: Tensor<4> = Tensor::from_data(array(3, [2, 3, 8, 8]), &device);
    let mask = Mask::draw(1, [0, 0], [2, 16, 0], |row| row, &device).expect("a mask");
    let masked = predict(&mut network, images.clone(), Some(&mask));
    let plain = predict(&mut network, images, None);
    assert_close("all visible", &values(masked), &values(plain), 1e-6);
}
