//! Decoding and augmentation against Pillow 12.2.0 and torchvision 0.29.2,
//! byte for byte. The fixtures are made by
//! `tests/numeric/reference/transforms.py`.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::Crc;
use safetensors::SafeTensors;
use serde_json::Value;
use ssl_data::{Operation, Region, Rgb, apply, decode};
use ssl_plan::Interpolation;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn tensors(name: &str) -> Vec<u8> {
    let file = std::fs::File::open(fixture(name)).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn cases(name: &str) -> Vec<Value> {
    serde_json::from_str(&std::fs::read_to_string(fixture(name)).unwrap()).unwrap()
}

fn image(tensors: &SafeTensors<'_>, name: &str) -> Rgb {
    let tensor = tensors.tensor(name).unwrap();
    let [height, width, 3] = *tensor.shape() else {
        panic!("`{name}` has the shape {:?}", tensor.shape());
    };
    Rgb {
        width,
        height,
        data: tensor.data().to_vec(),
    }
}

fn operation(value: &Value) -> Operation {
    let float = |key: &str| value[key].as_f64().unwrap();
    let count = |value: &Value| value.as_u64().unwrap() as usize;
    let size = || [count(&value["size"][0]), count(&value["size"][1])];
    let interpolation = || match value["interpolation"].as_str().unwrap() {
        "bicubic" => Interpolation::Bicubic,
        _ => Interpolation::Bilinear,
    };
    match value["op"].as_str().unwrap() {
        "resized_crop" => Operation::ResizedCrop {
            region: Region {
                top: count(&value["top"]),
                left: count(&value["left"]),
                height: count(&value["height"]),
                width: count(&value["width"]),
            },
            size: size(),
            interpolation: interpolation(),
        },
        "resize" => Operation::Resize {
            size: size(),
            interpolation: interpolation(),
        },
        "center_crop" => Operation::CenterCrop { size: size() },
        "brightness" => Operation::Brightness {
            factor: float("factor"),
        },
        "contrast" => Operation::Contrast {
            factor: float("factor"),
        },
        "saturation" => Operation::Saturation {
            factor: float("factor"),
        },
        "hue" => Operation::Hue {
            turns: float("turns"),
        },
        "grayscale" => Operation::Grayscale,
        "gaussian_blur" => Operation::GaussianBlur {
            sigma: float("sigma"),
        },
        "solarize" => Operation::Solarize {
            threshold: count(&value["threshold"]) as u16,
        },
        "horizontal_flip" => Operation::HorizontalFlip,
        other => panic!("unknown operation `{other}`"),
    }
}

fn operations(case: &Value) -> Vec<Operation> {
    let list = case["operations"].as_array().unwrap();
    list.iter().map(operation).collect()
}

/// What is unequal, in words.
fn difference(found: &Rgb, expected: &Rgb) -> Option<String> {
    if (found.width, found.height) != (expected.width, expected.height) {
        return Some(format!(
            "{}x{} pixels instead of {}x{}",
            found.height, found.width, expected.height, expected.width
        ));
    }
    let pairs = || found.data.iter().zip(&expected.data);
    let unequal = pairs().filter(|(a, b)| a != b).count();
    let worst = pairs().map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
    (unequal > 0).then(|| {
        format!(
            "{unequal} of {} values differ, by up to {worst}",
            found.data.len()
        )
    })
}

fn checksum(image: &Rgb) -> u64 {
    let mut crc = Crc::new();
    crc.update(&image.data);
    crc.sum().into()
}

#[test]
fn every_kind_of_file_decodes_as_in_pillow() {
    let bytes = tensors("decode.safetensors.gz");
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let mut problems = Vec::new();
    for name in expected.names() {
        let file = std::fs::read(fixture("decode").join(name)).unwrap();
        let problem = match decode(&file) {
            Ok(found) => difference(&found, &image(&expected, name)),
            Err(error) => Some(error.to_string()),
        };
        problems.extend(problem.map(|problem| format!("{name}: {problem}")));
    }
    assert!(expected.len() >= 35);
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_operation_gives_pillows_bytes() {
    let bytes = tensors("transforms.safetensors.gz");
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let mut problems = Vec::new();
    let cases = cases("transforms.json");
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let source = image(&stored, case["source"].as_str().unwrap());
        let found = apply(&source, &operations(case));
        let problem = difference(&found, &image(&stored, name));
        problems.extend(problem.map(|problem| format!("{name}: {problem}")));
    }
    assert!(cases.len() >= 90);
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Colour operations on all 2^24 colours, by checksum.
#[test]
fn every_color_is_pillows() {
    let all = Rgb {
        width: 4096,
        height: 4096,
        data: (0..1u32 << 24)
            .flat_map(|n| [(n >> 16) as u8, (n >> 8) as u8, n as u8])
            .collect(),
    };
    for case in cases("colors.json") {
        let found = apply(&all, &operations(&case));
        assert_eq!(
            Some(checksum(&found)),
            case["result"].as_u64(),
            "{}",
            case["operations"]
        );
    }
}

/// Checksums of MoCo v3 views of 60 real photographs.
#[test]
fn views_of_photographs_are_pillows() {
    let root = std::env::var("SSLC_TEST_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").into());
    if !Path::new(&root).join("clothes").is_dir() {
        eprintln!("skipped: no photographs in `{root}`; set SSLC_TEST_DATA to their folder");
        return;
    }
    let mut problems = Vec::new();
    for case in cases("photographs.json") {
        let file = case["file"].as_str().unwrap();
        let bytes = std::fs::read(Path::new(&root).join(file)).unwrap();
        let image = decode(&bytes).unwrap();
        if Some(checksum(&image)) != case["decoded"].as_u64() {
            problems.push(format!("{file}: other pixels"));
        }
        let view = apply(&image, &operations(&case));
        if Some(checksum(&view)) != case["view"].as_u64() {
            problems.push(format!("{file}: another view"));
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}
