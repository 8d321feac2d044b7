//! What a set is made of, how it is packed, and how its views look.

mod common;

use std::path::Path;
use std::time::Duration;

use common::moco_views;
use ssl_data::{DataError, Dataset, Form, Pack, Packed, Split, decode, probe, verify};
use ssl_plan::{Data, Source};

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/decode")
        .join(name)
}

/// Two classes of three JPEGs and two PNGs, one of them twice, and a broken
/// file.
fn folder(root: &Path) -> Data {
    for (class, from, to) in [
        ("a", "420.jpg", "1.jpg"),
        ("a", "rgb8.png", "2.png"),
        ("a", "420.jpg", "3.jpg"),
        ("b", "444.jpg", "1.jpg"),
        ("b", "rgba8.png", "2.png"),
    ] {
        std::fs::create_dir_all(root.join(class)).unwrap();
        std::fs::copy(fixture(from), root.join(class).join(to)).unwrap();
    }
    let whole = std::fs::read(fixture("422.jpg")).unwrap();
    std::fs::write(root.join("b/3.jpg"), &whole[..whole.len() / 2]).unwrap();
    Data {
        classes: Some(vec!["a".into(), "b".into()]),
        max_corrupt: 0.5,
        ..Data::new(
            Source::ImageFolder {
                path: root.display().to_string(),
                test: None,
            },
            6,
            2,
        )
    }
}

#[test]
fn a_survey_finds_what_is_there() {
    let root = tempfile::tempdir().unwrap();
    let data = folder(root.path());
    let survey = |workers| {
        let dataset = Dataset::open(&data).unwrap();
        dataset
            .survey(Split::Train, usize::MAX, workers, &|_| {})
            .unwrap()
    };
    let found = survey(1);
    assert_eq!(found, survey(3));
    assert_eq!((found.images, found.sizes.len()), (6, 5));
    assert_eq!((found.formats["jpeg"], found.formats["png"]), (4, 2));
    assert_eq!(found.labels, Some(vec![3, 3]));
    assert!(matches!(&found.broken[..], [file] if file.path.ends_with("b/3.jpg")));
    let [group] = &found.duplicates[..] else {
        panic!("{:?}", found.duplicates);
    };
    assert!(group[0].ends_with("a/1.jpg") && group[1].ends_with("a/3.jpg"));

    // The statistics of all pixels, computed the plain way.
    let mut values: [Vec<f64>; 3] = Default::default();
    for name in ["420.jpg", "rgb8.png", "420.jpg", "444.jpg", "rgba8.png"] {
        let image = decode(&std::fs::read(fixture(name)).unwrap()).unwrap();
        for pixel in image.data.chunks(3) {
            for c in 0..3 {
                values[c].push(f64::from(pixel[c]) / 255.0);
            }
        }
    }
    for (c, values) in values.iter().enumerate() {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        assert!((found.mean[c] - mean).abs() < 1e-9);
        assert!((found.std[c] - variance.sqrt()).abs() < 1e-9);
    }
}

/// The members of a tar file: name and content.
fn members(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    });
    entries.collect()
}

#[test]
fn packed_shards_hold_the_images_with_their_labels() {
    let root = tempfile::tempdir().unwrap();
    let data = folder(&root.path().join("images"));
    let dataset = Dataset::open(&data).unwrap();
    let pack = |out: &str, form, short_side| {
        let out = root.path().join(out);
        let pack = Pack {
            short_side,
            form,
            shard: 4,
        };
        let packed = dataset.pack(&out, &pack, &|_| true).unwrap().unwrap();
        assert_eq!(Packed::read(&out).unwrap().as_ref(), Some(&packed));
        (out, packed)
    };
    let (out, packed) = pack("jpeg", Form::Jpeg(90), None);
    let counts: Vec<usize> = packed.shards.iter().map(|s| s.images).collect();
    assert_eq!((counts, packed.broken.len()), (vec![4, 1], 1));
    let first = members(&out.join("train-000000.tar"));
    let names: Vec<&str> = first.iter().map(|m| m.0.as_str()).take(6).collect();
    assert_eq!(
        names,
        [
            "000000000.jpg",
            "000000000.cls",
            "000000000.class",
            "000000001.jpg",
            "000000001.cls",
            "000000001.class"
        ]
    );
    // A JPEG that fits stays as it is; a PNG becomes a JPEG of the same size.
    assert_eq!(first[0].1, std::fs::read(fixture("420.jpg")).unwrap());
    let png = decode(&std::fs::read(fixture("rgb8.png")).unwrap()).unwrap();
    let stored = decode(&first[3].1).unwrap();
    assert_eq!((stored.width, stored.height), (png.width, png.height));
    let off: f64 = stored
        .data
        .iter()
        .zip(&png.data)
        .map(|(a, b)| f64::from(a.abs_diff(*b)))
        .sum();
    assert!(off / (stored.data.len() as f64) < 20.0, "{off}");
    assert_eq!(
        (first[1].1.as_slice(), first[2].1.as_slice()),
        (&b"0"[..], &b"a"[..])
    );

    // Again it is the same; shrunk it is another.
    let (_, again) = pack("again", Form::Jpeg(90), None);
    assert_eq!(again.fingerprint, packed.fingerprint);
    let (out, small) = pack("small", Form::Jpeg(90), Some(20));
    assert_ne!(small.fingerprint, packed.fingerprint);
    let shrunk = decode(&members(&out.join("train-000000.tar"))[0].1).unwrap();
    assert_eq!((shrunk.height, shrunk.width), (20, 29));

    // Decoded: the pixels themselves, rows from the bottom, blue first.
    let (out, _) = pack("pixels", Form::Decoded, None);
    let image = decode(&std::fs::read(fixture("420.jpg")).unwrap()).unwrap();
    let (name, stored) = &members(&out.join("train-000000.tar"))[0];
    assert_eq!(name, "000000000.bmp");
    let line = (image.width * 3).next_multiple_of(4);
    assert_eq!(stored.len(), 54 + line * image.height);
    let last = &stored[stored.len() - line..];
    assert_eq!([last[2], last[1], last[0]], image.data[..3]);

    // What is there is never overwritten.
    let pack = Pack {
        short_side: None,
        form: Form::Decoded,
        shard: 4,
    };
    let refused = dataset.pack(&out, &pack, &|_| true);
    assert!(matches!(refused, Err(DataError::Write { .. })));
    // What is called off leaves nothing, not even in a folder that was there.
    for (out, there) in [("off", false), ("kept", true)] {
        let out = root.path().join(out);
        if there {
            std::fs::create_dir(&out).unwrap();
        }
        let none = dataset.pack(&out, &pack, &|done| done < 4).unwrap();
        assert_eq!((none, out.exists()), (None, there));
        assert!(!there || out.read_dir().unwrap().next().is_none());
    }
}

/// Packed and read again, the samples are those of the source; a run on other
/// shards than the plan's is refused by their names.
#[test]
fn packed_shards_are_read_back_and_known_by_their_fingerprint() {
    let root = tempfile::tempdir().unwrap();
    let mut data = folder(&root.path().join("images"));
    std::fs::remove_file(root.path().join("images/b/3.jpg")).unwrap();
    data.samples = 5;
    let dataset = Dataset::open(&data).unwrap();
    let pack = |out: &str, form| {
        let pack = Pack {
            short_side: None,
            form,
            shard: 2,
        };
        dataset
            .pack(&root.path().join(out), &pack, &|_| true)
            .unwrap()
            .unwrap()
    };
    let packed = pack("p", Form::Decoded);
    let jpeg = pack("q", Form::Jpeg(90));
    assert_eq!(packed.source, jpeg.source);
    assert_ne!(packed.fingerprint, jpeg.fingerprint);
    let source = Source::Webdataset {
        shards: root.path().join("p/train-*.tar").display().to_string(),
        image: None,
        label: "class".into(),
        test: None,
    };
    let found = probe(&source).unwrap();
    assert_eq!(found.classes, data.classes);
    let [recorded] = &found.packs[..] else {
        panic!("{:?}", found.packs);
    };
    assert_eq!(recorded.fingerprint, packed.fingerprint);
    assert_eq!(
        (recorded.form.as_str(), recorded.changed.len()),
        ("decoded", 0)
    );
    let again = Data {
        source,
        packs: found.packs.clone(),
        ..data.clone()
    };
    let views = moco_views(24);
    let batches = |data: &Data| -> Vec<_> {
        let loader = Dataset::open(data).unwrap().loader(&views, 4, 0, 6, 2);
        loader
            .map(|batch| {
                let batch = batch.unwrap();
                (batch.samples, batch.labels, batch.views)
            })
            .collect()
    };
    assert!(batches(&data) == batches(&again));

    let refused = |what: &str| {
        let error = Dataset::open(&again).err().unwrap();
        assert!(matches!(error, DataError::OtherPack { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(&packed.fingerprint[..16]) && text.contains(what),
            "{text}"
        );
    };
    // Another pack under the same names, a shard that is not as it was packed,
    // and shards that say nothing of themselves.
    let move_ = |from: &str, to: &str| {
        std::fs::rename(root.path().join(from), root.path().join(to)).unwrap();
    };
    move_("p", "r");
    move_("q", "p");
    refused(&format!(
        "but pack {} (JPEG quality 90)",
        &jpeg.fingerprint[..16]
    ));
    move_("p", "q");
    move_("r", "p");
    assert!(Dataset::open(&again).is_ok());
    let last = root.path().join("p/train-000002.tar");
    let whole = std::fs::read(&last).unwrap();
    let mut longer = whole.clone();
    longer.extend([0; 512]);
    std::fs::write(&last, longer).unwrap();
    refused("with `train-000002.tar` changed");
    // Another image of the same length ends in other bytes.
    let mut other = whole.clone();
    let size = u64::from_str_radix(std::str::from_utf8(&whole[124..135]).unwrap(), 8).unwrap();
    other[512 + size as usize - 4] ^= 1;
    std::fs::write(&last, other).unwrap();
    refused("with `train-000002.tar` changed");
    // A bit in the midst of one is found where all bytes are compared.
    let mut flipped = whole.clone();
    flipped[512 + size as usize / 2] ^= 1;
    std::fs::write(&last, flipped).unwrap();
    assert!(Dataset::open(&again).is_ok());
    let changed = |source: &Source| {
        let packs = verify(source, Duration::from_secs(60)).unwrap();
        packs[0].changed.clone()
    };
    assert_eq!(changed(&again.source), ["train-000002.tar"]);
    std::fs::write(&last, whole).unwrap();
    assert!(changed(&again.source).is_empty());
    std::fs::write(root.path().join("p/pack.json"), "{}").unwrap();
    refused("but no pack lies there");
}

#[test]
fn a_preview_shows_the_views_of_the_run() {
    let root = tempfile::tempdir().unwrap();
    let data = folder(root.path());
    let dataset = Dataset::open(&data).unwrap();
    let views = moco_views(24);
    let batch = dataset.loader(&views, 9, 0, 1, 1).next().unwrap().unwrap();
    let sample = batch.samples[0];
    let preview = dataset.preview(&views, 9, 0, sample).unwrap();
    assert_eq!(preview.views.len(), 2);
    let Ok(image) = preview.image else {
        panic!("{:?}", preview.image);
    };
    assert!(image.width > 0);
    // The bytes of the first view, normalised as the batch is.
    let mean = [0.485f32, 0.456, 0.406];
    let std = [0.229f32, 0.224, 0.225];
    for (n, pixel) in preview.views[0].data.chunks(3).enumerate() {
        for c in 0..3 {
            let value = (f32::from(pixel[c]) / 255.0 - mean[c]) / std[c];
            assert_eq!(value, batch.views[0].pixels[c * 24 * 24 + n]);
        }
    }
    let broken = dataset.preview(&views, 9, 0, 5).unwrap();
    assert!(broken.image.is_err() && broken.views.is_empty());
}
