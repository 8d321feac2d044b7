//! Further formats and EXIF orientations against Pillow 12.2.0, byte for byte.
//! The fixtures are made by `tests/numeric/reference/formats.py`.

use std::io::Read;
use std::path::Path;

use safetensors::SafeTensors;
use ssl_data::{decode, decode_upright};

#[test]
fn every_format_decodes_to_the_bytes_of_pillow() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut bytes = Vec::new();
    let file = std::fs::File::open(fixtures.join("formats.safetensors.gz")).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut wrong = Vec::new();
    for (name, expected) in tensors.tensors() {
        let (file, exif) = match name.strip_suffix(" upright") {
            Some(file) => (file, true),
            None => (name.as_str(), false),
        };
        let bytes = std::fs::read(fixtures.join("formats").join(file)).unwrap();
        match decode_upright(&bytes, exif) {
            Ok(image) if [image.height, image.width] != expected.shape()[..2] => {
                wrong.push(format!(
                    "{name}: {}x{} for {:?}",
                    image.height,
                    image.width,
                    expected.shape()
                ))
            }
            Ok(image) if image.data != expected.data() => {
                let pairs = image.data.iter().zip(expected.data());
                let differ = pairs.clone().filter(|(a, b)| a != b).count();
                let most = pairs.map(|(a, b)| a.abs_diff(*b)).max();
                wrong.push(format!("{name}: {differ} bytes differ, by up to {most:?}"));
            }
            Ok(_) => {}
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(tensors.len() > 50, "the fixtures are there");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A cut at every length and a flip of every byte of a file: never a panic,
/// never an image of another size that was not asked for.
#[test]
fn damage_is_told_and_never_fatal() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let step = bytes.len() / 150 + 1;
        for at in (0..bytes.len()).step_by(step) {
            let _ = decode(&bytes[..at]);
            let mut flipped = bytes.clone();
            flipped[at] ^= 0xFF;
            let _ = decode_upright(&flipped, at % 2 == 0);
        }
    }
}
