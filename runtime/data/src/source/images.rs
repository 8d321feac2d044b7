//! A list of images that can be decoded one by one, from memory or from files.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::decode::{MAX_FILE_BYTES, Opened, Unreadable};
use crate::image::{Region, Rgb};

/// Bytes of decoded images that a set may keep.
const CACHE_BYTES: usize = 256 << 20;
/// A set with more files than this keeps none: too few would fit to matter.
const CACHE_FILES: usize = 1 << 17;

/// The images of one split with their labels.
pub(crate) struct Images {
    origin: Origin,
    labels: Option<Vec<u32>>,
}

enum Origin {
    Memory(Vec<Rgb>),
    Files {
        root: PathBuf,
        files: Vec<PathBuf>,
        cache: Cache,
    },
}

/// Decoded images, kept while they fit.
struct Cache {
    images: Vec<OnceLock<Rgb>>,
    used: AtomicUsize,
}

/// An image, or the part of it that was asked for.
pub(crate) enum Loaded<'a> {
    /// All of it, kept.
    Kept(&'a Rgb),
    /// A part of it and where its top left lies.
    Part(Rgb, [usize; 2]),
}

impl Images {
    pub(crate) fn in_memory(images: Vec<Rgb>, labels: Vec<u32>) -> Self {
        Images {
            origin: Origin::Memory(images),
            labels: Some(labels),
        }
    }

    pub(crate) fn in_files(root: PathBuf, files: Vec<PathBuf>, labels: Option<Vec<u32>>) -> Self {
        let kept = if files.len() <= CACHE_FILES {
            files.len()
        } else {
            0
        };
        Images {
            origin: Origin::Files {
                root,
                files,
                cache: Cache {
                    images: (0..kept).map(|_| OnceLock::new()).collect(),
                    used: AtomicUsize::new(0),
                },
            },
            labels,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.origin {
            Origin::Memory(images) => images.len(),
            Origin::Files { files, .. } => files.len(),
        }
    }

    pub(crate) fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }

    /// How a message names an image.
    pub(crate) fn name(&self, sample: u32) -> String {
        match &self.origin {
            Origin::Memory(_) => format!("image {sample}"),
            Origin::Files { root, files, .. } => match files.get(sample as usize) {
                Some(file) => root.join(file).display().to_string(),
                None => format!("image {sample}"),
            },
        }
    }

    /// Load an image: `plan` is told its height and width and says which part
    /// is wanted.
    pub(crate) fn load(
        &self,
        sample: u32,
        bytes: &mut Vec<u8>,
        plan: impl FnOnce([usize; 2]) -> Region,
    ) -> Result<Loaded<'_>, Unreadable> {
        let sample = sample as usize;
        match &self.origin {
            Origin::Memory(images) => {
                let image = images.get(sample).ok_or(Unreadable::Empty)?;
                plan([image.height, image.width]);
                Ok(Loaded::Kept(image))
            }
            Origin::Files { root, files, cache } => {
                let slot = cache.images.get(sample);
                if let Some(image) = slot.and_then(OnceLock::get) {
                    plan([image.height, image.width]);
                    return Ok(Loaded::Kept(image));
                }
                let file = files.get(sample).ok_or(Unreadable::Empty)?;
                read(root.join(file), bytes)?;
                let opened = Opened::new(bytes)?;
                let [height, width] = opened.size();
                let region = plan([height, width]);
                let size = height * width * 3;
                if let Some(slot) = slot
                    && cache.reserve(size)
                {
                    // A file may be damaged beyond the region alone: that the
                    // cache had room for it must not make it unreadable.
                    match opened.decode(Region::whole(width, height)) {
                        Ok((image, _)) => {
                            if slot.get().is_some() {
                                cache.release(size);
                            }
                            return Ok(Loaded::Kept(slot.get_or_init(|| image)));
                        }
                        Err(_) => cache.release(size),
                    }
                    let (image, origin) = Opened::new(bytes)?.decode(region)?;
                    return Ok(Loaded::Part(image, origin));
                }
                let (image, origin) = opened.decode(region)?;
                Ok(Loaded::Part(image, origin))
            }
        }
    }
}

impl Cache {
    fn reserve(&self, bytes: usize) -> bool {
        let room = |used: usize| (used + bytes <= CACHE_BYTES).then_some(used + bytes);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_ok()
    }

    fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Height and width of an image file, from its header.
pub(crate) fn size(path: &Path, bytes: &mut Vec<u8>) -> Result<[usize; 2], Unreadable> {
    read(path.to_owned(), bytes)?;
    Ok(Opened::new(bytes)?.size())
}

fn read(path: PathBuf, bytes: &mut Vec<u8>) -> Result<(), Unreadable> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > MAX_FILE_BYTES {
        return Err(Unreadable::TooManyBytes(length));
    }
    bytes.clear();
    bytes.reserve(length as usize);
    Read::by_ref(&mut file)
        .take(MAX_FILE_BYTES)
        .read_to_end(bytes)?;
    Ok(())
}
