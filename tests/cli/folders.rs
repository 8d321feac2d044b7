//! Folders of images: good ones, and bad ones among good ones.

use std::path::Path;

use crate::support::{example, metrics, run};

/// Writes an RGB PNG whose colour depends on its class.
pub fn png(path: &Path, class: u8, i: u8) {
    let (w, h) = (40u32, 32u32);
    let mut pixels = Vec::new();
    for y in 0..h {
        for x in 0..w {
            let wave = ((x * (2 + u32::from(class)) + y + u32::from(i) * 3) % 256) as u8;
            pixels.extend([wave, 40 + 60 * class, 200 - wave / 2]);
        }
    }
    let mut encoder = png::Encoder::new(std::fs::File::create(path).expect("a file"), w, h);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&pixels).expect("pixels");
}

fn folder(dir: &Path, classes: u8, images: u8) {
    for class in 0..classes {
        let sub = dir.join(format!("class{class}"));
        std::fs::create_dir_all(&sub).expect("a folder");
        for i in 0..images {
            png(&sub.join(format!("{i}.png")), class, i);
        }
    }
}

const SMALL: [&str; 10] = [
    "--set",
    "image=16",
    "--set",
    "patch=4",
    "--set",
    "data.batch=8",
    "--set",
    "train.epochs=2",
    "--set",
    "decay=0.9",
];

fn train(dir: &Path, source: &str, more: &[&str]) -> crate::support::Done {
    let file = example("mocov3_digits.ssl").display().to_string();
    let source = format!("data.source={source}");
    let mut args = vec![
        "run",
        file.as_str(),
        "--out",
        "r",
        "--device",
        "cpu",
        "--set",
        source.as_str(),
    ];
    args.extend(SMALL);
    args.extend(more);
    run(dir, &args)
}

#[test]
fn the_digits_file_trains_on_a_folder_of_images() {
    let dir = tempfile::tempdir().expect("a folder");
    folder(&dir.path().join("photos"), 3, 12);
    train(dir.path(), "image_folder(\"photos\")", &[])
        .ends(0)
        .says(&[
            "36 images, 8 steps of 8",
            "on 36 training images, each left out",
        ]);
}

#[test]
fn broken_files_are_skipped_counted_and_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let photos = dir.path().join("photos");
    folder(&photos, 3, 12);
    let whole = std::fs::read(photos.join("class0/0.png")).expect("a png");
    std::fs::write(photos.join("class0/0.png"), &whole[..whole.len() / 2]).expect("written");
    std::fs::write(photos.join("class1/3.png"), "this is a text").expect("written");
    std::fs::write(photos.join("class2/5.png"), "").expect("written");
    let source = "image_folder(\"photos\")";
    train(dir.path(), source, &["--set", "max_corrupt=20%"])
        .ends(0)
        .says(&[
            "cannot read",
            "class0/0.png",
            "class1/3.png",
            "class2/5.png",
            "could not be read",
        ]);
    // 3 of 36 are more than the 1% that is allowed where nothing is said.
    let strict = tempfile::tempdir().expect("a folder");
    let link = format!("image_folder(\"{}\")", photos.display());
    train(strict.path(), &link, &[])
        .ends(65)
        .says(&["error:", "class"]);
    train(
        strict.path(),
        &link,
        &["--out", "s", "--set", "on_corrupt=error"],
    );
}

#[test]
fn images_without_labels_still_train() {
    let dir = tempfile::tempdir().expect("a folder");
    let photos = dir.path().join("photos");
    folder(&photos, 1, 16);
    // No class folders: the images lie side by side.
    for entry in std::fs::read_dir(photos.join("class0")).expect("a folder") {
        let path = entry.expect("an entry").path();
        std::fs::rename(&path, photos.join(path.file_name().expect("a name"))).expect("moved");
    }
    std::fs::remove_dir(photos.join("class0")).expect("removed");
    train(dir.path(), "image_folder(\"photos\")", &[])
        .ends(0)
        .says(&[
            "ssl::E0504",
            "need labels",
            "weights/encoder.backbone.safetensors",
        ]);
    // No accuracy, but what can be said without labels.
    let evals = metrics(&dir.path().join("r"), "eval");
    assert_eq!(evals.len(), 2);
    assert!(
        evals[1]["accuracy"].is_null() && evals[1]["spread"]["effective_rank"].as_f64() > Some(1.0)
    );
}
