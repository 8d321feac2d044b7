//! Sources in a row, mixed and shared by devices, and sources taken for others.

use super::*;

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
