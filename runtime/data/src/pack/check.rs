//! Whether shards are still as they were packed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ssl_plan::{PackedShards, Source};

use super::{Packed, Shard};
use crate::DataError;
use crate::source::watch::{self, Watch, Watched};
use crate::source::{expand, files};

/// How closely packed shards are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Their lengths, and the header and the end of every member.
    Ends,
    /// All of their bytes.
    Whole,
}

/// The packed shards that a source reads, in its order, and which of them are
/// not as they were packed.
///
/// # Errors
/// A pattern that names no file.
pub(crate) fn packs(source: &Source, look: Look) -> Result<Vec<PackedShards>, DataError> {
    let (shards, test) = match source {
        Source::Webdataset { shards, test, .. } => (shards, test),
        Source::Concat { sources } | Source::Mix { sources, .. } => {
            let mut all: Vec<PackedShards> = Vec::new();
            for pack in sources.iter().map(|source| packs(source, look)) {
                all.extend(pack?);
            }
            return Ok(all);
        }
        _ => return Ok(Vec::new()),
    };
    let mut found: Vec<(PathBuf, Option<Packed>)> = Vec::new();
    // The number of the pack, and the shard as it was packed.
    let mut read: Vec<(usize, PathBuf, Option<Shard>)> = Vec::new();
    for pattern in std::iter::once(shards).chain(test) {
        for file in expand(pattern)? {
            let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
                continue;
            };
            let known = found.iter().position(|(known, _)| known == folder);
            let at = known.unwrap_or_else(|| {
                // Another program's file of that name is none of ours.
                let packed = Packed::read(folder).unwrap_or_default();
                found.push((folder.to_owned(), packed));
                found.len() - 1
            });
            if let Some((_, Some(packed))) = found.get(at) {
                let name = name.to_string_lossy();
                let listed = packed.shards.iter().find(|shard| shard.file == name);
                let listed = listed.cloned();
                read.push((at, file, listed));
            }
        }
    }
    let same = each(&read, |(_, file, listed)| {
        listed.as_ref().is_some_and(|shard| shard.is_in(file, look))
    });
    let packs = found
        .iter()
        .enumerate()
        .filter_map(|(n, (folder, packed))| {
            let packed = packed.as_ref()?;
            let changed = read
                .iter()
                .zip(&same)
                .filter(|((at, ..), same)| *at == n && !**same);
            let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into());
            Some(PackedShards {
                folder: folder.display().to_string(),
                fingerprint: packed.fingerprint.clone(),
                form: packed.pack.to_string(),
                changed: changed.filter_map(|((_, file, _), _)| name(file)).collect(),
            })
        });
    Ok(packs.collect())
}

/// Ask every item on all cores, under the watch of this thread.
fn each<T: Sync>(items: &[T], ask: impl Fn(&T) -> bool + Sync) -> Vec<bool> {
    let answers: Vec<AtomicBool> = items.iter().map(|_| AtomicBool::new(false)).collect();
    let (next, watch) = (AtomicUsize::new(0), &Watch::current());
    watch::rest();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                let _entered = Watch::enter(watch.clone());
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(item), Some(answer)) = (items.get(n), answers.get(n)) else {
                        return;
                    };
                    answer.store(ask(item), Ordering::Relaxed);
                }
            });
        }
    });
    answers.into_iter().map(AtomicBool::into_inner).collect()
}

impl Shard {
    /// Whether a file is still this shard, as far as is looked.
    fn is_in(&self, path: &Path, look: Look) -> bool {
        watch::at(path);
        if path.metadata().map_or(0, |found| found.len()) != self.bytes {
            return false;
        }
        match look {
            Look::Ends if self.ends.is_empty() => true,
            Look::Ends => ends(path).is_ok_and(|found| found == self.ends),
            Look::Whole => whole(path).is_ok_and(|found| found == self.blake3),
        }
    }
}

/// BLAKE3 of a file.
fn whole(path: &Path) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(Watched(files::open(path)?))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// What a look at every member tells of a shard: BLAKE3 of their headers, each
/// with the last bytes of the member. An image that has become another shows
/// there, and little more is read than for the walk through the headers.
pub(super) fn ends(path: &Path) -> std::io::Result<String> {
    /// Bytes of a header, and of an end.
    const BLOCK: u64 = 512;
    let file = files::open(path)?;
    let length = file.metadata()?.len();
    let mut hasher = blake3::Hasher::new();
    // The end of a member and the header of the next lie together.
    let (mut from, mut at) = (0u64, 0u64);
    let mut bytes = Vec::new();
    while at < length {
        bytes.resize(((at + BLOCK).min(length) - from) as usize, 0);
        files::read_at(&file, &mut bytes, from)?;
        watch::on();
        hasher.update(&bytes);
        // The size, in octal digits; what cannot be read as one ends the walk.
        let digits = bytes
            .get((at - from) as usize..)
            .and_then(|h| h.get(124..135));
        let size = digits.and_then(|d| u64::from_str_radix(std::str::from_utf8(d).ok()?, 8).ok());
        let Some(size) = size.filter(|size| *size < length) else {
            break;
        };
        let data = at + BLOCK;
        from = data + size.saturating_sub(BLOCK);
        at = data + size.next_multiple_of(BLOCK);
    }
    Ok(hasher.finalize().to_hex().to_string())
}
