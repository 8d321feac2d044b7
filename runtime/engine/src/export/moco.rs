//! The checkpoint of the MoCo v3 repository (facebookresearch/moco-v3): the
//! base encoder, the momentum encoder and the predictor of a model under
//! `DistributedDataParallel` (`module.base_encoder`, `module.momentum_encoder`,
//! `module.predictor`), the projector in the place of the classifier (`head` of
//! a ViT, `fc` of a ResNet), as its `moco/builder.py` and `main_moco.py` write
//! and its `main_lincls.py` reads.

use std::io::{self, Write};

use ssl_plan::{Module, Net, NetKind, PatchStem, Resnet, Vit};

use super::source::{Chosen, Run};
use super::{Package, python, resnet, vit};
use crate::weights::NamedTensor;
use crate::weights::pytorch::{self, Entry};

/// The net of a stage, its average and the predictor.
pub(super) fn package(run: &Run, chosen: &Chosen) -> Result<Package, String> {
    let base = match run.net(&chosen.net).map(|net| &net.kind) {
        Some(NetKind::Ema { of, .. }) => run.net(of),
        _ => run.net(&chosen.net),
    };
    let base = base.ok_or("it is no net")?;
    let stages = run.stages(base);
    let Some((first, rest)) = stages.split_first() else {
        return Err("it has no stages".to_owned());
    };
    let head = match rest {
        [] => None,
        [head] if matches!(head.module, Module::Mlp(_)) => Some(head),
        _ => return Err("it has more than a backbone and an MLP, and there is no more".to_owned()),
    };
    let (classifier, architecture) = match &first.module {
        Module::Vit(plan) => ("head", of_vit(plan)?),
        Module::Resnet(plan) => ("fc", of_resnet(plan)?),
        _ => return Err("its first stage is no backbone".to_owned()),
    };
    let backbone = |net: &Net| -> Result<Vec<NamedTensor>, String> {
        let path = path(&net.name, first.name.as_deref());
        let tensors = run.under(&path);
        Ok(match &first.module {
            Module::Vit(plan) => vit::moco(plan, tensors)?,
            _ => resnet::counted(tensors),
        })
    };
    let encoder = |net: &Net, name: &str| -> Result<Vec<NamedTensor>, String> {
        let mut all = prefixed(backbone(net)?, &format!("module.{name}"));
        if let Some(head) = head {
            let tensors = run.under(&path(&net.name, head.name.as_deref()));
            let place = format!("module.{name}.{classifier}");
            all.extend(prefixed(resnet::counted(tensors), &place));
        }
        Ok(all)
    };
    let mut tensors = encoder(base, "base_encoder")?;
    let averages = run.plan.recipe.nets.iter();
    let average =
        averages.filter(|net| matches!(&net.kind, NetKind::Ema { of, .. } if *of == base.name));
    if let Some(average) = average.into_iter().next() {
        tensors.extend(encoder(average, "momentum_encoder")?);
    }
    if let Some(predictor) = run.net("predictor") {
        let mlp = match run.stages(predictor) {
            [one] if matches!(one.module, Module::Mlp(_)) => one,
            _ => return Err("`predictor` is no MLP".to_owned()),
        };
        let found = run.under(&path(&predictor.name, mlp.name.as_deref()));
        tensors.extend(prefixed(resnet::counted(found), "module.predictor"));
    }
    Ok(Package {
        tensors,
        config: None,
        python: Vec::new(),
        architecture,
    })
}

/// The checkpoint's bytes.
pub(super) fn encode(
    writer: &mut dyn Write,
    arch: &str,
    epoch: usize,
    tensors: &[NamedTensor],
) -> io::Result<()> {
    let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
    let head = [("epoch", Entry::Int(epoch)), ("arch", Entry::Text(arch))];
    pytorch::encode(writer, tensors, &head)
}

fn path(net: &str, stage: Option<&str>) -> String {
    match stage {
        Some(stage) => format!("{net}.{stage}"),
        None => net.to_owned(),
    }
}

fn prefixed(mut tensors: Vec<NamedTensor>, prefix: &str) -> Vec<NamedTensor> {
    for tensor in &mut tensors {
        tensor.key = format!("{prefix}.{}", tensor.key);
    }
    tensors
}

/// The repository's name of a ViT; its class with arguments where it has none.
fn of_vit(plan: &Vit) -> Result<String, String> {
    vit::moco_fits(plan)?;
    let conv = plan.stem == PatchStem::Conv;
    let size = (
        plan.dim,
        plan.depth,
        plan.heads,
        plan.hidden / plan.dim,
        plan.patch,
        plan.image,
    );
    Ok(match size {
        (384, 12, 12, 4, 16, [224, 224]) if !conv => "vit_small".to_owned(),
        (768, 12, 12, 4, 16, [224, 224]) if !conv => "vit_base".to_owned(),
        (384, 11, 12, 4, 16, [224, 224]) if conv => "vit_conv_small".to_owned(),
        (768, 11, 12, 4, 16, [224, 224]) if conv => "vit_conv_base".to_owned(),
        _ => format!(
            "VisionTransformerMoCo(img_size={}, patch_size={}, embed_dim={}, depth={}, \
             num_heads={}, mlp_ratio={}, qkv_bias=True{})",
            python::size(plan.image),
            plan.patch,
            plan.dim,
            plan.depth,
            plan.heads,
            vit::ratio(plan.hidden, plan.dim),
            if conv { ", embed_layer=ConvStem" } else { "" },
        ),
    })
}

fn of_resnet(plan: &Resnet) -> Result<String, String> {
    // The repository takes torchvision's.
    resnet::torchvision(plan, Vec::new()).map(|package| package.architecture)
}
