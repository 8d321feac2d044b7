//! What the language's sections and functions take: one table for the
//! checker, the messages, the completion and the documentation.

mod fields;
mod functions;
#[cfg(test)]
mod reference;
mod sections;

pub use functions::{Function, Group, function, functions, in_group};
pub use sections::{DATA, TRAIN, fields_of};

/// The type that a place wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Want {
    /// A whole number within bounds.
    Int(i64, i64),
    /// A whole number of images within bounds, with or without the unit.
    Images(i64, i64),
    /// A number within closed bounds.
    Float(f64, f64),
    /// A number above zero.
    Positive,
    /// A truth value.
    Bool,
    /// A text.
    Text,
    /// One of some bare names.
    Choice(&'static [&'static str]),
    /// A number or a range; a number stands for both ends. Within bounds.
    Interval(f64, f64),
    /// torchvision's jitter strength: a number `s` for `max(0, 1-s)..1+s`, or
    /// the range itself.
    Strength,
    /// Pixels: one number, or `[height, width]`.
    Size,
    /// A list of whole numbers above zero.
    Widths,
    /// Three numbers, one for each channel.
    Channels,
    /// A list of data sources.
    Sources,
    /// A list of numbers from zero, not all of them zero.
    Weights,
    /// A number of epochs, with or without the unit.
    Epochs,
    /// A whole number of steps, with or without the unit.
    Steps,
    /// `epochs`, `steps`, `images`, or a percentage of the whole run.
    Time,
    /// A list of times.
    Times,
    /// A share of the data (`10%`) or a number of images.
    Amount,
    /// A size in memory: `2GiB`, or 0.
    Bytes,
    /// A time by the clock from one second: `120s`, `5 min`.
    Duration,
    /// A fraction, also as a percentage.
    Fraction,
    /// A number for every step, within bounds.
    Schedule(f64, f64),
    /// `a -> b` within a schedule function.
    Ramp,
    /// A norm: `none`, `batch`, `batch(affine: false)`.
    Norm,
    /// A net or one of its stages.
    Feature,
    /// A net.
    Net,
    /// A list of nets.
    Nets,
    /// A view's name.
    View,
    /// A list of parameter classes.
    Classes,
    /// Nets, stages or parameters, one or a list.
    Paths,
    /// Named channel statistics, `imagenet`.
    Statistics,
    /// A call of a function of the group.
    Call(Group),
}

impl Want {
    /// What a value has to be, for messages: "a whole number from 1".
    pub fn describe(&self) -> String {
        let bounds = |a: f64, b: f64| match (a.is_finite(), b.is_finite()) {
            (true, true) => format!(" from {a} to {b}"),
            (true, false) => format!(" from {a}"),
            (false, true) => format!(" up to {b}"),
            (false, false) => String::new(),
        };
        match self {
            Want::Int(a, b) => {
                let low = if *a == i64::MIN {
                    f64::NEG_INFINITY
                } else {
                    *a as f64
                };
                let high = if *b == i64::MAX {
                    f64::INFINITY
                } else {
                    *b as f64
                };
                format!("a whole number{}", bounds(low, high))
            }
            Want::Images(a, b) => {
                format!("a whole number of images{}", bounds(*a as f64, *b as f64))
            }
            Want::Float(a, b) => format!("a number{}", bounds(*a, *b)),
            Want::Positive => "a number above 0".into(),
            Want::Bool => "`true` or `false`".into(),
            Want::Text => "a text in double quotes".into(),
            Want::Choice(c) => {
                format!(
                    "one of {}",
                    crate::names::list(c.iter().copied()).unwrap_or_default()
                )
            }
            Want::Interval(a, b) => format!("a number or a range{}", bounds(*a, *b)),
            Want::Strength => {
                "a strength such as `0.4`, or a range of factors such as `0.6..1.4`".into()
            }
            Want::Size => "a number of pixels, or `[height, width]`".into(),
            Want::Widths => "a list of widths such as `[4096, 256]`".into(),
            Want::Channels => "a list of three numbers, one for each channel".into(),
            Want::Sources => {
                "a list of sources such as `[image_folder(\"a\"), image_folder(\"b\")]`".into()
            }
            Want::Weights => "a list of weights such as `[3, 1]`".into(),
            Want::Epochs => "a number of epochs such as `300`".into(),
            Want::Steps => "a whole number of steps such as `10_000`".into(),
            Want::Time => "a time such as `40 epochs`, `500 steps`, or `10%` of the run".into(),
            Want::Times => "a list of times such as `[60 epochs, 80 epochs]`".into(),
            Want::Amount => "a share such as `10%`, or a number of images".into(),
            Want::Bytes => "a size such as `256MiB`, or 0".into(),
            Want::Duration => "a time by the clock from 1 s, such as `120s` or `5 min`".into(),
            Want::Fraction => "a fraction from 0 to 1, or a percentage".into(),
            Want::Schedule(a, b) => {
                format!("a number or a schedule{}", bounds(*a, *b))
            }
            Want::Ramp => "a ramp such as `1 -> 0`".into(),
            Want::Norm => "a norm: `none`, `batch`, `batch(affine: false)` or `layer`".into(),
            Want::Feature => "a net or one of its stages, such as `encoder.backbone`".into(),
            Want::Net => "the name of a net".into(),
            Want::Nets => "a list of nets such as `[predictor]`".into(),
            Want::View => "the name of a view".into(),
            Want::Paths => "a net, a stage or a parameter, or a list of them: `encoder.backbone`, \
                 `\"encoder.backbone.blocks.0\"`"
                .into(),
            Want::Classes => "a list of parameter classes such as `[bias, norm]`".into(),
            Want::Statistics => "`imagenet`, `half` or `mean:` and `std:`".into(),
            Want::Call(group) => group.describe().into(),
        }
    }
}

/// A value that a parameter has where nothing is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fallback {
    /// It must be written.
    Required,
    /// It may be left out, and then means what its documentation says.
    Absent,
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A bare name.
    Symbol(&'static str),
    /// A text.
    Text(&'static str),
    /// A range.
    Range(f64, f64),
    /// A list of bare names.
    Symbols(&'static [&'static str]),
    /// A time in epochs.
    Epochs(f64),
    /// A time in steps.
    Steps(f64),
    /// Seconds.
    Seconds(f64),
    /// A size in MiB.
    Mebibytes(f64),
}

/// A parameter of a function, or a field of a section.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub want: Want,
    /// What it is where nothing is written.
    pub fallback: Fallback,
    /// What it means, with its unit.
    pub doc: &'static str,
}

/// A [`Field`] in one line.
pub const fn field(name: &'static str, want: Want, fallback: Fallback, doc: &'static str) -> Field {
    Field {
        name,
        want,
        fallback,
        doc,
    }
}

/// A probability.
pub const PROBABILITY: Want = Want::Fraction;
/// A count from one.
pub const COUNT: Want = Want::Int(1, i64::MAX);
/// No upper bound.
pub const INF: f64 = f64::INFINITY;
