//! Residual networks in torchvision's, timm's and transformers' names. The
//! engine's names are torchvision's, and timm's are the same.

use serde_json::json;
use ssl_plan::{Block, Resnet, Stem};

use super::Package;
use super::python::float;
use crate::weights::NamedTensor;

/// PyTorch's epsilon of a BatchNorm.
const NORM_EPS: f64 = 1e-5;

/// The depths that have a name, which is the same in both libraries.
const NAMED: [(Block, [usize; 4], &str); 5] = [
    (Block::Basic, [2, 2, 2, 2], "resnet18"),
    (Block::Basic, [3, 4, 6, 3], "resnet34"),
    (Block::Bottleneck, [3, 4, 6, 3], "resnet50"),
    (Block::Bottleneck, [3, 4, 23, 3], "resnet101"),
    (Block::Bottleneck, [3, 8, 36, 3], "resnet152"),
];

/// torchvision's `ResNet`.
pub(super) fn torchvision(plan: &Resnet, tensors: Vec<NamedTensor>) -> Result<Package, String> {
    narrow(plan)?;
    plain(plan)?;
    let name = name(plan);
    let mut python = vec!["import torch, torchvision".to_owned()];
    let norm = norm_layer(plan);
    python.push(match name {
        Some(name) => format!(
            "model = torchvision.models.{name}({})",
            norm.unwrap_or_default()
        ),
        None => {
            let block = class(plan.block);
            let mut words = vec![
                format!("torchvision.models.resnet.{block}"),
                format!("{:?}", plan.layers),
            ];
            words.extend(norm);
            format!("model = torchvision.models.ResNet({})", words.join(", "))
        }
    });
    python.extend(stem(plan));
    python.push("model.fc = torch.nn.Identity()".to_owned());
    Ok(Package {
        tensors: counted(tensors),
        config: None,
        python,
        architecture: describe(plan, name),
    })
}

/// timm's `ResNet`.
pub(super) fn timm(plan: &Resnet, tensors: Vec<NamedTensor>) -> Result<Package, String> {
    narrow(plan)?;
    plain(plan)?;
    let name = name(plan);
    let mut words = vec![format!("\"{}\"", name.unwrap_or("resnet50"))];
    words.push("num_classes=0".to_owned());
    if name.is_none() {
        let block = class(plan.block);
        words.push(format!("block=timm.models.resnet.{block}"));
        words.push(format!("layers={:?}", plan.layers));
    }
    words.extend(norm_layer(plan));
    let mut python = vec![
        "import timm, torch".to_owned(),
        format!("model = timm.create_model({})", words.join(", ")),
    ];
    python.extend(stem(plan));
    Ok(Package {
        tensors: counted(tensors),
        config: None,
        python,
        architecture: describe(plan, name),
    })
}

/// transformers' `ResNetModel`, of any width.
pub(super) fn hf(plan: &Resnet, tensors: Vec<NamedTensor>) -> Result<Package, String> {
    plain(plan)?;
    if plan.stem == Stem::Small {
        return Err("its stem is for small images, and `ResNetModel` has the 7x7 one".to_owned());
    }
    if plan.norm_eps != NORM_EPS {
        let eps = float(plan.norm_eps);
        return Err(format!(
            "its norms have an epsilon of {eps}, those of `ResNetModel` 1e-5"
        ));
    }
    let mut renamed = Vec::new();
    for mut tensor in counted(tensors) {
        tensor.key =
            hf_name(&tensor.key).ok_or_else(|| format!("`{}` has no name there", tensor.key))?;
        renamed.push(tensor);
    }
    let base = 64 * plan.width;
    let (kind, expansion) = match plan.block {
        Block::Basic => ("basic", 1),
        Block::Bottleneck => ("bottleneck", 4),
    };
    let sizes: Vec<usize> = (0..4).map(|stage| (base << stage) * expansion).collect();
    let config = json!({
        "architectures": ["ResNetModel"],
        "model_type": "resnet",
        "num_channels": plan.channels,
        "embedding_size": base,
        "hidden_sizes": sizes,
        "depths": plan.layers,
        "layer_type": kind,
        "hidden_act": "relu",
        "downsample_in_first_stage": false,
        "downsample_in_bottleneck": false,
        "torch_dtype": "float32",
    });
    Ok(Package {
        tensors: renamed,
        config: Some(config),
        python: vec![
            "from transformers import ResNetModel".to_owned(),
            "model = ResNetModel.from_pretrained(FOLDER)".to_owned(),
        ],
        architecture: "ResNetModel".to_owned(),
    })
}

/// `layer2.0.conv3.weight` as `encoder.stages.1.layers.0.layer.2.convolution.weight`.
fn hf_name(key: &str) -> Option<String> {
    let unit = |name: &str| match name {
        "conv" | "0" => Some("convolution"),
        "bn" | "1" => Some("normalization"),
        _ => None,
    };
    let numbered = |name: &str| {
        let digits = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let index = digits.parse::<usize>().ok()?.checked_sub(1)?;
        Some((unit(name.strip_suffix(digits)?)?, index))
    };
    let parts: Vec<&str> = key.split('.').collect();
    Some(match parts.as_slice() {
        [first, leaf] => {
            let (unit, _) = numbered(first)?;
            format!("embedder.embedder.{unit}.{leaf}")
        }
        [stage, layer, "downsample", which, leaf] => {
            let stage = stage
                .strip_prefix("layer")?
                .parse::<usize>()
                .ok()?
                .checked_sub(1)?;
            format!(
                "encoder.stages.{stage}.layers.{layer}.shortcut.{}.{leaf}",
                unit(which)?
            )
        }
        [stage, layer, which, leaf] => {
            let stage = stage
                .strip_prefix("layer")?
                .parse::<usize>()
                .ok()?
                .checked_sub(1)?;
            let (unit, at) = numbered(which)?;
            format!("encoder.stages.{stage}.layers.{layer}.layer.{at}.{unit}.{leaf}")
        }
        _ => return None,
    })
}

/// With the counter that PyTorch's BatchNorm has beside its statistics. Nobody
/// reads it where the momentum is given; it is zero.
pub(super) fn counted(tensors: Vec<NamedTensor>) -> Vec<NamedTensor> {
    let mut all = Vec::with_capacity(tensors.len() * 6 / 5);
    for tensor in tensors {
        let counter = tensor
            .key
            .strip_suffix("running_var")
            .map(|norm| NamedTensor {
                key: format!("{norm}num_batches_tracked"),
                shape: Vec::new(),
                data: vec![0.0],
            });
        all.push(tensor);
        all.extend(counter);
    }
    all
}

fn name(plan: &Resnet) -> Option<&'static str> {
    let known = NAMED.iter();
    let found = known.filter(|(block, layers, _)| (*block, *layers) == (plan.block, plan.layers));
    found.map(|(_, _, name)| *name).next()
}

fn describe(plan: &Resnet, name: Option<&str>) -> String {
    let name = name.map_or_else(
        || format!("ResNet of {:?} blocks", plan.layers),
        str::to_owned,
    );
    match plan.stem {
        Stem::Imagenet => name,
        Stem::Small => format!("{name} with a 3x3 stem"),
    }
}

/// The class of a block, in torchvision and timm.
fn class(block: Block) -> &'static str {
    match block {
        Block::Basic => "BasicBlock",
        Block::Bottleneck => "Bottleneck",
    }
}

/// Refuses wide networks, of which torchvision and timm have another kind.
fn narrow(plan: &Resnet) -> Result<(), String> {
    match plan.width {
        1 => Ok(()),
        width => Err(format!(
            "every convolution is {width} times as wide, and its `wide_resnet50_2` widens the \
             inner convolutions alone"
        )),
    }
}

/// Refuses selective kernels, which are laid out as in SimCLR v2.
fn plain(plan: &Resnet) -> Result<(), String> {
    match plan.selective_kernel {
        false => Ok(()),
        true => Err(
            "its selective kernels, stem and shortcuts are those of SimCLR v2, which no other \
             library has"
                .to_owned(),
        ),
    }
}

/// What is put in place of the stem, in both libraries.
fn stem(plan: &Resnet) -> Vec<String> {
    let channels = plan.channels;
    match plan.stem {
        Stem::Small => vec![
            format!("model.conv1 = torch.nn.Conv2d({channels}, 64, 3, 1, 1, bias=False)"),
            "model.maxpool = torch.nn.Identity()".to_owned(),
        ],
        Stem::Imagenet if channels != 3 => {
            vec![format!(
                "model.conv1 = torch.nn.Conv2d({channels}, 64, 7, 2, 3, bias=False)"
            )]
        }
        Stem::Imagenet => Vec::new(),
    }
}

fn norm_layer(plan: &Resnet) -> Option<String> {
    (plan.norm_eps != NORM_EPS).then(|| {
        let eps = float(plan.norm_eps);
        format!("norm_layer=lambda n, **k: torch.nn.BatchNorm2d(n, eps={eps}, **k)")
    })
}
