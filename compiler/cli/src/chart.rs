//! A curve in a terminal: one column for each stretch of steps, eighths of a
//! block high.

const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ROWS: usize = 6;

/// Draws points `(step, value)`, in order of steps; nothing where there are
/// fewer than two.
pub fn draw(title: &str, points: &[(f64, f64)], width: usize) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return String::new();
    };
    let span = last.0 - first.0;
    if span <= 0.0 || width == 0 {
        return String::new();
    }
    let mut columns: Vec<(f64, usize)> = vec![(0.0, 0); width.min(points.len())];
    let count = columns.len();
    for (step, value) in points {
        let at = ((step - first.0) / span * count as f64) as usize;
        if let Some(c) = columns.get_mut(at.min(count - 1)) {
            *c = (c.0 + value, c.1 + 1);
        }
    }
    let mut means: Vec<f64> = Vec::with_capacity(count);
    for (sum, n) in columns {
        let before = means.last().copied().unwrap_or(first.1);
        means.push(if n > 0 { sum / n as f64 } else { before });
    }
    let low = means.iter().copied().fold(f64::INFINITY, f64::min);
    let high = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = if high > low { high - low } else { 1.0 };

    let mut out = format!("\n{title}\n");
    for row in (0..ROWS).rev() {
        let label = match row {
            r if r == ROWS - 1 => format!("{high:.3}"),
            0 => format!("{low:.3}"),
            _ => String::new(),
        };
        out += &format!("{label:>10} ┤");
        for value in &means {
            // The lowest value still shows a line.
            let eighths = 1 + ((value - low) / range * (ROWS * 8 - 1) as f64).round() as usize;
            let here = eighths.saturating_sub(row * 8).min(8);
            out.push(BLOCKS.get(here).copied().unwrap_or(' '));
        }
        out.push('\n');
    }
    let right = format!("step {}", last.0);
    let gap = count.saturating_sub(right.len() + 1).max(2);
    out += &format!("{:>11} {}{:gap$}{right}\n", "", first.0, "");
    out
}

#[cfg(test)]
mod tests {
    use super::draw;

    #[test]
    fn a_rising_curve_fills_from_the_right() {
        let points: Vec<(f64, f64)> = (0..8).map(|i| (f64::from(i), f64::from(i))).collect();
        let text = draw("x", &points, 8);
        let rows: Vec<&str> = text.lines().filter(|l| l.contains('┤')).collect();
        assert_eq!(rows.len(), 6);
        assert!(
            rows[0].starts_with("     7.000 ┤") && rows[0].ends_with('█'),
            "{text}"
        );
        assert!(rows[5].starts_with("     0.000 ┤▁"), "{text}");
        assert_eq!(draw("x", &points[..1], 8), "");
    }
}
