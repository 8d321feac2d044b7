//! The registry of lints: warnings that a pipeline may allow by name, with
//! `allow(NAME)`. Several lints may share a code, whose page lists them.

use crate::Code;

/// A warning with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lint {
    /// As `allow(...)` takes it.
    pub name: &'static str,
    /// Under which code it is reported.
    pub code: Code,
    /// What it finds, in a few words.
    pub title: &'static str,
}

macro_rules! lints {
    ($($constant:ident = $name:literal of $code:ident, $title:literal;)*) => {
        impl Lint {
            $(#[doc = $title] pub const $constant: Lint = Lint {
                name: $name,
                code: Code::$code,
                title: $title,
            };)*
        }
        const ALL: &[Lint] = &[$(Lint::$constant),*];
    };
}

lints! {
    COLLAPSE = "collapse" of COLLAPSE, "a loss that a constant output minimises";
    PREDICTOR_SIDE = "predictor_side" of PREDICTOR_SIDE, "a trained net behind a detached value";
    TOO_MANY_NEIGHBOURS = "too_many_neighbours" of RANGE, "more neighbours than there are features";
    UNUSUAL_RATE = "unusual_rate" of UNUSUAL, "a learning rate of another optimizer's size";
    UNUSUAL_WEIGHT_DECAY = "unusual_weight_decay" of UNUSUAL, "a weight decay of another optimizer's size";
    UNUSUAL_TEMPERATURE = "unusual_temperature" of UNUSUAL, "a temperature outside of 0.01 to 2";
    UNUSUAL_DECAY = "unusual_decay" of UNUSUAL, "an average that forgets, or never learns";
    UNUSUAL_RANGE = "unusual_range" of UNUSUAL, "one value where a range is usual";
    SCHEDULE_ENDS_EARLY = "schedule_ends_early" of TIME, "a schedule that is over before the run";
    NEVER_FIRES = "never_fires" of TIME, "an interval or milestone that lies behind the run";
    BATCH_NORM_IN_PARTS = "batch_norm_in_parts" of BATCH, "micro-batches that leave a BatchNorm fewer images";
    NO_LABELS = "no_labels" of LABELS, "an instrument that needs labels, on data without";
    UNUSED_VIEW = "unused_view" of UNUSED, "a view that nothing reads";
    UNUSED_NET = "unused_net" of UNUSED, "a net that is never called";
    UNUSED_PARAM = "unused_param" of UNUSED, "a `param` or `let` that nothing reads";
    UNUSED_NAME = "unused_name" of UNUSED, "a name of the step or of a function that nothing reads";
    UNUSED_FUNCTION = "unused_function" of UNUSED, "a function that is never called";
    UNUSED_IMPORT = "unused_import" of UNUSED, "an import that nothing names";
    REDUNDANT_OVERRIDE = "redundant_override" of NO_EFFECT, "an override with the value that is inherited";
    NO_EFFECT = "no_effect" of NO_EFFECT, "a transform or a setting that never changes anything";
    DANGLING_DOC = "dangling_doc" of DANGLING_DOC, "documentation that precedes nothing";
    USELESS_ALLOW = "useless_allow" of USELESS_ALLOW, "an `allow` of what does not occur";
    DUPLICATE_VARIANT = "duplicate_variant" of SWEEP, "two variants of a sweep that are the same run";
    VARY_WITHOUT_EFFECT = "vary_without_effect" of SWEEP, "a `vary` whose values all give the same run";
}

/// Every lint, in order of code.
pub fn all() -> &'static [Lint] {
    ALL
}

/// A lint by its name.
pub fn by_name(name: &str) -> Option<&'static Lint> {
    ALL.iter().find(|l| l.name == name)
}
