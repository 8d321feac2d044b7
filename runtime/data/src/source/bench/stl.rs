//! STL-10, read image by image.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::super::files::{self, read_at};
use super::super::images::{Fetched, Store};
use super::super::set::{Labels, Set, Splits};
use super::{Home, Place, planar};
use crate::DataError;
use crate::decode::Unreadable;

const STL_SIDE: usize = 96;
const STL_BYTES: usize = 3 * STL_SIDE * STL_SIDE;

/// STL-10. Without `labelled`, the 100,000 unlabelled images, and no held-out
/// set; with it, the 5,000 of ten classes, and the 8,000 held out.
pub(crate) fn stl10(path: &Path, labelled: bool) -> Result<Splits, DataError> {
    let place = Place::open(path, &["stl10_binary"])?;
    if matches!(place.home, Home::Archive(_)) {
        return Err(place
            .fail("it is an archive, too large to be read as it is; unpack it with `tar -xzf`"));
    }
    let images = |name: &str| {
        let path = place
            .file(&[name])
            .ok_or_else(|| place.missing("STL-10 images", &[name]))?;
        let read = |source| DataError::Read {
            path: path.clone(),
            source,
        };
        let file = files::open(&path).map_err(read)?;
        let length = file.metadata().map_err(read)?.len();
        if length == 0 || length % STL_BYTES as u64 != 0 {
            return Err(place.fail(format!(
                "`{name}` has {length} bytes, no multiple of {STL_BYTES}; it may be cut off, \
                 fetch it again"
            )));
        }
        let count = (length / STL_BYTES as u64) as usize;
        Ok(Raw {
            path: path.clone(),
            file,
            count,
        })
    };
    if !labelled {
        return Ok(Splits {
            train: Set {
                store: Box::new(images("unlabeled_X.bin")?),
                labels: None,
            },
            held_out: None,
        });
    }
    let classes = place
        .lines("class_names.txt")
        .unwrap_or_else(|| (1..=10).map(|n| n.to_string()).collect());
    let set = |split: &str| {
        let store = images(&format!("{split}_X.bin"))?;
        let name = format!("{split}_y.bin");
        let of = place
            .find(&[&name])?
            .ok_or_else(|| place.missing("labels", &[&name]))?;
        let fits = of.len() == store.count
            && of
                .iter()
                .all(|label| (1..=classes.len()).contains(&usize::from(*label)));
        if !fits {
            return Err(place.fail(format!(
                "`{name}` has no label for every image; fetch it again"
            )));
        }
        Ok(Set {
            store: Box::new(store),
            labels: Some(Labels {
                classes: classes.clone(),
                of: of.into_iter().map(|label| u32::from(label) - 1).collect(),
            }),
        })
    };
    Ok(Splits {
        train: set("train")?,
        held_out: Some(set("test")?),
    })
}

/// Equal images in a row in a file, read one by one.
struct Raw {
    path: PathBuf,
    file: File,
    count: usize,
}

impl Store for Raw {
    fn len(&self) -> usize {
        self.count
    }

    fn name(&self, index: usize) -> String {
        format!("{}: image {index}", self.path.display())
    }

    fn fetch(&self, index: usize, bytes: &mut Vec<u8>) -> Result<Fetched<'_>, Unreadable> {
        bytes.clear();
        bytes.resize(STL_BYTES, 0);
        read_at(&self.file, bytes, index as u64 * STL_BYTES as u64)?;
        Ok(Fetched::Made(planar(bytes, STL_SIDE, true)))
    }
}
