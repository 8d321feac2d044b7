//! Forward passes: a net is its stages in a row, and a stage is one node.

use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_plan::{Module, NodeId, Op, Shape, Stage};
use ssl_syntax::ast::{Arg, Ident};

use super::build::show_dims;
use super::{Builder, Built, Item, Locals};
use crate::check::nets::NetSpec;
use crate::names;
use crate::shapes::{self, Input, Masked};

/// What is called: a net, or one of its stages.
pub(super) struct Callee {
    /// The net.
    pub net: String,
    /// The stage, where one is named.
    pub stage: Option<Ident>,
}

/// Where a call stands.
#[derive(Clone, Copy)]
struct Place {
    call: Span,
    input: Span,
}

impl Builder<'_, '_> {
    /// A call as it is written: one value or a list of views of one size,
    /// which run as one batch; `mask:` where patches are hidden.
    pub(super) fn call_net(
        &mut self,
        callee: &Callee,
        args: &[Arg],
        args_span: Span,
        span: Span,
        locals: &Locals,
    ) -> Option<Item> {
        let net = &callee.net;
        let masked = |a: &Arg| a.name.as_ref().is_some_and(|n| n.name == "mask");
        let (masks, inputs): (Vec<&Arg>, Vec<&Arg>) = args.iter().partition(|a| masked(a));
        let ([Arg { name: None, value }], [] | [_]) = (inputs.as_slice(), masks.as_slice()) else {
            self.checker.report(
                Diagnostic::error(Code::ARGUMENTS, format!("the net `{net}` takes one value"))
                    .at(args_span, format!("{} are given", args.len()))
                    .help(format!(
                        "call it on one view at a time, `{net}(a)`, or on several as one batch, `{net}([a, b])`"
                    )),
            );
            return None;
        };
        let input = self.eval(value, locals)?;
        let mask = match masks.first() {
            Some(arg) => {
                let item = self.eval(&arg.value, locals)?;
                Some(self.mask_of(&item, arg.value.span)?)
            }
            None => None,
        };
        let place = Place {
            call: span,
            input: value.span,
        };
        let Item::List(items) = input else {
            let input = self.id_of(&input, value.span)?;
            return self.forward(callee, input, mask, place).map(Item::Node);
        };
        self.forward_together(callee, &items, mask, place)
    }

    /// Several inputs of one size in one forward pass.
    fn forward_together(
        &mut self,
        callee: &Callee,
        items: &[Item],
        mask: Option<NodeId>,
        place: Place,
    ) -> Option<Item> {
        let at = place.input;
        let xs = items
            .iter()
            .map(|i| self.id_of(i, at))
            .collect::<Option<Vec<_>>>()?;
        let shapes: Vec<Vec<usize>> = items.iter().map(|i| self.dims(i)).collect();
        let first = shapes.first().cloned().unwrap_or_default();
        if first.is_empty() || shapes.iter().any(|s| *s != first) || mask.is_some() {
            let all: Vec<String> = shapes.iter().map(|s| show_dims(s)).collect();
            let why = match (all.as_slice(), mask) {
                ([], _) => "the list is empty".to_owned(),
                (_, Some(_)) => "a masked forward pass takes one view at a time".to_owned(),
                _ => format!("one batch cannot hold {}", all.join(" and ")),
            };
            self.checker.report(
                Diagnostic::error(Code::SHAPE, why)
                    .at(at, "these would run as one batch")
                    .help(format!(
                        "call the net on each: `for x in ... {{ {}(x) }}`",
                        callee.net
                    )),
            );
            return None;
        }
        let rows = *first.first()?;
        let mut dims = first;
        if let Some(d) = dims.first_mut() {
            *d = rows * xs.len();
        }
        let reaches = self.reaches(&xs);
        let Item::Node(batch) = self.node(
            Op::Concat {
                xs: xs.clone(),
                axis: 0,
            },
            dims,
            reaches,
        ) else {
            return None;
        };
        let whole = self.forward(callee, batch, mask, place)?;
        let mut parts = Vec::new();
        for (i, x) in xs.iter().enumerate() {
            let part = self.rows(whole, i * rows, (i + 1) * rows);
            let origin = self.sources.get(*x).cloned().unwrap_or_default();
            if let Some(slot) = self.sources.get_mut(part) {
                *slot = origin;
            }
            parts.push(Item::Node(part));
        }
        Some(Item::List(parts))
    }

    /// Rows of a node, as a node.
    fn rows(&mut self, x: NodeId, start: usize, end: usize) -> NodeId {
        let mut dims = self.dims(&Item::Node(x));
        if let Some(d) = dims.first_mut() {
            *d = end - start;
        }
        let reaches = self.reaches(&[x]);
        let axis = 0;
        self.id(
            Op::Slice {
                x,
                axis,
                start,
                end,
            },
            dims,
            reaches,
        )
    }

    /// The stages of a call in a row.
    fn forward(
        &mut self,
        callee: &Callee,
        input: NodeId,
        mask: Option<NodeId>,
        place: Place,
    ) -> Option<NodeId> {
        let net = callee.net.as_str();
        let (source, trained) = match self.specs.get(net)? {
            NetSpec::Stages(_) => (net.to_owned(), true),
            NetSpec::Ema { of, .. } => (of.clone(), false),
            NetSpec::Broken => return None,
        };
        let NetSpec::Stages(stages) = self.specs.get(&source)? else {
            return None;
        };
        let range = match &callee.stage {
            None => 0..stages.len(),
            Some(name) => {
                let named = |s: &str| s == name.name;
                let found = stages
                    .iter()
                    .position(|s| s.name.as_deref().is_some_and(named));
                let Some(i) = found else {
                    let known = stages.iter().filter_map(|s| s.name.as_deref());
                    let help = names::suggestion(&name.name, known);
                    self.checker.report(
                        Diagnostic::error(
                            Code::UNKNOWN_NAME,
                            format!("the net `{net}` has no stage `{}`", name.name),
                        )
                        .at(name.span, "not a stage")
                        .maybe_help(help),
                    );
                    return None;
                };
                i..i + 1
            }
        };
        if !self.called.iter().any(|c| c == net) {
            self.called.push(net.to_owned());
        }
        let mut value = input;
        for (stage, mask) in range.zip(std::iter::once(mask).chain(std::iter::repeat(None))) {
            value = self.stage(net, &source, trained, stage, value, mask, place)?;
        }
        Some(value)
    }

    #[allow(clippy::too_many_arguments)]
    fn stage(
        &mut self,
        net: &str,
        source: &str,
        trained: bool,
        stage: usize,
        input: NodeId,
        mask: Option<NodeId>,
        place: Place,
    ) -> Option<NodeId> {
        let dims = self.dims(&Item::Node(input));
        let (rows, shape) = match dims.as_slice() {
            [rows, channels, height, width] => (
                rows,
                Shape::Image {
                    channels: *channels,
                    height: *height,
                    width: *width,
                },
            ),
            [rows, count, dim] => (
                rows,
                Shape::Tokens {
                    count: *count,
                    dim: *dim,
                },
            ),
            [rows, dim] => (rows, Shape::Embedding { dim: *dim }),
            other => {
                let message = format!("a net takes views or embeddings, not {}", show_dims(other));
                self.checker.report(
                    Diagnostic::error(Code::SHAPE, message).at(place.input, show_dims(other)),
                );
                return None;
            }
        };
        let input_of = Input {
            shape,
            mask: mask.and_then(|m| self.masked(m)),
        };
        let output = self.built(source, stage, input_of, place)?;
        let dims = match output {
            Shape::Embedding { dim } => vec![*rows, dim],
            Shape::Tokens { count, dim } => vec![*rows, count, dim],
            Shape::Image {
                channels,
                height,
                width,
            } => vec![*rows, channels, height, width],
        };
        let mut reaches = if trained {
            self.reaches(&[input])
        } else {
            Vec::new()
        };
        if trained && self.learns(source, stage) && !reaches.iter().any(|r| r == net) {
            reaches.push(net.to_owned());
        }
        let op = Op::Stage {
            net: net.to_owned(),
            stage,
            input,
            mask,
        };
        Some(self.id(op, dims, reaches))
    }

    /// Whether a stage has anything to train.
    fn learns(&self, net: &str, stage: usize) -> bool {
        let built = self.nets.get(net).and_then(|stages| stages.get(stage));
        !matches!(
            built,
            Some(Some(Some(Built {
                stage: Stage {
                    module: Module::L2Normalize { .. },
                    ..
                },
                ..
            })))
        )
    }

    /// The node of a mask, or an error that says what it is.
    fn mask_of(&mut self, item: &Item, at: Span) -> Option<NodeId> {
        let id = self.id_of(item, at)?;
        if self.masked(id).is_some() {
            return Some(id);
        }
        self.checker.report(
            Diagnostic::error(Code::TYPE, "this is no mask")
                .at(at, "a mask is needed here")
                .help("draw one: `m = random_mask(a, patch: 16, ratio: 0.75)`"),
        );
        None
    }

    fn masked(&self, id: NodeId) -> Option<Masked> {
        let Op::RandomMask { x, count, hidden } = &self.nodes.get(id)?.op else {
            return None;
        };
        let [_, channels, h, w] = self.nodes.get(*x)?.dims.as_slice() else {
            return None;
        };
        Some(Masked {
            image: [*channels, *h, *w],
            count: *count,
            hidden: *hidden,
        })
    }

    /// The output of a stage for an input; the first call settles its shapes,
    /// and a backbone is built for the largest image that it is called on.
    fn built(&mut self, net: &str, index: usize, input: Input, place: Place) -> Option<Shape> {
        let NetSpec::Stages(specs) = self.specs.get(net)? else {
            return None;
        };
        let spec = specs.get(index)?;
        let count = specs.len();
        let slots = self.nets.entry(net.to_owned()).or_default();
        slots.resize_with(count, || None);
        let known = slots.get(index)?;
        if let Some(None) = known {
            return None;
        }
        let (module, output) = match spec.module.build(input) {
            Ok(made) => made,
            Err(misfit) => {
                let given = format!("called with {}", shapes::show(&input.shape));
                let said = Diagnostic::error(Code::SHAPE, misfit.message).help(misfit.help);
                let said = if misfit.in_call {
                    said.at(place.input, given)
                        .at(spec.span, "the module that is called")
                } else {
                    let fresh = known.is_none();
                    if let Some(slot) = slots.get_mut(index).filter(|_| fresh) {
                        *slot = Some(None);
                    }
                    said.at(spec.span, "does not fit its input")
                        .at(place.input, given)
                };
                self.checker.report(said);
                return None;
            }
        };
        let frozen = spec.frozen.map(|t| self.clock.in_steps(t).round() as usize);
        let built = Built {
            stage: Stage {
                name: spec.name.clone(),
                module,
                input: input.shape,
                output,
                frozen_steps: frozen.unwrap_or(0),
            },
            call: place.call,
        };
        let Some(Some(first)) = known else {
            if let Some(slot) = slots.get_mut(index) {
                *slot = Some(Some(built));
            }
            return Some(output);
        };
        if fits(&first.stage, &built.stage) {
            if area(&built.stage.input) > area(&first.stage.input)
                && let Some(slot) = slots.get_mut(index)
            {
                *slot = Some(Some(built));
            }
            return Some(output);
        }
        let (was, now) = (shapes::show(&first.stage.input), shapes::show(&input.shape));
        let first_call = first.call;
        let name = match &spec.name {
            Some(stage) => format!("{net}.{stage}"),
            None => net.to_owned(),
        };
        self.checker.report(
            Diagnostic::error(
                Code::SHAPE,
                format!("the net `{name}` takes {was}, and gets {now}"),
            )
            .at(place.input, now)
            .at(first_call, format!("first called with {was}")),
        );
        None
    }
}

/// Whether two calls can share one stage: the same module, but for the size
/// of a backbone's image.
fn fits(first: &Stage, now: &Stage) -> bool {
    match (&first.module, &now.module) {
        (Module::Vit(a), Module::Vit(b)) => a.channels == b.channels,
        (Module::Resnet(a), Module::Resnet(b)) => a.channels == b.channels,
        (Module::Convnext(a), Module::Convnext(b)) => a.channels == b.channels,
        (a, b) => a == b,
    }
}

fn area(shape: &Shape) -> usize {
    match shape {
        Shape::Image { height, width, .. } => height * width,
        Shape::Embedding { .. } | Shape::Tokens { .. } => 0,
    }
}
