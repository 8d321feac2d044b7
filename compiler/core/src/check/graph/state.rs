//! Operations that remember, assign, look up or draw: queues, running means,
//! Sinkhorn-Knopp, nearest neighbours, masks, patches.

use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_plan::{NodeId, Op, Schedule};

use super::build::show_dims;
use super::ops::Given;
use super::{Builder, Item};

impl Builder<'_, '_> {
    /// Equal parts of an axis, as a list.
    pub(super) fn split(
        &mut self,
        x: NodeId,
        dims: Vec<usize>,
        axis: Option<(Item, Span)>,
        given: &mut Given,
        at: Span,
    ) -> Option<Item> {
        let parts = self.count(given, "parts", None)?;
        let axis = self.axis(axis, dims.len())?.unwrap_or(0);
        let size = dims.get(axis).copied().unwrap_or(1);
        if !size.is_multiple_of(parts) {
            self.checker.report(
                Diagnostic::error(
                    Code::SHAPE,
                    format!("{size} cannot be split into {parts} equal parts"),
                )
                .at(at, show_dims(&dims)),
            );
            return None;
        }
        let length = size / parts;
        let reaches = self.reaches(&[x]);
        let mut out = Vec::new();
        for part in 0..parts {
            let mut dims = dims.clone();
            *dims.get_mut(axis)? = length;
            let op = Op::Slice {
                x,
                axis,
                start: part * length,
                end: (part + 1) * length,
            };
            out.push(self.node(op, dims, reaches.clone()));
        }
        Some(Item::List(out))
    }

    /// A part of an axis.
    pub(super) fn slice(
        &mut self,
        x: NodeId,
        mut dims: Vec<usize>,
        axis: Option<(Item, Span)>,
        given: &mut Given,
        at: Span,
    ) -> Option<Item> {
        let axis = self.axis(axis, dims.len())?.unwrap_or(0);
        let size = dims.get(axis).copied().unwrap_or(1);
        let start = self.count(given, "from", Some(0.0))?;
        let end = self.count(given, "to", Some(size as f64))?;
        if start >= end || end > size {
            self.checker.report(
                Diagnostic::error(
                    Code::SHAPE,
                    format!("there is nothing from {start} to {end} in an axis of {size}"),
                )
                .at(at, show_dims(&dims)),
            );
            return None;
        }
        *dims.get_mut(axis)? = end - start;
        let reaches = self.reaches(&[x]);
        let op = Op::Slice {
            x,
            axis,
            start,
            end,
        };
        Some(self.node(op, dims, reaches))
    }

    pub(super) fn queue(
        &mut self,
        x: NodeId,
        dims: &[usize],
        given: &mut Given,
        at: Span,
    ) -> Option<Item> {
        self.rank(dims, &[2], given.name, at)?;
        let length = self.count(given, "length", None)?;
        let [rows, width] = dims else { return None };
        if !length.is_multiple_of(*rows) {
            let (below, above) = (length / rows * rows, length.div_ceil(*rows) * rows);
            let fitting = if below == 0 {
                above.to_string()
            } else {
                format!("{below} or {above}")
            };
            self.checker.report(
                Diagnostic::error(
                    Code::BATCH,
                    format!("a queue of {length} is not divisible by the batch of {rows}"),
                )
                .at(given.span, "its oldest batch would be cut")
                .help(format!("choose a length of {fitting}")),
            );
            return None;
        }
        Some(self.node(Op::Queue { x, length }, vec![length, *width], Vec::new()))
    }

    pub(super) fn running_mean(
        &mut self,
        x: NodeId,
        dims: &[usize],
        given: &mut Given,
        at: Span,
    ) -> Option<Item> {
        self.rank(dims, &[2], given.name, at)?;
        let (item, decay_at) = self.required(given, "decay")?;
        let decay = match item {
            Item::Number(x) => Some(Schedule::constant(x)),
            Item::Node(id) => match self.nodes.get(id).map(|n| &n.op) {
                Some(Op::Scalar { value }) => Some(value.clone()),
                _ => None,
            },
            _ => None,
        };
        let Some(decay) = decay else {
            self.checker.report(
                Diagnostic::error(Code::TYPE, "`decay` is a number or a schedule")
                    .at(decay_at, "neither"),
            );
            return None;
        };
        let within = |x: f64| (0.0..=1.0).contains(&x);
        if !within(decay.at(0.0)) || !within(decay.at(self.clock.steps as f64)) {
            self.checker.report(
                Diagnostic::error(Code::RANGE, "`decay` is a share from 0 to 1")
                    .at(decay_at, "out of range"),
            );
            return None;
        }
        let width = dims.last().copied()?;
        Some(self.node(Op::RunningMean { x, decay }, vec![width], Vec::new()))
    }

    pub(super) fn sinkhorn(
        &mut self,
        x: NodeId,
        dims: Vec<usize>,
        given: &mut Given,
        at: Span,
    ) -> Option<Item> {
        self.rank(&dims, &[2], given.name, at)?;
        let epsilon = self.number(given, "epsilon", Some(0.05))?;
        if epsilon <= 0.0 {
            self.checker.report(
                Diagnostic::error(Code::RANGE, "`epsilon` of `sinkhorn` is above 0")
                    .at(given.span, format!("this is {epsilon}"))
                    .help("SwAV takes 0.05"),
            );
            return None;
        }
        let iterations = self.count(given, "iterations", Some(3.0))?;
        let op = Op::Sinkhorn {
            x,
            epsilon,
            iterations,
        };
        Some(self.node(op, dims, Vec::new()))
    }

    pub(super) fn nearest(
        &mut self,
        x: NodeId,
        dims: Vec<usize>,
        given: &mut Given,
        at: Span,
    ) -> Option<Item> {
        self.rank(&dims, &[2], given.name, at)?;
        let (among, among_at) = self.required(given, "among")?;
        let among = self.id_of(&among, among_at)?;
        let bank = self.dims(&Item::Node(among));
        if bank.len() != 2 || bank.last() != dims.last() {
            self.checker.report(
                Diagnostic::error(
                    Code::SHAPE,
                    format!(
                        "`nearest` cannot look for {} among {}",
                        show_dims(&dims),
                        show_dims(&bank)
                    ),
                )
                .at(at, show_dims(&dims))
                .at(among_at, show_dims(&bank)),
            );
            return None;
        }
        Some(self.node(Op::Nearest { x, among }, dims, Vec::new()))
    }

    pub(super) fn patchify(
        &mut self,
        x: NodeId,
        dims: &[usize],
        given: &mut Given,
        at: Span,
    ) -> Option<Item> {
        let (patch, count) = self.patches(dims, given, at)?;
        let [rows, channels, ..] = dims else {
            return None;
        };
        let dims = vec![*rows, count, patch * patch * channels];
        Some(self.node(Op::Patchify { x, patch }, dims, Vec::new()))
    }

    pub(super) fn random_mask(
        &mut self,
        x: NodeId,
        dims: &[usize],
        given: &mut Given,
        at: Span,
    ) -> Option<Item> {
        let (_, count) = self.patches(dims, given, at)?;
        let ratio = self.number(given, "ratio", None)?;
        // As the reference: the visible ones are rounded down.
        let visible = (count as f64 * (1.0 - ratio)) as usize;
        if !(0.0..1.0).contains(&ratio) || visible == 0 || visible == count {
            self.checker.report(
                Diagnostic::error(
                    Code::RANGE,
                    format!(
                        "a ratio of {} leaves {visible} of {count} patches",
                        crate::value::show_number(ratio)
                    ),
                )
                .at(given.span, "some must be hidden, and some seen")
                .help("He et al. 2022 hide `ratio: 0.75`"),
            );
            return None;
        }
        let rows = dims.first().copied()?;
        let hidden = count - visible;
        let op = Op::RandomMask { x, count, hidden };
        Some(self.node(op, vec![rows, count], Vec::new()))
    }

    /// Side and number of the patches of a view.
    fn patches(&mut self, dims: &[usize], given: &mut Given, at: Span) -> Option<(usize, usize)> {
        self.rank(dims, &[4], given.name, at)?;
        let patch = self.count(given, "patch", None)?;
        let [_, _, h, w] = dims else { return None };
        if h % patch != 0 || w % patch != 0 {
            self.checker.report(
                Diagnostic::error(
                    Code::SHAPE,
                    format!("a patch of {patch} does not divide the image of {h}x{w}"),
                )
                .at(given.span, show_dims(dims)),
            );
            return None;
        }
        Some((patch, (h / patch) * (w / patch)))
    }
}
