//! The registry of codes. A code is never reused for another meaning.

/// A stable code, written `ssl::E0203`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(&'static str);

impl Code {
    /// Without the prefix: `E0203`.
    pub fn short(self) -> &'static str {
        self.0
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ssl::{}", self.0)
    }
}

/// What a code stands for.
#[derive(Debug, Clone, Copy)]
pub struct CodeInfo {
    /// The code.
    pub code: Code,
    /// Its meaning in a few words.
    pub title: &'static str,
    /// Its page in Markdown, as in `explain/E0203.md`.
    pub page: &'static str,
}

macro_rules! codes {
    ($($name:ident = $code:literal, $title:literal;)*) => {
        impl Code {
            $(#[doc = $title] pub const $name: Code = Code($code);)*
        }
        const ALL: &[CodeInfo] = &[$(CodeInfo {
            code: Code::$name,
            title: $title,
            page: include_str!(concat!("../explain/", $code, ".md")),
        }),*];
    };
}

codes! {
    // 00: text
    SYNTAX = "E0001", "the text does not follow the grammar";
    NESTING = "E0002", "the text is nested too deeply";
    NOT_YET = "E0003", "the construct is not supported yet";
    FILE = "E0004", "a file cannot be read";
    // 01: names
    UNKNOWN_NAME = "E0101", "a name stands for nothing";
    UNKNOWN_FIELD = "E0102", "a section has no such field";
    UNKNOWN_FUNCTION = "E0103", "there is no such function";
    UNKNOWN_ARGUMENT = "E0104", "a function has no such argument";
    UNKNOWN_VARIANT = "E0105", "a value is not one of the choices";
    UNKNOWN_UNIT = "E0106", "there is no such unit";
    UNKNOWN_PIPELINE = "E0107", "there is no such pipeline";
    UNKNOWN_VARIABLE = "E0108", "an environment variable is not set";
    UNKNOWN_LINT = "E0109", "there is no such lint";
    // 02: merging
    DUPLICATE = "E0201", "a name is set twice in one block";
    OVERRIDE_NOTHING = "E0202", "an override or drop hits nothing";
    EXTENDS_CYCLE = "E0203", "pipelines extend each other in a circle";
    AMBIGUOUS = "E0204", "a name stands for several things";
    MISSING = "E0205", "something required is missing";
    VALUE_CYCLE = "E0206", "values depend on each other in a circle";
    IMPORT_CYCLE = "E0207", "files import each other in a circle";
    // 03: types, units, ranges
    TYPE = "E0301", "a value has the wrong type";
    UNIT = "E0302", "a quantity has the wrong unit";
    RANGE = "E0303", "a value is out of its range";
    ARGUMENTS = "E0304", "a function has too many or too few arguments";
    ARITHMETIC = "E0305", "an arithmetic operation has no result";
    UNUSUAL = "E0306", "a value is unusual for its place";
    // 04: shapes and wiring
    SHAPE = "E0401", "shapes do not fit";
    NO_GRADIENT = "E0402", "a loss reaches no parameters";
    UNTRAINED = "E0403", "a net is optimised but no loss reaches it";
    EMA_OF_EMA = "E0404", "an average of an average";
    COLLAPSE = "E0405", "the loss can be minimised by a constant output";
    TRANSFORM_ORDER = "E0406", "a transform stands in the wrong place";
    PREDICTOR_SIDE = "E0407", "a predictor stands on the wrong side";
    // 05: data, batch, time
    BATCH = "E0501", "the batch does not fit the data";
    DATA = "E0502", "the data cannot be used";
    TIME = "E0503", "times do not fit each other";
    LABELS = "E0504", "labels are needed and not there";
    // 06: loose ends
    UNUSED = "E0601", "something is never used";
    NO_EFFECT = "E0602", "a statement changes nothing";
    DANGLING_DOC = "E0603", "documentation precedes nothing";
    USELESS_ALLOW = "E0604", "an `allow` allows nothing";
    SWEEP = "E0605", "a sweep does the same run twice";
    // 07: the machine
    MEMORY = "E0701", "a step does not fit into the memory";
}

/// Every code, in order.
pub fn all() -> &'static [CodeInfo] {
    ALL
}

/// Looks a code up by `E0203` or `ssl::E0203`, in any case.
pub fn info(code: &str) -> Option<&'static CodeInfo> {
    let short = code.rsplit(':').next().unwrap_or(code);
    ALL.iter().find(|i| i.code.0.eq_ignore_ascii_case(short))
}
