//! `curve.svg`: the loss, the kNN monitor and the learning rate over the
//! steps, as one picture that needs nothing but a viewer.

use std::fmt::Write;

use super::metrics::Line;
use crate::judge::{Reading, When};

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
            Line::Monitor { .. } => {}
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

/// A linear map of values onto pixels.
#[derive(Clone, Copy)]
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn new(low: f64, high: f64, from: f64, to: f64) -> Self {
        Scale {
            low,
            high,
            from,
            to,
        }
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round values within, about five.
    fn ticks(&self) -> Vec<f64> {
        let step = tick_step(self.high - self.low);
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|i| i as f64 * step).collect()
    }
}

fn tick_step(span: f64) -> f64 {
    let raw = span / 5.0;
    let decade = 10f64.powf(raw.log10().floor());
    let mantissa = [1.0, 2.0, 2.5, 5.0]
        .into_iter()
        .find(|m| raw <= m * decade * 1.001);
    mantissa.unwrap_or(10.0) * decade
}

struct Panel {
    top: f64,
    bottom: f64,
    across: Scale,
}

impl Panel {
    /// A vertical scale that holds all values, its ends on ticks.
    fn scale(&self, values: impl Iterator<Item = f64>) -> Scale {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let span = if high > low {
            high - low
        } else {
            high.abs().max(1.0)
        };
        let step = tick_step(span);
        let low = (low / step).floor() * step;
        let high = ((high / step).ceil() * step).max(low + step);
        Scale::new(low, high, self.bottom, self.top)
    }

    fn frame(&self, svg: &mut String, down: &Scale, class: &str, label: &str, right: bool) {
        let (x, anchor, text_x) = if right {
            (RIGHT, "start", RIGHT + 8.0)
        } else {
            (LEFT, "end", LEFT - 8.0)
        };
        for tick in down.ticks() {
            let y = down.at(tick);
            if !right {
                let _ = write!(
                    svg,
                    "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
                );
            }
            let _ = write!(
                svg,
                "<text class=\"{class}\" x=\"{text_x}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                y + 4.0,
                number(tick)
            );
        }
        let _ = write!(
            svg,
            "<line class=\"axis\" x1=\"{x}\" x2=\"{x}\" y1=\"{}\" y2=\"{}\"/>\
             <text class=\"{class}\" x=\"{x}\" y=\"{}\" text-anchor=\"{}\">{label}</text>",
            self.top,
            self.bottom,
            self.top - 8.0,
            if right { "end" } else { "start" },
        );
    }

    fn curve(&self, svg: &mut String, down: &Scale, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (x, y) in points.iter().filter(|point| point.1.is_finite()) {
            let command = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(
                path,
                "{command}{:.1} {:.1}",
                self.across.at(*x),
                down.at(*y)
            );
        }
        let _ = write!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
    }
}

/// A tick's label, without trailing zeros.
fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e5).contains(&size) {
        return format!("{value:e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
