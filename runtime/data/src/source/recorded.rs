//! Recorded views: tensors of a safetensors file, as the networks are to see
//! them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::files;
use crate::DataError;

/// Most bytes of a header that is parsed.
const MAX_HEADER_BYTES: u64 = 8 << 20;
/// Most tensors of a file.
const MAX_TENSORS: usize = 100_000;

/// An open file of recorded views.
pub(crate) struct Recorded {
    path: PathBuf,
    file: Mutex<File>,
    /// Steps, S.
    pub(crate) steps: usize,
    /// Images per step, B.
    pub(crate) batch: usize,
    /// The views in the order of their names.
    pub(crate) views: Vec<RecordedView>,
}

/// One tensor `[S, B, 3, H, W]`.
#[derive(Debug)]
pub(crate) struct RecordedView {
    pub(crate) name: String,
    pub(crate) size: [usize; 2],
    /// First byte in the file.
    start: u64,
}

impl Recorded {
    /// Open a file and read its header.
    ///
    /// # Errors
    /// It is missing, no safetensors file, or holds tensors that are not
    /// float32 of rank 5 with three channels and equal S and B.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let fail = |problem: String| DataError::Recorded {
            path: path.to_owned(),
            problem,
        };
        let read = |source| DataError::Read {
            path: path.to_owned(),
            source,
        };
        let mut file = files::open(path).map_err(read)?;
        let length = file.metadata().map_err(read)?.len();
        let (header, start) = header(&mut file, length).map_err(|problem| match problem {
            HeaderError::Read(source) => read(source),
            HeaderError::Format(problem) => fail(problem),
        })?;
        let found = start.saturating_add(header.data_len() as u64);
        if found != length {
            return Err(fail(format!(
                "its header describes {found} bytes, but the file has {length}; \
                 it may have been cut off, so record it again"
            )));
        }

        let mut views = Vec::new();
        let mut shared: Option<(usize, usize, String)> = None;
        for (name, info) in header.tensors() {
            let [steps, batch, channels, height, width] = info.shape[..] else {
                return Err(fail(format!(
                    "view `{name}` has the shape {:?}; it takes the five axes \
                     [steps, batch, 3, height, width]",
                    info.shape
                )));
            };
            if info.dtype != Dtype::F32 {
                return Err(fail(format!(
                    "view `{name}` is of type {:?}; store it as float32",
                    info.dtype
                )));
            }
            if channels != 3 || info.shape.contains(&0) {
                return Err(fail(format!(
                    "view `{name}` has the shape {:?}; it takes three channels and no empty axis",
                    info.shape
                )));
            }
            match &shared {
                Some((s, b, other)) if (*s, *b) != (steps, batch) => {
                    return Err(fail(format!(
                        "view `{name}` has {steps} steps of {batch} images, but view `{other}` \
                         has {s} of {b}; record all views together"
                    )));
                }
                Some(_) => {}
                None => shared = Some((steps, batch, name.clone())),
            }
            views.push(RecordedView {
                name,
                size: [height, width],
                start: start + info.data_offsets.0 as u64,
            });
        }
        views.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let Some((steps, batch, _)) = shared else {
            return Err(fail("it holds no tensor; store one for each view".into()));
        };
        Ok(Recorded {
            path: path.to_owned(),
            file: Mutex::new(file),
            steps,
            batch,
            views,
        })
    }

    /// A view by its name, of the size that the networks expect.
    pub(crate) fn view(&self, name: &str, size: [usize; 2]) -> Result<&RecordedView, DataError> {
        let fail = |problem: String| DataError::Recorded {
            path: self.path.clone(),
            problem,
        };
        let Some(view) = self.views.iter().find(|view| view.name == name) else {
            let known: Vec<_> = self.views.iter().map(|v| format!("`{}`", v.name)).collect();
            return Err(fail(format!(
                "it has no view `{name}`, only {}; name its tensors as the views",
                known.join(", ")
            )));
        };
        if view.size != size {
            return Err(fail(format!(
                "view `{name}` has {}x{} pixels, but the networks expect {}x{}",
                view.size[0], view.size[1], size[0], size[1]
            )));
        }
        Ok(view)
    }

    /// The floats of a view at a step, `[B, 3, H, W]`: slice `step mod S`.
    pub(crate) fn read(
        &self,
        view: &RecordedView,
        step: usize,
        target: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        let values = self.batch * 3 * view.size[0] * view.size[1];
        let start = view.start + (step % self.steps) as u64 * values as u64 * 4;
        let mut bytes = vec![0; values * 4];
        let mut file = self.file.lock().unwrap_or_else(|lock| lock.into_inner());
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|source| DataError::Read {
                path: self.path.clone(),
                source,
            })?;
        target.clear();
        let (floats, _) = bytes.as_chunks::<4>();
        target.extend(floats.iter().map(|b| f32::from_le_bytes(*b)));
        Ok(())
    }
}

enum HeaderError {
    Read(std::io::Error),
    Format(String),
}

/// The parsed header and the first byte after it. Its size and the number of
/// tensors are checked before anything is allocated for them.
fn header(file: &mut File, length: u64) -> Result<(Metadata, u64), HeaderError> {
    let format = |problem: String| Err(HeaderError::Format(problem));
    let mut size = [0; 8];
    file.read_exact(&mut size)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                HeaderError::Format("it is too short for a safetensors file".into())
            }
            _ => HeaderError::Read(error),
        })?;
    let size = u64::from_le_bytes(size);
    if size > length.saturating_sub(8) {
        return format(
            "it is no safetensors file, or it has been cut off; record the views again".into(),
        );
    }
    if size > MAX_HEADER_BYTES {
        return format(format!(
            "its header has {size} bytes, more than the limit of {MAX_HEADER_BYTES}"
        ));
    }
    let mut text = vec![0; size as usize];
    file.read_exact(&mut text).map_err(HeaderError::Read)?;
    // Every tensor opens a brace, so there are no more tensors than this.
    let tensors = text.iter().filter(|byte| **byte == b'{').count();
    if tensors > MAX_TENSORS {
        return format(format!(
            "it has {tensors} tensors, more than the limit of {MAX_TENSORS}"
        ));
    }
    match serde_json::from_slice::<Metadata>(&text) {
        Ok(header) => Ok((header, 8 + size)),
        Err(error) => format(format!("its header is damaged: {error}")),
    }
}
