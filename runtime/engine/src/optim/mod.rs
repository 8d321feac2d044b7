//! Optimisers: one walk over the trained tensors, with state by key.
//!
//! Each rule computes what PyTorch's (or, for LARS, MoCo v3's) computes;
//! learning rate and weight decay are asked from their schedules at every
//! step. Classes in `exclude` take no weight decay and no LARS scaling. A
//! tensor without a gradient is left alone, as in PyTorch.

mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use burn::tensor::{Gradients, Tensor};
use ssl_plan::{Optimizer as Recipe, Rule};

use crate::model::Model;
use crate::nets::{Kind, Visit};
use crate::pointwise::apply;
use rules::{Adamw, Momentum, lars_gradient};

/// State of one parameter, held as the parameter is updated: as a matrix
/// `[rows, columns]`, a vector as one row.
#[derive(Default, Clone)]
pub struct Slot {
    /// Updates made.
    pub updates: u32,
    /// First moment, or velocity.
    pub first: Option<Tensor<2>>,
    /// Second moment.
    pub second: Option<Tensor<2>>,
}

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
        let weight_decay = if excluded { 0.0 } else { self.weight_decay };
        let rule = recipe.rule.clone();
        let slot = self.optimizer.slots.entry(key.to_owned()).or_default();

        let dims = tensor.dims();
        let rows = if D > 1 { dims[0] } else { 1 };
        let shape = [rows, tensor.shape().num_elements() / rows.max(1)];
        // Out of its place, so that it can be changed in place.
        let value = tensor.extract().inner().reshape(shape);
        let gradient = gradient.reshape(shape);
        let hyper = Hyper {
            lr: self.lr,
            weight_decay,
            scaled: !excluded,
        };
        let new = slot.update(&rule, value, gradient, hyper);
        *tensor = new.reshape(dims).autodiff().require_grad();
    }
}

/// What the schedules and the classes make of a step for one parameter.
struct Hyper {
    lr: f64,
    weight_decay: f64,
    /// Whether LARS scales it.
    scaled: bool,
}

impl Slot {
    fn update(&mut self, rule: &Rule, p: Tensor<2>, g: Tensor<2>, hyper: Hyper) -> Tensor<2> {
        let Hyper {
            lr,
            weight_decay,
            scaled,
        } = hyper;
        self.updates += 1;
        match *rule {
            Rule::Adamw { betas, eps } => {
                let rule = Adamw {
                    lr,
                    weight_decay,
                    betas,
                    eps,
                    updates: self.updates,
                };
                let state = [
                    or_zeros(&mut self.first, &p),
                    or_zeros(&mut self.second, &p),
                ];
                let (p, [first, second]) = apply(&rule, p, g, state);
                (self.first, self.second) = (Some(first), Some(second));
                p
            }
            Rule::Sgd { momentum, nesterov } => {
                let rule = Momentum {
                    lr,
                    weight_decay,
                    momentum,
                    nesterov,
                };
                self.descend(rule, p, g)
            }
            Rule::Lars { momentum, trust } => {
                let g = if scaled {
                    lars_gradient(&p, g, weight_decay, trust)
                } else {
                    g
                };
                let rule = Momentum {
                    lr,
                    weight_decay: 0.0,
                    momentum,
                    nesterov: false,
                };
                self.descend(rule, p, g)
            }
        }
    }

    fn descend(&mut self, rule: Momentum, p: Tensor<2>, g: Tensor<2>) -> Tensor<2> {
        let velocity = or_zeros(&mut self.first, &p);
        let (p, [velocity]) = apply(&rule, p, g, [velocity]);
        self.first = Some(velocity);
        p
    }
}

fn or_zeros(state: &mut Option<Tensor<2>>, like: &Tensor<2>) -> Tensor<2> {
    state.take().unwrap_or_else(|| like.zeros_like())
}
