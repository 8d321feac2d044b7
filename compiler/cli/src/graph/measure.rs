//! How much room text takes. The font is the viewer's, so these are the widths
//! of a wide one (DejaVu Sans): in a narrower one boxes are a little roomy.

use super::Unit;
use super::layout::Point;

/// Height of a line of particulars.
pub const LINE: f64 = 15.0;
/// Height of the title's line.
pub const TITLE: f64 = 19.0;
/// Height of the line that names the inputs.
pub const PORTS: f64 = 16.0;
/// Room left and right of text in a box.
pub const PAD: f64 = 11.0;
/// Font size of the title, and of the rest.
pub const SIZES: (f64, f64) = (13.0, 11.0);
/// Most characters of a line; the rest is in the tooltip.
const MOST: usize = 44;

/// A text cut to what is shown of it in a box.
pub fn short(text: &str) -> String {
    cut(text, MOST)
}

/// A text cut to so many characters.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
    }
}

/// Width in pixels at a font size.
pub fn width(text: &str, size: f64, bold: bool) -> f64 {
    let em: f64 = text.chars().map(advance).sum();
    em * size * if bold { 1.12 } else { 1.0 }
}

/// Width in pixels of plain text at a font size.
pub fn text_width(text: &str, size: f64) -> f64 {
    width(text, size, false)
}

/// In parts of the font size.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '\'' | '|' => 0.30,
        ' ' | '.' | ',' | ':' | ';' | '!' | 'f' | 't' | 'I' | '(' | ')' | '[' | ']' | '-' => 0.39,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.98,
        'A'..='Z' => 0.73,
        'r' | 's' | 'c' | 'k' | 'z' | 'v' | 'x' | 'y' => 0.58,
        ' '..='~' => 0.64,
        '·' => 0.34,
        '×' | '→' | '÷' | '−' | '⊣' | '…' => 0.88,
        // Latin and Greek letters; beyond them a whole square.
        '\u{a0}'..='\u{3ff}' => 0.70,
        _ => 1.05,
    }
}

/// Whether a box names its inputs.
pub fn named(unit: &Unit) -> bool {
    unit.ports.iter().any(|p| !p.is_empty())
}

/// Width that each port of a box needs.
pub fn ports(unit: &Unit) -> Vec<f64> {
    let width = |p: &String| width(&short(p), SIZES.1, false) + 12.0;
    unit.ports.iter().map(width).collect()
}

/// Width and height of a box.
pub fn size(unit: &Unit) -> Point {
    let lines = unit.shown();
    let widths = lines.iter().map(|l| width(&short(l), SIZES.1, false));
    let widest = widths.fold(width(&short(&unit.title), SIZES.0, true), f64::max);
    let ports: f64 = ports(unit).iter().sum();
    let names = if named(unit) { PORTS } else { 0.0 };
    let height = 7.0 + names + TITLE + LINE * lines.len() as f64 + 6.0;
    ((widest + 2.0 * PAD).max(ports + 4.0).max(40.0), height)
}
