//! Sets in the files of their authors, Parquet, HDF5: arrays of images.

use super::*;

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
