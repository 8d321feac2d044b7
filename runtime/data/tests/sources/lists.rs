//! Lists of files, and files that are none.

use super::*;

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

    // As spreadsheets write them where the comma is the decimal sign, and as an
    // old Macintosh ends its lines.
    let semicolons = with(
        "semicolons.csv",
        format!("\u{feff}path;label\r\n{}\r\n", rows(";").join("\r\n")),
    );
    assert_eq!(classes(&semicolons).unwrap(), ["0", "1"]);
    let old = with("old.txt", names.join("\r"));
    assert_eq!(probe(&old).unwrap().samples, 6);
    let wide: Vec<u8> = "\u{feff}path"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(root.join("wide.csv"), wide).unwrap();
    let told = problem(&list(&root.join("wide.csv")));
    assert!(told.contains("UTF-16; save it as UTF-8"), "{told}");

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
