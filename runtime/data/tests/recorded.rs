//! Recorded views: replay, and files that are not what they should be.

mod common;

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView, serialize};
use ssl_data::{Dataset, Split, probe};
use ssl_plan::{Data, OnCorrupt, Source, View};

/// A float32 tensor that counts up.
fn counting(shape: &[usize], from: f32) -> (Vec<usize>, Vec<u8>) {
    let count = shape.iter().product();
    let values = (0..count).flat_map(|i: usize| (from + i as f32).to_le_bytes());
    (shape.to_vec(), values.collect())
}

fn store(path: &Path, tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) {
    let views: HashMap<_, _> = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            (
                *name,
                TensorView::new(*dtype, shape.clone(), bytes).unwrap(),
            )
        })
        .collect();
    std::fs::write(path, serialize(views, None).unwrap()).unwrap();
}

fn source(path: &Path) -> Source {
    Source::Recorded {
        path: path.to_str().unwrap().into(),
    }
}

fn view(name: &str, size: [usize; 2]) -> View {
    View {
        name: name.into(),
        size,
        transforms: Vec::new(),
    }
}

#[test]
fn step_s_takes_slice_s_mod_steps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("views.safetensors");
    let (a, b) = (
        counting(&[3, 2, 3, 4, 5], 0.0),
        counting(&[3, 2, 3, 2, 2], 0.5),
    );
    store(
        &path,
        &[("a", Dtype::F32, a.0, a.1), ("b", Dtype::F32, b.0, b.1)],
    );
    let found = probe(&source(&path)).unwrap();
    let recorded = found.recorded.unwrap();
    assert_eq!((recorded.steps, recorded.batch, found.samples), (3, 2, 6));
    assert_eq!(recorded.views, [("a".into(), [4, 5]), ("b".into(), [2, 2])]);

    let data = Data {
        on_corrupt: OnCorrupt::Error,
        max_corrupt: 0.0,
        ..Data::new(source(&path), 6, 2)
    };
    let dataset = Dataset::open(&data).unwrap();
    // In the order of the plan, not of the file.
    let views = [view("b", [2, 2]), view("a", [4, 5])];
    let mut loader = dataset.loader(&views, 0, 4, 7, 0);
    for (step, slice) in [(4, 1), (5, 2), (6, 0)] {
        let batch = loader.next().unwrap().unwrap();
        assert_eq!(batch.step, step);
        assert_eq!(batch.samples, [slice * 2, slice * 2 + 1]);
        let expected = |from: f32, length: usize| -> Vec<f32> {
            let start = slice as usize * length;
            (start..start + length).map(|i| from + i as f32).collect()
        };
        assert_eq!(batch.views[0].pixels, expected(0.5, 24));
        assert_eq!(batch.views[1].pixels, expected(0.0, 120));
        loader.recycle(batch);
    }
    assert!(loader.next().is_none());

    let first = |views: &[View]| dataset.loader(views, 0, 0, 1, 0).next().unwrap();
    let text = first(&[view("c", [2, 2])]).unwrap_err().to_string();
    assert!(text.contains("no view `c`, only `a`, `b`"), "{text}");
    let text = first(&[view("a", [8, 8])]).unwrap_err().to_string();
    assert!(
        text.contains("4x5 pixels, but the networks expect 8x8"),
        "{text}"
    );
    let stop = dataset
        .evaluation(Split::Train, &[], [4, 5], 2)
        .next()
        .unwrap();
    assert!(
        stop.unwrap_err()
            .to_string()
            .contains("only recorded views")
    );
}

#[test]
fn unfit_files_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let message = || probe(&source(&path)).unwrap_err().to_string();
    assert!(message().contains("cannot read"), "missing");

    let check = |tensors: &[(&str, Dtype, &[usize])], expected: &str| {
        let tensors: Vec<_> = tensors
            .iter()
            .map(|(name, dtype, shape)| {
                let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
                (*name, *dtype, shape.to_vec(), vec![0; bytes])
            })
            .collect();
        store(&path, &tensors);
        let text = message();
        assert!(text.contains(expected), "{text}");
    };
    check(&[("a", Dtype::F32, &[2, 3, 4, 4])], "five axes");
    check(
        &[("a", Dtype::F16, &[2, 2, 3, 4, 4])],
        "store it as float32",
    );
    check(&[("a", Dtype::F32, &[2, 2, 1, 4, 4])], "three channels");
    check(&[("a", Dtype::F32, &[0, 2, 3, 4, 4])], "no empty axis");
    check(&[], "holds no tensor");
    check(
        &[
            ("a", Dtype::F32, &[2, 2, 3, 4, 4]),
            ("b", Dtype::F32, &[2, 4, 3, 4, 4]),
        ],
        "record all views together",
    );

    let tensor = counting(&[1, 2, 3, 2, 2], 0.0);
    store(&path, &[("a", Dtype::F32, tensor.0, tensor.1)]);
    let whole = std::fs::read(&path).unwrap();
    for cut in [0, 7, 30, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        message();
    }
    let with_header = |size: u64, text: &[u8]| {
        std::fs::write(&path, [&size.to_le_bytes(), text].concat()).unwrap();
        message()
    };
    assert!(with_header(u64::MAX, b"{}").contains("cut off"));
    let spaces = vec![b' '; 9 << 20];
    assert!(with_header(9 << 20, &spaces).contains("more than the limit"));
    let many: String = (0..100_002)
        .map(|i| format!(r#""{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}},"#))
        .collect();
    let many = format!("{{{}}}", many.trim_end_matches(','));
    assert!(with_header(many.len() as u64, many.as_bytes()).contains("tensors, more than"));
    assert!(with_header(9, b"[1, 2, 3]").contains("damaged"));
    let deep = "[".repeat(1_000_000);
    assert!(with_header(deep.len() as u64, deep.as_bytes()).contains("damaged"));
}
