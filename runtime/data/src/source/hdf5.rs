//! HDF5: an array of 8-bit images in a file, and an array of labels beside it.
//!
//! Only the rows that are asked for are read. In a chunked array that is a
//! whole chunk: chunks of few images shuffle well, chunks of hundreds do not.

use std::path::{Path, PathBuf};

use hdf5_pure::{DType, Dataset, File};

use super::images::{Fetched, Store};
use super::set::{Labels, Set};
use crate::DataError;
use crate::decode::{Unreadable, check_pixels};
use crate::image::Rgb;

/// Names that an array of labels is looked for under.
const LABELS: [&str; 3] = ["labels", "label", "y"];

struct Arrays {
    path: PathBuf,
    images: Dataset,
    count: usize,
    /// Height and width.
    size: [usize; 2],
    pixels: Pixels,
}

/// How the values of an image lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pixels {
    /// `[H, W]` or `[H, W, 1]`.
    Gray,
    /// `[H, W, 3]`.
    Last,
    /// `[3, H, W]`.
    First,
}

/// Open a file. `image` and `label` are paths of arrays in it.
pub(crate) fn open(
    path: &Path,
    image: Option<&str>,
    label: Option<&str>,
) -> Result<Set, DataError> {
    let fail = |problem: String| DataError::Source {
        path: path.to_owned(),
        problem,
    };
    let file = File::open_streaming(path)
        .map_err(|e| fail(format!("it cannot be read as HDF5: {e}; {CONVERT}")))?;
    let names = file.root().datasets().unwrap_or_default();
    let array = |name: &str| {
        let found = file.dataset(name);
        found.map_err(|e| fail(format!("it has no array `{name}`: {e}; {}", there(&names))))
    };
    let images = match image {
        Some(name) => array(name)?,
        None => {
            let mut found = names.iter().filter_map(|name| {
                let array = file.dataset(name).ok()?;
                shape(&array).is_ok().then_some(array)
            });
            match (found.next(), found.next()) {
                (Some(array), None) => array,
                _ => {
                    return Err(fail(format!(
                        "it must be said which array holds the images: `image: \"...\"`; {}",
                        there(&names)
                    )));
                }
            }
        }
    };
    let (count, size, pixels) = shape(&images).map_err(&fail)?;
    if count == 0 {
        return Err(fail("its array of images is empty".into()));
    }
    let labels = match label {
        Some(name) => Some(array(name)?),
        None => LABELS
            .iter()
            .find(|name| names.iter().any(|n| n == *name))
            .and_then(|name| file.dataset(name).ok()),
    };
    let labels = match labels {
        Some(array) => Some(written(&array, count).map_err(&fail)?),
        None => None,
    };
    let labels = labels
        .map(|labels| Labels::read(&labels))
        .transpose()
        .map_err(fail)?;
    let store = Arrays {
        path: path.to_owned(),
        images,
        count,
        size,
        pixels,
    };
    Ok(Set {
        store: Box::new(store),
        labels,
    })
}

/// The way out where a file is of a form that is not read.
const CONVERT: &str = "write it anew with h5py (`libver=\"earliest\"`), or its images as files";

fn there(names: &[String]) -> String {
    match names {
        [] => "it holds no arrays at its top; name one as `group/array`".into(),
        names => format!("it holds {}", super::set::class_list(names)),
    }
}

/// Images, their height and width, and how their values lie; what is wrong
/// with an array that holds none.
fn shape(array: &Dataset) -> Result<(usize, [usize; 2], Pixels), String> {
    let (shape, of) = match (array.shape(), array.dtype()) {
        (Ok(shape), Ok(of)) => (shape, of),
        (Err(e), _) | (_, Err(e)) => {
            return Err(format!("its array cannot be read: {e}; {CONVERT}"));
        }
    };
    let (count, height, width, pixels) = match (&of, shape.as_slice()) {
        (DType::U8, [n, h, w] | [n, h, w, 1]) => (n, h, w, Pixels::Gray),
        (DType::U8, [n, h, w, 3]) => (n, h, w, Pixels::Last),
        (DType::U8, [n, 3, h, w]) => (n, h, w, Pixels::First),
        _ => {
            return Err(format!(
                "its array has the form {shape:?} of {of}, and images are [N, H, W, 3], \
                 [N, 3, H, W] or [N, H, W] of u8; name another array, or write the images as files"
            ));
        }
    };
    let size = check_pixels(*width, *height).map_err(|e| format!("its images: {e}"))?;
    Ok((usize::try_from(*count).unwrap_or(usize::MAX), size, pixels))
}

/// Labels as they are written: numbers, or names.
fn written(array: &Dataset, count: usize) -> Result<Vec<String>, String> {
    let bad = |e: hdf5_pure::Error| format!("its labels cannot be read: {e}; {CONVERT}");
    let given: u64 = array.shape().map_err(bad)?.iter().product();
    if given != count as u64 {
        return Err(format!("it has {count} images, but {given} labels"));
    }
    match array.dtype().map_err(bad)? {
        DType::String | DType::VariableLengthString => array.read_string().map_err(bad),
        DType::F32 | DType::F64 => Err("its labels are no whole numbers".into()),
        _ => {
            let numbers = array.read_i64().map_err(bad)?;
            Ok(numbers.iter().map(ToString::to_string).collect())
        }
    }
}

impl Store for Arrays {
    fn len(&self) -> usize {
        self.count
    }

    fn name(&self, index: usize) -> String {
        format!("{}: image {index}", self.path.display())
    }

    fn fetch(&self, index: usize, _: &mut Vec<u8>) -> Result<Fetched<'_>, Unreadable> {
        let [height, width] = self.size;
        let row = self.images.read_raw_rows(index as u64, 1);
        let row = row.map_err(|e| Unreadable::Container(e.to_string()))?;
        let area = height * width;
        let values = area * if self.pixels == Pixels::Gray { 1 } else { 3 };
        if row.len() != values {
            return Err(Unreadable::Container("the file is cut off".into()));
        }
        let data = match self.pixels {
            Pixels::Last => row,
            Pixels::Gray => row.iter().flat_map(|v| [*v; 3]).collect(),
            Pixels::First => {
                let (red, rest) = row.split_at(area);
                let (green, blue) = rest.split_at(area);
                let pixels = red.iter().zip(green).zip(blue);
                pixels.flat_map(|((r, g), b)| [*r, *g, *b]).collect()
            }
        };
        Ok(Fetched::Made(Rgb {
            width,
            height,
            data,
        }))
    }
}
