//! MNIST, Fashion-MNIST and what has their form.

use std::path::Path;

use super::super::set::Splits;
use super::{Loose, Place, labelled};
use crate::DataError;
use crate::image::Rgb;

/// MNIST, Fashion-MNIST and what has their form.
pub(crate) fn mnist(path: &Path, classes: Option<&[&str]>) -> Result<Splits, DataError> {
    let below = ["raw", "MNIST/raw", "FashionMNIST/raw"];
    let place = Place::open(path, &below)?;
    let split = |name: &str| {
        let images = [
            format!("{name}-images-idx3-ubyte"),
            format!("{name}-images.idx3-ubyte"),
        ];
        let labels = [
            format!("{name}-labels-idx1-ubyte"),
            format!("{name}-labels.idx1-ubyte"),
        ];
        let idx = |names: &[String; 2], axes| {
            let names = [names[0].as_str(), names[1].as_str()];
            let zipped = names.map(|name| format!("{name}.gz"));
            let found = place.find(&[names[0], names[1], &zipped[0], &zipped[1]])?;
            let bytes = found.ok_or_else(|| place.missing("such set", &names))?;
            idx(&bytes, axes).ok_or_else(|| {
                place.fail(format!(
                    "`{}` is no whole idx file; fetch it again",
                    names[0]
                ))
            })
        };
        let (shape, pixels) = idx(&images, 3)?;
        let (count, of) = idx(&labels, 1)?;
        if shape[0] != count[0] {
            return Err(place.fail(format!(
                "it has {} images but {} labels; the files belong to different sets",
                shape[0], count[0]
            )));
        }
        let images = pixels
            .chunks_exact((shape[1] * shape[2]).max(1))
            .map(|gray| Rgb {
                width: shape[2],
                height: shape[1],
                data: gray.iter().flat_map(|v| [*v; 3]).collect(),
            });
        Ok((images.collect(), of.into_iter().map(u32::from).collect()))
    };
    let (train, test): (Loose, Loose) = (split("train")?, split("t10k")?);
    let most = train.1.iter().chain(&test.1).max().copied().unwrap_or(0);
    let classes = match classes {
        Some(classes) => classes.iter().map(ToString::to_string).collect(),
        None => (0..=most).map(|n| n.to_string()).collect(),
    };
    labelled(&place, classes, train, test)
}

/// Fashion-MNIST's classes.
pub(crate) const FASHION: [&str; 10] = [
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
];

/// The shape and the bytes of an idx file.
fn idx(bytes: &[u8], axes: usize) -> Option<(Vec<usize>, Vec<u8>)> {
    if bytes.get(..4)? != [0, 0, 8, axes as u8] {
        return None;
    }
    let shape: Vec<usize> = (0..axes)
        .map(|axis| {
            let at = 4 + axis * 4;
            let size = bytes.get(at..at + 4)?.first_chunk::<4>()?;
            Some(u32::from_be_bytes(*size) as usize)
        })
        .collect::<Option<_>>()?;
    let data = bytes.get(4 + axes * 4..)?;
    let count = shape
        .iter()
        .try_fold(1usize, |n, side| n.checked_mul(*side))?;
    (count > 0 && data.len() == count).then(|| (shape, data.to_vec()))
}
