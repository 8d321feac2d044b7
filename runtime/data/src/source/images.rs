//! The images of a split, one after the other, wherever they come from.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::files;
use super::set::Set;
use crate::decode::{Decoding, Opened, Rows, Unreadable};
use crate::image::{Place, Region, Rgb, Wanted};

/// A set with more images than this keeps none: too few would fit to matter.
const CACHE_IMAGES: usize = 1 << 17;

/// Where images lie. Any thread may ask for any of them at any time.
pub(crate) trait Store: Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// How a message names an image.
    fn name(&self, index: usize) -> String;

    /// The same as far as it is known without a look at the disk, which may
    /// have stalled.
    fn whereabouts(&self, index: usize) -> String {
        self.name(index)
    }

    /// Fetch an image: its pixels, or a file's bytes put into `bytes`.
    fn fetch(&self, index: usize, bytes: &mut Vec<u8>) -> Result<Fetched<'_>, Unreadable>;
}

/// What a [`Store`] gives.
pub(crate) enum Fetched<'a> {
    /// Pixels that are kept.
    Kept(&'a Rgb),
    /// Pixels made for this call.
    Made(Rgb),
    /// A file to decode lies in the buffer.
    Encoded,
}

/// The images of one split with their labels.
pub(crate) struct Images {
    stores: Vec<Box<dyn Store>>,
    /// The first image of each store, and the number of all.
    starts: Vec<usize>,
    labels: Option<Vec<u32>>,
    how: Reading,
    cache: Cache,
}

/// How images are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// Whether EXIF orientations are undone.
    pub(crate) exif: bool,
    /// Whether some are asked for at less than their size. Those that can be
    /// decoded so are not kept: what a view is made of would depend on what
    /// others have left in memory.
    pub(crate) fast: bool,
    /// Most bytes of decoded images that are kept.
    pub(crate) cache: usize,
}

/// Decoded images, kept while they fit.
struct Cache {
    images: Vec<OnceLock<Rgb>>,
    used: AtomicUsize,
    most: usize,
}

/// An image, or the part of it that was asked for.
pub(crate) enum Loaded<'a> {
    /// All of it, kept.
    Kept(&'a Rgb),
    /// A part of it and where it lies.
    Part(Rgb, Place),
}

/// An image that views are made of.
pub(crate) enum Coming<'a> {
    /// It is there, or the part of it that was asked for.
    Here(Loaded<'a>),
    /// The rows that were asked for, decoded one by one.
    Rows(Rows<'a>),
}

impl<'a> From<Decoding<'a>> for Coming<'a> {
    fn from(decoding: Decoding<'a>) -> Self {
        match decoding {
            Decoding::Done(image, place) => Coming::Here(Loaded::Part(image, place)),
            Decoding::Rows(rows) => Coming::Rows(rows),
        }
    }
}

impl Images {
    /// Join sets in a row. `labels` are those of all of them.
    pub(crate) fn new(sets: Vec<Set>, labels: Option<Vec<u32>>, how: Reading) -> Self {
        let stores: Vec<_> = sets.into_iter().map(|set| set.store).collect();
        let mut starts = vec![0];
        let mut total = 0;
        for store in &stores {
            total += store.len();
            starts.push(total);
        }
        let kept = if total <= CACHE_IMAGES && how.cache > 0 {
            total
        } else {
            0
        };
        Images {
            stores,
            starts,
            labels,
            how,
            cache: Cache {
                images: (0..kept).map(|_| OnceLock::new()).collect(),
                used: AtomicUsize::new(0),
                most: how.cache,
            },
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    pub(crate) fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }

    /// The store of an image and its index there.
    fn place(&self, sample: u32) -> Option<(&dyn Store, usize)> {
        let sample = sample as usize;
        let at = self.starts.partition_point(|start| *start <= sample);
        let at = at.checked_sub(1)?;
        let store = self.stores.get(at)?;
        Some((store.as_ref(), sample - self.starts.get(at)?))
    }

    /// How a message names an image.
    pub(crate) fn name(&self, sample: u32) -> String {
        match self.place(sample) {
            Some((store, index)) => store.name(index),
            None => format!("image {sample}"),
        }
    }

    /// How a message names an image, without a look at the disk.
    pub(crate) fn whereabouts(&self, sample: u32) -> String {
        match self.place(sample) {
            Some((store, index)) => store.whereabouts(index),
            None => format!("image {sample}"),
        }
    }

    /// Load the whole of an image and leave its file's bytes, where it has
    /// any, in the buffer, whatever is kept in memory.
    pub(crate) fn load_file(
        &self,
        sample: u32,
        bytes: &mut Vec<u8>,
    ) -> Result<Loaded<'_>, Unreadable> {
        bytes.clear();
        let (store, index) = self.place(sample).ok_or(Unreadable::Empty)?;
        match store.fetch(index, bytes)? {
            Fetched::Kept(image) => Ok(Loaded::Kept(image)),
            Fetched::Made(image) => {
                bytes.clear();
                Ok(Loaded::Part(image, Place::WHOLE))
            }
            Fetched::Encoded => {
                let opened = Opened::new(bytes, self.how.exif)?;
                let [height, width] = opened.size();
                let whole = Wanted::exact(Region::whole(width, height));
                let (image, place) = opened.decode(whole)?;
                Ok(Loaded::Part(image, place))
            }
        }
    }

    /// Load an image, or begin to: `plan` is told its height and width and says
    /// which part is wanted.
    pub(crate) fn load<'a>(
        &'a self,
        sample: u32,
        bytes: &'a mut Vec<u8>,
        plan: impl FnOnce([usize; 2]) -> Wanted,
    ) -> Result<Coming<'a>, Unreadable> {
        let slot = self.cache.images.get(sample as usize);
        if let Some(image) = slot.and_then(OnceLock::get) {
            plan([image.height, image.width]);
            return Ok(Coming::Here(Loaded::Kept(image)));
        }
        let (store, index) = self.place(sample).ok_or(Unreadable::Empty)?;
        match store.fetch(index, bytes)? {
            Fetched::Kept(image) => {
                plan([image.height, image.width]);
                return Ok(Coming::Here(Loaded::Kept(image)));
            }
            Fetched::Made(image) => {
                plan([image.height, image.width]);
                let size = image.data.len();
                return Ok(Coming::Here(match slot {
                    Some(slot) if self.cache.reserve(size) => self.cache.keep(slot, image, size),
                    _ => Loaded::Part(image, Place::WHOLE),
                }));
            }
            Fetched::Encoded => {}
        }
        let opened = Opened::new(bytes, self.how.exif)?;
        let [height, width] = opened.size();
        let wanted = plan([height, width]);
        let size = height * width * 3;
        let keeps = !(self.how.fast && opened.shrinks());
        if let Some(slot) = slot.filter(|_| keeps)
            && self.cache.reserve(size)
        {
            // A file may be damaged beyond the region alone: that the cache
            // had room for it must not make it unreadable.
            match opened.decode(Wanted::exact(Region::whole(width, height))) {
                Ok((image, _)) => return Ok(Coming::Here(self.cache.keep(slot, image, size))),
                Err(_) => self.cache.release(size),
            }
            return Ok(Opened::new(bytes, self.how.exif)?.start(wanted)?.into());
        }
        Ok(opened.start(wanted)?.into())
    }
}

impl Cache {
    fn reserve(&self, bytes: usize) -> bool {
        let room = |used: usize| (used + bytes <= self.most).then_some(used + bytes);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_ok()
    }

    fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Keep an image that room was reserved for.
    fn keep<'a>(&self, slot: &'a OnceLock<Rgb>, image: Rgb, size: usize) -> Loaded<'a> {
        if slot.get().is_some() {
            self.release(size);
        }
        Loaded::Kept(slot.get_or_init(|| image))
    }
}

/// Height and width of an image file, from its header.
pub(crate) fn size(path: &Path, bytes: &mut Vec<u8>) -> Result<[usize; 2], Unreadable> {
    files::read(path, bytes)?;
    Ok(Opened::new(bytes, false)?.size())
}
