//! The picture as SVG: one file that needs nothing, readable on light and
//! dark.

use std::fmt::Write;

use ssl_engine::plot::escape;

use super::layout::{Layout, Point, Rect, layout};
use super::measure::{self, LINE, PAD, PORTS, SIZES, TITLE, short, width};
use super::{Kind, Scene, Unit};

/// Room around everything.
const MARGIN: f64 = 28.0;
/// Height of the heading.
const HEAD: f64 = 62.0;

const STYLE: &str = "\
text{font:11px system-ui,-apple-system,'Segoe UI','DejaVu Sans',Arial,sans-serif;fill:#59636e}\
.page{fill:#fff}.head{font-size:17px;font-weight:600;fill:#1f2328}\
.name{font-size:13px;font-weight:600;fill:#1f2328}\
.box{stroke-width:1.3}\
.view{fill:#ddf4ff;stroke:#54aeff}.trained{fill:#dafbe1;stroke:#2da44e}\
.average{fill:#fbefff;stroke:#a475f9}.frozen{fill:#eaeef2;stroke:#6e7781}\
.function{fill:#fff8c5;stroke:#bf8700}.operation{fill:#f6f8fa;stroke:#8c959f}\
.stopgrad{fill:#fff;stroke:#cf222e;stroke-dasharray:3 3}\
.minimize{fill:#ffebe9;stroke:#cf222e;stroke-width:2}\
.track{fill:#fff;stroke:#8c959f;stroke-dasharray:5 3}\
.link{fill:none;stroke:#8c959f;stroke-width:1.3;stroke-dasharray:5 4}\
.gradient{stroke:#0969da;stroke-width:1.9;stroke-dasharray:none}\
.tip{fill:#8c959f}.tip.live{fill:#0969da}\
.stop{fill:#cf222e}\
@media(prefers-color-scheme:dark){text{fill:#9ea7b3}.page{fill:#0d1117}\
.head,.name{fill:#f0f6fc}\
.view{fill:#0c2d52;stroke:#4493f8}.trained{fill:#0b3018;stroke:#3fb950}\
.average{fill:#2b1a4d;stroke:#ab7df8}.frozen{fill:#262c36;stroke:#9198a1}\
.function{fill:#332600;stroke:#d29922}.operation{fill:#161b22;stroke:#6e7681}\
.stopgrad{fill:#0d1117;stroke:#f85149}.minimize{fill:#40141a;stroke:#f85149}\
.track{fill:#0d1117;stroke:#6e7681}\
.link{stroke:#6e7681}.gradient{stroke:#58a6ff}.tip{fill:#6e7681}.tip.live{fill:#58a6ff}\
.stop{fill:#ff7b72}}";

impl Kind {
    /// Its class in the style, and in the list of what the colours mean.
    pub fn word(self) -> &'static str {
        match self {
            Kind::View => "view",
            Kind::Trained => "trained",
            Kind::Average => "average",
            Kind::Frozen => "frozen",
            Kind::Function => "function",
            Kind::Operation => "operation",
            Kind::Stopgrad => "stopgrad",
            Kind::Minimize => "minimize",
            Kind::Track => "track",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Kind::View => "view of the batch",
            Kind::Trained => "net that is trained",
            Kind::Average => "average of a net",
            Kind::Frozen => "net that is frozen",
            Kind::Function => "function",
            Kind::Operation => "operation",
            Kind::Stopgrad => "gradient ends",
            Kind::Minimize => "what is minimised",
            Kind::Track => "what is tracked",
        }
    }
}

/// Draws a scene.
pub fn render(scene: &Scene) -> String {
    let sizes: Vec<Point> = scene.units.iter().map(measure::size).collect();
    let ports: Vec<Vec<f64>> = scene.units.iter().map(measure::ports).collect();
    let layout = layout(scene, &sizes, &ports);
    let mut foot = String::new();
    let least = layout.size.0.max(560.0);
    let (foot_width, foot_height) = footer(&mut foot, scene, least);
    let subtitle = measure::cut(&scene.subtitle, 90);
    let heads = [
        width(&short(&scene.title), 17.0, true),
        width(&subtitle, 11.0, false),
    ];
    let inner = heads.into_iter().fold(least.max(foot_width), f64::max);
    let (w, h) = (
        inner + 2.0 * MARGIN,
        HEAD + layout.size.1 + foot_height + 2.0 * MARGIN,
    );
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w:.0} {h:.0}\" \
         width=\"{w:.0}\" height=\"{h:.0}\" role=\"img\"><title>{0}</title>\
         <style>{STYLE}</style><rect class=\"page\" width=\"100%\" height=\"100%\"/>\
         <text class=\"head\" x=\"{MARGIN}\" y=\"40\">{1}</text>\
         <text x=\"{MARGIN}\" y=\"60\">{2}</text>",
        escape(&scene.title),
        escape(&short(&scene.title)),
        escape(&subtitle),
    );
    let left = MARGIN + (inner - layout.size.0) / 2.0;
    let _ = write!(
        svg,
        "<g transform=\"translate({left:.1} {:.1})\">",
        HEAD + MARGIN
    );
    for (unit, rect) in scene.units.iter().zip(&layout.boxes) {
        // Boxes behind one that stands for several, below all lines.
        for behind in (1..unit.times.min(3)).rev() {
            outline(&mut svg, unit.kind, *rect, 4.0 * behind as f64);
        }
    }
    links(&mut svg, scene, &layout);
    for (i, (unit, rect)) in scene.units.iter().zip(&layout.boxes).enumerate() {
        let places = layout.ports.get(i).map_or(&[][..], Vec::as_slice);
        draw(&mut svg, unit, *rect, places);
    }
    let _ = write!(
        svg,
        "</g><g transform=\"translate({MARGIN} {:.1})\">{foot}</g></svg>",
        HEAD + MARGIN + layout.size.1
    );
    svg.push('\n');
    svg
}

/// Lines first, then their tips, so that no line hides one.
fn links(svg: &mut String, scene: &Scene, layout: &Layout) {
    let mut tips = String::new();
    let each = || scene.links.iter().zip(&layout.routes);
    // Those with a gradient lie above the others.
    let drawn = each()
        .filter(|(l, _)| !l.gradient)
        .chain(each().filter(|(l, _)| l.gradient));
    for (link, route) in drawn {
        let mut path = String::new();
        let mut before: Option<Point> = None;
        for ((x, top), (_, bottom)) in route {
            let _ = match before {
                None => write!(path, "M{x:.1} {top:.1}"),
                Some((from, y)) => {
                    let bend = (top - y) * 0.55;
                    let (a, b) = (y + bend, top - bend);
                    write!(path, "C{from:.1} {a:.1} {x:.1} {b:.1} {x:.1} {top:.1}")
                }
            };
            let _ = write!(path, "L{x:.1} {bottom:.1}");
            before = Some((*x, *bottom));
        }
        let (class, live) = match link.gradient {
            true => ("link gradient", " live"),
            false => ("link", ""),
        };
        let _ = write!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
        if let Some((x, y)) = before {
            let _ = write!(
                tips,
                "<path class=\"tip{live}\" d=\"M{x:.1} {y:.1}l-4 -8h8z\"/>"
            );
        }
    }
    svg.push_str(&tips);
}

/// The frame of a box, or of one that lies behind it.
fn outline(svg: &mut String, kind: Kind, rect: Rect, off: f64) {
    let Rect { x, y, w, h } = rect;
    let radius = match kind {
        Kind::View => 12.0,
        Kind::Operation | Kind::Stopgrad => (h.min(w) / 3.0).min(14.0),
        _ => 5.0,
    };
    let _ = write!(
        svg,
        "<rect class=\"box {}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" \
         rx=\"{radius:.1}\"/>",
        kind.word(),
        x + off,
        y - off
    );
}

fn draw(svg: &mut String, unit: &Unit, rect: Rect, ports: &[f64]) {
    let Rect { x, y, w, .. } = rect;
    let lines = unit.shown();
    let mut tooltip = vec![unit.title.clone()];
    tooltip.extend(lines.iter().cloned());
    svg.push_str("<g>");
    let _ = write!(svg, "<title>{}</title>", escape(&tooltip.join("\n")));
    outline(svg, unit.kind, rect, 0.0);
    let middle = x + w / 2.0;
    let mut line = y + 7.0;
    if measure::named(unit) {
        for (name, place) in unit.ports.iter().zip(ports) {
            let class = if name.ends_with("stopgrad") {
                " class=\"stop\""
            } else {
                ""
            };
            let _ = write!(
                svg,
                "<text{class} x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                x + place,
                line + 9.0,
                escape(&short(name))
            );
        }
        line += PORTS;
    }
    let _ = write!(
        svg,
        "<text class=\"name\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        line + 13.0,
        escape(&short(&unit.title))
    );
    line += TITLE;
    for text in &lines {
        let _ = write!(
            svg,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            line + 11.0,
            escape(&short(text))
        );
        line += LINE;
    }
    svg.push_str("</g>");
}

/// The nets, and what lines and colours mean. Gives its size.
fn footer(svg: &mut String, scene: &Scene, room: f64) -> Point {
    let mut y = 34.0;
    let mut widest: f64 = 0.0;
    let names = scene.nets.iter().map(|n| short(&n.name));
    let column = names.map(|n| width(&n, SIZES.0, true)).fold(0.0, f64::max) + 34.0;
    for net in &scene.nets {
        let _ = write!(
            svg,
            "<rect class=\"box {}\" x=\"0\" y=\"{:.1}\" width=\"14\" height=\"14\" rx=\"3\"/>\
             <text class=\"name\" x=\"22\" y=\"{:.1}\">{}</text>\
             <text x=\"{column:.1}\" y=\"{:.1}\">{}</text>",
            net.kind.word(),
            y,
            y + 11.5,
            escape(&short(&net.name)),
            y + 11.5,
            escape(&net.text)
        );
        widest = widest.max(column + width(&net.text, SIZES.1, false));
        y += 22.0;
    }
    y += 14.0;
    let mut kinds: Vec<Kind> = scene.units.iter().map(|u| u.kind).collect();
    kinds.sort();
    kinds.dedup();
    let mut x = 0.0;
    let mut entry = |svg: &mut String, mark: &str, text: &str, mark_width: f64| {
        let taken = mark_width + 7.0 + width(text, SIZES.1, false) + 18.0;
        if x > 0.0 && x + taken > room {
            x = 0.0;
            y += 21.0;
        }
        let _ = write!(
            svg,
            "<g transform=\"translate({x:.1} {y:.1})\">{mark}<text x=\"{:.1}\" y=\"11\">{text}</text></g>",
            mark_width + 7.0
        );
        x += taken;
        widest = widest.max(x);
    };
    let line = |class: &str, tip: &str| {
        format!(
            "<path class=\"{class}\" d=\"M0 7H26\"/><path class=\"tip{tip}\" d=\"M34 7l-8 -4v8z\"/>"
        )
    };
    if scene.links.iter().any(|l| l.gradient) {
        entry(
            svg,
            &line("link gradient", " live"),
            "a gradient runs back",
            34.0,
        );
    }
    if scene.links.iter().any(|l| !l.gradient) {
        entry(svg, &line("link", ""), "no gradient", 34.0);
    }
    for kind in kinds {
        let mark = format!(
            "<rect class=\"box {}\" width=\"14\" height=\"14\" rx=\"3\"/>",
            kind.word()
        );
        entry(svg, &mark, kind.meaning(), 14.0);
    }
    (widest.max(PAD), y + 16.0)
}
