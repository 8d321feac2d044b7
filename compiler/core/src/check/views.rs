//! Views: every transform typed, every size known.

use ssl_diagnostics::{Code, Diagnostic, Fix, Lint, Span, whole_lines};
use ssl_plan::{Interpolation, Source, Transform, View};

use super::Checker;
use super::args::Args;
use super::data::DataSection;
use super::eval::Scope;
use crate::merge;
use crate::names;
use crate::schema::{Group, Want};
use crate::table::IndexMap;
use crate::value::Value;

const IMAGENET: ([f64; 3], [f64; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
/// Views that one `view name[count]` may make.
const MOST_VIEWS: i64 = 1024;
const HALF: ([f64; 3], [f64; 3]) = ([0.5; 3], [0.5; 3]);

impl Checker<'_> {
    /// Every view that could be understood, by name; `view local[2]` makes
    /// `local[0]` and `local[1]`.
    pub(super) fn views(&mut self, data: &DataSection) -> IndexMap<String, View> {
        let mut out = IndexMap::default();
        for (name, view) in &self.source.effective.views {
            let names = match &view.count {
                None => vec![name.clone()],
                Some(count) => {
                    let want = Want::Int(1, MOST_VIEWS);
                    let Some(Value::Int(count)) = self.eval(count, &want, Scope::Top) else {
                        continue;
                    };
                    (0..count).map(|i| format!("{name}[{i}]")).collect()
                }
            };
            for name in names {
                if let Some(view) = self.view(&name, view, data) {
                    out.insert(name, view);
                }
            }
        }
        out
    }

    fn view(&mut self, name: &str, view: &merge::View, data: &DataSection) -> Option<View> {
        let mut transforms: Vec<(Transform, Span)> = Vec::new();
        let mut idle: Vec<(String, Span)> = Vec::new();
        let mut fine = !view.broken;
        for entry in &view.entries {
            let path = format!("{}.{}", view.name.name, entry.name.name);
            let bound = self.bind(Group::Transform, &entry.call, Some(&path), Scope::Top);
            let transform = bound.and_then(|args| {
                let transform = self.transform(&args)?;
                // What a sweep or `--set` turns off is meant to be off.
                let outside = entry
                    .call
                    .overrides
                    .values()
                    .any(|s| matches!(s.layer, merge::Layer::Set(_)));
                if idles(&transform) && !outside {
                    idle.push((args.function.to_owned(), entry.call.expr.span));
                }
                Some(transform)
            });
            match transform {
                Some(t) => transforms.push((t, entry.call.expr.span)),
                None => fine = false,
            }
        }
        self.transform_order(&transforms);
        for (function, at) in idle {
            self.report(
                Diagnostic::lint(
                    Lint::NO_EFFECT,
                    format!("`{function}` never changes an image here"),
                )
                .at(at, "without effect")
                .help("remove it; in a view that extends another, `drop` it"),
            );
        }
        if matches!(data.source, Some(Source::Recorded { .. })) {
            let recorded = data.info.as_ref()?.recorded.as_ref()?;
            let Some(size) = recorded.views.get(name) else {
                let known = recorded.views.keys().map(String::as_str);
                // A view that the step does not take need not be stored.
                let step = self.source.effective.step.as_ref()?;
                if step.params.iter().any(|p| p.name == view.name.name) {
                    self.report(
                        Diagnostic::error(
                            Code::DATA,
                            format!("the stored views have no view `{name}`"),
                        )
                        .at(view.name.span, "not stored")
                        .maybe_help(names::list(known).map(|l| format!("the file has {l}"))),
                    );
                }
                return None;
            };
            return Some(View {
                name: name.to_owned(),
                size: *size,
                transforms: Vec::new(),
            });
        }
        let transforms: Vec<Transform> = transforms.into_iter().map(|(t, _)| t).collect();
        let start = match data.source {
            Some(Source::Digits) => Some([8, 8]),
            _ => None,
        };
        let Some(size) = size_after(start, &transforms) else {
            if fine {
                self.report(
                    Diagnostic::error(Code::SHAPE, format!("the view `{name}` has no fixed size"))
                        .at(view.name.span, "images of different sizes cannot form a batch")
                        .help("add `random_resized_crop(SIZE)`, or `resize(SIZE)` and `center_crop(SIZE)`"),
                );
            }
            return None;
        };
        fine.then(|| View {
            name: name.to_owned(),
            size,
            transforms,
        })
    }

    /// Nothing but the end may follow `normalize`, which leaves 8-bit images.
    fn transform_order(&mut self, transforms: &[(Transform, Span)]) {
        let mut normalized: Option<Span> = None;
        for (transform, span) in transforms {
            if let Some(first) = normalized {
                let again = matches!(transform, Transform::Normalize { .. });
                let error = Diagnostic::error(
                    Code::TRANSFORM_ORDER,
                    format!("{} stands behind `normalize`", described(transform)),
                )
                .at(*span, "works on images, not on normalised values")
                .at(first, "normalised here");
                self.report(match again {
                    true => error.help("normalise once, at the end"),
                    false => error
                        .help("say where it goes: `... before normalize`")
                        .maybe_fix(self.before_normalize(*span, first)),
                });
            }
            if matches!(transform, Transform::Normalize { .. }) {
                normalized = Some(*span);
            }
        }
    }

    /// Moves a transform before the `normalize` of the same block, or says
    /// that it goes there.
    fn before_normalize(&self, transform: Span, normalize: Span) -> Option<Fix> {
        let map = self.source.map;
        let title = "move it before `normalize`";
        let lines = whole_lines(map, transform);
        let target = whole_lines(map, normalize);
        let same_file = map.file_of(transform)?.base == map.file_of(normalize)?.base;
        if let (Some(lines), Some(target), true) = (lines, target, same_file) {
            let between = map.text(Span::new(target.end, lines.start));
            if target.end <= lines.start && !between.contains('}') && !between.contains('{') {
                let at = Span::new(target.start, target.start);
                return Some(Fix::certain(title, at, map.text(lines)).and(lines, ""));
            }
        }
        // An entry with a place of its own says it there.
        let file = map.file_of(transform)?;
        let end = transform.end.checked_sub(file.base)? as usize;
        let rest = file.text.get(end..)?.lines().next()?;
        let written = rest.split("//").next()?.trim_end();
        let at = Span::new(
            transform.end,
            transform.end + u32::try_from(written.len()).ok()?,
        );
        Some(Fix::certain(title, at, " before normalize"))
    }

    fn transform(&mut self, args: &Args) -> Option<Transform> {
        let p = args.float("p");
        let interpolation = match args.symbol("interpolation") {
            "bicubic" => Interpolation::Bicubic,
            _ => Interpolation::Bilinear,
        };
        Some(match args.function {
            "random_resized_crop" => {
                self.usual_range(args, "scale", "{}..1");
                Transform::RandomResizedCrop {
                    size: args.size("size"),
                    scale: args.interval("scale"),
                    ratio: args.interval("ratio"),
                    interpolation,
                }
            }
            "resize" => Transform::Resize {
                size: args.int("size")?,
                interpolation,
            },
            "center_crop" => Transform::CenterCrop {
                size: args.size("size"),
            },
            "color_jitter" => Transform::ColorJitter {
                brightness: strength(args.get("brightness")),
                contrast: strength(args.get("contrast")),
                saturation: strength(args.get("saturation")),
                hue: match args.get("hue") {
                    Some(Value::Range(a, b)) => [*a, *b],
                    _ => [-args.float("hue").abs(), args.float("hue").abs()],
                },
                p,
            },
            "grayscale" => Transform::Grayscale { p },
            "gaussian_blur" => Transform::GaussianBlur {
                sigma: args.interval("sigma"),
                p,
            },
            "solarize" => Transform::Solarize {
                threshold: u16::try_from(args.int("threshold")?).ok()?,
                p,
            },
            "horizontal_flip" => Transform::HorizontalFlip { p },
            _ => self.normalize(args)?,
        })
    }

    fn normalize(&mut self, args: &Args) -> Option<Transform> {
        let three = |name: &str| <[f64; 3]>::try_from(args.numbers(name)).ok();
        let named = match args.symbol("statistics") {
            "imagenet" => Some(IMAGENET),
            "half" => Some(HALF),
            _ => None,
        };
        let (mean, std) = match (named, three("mean"), three("std")) {
            (Some((m, s)), mean, std) => (mean.unwrap_or(m), std.unwrap_or(s)),
            (None, Some(mean), Some(std)) => (mean, std),
            _ => {
                self.report(
                    Diagnostic::error(Code::MISSING, "`normalize` needs its statistics")
                        .at(args.span, "by which mean and deviation?")
                        .help("write `normalize(imagenet)`, or `mean: [...]` and `std: [...]`"),
                );
                return None;
            }
        };
        if std.iter().any(|s| *s <= 0.0) {
            self.error(
                Code::RANGE,
                "a standard deviation must be above 0",
                args.span("std"),
                "",
            );
            return None;
        }
        Some(Transform::Normalize { mean, std })
    }
}

/// A transform for messages.
fn described(transform: &Transform) -> &'static str {
    match transform {
        Transform::RandomResizedCrop { .. } | Transform::CenterCrop { .. } => "a crop",
        Transform::Resize { .. } => "a resize",
        Transform::Solarize { .. } => "`solarize`",
        Transform::ColorJitter { .. } => "`color_jitter`",
        Transform::Grayscale { .. } => "`grayscale`",
        Transform::GaussianBlur { .. } => "`gaussian_blur`",
        Transform::Normalize { .. } => "a second `normalize`",
        _ => "a transform",
    }
}

/// Whether a transform changes no image.
fn idles(transform: &Transform) -> bool {
    match transform {
        Transform::ColorJitter {
            brightness,
            contrast,
            saturation,
            hue,
            p,
        } => {
            let one = |[a, b]: &[f64; 2]| *a == 1.0 && *b == 1.0;
            let still = [brightness, contrast, saturation].into_iter().all(one);
            *p == 0.0 || (still && *hue == [0.0, 0.0])
        }
        Transform::Solarize { threshold, p } => *p == 0.0 || *threshold > 255,
        Transform::GaussianBlur { sigma, p } => *p == 0.0 || *sigma == [0.0, 0.0],
        Transform::Grayscale { p } | Transform::HorizontalFlip { p } => *p == 0.0,
        _ => false,
    }
}

/// torchvision's reading of a jitter strength.
fn strength(value: Option<&Value>) -> [f64; 2] {
    match value {
        Some(Value::Range(a, b)) => [*a, *b],
        Some(v) => {
            let s = v.number().unwrap_or(0.0);
            [(1.0 - s).max(0.0), 1.0 + s]
        }
        None => [1.0, 1.0],
    }
}

/// Height and width after all transforms, where they are the same for every
/// image.
pub(super) fn size_after(
    start: Option<[usize; 2]>,
    transforms: &[Transform],
) -> Option<[usize; 2]> {
    transforms.iter().fold(start, |size, t| match t {
        Transform::RandomResizedCrop { size, .. } | Transform::CenterCrop { size } => Some(*size),
        Transform::Resize { size: s, .. } => match size {
            Some([h, w]) if h == w => Some([*s, *s]),
            _ => None,
        },
        _ => size,
    })
}
