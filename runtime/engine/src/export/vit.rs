//! Vision transformers in timm's, torchvision's and transformers' names.
//!
//! The engine's names are timm's. The others name the same tensors, with q, k
//! and v in one weight (torchvision) or in three (transformers).

use serde_json::json;
use ssl_plan::{BlockNorm, PatchStem, Pool, Position, Vit};

use super::Package;
use super::python::{Arguments, float, size};
use crate::weights::NamedTensor;

/// The epsilon of the norms in timm and torchvision.
const NORM_EPS: f64 = 1e-6;

/// timm's plain ViTs: name, width, blocks, heads, patch, image. The hidden
/// width is four times the width.
const TIMM: [(&str, usize, usize, usize, usize, usize); 15] = [
    ("vit_tiny_patch16_224", 192, 12, 3, 16, 224),
    ("vit_tiny_patch16_384", 192, 12, 3, 16, 384),
    ("vit_small_patch16_224", 384, 12, 6, 16, 224),
    ("vit_small_patch16_384", 384, 12, 6, 16, 384),
    ("vit_small_patch8_224", 384, 12, 6, 8, 224),
    ("vit_small_patch32_224", 384, 12, 6, 32, 224),
    ("vit_base_patch16_224", 768, 12, 12, 16, 224),
    ("vit_base_patch16_384", 768, 12, 12, 16, 384),
    ("vit_base_patch8_224", 768, 12, 12, 8, 224),
    ("vit_base_patch32_224", 768, 12, 12, 32, 224),
    ("vit_large_patch16_224", 1024, 24, 16, 16, 224),
    ("vit_large_patch16_384", 1024, 24, 16, 16, 384),
    ("vit_large_patch14_224", 1024, 24, 16, 14, 224),
    ("vit_large_patch32_224", 1024, 24, 16, 32, 224),
    ("vit_huge_patch14_224", 1280, 32, 16, 14, 224),
];

/// timm's `VisionTransformer`.
pub(super) fn timm(plan: &Vit, tensors: Vec<NamedTensor>) -> Result<Package, String> {
    plain_blocks(plan)?;
    if plan.stem != PatchStem::Linear {
        return Err("it has a stem of convolutions, and timm's have one projection".to_owned());
    }
    if plan.pool_norm && plan.final_norm {
        return Err(
            "it has norms before and behind the pooling, and timm's have one of them; \
             `final_norm: false` leaves one out"
                .to_owned(),
        );
    }
    // The architecture that needs the fewest words beside its name.
    let (name, arguments) = TIMM
        .iter()
        .map(|known| (known.0, arguments(plan, known)))
        .min_by_key(|(_, arguments)| arguments.len())
        .unwrap_or_default();
    let mut python = vec!["import timm".to_owned()];
    if plan.norm_eps != NORM_EPS {
        python.insert(0, "import functools, torch".to_owned());
    }
    let text = arguments.text();
    python.push(format!("model = timm.create_model(\"{name}\", {text})"));
    Ok(Package {
        tensors,
        config: None,
        python,
        architecture: match arguments.len() {
            1 => name.to_owned(),
            _ => format!("{name} with {text}"),
        },
    })
}

/// What a plan differs in from one of timm's architectures.
fn arguments(
    plan: &Vit,
    &(_, dim, depth, heads, patch, image): &(&str, usize, usize, usize, usize, usize),
) -> Arguments {
    let mut a = Arguments::default();
    a.add("num_classes", 0);
    a.unless("img_size", &plan.image, &[image; 2], |image| size(*image));
    a.unless("patch_size", &plan.patch, &patch, usize::to_string);
    a.unless("embed_dim", &plan.dim, &dim, usize::to_string);
    a.unless("depth", &plan.depth, &depth, usize::to_string);
    a.unless("num_heads", &plan.heads, &heads, usize::to_string);
    if plan.hidden != 4 * plan.dim {
        a.add("mlp_ratio", ratio(plan.hidden, plan.dim));
    }
    a.unless("in_chans", &plan.channels, &3, usize::to_string);
    match plan.pool {
        Pool::Cls => {}
        Pool::Mean => {
            a.add("class_token", "False");
            a.add("global_pool", "\"avg\"");
        }
        Pool::MeanPatches => a.add("global_pool", "\"avg\""),
        Pool::Tokens => a.add("global_pool", "\"\""),
    }
    match (plan.pool, plan.pool_norm) {
        (Pool::Mean | Pool::MeanPatches, false) => a.add("fc_norm", "False"),
        (_, true) => a.add("fc_norm", "True"),
        _ => {}
    }
    if plan.register_tokens > 0 {
        a.add("reg_tokens", plan.register_tokens);
        a.add("no_embed_class", "True");
    }
    if plan.qk_norm {
        a.add("qk_norm", "True");
    }
    if let Some(start) = plan.layer_scale {
        a.add("init_values", float(start));
    }
    if plan.position == Position::None {
        a.add("pos_embed", "\"none\"");
    }
    if !plan.final_norm && !plan.pool_norm {
        a.add("final_norm", "False");
    }
    a.unless("norm_layer", &plan.norm_eps, &NORM_EPS, |eps| {
        format!("functools.partial(torch.nn.LayerNorm, eps={})", float(*eps))
    });
    a
}

/// A ratio that timm multiplies and rounds down to the hidden width.
pub(super) fn ratio(hidden: usize, dim: usize) -> String {
    let exact = hidden as f64 / dim as f64;
    let lands = |ratio: f64| (dim as f64 * ratio) as usize == hidden;
    let next = exact.next_up();
    float(if lands(exact) { exact } else { next })
}

/// torchvision's `VisionTransformer`.
pub(super) fn torchvision(plan: &Vit, tensors: Vec<NamedTensor>) -> Result<Package, String> {
    classic(plan, "`VisionTransformer`")?;
    if plan.image[0] != plan.image[1] {
        return Err("`VisionTransformer` takes square images alone".to_owned());
    }
    if plan.channels != 3 {
        return Err("`VisionTransformer` takes 3 channels".to_owned());
    }
    let mut renamed = Vec::new();
    for mut tensor in with_positions(plan, tensors) {
        tensor.key = match tensor.key.as_str() {
            "cls_token" => "class_token".to_owned(),
            "pos_embed" => "encoder.pos_embedding".to_owned(),
            key => match key.split_once('.') {
                Some(("patch_embed", rest)) => rest.replacen("proj.", "conv_proj.", 1),
                Some(("norm", rest)) => format!("encoder.ln.{rest}"),
                Some(("blocks", rest)) => {
                    let (block, part) = block_part(rest)?;
                    let part = rename(
                        part,
                        &[
                            ("norm1.", "ln_1."),
                            ("norm2.", "ln_2."),
                            ("attn.qkv.", "self_attention.in_proj_"),
                            ("attn.proj.", "self_attention.out_proj."),
                            ("mlp.fc1.", "mlp.0."),
                            ("mlp.fc2.", "mlp.3."),
                        ],
                    )?;
                    format!("encoder.layers.encoder_layer_{block}.{part}")
                }
                _ => return Err(no_place(key)),
            },
        };
        renamed.push(tensor);
    }
    let mut python = vec![
        "import torch".to_owned(),
        "from torchvision.models import vision_transformer".to_owned(),
    ];
    let mut a = Arguments::default();
    a.add("image_size", plan.image[0]);
    a.add("patch_size", plan.patch);
    a.add("num_layers", plan.depth);
    a.add("num_heads", plan.heads);
    a.add("hidden_dim", plan.dim);
    a.add("mlp_dim", plan.hidden);
    if plan.norm_eps != NORM_EPS {
        python.insert(0, "import functools".to_owned());
    }
    a.unless("norm_layer", &plan.norm_eps, &NORM_EPS, |eps| {
        format!("functools.partial(torch.nn.LayerNorm, eps={})", float(*eps))
    });
    let text = a.text();
    python.push(format!(
        "model = vision_transformer.VisionTransformer({text})"
    ));
    python.push("model.heads = torch.nn.Identity()".to_owned());
    let size = (plan.dim, plan.depth, plan.heads, plan.patch, plan.image[0]);
    let architecture = match size {
        _ if plan.hidden != 4 * plan.dim || plan.norm_eps != NORM_EPS => None,
        (768, 12, 12, 16, 224) => Some("vit_b_16"),
        (768, 12, 12, 32, 224) => Some("vit_b_32"),
        (1024, 24, 16, 16, 224) => Some("vit_l_16"),
        (1024, 24, 16, 32, 224) => Some("vit_l_32"),
        _ => None,
    };
    Ok(Package {
        tensors: renamed,
        config: None,
        python,
        architecture: architecture
            .map_or_else(|| format!("VisionTransformer({text})"), str::to_owned),
    })
}

/// transformers' `ViTModel`, under the names of the files on its hub, which
/// every version reads.
pub(super) fn hf(plan: &Vit, tensors: Vec<NamedTensor>) -> Result<Package, String> {
    classic(plan, "`ViTModel`")?;
    let mut renamed = Vec::new();
    for mut tensor in with_positions(plan, tensors) {
        let key = std::mem::take(&mut tensor.key);
        tensor.key = match key.as_str() {
            "cls_token" => "embeddings.cls_token".to_owned(),
            "pos_embed" => "embeddings.position_embeddings".to_owned(),
            key => match key.split_once('.') {
                Some(("patch_embed", rest)) => {
                    format!(
                        "embeddings.patch_embeddings.{}",
                        rest.replacen("proj.", "projection.", 1)
                    )
                }
                Some(("norm", rest)) => format!("layernorm.{rest}"),
                Some(("blocks", rest)) => {
                    let (block, part) = block_part(rest)?;
                    if let Some(of) = part.strip_prefix("attn.qkv.") {
                        let names = ["query", "key", "value"];
                        let parts = thirds(&tensor).ok_or_else(|| no_place(key))?;
                        for (name, mut third) in names.into_iter().zip(parts) {
                            third.key =
                                format!("encoder.layer.{block}.attention.attention.{name}.{of}");
                            renamed.push(third);
                        }
                        continue;
                    }
                    let part = rename(
                        part,
                        &[
                            ("norm1.", "layernorm_before."),
                            ("norm2.", "layernorm_after."),
                            ("attn.proj.", "attention.output.dense."),
                            ("mlp.fc1.", "intermediate.dense."),
                            ("mlp.fc2.", "output.dense."),
                        ],
                    )?;
                    format!("encoder.layer.{block}.{part}")
                }
                _ => return Err(no_place(key)),
            },
        };
        renamed.push(tensor);
    }
    let image = match plan.image {
        [height, width] if height == width => json!(height),
        both => json!(both),
    };
    let config = json!({
        "architectures": ["ViTModel"],
        "model_type": "vit",
        "hidden_size": plan.dim,
        "num_hidden_layers": plan.depth,
        "num_attention_heads": plan.heads,
        "intermediate_size": plan.hidden,
        "image_size": image,
        "patch_size": plan.patch,
        "num_channels": plan.channels,
        "qkv_bias": true,
        "hidden_act": "gelu",
        "layer_norm_eps": plan.norm_eps,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "torch_dtype": "float32",
    });
    Ok(Package {
        tensors: renamed,
        config: Some(config),
        python: vec![
            "from transformers import ViTModel".to_owned(),
            "model = ViTModel.from_pretrained(FOLDER, add_pooling_layer=False)".to_owned(),
        ],
        architecture: "ViTModel".to_owned(),
    })
}

/// The MoCo v3 repository's ViT (`vits.py`), which is timm's with positions that
/// are computed and then stored, and perhaps its stem of four convolutions.
pub(super) fn moco(plan: &Vit, tensors: Vec<NamedTensor>) -> Result<Vec<NamedTensor>, String> {
    moco_fits(plan)?;
    Ok(with_positions(plan, super::resnet::counted(tensors)))
}

/// Refuses what the MoCo v3 repository's ViT is not.
pub(super) fn moco_fits(plan: &Vit) -> Result<(), String> {
    let there = "the repository's ViT";
    if plan.stem == PatchStem::Conv && (plan.patch, plan.channels) == (16, 3) {
        let stem = PatchStem::Linear;
        return classic(
            &Vit {
                stem,
                ..plan.clone()
            },
            there,
        );
    }
    classic(plan, there)
}

/// Refuses blocks that are no plain ones.
fn plain_blocks(plan: &Vit) -> Result<(), String> {
    match plan.mlp_norm {
        BlockNorm::Layer => Ok(()),
        BlockNorm::Batch => Err(
            "its blocks have a BatchNorm before the MLP, and there they have a LayerNorm"
                .to_owned(),
        ),
    }
}

/// Refuses what is no ViT as in the first paper.
pub(super) fn classic(plan: &Vit, there: &str) -> Result<(), String> {
    plain_blocks(plan)?;
    if plan.pool == Pool::Mean {
        return Err(format!("it has no class token, and {there} always has one"));
    }
    let more = [
        (plan.stem != PatchStem::Linear, "a stem of convolutions"),
        (plan.pool_norm, "a norm behind the pooling"),
        (plan.register_tokens > 0, "register tokens"),
        (plan.qk_norm, "norms of queries and keys"),
        (plan.layer_scale.is_some(), "layer scale"),
    ];
    if let Some((_, what)) = more.iter().find(|(has, _)| *has) {
        return Err(format!("it has {what}, and {there} has none"));
    }
    if !plan.final_norm {
        return Err(format!(
            "it has no norm after its blocks, and {there} always has one"
        ));
    }
    Ok(())
}

/// Without positions, a table of zeros, which adds nothing.
fn with_positions(plan: &Vit, mut tensors: Vec<NamedTensor>) -> Vec<NamedTensor> {
    if plan.position == Position::None {
        let [rows, columns] = plan.image.map(|side| side / plan.patch);
        let shape = vec![1, 1 + rows * columns, plan.dim];
        tensors.insert(
            1.min(tensors.len()),
            NamedTensor {
                key: "pos_embed".to_owned(),
                data: vec![0.0; shape.iter().product()],
                shape,
            },
        );
    }
    tensors
}

/// `0.attn.qkv.weight` as `0` and `attn.qkv.weight`.
fn block_part(rest: &str) -> Result<(&str, &str), String> {
    rest.split_once('.').ok_or_else(|| no_place(rest))
}

fn rename(part: &str, names: &[(&str, &str)]) -> Result<String, String> {
    let found = names
        .iter()
        .find_map(|(ours, theirs)| Some(format!("{theirs}{}", part.strip_prefix(ours)?)));
    found.ok_or_else(|| no_place(part))
}

fn no_place(key: &str) -> String {
    format!("`{key}` has no name there")
}

/// A tensor cut into three along its first axis.
fn thirds(tensor: &NamedTensor) -> Option<[NamedTensor; 3]> {
    let rows = tensor.shape.first()?.checked_div(3)?;
    let length = tensor.data.len() / 3;
    let mut shape = tensor.shape.clone();
    *shape.first_mut()? = rows;
    let part = |i: usize| {
        Some(NamedTensor {
            key: String::new(),
            shape: shape.clone(),
            data: tensor.data.get(i * length..(i + 1) * length)?.to_vec(),
        })
    };
    Some([part(0)?, part(1)?, part(2)?])
}
