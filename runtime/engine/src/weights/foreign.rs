//! Files with the names of torchvision's and transformers' networks, under the
//! names of the engine's: timm's for transformers and ConvNeXt, torchvision's
//! for residual networks.
//!
//! Names are known by their ends, so whatever words stand before a network's
//! names stay there. What has no name here, a classifier say, keeps its own.

use std::collections::BTreeMap;

use super::NamedTensor;

/// A library's network: its name, what the key of one of its tensors has in it,
/// and its names as the engine's.
struct Library {
    name: &'static str,
    mark: &'static str,
    rename: fn(&str) -> Option<Name>,
}

/// A name of the engine's.
enum Name {
    /// For the whole tensor.
    Whole(String),
    /// For a third of one: queries, keys or values.
    Third(String, usize),
}

const LIBRARIES: [Library; 4] = [
    Library {
        name: "torchvision's `VisionTransformer`",
        mark: "encoder.layers.encoder_layer_0.self_attention.in_proj_weight",
        rename: torchvision_vit,
    },
    Library {
        name: "torchvision's `ConvNeXt`",
        mark: "features.1.0.block.0.weight",
        rename: torchvision_convnext,
    },
    Library {
        name: "transformers' `ViTModel`",
        mark: "encoder.layer.0.attention.attention.query.weight",
        rename: hf_vit,
    },
    Library {
        name: "transformers' `ResNetModel`",
        mark: "embedder.embedder.convolution.weight",
        rename: hf_resnet,
    },
];

/// The tensors of a file under the engine's names, with a note of whose names
/// it had; unchanged where it has none of those known here.
pub(super) fn translated(file: Vec<NamedTensor>) -> (Vec<NamedTensor>, Option<String>) {
    let found = LIBRARIES.iter().find_map(|library| {
        // Several networks in one file have the same words but for their end.
        let mut prefixes: Vec<String> = (file.iter())
            .filter_map(|t| t.key.strip_suffix(library.mark))
            .filter(|words| words.is_empty() || words.ends_with('.'))
            .map(str::to_owned)
            .collect();
        // The longest first: one may begin another.
        prefixes.sort_by_key(|words| std::cmp::Reverse(words.len()));
        (!prefixes.is_empty()).then_some((library, prefixes))
    });
    let Some((library, prefixes)) = found else {
        return (file, None);
    };
    let mut out = Vec::with_capacity(file.len());
    let mut thirds: BTreeMap<String, [Option<NamedTensor>; 3]> = BTreeMap::new();
    for mut tensor in file {
        let words = prefixes.iter().find(|w| tensor.key.starts_with(*w));
        let name = words.and_then(|words| {
            let name = (library.rename)(tensor.key.get(words.len()..)?)?;
            Some((words, name))
        });
        match name {
            None => out.push(tensor),
            Some((words, Name::Whole(name))) => {
                tensor.key = format!("{words}{name}");
                if name.ends_with(".gamma") {
                    tensor.shape.truncate(1);
                }
                out.push(tensor);
            }
            Some((words, Name::Third(name, at))) => {
                let place = thirds.entry(format!("{words}{name}")).or_default();
                if let Some(place) = place.get_mut(at) {
                    *place = Some(tensor);
                }
            }
        }
    }
    for (key, parts) in thirds {
        match parts {
            [Some(q), Some(k), Some(v)] if q.shape == k.shape && k.shape == v.shape => {
                let mut shape = q.shape;
                if let Some(rows) = shape.first_mut() {
                    *rows *= 3;
                }
                let data = [q.data, k.data, v.data].concat();
                out.push(NamedTensor { key, shape, data });
            }
            // As they are: told as what fits nowhere.
            parts => out.extend(parts.into_iter().flatten()),
        }
    }
    let note = format!("the file has the names of {}", library.name);
    (out, Some(note))
}

/// A name whose beginning is one of a list's as another.
fn begins(name: &str, list: &[(&str, &str)]) -> Option<String> {
    let mut found = list.iter();
    found.find_map(|(theirs, ours)| Some(format!("{ours}{}", name.strip_prefix(theirs)?)))
}

/// A name in a block: `12.ln_1.weight` as `blocks.12.norm1.weight`.
fn in_block(rest: &str, list: &[(&str, &str)]) -> Option<Name> {
    let (block, part) = rest.split_once('.')?;
    let part = begins(part, list)?;
    Some(Name::Whole(format!("blocks.{block}.{part}")))
}

fn torchvision_vit(name: &str) -> Option<Name> {
    if let Some(rest) = name.strip_prefix("encoder.layers.encoder_layer_") {
        return in_block(
            rest,
            &[
                ("ln_1.", "norm1."),
                ("ln_2.", "norm2."),
                ("self_attention.in_proj_", "attn.qkv."),
                ("self_attention.out_proj.", "attn.proj."),
                ("mlp.0.", "mlp.fc1."),
                ("mlp.3.", "mlp.fc2."),
                ("mlp.linear_1.", "mlp.fc1."),
                ("mlp.linear_2.", "mlp.fc2."),
            ],
        );
    }
    let name = match name {
        "class_token" => "cls_token".to_owned(),
        "encoder.pos_embedding" => "pos_embed".to_owned(),
        _ => begins(
            name,
            &[
                ("conv_proj.", "patch_embed.proj."),
                ("encoder.ln.", "norm."),
            ],
        )?,
    };
    Some(Name::Whole(name))
}

fn hf_vit(name: &str) -> Option<Name> {
    if let Some(rest) = name.strip_prefix("encoder.layer.") {
        let (block, part) = rest.split_once('.')?;
        if let Some(part) = part.strip_prefix("attention.attention.") {
            let (which, leaf) = part.split_once('.')?;
            let at = ["query", "key", "value"].iter().position(|n| *n == which)?;
            return Some(Name::Third(format!("blocks.{block}.attn.qkv.{leaf}"), at));
        }
        return in_block(
            rest,
            &[
                ("layernorm_before.", "norm1."),
                ("layernorm_after.", "norm2."),
                ("attention.output.dense.", "attn.proj."),
                ("intermediate.dense.", "mlp.fc1."),
                ("output.dense.", "mlp.fc2."),
            ],
        );
    }
    let name = match name {
        "embeddings.cls_token" => "cls_token".to_owned(),
        "embeddings.position_embeddings" => "pos_embed".to_owned(),
        _ => begins(
            name,
            &[
                (
                    "embeddings.patch_embeddings.projection.",
                    "patch_embed.proj.",
                ),
                ("layernorm.", "norm."),
            ],
        )?,
    };
    Some(Name::Whole(name))
}

fn torchvision_convnext(name: &str) -> Option<Name> {
    let parts: Vec<&str> = name.split('.').collect();
    Some(Name::Whole(match parts.as_slice() {
        ["classifier", "0", leaf] => format!("head.norm.{leaf}"),
        ["features", "0", which, leaf] => format!("stem.{which}.{leaf}"),
        ["features", at, rest @ ..] => {
            let at: usize = at.parse().ok()?;
            let stage = at / 2;
            match (at % 2, rest) {
                (0, [which, leaf]) => format!("stages.{stage}.downsample.{which}.{leaf}"),
                (1, [block, "layer_scale"]) => format!("stages.{stage}.blocks.{block}.gamma"),
                (1, [block, "block", which, leaf]) => {
                    let part = match *which {
                        "0" => "conv_dw",
                        "2" => "norm",
                        "3" => "mlp.fc1",
                        "5" => "mlp.fc2",
                        _ => return None,
                    };
                    format!("stages.{stage}.blocks.{block}.{part}.{leaf}")
                }
                _ => return None,
            }
        }
        _ => return None,
    }))
}

fn hf_resnet(name: &str) -> Option<Name> {
    let unit = |name: &str| match name {
        "convolution" => Some(("conv", "0")),
        "normalization" => Some(("bn", "1")),
        _ => None,
    };
    let parts: Vec<&str> = name.split('.').collect();
    let stage = |stage: &str| Some(stage.parse::<usize>().ok()? + 1);
    Some(Name::Whole(match parts.as_slice() {
        ["embedder", "embedder", which, leaf] => format!("{}1.{leaf}", unit(which)?.0),
        [
            "encoder",
            "stages",
            s,
            "layers",
            layer,
            "shortcut",
            which,
            leaf,
        ] => {
            let (stage, which) = (stage(s)?, unit(which)?.1);
            format!("layer{stage}.{layer}.downsample.{which}.{leaf}")
        }
        [
            "encoder",
            "stages",
            s,
            "layers",
            layer,
            "layer",
            at,
            which,
            leaf,
        ] => {
            let (stage, which) = (stage(s)?, unit(which)?.0);
            let at = at.parse::<usize>().ok()? + 1;
            format!("layer{stage}.{layer}.{which}{at}.{leaf}")
        }
        _ => return None,
    }))
}
