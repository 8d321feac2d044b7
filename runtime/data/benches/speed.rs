//! Speed of the input path on a folder of JPEGs, by hand:
//!
//!     cargo bench -p ssl-data --bench speed -- FOLDER MODE IMAGES WORKERS
//!
//! FOLDER may also be one that `sslc pack` wrote, but for `decode`.
//! MODE is `decode` (every image whole, nothing else), `views` (the two MoCo v3
//! views of 224 pixels) or `fast` (the same under `decode = fast`). Prints
//! images, wall and processor seconds and the peak of memory as JSON; what a
//! loader does once at its start is left out of the seconds. `fidelity`
//! prints how near the crops of `decode = fast` are to the exact ones.
//! `speed.py` beside this file compares with other libraries.

use std::path::{Path, PathBuf};
use std::time::Instant;

use ssl_data::{Dataset, Split, decode, probe};
use ssl_plan::{Data, Decode, OnCorrupt, Source, Transform, View};

#[path = "../tests/common/mod.rs"]
mod common;

/// Images after which a loader of any number of workers here has all its
/// buffers.
const ONCE: usize = 256;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|a| a != "--bench");
    let mut next = |what: &str| arguments.next().unwrap_or_else(|| panic!("name {what}"));
    let folder = PathBuf::from(next("a folder of JPEGs"));
    let mode = next("a mode: decode or views");
    let images: usize = next("a number of images").parse().expect("a number");
    let workers: usize = next("a number of workers").parse().expect("a number");
    let (wall, cpu) = match mode.as_str() {
        "decode" => {
            let files = files(&folder);
            timed(|| {
                for file in files.iter().cycle().take(images) {
                    std::hint::black_box(decode(&std::fs::read(file).unwrap()).unwrap());
                }
            })
        }
        "fidelity" => return fidelity(&folder, images),
        mode => {
            let decode = match mode {
                "fast" => Decode::Fast,
                _ => Decode::Full,
            };
            views(&folder, images, workers, decode)
        }
    };
    println!(
        r#"{{"mode": "{mode}", "images": {images}, "workers": {workers}, "wall": {wall}, "cpu": {cpu}, "peak_mib": {}}}"#,
        peak_mib()
    );
}

/// PSNR of crops of 224 pixels, those made of shrunk images alone.
fn fidelity(folder: &Path, images: usize) {
    let (exact, fast) = (open(folder, 1, Decode::Full), open(folder, 1, Decode::Fast));
    let files = exact.len(Split::Train);
    let kept = |transform: &Transform| {
        matches!(
            transform,
            Transform::RandomResizedCrop { .. } | Transform::Normalize { .. }
        )
    };
    let [mut view, _]: [View; 2] = common::moco_views(224).try_into().unwrap();
    view.transforms.retain(kept);
    let mut found = Vec::new();
    for n in 0..images {
        let (epoch, sample) = ((n / files) as u32, (n % files) as u32);
        let crop = |dataset: &Dataset| {
            let preview = dataset.preview(std::slice::from_ref(&view), 0, epoch, sample);
            preview.unwrap().views.swap_remove(0).data
        };
        let (exact, fast) = (crop(&exact), crop(&fast));
        let square = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
        let error = exact.iter().zip(&fast).map(square).sum::<f64>() / exact.len() as f64;
        if error > 0.0 {
            found.push(10.0 * (255.0f64.powi(2) / error).log10());
        }
    }
    found.sort_by(f64::total_cmp);
    let at = |share: f64| found.get((share * found.len() as f64) as usize).copied();
    println!(
        r#"{{"mode": "fidelity", "crops": {images}, "shrunk": {}, "psnr_1%": {:?}, "psnr_median": {:?}}}"#,
        found.len(),
        at(0.01),
        at(0.5)
    );
}

/// A folder of images or of packed shards, nothing of which is kept decoded.
fn open(folder: &Path, batch: usize, decode: Decode) -> Dataset {
    let path = folder.display();
    let source = if folder.join("pack.json").exists() {
        Source::Webdataset {
            shards: format!("{path}/train-*.tar"),
            image: None,
            label: "cls".into(),
            test: None,
        }
    } else {
        Source::ImageFolder {
            path: path.to_string(),
            test: None,
        }
    };
    let data = Data {
        on_corrupt: OnCorrupt::Error,
        decode,
        cache: 0,
        ..probe(&source).unwrap().data(source, batch)
    };
    Dataset::open(&data).unwrap()
}

fn views(folder: &Path, images: usize, workers: usize, decode: Decode) -> (f64, f64) {
    const BATCH: usize = 32;
    let dataset = open(folder, BATCH, decode);
    let views = common::moco_views(224);
    let load = |images: usize| {
        timed(|| {
            let mut loader = dataset.loader(&views, 0, 0, images / BATCH, workers);
            while let Some(batch) = loader.next() {
                loader.recycle(batch.unwrap());
            }
        })
    };
    // What a loader does once (threads, memory that is met for the first time)
    // is in both.
    let (once, all) = (load(ONCE), load(ONCE + images));
    (all.0 - once.0, all.1 - once.1)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|e| e == "jpg"))
        .map(|path| std::path::absolute(path).unwrap())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no JPEG in `{}`", folder.display());
    files
}

/// Wall and processor seconds of a call.
fn timed(call: impl FnOnce()) -> (f64, f64) {
    let (start, before) = (Instant::now(), processor_time());
    call();
    (start.elapsed().as_secs_f64(), processor_time() - before)
}

/// Most memory of this process that was resident at once (Linux).
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let kib = line.split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() / 1024
}

/// Processor seconds of this process (Linux).
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields: Vec<f64> = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|t| t.parse().unwrap())
        .collect();
    fields.iter().sum::<f64>() / 100.0
}
