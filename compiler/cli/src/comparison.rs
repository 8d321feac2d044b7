//! The picture at the end of a sweep: loss and kNN accuracy of every variant
//! over the steps, in one file that needs nothing but a viewer.

use std::fmt::Write;
use std::path::Path;

use ssl_engine::judge::{Reading, When};
use ssl_engine::plot::{Panel, Scale, escape};
use ssl_engine::run::files::Disk;
use ssl_engine::run::metrics::{self, Line};

use crate::graph::text_width;

/// A variant and what was measured of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Variant {
    /// What it changes.
    pub label: String,
    /// Steps and losses.
    pub loss: Vec<(f64, f64)>,
    /// Steps and accuracies in percent, on training views.
    pub knn: Vec<(f64, f64)>,
    /// Accuracy before and after, in percent.
    pub judged: [Option<f64>; 2],
}

impl Variant {
    /// Reads what a run has written so far.
    pub fn read(label: &str, run: &Path) -> Self {
        let mut out = Variant {
            label: label.to_owned(),
            ..Variant::default()
        };
        let lines = metrics::read(&Disk, &run.join("metrics.jsonl")).unwrap_or_default();
        for line in lines {
            match line {
                Line::Step { step, loss, .. } => out.loss.push((step as f64, f64::from(loss))),
                Line::Monitor {
                    step,
                    reading: Reading::Knn { accuracy, .. },
                } => out.knn.push((step as f64, 100.0 * accuracy)),
                Line::Eval {
                    when, evaluation, ..
                } => {
                    let [before, after] = &mut out.judged;
                    let slot = if when == When::Before { before } else { after };
                    // The first of several is the one that the table shows.
                    if slot.is_none() {
                        *slot = evaluation.accuracy.map(|a| 100.0 * a);
                    }
                }
                Line::Monitor { .. } | Line::Note { .. } => {}
            }
        }
        out
    }
}

/// The variant with the highest accuracy after training; none where none was
/// judged by labels.
pub fn best(variants: &[Variant]) -> Option<usize> {
    let judged = variants
        .iter()
        .enumerate()
        .filter_map(|(i, v)| Some((i, v.judged[1]?)));
    judged
        .reduce(|a, b| if b.1 > a.1 { b } else { a })
        .map(|(i, _)| i)
}

/// Colours on light and on dark. From the seventh on curves are dashed.
const COLOURS: [(&str, &str); 12] = [
    ("#0969da", "#4493f8"),
    ("#bc4c00", "#f0883e"),
    ("#1a7f37", "#3fb950"),
    ("#8250df", "#ab7df8"),
    ("#cf222e", "#f85149"),
    ("#9a6700", "#d29922"),
    ("#0b7285", "#39c5cf"),
    ("#bf3989", "#f778ba"),
    ("#57606a", "#9ea7b3"),
    ("#4d7c0f", "#a3e635"),
    ("#7d4e00", "#c69026"),
    ("#3b5bdb", "#91a7ff"),
];
const SOLID: usize = 6;

const STYLE: &str = "\
text{font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',Arial,sans-serif;fill:#57606a}\
.page{fill:#fff}.title{font-size:16px;font-weight:600;fill:#24292f}\
.grid{stroke:#8c959f;stroke-opacity:.3}.axis{stroke:#8c959f}\
.best{font-weight:600;fill:#24292f}\
path{fill:none;stroke-width:1.5;stroke-linejoin:round}\
path.top{stroke-width:3.2;stroke-dasharray:none}";
const DARK: &str = "text{fill:#9ea7b3}.page{fill:#0d1117}.title,.best{fill:#f0f6fc}";

const MARGIN: f64 = 28.0;
const TOP: f64 = 92.0;
const BOTTOM: f64 = 352.0;
/// Left and right edges of the two plots.
const PLOTS: [(f64, f64); 2] = [(76.0, 520.0), (620.0, 1064.0)];
const WIDTH: f64 = 1092.0;
const ROW: f64 = 22.0;

/// Draws the variants of a sweep.
pub fn render(title: &str, variants: &[Variant]) -> String {
    let best = best(variants);
    let steps = variants
        .iter()
        .flat_map(|v| v.loss.iter().chain(&v.knn))
        .fold(1.0, |most: f64, point| most.max(point.0 + 1.0));
    let window = ((steps / 50.0).round() as usize).max(1);
    let rows = Rows::new(variants);
    let height = BOTTOM + 62.0 + rows.height() + MARGIN;
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\"><title>{0}</title>\
         <style>{STYLE}{1}</style><rect class=\"page\" width=\"100%\" height=\"100%\"/>\
         <text class=\"title\" x=\"{MARGIN}\" y=\"38\">{0}</text>",
        escape(title),
        colours(variants.len()),
    );

    let smooth: Vec<Vec<(f64, f64)>> = variants.iter().map(|v| averaged(&v.loss, window)).collect();
    let [left, right] = PLOTS.map(|(from, to)| Panel {
        top: TOP,
        bottom: BOTTOM,
        across: Scale::new(0.0, steps, from, to),
    });
    let down = left.scale(bulk(&smooth).into_iter());
    let label = match window {
        1 => "loss".to_owned(),
        n => format!("loss, mean over {n} steps"),
    };
    left.frame(&mut svg, &down, "", &label, false);
    clipped(&mut svg, &left, "loss");
    for i in on_top(variants.len(), best) {
        let points = smooth.get(i).map_or(&[][..], Vec::as_slice);
        left.curve(&mut svg, &down, &class(i, best), points);
    }
    svg.push_str("</g>");
    across(&mut svg, &left);

    let accuracies = variants.iter().flat_map(|v| {
        let judged = v.judged.iter().flatten().copied();
        v.knn.iter().map(|p| p.1).chain(judged)
    });
    let accuracies: Vec<f64> = accuracies.collect();
    let label = "kNN accuracy, %: line while training, dots before and after";
    let down = right.scale(accuracies.iter().copied());
    right.frame(&mut svg, &down, "", label, false);
    for i in on_top(variants.len(), best) {
        let Some(variant) = variants.get(i) else {
            continue;
        };
        right.curve(&mut svg, &down, &class(i, best), &variant.knn);
        let last = variant.loss.last().map_or(steps, |p| p.0 + 1.0);
        for (at, accuracy) in [0.0, last].into_iter().zip(variant.judged) {
            let Some(accuracy) = accuracy else { continue };
            let radius = if best == Some(i) { 5.5 } else { 3.5 };
            let _ = write!(
                svg,
                "<circle class=\"d{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\"><title>{}: \
                 {accuracy:.1} %</title></circle>",
                i % COLOURS.len(),
                right.across.at(at),
                down.at(accuracy),
                escape(&variant.label)
            );
        }
    }
    if accuracies.is_empty() {
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">not judged: the images have no \
             labels</text>",
            (right.across.from + right.across.to) / 2.0,
            (TOP + BOTTOM) / 2.0
        );
    }
    across(&mut svg, &right);
    rows.draw(&mut svg, variants, best);
    svg.push_str("</svg>\n");
    svg
}

/// The classes of curves and dots.
fn colours(count: usize) -> String {
    let mut light = String::new();
    let mut dark = String::new();
    for (i, (on_light, on_dark)) in COLOURS.iter().enumerate().take(count) {
        let dash = if i < SOLID {
            ""
        } else {
            ";stroke-dasharray:7 3"
        };
        let _ = write!(
            light,
            ".c{i}{{stroke:{on_light}{dash}}}.d{i}{{fill:{on_light}}}"
        );
        let _ = write!(dark, ".c{i}{{stroke:{on_dark}}}.d{i}{{fill:{on_dark}}}");
    }
    format!("{light}@media(prefers-color-scheme:dark){{{DARK}{dark}}}")
}

fn class(index: usize, best: Option<usize>) -> String {
    let top = if best == Some(index) { " top" } else { "" };
    format!("c{}{top}", index % COLOURS.len())
}

/// The order of drawing: the best one lies on top.
fn on_top(count: usize, best: Option<usize>) -> impl Iterator<Item = usize> {
    (0..count).filter(move |i| Some(*i) != best).chain(best)
}

/// Keeps what follows inside a plot, up to `</g>`.
fn clipped(svg: &mut String, panel: &Panel, id: &str) {
    let (x, w) = (panel.across.from, panel.across.to - panel.across.from);
    let (y, h) = (panel.top - 2.0, panel.bottom - panel.top + 4.0);
    let _ = write!(
        svg,
        "<clipPath id=\"{id}\"><rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/></clipPath>\
         <g clip-path=\"url(#{id})\">"
    );
}

/// The steps below a plot.
fn across(svg: &mut String, panel: &Panel) {
    for tick in panel.across.ticks() {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            panel.across.at(tick),
            panel.bottom + 18.0,
            ssl_engine::plot::number(tick)
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">step</text>",
        (panel.across.from + panel.across.to) / 2.0,
        panel.bottom + 36.0
    );
}

/// Mean over the points up to and including each, at most `window` of them.
fn averaged(points: &[(f64, f64)], window: usize) -> Vec<(f64, f64)> {
    let mut out = Vec::with_capacity(points.len());
    let mut kept: std::collections::VecDeque<f64> = std::collections::VecDeque::new();
    for (step, value) in points.iter().filter(|p| p.1.is_finite()) {
        kept.push_back(*value);
        if kept.len() > window {
            kept.pop_front();
        }
        out.push((*step, kept.iter().sum::<f64>() / kept.len() as f64));
    }
    out
}

/// All values but the highest hundredth, which would press the others flat.
fn bulk(curves: &[Vec<(f64, f64)>]) -> Vec<f64> {
    let mut values: Vec<f64> = curves.iter().flatten().map(|p| p.1).collect();
    values.sort_by(f64::total_cmp);
    let kept = values.len() - values.len() / 100;
    values.truncate(kept);
    values
}

/// The list of variants below the plots.
struct Rows {
    columns: usize,
    count: usize,
}

impl Rows {
    fn new(variants: &[Variant]) -> Self {
        let widest = variants.iter().map(|v| text_width(&v.label, 12.0));
        let fits = widest.fold(0.0, f64::max) < Self::room(2);
        Rows {
            columns: if fits && variants.len() > 4 { 2 } else { 1 },
            count: variants.len(),
        }
    }

    /// Pixels for a label.
    fn room(columns: usize) -> f64 {
        (WIDTH - 2.0 * MARGIN) / columns as f64 - 240.0
    }

    fn lines(&self) -> usize {
        self.count.div_ceil(self.columns)
    }

    fn height(&self) -> f64 {
        ROW * self.lines() as f64
    }

    fn draw(&self, svg: &mut String, variants: &[Variant], best: Option<usize>) {
        let lines = self.lines().max(1);
        let column = (WIDTH - 2.0 * MARGIN) / self.columns as f64;
        for (i, variant) in variants.iter().enumerate() {
            let x = MARGIN + column * (i / lines) as f64;
            let y = BOTTOM + 66.0 + ROW * (i % lines) as f64;
            let is_best = best == Some(i);
            let bold = if is_best { " class=\"best\"" } else { "" };
            let accuracy = match variant.judged {
                [Some(before), Some(after)] => format!("kNN {before:.1} → {after:.1} %"),
                [_, Some(after)] => format!("kNN {after:.1} %"),
                _ => String::new(),
            };
            let room = Self::room(self.columns);
            let _ = write!(
                svg,
                "<path class=\"{}\" d=\"M{x:.1} {1:.1}h30\"/>\
                 <text{bold} x=\"{2:.1}\" y=\"{3:.1}\">{4}</text>\
                 <text{bold} x=\"{5:.1}\" y=\"{3:.1}\" text-anchor=\"end\">{accuracy}</text>",
                class(i, best),
                y - 4.0,
                x + 40.0,
                y,
                escape(&fitting(&variant.label, room)),
                x + 40.0 + room + 140.0,
            );
            if is_best {
                let _ = write!(
                    svg,
                    "<text class=\"best\" x=\"{:.1}\" y=\"{y:.1}\">best</text>",
                    x + 40.0 + room + 149.0
                );
            }
        }
    }
}

/// A label cut to the room that it has.
fn fitting(label: &str, room: f64) -> String {
    if text_width(label, 12.0) <= room {
        return label.to_owned();
    }
    let mut text = String::new();
    for c in label.chars() {
        text.push(c);
        if text_width(&text, 12.0) > room - 14.0 {
            break;
        }
    }
    text + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(label: &str, after: Option<f64>) -> Variant {
        Variant {
            label: label.into(),
            loss: vec![(0.0, 5.0), (1.0, f64::NAN), (2.0, 3.0)],
            knn: vec![(1.0, 40.0)],
            judged: [Some(30.0), after],
        }
    }

    #[test]
    fn the_best_is_the_most_accurate_and_is_marked_once() {
        let all = [
            variant("a<b>", Some(60.0)),
            variant("c", Some(80.0)),
            variant("diverged", None),
        ];
        assert_eq!(best(&all), Some(1));
        let svg = render("t & u", &all);
        assert_eq!(svg.matches(">best</text>").count(), 1);
        assert!(svg.contains("a&lt;b&gt;") && svg.contains("t &amp; u"));
        assert!(svg.contains("kNN 30.0 → 80.0 %"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        // No labels, no judgement, no best; and nothing at all is drawn too.
        let bare = Variant {
            judged: [None, None],
            knn: Vec::new(),
            ..variant("x", None)
        };
        assert_eq!(best(std::slice::from_ref(&bare)), None);
        assert!(render("t", &[bare]).contains("no labels"));
        assert!(!render("t", &[Variant::default()]).contains("NaN"));
    }
}
