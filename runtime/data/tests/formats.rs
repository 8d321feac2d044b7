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

/// A header that promises more pixels than anybody has memory for is refused
/// in every format, before a byte is allocated for them.
#[test]
fn every_bomb_is_told_by_its_size() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let at = |bytes: &[u8], part: &[u8]| {
        let found = bytes.windows(part.len()).position(|window| window == part);
        found.unwrap()
    };
    let mut jpeg = read("decode/420.jpg");
    let frame = at(&jpeg, &[0xFF, 0xC0]);
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    let mut progressive = read("decode/420_progressive.jpg");
    let frame = at(&progressive, &[0xFF, 0xC2]);
    progressive[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    let mut gif = read("formats/palette.gif");
    gif[6..10].fill(0xFF);
    let mut bmp = read("formats/rgb24.bmp");
    bmp[18..26].copy_from_slice(&[0, 0, 1, 0, 0, 0, 1, 0]);
    let mut tiff = read("formats/palette4.tiff");
    // Width and height: the first two fields, 16 bits each.
    let fields = 4 + u32::from_be_bytes(tiff[4..8].try_into().unwrap()) as usize - 2;
    for field in [fields, fields + 12] {
        tiff[field + 8..field + 10].copy_from_slice(&[0xFF, 0xFF]);
    }
    let mut webp = read("formats/lossless.webp");
    let header = at(&webp, b"VP8L") + 9;
    webp[header..header + 4].copy_from_slice(&[0xFE, 0xBF, 0xFF, 0x0F]);
    // Its strips would have to be as large.
    let told = decode(&tiff).unwrap_err().to_string();
    assert!(told.contains("inconsistent sizes"), "TIFF: {told}");
    for (name, bytes) in [
        ("JPEG", jpeg),
        ("progressive JPEG", progressive),
        ("GIF", gif),
        ("BMP", bmp),
        ("WebP", webp),
    ] {
        let told = decode(&bytes).unwrap_err().to_string();
        assert!(told.contains("more than the limit"), "{name}: {told}");
    }
}
