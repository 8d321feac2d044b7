//! Schedules: ramps, named curves, `then`.

use ssl_diagnostics::{Code, Diagnostic, Lint, Span};
use ssl_plan::Schedule;
use ssl_syntax::ast::{Expr, ExprKind};

use super::Checker;
use super::eval::Scope;
use crate::merge::{Layer, Setting};
use crate::schema::{Group, Want, in_group};
use crate::value::{
    Clock, CurveSpec, Part, ScheduleFault, ScheduleSpec, Time, Unit, Value, show_number,
};

impl Checker<'_> {
    /// The schedule that an expression states.
    pub(super) fn schedule(&mut self, expr: &Expr, scope: Scope) -> Option<ScheduleSpec> {
        let part = |curve, length| Part {
            curve,
            length,
            span: expr.span,
        };
        match &expr.kind {
            ExprKind::Then { first, next } => {
                let a = self.schedule(first, scope);
                let b = self.schedule(next, scope);
                let (mut a, b) = (a?, b?);
                a.parts.extend(b.parts);
                Some(a)
            }
            ExprKind::Ramp { .. } => {
                let (from, to) = self.ramp(expr, scope)?;
                Some(ScheduleSpec {
                    parts: vec![part(CurveSpec::Linear(from, to), None)],
                })
            }
            ExprKind::Call { callee, .. }
                if callee
                    .segments
                    .last()
                    .is_some_and(|n| in_group(Group::Schedule).any(|f| f.name == n.name)) =>
            {
                self.curve(expr, scope).map(|(curve, length)| ScheduleSpec {
                    parts: vec![part(curve, length)],
                })
            }
            ExprKind::Call { callee, .. }
                if callee.segments.last().is_some_and(|n| {
                    !["sqrt", "min", "max", "floor", "ceil", "round"].contains(&n.name.as_str())
                }) =>
            {
                let name = callee.segments.last()?;
                let known = in_group(Group::Schedule).map(|f| f.name);
                self.unknown_function(name, known, "where a schedule is needed");
                None
            }
            _ => match self.constant(expr, scope)? {
                Value::Schedule(spec) => Some(spec),
                value => match value.number() {
                    Some(x) => Some(ScheduleSpec::constant(x, expr.span)),
                    None => {
                        self.mismatch(
                            &value,
                            &Want::Schedule(f64::NEG_INFINITY, f64::INFINITY),
                            expr.span,
                        );
                        None
                    }
                },
            },
        }
    }

    /// Both ends of `a -> b`.
    pub(super) fn ramp(&mut self, expr: &Expr, scope: Scope) -> Option<(f64, f64)> {
        let ExprKind::Ramp { from, to } = &expr.kind else {
            self.report(
                Diagnostic::error(Code::TYPE, "this is not a ramp")
                    .at(expr.span, "has no `->`")
                    .help("write `FROM -> TO`, such as `1 -> 0`"),
            );
            return None;
        };
        let a = self.end(from, scope);
        let b = self.end(to, scope);
        Some((a?, b?))
    }

    /// An end of a ramp: a number, or a field that holds a constant schedule.
    fn end(&mut self, expr: &Expr, scope: Scope) -> Option<f64> {
        let value = self.constant(expr, scope)?;
        match &value {
            Value::Schedule(s) if s.as_constant().is_some() => s.as_constant(),
            _ => self.plain_number(value, expr.span),
        }
    }

    fn curve(&mut self, expr: &Expr, scope: Scope) -> Option<(CurveSpec, Option<Time>)> {
        let layer = Layer::Pipeline(self.source.effective.name.name.as_str().into());
        let setting = Setting::new(expr.clone(), expr.span, layer);
        let args = self.bind(Group::Schedule, &setting, None, scope)?;
        let ramp = args.ramp("ramp");
        let over = args.time("over");
        Some(match (args.function, ramp) {
            ("linear", Some((a, b))) => (CurveSpec::Linear(a, b), over),
            ("cosine", Some((a, b))) => (CurveSpec::Cosine(a, b), over),
            ("poly", Some((a, b))) => (CurveSpec::Poly(a, b, args.float("power")), over),
            ("constant", _) => (CurveSpec::Constant(args.float("value")), over),
            ("step_decay", _) => {
                let curve = CurveSpec::StepDecay {
                    from: args.float("value"),
                    at: args.times("at"),
                    gamma: args.float("gamma"),
                };
                (curve, over)
            }
            _ => (
                CurveSpec::Warmup {
                    from: args.float("from"),
                },
                args.time("length"),
            ),
        })
    }

    /// Puts a schedule on the run and reports what does not fit.
    pub(super) fn place(&mut self, clock: &Clock, spec: &ScheduleSpec, whole: Span) -> Schedule {
        let (schedule, fault) = clock.place(spec);
        if clock.known {
            self.milestones(clock, spec, whole);
        }
        let unit = |steps: f64| {
            let epochs = steps / clock.steps_per_epoch.max(1) as f64;
            format!(
                "{} epochs ({} steps)",
                show_number(epochs),
                show_number(steps.round())
            )
        };
        match fault {
            _ if !clock.known => {}
            None => {}
            Some(ScheduleFault::TwoOpenParts(span)) => self.report(
                Diagnostic::error(Code::TIME, "two parts of the schedule have no length")
                    .at(
                        span,
                        "how long is this, and how long is what stands before?",
                    )
                    .help("say `over: 10 epochs` in all parts but one"),
            ),
            Some(ScheduleFault::TooLong(asked, there, span)) => self.report(
                Diagnostic::error(Code::TIME, "the schedule is longer than the run")
                    .at(span, format!("needs {}", unit(asked)))
                    .at(whole, format!("the run has {}", unit(there)))
                    .help("shorten this part, train longer, or say it as a share of the run, such as `warmup(10%)`"),
            ),
            Some(ScheduleFault::TooShort(asked, there, span)) => self.report(
                Diagnostic::lint(Lint::SCHEDULE_ENDS_EARLY, "the schedule ends before the run does")
                    .at(span, format!("ends after {}", unit(asked)))
                    .at(whole, format!("the run has {}", unit(there)))
                    .help("leave `over:` out of the last part; now its last value holds on"),
            ),
            Some(ScheduleFault::OpenWarmup(span)) => self.report(
                Diagnostic::error(Code::TIME, "the warm-up leads nowhere")
                    .at(span, "nothing follows")
                    .help("write `warmup(...) then cosine(... -> 0)`"),
            ),
        }
        schedule
    }
}

impl Checker<'_> {
    /// Milestones of a `step_decay` that lie behind the run.
    fn milestones(&mut self, clock: &Clock, spec: &ScheduleSpec, whole: Span) {
        let mut start = 0.0;
        let total = clock.steps as f64;
        let lengths: f64 = spec
            .parts
            .iter()
            .filter_map(|p| p.length)
            .map(|t| clock.in_steps(t))
            .sum();
        for part in &spec.parts {
            let length = part.length.map(|t| clock.in_steps(t));
            let length = length.unwrap_or((total - lengths).max(0.0));
            if let CurveSpec::StepDecay { at, .. } = &part.curve {
                let behind = |t: &&Time| clock.in_steps(**t) >= length;
                if let Some(late) = at.iter().find(behind) {
                    let steps = show_number((start + clock.in_steps(*late)).round());
                    self.report(
                        Diagnostic::lint(
                            Lint::NEVER_FIRES,
                            format!("the milestone at {late} is never reached"),
                        )
                        .at(part.span, format!("that is step {steps}"))
                        .at(whole, format!("the run has {} steps", clock.steps))
                        .help("choose an earlier milestone, or train longer"),
                    );
                }
            }
            start += length;
        }
    }
}

/// A time from a quantity.
pub(super) fn time_of(value: &Value) -> Option<Time> {
    match value {
        Value::Quantity(x, Unit::Epochs) => Some(Time::Epochs(*x)),
        Value::Quantity(x, Unit::Steps) => Some(Time::Steps(*x)),
        Value::Quantity(x, Unit::Images) => Some(Time::Images(*x)),
        Value::Quantity(x, Unit::Percent) => Some(Time::Share(*x / 100.0)),
        _ => None,
    }
}
