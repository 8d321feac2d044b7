//! `curve.svg`: the loss, the kNN monitor and the learning rate over the
//! steps, as one picture that needs nothing but a viewer.

use std::fmt::Write;

use super::metrics::Line;
use crate::judge::{Reading, When};
use crate::plot::{Panel, Scale, escape, number};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 696.0;

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#57606a}\
.title{font-size:15px;font-weight:600;fill:#24292f}\
.grid{stroke:#8c959f;stroke-opacity:.3}\
.axis{stroke:#8c959f}\
path{fill:none;stroke-width:1.6;stroke-linejoin:round}\
.loss{stroke:#0969da}.knn{stroke:#bc4c00}.lr{stroke:#8250df}\
circle.knn{fill:#bc4c00;stroke:none}\
text.loss{fill:#0969da;stroke:none}text.knn{fill:#bc4c00;stroke:none}\
text.lr{fill:#8250df;stroke:none}\
@media(prefers-color-scheme:dark){text{fill:#8d96a0}.title{fill:#e6edf3}\
.loss{stroke:#4493f8}.knn{stroke:#f0883e}.lr{stroke:#ab7df8}\
circle.knn{fill:#f0883e}text.loss{fill:#4493f8}text.knn{fill:#f0883e}text.lr{fill:#ab7df8}}";

/// The picture of a run of `steps` steps.
pub fn render(title: &str, steps: usize, lines: &[Line]) -> String {
    let mut loss = Vec::new();
    let mut rate = Vec::new();
    let mut knn = Vec::new();
    let mut judged = Vec::new();
    for line in lines {
        match line {
            Line::Step {
                step, loss: l, lr, ..
            } => {
                loss.push((*step as f64, f64::from(*l)));
                rate.push((*step as f64, *lr));
            }
            Line::Monitor {
                step,
                reading: Reading::Knn { accuracy, .. },
            } => knn.push((*step as f64, 100.0 * accuracy)),
            Line::Eval {
                when, evaluation, ..
            } => {
                let at = if *when == When::Before {
                    0.0
                } else {
                    steps as f64
                };
                judged.extend(evaluation.accuracy.map(|accuracy| (at, 100.0 * accuracy)));
            }
            Line::Monitor { .. } | Line::Note { .. } => {}
        }
    }
    let has_knn = !(knn.is_empty() && judged.is_empty());
    let across = Scale::new(0.0, steps.max(1) as f64, LEFT, RIGHT);
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} 420\" \
         width=\"{WIDTH}\" height=\"420\" role=\"img\"><title>{0}</title><style>{STYLE}</style>\
         <text class=\"title\" x=\"{LEFT}\" y=\"24\">{0}</text>",
        escape(title)
    );

    let upper = Panel {
        top: 48.0,
        bottom: 284.0,
        across,
    };
    let down = upper.scale(loss.iter().map(|point| point.1));
    upper.frame(&mut svg, &down, "loss", "loss", false);
    upper.curve(&mut svg, &down, "loss", &loss);
    if has_knn {
        let percent = Scale::new(0.0, 100.0, upper.bottom, upper.top);
        upper.frame(
            &mut svg,
            &percent,
            "knn",
            "kNN accuracy, %: line while training, dots before and after",
            true,
        );
        upper.curve(&mut svg, &percent, "knn", &knn);
        for (x, y) in judged {
            let _ = write!(
                svg,
                "<circle class=\"knn\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"><title>kNN evaluation: \
                 {y:.1} %</title></circle>",
                across.at(x),
                percent.at(y)
            );
        }
    }
    let lower = Panel {
        top: 316.0,
        bottom: 376.0,
        across,
    };
    let down = lower.scale(rate.iter().map(|point| point.1).chain([0.0]));
    lower.frame(&mut svg, &down, "lr", "learning rate", false);
    lower.curve(&mut svg, &down, "lr", &rate);
    for tick in across.ticks() {
        let x = across.at(tick);
        let _ = write!(
            svg,
            "<text x=\"{x:.1}\" y=\"394\" text-anchor=\"middle\">{}</text>",
            number(tick)
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"412\" text-anchor=\"middle\">step</text></svg>",
        (LEFT + RIGHT) / 2.0
    );
    svg.push('\n');
    svg
}
