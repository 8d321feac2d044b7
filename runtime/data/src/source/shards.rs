//! WebDataset: tar files whose members of one name, but for the ending, are
//! one sample.
//!
//! The headers are read once, to an index of places; an image is then read
//! from its place, so that the shuffle runs over all shards. No member is ever
//! unpacked to a file of its own, and links are passed over.
//!
//! A gzipped shard cannot be read from any place: it is unzipped once, when its
//! first image is asked for, to a nameless temporary file (`TMPDIR` says
//! where) that ends with the data set.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entries, EntryType};

use super::files::{self, read_at, shown};
use super::images::{Fetched, Store};
use super::set::{Labels, Set};
use super::watch::{Watch, Watched};
use crate::DataError;
use crate::decode::{MAX_FILE_BYTES, Unreadable};

/// Endings that are taken for images.
const IMAGES: [&str; 9] = [
    "jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif", "img",
];
/// Most bytes of a label.
const MAX_LABEL_BYTES: u64 = 4096;
/// Most bytes that a gzipped shard may hold for each of its own, and beside.
const MAX_UNZIPPED: [u64; 2] = [200, 64 << 20];

/// Where an image lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    shard: u32,
    /// First byte in the shard.
    offset: u64,
    /// Its bytes; of a damaged shard's end, 0.
    length: u32,
}

/// What became of one shard.
struct Scan {
    zipped: bool,
    places: Vec<Place>,
    labels: Vec<Option<String>>,
}

struct Shards {
    shards: Vec<Shard>,
    places: Vec<Place>,
}

/// What a gzipped shard holds, or why it cannot be had.
type Unzipped = Result<Arc<File>, (io::ErrorKind, String)>;

struct Shard {
    path: PathBuf,
    /// Of a gzipped one, what it holds, once it has been asked for.
    unzipped: Option<Mutex<Option<Unzipped>>>,
}

/// Open shards. `image` and `label` are endings of members.
pub(crate) fn open(
    files: Vec<PathBuf>,
    image: Option<&str>,
    label: &str,
) -> Result<Set, DataError> {
    let next = AtomicUsize::new(0);
    let scans: Vec<Mutex<Option<Result<Scan, DataError>>>> =
        files.iter().map(|_| Mutex::default()).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let watch = &Watch::current();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(files.len()) {
            scope.spawn(|| {
                let _entered = Watch::enter(watch.clone());
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(file), Some(slot)) = (files.get(n), scans.get(n)) else {
                        return;
                    };
                    let found = scan(file, n as u32, image, label);
                    *slot.lock().unwrap_or_else(|lock| lock.into_inner()) = Some(found);
                }
            });
        }
    });
    let mut shards = Vec::new();
    let mut places = Vec::new();
    let mut labels: Option<Vec<String>> = Some(Vec::new());
    for (path, scan) in files.iter().zip(scans) {
        let scan = scan.into_inner().unwrap_or_else(|lock| lock.into_inner());
        let Some(scan) = scan else { continue };
        let scan = scan?;
        shards.push(Shard {
            path: path.clone(),
            unzipped: scan.zipped.then(Mutex::default),
        });
        places.extend(scan.places);
        for label in scan.labels {
            match (&mut labels, label) {
                (Some(labels), Some(label)) => labels.push(label),
                (_, None) => labels = None,
                (None, _) => {}
            }
        }
    }
    let path = files.first().cloned().unwrap_or_default();
    if places.is_empty() {
        return Err(DataError::Source {
            path,
            problem: match image {
                Some(image) => {
                    format!("no member of its shards ends in `.{image}`; name another ending")
                }
                None => "no member of its shards is an image; name their ending: `image: \"jpg\"`"
                    .into(),
            },
        });
    }
    let labels = labels
        .map(|labels| Labels::read(&labels))
        .transpose()
        .map_err(|problem| DataError::Source { path, problem })?;
    Ok(Set {
        store: Box::new(Shards { shards, places }),
        labels,
    })
}

/// Read the headers of a shard.
fn scan(path: &Path, shard: u32, image: Option<&str>, label: &str) -> Result<Scan, DataError> {
    let read = |source| DataError::Read {
        path: path.to_owned(),
        source,
    };
    let fail = |problem: &str| DataError::Source {
        path: path.to_owned(),
        problem: problem.into(),
    };
    let file = files::open(path).map_err(read)?;
    let found = file.metadata().map_err(read)?;
    let mut start = [0; 2];
    let zipped = read_at(&file, &mut start, 0).is_ok() && start == GZIP;
    let mut scan = Scan {
        zipped,
        places: Vec::new(),
        labels: Vec::new(),
    };
    let (end, length) = if zipped {
        let most = unzipped_limit(found.len());
        let read_so_far = AtomicU64::new(0);
        let unzipped = Counted {
            inner: MultiGzDecoder::new(BufReader::new(Watched(&file))).take(most),
            read: &read_so_far,
        };
        let mut archive = Archive::new(unzipped);
        let entries = archive.entries().map_err(read)?;
        let end = index(entries, shard, image, label, &mut scan);
        let length = read_so_far.load(Ordering::Relaxed);
        if length == most {
            return Err(fail(
                "it unzips to more than 200 times its length; fetch it again, or unzip it \
                 with `gunzip` where that is meant",
            ));
        }
        (end, length)
    } else {
        let mut archive = Archive::new(Watched(&file));
        let entries = archive.entries_with_seek().map_err(read)?;
        (index(entries, shard, image, label, &mut scan), found.len())
    };
    if scan.places.is_empty() && end == u64::MAX {
        return Err(fail(
            "it is no tar file, or its first header is damaged; fetch it again",
        ));
    }
    // A shard ends in two empty blocks. One that has not even the first has been
    // cut: the loss is one more image, which cannot be read.
    if end
        .checked_next_multiple_of(512)
        .and_then(|end| end.checked_add(512))
        .is_none_or(|end| end > length)
    {
        let lost = Place {
            shard,
            offset: length,
            length: 0,
        };
        let told = scan
            .places
            .last()
            .is_some_and(|last| last.offset + u64::from(last.length) > length);
        let known = scan.labels.iter().rev().flatten().next().cloned();
        match (scan.places.last_mut(), scan.labels.last_mut()) {
            // An image whose label lay behind the cut is lost with it: its want
            // would take all others theirs.
            (Some(place), Some(label)) if label.is_none() && known.is_some() => {
                *place = lost;
                *label = known;
            }
            _ if !told => {
                scan.places.push(lost);
                scan.labels.push(known);
            }
            _ => {}
        }
    }
    Ok(scan)
}

/// How a gzipped file begins.
const GZIP: [u8; 2] = [0x1F, 0x8B];

fn unzipped_limit(zipped: u64) -> u64 {
    let [times, beside] = MAX_UNZIPPED;
    zipped.saturating_mul(times).saturating_add(beside)
}

/// Counts what is read through it.
struct Counted<'a, R> {
    inner: R,
    read: &'a AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(target)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Take the samples of a shard; where the last member ends, or the largest
/// number where a header is damaged.
fn index<R: Read>(
    entries: Entries<'_, R>,
    shard: u32,
    image: Option<&str>,
    label: &str,
    scan: &mut Scan,
) -> u64 {
    // The name without its ending, of the members that came last, with what
    // they told so far.
    let mut key: Vec<u8> = Vec::new();
    let mut open: (Option<Place>, Option<String>) = (None, None);
    let mut end = 0;
    for entry in entries {
        let Ok(mut entry) = entry else {
            // What follows a damaged header cannot be found.
            end = u64::MAX;
            break;
        };
        if entry.header().entry_type() != EntryType::Regular {
            continue;
        }
        let name = entry.path_bytes().into_owned();
        let base = name.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
        let Some(dot) = name.iter().skip(base).position(|b| *b == b'.') else {
            continue;
        };
        let (stem, ending) = name.split_at(base + dot);
        // A hidden file is no sample.
        if dot == 0 {
            continue;
        }
        if stem != key {
            close(scan, std::mem::take(&mut open));
            key = stem.to_owned();
        }
        let ending =
            String::from_utf8_lossy(ending.get(1..).unwrap_or_default()).to_ascii_lowercase();
        let offset = entry.raw_file_position();
        let size = entry.size();
        end = offset.saturating_add(size);
        let wanted = match image {
            Some(image) => ending == image,
            None => IMAGES.contains(&ending.rsplit('.').next().unwrap_or("")),
        };
        if wanted && open.0.is_none() {
            open.0 = Some(Place {
                shard,
                offset,
                length: u32::try_from(size).unwrap_or(u32::MAX),
            });
        } else if ending == label && size <= MAX_LABEL_BYTES {
            let mut bytes = vec![0; size as usize];
            if entry.read_exact(&mut bytes).is_ok() {
                open.1 = Some(String::from_utf8_lossy(&bytes).trim().to_owned());
            }
        }
    }
    close(scan, open);
    end
}

/// A sample is whole.
fn close(scan: &mut Scan, (place, label): (Option<Place>, Option<String>)) {
    if let Some(place) = place {
        scan.places.push(place);
        scan.labels.push(label.filter(|label| !label.is_empty()));
    }
}

impl Shard {
    /// Its tar file, to be read from any place.
    fn file(&self) -> io::Result<Arc<File>> {
        let Some(unzipped) = &self.unzipped else {
            return Ok(Arc::new(files::open(&self.path)?));
        };
        let mut unzipped = unzipped.lock().unwrap_or_else(|lock| lock.into_inner());
        // Tried once: a full disk would be filled again for each of its images.
        let file = unzipped.get_or_insert_with(|| match unzip(&self.path) {
            Ok(file) => Ok(Arc::new(file)),
            Err(error) => Err((error.kind(), error.to_string())),
        });
        let told = |(kind, text): &(_, String)| io::Error::new(*kind, text.clone());
        file.as_ref().map(Arc::clone).map_err(told)
    }
}

/// A nameless file with what a gzipped one holds, as far as it can be read.
fn unzip(path: &Path) -> io::Result<File> {
    let told = |error: io::Error| {
        let place = std::env::temp_dir();
        let text = format!(
            "it cannot be unzipped to `{}`: {error}; set `TMPDIR` to a folder with room",
            place.display()
        );
        io::Error::new(error.kind(), text)
    };
    let zipped = files::open(path)?;
    let most = unzipped_limit(zipped.metadata()?.len());
    let mut from = MultiGzDecoder::new(BufReader::new(zipped)).take(most);
    let mut file = tempfile::tempfile().map_err(told)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => file.write_all(&buffer[..n]).map_err(told)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Cut off: what lies behind is told image by image.
            Err(_) => break,
        }
    }
    Ok(file)
}

impl Shards {
    fn place(&self, index: usize) -> Option<(&Place, &Shard)> {
        let place = self.places.get(index)?;
        Some((place, self.shards.get(place.shard as usize)?))
    }
}

impl Store for Shards {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn whereabouts(&self, index: usize) -> String {
        match self.place(index) {
            Some((place, shard)) => format!("{} at byte {}", shard.path.display(), place.offset),
            None => format!("image {index}"),
        }
    }

    fn name(&self, index: usize) -> String {
        let Some((place, shard)) = self.place(index) else {
            return self.whereabouts(index);
        };
        // The member's name stands in the block before it. A gzipped shard is
        // not unzipped for a name.
        let file = match &shard.unzipped {
            None => files::open(&shard.path).ok().map(Arc::new),
            Some(file) => {
                let file = file.try_lock().ok();
                file.and_then(|file| file.as_ref()?.as_ref().ok().cloned())
            }
        };
        let member = file.and_then(|file| {
            let mut header = [0; 100];
            read_at(&file, &mut header, place.offset.checked_sub(512)?).ok()?;
            let name = header.split(|b| *b == 0).next()?;
            (place.length > 0).then(|| shown(&String::from_utf8_lossy(name)))
        });
        match member {
            Some(member) => format!("{}:{member}", shard.path.display()),
            None => self.whereabouts(index),
        }
    }

    fn fetch(&self, index: usize, bytes: &mut Vec<u8>) -> Result<Fetched<'_>, Unreadable> {
        let (place, shard) = self.place(index).ok_or(Unreadable::Empty)?;
        if u64::from(place.length) > MAX_FILE_BYTES {
            return Err(Unreadable::TooManyBytes(u64::from(place.length)));
        }
        let file = shard.file()?;
        let length = file.metadata()?.len();
        if place.offset + u64::from(place.length) > length || place.offset == length {
            return Err(Unreadable::Container(format!(
                "the shard is cut off or damaged behind byte {}",
                place.offset.min(length)
            )));
        }
        bytes.clear();
        bytes.resize(place.length as usize, 0);
        read_at(&file, bytes, place.offset)?;
        Ok(Fetched::Encoded)
    }
}
