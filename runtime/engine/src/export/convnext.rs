//! ConvNeXt in timm's and torchvision's names. The engine's names are timm's.

use ssl_plan::Convnext;

use super::Package;
use super::python::{Arguments, float};
use crate::weights::NamedTensor;

/// The epsilon of the norms in both libraries.
const NORM_EPS: f64 = 1e-6;
/// The side of the stem's patches in both.
const PATCH: usize = 4;
/// What factors on the blocks start from in both.
const LAYER_SCALE: f64 = 1e-6;

/// The sizes, which have the same name in both.
const NAMED: [(&str, [usize; 4], [usize; 4]); 4] = [
    ("convnext_tiny", [3, 3, 9, 3], [96, 192, 384, 768]),
    ("convnext_small", [3, 3, 27, 3], [96, 192, 384, 768]),
    ("convnext_base", [3, 3, 27, 3], [128, 256, 512, 1024]),
    ("convnext_large", [3, 3, 27, 3], [192, 384, 768, 1536]),
];

fn name(plan: &Convnext) -> Option<&'static str> {
    let mut known = NAMED.iter();
    let found = known.find(|(_, depths, dims)| (*depths, *dims) == (plan.depths, plan.dims));
    found.map(|(name, ..)| *name)
}

/// timm's `ConvNeXt`.
pub(super) fn timm(plan: &Convnext, tensors: Vec<NamedTensor>) -> Result<Package, String> {
    let name = name(plan);
    let mut a = Arguments::default();
    a.add("num_classes", 0);
    if name.is_none() {
        a.add("depths", format!("{:?}", plan.depths));
        a.add("dims", format!("{:?}", plan.dims));
    }
    a.unless("patch_size", &plan.patch, &PATCH, usize::to_string);
    a.unless("in_chans", &plan.channels, &3, usize::to_string);
    a.unless(
        "ls_init_value",
        &plan.layer_scale,
        &Some(LAYER_SCALE),
        |s| s.map_or_else(|| "None".to_owned(), float),
    );
    a.unless("norm_eps", &plan.norm_eps, &NORM_EPS, |eps| float(*eps));
    let text = a.text();
    let base = name.unwrap_or("convnext_tiny");
    Ok(Package {
        tensors,
        config: None,
        python: vec![
            "import timm".to_owned(),
            format!("model = timm.create_model(\"{base}\", {text})"),
        ],
        architecture: match (name, a.len()) {
            (Some(name), 1) => name.to_owned(),
            _ => format!("{base} with {text}"),
        },
    })
}

/// torchvision's `ConvNeXt`.
pub(super) fn torchvision(plan: &Convnext, tensors: Vec<NamedTensor>) -> Result<Package, String> {
    let Some(name) = name(plan) else {
        return Err("it has neither torchvision's depths nor its widths".to_owned());
    };
    if plan.norm_eps != NORM_EPS {
        let eps = float(plan.norm_eps);
        return Err(format!(
            "its norms have an epsilon of {eps}, those of torchvision 1e-6"
        ));
    }
    let mut renamed = Vec::with_capacity(tensors.len());
    for mut tensor in tensors {
        let key = torchvision_name(&tensor.key);
        tensor.key = key.ok_or_else(|| format!("`{}` has no name there", tensor.key))?;
        if tensor.key.ends_with("layer_scale") {
            tensor.shape.extend([1, 1]);
        }
        renamed.push(tensor);
    }
    if plan.layer_scale.is_none() {
        // Factors of one change nothing.
        for (i, (depth, dim)) in plan.depths.iter().zip(plan.dims).enumerate() {
            renamed.extend((0..*depth).map(|b| NamedTensor {
                key: format!("features.{}.{b}.layer_scale", 2 * i + 1),
                shape: vec![dim, 1, 1],
                data: vec![1.0; dim],
            }));
        }
    }
    let mut python = vec![
        "import torch, torchvision".to_owned(),
        format!("model = torchvision.models.{name}()"),
    ];
    if plan.patch != PATCH || plan.channels != 3 {
        let [dim, ..] = plan.dims;
        let (channels, patch) = (plan.channels, plan.patch);
        python.push(format!(
            "model.features[0][0] = torch.nn.Conv2d({channels}, {dim}, {patch}, {patch})"
        ));
    }
    python.push("model.classifier[2] = torch.nn.Identity()".to_owned());
    Ok(Package {
        tensors: renamed,
        config: None,
        python,
        architecture: match plan.patch {
            PATCH => name.to_owned(),
            patch => format!("{name} with patches of {patch}"),
        },
    })
}

/// `stages.1.blocks.0.mlp.fc1.weight` as `features.3.0.block.3.weight`.
fn torchvision_name(key: &str) -> Option<String> {
    let parts: Vec<&str> = key.split('.').collect();
    Some(match parts.as_slice() {
        ["stem", which, leaf] => format!("features.0.{which}.{leaf}"),
        ["stages", stage, "downsample", which, leaf] => {
            let stage: usize = stage.parse().ok()?;
            format!("features.{}.{which}.{leaf}", 2 * stage)
        }
        ["stages", stage, "blocks", block, rest @ ..] => {
            let stage: usize = stage.parse().ok()?;
            let (at, leaf) = match rest {
                ["gamma"] => {
                    return Some(format!("features.{}.{block}.layer_scale", 2 * stage + 1));
                }
                ["conv_dw", leaf] => (0, leaf),
                ["norm", leaf] => (2, leaf),
                ["mlp", "fc1", leaf] => (3, leaf),
                ["mlp", "fc2", leaf] => (5, leaf),
                _ => return None,
            };
            format!("features.{}.{block}.block.{at}.{leaf}", 2 * stage + 1)
        }
        ["head", "norm", leaf] => format!("classifier.0.{leaf}"),
        _ => return None,
    })
}
