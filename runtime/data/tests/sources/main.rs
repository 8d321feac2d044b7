//! Every source: its images, its labels, its order on any number of workers
//! and devices, and its damage. Files of others are made by
//! `tests/numeric/reference/sources.py`.

mod arrays;
#[path = "../common/mod.rs"]
mod common;
mod joined;
mod lists;
mod shards;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use common::moco_views;
use flate2::{Compression, Crc, write::GzEncoder};
use ssl_data::{DataError, Dataset, Probe, Split, probe};
use ssl_plan::{Data, OnCorrupt, Source, View};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().to_str().unwrap().into()
}

fn open(source: &Source, batch: usize, on_corrupt: OnCorrupt, max_corrupt: f64) -> Dataset {
    Dataset::open(&Data {
        on_corrupt,
        max_corrupt,
        ..probe(source).unwrap().data(source.clone(), batch)
    })
    .unwrap()
}

/// CRC-32 of the 8-bit pixels of every image of a split, and what failed.
fn checksums(dataset: &Dataset, split: Split, size: [usize; 2]) -> Vec<u32> {
    let mut out = Vec::new();
    for batch in dataset.evaluation(split, &[], size, 1) {
        let batch = batch.unwrap();
        let area = size[0] * size[1];
        let bytes: Vec<u8> = (0..area)
            .flat_map(|n| [0, 1, 2].map(|c| (batch.pixels[c * area + n] * 255.0).round() as u8))
            .collect();
        let mut crc = Crc::new();
        crc.update(&bytes);
        out.push(crc.sum());
    }
    out
}

fn expected(name: &str) -> Vec<u32> {
    expected_of("pixels.json", name)
}

fn expected_of(file: &str, name: &str) -> Vec<u32> {
    let text = fs::read_to_string(fixtures().join("sources").join(file)).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let list = all[name].as_array().unwrap();
    list.iter().map(|n| n.as_u64().unwrap() as u32).collect()
}

fn problem(source: &Source) -> String {
    probe(source).unwrap_err().to_string()
}

const FILES: [&str; 4] = [
    "decode/420.jpg",
    "decode/rgb8.png",
    "formats/lossy.webp",
    "formats/rgb.tiff",
];

fn image(n: usize) -> Vec<u8> {
    fs::read(fixtures().join(FILES[n % FILES.len()])).unwrap()
}

/// A shard of `count` images from the number `first`, labelled `number % 3`.
fn shard(path: &Path, first: usize, count: usize) {
    shard_of(path, first, count, ["cls", "jpg", "json"]);
}

/// The same with its members in an order.
fn shard_of(path: &Path, first: usize, count: usize, members: [&str; 3]) {
    let mut tar = tar::Builder::new(fs::File::create(path).unwrap());
    let mut add = |name: String, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    for n in first..first + count {
        // WebDataset splits names at their first dot.
        for ending in members {
            let bytes = match ending {
                "cls" => (n % 3).to_string().into_bytes(),
                "jpg" => image(n),
                _ => b"{}".to_vec(),
            };
            add(format!("part/{n:06}.{ending}"), &bytes);
        }
    }
    tar.finish().unwrap();
}

fn webdataset(pattern: String) -> Source {
    Source::Webdataset {
        shards: pattern,
        image: None,
        label: "cls".into(),
        test: None,
    }
}

fn list(path: &Path) -> Source {
    Source::List {
        path: text(path),
        root: None,
        image: None,
        label: None,
        test: None,
    }
}

/// Samples and pixels of some steps.
fn run(dataset: &Dataset, first: usize, last: usize, workers: usize) -> Vec<(Vec<u32>, Vec<f32>)> {
    let loader = dataset.loader(&views(), 9, first, last, workers);
    loader
        .map(|batch| {
            let batch = batch.unwrap();
            (batch.samples, batch.views[0].pixels.clone())
        })
        .collect()
}

fn views() -> Vec<View> {
    moco_views(12)
}
