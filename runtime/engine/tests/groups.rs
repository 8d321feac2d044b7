//! Ten steps of optimizers with parameter groups against PyTorch and timm
//! (`tests/numeric/reference/groups.py`).

mod support;

use burn::tensor::{Device, Tensor};
use ssl_engine::model::Model;
use ssl_engine::nets::{Kind, Visit};
use ssl_engine::optim::Optimizer;
use ssl_plan::{
    Clip, Curve, Hyper, Module, Net, NetKind, Optimizer as Recipe, ParamClass, Precision, Rule,
    Schedule, Segment,
};
use support::{array, assert_near, fill, fixture, stage, tensors, tiny_vit};

/// A value that grows by the same at each of the ten steps.
fn rising(first: f64, by: f64) -> Schedule {
    let curve = Curve::Linear {
        from: first,
        to: first + 10.0 * by,
    };
    let segments = vec![Segment { steps: 10.0, curve }];
    Schedule { segments }
}

fn recipe(rule: Rule) -> Recipe {
    Recipe {
        rule,
        lr: Schedule::constant(0.1),
        weight_decay: Schedule::constant(0.0),
        exclude: Vec::new(),
        clip: None,
        exclude_lr_scale: None,
        constant_lr: Vec::new(),
        peak_lr: 0.1,
        layer_decay: None,
        freeze: Vec::new(),
    }
}

/// The sum over trained parameters of their products with the gradients that
/// they are to have.
struct Fixed<'a> {
    step: u32,
    place: u32,
    device: &'a Device,
    loss: Option<Tensor<1>>,
}

impl Visit for Fixed<'_> {
    fn tensor<const D: usize>(&mut self, _: &str, kind: Kind, tensor: &mut Tensor<D>) {
        if !matches!(kind, Kind::Trained(_)) {
            return;
        }
        let stream = 5000 + 100 * self.step + self.place;
        let gradient = Tensor::from_data(array(stream, tensor.dims()), self.device);
        self.place += 1;
        let own = (tensor.clone() * gradient).sum();
        self.loss = Some(match self.loss.take() {
            Some(loss) => loss + own,
            None => own,
        });
    }
}

/// Ten steps end where the reference's end: to 1e-6 of each parameter, in its
/// norm.
fn check(case: &str, recipe: Recipe) {
    let kind = NetKind::Stages {
        stages: vec![stage(Some("backbone"), Module::Vit(tiny_vit()))],
    };
    let name = "encoder".to_owned();
    let nets = [Net { name, kind }];
    let device = Device::flex();
    let freeze = recipe.freeze.clone();
    let model = Model::with_frozen(&nets, Precision::Float32, 0, &device, &freeze);
    let mut model = model.expect("nets");
    fill(&mut model.member("encoder").expect("it is there").network);
    let mut optimizer = Optimizer::new(recipe);
    let device = device.autodiff();
    for step in 0..10 {
        let mut fixed = Fixed {
            step,
            place: 0,
            device: &device,
            loss: None,
        };
        model.visit_trained(&mut fixed);
        let mut gradients = fixed.loss.expect("parameters").backward();
        optimizer.step(&mut model, &mut gradients, step as usize);
    }
    let expected = fixture(&format!("groups_{case}.safetensors"));
    let network = &model.member("encoder").expect("it is there").network;
    let found = tensors(network);
    assert_eq!(found.len(), expected.len());
    for (key, _, values) in found {
        let name = key.strip_prefix("encoder.backbone.").expect("its place");
        assert_near(&key, &values, &expected[name].data, 1e-6, 1e-3);
    }
}

/// Rates that fall from layer to layer, no decay where none is due, what is
/// frozen stays, a first moment whose decay moves.
#[test]
fn adamw_with_layer_decay() {
    let betas = [Hyper::from(rising(0.8, 0.01)), 0.95.into()];
    check(
        "adamw",
        Recipe {
            lr: rising(0.002, 0.002),
            weight_decay: Schedule::constant(0.05),
            exclude: vec![
                ParamClass::Bias,
                ParamClass::Norm,
                ParamClass::Position,
                ParamClass::Token,
            ],
            clip: Some(Clip::Global { norm: 20.0.into() }),
            layer_decay: Some(0.75),
            freeze: vec!["encoder.backbone.patch_embed".into()],
            ..recipe(Rule::Adamw { betas, eps: 1e-6 })
        },
    );
}

#[test]
fn nesterov_with_adaptive_clipping() {
    let rule = Rule::Sgd {
        momentum: rising(0.8, 0.01).into(),
        nesterov: true,
    };
    check(
        "sgd",
        Recipe {
            weight_decay: Schedule::constant(1e-3),
            clip: Some(Clip::Adaptive { ratio: 0.02.into() }),
            ..recipe(rule)
        },
    );
}

#[test]
fn lamb_without_scaling_of_biases_and_norms() {
    let betas = [0.9.into(), 0.95.into()];
    check(
        "lamb",
        Recipe {
            lr: Schedule::constant(0.01),
            weight_decay: Schedule::constant(0.02),
            exclude: vec![ParamClass::Bias, ParamClass::Norm],
            clip: Some(Clip::Parameter { norm: 1.0.into() }),
            ..recipe(Rule::Lamb { betas, eps: 1e-6 })
        },
    );
}
