//! WebDataset shards: their shuffle, and what is lost of a cut one.

use super::*;

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

/// Between two members as well as in one, where a download ends as a rule: a
/// cut is told, and takes no other image its label.
#[test]
fn a_cut_between_members_is_a_cut() {
    let root = tempfile::tempdir().unwrap();
    for (n, members) in [["jpg", "cls", "json"], ["cls", "json", "jpg"]]
        .into_iter()
        .enumerate()
    {
        let path = root.path().join(format!("{n}.tar"));
        shard_of(&path, 0, 6, members);
        let whole = fs::read(&path).unwrap();
        let source = webdataset(text(&path));
        assert_eq!(probe(&source).unwrap().samples, 6);
        // The two empty blocks at the end; one of them is enough.
        let blocks = whole.len() / 512 - 2;
        for cut in 8..=blocks {
            fs::write(&path, &whole[..cut * 512]).unwrap();
            let dataset = open(&source, 1, OnCorrupt::Skip, 1.0);
            assert!(dataset.labels(Split::Train).is_some(), "{members:?} {cut}");
            let broken = dataset
                .survey(Split::Train, usize::MAX, 1, &|_| {})
                .unwrap()
                .broken;
            assert!(
                broken.len() == 1 && broken[0].reason.contains("cut off"),
                "{members:?} {cut}: {broken:?}"
            );
        }
        fs::write(&path, &whole[..(blocks + 1) * 512]).unwrap();
        assert_eq!(probe(&source).unwrap().samples, 6);
    }
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
