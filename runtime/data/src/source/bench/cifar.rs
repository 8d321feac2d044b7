//! CIFAR-10 and CIFAR-100, binary or as Python pickles.

use std::collections::BTreeMap;
use std::path::Path;

use serde_pickle::{HashableValue, Value};

use super::super::pickle;
use super::super::set::Splits;
use super::{Loose, Place, labelled, planar};
use crate::DataError;

const CIFAR10: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// CIFAR-10.
pub(crate) fn cifar10(path: &Path) -> Result<Splits, DataError> {
    let place = Place::open(path, &["cifar-10-batches-bin", "cifar-10-batches-py"])?;
    let classes: Vec<String> = CIFAR10.iter().map(ToString::to_string).collect();
    let mut train = (Vec::new(), Vec::new());
    for n in 1..=5 {
        let (binary, pickle) = (format!("data_batch_{n}.bin"), format!("data_batch_{n}"));
        cifar_file(&place, &binary, &pickle, (1, 0), "labels", &mut train)?;
    }
    let mut test = (Vec::new(), Vec::new());
    cifar_file(
        &place,
        "test_batch.bin",
        "test_batch",
        (1, 0),
        "labels",
        &mut test,
    )?;
    labelled(&place, classes, train, test)
}

/// CIFAR-100, by its fine or its coarse labels.
pub(crate) fn cifar100(path: &Path, coarse: bool) -> Result<Splits, DataError> {
    let place = Place::open(path, &["cifar-100-binary", "cifar-100-python"])?;
    let kind = if coarse { "coarse" } else { "fine" };
    let layout = (2, usize::from(!coarse));
    let key = format!("{kind}_labels");
    let mut train = (Vec::new(), Vec::new());
    cifar_file(&place, "train.bin", "train", layout, &key, &mut train)?;
    let mut test = (Vec::new(), Vec::new());
    cifar_file(&place, "test.bin", "test", layout, &key, &mut test)?;
    let names = format!("{kind}_label_names");
    let classes = match place.lines(&format!("{names}.txt")) {
        Some(classes) => classes,
        None => match place.find(&["meta"])? {
            Some(meta) => pickled(&place, &meta)?
                .remove(&names)
                .and_then(|value| texts(&value))
                .ok_or_else(|| place.fail("its `meta` names no classes"))?,
            None => (0..if coarse { 20 } else { 100 })
                .map(|n| n.to_string())
                .collect(),
        },
    };
    labelled(&place, classes, train, test)
}

/// One file of CIFAR, in either form. `layout` is the number of label bytes of
/// a binary record, and which of them is taken.
fn cifar_file(
    place: &Place<'_>,
    binary: &str,
    pickle: &str,
    layout: (usize, usize),
    key: &str,
    (images, labels): &mut Loose,
) -> Result<(), DataError> {
    const PIXELS: usize = 3 * 32 * 32;
    if let Some(bytes) = place.find(&[binary])? {
        let (count, taken) = layout;
        if bytes.is_empty() || bytes.len() % (count + PIXELS) != 0 {
            return Err(place.fail(format!(
                "`{binary}` has {} bytes, no multiple of {}; it may be cut off, fetch it again",
                bytes.len(),
                count + PIXELS
            )));
        }
        for record in bytes.chunks_exact(count + PIXELS) {
            labels.push(u32::from(record[taken]));
            images.push(planar(&record[count..], 32, false));
        }
        return Ok(());
    }
    let Some(bytes) = place.find(&[pickle])? else {
        return Err(place.missing("CIFAR images", &[binary, pickle]));
    };
    let mut batch = pickled(place, &bytes)?;
    let wrong = || {
        place.fail(format!(
            "`{pickle}` is no CIFAR batch: it has no bytes `data` with a number in `{key}` for \
             each image; fetch it again"
        ))
    };
    let data = batch.remove("data").and_then(array).ok_or_else(wrong)?;
    let of = batch
        .remove(key)
        .and_then(|value| numbers(&value))
        .ok_or_else(wrong)?;
    if data.is_empty() || data.len() != of.len() * PIXELS {
        return Err(wrong());
    }
    images.extend(
        data.chunks_exact(PIXELS)
            .map(|pixels| planar(pixels, 32, false)),
    );
    labels.extend(of);
    Ok(())
}

/// The entries of a pickled dictionary. Nothing in it is called: objects are
/// reduced to the state that they were stored with.
fn pickled(place: &Place<'_>, bytes: &[u8]) -> Result<BTreeMap<String, Value>, DataError> {
    let value = pickle::read(bytes).map_err(|problem| {
        place.fail(match problem.contains("; ") {
            true => format!("a pickle in it is no CIFAR batch: {problem}"),
            false => format!("a pickle in it is no CIFAR batch: {problem}; fetch it again"),
        })
    })?;
    let Value::Dict(entries) = value else {
        return Err(place.fail("a pickle in it holds no dictionary; fetch it again"));
    };
    Ok(entries
        .into_iter()
        .filter_map(|(key, value)| match key {
            HashableValue::String(key) => Some((key, value)),
            HashableValue::Bytes(key) => Some((String::from_utf8_lossy(&key).into_owned(), value)),
            _ => None,
        })
        .collect())
}

/// The bytes of an array: alone, or the longest in the state of a NumPy array.
fn array(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        Value::Tuple(values) | Value::List(values) => {
            values.into_iter().filter_map(array).max_by_key(Vec::len)
        }
        Value::Dict(values) => values.into_values().filter_map(array).max_by_key(Vec::len),
        _ => None,
    }
}

fn numbers(value: &Value) -> Option<Vec<u32>> {
    let Value::List(values) = value else {
        return None;
    };
    let number = |value: &Value| match value {
        Value::I64(n) => u32::try_from(*n).ok(),
        _ => None,
    };
    values.iter().map(number).collect()
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let Value::List(values) = value else {
        return None;
    };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    };
    values.iter().map(text).collect()
}
