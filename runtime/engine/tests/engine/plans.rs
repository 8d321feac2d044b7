//! A plan written by hand: MoCo v3 with a small ViT on the embedded digits.

use ssl_plan::*;

use super::modules::{head, stage, tiny_vit};
use super::wiring::Wiring;

const DIM: usize = 64;
const HIDDEN: usize = 512;
const OUT: usize = 128;
const TEMPERATURE: f64 = 0.2;
const STEPS_PER_EPOCH: usize = 5;

impl Wiring {
    /// The first so many stages of a net in a row.
    fn net(&mut self, net: &str, stages: usize, input: NodeId) -> NodeId {
        (0..stages).fold(input, |input, stage| {
            self.add(Op::Stage {
                net: net.into(),
                stage,
                input,
                mask: None,
            })
        })
    }

    fn diagonal_cross_entropy(&mut self, logits: NodeId, t: NodeId) -> NodeId {
        let x = self.binary(BinaryOp::Div, logits, t);
        let x = self.add(Op::LogSoftmax { x });
        let x = self.add(Op::Diagonal { x });
        let x = self.mean(x);
        self.add(Op::Unary { f: UnaryOp::Neg, x })
    }

    fn info_nce(&mut self, q: NodeId, k: NodeId) -> NodeId {
        let k = self.add(Op::Detach { x: k });
        let (q, k) = (self.unit(q), self.unit(k));
        let logits = self.against(q, k);
        let t = self.number(TEMPERATURE);
        let loss = self.diagonal_cross_entropy(logits, t);
        let twice = self.number(2.0 * TEMPERATURE);
        self.binary(BinaryOp::Mul, twice, loss)
    }

    fn sum_rows(&mut self, x: NodeId) -> NodeId {
        self.add(Op::Reduce {
            f: ReduceOp::Sum,
            x,
            axis: Some(1),
        })
    }

    /// `-mean(x)`
    fn loss_of(&mut self, x: NodeId) -> NodeId {
        let x = self.mean(x);
        self.add(Op::Unary { f: UnaryOp::Neg, x })
    }

    /// MoCo v2: the positive before the negatives of a queue.
    fn moco_v2(&mut self, q: NodeId, k: NodeId, length: usize) -> NodeId {
        let k = self.add(Op::Detach { x: k });
        let (q, k) = (self.unit(q), self.unit(k));
        let product = self.binary(BinaryOp::Mul, q, k);
        let positive = self.sum_rows(product);
        let positive = self.add(Op::Column { x: positive });
        let queue = self.add(Op::Queue { x: k, length });
        let negatives = self.against(q, queue);
        let logits = self.add(Op::Concat {
            xs: vec![positive, negatives],
            axis: 1,
        });
        let t = self.number(TEMPERATURE);
        let logits = self.binary(BinaryOp::Div, logits, t);
        let logs = self.add(Op::LogSoftmax { x: logits });
        let first = self.add(Op::Slice {
            x: logs,
            axis: 1,
            start: 0,
            end: 1,
        });
        self.loss_of(first)
    }

    /// DINO: a centred and sharpened target.
    fn dino(&mut self, student: NodeId, teacher: NodeId) -> NodeId {
        let decay = Schedule::constant(0.9);
        let centre = self.add(Op::RunningMean { x: teacher, decay });
        let centred = self.binary(BinaryOp::Sub, teacher, centre);
        let (sharp, soft) = (self.number(0.04), self.number(0.1));
        let target = self.binary(BinaryOp::Div, centred, sharp);
        let target = self.add(Op::Softmax { x: target });
        let target = self.add(Op::Detach { x: target });
        let logits = self.binary(BinaryOp::Div, student, soft);
        let logs = self.add(Op::LogSoftmax { x: logits });
        let product = self.binary(BinaryOp::Mul, target, logs);
        let sum = self.sum_rows(product);
        self.loss_of(sum)
    }

    /// Writes the spread of an embedding beside the loss.
    fn track(&mut self, x: NodeId) {
        let x = self.unit(x);
        let x = self.add(Op::Reduce {
            f: ReduceOp::Std,
            x,
            axis: Some(0),
        });
        let node = self.mean(x);
        self.tracks.push(Track {
            name: "collapse".into(),
            node,
        });
    }

    fn minimize(self, loss: NodeId) -> Graph {
        Graph {
            nodes: self.nodes,
            loss,
            tracks: self.tracks,
        }
    }
}

fn graph() -> Graph {
    let mut w = Wiring::default();
    let (a, b) = (w.view("a"), w.view("b"));
    let (z_a, z_b) = (w.net("encoder", 2, a), w.net("encoder", 2, b));
    w.track(z_a);
    let (q_a, q_b) = (w.net("predictor", 1, z_a), w.net("predictor", 1, z_b));
    let (k_a, k_b) = (w.net("momentum", 2, a), w.net("momentum", 2, b));
    let (first, second) = (w.info_nce(q_a, k_b), w.info_nce(q_b, k_a));
    let loss = w.binary(BinaryOp::Add, first, second);
    w.minimize(loss)
}

fn nets(steps: f64) -> Vec<Net> {
    let backbone = Stage {
        name: Some("backbone".into()),
        module: Module::Vit(vit()),
        input: Shape::Image {
            channels: 3,
            height: 8,
            width: 8,
        },
        output: Shape::Embedding { dim: DIM },
        frozen_steps: 0,
    };
    let projector = mlp(Some("projector"), &[DIM, HIDDEN, HIDDEN, OUT]);
    let predictor = mlp(None, &[OUT, HIDDEN, OUT]);
    let net = |name: &str, kind| Net {
        name: name.into(),
        kind,
    };
    vec![
        net(
            "encoder",
            NetKind::Stages {
                stages: vec![backbone, projector],
            },
        ),
        net(
            "predictor",
            NetKind::Stages {
                stages: vec![predictor],
            },
        ),
        net(
            "momentum",
            NetKind::Ema {
                of: "encoder".into(),
                decay: cosine(0.99, 1.0, steps),
            },
        ),
    ]
}

fn vit() -> Vit {
    Vit {
        dim: DIM,
        heads: 4,
        hidden: 4 * DIM,
        position: Position::Sincos2d,
        frozen_patch_projection: true,
        ..tiny_vit()
    }
}

fn mlp(name: Option<&str>, widths: &[usize]) -> Stage {
    let [first, .., last] = *widths else {
        panic!("a head has layers");
    };
    let head = Mlp {
        init: Init::MocoV3,
        ..head(widths)
    };
    Stage {
        input: Shape::Embedding { dim: first },
        output: Shape::Embedding { dim: last },
        ..stage(name, Module::Mlp(head))
    }
}

fn cosine(from: f64, to: f64, steps: f64) -> Schedule {
    Schedule {
        segments: vec![Segment {
            steps,
            curve: Curve::Cosine { from, to },
        }],
    }
}

/// Linear warm-up from 0 over a tenth, then half a cosine to 0.
fn warmup_cosine(peak: f64, steps: f64) -> Schedule {
    let warmup = Segment {
        steps: 0.1 * steps,
        curve: Curve::Linear {
            from: 0.0,
            to: peak,
        },
    };
    let mut schedule = cosine(peak, 0.0, 0.9 * steps);
    schedule.segments.insert(0, warmup);
    schedule
}

fn view(name: &str, solarize: f64) -> View {
    let transforms = vec![
        Transform::RandomResizedCrop {
            size: [8, 8],
            scale: [0.4, 1.0],
            ratio: [3.0 / 4.0, 4.0 / 3.0],
            interpolation: Interpolation::Bilinear,
        },
        Transform::ColorJitter {
            brightness: [0.6, 1.4],
            contrast: [0.6, 1.4],
            saturation: [1.0, 1.0],
            hue: [0.0, 0.0],
            p: 0.8,
        },
        Transform::Solarize {
            threshold: 128,
            p: solarize,
        },
        normalize(),
    ];
    View {
        name: name.into(),
        size: [8, 8],
        transforms,
    }
}

fn normalize() -> Transform {
    Transform::Normalize {
        mean: [0.5; 3],
        std: [0.5; 3],
    }
}

/// The node that a kNN monitor reads: the first call of a backbone.
fn backbone(graph: &Graph) -> NodeId {
    let stage = |node: &Node| matches!(node.op, Op::Stage { stage: 0, .. });
    let found = graph.nodes.iter().position(stage);
    found.expect("the step runs the backbone")
}

/// Another step, with the kNN monitor on it.
fn with_step(mut plan: Plan, graph: Graph) -> Plan {
    for monitor in &mut plan.recipe.monitors {
        if let Monitor::Knn { node, .. } = monitor {
            *node = backbone(&graph);
        }
    }
    plan.recipe.step = graph;
    plan
}

/// The same with the losses of MoCo v2 and DINO, which remember.
pub fn remembering(epochs: usize, seed: u64) -> Plan {
    let mut w = Wiring::default();
    let (a, b) = (w.view("a"), w.view("b"));
    let z_a = w.net("encoder", 2, a);
    w.track(z_a);
    let q_a = w.net("predictor", 1, z_a);
    let k_b = w.net("momentum", 2, b);
    let (first, second) = (w.moco_v2(q_a, k_b, 720), w.dino(q_a, k_b));
    let loss = w.binary(BinaryOp::Add, first, second);
    with_step(digits(epochs, seed), w.minimize(loss))
}

/// A masked autoencoder on one view, LAMB with clipped gradients.
pub fn masked(epochs: usize, seed: u64) -> Plan {
    let mut plan = digits(epochs, seed);
    let recipe = &mut plan.recipe;
    recipe.views.truncate(1);
    let image = Shape::Image {
        channels: 3,
        height: 8,
        width: 8,
    };
    let stage = |name: Option<&str>, module, input, output| Stage {
        name: name.map(Into::into),
        module,
        input,
        output,
        frozen_steps: 0,
    };
    let tokens = |count, dim| Shape::Tokens { count, dim };
    let encoder = Vit {
        pool: Pool::Tokens,
        ..vit()
    };
    let decoder = VitDecoder {
        input: DIM,
        grid: [4, 4],
        patch: 2,
        channels: 3,
        dim: 32,
        depth: 1,
        heads: 4,
        hidden: 128,
        norm_eps: 1e-6,
    };
    let backbone = stage(
        Some("backbone"),
        Module::Vit(encoder),
        image,
        tokens(5, DIM),
    );
    let decoder = Module::VitDecoder(decoder);
    let decoder = stage(None, decoder, tokens(5, DIM), tokens(16, 12));
    let net = |name: &str, stage| Net {
        name: name.into(),
        kind: NetKind::Stages {
            stages: vec![stage],
        },
    };
    recipe.nets = vec![net("encoder", backbone), net("decoder", decoder)];

    let mut w = Wiring::default();
    let a = w.view("a");
    let mask = w.add(Op::RandomMask {
        x: a,
        count: 16,
        hidden: 12,
    });
    let call = |net: &str, input| Op::Stage {
        net: net.into(),
        stage: 0,
        input,
        mask: Some(mask),
    };
    let latent = w.add(call("encoder", a));
    let pixels = w.add(call("decoder", latent));
    let target = w.add(Op::Patchify { x: a, patch: 2 });
    let target = w.add(Op::Standardize {
        x: target,
        eps: 1e-6,
    });
    let error = w.binary(BinaryOp::Sub, pixels, target);
    let square = w.binary(BinaryOp::Mul, error, error);
    let error = w.add(Op::Reduce {
        f: ReduceOp::Mean,
        x: square,
        axis: Some(2),
    });
    let error = w.binary(BinaryOp::Mul, error, mask);
    let sum = |x| Op::Reduce {
        f: ReduceOp::Sum,
        x,
        axis: None,
    };
    let (error, count) = (w.add(sum(error)), w.add(sum(mask)));
    let loss = w.binary(BinaryOp::Div, error, count);
    recipe.train.optimizer.rule = Rule::Lamb {
        betas: [0.9.into(), 0.95.into()],
        eps: 1e-6,
    };
    recipe.train.optimizer.clip = Some(Clip::Global { norm: 1.0.into() });
    with_step(plan, w.minimize(loss))
}

/// A run of so many epochs of the digits.
pub fn digits(epochs: usize, seed: u64) -> Plan {
    let steps = epochs * STEPS_PER_EPOCH;
    let feature = FeatureOf {
        net: "encoder".into(),
        stage: 0,
    };
    let batch = 240;
    Plan {
        format: FORMAT,
        compiler: "by hand".into(),
        pipeline: "mocov3_digits".into(),
        recipe: Recipe {
            data: Data {
                classes: Some((0..10).map(|digit| digit.to_string()).collect()),
                held_out: Some(597),
                on_corrupt: OnCorrupt::Error,
                max_corrupt: 0.0,
                ..Data::new(Source::Digits, 1200, batch)
            },
            views: vec![view("a", 0.0), view("b", 0.2)],
            nets: nets(steps as f64),
            step: graph(),
            train: Train {
                steps,
                epochs: epochs as f64,
                optimizer: Optimizer {
                    rule: Rule::Adamw {
                        betas: [0.9.into(), 0.999.into()],
                        eps: 1e-8,
                    },
                    lr: warmup_cosine(2e-3 * batch as f64 / 256.0, steps as f64),
                    weight_decay: Schedule::constant(0.05),
                    exclude: Vec::new(),
                    clip: None,
                    exclude_lr_scale: None,
                    constant_lr: Vec::new(),
                    peak_lr: 2e-3 * batch as f64 / 256.0,
                    layer_decay: None,
                    freeze: Vec::new(),
                },
                precision: Precision::Float32,
                micro_batches: 1,
                activation_checkpointing: Checkpointing::None,
                seed,
                log_every: 1,
                checkpoint_every: 100,
                keep: 2,
            },
            monitors: vec![
                Monitor::Knn {
                    feature: feature.clone(),
                    node: backbone(&graph()),
                    view: "a".into(),
                    k: 20,
                    temperature: 0.07,
                    bank: 1200,
                    every: 5,
                },
                Monitor::GradientNorm {
                    per: NormPer::Layer,
                    every: 10,
                },
            ],
            evals: vec![Eval::Knn {
                feature,
                k: 20,
                temperature: 0.07,
                transforms: vec![normalize()],
                size: [8, 8],
            }],
        },
        calls: Vec::new(),
        values: Vec::new(),
        docs: Vec::new(),
        estimate: Estimate::default(),
        expected: Expected::default(),
    }
}
