//! `sslc data`: what the images are, and how fast they can be read here.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use ssl_core::{size, thousands};
use ssl_data::{Dataset, Split, Survey};
use ssl_plan::{Data, PackedShards, View};

use super::{Choice, images};
use crate::{complete, output};

/// Options of `sslc data`.
#[derive(Args)]
#[command(after_help = "\
Every image is read and decoded once; of packed shards every byte is compared
with what was packed. With a `.ssl` file the views of its
pipeline are made for some seconds as well, to time them.

Exit codes: 0 looked at, 1 the file has errors, 65 the data cannot be read.")]
pub struct Options {
    /// The `.ssl` file, or a folder of images
    #[arg(value_name = "FILE", add = complete::files())]
    file: PathBuf,
    #[command(flatten)]
    choice: Choice,
    /// Look at so many images only, spread evenly
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sample: Option<u32>,
    /// Do not time the views
    #[arg(long)]
    no_timing: bool,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Looks at the images of a pipeline or a folder.
pub fn run(options: &Options) -> ExitCode {
    match look(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

/// How fast views are made by a number of workers.
struct Timing {
    workers: usize,
    /// Images, with all their views, of a second.
    rate: f64,
    /// Processor seconds of an image, where the system tells.
    cpu: Option<f64>,
}

fn look(options: &Options) -> Result<(), ExitCode> {
    let found = images::subject(&options.file, &options.choice)?;
    let dataset = images::open(&found.data)?;
    let most = options.sample.map_or(usize::MAX, |n| n as usize);
    let mut surveys = Vec::new();
    for (split, name) in [(Split::Train, "training"), (Split::HeldOut, "held out")] {
        let total = dataset.len(split);
        if total == 0 {
            continue;
        }
        let bar = images::bar(total.min(most));
        let survey = dataset.survey(split, most, 0, &|done| bar.set_position(done as u64));
        bar.finish_and_clear();
        surveys.push((name, total, survey.map_err(|e| images::fail(&e))?));
    }
    drop(dataset);
    // Where the images are packed, a run looks at their ends alone.
    let packs = match found.data.packs.is_empty() {
        true => Vec::new(),
        false => {
            let patience = Duration::try_from_secs_f64(found.data.stall_limit);
            ssl_data::verify(&found.data.source, patience.unwrap_or(Duration::MAX))
                .map_err(|e| images::fail(&e))?
        }
    };
    let timings = match &found.plan {
        Some(plan) if !options.no_timing => {
            times(&found.data, &plan.recipe.views, plan.recipe.train.seed)?
        }
        _ => Vec::new(),
    };
    let classes = found.data.classes.as_deref();
    output::print(&match options.json {
        true => json(&surveys, &packs, &timings, classes),
        false => text(&surveys, &packs, &timings, classes),
    });
    Ok(())
}

/// Times one worker, two, four ... up to one for each core.
fn times(data: &Data, views: &[View], seed: u64) -> Result<Vec<Timing>, ExitCode> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut counts: Vec<usize> = std::iter::successors(Some(1), |n| Some(n * 2))
        .take_while(|n| *n < cores)
        .collect();
    counts.push(cores);
    counts
        .into_iter()
        .map(|workers| time(data, views, seed, workers).map_err(|e| images::fail(&e)))
        .collect()
}

fn time(
    data: &Data,
    views: &[View],
    seed: u64,
    workers: usize,
) -> Result<Timing, ssl_data::DataError> {
    const LONG: Duration = Duration::from_millis(1500);
    /// Batches that are made before the clock runs.
    const FIRST: usize = 4;
    // Small, so that the clock is looked at often.
    let batch = data.batch.min(32);
    let data = Data {
        batch,
        steps_per_epoch: data.samples / batch.max(1),
        ..data.clone()
    };
    // Opened anew, so that none has another's decoded images.
    let dataset = Dataset::open(&data)?;
    let mut loader = dataset.loader(views, seed, 0, usize::MAX, workers);
    for _ in 0..FIRST {
        if let Some(batch) = loader.next() {
            loader.recycle(batch?);
        }
    }
    let (start, before) = (Instant::now(), processor_time());
    let mut made = 0;
    while start.elapsed() < LONG {
        let Some(batch) = loader.next() else { break };
        let batch = batch?;
        made += batch.samples.len();
        loader.recycle(batch);
    }
    let (wall, after) = (start.elapsed(), processor_time());
    let spent = after.zip(before).map(|(after, before)| after - before);
    Ok(Timing {
        workers,
        rate: made as f64 / wall.as_secs_f64(),
        cpu: spent.map(|spent| spent / made.max(1) as f64),
    })
}

/// Processor seconds that this process has spent, on Linux.
fn processor_time() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name before may hold anything, blanks as well.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks = |n: usize| rest.split_whitespace().nth(n)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// The fewest workers that come near the best rate.
fn suggested(timings: &[Timing]) -> Option<&Timing> {
    let best = timings.iter().map(|t| t.rate).fold(0.0, f64::max);
    timings.iter().find(|t| t.rate >= 0.95 * best)
}

fn text(
    surveys: &[(&str, usize, Survey)],
    packs: &[PackedShards],
    timings: &[Timing],
    classes: Option<&[String]>,
) -> String {
    let mut out = String::new();
    for (name, total, survey) in surveys {
        split(&mut out, name, *total, survey, classes);
    }
    for pack in packs {
        let state = match &pack.changed[..] {
            [] => "every byte is as it was packed".into(),
            changed => format!("not as packed: {}", changed.join(", ")),
        };
        let _ = writeln!(
            out,
            "pack {} in `{}`: {}\n  shards      {state}\n",
            pack.name(),
            pack.folder,
            pack.form
        );
    }
    if let Some(best) = suggested(timings) {
        let _ = writeln!(out, "speed of this pipeline on this machine");
        let _ = writeln!(out, "  workers  images/s  processor time of an image");
        for t in timings {
            let cpu = t
                .cpu
                .map_or(String::new(), |s| format!("{:.2} ms", s * 1e3));
            let _ = writeln!(out, "  {:>7}  {:>8.0}  {cpu}", t.workers, t.rate);
        }
        let _ = writeln!(
            out,
            "  suggested: `--workers {}`; fewer where the device takes less than {:.0} images/s",
            best.workers, best.rate
        );
        if cfg!(target_arch = "x86_64") && !ssl_data::jpeg_simd() {
            let _ = writeln!(
                out,
                "  JPEG is decoded without vector code: install NASM and build sslc again, and \
                 decoding takes about half the time"
            );
        }
    }
    out
}

fn split(out: &mut String, name: &str, total: usize, survey: &Survey, classes: Option<&[String]>) {
    let part = match survey.images {
        n if n == total => String::new(),
        n => format!(", {} of them looked at", thousands(n as u64)),
    };
    let _ = writeln!(out, "{name}: {} images{part}", thousands(total as u64));
    let formats: Vec<String> = survey
        .formats
        .iter()
        .map(|(f, n)| format!("{n} {f}"))
        .collect();
    let bytes = match survey.bytes {
        0 => "in memory".into(),
        bytes => format!(
            "{}, {} each",
            size(bytes),
            size(bytes / survey.images.max(1) as u64)
        ),
    };
    let _ = writeln!(out, "  files       {bytes}: {}", formats.join(", "));
    if let (Some(first), Some(last)) = (survey.sizes.first(), survey.sizes.last()) {
        let by = |[h, w]: &[usize; 2]| format!("{w}x{h}");
        let middle = survey.sizes.get(survey.sizes.len() / 2).unwrap_or(first);
        let _ = writeln!(
            out,
            "  pixels      {} in the middle, {} to {} (width x height)",
            by(middle),
            by(first),
            by(last)
        );
    }
    let three = |v: [f64; 3]| v.map(|x| format!("{x:.4}")).join(", ");
    let _ = writeln!(out, "  mean        [{}]", three(survey.mean));
    let _ = writeln!(out, "  deviation   [{}]", three(survey.std));
    if let (Some(counts), Some(classes)) = (&survey.labels, classes) {
        balance(out, counts, classes);
    }
    let copies: usize = survey.duplicates.iter().map(|g| g.len() - 1).sum();
    let _ = writeln!(
        out,
        "  duplicates  {}",
        if copies == 0 {
            "none".into()
        } else {
            thousands(copies as u64)
        }
    );
    for group in survey.duplicates.iter().take(SHOWN) {
        let _ = writeln!(out, "    {}", group.join(" = "));
    }
    more(out, survey.duplicates.len());
    let broken = survey.broken.len();
    let _ = writeln!(
        out,
        "  broken      {}",
        if broken == 0 {
            "none".into()
        } else {
            thousands(broken as u64)
        }
    );
    for file in survey.broken.iter().take(SHOWN) {
        let _ = writeln!(out, "    {}: {}", file.path, file.reason);
    }
    more(out, broken);
    out.push('\n');
}

/// Lines of a list that are shown; `--json` has all.
const SHOWN: usize = 10;

fn more(out: &mut String, all: usize) {
    if all > SHOWN {
        let _ = writeln!(out, "    and {} more; `--json` has all", all - SHOWN);
    }
}

fn balance(out: &mut String, counts: &[usize], classes: &[String]) {
    // Names of folders may hold what a terminal obeys.
    let shown = |class: &String| class.replace(char::is_control, "?");
    let classes: Vec<String> = classes.iter().map(shown).collect();
    let mut order: Vec<(&usize, &String)> = counts.iter().zip(&classes).collect();
    order.sort_by_key(|(count, _)| std::cmp::Reverse(**count));
    let (Some(most), Some(least)) = (order.first(), order.last()) else {
        return;
    };
    let _ = writeln!(
        out,
        "  classes     {}: {} of `{}` to {} of `{}`",
        classes.len(),
        thousands(*most.0 as u64),
        most.1,
        thousands(*least.0 as u64),
        least.1
    );
    if classes.len() <= 2 * SHOWN {
        let width = classes.iter().map(|c| c.chars().count()).max().unwrap_or(0);
        for (count, class) in &order {
            let bar = "#".repeat((*count * 40).checked_div(*most.0).unwrap_or(0));
            let _ = writeln!(
                out,
                "    {class:width$}  {:>9}  {bar}",
                thousands(**count as u64)
            );
        }
    }
}

fn json(
    surveys: &[(&str, usize, Survey)],
    packs: &[PackedShards],
    timings: &[Timing],
    classes: Option<&[String]>,
) -> String {
    let splits = surveys.iter().map(|(name, total, s)| {
        let broken = s.broken.iter();
        let broken = broken.map(|f| json!({ "path": f.path, "reason": f.reason }));
        let counts = s.labels.as_ref().zip(classes).map(|(counts, classes)| {
            let pairs = classes.iter().zip(counts);
            pairs
                .map(|(c, n)| json!({ "class": c, "images": n }))
                .collect::<Vec<_>>()
        });
        json!({
            "split": name,
            "images": total,
            "looked_at": s.images,
            "bytes": s.bytes,
            "formats": s.formats,
            "smallest": s.sizes.first(),
            "median": s.sizes.get(s.sizes.len() / 2),
            "largest": s.sizes.last(),
            "mean": s.mean,
            "std": s.std,
            "classes": counts,
            "duplicates": s.duplicates,
            "broken": broken.collect::<Vec<_>>(),
        })
    });
    let timing = timings.iter().map(|t| {
        json!({ "workers": t.workers, "images_per_second": t.rate, "cpu_seconds_per_image": t.cpu })
    });
    let all = json!({
        "splits": splits.collect::<Vec<_>>(),
        "packs": packs,
        "throughput": timing.collect::<Vec<_>>(),
        "suggested_workers": suggested(timings).map(|t| t.workers),
    });
    format!("{all:#}\n")
}
