//! Views: every transform typed, every size known.

use ssl_diagnostics::{Code, Diagnostic, Fix, Lint, Span, whole_lines};
use ssl_plan::{Erased, Interpolation, Policy, Sampling, Source, Transform, View};

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
/// ImageNet's mean in 8 bits, timm's fill.
const IMAGENET_FILL: [u8; 3] = [124, 116, 104];
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
        let start = data.source.as_ref().and_then(super::sources::side);
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
        let mut erased: Option<Span> = None;
        for (transform, span) in transforms {
            if matches!(transform, Transform::RandomErasing { .. }) {
                erased = Some(*span);
                continue;
            }
            if let Some(erased) = erased.take() {
                self.report(
                    Diagnostic::error(
                        Code::TRANSFORM_ORDER,
                        format!("{} stands behind `random_erasing`", described(transform)),
                    )
                    .at(*span, "works on images, not on finished values")
                    .at(erased, "erased here")
                    .help("put `random_erasing` last, after `normalize`"),
                );
                continue;
            }
            if let Some(first) = normalized {
                let again = matches!(transform, Transform::Normalize { .. });
                let what = match again {
                    true => "a second `normalize`",
                    false => described(transform),
                };
                let error = Diagnostic::error(
                    Code::TRANSFORM_ORDER,
                    format!("{what} stands behind `normalize`"),
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
                hue: about_zero(args, "hue"),
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
            "vertical_flip" => Transform::VerticalFlip { p },
            "rotation" => Transform::Rotation {
                degrees: about_zero(args, "degrees"),
                sampling: match args.symbol("interpolation") {
                    "bilinear" => Sampling::Bilinear,
                    "bicubic" => Sampling::Bicubic,
                    _ => Sampling::Nearest,
                },
                fill: self.fill(args, [0; 3])?,
                p,
            },
            "posterize" => Transform::Posterize {
                bits: u8::try_from(args.int("bits")?).ok()?,
                p,
            },
            "equalize" => Transform::Equalize { p },
            "autocontrast" => Transform::Autocontrast { p },
            "invert" => Transform::Invert { p },
            "sharpness" => Transform::Sharpness {
                factor: args.interval("factor"),
                p,
            },
            "rand_augment" => self.rand_augment(args)?,
            "three_augment" => Transform::ThreeAugment {
                sigma: args.interval("sigma"),
                threshold: u16::try_from(args.int("threshold")?).ok()?,
                p,
            },
            "random_erasing" => Transform::RandomErasing {
                scale: args.interval("scale"),
                ratio: args.interval("ratio"),
                value: match args.symbol("value") {
                    "noise" => Erased::Noise,
                    _ => Erased::Zero,
                },
                p,
            },
            _ => self.normalize(args)?,
        })
    }

    fn rand_augment(&mut self, args: &Args) -> Option<Transform> {
        let policy = match args.symbol("policy") {
            "timm" => Policy::Timm,
            _ => Policy::Torchvision,
        };
        let (magnitude, magnitude_std) = (args.float("magnitude"), args.float("magnitude_std"));
        let wrong = match policy {
            Policy::Timm if magnitude > 10.0 => Some((
                "magnitude",
                "timm's magnitudes end at 10",
                "take at most 10, or `policy: torchvision`, whose magnitudes end at 30",
            )),
            Policy::Torchvision if magnitude.fract() != 0.0 => Some((
                "magnitude",
                "torchvision's magnitudes are whole numbers from 0 to 30",
                "take a whole number, or `policy: timm`",
            )),
            Policy::Torchvision if magnitude_std > 0.0 => Some((
                "magnitude_std",
                "torchvision's RandAugment draws no magnitudes",
                "leave `magnitude_std` out, or take `policy: timm`",
            )),
            _ => None,
        };
        if let Some((argument, message, help)) = wrong {
            self.report(
                Diagnostic::error(Code::RANGE, message)
                    .at(args.span(argument), "")
                    .help(help),
            );
            return None;
        }
        let outside = match policy {
            Policy::Timm => IMAGENET_FILL,
            Policy::Torchvision => [0; 3],
        };
        Some(Transform::RandAugment {
            policy,
            ops: args.int("ops")?,
            magnitude,
            magnitude_std,
            fill: self.fill(args, outside)?,
            p: args.float("p"),
        })
    }

    /// A colour in 8 bits.
    fn fill(&mut self, args: &Args, otherwise: [u8; 3]) -> Option<[u8; 3]> {
        let Ok(color) = <[f64; 3]>::try_from(args.numbers("fill")) else {
            return Some(otherwise);
        };
        if color
            .iter()
            .any(|c| !(0.0..=255.0).contains(c) || c.fract() != 0.0)
        {
            self.report(
                Diagnostic::error(Code::RANGE, "a colour has whole numbers from 0 to 255")
                    .at(args.span("fill"), "")
                    .help("write red, green and blue, such as `[124, 116, 104]`"),
            );
            return None;
        }
        Some(color.map(|c| c as u8))
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
        Transform::Normalize { .. } => "`normalize`",
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
        Transform::Sharpness { factor, p } => *p == 0.0 || *factor == [1.0, 1.0],
        Transform::Rotation { degrees, p, .. } => *p == 0.0 || *degrees == [0.0, 0.0],
        Transform::Posterize { bits, p } => *p == 0.0 || *bits == 8,
        Transform::Grayscale { p }
        | Transform::HorizontalFlip { p }
        | Transform::VerticalFlip { p }
        | Transform::Equalize { p }
        | Transform::Autocontrast { p }
        | Transform::Invert { p }
        | Transform::RandAugment { p, .. }
        | Transform::ThreeAugment { p, .. }
        | Transform::RandomErasing { p, .. } => *p == 0.0,
        _ => false,
    }
}

/// A range as it is, a number `x` as `-x..x`.
fn about_zero(args: &Args, name: &str) -> [f64; 2] {
    match args.get(name) {
        Some(Value::Range(a, b)) => [*a, *b],
        _ => [-args.float(name).abs(), args.float(name).abs()],
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
