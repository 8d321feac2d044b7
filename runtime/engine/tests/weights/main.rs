//! First values, names, counts, averages, and weights on disk.

mod average;
mod file;
mod fit;
mod names;
mod start;
#[path = "../support/mod.rs"]
mod support;

use burn::tensor::Device;
use ssl_engine::nets::Network;
use ssl_plan::Module;
use support::{head, stage, tiny_vit};

fn encoder(seed: u64, device: &Device) -> Network {
    let stages = [
        stage(Some("backbone"), Module::Vit(tiny_vit())),
        stage(Some("projector"), Module::Mlp(head(&[16, 32, 8]))),
    ];
    Network::new("encoder", &stages, seed, device)
}

fn one(module: Module) -> Network {
    Network::new("net", &[stage(None, module)], 0, &Device::flex())
}
