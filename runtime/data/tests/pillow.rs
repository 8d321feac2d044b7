//! Decoding and augmentation against Pillow 12.2.0 and torchvision 0.29.2,
//! byte for byte. The fixtures are made by
//! `tests/numeric/reference/transforms.py`.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::Crc;
use safetensors::SafeTensors;
use serde_json::Value;
use ssl_data::{
    Mix, Operation, RandAugmentDraw, Region, Rgb, apply, decode, rand_augment,
    rand_augment_choices, soft_labels,
};
use ssl_plan::{Interpolation, Policy, Sampling};

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
        "solarize_add" => Operation::SolarizeAdd {
            add: count(&value["add"]) as u8,
        },
        "posterize" => Operation::Posterize {
            bits: count(&value["bits"]) as u8,
        },
        "equalize" => Operation::Equalize,
        "autocontrast" => Operation::Autocontrast,
        "invert" => Operation::Invert,
        "sharpness" => Operation::Sharpness {
            factor: float("factor"),
        },
        "rotate" => Operation::Rotate {
            degrees: float("degrees"),
            sampling: sampling(value),
            fill: fill(value),
        },
        "affine" => Operation::Affine {
            matrix: std::array::from_fn(|i| value["matrix"][i].as_f64().unwrap()),
            sampling: sampling(value),
            fill: fill(value),
        },
        "horizontal_flip" => Operation::HorizontalFlip,
        "vertical_flip" => Operation::VerticalFlip,
        other => panic!("unknown operation `{other}`"),
    }
}

fn sampling(value: &Value) -> Sampling {
    match value["sampling"].as_str().unwrap() {
        "nearest" => Sampling::Nearest,
        "bilinear" => Sampling::Bilinear,
        _ => Sampling::Bicubic,
    }
}

fn fill(value: &Value) -> [u8; 3] {
    std::array::from_fn(|i| value["fill"][i].as_u64().unwrap() as u8)
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

/// Every operation of torchvision's and timm's RandAugment, at every strength
/// and in both directions.
#[test]
fn rand_augment_is_the_references() {
    let bytes = tensors("transforms.safetensors.gz");
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let source = image(&stored, "rand augment");
    let size = [source.height, source.width];
    let mut problems = Vec::new();
    let mut met = std::collections::HashSet::new();
    for case in cases("rand_augment.json") {
        let policy = match case["policy"].as_str().unwrap() {
            "timm" => Policy::Timm,
            _ => Policy::Torchvision,
        };
        let draw = RandAugmentDraw {
            choice: case["choice"].as_u64().unwrap() as usize,
            magnitude: case["magnitude"].as_f64().unwrap(),
            negative: case["negative"].as_bool().unwrap(),
            sampling: sampling(&case),
            fill: fill(&case),
        };
        met.insert((policy == Policy::Timm, draw.choice));
        let operation = rand_augment(policy, &draw, size);
        let found = apply(&source, operation.as_slice());
        if Some(checksum(&found)) != case["result"].as_u64() {
            problems.push(format!("{policy:?} {draw:?}: {operation:?}"));
        }
    }
    let choices = [Policy::Torchvision, Policy::Timm].map(rand_augment_choices);
    assert_eq!(met.len(), choices.iter().sum::<usize>());
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Mixup and CutMix of a batch, images and labels, as torchvision's.
#[test]
fn mixed_batches_are_torchvisions() {
    let bytes = std::fs::read(fixture("mix.safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |name: &str| {
        let (chunks, _) = stored.tensor(name).unwrap().data().as_chunks::<4>();
        chunks
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect::<Vec<_>>()
    };
    let (labels, _) = stored.tensor("labels").unwrap().data().as_chunks::<4>();
    let labels: Vec<u32> = labels.iter().map(|b| u32::from_le_bytes(*b)).collect();
    let size = [6, 9];
    for (name, mix) in [
        ("mixup", Mix::Mixup { lambda: 0.3125 }),
        ("cutmix", Mix::cut(0.4, [5, 2], size)),
    ] {
        let mut batch = floats("batch");
        mix.apply(&mut batch, size);
        let targets = soft_labels(&labels, 5, 0.0, Some(mix));
        for (found, expected) in [
            (batch, floats(&format!("{name}.batch"))),
            (targets, floats(&format!("{name}.labels"))),
        ] {
            assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-5, "{name}: {a} instead of {b}");
            }
        }
    }
    // Smoothing spreads over all classes; a row still sums to 1.
    let smooth = soft_labels(&labels, 5, 0.1, None);
    assert!((smooth[2] - 0.92).abs() < 1e-6 && (smooth[0] - 0.02).abs() < 1e-6);
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

/// Checksums of MoCo v3 views of 60 real photographs, and of views through
/// every other operation of 30.
#[test]
fn views_of_photographs_are_pillows() {
    let root = std::env::var("SSLC_TEST_DATA").unwrap_or_default();
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
