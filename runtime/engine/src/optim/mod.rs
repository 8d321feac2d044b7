//! Optimisers: one walk over the trained tensors, with state by key.
//!
//! Each rule computes what PyTorch's (or, for LARS, MoCo v3's) computes;
//! rates, decays and the rule's own numbers are asked from their schedules at
//! every step. In a backbone the rate may fall from layer to layer (`depth`).
//! Classes in `exclude` take no weight decay and no scaling by norms, and may
//! have a rate of their own. A
//! tensor without a gradient is left alone, as in PyTorch, and so is a stage
//! while it is frozen.

mod depth;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use burn::tensor::{Gradients, Tensor};
use ssl_plan::{Clip, Optimizer as Recipe, Rule, Stage};

use crate::model::{Member, Model};
use crate::nets::{Kind, Visit};
use crate::pointwise::{self, apply};
pub use depth::layers_behind;
use rules::{
    Adamw, LambDirection, Momentum, adaptive_factor, clip_factor, lars_gradient, norm, norm_ratio,
    squares,
};

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
        let clip = self.bound(model, gradients, step);
        each_stage(model, step, |member, stage| {
            let constant = self.recipe.constant_lr.contains(&member.name);
            let lr = if constant { self.recipe.peak_lr } else { lr };
            let path = member.network.stage_path(stage).map(str::to_owned);
            member.network.visit_stage(
                stage,
                &mut Walk {
                    optimizer: self,
                    gradients,
                    clip: &clip,
                    net: &member.name,
                    lr,
                    weight_decay,
                    step,
                    path: path.unwrap_or_default(),
                    stage: member.stages.get(stage),
                },
            );
            member.network.project_stage(stage);
        });
    }

    /// The bound on the gradients of a step.
    fn bound(&self, model: &mut Model, gradients: &Gradients, step: usize) -> Bound {
        let at = step as f64;
        let mut sums: BTreeMap<String, Tensor<2>> = BTreeMap::new();
        let mut sum = |together: bool| {
            each_stage(model, step, |member, stage| {
                let name = if together { "" } else { &member.name };
                let sum = sums.remove(name);
                let mut total = Squares { gradients, sum };
                member.network.visit_stage(stage, &mut total);
                if let Some(sum) = total.sum {
                    sums.insert(name.to_owned(), sum);
                }
            });
            std::mem::take(&mut sums)
        };
        match &self.recipe.clip {
            None => Bound::None,
            Some(Clip::Parameter { norm }) => Bound::Each(norm.at(at)),
            Some(Clip::Adaptive { ratio }) => Bound::Rows(ratio.at(at)),
            Some(Clip::Global { norm }) => match sum(true).remove("") {
                Some(sum) => Bound::All(Box::new(clip_factor(sum.sqrt(), norm.at(at)))),
                None => Bound::None,
            },
            Some(Clip::Net { norm }) => {
                let factor = |sum: Tensor<2>| clip_factor(sum.sqrt(), norm.at(at));
                let sums = sum(false).into_iter();
                Bound::Nets(sums.map(|(net, sum)| (net, factor(sum))).collect())
            }
        }
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

/// Every stage of the trained nets that is updated at a step.
fn each_stage(model: &mut Model, step: usize, mut visit: impl FnMut(&mut Member, usize)) {
    for member in model.trained() {
        for stage in 0..member.network.stage_count() {
            let frozen = member.stages.get(stage).map_or(0, |s| s.frozen_steps);
            if step >= frozen {
                visit(member, stage);
            }
        }
    }
}

/// The bound on a step's gradients.
enum Bound {
    None,
    /// On the norm of each.
    Each(f64),
    /// On the norm of each row, by that of the parameter's.
    Rows(f64),
    /// A factor for each net, `[1, 1]`.
    Nets(BTreeMap<String, Tensor<2>>),
    /// A factor for all, `[1, 1]`.
    All(Box<Tensor<2>>),
}

/// The sum of the squares of all gradients, `[1, 1]`.
struct Squares<'a> {
    gradients: &'a Gradients,
    sum: Option<Tensor<2>>,
}

impl Visit for Squares<'_> {
    fn tensor<const D: usize>(&mut self, _: &str, kind: Kind, tensor: &mut Tensor<D>) {
        if !matches!(kind, Kind::Trained(_)) {
            return;
        }
        if let Some(gradient) = tensor.grad(self.gradients) {
            let own = squares(&gradient.reshape(as_matrix(tensor)));
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + own,
                None => own,
            });
        }
    }
}

/// The shape in which a tensor is updated.
fn as_matrix<const D: usize>(tensor: &Tensor<D>) -> [usize; 2] {
    let rows = if D > 1 { tensor.dims()[0] } else { 1 };
    [rows, tensor.shape().num_elements() / rows.max(1)]
}

struct Walk<'a> {
    optimizer: &'a mut Optimizer,
    gradients: &'a mut Gradients,
    clip: &'a Bound,
    net: &'a str,
    lr: f64,
    weight_decay: f64,
    step: usize,
    /// What the keys of the stage start with.
    path: String,
    stage: Option<&'a Stage>,
}

impl Walk<'_> {
    /// The rate of a parameter in its layer.
    fn rate(&self, key: &str) -> f64 {
        let Some(decay) = self.optimizer.recipe.layer_decay else {
            return self.lr;
        };
        let name = key.get(self.path.len() + 1..).unwrap_or_default();
        let behind = self.stage.map_or(0, |s| layers_behind(&s.module, name));
        self.lr * decay.powi(i32::try_from(behind).unwrap_or(i32::MAX))
    }
}

impl Visit for Walk<'_> {
    fn tensor<const D: usize>(&mut self, key: &str, kind: Kind, tensor: &mut Tensor<D>) {
        let Kind::Trained(class) = kind else { return };
        let Some(gradient) = tensor.grad_remove(self.gradients) else {
            return;
        };
        let recipe = &self.optimizer.recipe;
        let excluded = class.is_some_and(|class| recipe.exclude.contains(&class));
        let share = recipe.exclude_lr_scale.filter(|_| excluded);
        let lr = self.rate(key) * share.unwrap_or(1.0);
        let weight_decay = if excluded { 0.0 } else { self.weight_decay };
        let rule = recipe.rule.clone();
        let slot = self.optimizer.slots.entry(key.to_owned()).or_default();

        let dims = tensor.dims();
        let shape = as_matrix(tensor);
        // Out of its place, so that it can be changed in place.
        let value = tensor.extract().inner().reshape(shape);
        let gradient = gradient.reshape(shape);
        let gradient = match self.clip {
            Bound::None => gradient,
            Bound::Nets(factors) => match factors.get(self.net) {
                Some(factor) => gradient * factor.clone(),
                None => gradient,
            },
            Bound::Rows(ratio) => {
                let factor = adaptive_factor(&value, &gradient, *ratio);
                gradient * factor
            }
            Bound::Each(bound) => {
                let factor = clip_factor(norm(&gradient), *bound);
                gradient * factor
            }
            Bound::All(factor) => gradient * (**factor).clone(),
        };
        let hyper = Hyper {
            lr,
            weight_decay,
            scaled: !excluded,
            step: self.step as f64,
        };
        let new = slot.update(&rule, value, gradient, hyper);
        *tensor = new.reshape(dims).autodiff().require_grad();
    }
}

/// What the schedules and the classes make of a step for one parameter.
struct Hyper {
    lr: f64,
    weight_decay: f64,
    /// Whether LARS or LAMB scales it.
    scaled: bool,
    /// The step, which the rule's own numbers are asked for.
    step: f64,
}

impl Slot {
    fn update(&mut self, rule: &Rule, p: Tensor<2>, g: Tensor<2>, hyper: Hyper) -> Tensor<2> {
        let Hyper {
            lr,
            weight_decay,
            scaled,
            step,
        } = hyper;
        self.updates += 1;
        match rule {
            Rule::Adamw { betas, eps } => {
                let (betas, eps) = (betas.each_ref().map(|b| b.at(step)), *eps);
                let rule = Adamw {
                    lr,
                    weight_decay,
                    betas,
                    eps,
                    updates: self.updates,
                };
                self.by_moments(&rule, p, g)
            }
            Rule::Sgd { momentum, nesterov } => {
                let rule = Momentum {
                    lr,
                    weight_decay,
                    momentum: momentum.at(step),
                    nesterov: *nesterov,
                    rate_inside: false,
                };
                self.descend(rule, p, g)
            }
            Rule::Lamb { betas, eps } => {
                let (betas, eps) = (betas.each_ref().map(|b| b.at(step)), *eps);
                let rule = LambDirection {
                    weight_decay,
                    betas,
                    eps,
                    updates: self.updates,
                };
                let direction = self.by_moments(&rule, p.clone(), g);
                if scaled {
                    let trust = norm_ratio(&p, &direction, 1.0);
                    p - direction * trust.mul_scalar(lr)
                } else {
                    p - direction.mul_scalar(lr)
                }
            }
            Rule::Lars {
                momentum,
                trust,
                lr_in_momentum,
            } => {
                let g = if scaled {
                    lars_gradient(&p, g, weight_decay, *trust)
                } else {
                    g
                };
                let rule = Momentum {
                    lr,
                    weight_decay: 0.0,
                    momentum: momentum.at(step),
                    nesterov: false,
                    rate_inside: *lr_in_momentum,
                };
                self.descend(rule, p, g)
            }
        }
    }

    /// What a rule with both moments makes of the parameter.
    fn by_moments(
        &mut self,
        rule: &impl pointwise::Rule<2>,
        p: Tensor<2>,
        g: Tensor<2>,
    ) -> Tensor<2> {
        let state = [
            or_zeros(&mut self.first, &p),
            or_zeros(&mut self.second, &p),
        ];
        let (p, [first, second]) = apply(rule, p, g, state);
        (self.first, self.second) = (Some(first), Some(second));
        p
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
