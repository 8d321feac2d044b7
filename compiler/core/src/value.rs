//! Constant values with their units, and schedules before a step is known.

use std::fmt;

use ssl_diagnostics::Span;
use ssl_plan::{Curve, Schedule, Segment};

/// A duration of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Time {
    /// Optimiser steps.
    Steps(f64),
    /// Passes over the data.
    Epochs(f64),
    /// Images seen.
    Images(f64),
    /// Share of the whole run.
    Share(f64),
}

/// What a unit measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// `step`, `steps`
    Steps,
    /// `epoch`, `epochs`
    Epochs,
    /// `image`, `images`
    Images,
    /// `%`
    Percent,
    /// `px`
    Pixels,
    /// `KiB`, `MiB`, `GiB`
    Bytes(u64),
    /// `s`, `min`, `h`: factor to seconds.
    Seconds(u32),
}

/// Every unit as it is written.
pub const UNITS: &[(&str, Unit)] = &[
    ("epochs", Unit::Epochs),
    ("epoch", Unit::Epochs),
    ("steps", Unit::Steps),
    ("step", Unit::Steps),
    ("images", Unit::Images),
    ("image", Unit::Images),
    ("%", Unit::Percent),
    ("px", Unit::Pixels),
    ("KiB", Unit::Bytes(1 << 10)),
    ("MiB", Unit::Bytes(1 << 20)),
    ("GiB", Unit::Bytes(1 << 30)),
    ("s", Unit::Seconds(1)),
    ("min", Unit::Seconds(60)),
    ("h", Unit::Seconds(3600)),
];

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// `true`, `false`
    Bool(bool),
    /// Text.
    Text(String),
    /// A bare variant: `frozen`, `none`.
    Symbol(String),
    /// A number with its unit.
    Quantity(f64, Unit),
    /// `a..b`
    Range(f64, f64),
    /// `[a, b]`
    List(Vec<Value>),
    /// A value that moves with the step.
    Schedule(ScheduleSpec),
    /// A net or one of its stages: `encoder.backbone`.
    Feature(String, Option<String>),
    /// `[image_folder("a"), image_folder("b")]`: calls, and how they are written.
    Sources(Vec<(ssl_syntax::ast::Expr, String)>),
    /// `batch(affine: false)`, where a norm is wanted.
    Norm(Option<ssl_plan::Norm>),
}

impl Value {
    /// What kind of thing it is, for messages.
    pub fn describe(&self) -> &'static str {
        match self {
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Bool(_) => "a truth value",
            Value::Text(_) => "a text",
            Value::Symbol(_) => "a name",
            Value::Quantity(_, Unit::Steps) => "a number of steps",
            Value::Quantity(_, Unit::Epochs) => "a number of epochs",
            Value::Quantity(_, Unit::Images) => "a number of images",
            Value::Quantity(_, Unit::Percent) => "a percentage",
            Value::Quantity(_, Unit::Pixels) => "a number of pixels",
            Value::Quantity(_, Unit::Bytes(_)) => "a size in bytes",
            Value::Quantity(_, Unit::Seconds(_)) => "a time by the clock",
            Value::Range(..) => "a range",
            Value::List(_) => "a list",
            Value::Schedule(_) => "a schedule",
            Value::Feature(..) => "a net",
            Value::Sources(_) => "a list of sources",
            Value::Norm(_) => "a norm",
        }
    }

    /// The number, where it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(i) => Some(*i as f64),
            Value::Float(f) => Some(*f),
            _ => None,
        }
    }
}

/// `1234567` as `1,234,567`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A number as a user would write it.
pub fn show_number(x: f64) -> String {
    let a = x.abs();
    if x == 0.0 || (1e-4..1e7).contains(&a) {
        let text = format!("{x}");
        let digits = text.trim_start_matches(['-', '0', '.']).len();
        if digits <= 10 {
            text
        } else {
            trim(&format!("{x:.8}"))
        }
    } else {
        let text = format!("{x:e}");
        if text.len() <= 12 {
            text
        } else {
            format!("{x:.6e}")
        }
    }
}

fn trim(s: &str) -> String {
    s.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, unit) = match self {
            Time::Steps(n) => (n, "step"),
            Time::Epochs(n) => (n, "epoch"),
            Time::Images(n) => (n, "image"),
            Time::Share(n) => return write!(f, "{}%", show_number(100.0 * n)),
        };
        let s = if *n == 1.0 { "" } else { "s" };
        write!(f, "{} {unit}{s}", show_number(*n))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(i) => write!(f, "{i}"),
            Value::Float(x) => f.write_str(&show_number(*x)),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Text(t) => write!(f, "\"{}\"", t.replace('\\', "\\\\").replace('"', "\\\"")),
            Value::Symbol(s) => f.write_str(s),
            Value::Quantity(x, Unit::Percent) => write!(f, "{}%", show_number(*x)),
            Value::Quantity(x, Unit::Steps) => Time::Steps(*x).fmt(f),
            Value::Quantity(x, Unit::Epochs) => Time::Epochs(*x).fmt(f),
            Value::Quantity(x, Unit::Images) => Time::Images(*x).fmt(f),
            Value::Quantity(x, unit) => {
                let name = UNITS.iter().find(|(_, u)| u == unit).map_or("", |(n, _)| n);
                let space = if matches!(unit, Unit::Bytes(_) | Unit::Seconds(1)) {
                    ""
                } else {
                    " "
                };
                write!(f, "{}{space}{name}", show_number(*x))
            }
            Value::Range(a, b) => write!(f, "{}..{}", show_number(*a), show_number(*b)),
            Value::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
            Value::Schedule(s) => s.fmt(f),
            Value::Feature(net, None) => f.write_str(net),
            Value::Feature(net, Some(stage)) => write!(f, "{net}.{stage}"),
            Value::Sources(sources) => {
                let texts: Vec<&str> = sources.iter().map(|(_, text)| text.as_str()).collect();
                write!(f, "[{}]", texts.join(", "))
            }
            Value::Norm(None) => f.write_str("none"),
            Value::Norm(Some(ssl_plan::Norm::Batch {
                affine: true,
                shift,
                ..
            })) => f.write_str(match shift {
                true => "batch",
                false => "batch(shift: false)",
            }),
            Value::Norm(Some(ssl_plan::Norm::Layer { .. })) => f.write_str("layer"),
            Value::Norm(Some(ssl_plan::Norm::Batch { affine: false, .. })) => {
                f.write_str("batch(affine: false)")
            }
        }
    }
}

/// A schedule before the length of the run is known.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleSpec {
    /// Parts in order; never empty.
    pub parts: Vec<Part>,
}

/// A part of a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it does.
    pub curve: CurveSpec,
    /// How long; what is left of the run where it is not said.
    pub length: Option<Time>,
    /// Where it stands.
    pub span: Span,
}

/// How a part moves.
#[derive(Debug, Clone, PartialEq)]
pub enum CurveSpec {
    /// One value.
    Constant(f64),
    /// Straight from, to.
    Linear(f64, f64),
    /// Half a cosine from, to.
    Cosine(f64, f64),
    /// From, to, exponent.
    Poly(f64, f64, f64),
    /// Falls by a factor at each milestone.
    StepDecay {
        /// First value.
        from: f64,
        /// When, from the start of the part.
        at: Vec<Time>,
        /// Factor.
        gamma: f64,
    },
    /// Straight from a value to where the next part starts.
    Warmup {
        /// First value.
        from: f64,
    },
}

impl CurveSpec {
    /// Value at its beginning.
    pub fn start(&self) -> f64 {
        match self {
            CurveSpec::Constant(v) => *v,
            CurveSpec::Linear(a, _) | CurveSpec::Cosine(a, _) | CurveSpec::Poly(a, ..) => *a,
            CurveSpec::StepDecay { from, .. } | CurveSpec::Warmup { from } => *from,
        }
    }

    /// Every value that bounds it.
    pub fn ends(&self) -> Vec<f64> {
        match self {
            CurveSpec::Linear(a, b) | CurveSpec::Cosine(a, b) | CurveSpec::Poly(a, b, _) => {
                vec![*a, *b]
            }
            other => vec![other.start()],
        }
    }
}

impl ScheduleSpec {
    /// The same value throughout.
    pub fn constant(value: f64, span: Span) -> Self {
        ScheduleSpec {
            parts: vec![Part {
                curve: CurveSpec::Constant(value),
                length: None,
                span,
            }],
        }
    }

    /// The same, times a factor.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let mut out = self.clone();
        for part in &mut out.parts {
            match &mut part.curve {
                CurveSpec::Constant(v)
                | CurveSpec::StepDecay { from: v, .. }
                | CurveSpec::Warmup { from: v } => *v *= factor,
                CurveSpec::Linear(a, b) | CurveSpec::Cosine(a, b) | CurveSpec::Poly(a, b, _) => {
                    *a *= factor;
                    *b *= factor;
                }
            }
        }
        out
    }

    /// The value, where it never changes.
    pub fn as_constant(&self) -> Option<f64> {
        match self.parts.as_slice() {
            [
                Part {
                    curve: CurveSpec::Constant(v),
                    ..
                },
            ] => Some(*v),
            _ => None,
        }
    }
}

impl fmt::Display for ScheduleSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.parts.iter().enumerate() {
            if i > 0 {
                f.write_str(" then ")?;
            }
            let n = show_number;
            let over = |t: &Option<Time>| t.map_or(String::new(), |t| format!(", over: {t}"));
            let over = over(&part.length);
            match &part.curve {
                CurveSpec::Constant(v) if over.is_empty() => f.write_str(&n(*v))?,
                CurveSpec::Constant(v) => write!(f, "constant({}{over})", n(*v))?,
                CurveSpec::Linear(a, b) => write!(f, "linear({} -> {}{over})", n(*a), n(*b))?,
                CurveSpec::Cosine(a, b) => write!(f, "cosine({} -> {}{over})", n(*a), n(*b))?,
                CurveSpec::Poly(a, b, p) => {
                    write!(f, "poly({} -> {}, power: {}{over})", n(*a), n(*b), n(*p))?;
                }
                CurveSpec::StepDecay { from, at, gamma } => {
                    let at: Vec<String> = at.iter().map(ToString::to_string).collect();
                    write!(
                        f,
                        "step_decay({}, at: [{}], gamma: {})",
                        n(*from),
                        at.join(", "),
                        n(*gamma)
                    )?;
                }
                CurveSpec::Warmup { from } => {
                    let length = part.length.map_or(String::new(), |t| t.to_string());
                    if *from == 0.0 {
                        write!(f, "warmup({length})")?;
                    } else {
                        write!(f, "warmup({length}, from: {})", n(*from))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// How long the run is, in every unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    /// Steps of the whole run.
    pub steps: usize,
    /// Steps in an epoch.
    pub steps_per_epoch: usize,
    /// Images in a step.
    pub batch: usize,
    /// Equal parts of a batch that are computed one after the other.
    pub micro_batches: usize,
    /// Whether this is the truth; otherwise the data could not be seen and an
    /// epoch is taken for a thousand steps, so that checks can go on.
    pub known: bool,
}

/// What is wrong with a schedule.
#[derive(Debug, Clone, PartialEq)]
pub enum ScheduleFault {
    /// Two parts without a length; the second's place.
    TwoOpenParts(Span),
    /// Parts with a length are longer than the run: steps asked, steps there.
    TooLong(f64, f64, Span),
    /// Parts end before the run does, and nothing fills the rest.
    TooShort(f64, f64, Span),
    /// A warm-up at the end leads nowhere.
    OpenWarmup(Span),
}

impl Clock {
    /// A duration in steps, not necessarily whole.
    pub fn in_steps(&self, time: Time) -> f64 {
        match time {
            Time::Steps(n) => n,
            Time::Epochs(n) => n * self.steps_per_epoch as f64,
            Time::Images(n) => n / self.batch.max(1) as f64,
            Time::Share(n) => n * self.steps as f64,
        }
    }

    /// Puts a schedule on this run. A fault that still leaves a schedule with
    /// a meaning (too short) comes with one.
    pub fn place(&self, spec: &ScheduleSpec) -> (Schedule, Option<ScheduleFault>) {
        let total = self.steps as f64;
        let mut fault = None;
        let fixed: f64 = spec
            .parts
            .iter()
            .filter_map(|p| p.length)
            .map(|t| self.in_steps(t))
            .sum();
        let open: Vec<&Part> = spec.parts.iter().filter(|p| p.length.is_none()).collect();
        let last = spec.parts.last().map_or(Span::default(), |p| p.span);
        if let Some(second) = open.get(1) {
            fault = Some(ScheduleFault::TwoOpenParts(second.span));
        } else if fixed > total * (1.0 + 1e-9) || (fixed >= total && !open.is_empty()) {
            let at = spec
                .parts
                .iter()
                .find(|p| p.length.is_some())
                .map_or(last, |p| p.span);
            fault = Some(ScheduleFault::TooLong(fixed, total, at));
        } else if open.is_empty() && fixed < total * (1.0 - 1e-9) {
            fault = Some(ScheduleFault::TooShort(fixed, total, last));
        }
        let rest = (total - fixed).max(0.0);
        let mut segments = Vec::new();
        for (i, part) in spec.parts.iter().enumerate() {
            let steps = part.length.map_or(rest, |t| self.in_steps(t));
            let curve = match &part.curve {
                CurveSpec::Constant(value) => Curve::Constant { value: *value },
                CurveSpec::Linear(from, to) => Curve::Linear {
                    from: *from,
                    to: *to,
                },
                CurveSpec::Cosine(from, to) => Curve::Cosine {
                    from: *from,
                    to: *to,
                },
                CurveSpec::Poly(from, to, power) => Curve::Poly {
                    from: *from,
                    to: *to,
                    power: *power,
                },
                CurveSpec::StepDecay { from, at, gamma } => Curve::StepDecay {
                    from: *from,
                    milestones: at.iter().map(|t| self.in_steps(*t)).collect(),
                    gamma: *gamma,
                },
                CurveSpec::Warmup { from } => {
                    let Some(next) = spec.parts.get(i + 1) else {
                        fault = Some(ScheduleFault::OpenWarmup(part.span));
                        continue;
                    };
                    Curve::Linear {
                        from: *from,
                        to: next.curve.start(),
                    }
                }
            };
            segments.push(Segment { steps, curve });
        }
        if segments.is_empty() {
            segments.extend(Schedule::constant(0.0).segments);
        }
        (Schedule { segments }, fault)
    }
}
