//! A first file from a method, a backbone and a folder: short, with what
//! should be looked at written out and said why. Answers that nobody gave are
//! derived from the folder.

use std::fmt::Write;

use ssl_diagnostics::SourceMap;
use ssl_plan::Resolved;

use crate::schema::{Group, Want, function};
use crate::thousands;

/// What a look at a folder told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Folder {
    /// As it is to stand in the file.
    pub path: String,
    /// Images in it.
    pub samples: usize,
    /// Whether they lie in class folders.
    pub labelled: bool,
    /// Height and width of the image in the middle, by its shorter side.
    pub size: Option<[usize; 2]>,
}

/// What is begun with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// A module of the standard library.
    pub module: String,
    /// One of its pipelines.
    pub pipeline: String,
    /// What that pipeline is, in a sentence.
    pub doc: String,
    /// Another backbone than the pipeline's.
    pub backbone: Option<Backbone>,
    /// Name of the new pipeline.
    pub name: String,
}

/// A backbone by its usual name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backbone {
    /// `vit_small`: the named size.
    Vit(String),
    /// `resnet50`: the depth.
    Resnet(usize),
    /// `convnext_tiny`: the named size.
    Convnext(String),
}

impl std::fmt::Display for Backbone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Backbone::Vit(size) => write!(f, "`vit_{size}`"),
            Backbone::Resnet(depth) => write!(f, "`resnet{depth}`"),
            Backbone::Convnext(size) => write!(f, "`convnext_{size}`"),
        }
    }
}

impl Backbone {
    /// Reads `vit_tiny`, `resnet18` or `convnext_tiny`.
    pub fn named(text: &str) -> Option<Self> {
        let sized = |name: &str| {
            let size = text.strip_prefix(name)?.strip_prefix('_')?;
            let mut fields = function(Group::Module, name)?.params.iter();
            let known = fields.any(|f| match f.want {
                Want::Choice(sizes) => f.name == "size" && sizes.contains(&size),
                _ => false,
            });
            known.then(|| size.to_owned())
        };
        if let Some(size) = sized("vit") {
            return Some(Backbone::Vit(size));
        }
        if let Some(size) = sized("convnext") {
            return Some(Backbone::Convnext(size));
        }
        let depth = text.strip_prefix("resnet")?.trim_start_matches('_');
        depth.parse().ok().map(Backbone::Resnet)
    }

    /// The function that makes it.
    pub fn function(&self) -> &'static str {
        match self {
            Backbone::Vit(_) => "vit",
            Backbone::Resnet(_) => "resnet",
            Backbone::Convnext(_) => "convnext",
        }
    }
}

/// The numbers that depend on the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// Side of a view in pixels.
    pub image: usize,
    /// Images in a step.
    pub batch: usize,
    /// Passes over the data.
    pub epochs: usize,
}

/// What the pipeline that is extended has, by its resolved values.
pub struct Base<'a>(pub &'a [Resolved]);

impl Base<'_> {
    /// A value as text.
    pub fn value(&self, path: &str) -> Option<&str> {
        let found = self.0.iter().find(|v| v.path == path);
        found.map(|v| v.value.as_str())
    }

    fn number(&self, path: &str) -> Option<usize> {
        self.value(path)?.parse().ok()
    }

    /// Path and function of the backbone.
    pub fn backbone(&self) -> Option<(&str, &str)> {
        let is = |v: &&Resolved| ["vit", "resnet", "convnext"].contains(&v.value.as_str());
        let found = self.0.iter().find(is);
        found.map(|v| (v.path.as_str(), v.value.as_str()))
    }

    /// Whether it reads the images that are embedded in the compiler.
    pub fn is_embedded(&self) -> bool {
        self.value("data.source") == Some("digits")
    }
}

/// Sides of a view that are offered.
const SIDES: [usize; 6] = [32, 64, 96, 128, 160, 224];
/// Largest batch that is offered unasked.
const BATCH: usize = 256;
/// Steps that a run should have, where the number of epochs allows it.
const STEPS: usize = 20_000;

/// Answers that fit a folder.
pub fn answers(base: &Base<'_>, folder: &Folder, batch: Option<usize>) -> Answers {
    let side = folder.size.map_or(224, |[h, w]| h.min(w));
    // A little enlargement is better than a much smaller view.
    let fits = SIDES.into_iter().filter(|s| *s <= side + side / 8).max();
    let image = fits.unwrap_or((side / 8 * 8).max(8));
    let most = base.number("data.batch").unwrap_or(BATCH).min(BATCH);
    let mut fitting = most;
    while fitting > 8 && fitting * 4 > folder.samples {
        fitting /= 2;
    }
    let batch = batch.unwrap_or(fitting.min(folder.samples.max(2)));
    let steps = (folder.samples / batch.max(1)).max(1);
    Answers {
        image,
        batch,
        epochs: (STEPS / steps).clamp(100, 800) / 50 * 50,
    }
}

/// The largest usual patch that gives at least eight along a side.
fn patch(image: usize) -> usize {
    let fits = |p: &usize| image.is_multiple_of(*p) && image / p >= 8;
    let small = |p: &usize| image.is_multiple_of(*p) && image / p >= 4;
    let all = [16, 14, 8, 4, 2];
    let found = all.into_iter().find(fits);
    found.or_else(|| all.into_iter().find(small)).unwrap_or(1)
}

/// The file. `short` asks for a schedule that fits a short run.
pub fn text(
    start: &Start,
    base: &Base<'_>,
    folder: &Folder,
    answers: Answers,
    short: bool,
) -> String {
    let mut out = String::new();
    let w = &mut out;
    let Start {
        module, pipeline, ..
    } = start;
    let images = if folder.samples == 1 {
        "image"
    } else {
        "images"
    };
    let _ = writeln!(w, "use std.{module}\n");
    let count = thousands(folder.samples as u64);
    let with = start.backbone.as_ref();
    let with = with.map_or(String::new(), |b| format!(" with another backbone, {b}"));
    let _ = writeln!(
        w,
        "/// `{module}.{pipeline}`{with}, on {count} {images} of `{}`. It is based on:",
        folder.path
    );
    let _ = writeln!(w, "/// {}.", start.doc);
    let _ = writeln!(w, "pipeline {} extends {module}.{pipeline} {{", start.name);
    views(w, base, folder, answers.image);
    backbone(w, start, base, answers.image);
    data(w, base, folder, answers);
    let _ = writeln!(w, "\ntrain {{");
    let steps = format!("{} steps", thousands(steps(folder, answers) as u64));
    set(w, base, "train.epochs", answers.epochs, &steps);
    if short {
        let _ = writeln!(w, "// The method's own warm-up is longer than this run.");
        let _ = writeln!(w, "schedule = warmup(10%) then cosine(optimizer.lr -> 0)");
    }
    let _ = writeln!(w, "}}");
    judged(w, base, folder);
    read(w, base, folder, answers);
    let _ = writeln!(w, "}}");
    styled(out)
}

/// A value by the last name of its path, with a remark; a remark alone where
/// the pipeline that is extended has the same.
fn set(w: &mut String, base: &Base<'_>, path: &str, value: usize, remark: &str) {
    let name = path.rsplit('.').next().unwrap_or(path);
    let comma = if remark.is_empty() { "" } else { ", " };
    let _ = match (base.number(path) == Some(value), remark) {
        (true, _) => writeln!(w, "// {name} is {value} already{comma}{remark}"),
        (false, "") => writeln!(w, "{name} = {value}"),
        (false, _) => writeln!(w, "{name} = {value} // {remark}"),
    };
}

/// Steps of the whole run.
fn steps(folder: &Folder, answers: Answers) -> usize {
    (folder.samples / answers.batch.max(1)).saturating_mul(answers.epochs)
}

/// Monitors that a short run would never reach.
fn read(w: &mut String, base: &Base<'_>, folder: &Folder, answers: Answers) {
    let steps = steps(folder, answers);
    for value in base.0 {
        let monitor = value
            .path
            .strip_prefix("monitor.")
            .and_then(|p| p.strip_suffix(".every"));
        let every = value
            .value
            .strip_suffix(" steps")
            .and_then(|n| n.parse::<usize>().ok());
        let (Some(monitor), Some(every)) = (monitor, every) else {
            continue;
        };
        if every * 2 > steps && (folder.labelled || monitor != "knn") {
            let often = (steps / 10).max(1);
            let unit = if often == 1 { "step" } else { "steps" };
            let _ = writeln!(w, "{} = {often} {unit} // of a short run", value.path);
        }
    }
}

fn views(w: &mut String, base: &Base<'_>, folder: &Folder, image: usize) {
    let Some(was) = base.number("image") else {
        return;
    };
    if let Some([height, width]) = folder.size {
        let _ = writeln!(w, "// The images are {width}x{height} or so.");
    }
    set(w, base, "image", image, "");
    for value in base.0 {
        let Some(size) = value.path.strip_suffix("_image").map(|_| &value.value) else {
            continue;
        };
        if let (Ok(size), false) = (size.parse::<usize>(), value.path.contains('.')) {
            let step = patch(image).max(4);
            let side = (size * image / was.max(1) / step * step).max(step);
            if side != size {
                let _ = writeln!(w, "{} = {side}", value.path);
            }
        }
    }
}

fn backbone(w: &mut String, start: &Start, base: &Base<'_>, image: usize) {
    let Some((path, has)) = base.backbone() else {
        return;
    };
    let patch = patch(image);
    let tokens = format!("// {0}x{0} patches", image / patch);
    let wanted = start.backbone.as_ref();
    let function = wanted.map_or(has, |b| b.function());
    match wanted {
        Some(Backbone::Vit(size)) if has == "vit" => {
            let _ = writeln!(w, "{path}.size = {size}");
        }
        Some(Backbone::Vit(size)) => {
            let _ = writeln!(w, "{path} = vit(size: {size}, patch: {patch}) {tokens}");
            return;
        }
        Some(Backbone::Resnet(depth)) if has == "resnet" => {
            let _ = writeln!(w, "{path}.depth = {depth}");
        }
        Some(Backbone::Resnet(depth)) => {
            let _ = writeln!(w, "{path} = resnet({depth})");
        }
        Some(Backbone::Convnext(size)) => {
            // Its maps are 8 patches smaller than the image in the end.
            let patch = (image / 16).clamp(1, 4);
            let _ = writeln!(w, "{path} = convnext(size: {size}, patch: {patch})");
            return;
        }
        None => {}
    }
    if function == "vit" {
        // The method's own name for it, where it has one.
        let target = match base.number("patch") {
            Some(_) => "patch".to_owned(),
            None => format!("{path}.patch"),
        };
        if base.number(&target) != Some(patch) {
            let _ = writeln!(w, "{target} = {patch} {tokens}");
        }
    } else if image <= 64 && function == "resnet" {
        let _ = writeln!(w, "{path}.stem = small // for images of 64 pixels and less");
    }
}

fn data(w: &mut String, base: &Base<'_>, folder: &Folder, answers: Answers) {
    let steps = folder.samples / answers.batch.max(1);
    let every = if steps == 1 { "step" } else { "steps" };
    let path = folder.path.replace('\\', "\\\\").replace('"', "\\\"");
    let _ = writeln!(w, "\ndata {{");
    let _ = writeln!(w, "source = image_folder(\"{path}\")");
    let rate = format!("{steps} {every} an epoch");
    set(w, base, "data.batch", answers.batch, &rate);
    let _ = writeln!(w, "}}");
    let stated = base.0.iter().any(|v| v.path == "data.samples");
    if stated {
        let _ = writeln!(w, "drop data.samples // counted in the folder");
    }
    // A queue of images that come again is no queue of others.
    if let Some(length) = base.number("length").filter(|l| l * 2 > folder.samples) {
        let batch = answers.batch.max(1);
        let kept = (folder.samples / 2).min(length) / batch * batch;
        let _ = writeln!(
            w,
            "\nlength = {} // of {} images",
            kept.max(batch),
            folder.samples
        );
    }
}

/// What reads the run, as far as the images allow it.
fn judged(w: &mut String, base: &Base<'_>, folder: &Folder) {
    let has = |path: &str| base.value(path).is_some();
    if !folder.labelled {
        let _ = writeln!(w, "\n// Without class folders no accuracy can be read.");
        for path in ["monitor.knn", "eval.knn"] {
            if has(path) {
                let _ = writeln!(w, "drop {path}");
            }
        }
        return;
    }
    let k = base.number("eval.knn.k").unwrap_or(20);
    if k > folder.samples / 5 {
        let fewer = (folder.samples / 10).max(1);
        for path in ["monitor.knn", "eval.knn"] {
            if has(path) {
                let _ = writeln!(w, "{path}.k = {fewer}");
            }
        }
    }
    if folder.samples < 10_000 && has("monitor.knn") {
        let _ = writeln!(w, "\nmonitor.knn.bank = 100%");
    }
}

fn styled(text: String) -> String {
    let mut map = SourceMap::new();
    match map.add("new", text.as_str()) {
        Some(file) => ssl_syntax::format(&map, file).text,
        None => text,
    }
}
