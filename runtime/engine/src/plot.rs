//! Plots as SVG: scales, axes, curves. Text takes its classes from the style
//! that the picture brings.

use std::fmt::Write;

/// A linear map of values onto pixels.
#[derive(Clone, Copy)]
pub struct Scale {
    /// The value at `from`.
    pub low: f64,
    /// The value at `to`.
    pub high: f64,
    /// The pixel of `low`.
    pub from: f64,
    /// The pixel of `high`.
    pub to: f64,
}

impl Scale {
    /// Values `low..high` on pixels `from..to`.
    pub fn new(low: f64, high: f64, from: f64, to: f64) -> Self {
        Scale {
            low,
            high,
            from,
            to,
        }
    }

    /// The pixel of a value.
    pub fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round values within, about five.
    pub fn ticks(&self) -> Vec<f64> {
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

/// A plot's area.
pub struct Panel {
    /// Its upper edge.
    pub top: f64,
    /// Its lower edge.
    pub bottom: f64,
    /// The horizontal scale, whose pixels are its left and right edge.
    pub across: Scale,
}

impl Panel {
    /// A vertical scale that holds all values, its ends on ticks.
    pub fn scale(&self, values: impl Iterator<Item = f64>) -> Scale {
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

    /// Grid, axis, ticks and what is drawn, which is SVG text already.
    pub fn frame(&self, svg: &mut String, down: &Scale, class: &str, label: &str, right: bool) {
        let (low, high) = (self.across.from, self.across.to);
        let (x, anchor, text_x) = if right {
            (high, "start", high + 8.0)
        } else {
            (low, "end", low - 8.0)
        };
        for tick in down.ticks() {
            let y = down.at(tick);
            if !right {
                let _ = write!(
                    svg,
                    "<line class=\"grid\" x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
                );
            }
            let _ = write!(
                svg,
                "<text class=\"{class}\" x=\"{text_x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                y + 4.0,
                number(tick)
            );
        }
        let _ = write!(
            svg,
            "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\"/>\
             <text class=\"{class}\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"{}\">{label}</text>",
            self.top,
            self.bottom,
            self.top - 8.0,
            if right { "end" } else { "start" },
        );
    }

    /// A line through points that are finite.
    pub fn curve(&self, svg: &mut String, down: &Scale, class: &str, points: &[(f64, f64)]) {
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
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e5).contains(&size) {
        return format!("{value:e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Text as SVG takes it, between tags and in quoted attributes. Characters that
/// XML forbids are left out.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => out.push(c),
        }
    }
    out
}
