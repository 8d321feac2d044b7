//! Arguments of functions whose names say what they are.

use ssl_diagnostics::Span;
use ssl_plan::{Curve, Op};
use ssl_syntax::ast::FnParam;

use super::{Builder, Item};

impl Builder<'_, '_> {
    /// Judges a temperature by the values that it takes over the run. One that
    /// was handed on from another function has been judged there.
    pub(super) fn usual(&mut self, param: &FnParam, item: &Item, at: Span) {
        let name = param.name.name.as_str();
        if self.depth > 0 || !(name == "temperature" || name.ends_with("_temperature")) {
            return;
        }
        let values: Vec<f64> = match item {
            Item::Number(x) => vec![*x],
            Item::Node(id) => match self.nodes.get(*id).map(|n| &n.op) {
                Some(Op::Scalar { value }) => value
                    .segments
                    .iter()
                    .flat_map(|s| match &s.curve {
                        Curve::Constant { value } => vec![*value],
                        Curve::Linear { from, to }
                        | Curve::Cosine { from, to }
                        | Curve::Poly { from, to, .. } => vec![*from, *to],
                        Curve::StepDecay { from, .. } => vec![*from],
                    })
                    .collect(),
                _ => return,
            },
            _ => return,
        };
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.checker.usual_temperature(low, high, at);
    }
}
