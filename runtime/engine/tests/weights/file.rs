//! Weights on disk: to the bit, whole or not at all, and hostile files.

use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use serde_json::Value;
use ssl_engine::nets::{Kind, Mode};
use ssl_engine::weights::{self, FileError, NamedTensor, Unexpected, collect};

use super::encoder;
use super::support::{array, gradients, tensors};

#[test]
fn a_file_holds_a_network_to_the_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights.safetensors");
    let device = Device::flex().autodiff();
    let mut first = encoder(1, &device);
    first.forward_image(
        Tensor::from_data(array(1, [4, 3, 8, 8]), &device),
        Mode::Train,
    );
    fs::write(&path, b"an older file").expect("written");
    weights::write(&path, &collect(&first)).expect("written");
    assert_eq!(
        fs::read_dir(folder.path()).expect("read").count(),
        1,
        "no temporary stays"
    );

    let read = weights::read(&path).expect("read");
    assert_eq!(read, collect(&first));
    let mut second = encoder(2, &device);
    weights::load(&mut [&mut second], &mut [], &read, Unexpected::Refuse).expect("fits");
    assert_eq!(tensors(&first), tensors(&second));
    // What was loaded still trains.
    let image = Tensor::from_data(array(1, [4, 3, 8, 8]), &device);
    let output = second.forward_image(image, Mode::Train).remove(1);
    let grads = output.powi_scalar(2).sum().backward();
    let trained = gradients(&second, &grads)
        .iter()
        .filter(|g| g.1.is_some())
        .count();
    assert_eq!(
        trained,
        tensors(&second)
            .iter()
            .filter(|t| t.1 != Kind::Buffer)
            .count()
    );
}

/// A file of a header and as many bytes of values.
fn file(folder: &Path, header: &str, values: usize) -> Result<Vec<NamedTensor>, FileError> {
    let path = folder.join("hostile.safetensors");
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + values, 0);
    fs::write(&path, bytes).expect("written");
    weights::read(&path)
}

#[test]
fn other_number_formats_become_float32() {
    let folder = tempfile::tempdir().expect("a folder");
    let header = r#"{"half":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"brain":{"dtype":"BF16","shape":[1],"data_offsets":[2,4]},"double":{"dtype":"F64","shape":[1],"data_offsets":[4,12]},"bn.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[12,20]}}"#;
    let path = folder.path().join("formats.safetensors");
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(0x3E00_u16.to_le_bytes());
    bytes.extend(0xC020_u16.to_le_bytes());
    bytes.extend(0.1_f64.to_le_bytes());
    bytes.extend(7_i64.to_le_bytes());
    fs::write(&path, bytes).expect("written");
    let values: Vec<f32> = weights::read(&path)
        .expect("read")
        .iter()
        .map(|t| t.data[0])
        .collect();
    assert_eq!(values, [1.5, -2.5, 0.1]);
}

#[test]
fn hostile_files_are_refused_before_they_cost_anything() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let path = folder.join("short.safetensors");
    fs::write(&path, b"abc").expect("written");
    assert!(matches!(weights::read(&path), Err(FileError::Header(_))));
    fs::write(&path, u64::MAX.to_le_bytes()).expect("written");
    assert!(matches!(
        weights::read(&path),
        Err(FileError::HeaderSize { .. })
    ));
    assert!(matches!(weights::read(folder), Err(FileError::Io(_))));

    let one = |dtype: &str, shape: &str, end: usize| {
        format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{end}]}}}}"#)
    };
    assert_eq!(
        file(folder, &one("F32", "[2]", 8), 8).expect("fine").len(),
        1
    );
    let cut = file(folder, &one("F32", "[2]", 8), 5);
    assert!(matches!(
        cut,
        Err(FileError::Length {
            found: 5,
            expected: 8
        })
    ));
    let long = file(folder, &one("F32", "[2]", 8), 9);
    assert!(matches!(long, Err(FileError::Length { .. })));
    let integers = file(folder, &one("I64", "[1]", 8), 8);
    assert!(matches!(integers, Err(FileError::Dtype { .. })));
    for header in [
        one("F32", "[3]", 8),
        one("F32", "[18446744073709551615, 2]", 8),
        one("F32", "[1000000000000]", 4_000_000_000_000).replace("F32", "F99"),
        "{\"w\":".repeat(100_000),
        "[]".to_owned(),
    ] {
        let error = file(folder, &header, 8).expect_err("refused");
        assert!(matches!(error, FileError::Header(_)), "{error}");
    }
    let sparse = file(folder, &one("F32", "[1000000000000]", 4_000_000_000_000), 8);
    assert!(matches!(sparse, Err(FileError::Length { .. })));

    let entry = r#"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#;
    let many: Vec<String> = (0..100_001).map(|i| format!(r#""{i}":{entry}"#)).collect();
    let many = file(folder, &format!("{{{}}}", many.join(",")), 0);
    assert!(matches!(
        many,
        Err(FileError::TooManyKeys { keys: 100_001 })
    ));
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_older_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("none").join("weights.safetensors");
    assert!(matches!(weights::write(&path, &[]), Err(FileError::Io(_))));
    let path = folder.path().join("weights.safetensors");
    let tensor = |shape: Vec<usize>| NamedTensor {
        key: "w".to_owned(),
        shape,
        data: vec![1.0, 2.0],
    };
    weights::write(&path, &[tensor(vec![2])]).expect("written");
    assert!(
        weights::write(&path, &[tensor(vec![3])]).is_err(),
        "a lying shape"
    );
    assert_eq!(weights::read(&path).expect("read"), [tensor(vec![2])]);
    assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 1);
}

/// The metadata entry that PyTorch's loaders ask for.
#[test]
fn files_say_that_they_are_for_pytorch() {
    let mut bytes = Vec::new();
    weights::encode(&mut bytes, &[]).expect("encoded");
    assert_eq!(bytes.len() % 8, 0);
    let header: Value = serde_json::from_slice(&bytes[8..]).expect("JSON");
    assert_eq!(header["__metadata__"]["format"], "pt");
}
