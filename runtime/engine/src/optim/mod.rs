//! Optimisers: one walk over the trained tensors, with state by key.
//!
//! Each rule computes what PyTorch's (or, for LARS, MoCo v3's) computes;
//! learning rate and weight decay are asked from their schedules at every
//! step. Classes in `exclude` take no weight decay and no LARS scaling. A
//! tensor without a gradient is left alone, as in PyTorch.

mod rules;

use std::collections::BTreeMap;

use burn::tensor::{Gradients, Tensor};
use ssl_plan::{Optimizer as Recipe, Rule};

use crate::model::Model;
use crate::nets::{Kind, Visit};
pub use rules::Slot;
use rules::Update;

/// An optimiser with its state.
pub struct Optimizer {
    recipe: Recipe,
    slots: BTreeMap<String, Slot>,
}

impl Optimizer {
    /// An optimiser that has not made a step.
    pub fn new(recipe: Recipe) -> Self {
        Optimizer {
            recipe,
            slots: BTreeMap::new(),
        }
    }

    /// Learning rate at a step.
    pub fn lr(&self, step: usize) -> f64 {
        self.recipe.lr.at(step as f64)
    }

    /// Updates every trained tensor that has a gradient, taking the gradient
    /// out of `gradients`.
    pub fn step(&mut self, model: &mut Model, gradients: &mut Gradients, step: usize) {
        let lr = self.lr(step);
        let weight_decay = self.recipe.weight_decay.at(step as f64);
        model.visit_trained(&mut Walk {
            optimizer: self,
            gradients,
            lr,
            weight_decay,
        });
    }

    /// The state by parameter key, in the order of the keys.
    pub fn slots(&self) -> &BTreeMap<String, Slot> {
        &self.slots
    }

    /// Replaces the state, as saved from [`Optimizer::slots`].
    pub fn restore(&mut self, slots: BTreeMap<String, Slot>) {
        self.slots = slots;
    }
}

struct Walk<'a> {
    optimizer: &'a mut Optimizer,
    gradients: &'a mut Gradients,
    lr: f64,
    weight_decay: f64,
}

impl Visit for Walk<'_> {
    fn tensor<const D: usize>(&mut self, key: &str, kind: Kind, tensor: &mut Tensor<D>) {
        let Kind::Trained(class) = kind else { return };
        let Some(gradient) = tensor.grad_remove(self.gradients) else {
            return;
        };
        let recipe = &self.optimizer.recipe;
        let excluded = class.is_some_and(|class| recipe.exclude.contains(&class));
        let update = Update {
            lr: self.lr,
            weight_decay: if excluded { 0.0 } else { self.weight_decay },
            scaled: !excluded,
        };
        let slots = &mut self.optimizer.slots;
        if !slots.contains_key(key) {
            slots.insert(key.to_string(), Slot::default());
        }
        let Some(slot) = slots.get_mut(key) else {
            return;
        };
        let dims = tensor.dims();
        let rows = if D > 1 { dims[0] } else { 1 };
        let shape = [rows, tensor.shape().num_elements() / rows.max(1)];
        let value = tensor.extract().inner().reshape(shape);
        let gradient = gradient.reshape(shape);
        let new = match recipe.rule {
            Rule::Adamw { betas, eps } => slot.adamw(value, gradient, update, betas, eps),
            Rule::Sgd { momentum, nesterov } => {
                slot.sgd(value, gradient, update, momentum, nesterov)
            }
            Rule::Lars { momentum, trust } => slot.lars(value, gradient, update, momentum, trust),
        };
        *tensor = new.reshape(dims).autodiff().require_grad();
    }
}
