//! HDF5: an array of 8-bit images in a file, or of image files (JPEG, PNG, ...)
//! as rows of varying length, and an array of labels beside it.
//!
//! Only the rows that are asked for are read. In a chunked array that is a
//! whole chunk: chunks of few images shuffle well, chunks of hundreds do not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hdf5_pure::{DType, Dataset, Datatype, File, FormatError, Source};

use super::files;
use super::heap::Heap;
use super::images::{Fetched, Store};
use super::set::{Labels, Set};
use super::watch;
use crate::DataError;
use crate::decode::{MAX_FILE_BYTES, Unreadable, check_pixels};
use crate::image::Rgb;

/// Names that an array of labels is looked for under.
const LABELS: [&str; 3] = ["labels", "label", "y"];

struct Arrays {
    path: PathBuf,
    images: Dataset,
    count: usize,
    form: Form,
    heap: Heap,
}

/// What a row of the array is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The values of an image of a height and width.
    Values([usize; 2], Pixels),
    /// An image file: where its bytes lie.
    File,
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
    let bytes = Bytes::open(path).map_err(|source| DataError::Read {
        path: path.to_owned(),
        source,
    })?;
    let file = File::from_source(bytes.clone())
        .map_err(|e| fail(format!("it cannot be read as HDF5: {e}; {}", remedy(&e))))?;
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
                // One array, and why it holds no images.
                (None, None) if names.len() == 1 => file
                    .dataset(&names[0])
                    .map_err(|e| fail(format!("its array cannot be read: {e}; {}", remedy(&e))))?,
                _ => {
                    return Err(fail(format!(
                        "it must be said which array holds the images: `image: \"...\"`; {}",
                        there(&names)
                    )));
                }
            }
        }
    };
    let (count, form) = shape(&images).map_err(&fail)?;
    if count == 0 {
        return Err(fail("its array of images is empty".into()));
    }
    readable(&images, count).map_err(&fail)?;
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
    let head = file.superblock();
    let store = Arrays {
        path: path.to_owned(),
        images,
        count,
        form,
        heap: Heap {
            file: bytes.file,
            length: bytes.length,
            base: head.base_address.get(),
            widths: [head.offset_size, head.length_size].map(usize::from),
        },
    };
    Ok(Set {
        store: Box::new(store),
        labels,
    })
}

/// The way out where a file is of a form that is not read.
const CONVERT: &str = "write it anew with h5py (`libver=\"earliest\"`, in one piece or in gzipped \
                       chunks, at most one axis unlimited), or its images as files";

/// What helps against an error of the reader.
fn remedy(error: &hdf5_pure::Error) -> &'static str {
    let text = error.to_string();
    match ["EOF", "signature", "end of"]
        .iter()
        .any(|told| text.contains(told))
    {
        true => "it is no HDF5 file, or it has been cut off: fetch it again",
        false => CONVERT,
    }
}

fn there(names: &[String]) -> String {
    match names {
        [] => "it holds no arrays at its top; name one as `group/array`".into(),
        names => format!("it holds {}", super::set::class_list(names)),
    }
}

/// A file that many threads read at their own places.
#[derive(Clone)]
struct Bytes {
    file: Arc<std::fs::File>,
    length: u64,
}

impl Bytes {
    fn open(path: &Path) -> std::io::Result<Self> {
        let file = files::open(path)?;
        let length = file.metadata()?.len();
        Ok(Bytes {
            file: Arc::new(file),
            length,
        })
    }
}

impl Source for Bytes {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, target: &mut [u8]) -> Result<(), FormatError> {
        let read = files::read_at(&self.file, target, offset);
        watch::on();
        read.map_err(|e| FormatError::Source(e.to_string()))
    }
}

/// Whether the elements of an array are sequences of bytes.
fn holds_files(of: &DType) -> bool {
    let DType::Other(of) = of else { return false };
    let Datatype::VariableLength {
        is_string: false,
        base_type,
        ..
    } = of.as_ref()
    else {
        return false;
    };
    matches!(**base_type, Datatype::FixedPoint { size: 1, .. })
}

/// Images, and what each row is; what is wrong with an array that holds none.
fn shape(array: &Dataset) -> Result<(usize, Form), String> {
    let (shape, of) = match (array.shape(), array.dtype()) {
        (Ok(shape), Ok(of)) => (shape, of),
        (Err(e), _) | (_, Err(e)) => {
            return Err(format!("its array cannot be read: {e}; {}", remedy(&e)));
        }
    };
    let (count, height, width, pixels) = match (&of, shape.as_slice()) {
        (of, [n] | [n, 1]) if holds_files(of) => {
            return Ok((usize::try_from(*n).unwrap_or(usize::MAX), Form::File));
        }
        (DType::U8, [n, h, w] | [n, h, w, 1]) => (n, h, w, Pixels::Gray),
        (DType::U8, [n, h, w, 3]) => (n, h, w, Pixels::Last),
        (DType::U8, [n, 3, h, w]) => (n, h, w, Pixels::First),
        _ => {
            return Err(format!(
                "its array has the form {shape:?} of {of}, and images are [N, H, W, 3], \
                 [N, 3, H, W] or [N, H, W] of u8, or image files as [N] of variable-length u8; \
                 name another array, or write the images as files"
            ));
        }
    };
    let size = check_pixels(*width, *height).map_err(|e| format!("its images: {e}"))?;
    let count = usize::try_from(*count).unwrap_or(usize::MAX);
    Ok((count, Form::Values(size, pixels)))
}

/// One row that can be read tells an odd image from a form that is not read: of
/// chunks, filters or a later version of the format.
fn readable(array: &Dataset, count: usize) -> Result<(), String> {
    let mut last = None;
    for row in [0, count / 2, count - 1] {
        match array.read_raw_rows(row as u64, 1) {
            Ok(_) => return Ok(()),
            Err(e) => last = Some(e),
        }
    }
    match last {
        Some(e) => Err(format!("its images cannot be read: {e}; {}", remedy(&e))),
        None => Ok(()),
    }
}

/// Labels as they are written: numbers, or names.
fn written(array: &Dataset, count: usize) -> Result<Vec<String>, String> {
    let bad = |e: hdf5_pure::Error| format!("its labels cannot be read: {e}; {}", remedy(&e));
    let given: u64 = array.shape().map_err(bad)?.iter().product();
    if given != count as u64 {
        return Err(format!(
            "it has {count} images, but {given} labels; name another array: `label: \"...\"`"
        ));
    }
    match array.dtype().map_err(bad)? {
        DType::String | DType::VariableLengthString => array.read_string().map_err(bad),
        DType::F32 | DType::F64 => {
            Err("its labels are no whole numbers; name another array: `label: \"...\"`".into())
        }
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

    fn fetch(&self, index: usize, bytes: &mut Vec<u8>) -> Result<Fetched<'_>, Unreadable> {
        let row = self.images.read_raw_rows(index as u64, 1);
        let row = row.map_err(|e| Unreadable::Container(e.to_string()))?;
        let ([height, width], pixels) = match self.form {
            Form::Values(size, pixels) => (size, pixels),
            Form::File => {
                self.heap.read(&row, MAX_FILE_BYTES, bytes)?;
                return Ok(Fetched::Encoded);
            }
        };
        let area = height * width;
        let values = area * if pixels == Pixels::Gray { 1 } else { 3 };
        if row.len() != values {
            return Err(Unreadable::Container("the file is cut off".into()));
        }
        let data = match pixels {
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
