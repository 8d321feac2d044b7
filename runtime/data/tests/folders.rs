//! Folders of images, whole and damaged.

mod common;

use std::fs;
use std::path::Path;

use common::moco_views;
use ssl_data::{Batch, DataError, Dataset, Loader, Split, decode, probe};
use ssl_plan::{Data, Interpolation, OnCorrupt, Source, Transform};

const GOOD: [&str; 6] = [
    "420.jpg",
    "422_progressive.jpg",
    "gray.jpg",
    "rgb8.png",
    "palette4.png",
    "cmyk.jpg",
];

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decode");
    fs::read(folder.join(name)).unwrap()
}

fn write(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn folder(root: &Path) -> Source {
    Source::ImageFolder {
        path: root.to_str().unwrap().into(),
        test: None,
    }
}

fn data(source: Source, batch: usize, on_corrupt: OnCorrupt, max_corrupt: f64) -> Data {
    Data {
        on_corrupt,
        max_corrupt,
        ..probe(&source).unwrap().data(source, batch)
    }
}

/// 40 good files in two classes.
fn good_set(root: &Path) {
    for n in 0..40 {
        let name = GOOD[n % GOOD.len()];
        let class = if n < 25 { "cats" } else { "dogs" };
        write(root, &format!("{class}/{n:02}_{name}"), &fixture(name));
    }
}

/// A PNG whose header promises 30,000 x 30,000 pixels.
fn bomb() -> Vec<u8> {
    let mut bytes = fixture("rgb8.png");
    bytes[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    bytes
}

fn half(name: &str) -> Vec<u8> {
    let bytes = fixture(name);
    bytes[..bytes.len() / 2].to_vec()
}

fn loader(dataset: &Dataset, first: usize, workers: usize) -> Loader {
    dataset.loader(&moco_views(16), 1, first, 20, workers)
}

fn all(loader: &mut Loader) -> Result<Vec<Batch>, DataError> {
    loader.collect()
}

#[test]
fn classes_and_order_come_from_names() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    good_set(root);
    write(root, "cats/readme.txt", b"no image");
    write(root, "cats/.hidden.jpg", b"no image either");
    write(root, "birds/deep/er/z.PNG", &fixture("gray8.png"));
    let found = probe(&folder(root)).unwrap();
    assert_eq!(found.samples, 41);
    assert_eq!(found.classes.as_deref().unwrap(), ["birds", "cats", "dogs"]);
    let dataset = Dataset::open(&data(folder(root), 8, OnCorrupt::Error, 0.0)).unwrap();
    let mut labels = vec![0];
    labels.extend([1; 25]);
    labels.extend([2; 15]);
    assert_eq!(dataset.labels(Split::Train).unwrap(), labels);

    // One image at the top, and no image has a class.
    write(root, "stray.jpeg", &fixture("gray.jpg"));
    let found = probe(&folder(root)).unwrap();
    assert_eq!((found.samples, found.classes), (42, None));
}

#[cfg(unix)]
#[test]
fn link_loops_end_and_odd_names_are_read() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    good_set(root);
    symlink(root, root.join("cats/loop")).unwrap();
    symlink(root.join("nowhere"), root.join("dangling")).unwrap();
    let odd = root
        .join("dogs")
        .join(std::ffi::OsStr::from_bytes(b"\xff\xfe.jpg"));
    fs::write(odd, fixture("444.jpg")).unwrap();
    fs::write(root.join("dogs/\x1b[31m\n.jpg"), b"").unwrap();
    let dataset = Dataset::open(&data(folder(root), 42, OnCorrupt::Skip, 0.1)).unwrap();
    assert_eq!(all(&mut loader(&dataset, 18, 2)).unwrap().len(), 2);
    // A link to itself is an image that cannot be read, and no more.
    symlink("self.jpg", root.join("cats/self.jpg")).unwrap();
    let dataset = Dataset::open(&data(folder(root), 43, OnCorrupt::Skip, 0.1)).unwrap();
    let found = dataset.survey(ssl_data::Split::Train, usize::MAX, 2, &|_| {});
    let broken = found.unwrap().broken;
    assert!(
        broken.len() == 2 && broken[0].path.ends_with("cats/self.jpg"),
        "{broken:?}"
    );
    // No name speaks to the terminal.
    assert!(
        broken[1].path.ends_with("dogs/\\u{1b}[31m\\n.jpg"),
        "{broken:?}"
    );
}

#[test]
fn files_give_the_same_batches_on_any_number_of_workers() {
    let root = tempfile::tempdir().unwrap();
    good_set(root.path());
    write(root.path(), "dogs/broken.jpg", &half("420.jpg"));
    write(root.path(), "dogs/empty.png", b"");
    let data = data(folder(root.path()), 6, OnCorrupt::Skip, 0.1);
    let open = || Dataset::open(&data).unwrap();
    let mut first = loader(&open(), 0, 1);
    let whole = all(&mut first).unwrap();
    assert_eq!(whole.len(), 20);
    for workers in [2, 3, 7] {
        let mut other = loader(&open(), 0, workers);
        assert_eq!(all(&mut other).unwrap(), whole);
        assert_eq!(other.report(), first.report());
    }
    assert_eq!(all(&mut loader(&open(), 9, 3)).unwrap(), whole[9..]);
}

#[test]
fn unreadable_files_are_replaced_counted_and_named() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    good_set(root);
    let bad: [(&str, Vec<u8>, &str); 6] = [
        ("cats/half.jpg", half("420.jpg"), "cut off"),
        (
            "cats/half_progressive.jpg",
            half("444_progressive.jpg"),
            "cut off",
        ),
        ("cats/half.png", half("rgb8.png"), "damaged PNG"),
        (
            "cats/text.jpg",
            b"<html>not found</html>".to_vec(),
            "no image of a known format",
        ),
        ("dogs/empty.jpeg", Vec::new(), "empty"),
        ("dogs/bomb.png", bomb(), "30000x30000 pixels"),
    ];
    for (name, bytes, _) in &bad {
        write(root, name, bytes);
    }
    write(root, "dogs/vanished.jpg", &fixture("gray.jpg"));
    let data = data(folder(root), 40, OnCorrupt::Skip, 0.2);
    assert_eq!(data.samples, 47);
    let dataset = Dataset::open(&data).unwrap();
    fs::remove_file(root.join("dogs/vanished.jpg")).unwrap();

    let mut loader = loader(&dataset, 0, 3);
    let batches = all(&mut loader).unwrap();
    let report = loader.report();
    assert_eq!(report.files().len(), 7);
    assert!(report.replaced() >= 7, "{}", report.replaced());
    for file in report.files() {
        let name = Path::new(&file.path)
            .strip_prefix(root)
            .unwrap()
            .to_str()
            .unwrap();
        let expected = bad.iter().find(|(bad, ..)| *bad == name);
        let expected = expected.map_or("No such file", |(.., reason)| reason);
        assert!(file.reason.contains(expected), "{name}: {}", file.reason);
        let taken = batches
            .iter()
            .any(|batch| batch.samples.contains(&file.sample));
        assert!(!taken, "{name} is in a batch");
    }
    for batch in &batches {
        assert_eq!(batch.samples.len(), 40);
        let views = batch.views.iter();
        assert!(views.flat_map(|v| &v.pixels).all(|value| value.is_finite()));
    }
    let kept: Vec<u32> = dataset
        .evaluation(Split::Train, &resize(16), [16, 16], 9)
        .flat_map(|batch| batch.unwrap().samples)
        .collect();
    assert_eq!(kept.len(), 40);
    assert!(kept.is_sorted());
}

fn resize(side: usize) -> Vec<Transform> {
    vec![
        Transform::Resize {
            size: side,
            interpolation: Interpolation::Bilinear,
        },
        Transform::CenterCrop { size: [side, side] },
    ]
}

#[test]
fn too_many_unreadable_files_stop_the_run() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    good_set(root);
    for n in 0..3 {
        write(root, &format!("cats/bad{n}.jpg"), b"");
    }
    // 0.05 of 43 allows two of the three.
    let skip = data(folder(root), 43, OnCorrupt::Skip, 0.05);
    let stop = all(&mut loader(&Dataset::open(&skip).unwrap(), 0, 2)).unwrap_err();
    let text = stop.to_string();
    assert!(
        text.contains("3 of 43 images") && text.contains("bad0.jpg"),
        "{text}"
    );

    let strict = data(folder(root), 43, OnCorrupt::Error, 1.0);
    let dataset = Dataset::open(&strict).unwrap();
    let messages: Vec<String> = [1, 2, 5]
        .map(|workers| {
            all(&mut loader(&dataset, 0, workers))
                .unwrap_err()
                .to_string()
        })
        .into();
    assert!(messages[0].contains("bad") && messages[0].contains("on_corrupt = skip"));
    assert!(messages.iter().all(|m| *m == messages[0]), "{messages:?}");
    let stop = dataset
        .evaluation(Split::Train, &resize(8), [8, 8], 50)
        .next()
        .unwrap();
    assert!(matches!(stop, Err(DataError::Corrupt { .. })));
}

#[test]
fn a_set_without_one_good_file_ends_with_an_error() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..5 {
        write(root.path(), &format!("{n}.png"), b"nothing");
    }
    let data = data(folder(root.path()), 2, OnCorrupt::Skip, 1.0);
    let mut loader = loader(&Dataset::open(&data).unwrap(), 0, 3);
    assert!(matches!(
        loader.next(),
        Some(Err(DataError::AllCorrupt { .. }))
    ));
    assert!(loader.next().is_none());
}

#[test]
fn an_evaluation_passes_over_a_batch_of_broken_images() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..3 {
        write(root.path(), &format!("{n}.jpg"), &fixture("gray.jpg"));
    }
    write(root.path(), "1.jpg", b"nothing");
    let data = data(folder(root.path()), 2, OnCorrupt::Skip, 1.0);
    let dataset = Dataset::open(&data).unwrap();
    let image = decode(&fixture("gray.jpg")).unwrap();
    let size = [image.height, image.width];
    let batches = dataset.evaluation(Split::Train, &[], size, 1);
    let samples: Vec<_> = batches.map(|batch| batch.unwrap().samples).collect();
    assert_eq!(samples, [[0], [2]]);
}

#[test]
fn sets_that_cannot_be_used_say_why() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let message = |source: &Source| probe(source).unwrap_err().to_string();

    let text = message(&folder(&root.join("missing")));
    assert!(text.contains("does not exist"), "{text}");
    write(root, "notes.txt", b"");
    let text = message(&folder(&root.join("notes.txt")));
    assert!(text.contains("is a list, not an image folder"), "{text}");
    let text = message(&folder(root));
    assert!(text.contains("`.jpg`, `.jpeg`, `.png`"), "{text}");
    write(root, "train/a/1.jpg", &fixture("gray.jpg"));
    let text = message(&folder(&root.join("train")));
    assert!(text.contains("holds one image"), "{text}");

    write(root, "train/b/2.jpg", &fixture("gray.jpg"));
    write(root, "test/b/3.jpg", &fixture("gray.jpg"));
    let both = Source::ImageFolder {
        path: root.join("train").to_str().unwrap().into(),
        test: Some(root.join("test").to_str().unwrap().into()),
    };
    assert_eq!(probe(&both).unwrap().held_out, Some(1));
    let mut plan = data(both.clone(), 2, OnCorrupt::Error, 0.0);
    let dataset = Dataset::open(&plan).unwrap();
    assert_eq!(dataset.labels(Split::HeldOut).unwrap(), [1]);
    plan.batch = 3;
    let text = Dataset::open(&plan).err().unwrap().to_string();
    assert!(text.contains("set `data.batch` to 2 or less"), "{text}");

    write(root, "test/c/4.jpg", &fixture("gray.jpg"));
    let text = message(&both);
    assert!(
        text.contains("class `c`") && text.contains("`a`, `b`"),
        "{text}"
    );
    fs::remove_dir_all(root.join("test/c")).unwrap();
    write(root, "test/5.jpg", &fixture("gray.jpg"));
    assert!(message(&both).contains("have no class"));
    fs::remove_file(root.join("test/5.jpg")).unwrap();

    plan.batch = 2;
    write(root, "train/b/6.jpg", &fixture("gray.jpg"));
    let text = Dataset::open(&plan).err().unwrap().to_string();
    assert!(text.contains("made for 2 training images, but 3"), "{text}");
}

#[test]
fn views_that_cannot_be_made_say_why() {
    let root = tempfile::tempdir().unwrap();
    good_set(root.path());
    let data = data(folder(root.path()), 8, OnCorrupt::Error, 0.0);
    let dataset = Dataset::open(&data).unwrap();
    let first = |views: &[ssl_plan::View]| {
        let mut loader = dataset.loader(views, 0, 0, 5, 2);
        let error = loader.next().unwrap().unwrap_err().to_string();
        assert!(loader.next().is_none());
        error
    };
    let mut views = moco_views(16);
    views[1].transforms.swap(5, 6);
    assert!(first(&views).starts_with("view `b`: `normalize` is transform 6 of 7"));
    let mut views = moco_views(16);
    views[0].size = [32, 32];
    assert!(first(&views).contains("16x16 pixels, but the networks expect 32x32"));
    let mut views = moco_views(16);
    views[0].transforms = resize(16)[..1].to_vec();
    let text = first(&views);
    assert!(text.contains("end them with a crop"), "{text}");
    let mut views = moco_views(32);
    views[0].transforms.insert(6, resize(16)[0].clone());
    assert!(first(&views).contains("16x16 pixels, but the networks expect 32x32"));
    views[0].size = [16, 16];
    dataset.loader(&views, 0, 0, 5, 2).next().unwrap().unwrap();
    let random = &moco_views(16)[0].transforms;
    let mut evaluation = dataset.evaluation(Split::Train, random, [16, 16], 4);
    let text = evaluation.next().unwrap().unwrap_err().to_string();
    assert!(
        text.contains("random") && evaluation.next().is_none(),
        "{text}"
    );
    let mut evaluation = dataset.evaluation(Split::HeldOut, &resize(8), [8, 8], 4);
    let text = evaluation.next().unwrap().unwrap_err().to_string();
    assert!(text.contains("no held-out images"), "{text}");
}

/// Cut anywhere, flipped anywhere: an error or an image, never a panic; and a
/// cut that loses pixels is never taken for a whole file.
#[test]
fn damaged_bytes_never_panic() {
    for name in ["420.jpg", "444_progressive.jpg", "cmyk.jpg", "restart.jpg"] {
        let bytes = fixture(name);
        for cut in 0..bytes.len() - 1 {
            assert!(decode(&bytes[..cut]).is_err(), "{name} cut at {cut}");
        }
    }
    for name in ["rgb8.png", "palette4.png", "rgba16_interlaced.png"] {
        let bytes = fixture(name);
        for cut in 0..bytes.len() - 12 {
            assert!(decode(&bytes[..cut]).is_err(), "{name} cut at {cut}");
        }
    }
    for name in [
        "420.jpg",
        "422_progressive.jpg",
        "cmyk.jpg",
        "rgb8.png",
        "gray4.png",
    ] {
        let bytes = fixture(name);
        for (at, flip) in (0..bytes.len()).zip([0x01, 0x80, 0xFF, 0x10].into_iter().cycle()) {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            let _ = decode(&damaged);
        }
    }
}
