//! Every source: its images, its labels, its order on any number of workers
//! and devices, and its damage. Files of others are made by
//! `tests/numeric/reference/sources.py`.

mod common;

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
    let found = probe(source).unwrap();
    Dataset::open(&Data {
        source: source.clone(),
        samples: found.samples,
        classes: found.classes,
        held_out: found.held_out,
        batch,
        steps_per_epoch: found.samples / batch,
        on_corrupt,
        max_corrupt,
        exif_orientation: false,
        decode: ssl_plan::Decode::Full,
        cache: 256 << 20,
        stall_limit: 120.0,
        packs: Vec::new(),
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
    let mut tar = tar::Builder::new(fs::File::create(path).unwrap());
    let mut add = |name: String, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    for n in first..first + count {
        // WebDataset splits names at their first dot.
        add(format!("part/{n:06}.cls"), (n % 3).to_string().as_bytes());
        add(format!("part/{n:06}.jpg"), &image(n));
        add(format!("part/{n:06}.json"), b"{}");
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

#[test]
fn cifar_pickles_give_their_pixels_and_run_nothing() {
    let ten = Source::Cifar10 {
        path: text(fixtures().join("sources/cifar-10-python.tar.gz")),
    };
    let found = probe(&ten).unwrap();
    assert_eq!((found.samples, found.held_out), (10, Some(4)));
    assert_eq!(found.classes.unwrap()[9], "truck");
    let dataset = open(&ten, 5, OnCorrupt::Error, 0.0);
    assert_eq!(
        checksums(&dataset, Split::Train, [32, 32]),
        expected("cifar10")
    );
    assert_eq!(
        checksums(&dataset, Split::HeldOut, [32, 32]),
        expected("cifar10 held out")
    );
    assert_eq!(dataset.labels(Split::HeldOut).unwrap(), [5, 6, 7, 8]);

    let hundred = |coarse| Source::Cifar100 {
        path: text(fixtures().join("sources/cifar-100-python")),
        coarse,
    };
    let dataset = open(&hundred(false), 3, OnCorrupt::Error, 0.0);
    assert_eq!(
        checksums(&dataset, Split::Train, [32, 32]),
        expected("cifar100 train")
    );
    assert_eq!(dataset.labels(Split::Train).unwrap(), [0, 99, 7]);
    let coarse = probe(&hundred(true)).unwrap().classes.unwrap();
    assert_eq!((coarse.len(), coarse[19].as_str()), (20, "coarse 19"));

    let hostile = Source::Cifar10 {
        path: text(fixtures().join("sources/hostile")),
    };
    assert!(
        problem(&hostile).contains("is no CIFAR batch"),
        "{}",
        problem(&hostile)
    );
    assert!(!Path::new("/tmp/sslc-was-here").exists());
}

#[test]
fn binary_benchmark_sets_are_read_as_they_lie() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let write = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    // CIFAR: red, then green, then blue.
    let mut record = vec![3];
    record.extend([vec![1; 1024], vec![2; 1024], vec![3; 1024]].concat());
    for n in 1..=5 {
        write(&format!("c/data_batch_{n}.bin"), &record);
    }
    write("c/test_batch.bin", &[&record[..], &record[..]].concat());
    let cifar = Source::Cifar10 {
        path: text(root.join("c")),
    };
    let dataset = open(&cifar, 2, OnCorrupt::Error, 0.0);
    assert_eq!(
        (dataset.len(Split::Train), dataset.len(Split::HeldOut)),
        (5, 2)
    );
    let first = dataset
        .evaluation(Split::Train, &[], [32, 32], 1)
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(
        [0, 1024, 2048].map(|at| (first.pixels[at] * 255.0).round()),
        [1.0, 2.0, 3.0]
    );
    write("c/data_batch_3.bin", &record[..2000]);
    assert!(problem(&cifar).contains("cut off"), "{}", problem(&cifar));

    // MNIST: gzipped images, plain labels.
    let gzip = |bytes: &[u8]| {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    };
    let images = |count: u8| {
        let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend(0..count * 6);
        bytes
    };
    for (name, count) in [("train", 4), ("t10k", 2)] {
        write(
            &format!("m/{name}-images-idx3-ubyte.gz"),
            &gzip(&images(count)),
        );
        let labels = [
            &[0, 0, 8, 1, 0, 0, 0, count][..],
            &[7, 1, 7, 1][..count as usize],
        ]
        .concat();
        write(&format!("m/{name}-labels-idx1-ubyte"), &labels);
    }
    let mnist = Source::Mnist {
        path: text(root.join("m")),
    };
    let dataset = open(&mnist, 2, OnCorrupt::Error, 0.0);
    assert_eq!(dataset.labels(Split::Train).unwrap(), [7, 1, 7, 1]);
    let second = dataset
        .evaluation(Split::Train, &[], [2, 3], 1)
        .nth(1)
        .unwrap()
        .unwrap();
    assert_eq!((second.pixels[0] * 255.0).round(), 6.0);
    let cut = gzip(&images(4));
    write("m/train-images-idx3-ubyte.gz", &cut[..cut.len() - 12]);
    assert!(!problem(&mnist).is_empty());

    // STL-10: columns first.
    let mut stl = vec![0; 2 * 3 * 96 * 96];
    stl[1] = 51; // Row 1, column 0.
    stl[96] = 102; // Row 0, column 1.
    write("s/unlabeled_X.bin", &stl);
    write("s/train_X.bin", &stl);
    write("s/train_y.bin", &[1, 10]);
    write("s/test_X.bin", &stl);
    write("s/test_y.bin", &[10, 2]);
    let path = text(root.join("s"));
    let open_stl = |labelled| {
        let source = Source::Stl10 {
            path: path.clone(),
            labelled,
        };
        open(&source, 2, OnCorrupt::Error, 0.0)
    };
    assert_eq!(open_stl(false).labels(Split::Train), None);
    let dataset = open_stl(true);
    assert_eq!(dataset.labels(Split::HeldOut).unwrap(), [9, 1]);
    let first = dataset
        .evaluation(Split::Train, &[], [96, 96], 1)
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(
        [96, 1].map(|at| (first.pixels[at] * 255.0).round()),
        [51.0, 102.0]
    );
}

#[test]
fn parquet_rows_are_found_one_by_one() {
    let source = Source::Parquet {
        shards: text(fixtures().join("sources/*.parquet")),
        image: None,
        label: None,
        test: None,
    };
    let found = probe(&source).unwrap();
    assert_eq!(found.samples, 12);
    assert_eq!(found.classes.unwrap(), ["cat", "dog", "owl"]);
    let dataset = open(&source, 4, OnCorrupt::Error, 0.0);
    assert_eq!(dataset.labels(Split::Train).unwrap()[..5], [0, 1, 2, 0, 1]);
    assert_eq!(
        checksums(&dataset, Split::Train, [16, 20]),
        expected("parquet")
    );
    assert_eq!(run(&dataset, 0, 6, 1), run(&dataset, 0, 6, 5));

    let root = tempfile::tempdir().unwrap();
    let whole = fs::read(fixtures().join("sources/train.parquet")).unwrap();
    let path = root.path().join("cut.parquet");
    let damaged = Source::Parquet {
        shards: text(&path),
        image: None,
        label: None,
        test: None,
    };
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(
        problem(&damaged).contains("no whole Parquet file"),
        "{}",
        problem(&damaged)
    );
    // Whatever is flipped, something is said and nothing panics or hangs.
    for at in (0..whole.len()).step_by(whole.len() / 120 + 1) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        if let Ok(Probe { samples: 12, .. }) = probe(&damaged) {
            let dataset = open(&damaged, 4, OnCorrupt::Skip, 1.0);
            for batch in dataset.loader(&views(), 1, 0, 3, 2) {
                assert!(!matches!(batch, Err(DataError::Defect { .. })), "byte {at}");
            }
        }
    }
}

/// Files of `tests/numeric/reference/hdf5.py`.
#[test]
fn hdf5_arrays_are_images() {
    let with = |path: PathBuf, image: Option<&str>| Source::Hdf5 {
        path: text(path),
        image: image.map(Into::into),
        label: None,
        test: None,
    };
    let file = |name: &str, image| with(fixtures().join("sources").join(name), image);
    for (source, classes, pixels) in [
        (file("last.h5", None), &["0", "1", "2"][..], "rgb"),
        (file("first.h5", Some("x")), &["cat", "owl"], "rgb"),
        (file("gray.h5", Some("train/images")), &[], "gray"),
        (file("files.h5", None), &["0", "1", "2"], "rgb"),
        (file("latest.h5", Some("one")), &["0", "1", "2"], "rgb"),
        (file("latest.h5", Some("single")), &["0", "1", "2"], "rgb"),
        (file("latest.h5", Some("implicit")), &["0", "1", "2"], "rgb"),
        (file("latest.h5", Some("fixed")), &["0", "1", "2"], "rgb"),
        (file("latest.h5", Some("growing")), &["0", "1", "2"], "rgb"),
        (file("latest.h5", Some("files")), &["0", "1", "2"], "rgb"),
    ] {
        let found = probe(&source).unwrap();
        assert_eq!(found.samples, 12);
        assert_eq!(found.classes.unwrap_or_default(), classes);
        let dataset = open(&source, 4, OnCorrupt::Error, 0.0);
        assert_eq!(
            checksums(&dataset, Split::Train, [16, 20]),
            expected_of("hdf5.json", pixels)
        );
        assert_eq!(run(&dataset, 0, 6, 1), run(&dataset, 0, 6, 5));
    }
    let told = problem(&file("gray.h5", None));
    assert!(
        told.contains("`image: \"...\"`") && told.contains("group/array"),
        "{told}"
    );
    let told = problem(&file("first.h5", Some("scores")));
    assert!(
        told.contains("[12] of f64") && told.contains("[N, H, W, 3]"),
        "{told}"
    );
    let told = problem(&file("first.h5", Some("z")));
    assert!(
        told.contains("no array `z`") && told.contains("`scores`, `x`, `y`"),
        "{told}"
    );
    for source in [
        file("latest.h5", Some("tree")),
        file("too_new.h5", Some("images")),
    ] {
        let told = problem(&source);
        assert!(
            told.contains("its images cannot be read: ") && told.contains("libver=\"earliest\""),
            "{told}"
        );
    }
    let told = problem(&list(&fixtures().join("sources/last.h5")));
    assert!(
        told.contains("is an HDF5 file") && told.contains("`hdf5("),
        "{told}"
    );

    // Cut or flipped anywhere: something is said, and nothing panics or hangs.
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("damaged.h5");
    for name in ["last.h5", "files.h5"] {
        let whole = fs::read(fixtures().join("sources").join(name)).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(!problem(&with(path.clone(), None)).is_empty());
        for at in (0..whole.len()).step_by(whole.len() / 150 + 1) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            fs::write(&path, &bytes).unwrap();
            let damaged = with(path.clone(), None);
            if let Ok(Probe { samples: 12, .. }) = probe(&damaged) {
                let dataset = open(&damaged, 4, OnCorrupt::Skip, 1.0);
                for batch in dataset.loader(&views(), 1, 0, 3, 2) {
                    assert!(!matches!(batch, Err(DataError::Defect { .. })), "byte {at}");
                }
            }
        }
    }
}

#[test]
fn shards_are_shuffled_as_one_and_lose_only_what_is_cut() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..3 {
        shard(&root.path().join(format!("s-{n:02}.tar")), 10 * n, 10);
    }
    let source = webdataset(text(root.path().join("s-{00..02}.tar")));
    assert_eq!(probe(&source).unwrap().samples, 30);
    assert_eq!(
        probe(&webdataset(text(root.path().join("*.tar"))))
            .unwrap()
            .samples,
        30
    );
    let dataset = open(&source, 10, OnCorrupt::Error, 0.0);
    let labels = dataset.labels(Split::Train).unwrap();
    assert!((0..30).all(|n| labels[n] == n as u32 % 3));
    let steps = run(&dataset, 0, 6, 1);
    assert_eq!(steps, run(&dataset, 0, 6, 4));
    assert_eq!(steps[4..], run(&dataset, 4, 6, 3));
    let first = &steps[0].0;
    assert!(
        (0..3).all(|s| first.iter().any(|n| n / 10 == s)),
        "{first:?}"
    );

    // Cut in the middle: the whole ones before the cut stay.
    let path = root.path().join("s-01.tar");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let samples = probe(&source).unwrap().samples;
    assert!((23..30).contains(&samples), "{samples}");
    let dataset = open(&source, 10, OnCorrupt::Skip, 0.1);
    let mut loader = dataset.loader(&views(), 9, 0, 4, 3);
    for batch in loader.by_ref() {
        assert_eq!(batch.unwrap().samples.len(), 10);
    }
    let told: Vec<_> = loader.report().files().cloned().collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].path.contains("s-01.tar"), "{told:?}");
    assert!(told[0].reason.contains("cut off"), "{told:?}");
    // Wherever it is cut, an image whose label is lost is lost with it, and the
    // others keep theirs.
    let mut cut = 0;
    for part in [9, 17, 33, 44, 51, 60, 78, 87, 91] {
        fs::write(&path, &whole[..whole.len() * part / 100]).unwrap();
        let found = probe(&source).unwrap();
        assert_eq!(found.classes.unwrap(), ["0", "1", "2"], "{part} %");
        cut += usize::from(found.samples < 30);
    }
    assert!(cut > 5);
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    // Gone behind its back, before any image is kept in memory.
    let dataset = open(&source, 10, OnCorrupt::Skip, 0.1);
    fs::remove_file(&path).unwrap();
    let mut loader = dataset.loader(&views(), 9, 4, 12, 3);
    assert!(matches!(
        loader.find_map(Result::err),
        Some(DataError::TooManyCorrupt { .. })
    ));
    fs::write(&path, [b'x'; 2000]).unwrap();
    assert!(
        problem(&source).contains("no tar file"),
        "{}",
        problem(&source)
    );
}

/// Gzipped or not, shards are the same samples; what lies behind a cut is lost,
/// and a bomb is not unzipped.
#[test]
fn gzipped_shards_are_the_shards() {
    let root = tempfile::tempdir().unwrap();
    let zip = |bytes: &[u8]| {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    };
    for n in 0..3 {
        let plain = root.path().join(format!("s-{n}.tar"));
        shard(&plain, 10 * n, 10);
        let name = ["z-0.tar.gz", "z-1.tgz", "z-2.tar"][n];
        fs::write(root.path().join(name), zip(&fs::read(plain).unwrap())).unwrap();
    }
    let plain = webdataset(text(root.path().join("s-*.tar")));
    let zipped = webdataset(text(root.path().join("z-*")));
    let open = |source| open(source, 10, OnCorrupt::Error, 0.0);
    assert_eq!(run(&open(&zipped), 0, 6, 3), run(&open(&plain), 0, 6, 1));
    assert_eq!(
        open(&zipped).labels(Split::Train),
        open(&plain).labels(Split::Train)
    );

    let path = root.path().join("z-1.tgz");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let found = probe(&zipped).unwrap();
    assert!((21..30).contains(&found.samples), "{}", found.samples);
    assert_eq!(found.classes.unwrap(), ["0", "1", "2"]);
    let dataset = self::open(&zipped, 10, OnCorrupt::Skip, 0.1);
    let mut loader = dataset.loader(&views(), 9, 0, 4, 3);
    assert!(loader.by_ref().all(|batch| batch.is_ok()));
    let told: Vec<_> = loader.report().files().cloned().collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].path.contains("z-1.tgz"), "{told:?}");

    // 250 MB of nothing in a quarter of a megabyte.
    let mut bomb = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    let mut header = tar::Header::new_ustar();
    header.set_size(250 << 20);
    let zeros = std::io::Read::take(std::io::repeat(0), 250 << 20);
    bomb.append_data(&mut header, "1.jpg", zeros).unwrap();
    fs::write(&path, bomb.into_inner().unwrap().finish().unwrap()).unwrap();
    let told = problem(&zipped);
    assert!(told.contains("more than 200 times its length"), "{told}");
    fs::write(&path, [0x1F, 0x8B, 8, 0]).unwrap();
    assert!(problem(&zipped).contains("no tar file"));
}

#[test]
fn lists_name_images_with_or_without_labels() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    fs::create_dir(root.join("i m")).unwrap();
    for n in 0..6 {
        fs::write(root.join(format!("i m/{n}.bin")), image(n)).unwrap();
    }
    let names: Vec<_> = (0..6).map(|n| format!("i m/{n}.bin")).collect();
    let with = |name: &str, text: String| {
        fs::write(root.join(name), text).unwrap();
        list(&root.join(name))
    };
    let classes = |source: &Source| probe(source).unwrap().classes;

    let plain = with("plain.txt", names.join("\n"));
    assert_eq!((probe(&plain).unwrap().samples, classes(&plain)), (6, None));
    let rows = |join: &str| -> Vec<String> {
        (0..6)
            .map(|n| format!("{}{join}{}", names[n], n % 2))
            .collect()
    };
    let numbered = with("numbered.txt", rows(" ").join("\n"));
    assert_eq!(classes(&numbered).unwrap(), ["0", "1"]);
    let headed = with(
        "headed.csv",
        format!(
            "id,Label,path\n{}",
            (0..6)
                .map(|n| { format!("{n},{},\"{}\"\r\n", ["owl", "cat"][n % 2], names[n]) })
                .collect::<String>()
        ),
    );
    assert_eq!(classes(&headed).unwrap(), ["cat", "owl"]);
    let dataset = open(&headed, 2, OnCorrupt::Error, 0.0);
    assert_eq!(dataset.labels(Split::Train).unwrap(), [1, 0, 1, 0, 1, 0]);
    let bare = with("bare.tsv", rows("\t").join("\n"));
    assert_eq!(classes(&bare).unwrap(), ["0", "1"]);
    let same = run(&open(&plain, 3, OnCorrupt::Error, 0.0), 0, 4, 1);
    assert_eq!(same, run(&open(&bare, 3, OnCorrupt::Error, 0.0), 0, 4, 3));

    let Source::List { path, .. } = &headed else {
        unreachable!()
    };
    let wrong = Source::List {
        path: path.clone(),
        root: None,
        image: Some("file".into()),
        label: None,
        test: None,
    };
    assert!(problem(&wrong).contains("no column `file`, only `id`, `Label`, `path`"));
    let away = Source::List {
        path: path.clone(),
        root: Some(text(root.join("i m"))),
        image: None,
        label: None,
        test: None,
    };
    assert!(
        problem(&away).contains("are not there"),
        "{}",
        problem(&away)
    );
    let gap = with(
        "gap.csv",
        format!("path,label\n{},1\n{},\n", names[0], names[1]),
    );
    assert!(
        problem(&gap).contains("line 3 has no label"),
        "{}",
        problem(&gap)
    );
}

/// A named pipe, which would never answer, is told and not opened.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let pipe = root.path().join("pipe.jpg");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for n in 0..7 {
        fs::write(root.path().join(format!("{n}.jpg")), image(n)).unwrap();
    }
    let names: String = (0..7).map(|n| format!("{n}.jpg\n")).collect();
    fs::write(root.path().join("l.txt"), format!("pipe.jpg\n{names}")).unwrap();
    let dataset = open(&list(&root.path().join("l.txt")), 8, OnCorrupt::Pad, 0.5);
    let mut loader = dataset.loader(&views(), 2, 0, 1, 2);
    let batch = loader.next().unwrap().unwrap();
    let told: Vec<_> = loader.report().files().collect();
    assert!(
        told.len() == 1 && told[0].reason == "it is no regular file",
        "{told:?}"
    );
    // Padded: its sample stands there, as zeros.
    let at = batch
        .samples
        .iter()
        .position(|sample| *sample == 0)
        .unwrap();
    let values = batch.views[0].pixels.len() / 8;
    let of = |n: usize| &batch.views[0].pixels[n * values..(n + 1) * values];
    assert!(of(at).iter().all(|v| *v == 0.0));
    assert!(of((at + 1) % 8).iter().any(|v| *v != 0.0));
}

#[test]
fn sources_join_and_mix_and_devices_share_them() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    shard(&root.join("a.tar"), 0, 24);
    let mut rows = "path,label\n".to_owned();
    for n in 0..8 {
        fs::write(root.join(format!("{n}.img")), image(n)).unwrap();
        rows += &format!("{n}.img,{}\n", ["2", "new"][n % 2]);
    }
    fs::write(root.join("l.csv"), rows).unwrap();
    let parts = vec![
        webdataset(text(root.join("a.tar"))),
        list(&root.join("l.csv")),
    ];

    let row = Source::Concat {
        sources: parts.clone(),
    };
    let found = probe(&row).unwrap();
    assert_eq!(found.samples, 32);
    // Classes of one name are one class.
    assert_eq!(found.classes.unwrap(), ["0", "1", "2", "new"]);
    let dataset = open(&row, 8, OnCorrupt::Error, 0.0);
    assert_eq!(
        dataset.labels(Split::Train).unwrap()[24..],
        [2, 3, 2, 3, 2, 3, 2, 3]
    );

    let mix = Source::Mix {
        sources: parts,
        weights: vec![1.0, 3.0],
        samples: Some(16),
    };
    assert_eq!(probe(&mix).unwrap().samples, 16);
    let dataset = open(&mix, 8, OnCorrupt::Error, 0.0);
    let steps = run(&dataset, 0, 12, 1);
    for epoch in steps.chunks(2) {
        let small = epoch
            .iter()
            .flat_map(|(samples, _)| samples)
            .filter(|n| **n >= 24);
        assert_eq!(small.count(), 12);
    }
    assert_eq!(steps, run(&dataset, 0, 12, 5));
    assert_eq!(steps[7..], run(&dataset, 7, 12, 2));

    // Rank r has the positions r, r + world, ...
    for world in [2, 4] {
        for rank in 0..world {
            let share = run(&dataset.for_rank(rank, world).unwrap(), 0, 12, 3);
            for ((samples, pixels), (all, whole)) in share.iter().zip(&steps) {
                let values = whole.len() / 8;
                let expected = (rank..8).step_by(world);
                assert!(expected.clone().map(|n| &all[n]).eq(samples));
                let expected = expected.flat_map(|n| &whole[n * values..(n + 1) * values]);
                assert!(expected.eq(pixels), "rank {rank} of {world}");
            }
        }
    }
    assert!(matches!(
        dataset.for_rank(0, 3),
        Err(DataError::Share { .. })
    ));
}

#[test]
fn another_content_is_told_by_what_it_is() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    fs::create_dir_all(root.join("photos/cats")).unwrap();
    fs::write(root.join("photos/cats/1.jpg"), image(0)).unwrap();
    fs::write(root.join("photos/cats/2.jpg"), image(0)).unwrap();
    fs::create_dir(root.join("shards")).unwrap();
    shard(&root.join("shards/a.tar"), 0, 3);
    let photos = text(root.join("photos"));
    let told = problem(&Source::Cifar10 {
        path: photos.clone(),
    });
    assert!(
        told.contains("is an image folder, not CIFAR-10; write `image_folder(\""),
        "{told}"
    );
    let told = problem(&webdataset(photos));
    assert!(
        told.contains("is an image folder, not tar shards"),
        "{told}"
    );
    let folder = |path: PathBuf| Source::ImageFolder {
        path: text(path),
        test: None,
    };
    let told = problem(&folder(root.join("shards")));
    assert!(
        told.contains("a folder of tar files") && told.contains("/*.tar\")`"),
        "{told}"
    );
    let told = problem(&folder(fixtures().join("sources/cifar-100-python")));
    assert!(
        told.contains("is CIFAR-100, not an image folder; write `cifar100("),
        "{told}"
    );
    let told = problem(&webdataset(text(root.join("none-{0..3}.tar"))));
    assert!(told.contains("none-0.tar` does not exist"), "{told}");
}
