//! The parameters of a module by name, as timm, torchvision and
//! `torch.nn.Sequential` call them.

use ssl_plan::{Block, Module, Norm, PatchStem, Pool, Position, Resnet, Stage, Stem, Vit};

/// A parameter of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the module.
    pub name: String,
    /// Numbers in it.
    pub count: u64,
    /// Whether it takes a gradient.
    pub trained: bool,
}

/// Every parameter of a module, in no order that means anything.
pub fn parameters(module: &Module) -> Vec<Parameter> {
    let mut all = List::default();
    match module {
        Module::Vit(v) => vit(&mut all, v),
        Module::Resnet(r) => resnet(&mut all, r),
        Module::Convnext(c) => {
            let mut width = c.channels;
            for (i, (depth, dim)) in c.depths.iter().zip(c.dims).enumerate() {
                if i == 0 {
                    all.affine("stem.0", c.patch * c.patch * width * dim, dim);
                    all.norm("stem.1", dim);
                } else {
                    all.norm(&format!("stages.{i}.downsample.0"), width);
                    all.affine(&format!("stages.{i}.downsample.1"), 4 * width * dim, dim);
                }
                for b in 0..*depth {
                    let at = |part: &str| format!("stages.{i}.blocks.{b}.{part}");
                    if c.layer_scale.is_some() {
                        all.add(at("gamma"), dim);
                    }
                    all.affine(&at("conv_dw"), 49 * dim, dim);
                    all.norm(&at("norm"), dim);
                    all.affine(&at("mlp.fc1"), 4 * dim * dim, 4 * dim);
                    all.affine(&at("mlp.fc2"), 4 * dim * dim, dim);
                }
                width = dim;
            }
            all.norm("head.norm", width);
        }
        Module::Mlp(m) => {
            let mut at = 0;
            for layer in &m.layers {
                let bias = if layer.bias { layer.output } else { 0 };
                all.affine(&at.to_string(), layer.input * layer.output, bias);
                at += 1;
                if let Some(norm) = &layer.norm {
                    let width = layer.output;
                    let shift = match norm {
                        Norm::Layer { .. } => Some(width),
                        Norm::Batch { affine, shift, .. } => {
                            affine.then_some(if *shift { width } else { 0 })
                        }
                    };
                    if let Some(shift) = shift {
                        all.affine(&at.to_string(), width, shift);
                    }
                    at += 1;
                }
                at += usize::from(layer.activation.is_some());
            }
        }
        Module::Linear(l) => {
            all.add("weight".into(), l.input * l.output);
            if l.bias {
                all.add("bias".into(), l.output);
            }
        }
        Module::Prototypes { input, count } => all.add("weight".into(), input * count),
        Module::L2Normalize { .. } => {}
        Module::VitDecoder(d) => {
            let dim = d.dim;
            all.add("mask_token".into(), dim);
            all.fixed("pos_embed", (1 + d.grid.iter().product::<usize>()) * dim);
            all.affine("embed", d.input * dim, dim);
            for i in 0..d.depth {
                transformer_block(&mut all, &format!("blocks.{i}"), dim, d.hidden);
            }
            all.norm("norm", dim);
            let pixels = d.patch * d.patch * d.channels;
            all.affine("pred", dim * pixels, pixels);
        }
    }
    all.0
}

#[derive(Default)]
struct List(Vec<Parameter>);

impl List {
    fn push(&mut self, name: String, count: usize, trained: bool) {
        self.0.push(Parameter {
            name,
            count: count as u64,
            trained,
        });
    }

    fn add(&mut self, name: String, count: usize) {
        self.push(name, count, true);
    }

    fn fixed(&mut self, name: &str, count: usize) {
        self.push(name.to_owned(), count, false);
    }

    /// A weight, and a bias where it has numbers.
    fn affine(&mut self, name: &str, weight: usize, bias: usize) {
        self.add(format!("{name}.weight"), weight);
        if bias > 0 {
            self.add(format!("{name}.bias"), bias);
        }
    }

    /// Scale and shift.
    fn norm(&mut self, name: &str, width: usize) {
        self.affine(name, width, width);
    }
}

fn transformer_block(all: &mut List, at: &str, dim: usize, hidden: usize) {
    all.norm(&format!("{at}.norm1"), dim);
    all.affine(&format!("{at}.attn.qkv"), 3 * dim * dim, 3 * dim);
    all.affine(&format!("{at}.attn.proj"), dim * dim, dim);
    all.norm(&format!("{at}.norm2"), dim);
    all.affine(&format!("{at}.mlp.fc1"), dim * hidden, hidden);
    all.affine(&format!("{at}.mlp.fc2"), hidden * dim, dim);
}

fn vit(all: &mut List, v: &Vit) {
    let dim = v.dim;
    let side = v.patch.max(1);
    let class = usize::from(v.pool != Pool::Mean);
    if class == 1 {
        all.add("cls_token".into(), dim);
    }
    if v.register_tokens > 0 {
        all.add("reg_token".into(), v.register_tokens * dim);
    }
    let patches: usize = v.image.iter().map(|length| length / side).product();
    let extra = if v.register_tokens > 0 { 0 } else { class };
    match v.position {
        Position::None => {}
        Position::Learned => all.add("pos_embed".into(), (patches + extra) * dim),
        Position::Sincos2d => all.fixed("pos_embed", (patches + extra) * dim),
    }
    match v.stem {
        PatchStem::Linear => {
            let trained = !v.frozen_patch_projection;
            let weight = v.channels * side * side * dim;
            all.push("patch_embed.proj.weight".into(), weight, trained);
            all.push("patch_embed.proj.bias".into(), dim, trained);
        }
        PatchStem::Conv => {
            let mut input = v.channels;
            let count = side.ilog2() as usize;
            for i in 0..count {
                let output = dim >> (count - 1 - i);
                all.affine(
                    &format!("patch_embed.proj.{}", 3 * i),
                    9 * input * output,
                    0,
                );
                all.norm(&format!("patch_embed.proj.{}", 3 * i + 1), output);
                input = output;
            }
            let last = format!("patch_embed.proj.{}", 3 * count);
            all.affine(&last, input * dim, dim);
        }
    }
    for i in 0..v.depth {
        let at = format!("blocks.{i}");
        transformer_block(all, &at, dim, v.hidden);
        if v.qk_norm {
            let width = dim / v.heads.max(1);
            all.norm(&format!("{at}.attn.q_norm"), width);
            all.norm(&format!("{at}.attn.k_norm"), width);
        }
        if v.layer_scale.is_some() {
            all.add(format!("{at}.ls1.gamma"), dim);
            all.add(format!("{at}.ls2.gamma"), dim);
        }
    }
    if v.final_norm {
        all.norm("norm", dim);
    }
    if v.pool_norm {
        all.norm("fc_norm", dim);
    }
}

fn resnet(all: &mut List, r: &Resnet) {
    let base = 64 * r.width;
    let half = base / 2;
    match (r.stem, r.selective_kernel) {
        (Stem::Small, _) => all.affine("conv1", 9 * r.channels * base, 0),
        (Stem::Imagenet, false) => all.affine("conv1", 49 * r.channels * base, 0),
        (Stem::Imagenet, true) => {
            all.affine("conv1.0", 9 * r.channels * half, 0);
            all.norm("conv1.1", half);
            all.affine("conv1.3", 9 * half * half, 0);
            all.norm("conv1.4", half);
            all.affine("conv1.6", 9 * half * base, 0);
        }
    }
    all.norm("bn1", base);
    let mut input = base;
    for (stage, count) in r.layers.iter().enumerate() {
        let width = base << stage;
        for b in 0..*count {
            let at = |part: &str| format!("layer{}.{b}.{part}", stage + 1);
            let output = match r.block {
                Block::Basic => width,
                Block::Bottleneck => 4 * width,
            };
            let shapes = match r.block {
                Block::Basic => vec![(9, input, width), (9, width, width)],
                Block::Bottleneck => {
                    vec![(1, input, width), (9, width, width), (1, width, output)]
                }
            };
            let selective = r.selective_kernel.then_some(match r.block {
                Block::Basic => 0,
                Block::Bottleneck => 1,
            });
            for (i, (area, from, to)) in shapes.into_iter().enumerate() {
                let conv = at(&format!("conv{}", i + 1));
                if selective == Some(i) {
                    let narrow = (to / 16).max(32);
                    all.affine(&format!("{conv}.conv"), area * from * 2 * to, 0);
                    all.norm(&format!("{conv}.bn"), 2 * to);
                    all.affine(&format!("{conv}.attn.fc_reduce"), to * narrow, 0);
                    all.norm(&format!("{conv}.attn.bn"), narrow);
                    all.affine(&format!("{conv}.attn.fc_select"), narrow * 2 * to, 0);
                } else {
                    all.affine(&conv, area * from * to, 0);
                    all.norm(&at(&format!("bn{}", i + 1)), to);
                }
            }
            if (b == 0 && stage > 0) || input != output {
                let first = usize::from(r.selective_kernel);
                all.affine(&at(&format!("downsample.{first}")), input * output, 0);
                all.norm(&at(&format!("downsample.{}", first + 1)), output);
            }
            input = output;
        }
    }
}

/// What the keys of a stage start with.
pub fn path_of(net: &str, stage: &Stage) -> String {
    match &stage.name {
        Some(name) => format!("{net}.{name}"),
        None => net.to_owned(),
    }
}

/// Whether a key is a path, or lies under it.
pub fn is_under(key: &str, path: &str) -> bool {
    let rest = key.strip_prefix(path);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
