//! Fits a constant to what a place wants, or says why it does not fit.

use ssl_diagnostics::{Code, Diagnostic, Fix, Span};

use super::Checker;
use crate::schema::{INF, Want};
use crate::value::{ScheduleSpec, Time, Unit, Value, show_number};

impl Checker<'_> {
    /// The value as wanted. Whole numbers serve as numbers, `%` as a fraction,
    /// `px` as pixels, numbers as constant schedules.
    pub(super) fn coerce(&mut self, value: Value, want: &Want, span: Span) -> Option<Value> {
        match (want, &value) {
            (Want::Int(low, high), _) => {
                let x = self.whole(&value, want, span)?;
                self.bounded(x as f64, *low as f64, *high as f64, want, span)?;
                Some(Value::Int(x))
            }
            (Want::Images(low, high), Value::Quantity(x, Unit::Images)) => {
                self.coerce(Value::Float(*x), &Want::Images(*low, *high), span)
            }
            (Want::Images(low, high), _) => {
                let x = self.whole(&value, want, span)?;
                self.bounded(x as f64, *low as f64, *high as f64, want, span)?;
                Some(Value::Int(x))
            }
            (Want::Float(low, high), _) => {
                let x = self.real(&value, want, span)?;
                self.bounded(x, *low, *high, want, span)?;
                Some(Value::Float(x))
            }
            (Want::Fraction, Value::Quantity(x, Unit::Percent)) => {
                self.bounded(x / 100.0, 0.0, 1.0, want, span)?;
                Some(Value::Float(x / 100.0))
            }
            (Want::Fraction, _) => {
                let x = self.real(&value, want, span)?;
                self.bounded(x, 0.0, 1.0, want, span)?;
                Some(Value::Float(x))
            }
            (Want::Positive, _) => {
                let x = self.real(&value, want, span)?;
                if x <= 0.0 {
                    self.out_of_range(x, want, span);
                    return None;
                }
                Some(Value::Float(x))
            }
            (Want::Interval(low, high), Value::Range(a, b)) => {
                self.bounded(*a, *low, *high, want, span)?;
                self.bounded(*b, *low, *high, want, span)?;
                Some(value)
            }
            (Want::Interval(low, high), _) => {
                let x = self.real(&value, want, span)?;
                self.bounded(x, *low, *high, want, span)?;
                Some(Value::Float(x))
            }
            (Want::Strength, Value::Range(a, _)) => {
                self.bounded(*a, 0.0, INF, want, span)?;
                Some(value)
            }
            (Want::Strength, _) => {
                let x = self.real(&value, want, span)?;
                self.bounded(x, 0.0, INF, want, span)?;
                Some(Value::Float(x))
            }
            (Want::Size, Value::List(items)) => {
                let [h, w] = items.as_slice() else {
                    self.mismatch(&value, want, span);
                    return None;
                };
                let one = Want::Int(1, 1 << 14);
                let h = self.coerce(h.clone(), &one, span)?;
                let w = self.coerce(w.clone(), &one, span)?;
                Some(Value::List(vec![h, w]))
            }
            (Want::Size, _) => self.coerce(value, &Want::Int(1, 1 << 14), span),
            (Want::Widths, Value::List(items)) if !items.is_empty() => {
                let one = Want::Int(1, 1 << 20);
                let items = items.clone();
                items
                    .into_iter()
                    .map(|i| self.coerce(i, &one, span))
                    .collect::<Option<Vec<_>>>()
                    .map(Value::List)
            }
            (Want::Channels, Value::List(items)) if items.len() == 3 => {
                let items = items.clone();
                items
                    .into_iter()
                    .map(|i| self.coerce(i, &Want::Float(-INF, INF), span))
                    .collect::<Option<Vec<_>>>()
                    .map(Value::List)
            }
            (Want::Epochs, Value::Quantity(x, Unit::Epochs)) => {
                self.coerce(Value::Float(*x), &Want::Float(1e-9, 1e9), span)
            }
            (Want::Epochs, Value::Quantity(x, Unit::Steps)) => {
                self.other_length(*x, Unit::Steps, span);
                None
            }
            (Want::Steps, Value::Quantity(x, Unit::Epochs)) => {
                self.other_length(*x, Unit::Epochs, span);
                None
            }
            (Want::Epochs, _) if value.number().is_some() => {
                self.coerce(value, &Want::Float(1e-9, 1e9), span)
            }
            (Want::Steps, Value::Quantity(x, Unit::Steps)) => {
                self.coerce(Value::Float(*x), &Want::Int(1, 1 << 40), span)
            }
            (Want::Steps, _) if value.number().is_some() => {
                self.coerce(value, &Want::Int(1, 1 << 40), span)
            }
            (Want::Time, Value::Quantity(x, Unit::Epochs | Unit::Steps | Unit::Images)) => {
                self.bounded(*x, 0.0, INF, want, span)?;
                Some(value)
            }
            (Want::Time, Value::Quantity(x, Unit::Percent)) => {
                self.bounded(*x, 0.0, 100.0, want, span)?;
                Some(value)
            }
            (Want::Time, _) if value.number().is_some() => {
                self.report(
                    Diagnostic::error(Code::UNIT, "this time has no unit")
                        .at(span, "epochs or steps?")
                        .help(format!("write `{value} epochs` or `{value} steps`"))
                        .fix(Fix::maybe(
                            "say the unit",
                            Span::new(span.end, span.end),
                            " epochs",
                        )),
                );
                None
            }
            (Want::Amount, Value::Quantity(x, Unit::Percent)) => {
                self.bounded(*x, 0.0, 100.0, want, span)?;
                Some(value)
            }
            (Want::Amount, Value::Quantity(x, Unit::Images)) => {
                self.coerce(Value::Float(*x), &Want::Int(1, i64::MAX), span)
            }
            (Want::Amount, _) => self.coerce(value, &Want::Int(1, i64::MAX), span),
            (Want::Bytes, Value::Quantity(x, Unit::Bytes(_))) => {
                self.bounded(*x, 0.0, 1e12, want, span)?;
                Some(value)
            }
            (Want::Bytes, _) if value.number() == Some(0.0) => {
                Some(Value::Quantity(0.0, Unit::Bytes(1 << 20)))
            }
            (Want::Duration, Value::Quantity(x, Unit::Seconds(factor))) => {
                self.bounded(*x * f64::from(*factor), 1.0, 1e7, want, span)?;
                Some(value)
            }
            (Want::Bytes | Want::Duration, _) if value.number().is_some() => {
                let (what, unit, ask) = match want {
                    Want::Bytes => ("size", "MiB", "of what?"),
                    _ => ("time", "s", "seconds?"),
                };
                self.report(
                    Diagnostic::error(Code::UNIT, format!("this {what} has no unit"))
                        .at(span, ask)
                        .help(format!("write {}", want.describe()))
                        .fix(Fix::maybe(
                            "say the unit",
                            Span::new(span.end, span.end),
                            unit,
                        )),
                );
                None
            }
            (Want::Bool, Value::Bool(_)) | (Want::Text, Value::Text(_) | Value::Symbol(_)) => {
                Some(value)
            }
            (Want::Schedule(low, high), Value::Schedule(s)) => {
                let spec = s.clone();
                self.bounded_schedule(&spec, *low, *high, span)?;
                Some(value)
            }
            (Want::Schedule(low, high), _) => {
                let x = self.real(&value, want, span)?;
                self.bounded(x, *low, *high, want, span)?;
                Some(Value::Schedule(ScheduleSpec::constant(x, span)))
            }
            _ => {
                self.mismatch(&value, want, span);
                None
            }
        }
    }

    /// What a number of epochs or steps is in the other unit, where the data
    /// tells.
    pub(super) fn conversion(&self, x: f64, unit: Unit) -> Option<String> {
        let pace = self.pace? as f64;
        let (here, there) = match unit {
            Unit::Epochs => (Time::Epochs(x), Time::Steps((x * pace).round())),
            Unit::Steps => (Time::Steps(x), Time::Epochs(x / pace)),
            _ => return None,
        };
        let are = if x == 1.0 { "is" } else { "are" };
        Some(format!("{here} {are} {there} here"))
    }

    /// Reports steps where epochs are counted, or the other way round.
    fn other_length(&mut self, x: f64, unit: Unit, span: Span) {
        let (given, wanted) = match unit {
            Unit::Steps => ("steps", "epochs"),
            _ => ("epochs", "steps"),
        };
        let mut help = format!(
            "write `{given} = {}` in place of `{wanted}`",
            show_number(x)
        );
        if let Some(conversion) = self.conversion(x, unit) {
            help = format!("{help}; {conversion}");
        }
        let field = self.source.effective.train.get(wanted);
        let field = field.filter(|f| f.expr.span == span).map(|f| f.target);
        let at = field.map(|target| self.segment(target, wanted));
        self.report(
            Diagnostic::error(
                Code::UNIT,
                format!("a number of {given} stands where {wanted} are counted"),
            )
            .at(span, given)
            .help(help)
            .maybe_fix(at.map(|at| Fix::certain(format!("write `{given}`"), at, given))),
        );
    }

    fn whole(&mut self, value: &Value, want: &Want, span: Span) -> Option<i64> {
        match value {
            Value::Int(i) => Some(*i),
            Value::Float(f) | Value::Quantity(f, Unit::Pixels)
                if f.fract() == 0.0 && f.abs() < 9e15 =>
            {
                Some(*f as i64)
            }
            _ => {
                self.mismatch(value, want, span);
                None
            }
        }
    }

    fn real(&mut self, value: &Value, want: &Want, span: Span) -> Option<f64> {
        if let Some(x) = value.number() {
            return Some(x);
        }
        if let Value::Schedule(s) = value
            && let Some(x) = s.as_constant()
        {
            return Some(x);
        }
        self.mismatch(value, want, span);
        None
    }

    /// Reports a number outside closed bounds.
    pub(super) fn bounded(
        &mut self,
        x: f64,
        low: f64,
        high: f64,
        want: &Want,
        span: Span,
    ) -> Option<()> {
        if (low..=high).contains(&x) {
            return Some(());
        }
        self.out_of_range(x, want, span);
        None
    }

    fn out_of_range(&mut self, x: f64, want: &Want, span: Span) {
        let text = self.source.map.text(span);
        let share = *want == Want::Fraction && (1.0..=100.0).contains(&x);
        // Written as a number, `50` may have been meant as a share.
        let percent = (share && text.parse::<f64>().is_ok())
            .then(|| Fix::maybe("write a percentage", span, format!("{text}%")));
        self.report(
            Diagnostic::error(Code::RANGE, format!("{} is out of range", show_number(x)))
                .at(span, format!("this is {}", show_number(x)))
                .help(format!("write {}", want.describe()))
                .maybe_fix(percent),
        );
    }

    pub(super) fn mismatch(&mut self, value: &Value, want: &Want, span: Span) {
        let (code, what) = match value {
            Value::Quantity(..) => (Code::UNIT, "has the wrong unit"),
            _ => (Code::TYPE, "has the wrong type"),
        };
        self.report(
            Diagnostic::error(code, format!("{} {what} for this place", value.describe()))
                .at(span, format!("this is {}", value.describe()))
                .help(format!("write {}", want.describe())),
        );
    }

    /// Reports a schedule one of whose values is outside closed bounds.
    pub(super) fn bounded_schedule(
        &mut self,
        spec: &ScheduleSpec,
        low: f64,
        high: f64,
        span: Span,
    ) -> Option<()> {
        let mut fine = Some(());
        for part in &spec.parts {
            for x in part.curve.ends() {
                if self
                    .bounded(x, low, high, &Want::Schedule(low, high), span)
                    .is_none()
                {
                    fine = None;
                }
            }
        }
        fine
    }
}
