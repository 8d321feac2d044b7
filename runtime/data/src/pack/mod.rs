//! Packing a data set into shards that are quick to read: plain WebDataset tar
//! files with an index beside them that says how they were made.
//!
//! A sample is `NAME.jpg` (or `.png`, `.bmp`, ...), with labels also
//! `NAME.cls` (the number) and `NAME.class` (the name of the class).

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use ssl_plan::{Interpolation, PackedShards, Source};

use crate::dataset::Split;
use crate::image::Rgb;
use crate::report::CorruptFile;
use crate::source::watch::{self, Watched};
use crate::source::{Loaded, expand, files};
use crate::transform::Operation;
use crate::{DataError, Dataset, apply};

/// How a set is packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pack {
    /// The shorter side that larger images are brought to, bicubic.
    pub short_side: Option<usize>,
    /// How images are stored.
    pub form: Form,
    /// Most images of a shard.
    pub shard: usize,
}

/// How images are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// JPEG of a quality, 4:2:0. A file that stays as it is keeps its bytes.
    Jpeg(u8),
    /// Pixels, as BMP: nothing to decode, and several times the bytes.
    Decoded,
}

/// What lies in a packed folder: the content of its `pack.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// Version of this description.
    pub format: u32,
    /// How it was packed.
    pub pack: Pack,
    /// BLAKE3 of the options, the source and the shards: what a run records.
    pub fingerprint: String,
    /// What was packed.
    #[serde(default)]
    pub source: Packing,
    /// Class names in label order, where the source has labels.
    pub classes: Option<Vec<String>>,
    /// The shards, in order.
    pub shards: Vec<Shard>,
    /// Images left out, as they could not be read.
    pub broken: Vec<String>,
}

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Packing {
    /// Images of the source, readable or not.
    pub images: usize,
    /// BLAKE3 over the content of each, as it lay in the source, in order.
    pub blake3: String,
}

/// One tar file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its name.
    pub file: String,
    /// Its images.
    pub images: usize,
    /// Its bytes.
    pub bytes: u64,
    /// BLAKE3 of its content.
    pub blake3: String,
}

/// One sample, ready to be stored.
struct Member {
    ending: &'static str,
    bytes: Vec<u8>,
    label: Option<u32>,
    /// BLAKE3 of what it was made of.
    from: blake3::Hash,
}

impl Packed {
    /// Read the description that lies in a folder; none where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn read(folder: &Path) -> Result<Option<Self>, DataError> {
        let path = folder.join(INDEX);
        let mut bytes = Vec::new();
        match files::open(&path).and_then(|file| Watched(file).read_to_end(&mut bytes)) {
            Ok(_) => serde_json::from_slice(&bytes).map(Some).map_err(|e| {
                let source = std::io::Error::other(format!("it is damaged: {e}"));
                DataError::Read { path, source }
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataError::Read { path, source }),
        }
    }
}

/// The packed shards that a source reads, in its order.
///
/// # Errors
/// A pattern that names no file.
pub(crate) fn packs(source: &Source) -> Result<Vec<PackedShards>, DataError> {
    let (shards, test) = match source {
        Source::Webdataset { shards, test, .. } => (shards, test),
        Source::Concat { sources } | Source::Mix { sources, .. } => {
            let mut all: Vec<PackedShards> = Vec::new();
            for pack in sources.iter().map(packs) {
                all.extend(pack?);
            }
            return Ok(all);
        }
        _ => return Ok(Vec::new()),
    };
    let mut found: Vec<(PathBuf, Option<Packed>, PackedShards)> = Vec::new();
    for pattern in std::iter::once(shards).chain(test) {
        for file in expand(pattern)? {
            let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
                continue;
            };
            if !found.iter().any(|(known, ..)| known == folder) {
                // Another program's file of that name is none of ours.
                let packed = Packed::read(folder).unwrap_or_default();
                let told = packed.as_ref().map(|packed| PackedShards {
                    folder: folder.display().to_string(),
                    fingerprint: packed.fingerprint.clone(),
                    form: packed.pack.to_string(),
                    changed: Vec::new(),
                });
                found.push((folder.to_owned(), packed, told.unwrap_or_default()));
            }
            let Some((_, Some(packed), told)) =
                found.iter_mut().find(|(known, ..)| known == folder)
            else {
                continue;
            };
            let name = name.to_string_lossy();
            let listed = packed.shards.iter().find(|shard| shard.file == name);
            watch::at(&file);
            let length = file.metadata().map_or(0, |found| found.len());
            if listed.is_none_or(|shard| shard.bytes != length) {
                told.changed.push(name.into_owned());
            }
        }
    }
    let packs = found.into_iter();
    Ok(packs
        .filter_map(|(_, packed, told)| packed.map(|_| told))
        .collect())
}

impl std::fmt::Display for Pack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(side) = self.short_side {
            write!(f, "short side {side}, ")?;
        }
        match self.form {
            Form::Jpeg(quality) => write!(f, "JPEG quality {quality}"),
            Form::Decoded => write!(f, "decoded"),
        }
    }
}

/// Version of the description.
const FORMAT: u32 = 2;
/// Name of the description in a packed folder.
const INDEX: &str = "pack.json";

impl Dataset {
    /// Write all images into shards `train-000000.tar` ... and, where there are
    /// held-out ones, `test-000000.tar` ... in a folder, which must be empty or
    /// new. `pack.json` is written last. The shards are the same bytes on any
    /// number of threads. `progress` is told how many images are done.
    ///
    /// # Errors
    /// The source holds no images; the folder has something in it or cannot be
    /// written; more than `data.max_corrupt` of the images is unreadable.
    pub fn pack(
        &self,
        folder: &Path,
        pack: &Pack,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Packed, DataError> {
        self.images(Split::Train)?;
        let write = |path: &Path| {
            let path = path.to_owned();
            move |source| DataError::Write { path, source }
        };
        std::fs::create_dir_all(folder).map_err(write(folder))?;
        let mut there = std::fs::read_dir(folder).map_err(write(folder))?;
        if there.next().is_some() {
            let source = std::io::Error::other("it is not empty; name a new folder");
            return Err(write(folder)(source));
        }
        let mut source = blake3::Hasher::new();
        let mut packed = Packed {
            format: FORMAT,
            pack: pack.clone(),
            fingerprint: String::new(),
            source: Packing {
                images: self.len(Split::Train) + self.len(Split::HeldOut),
                blake3: String::new(),
            },
            classes: self.classes().map(<[String]>::to_vec),
            shards: Vec::new(),
            broken: Vec::new(),
        };
        let done = AtomicUsize::new(0);
        for (split, prefix) in [(Split::Train, "train"), (Split::HeldOut, "test")] {
            let total = self.len(split) as u32;
            let mut broken = Vec::new();
            let starts = (0..total).step_by(pack.shard.max(1));
            for (n, start) in starts.enumerate() {
                let end = start.saturating_add(pack.shard.max(1) as u32).min(total);
                let file = format!("{prefix}-{n:06}.tar");
                let path = folder.join(&file);
                let tell = || progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                let members = self.members(split, start..end, pack, &tell);
                for member in &members {
                    match member {
                        Ok(member) => source.update(member.from.as_bytes()),
                        Err(_) => source.update(&[0; 32]),
                    };
                }
                let shard = store(&path, start, members, self.classes(), &mut broken);
                let (images, bytes, hash) = shard.map_err(write(&path))?;
                packed.shards.push(Shard {
                    file,
                    images,
                    bytes,
                    blake3: hash,
                });
            }
            self.tolerable(split, &broken)?;
            packed.broken.extend(
                broken
                    .into_iter()
                    .map(|f| format!("{}: {}", f.path, f.reason)),
            );
        }
        packed.source.blake3 = source.finalize().to_hex().to_string();
        let mut hasher = blake3::Hasher::new();
        let options = serde_json::to_vec(&packed.pack).map_err(std::io::Error::other);
        hasher.update(&options.map_err(write(folder))?);
        hasher.update(packed.source.blake3.as_bytes());
        for shard in &packed.shards {
            hasher.update(shard.blake3.as_bytes());
        }
        packed.fingerprint = hasher.finalize().to_hex().to_string();
        let path = folder.join(INDEX);
        let text = serde_json::to_vec_pretty(&packed).map_err(std::io::Error::other);
        text.and_then(|text| std::fs::write(&path, text))
            .map_err(write(&path))?;
        Ok(packed)
    }

    /// The samples of a shard, made on all cores, in order.
    fn members(
        &self,
        split: Split,
        samples: std::ops::Range<u32>,
        pack: &Pack,
        tell: &(dyn Fn() + Sync),
    ) -> Vec<Result<Member, CorruptFile>> {
        let next = AtomicUsize::new(samples.start as usize);
        let made = Mutex::new(Vec::with_capacity(samples.len()));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let mut bytes = Vec::new();
                    loop {
                        let sample = next.fetch_add(1, Ordering::Relaxed) as u32;
                        if !samples.contains(&sample) {
                            return;
                        }
                        let call = || self.member(split, sample, pack, &mut bytes);
                        let member = catch_unwind(AssertUnwindSafe(call))
                            .unwrap_or_else(|_| Err("its decoder failed".into()));
                        let member = member.map_err(|reason| CorruptFile {
                            sample,
                            path: self.images(split).map_or(String::new(), |i| i.name(sample)),
                            reason,
                        });
                        let mut made = made.lock().unwrap_or_else(|lock| lock.into_inner());
                        made.push((sample, member));
                        tell();
                    }
                });
            }
        });
        let mut made = made.into_inner().unwrap_or_else(|lock| lock.into_inner());
        made.sort_unstable_by_key(|(sample, _)| *sample);
        made.into_iter().map(|(_, member)| member).collect()
    }

    fn member(
        &self,
        split: Split,
        sample: u32,
        pack: &Pack,
        bytes: &mut Vec<u8>,
    ) -> Result<Member, String> {
        let images = self.images(split).map_err(|e| e.to_string())?;
        let labels = images.labels();
        let label = labels
            .and_then(|labels| labels.get(sample as usize))
            .copied();
        let loaded = images.load_file(sample, bytes).map_err(|e| e.to_string())?;
        let image = match &loaded {
            Loaded::Kept(image) => *image,
            Loaded::Part(image, _) => image,
        };
        let from = if bytes.is_empty() {
            blake3::hash(&image.data)
        } else {
            blake3::hash(bytes)
        };
        let smaller = pack.short_side.and_then(|side| shorter(image, side));
        let (ending, bytes) = match (pack.form, smaller) {
            // Not encoded twice for nothing.
            (Form::Jpeg(_), None) if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) => {
                ("jpg", bytes.clone())
            }
            (Form::Jpeg(quality), smaller) => {
                ("jpg", jpeg(smaller.as_ref().unwrap_or(image), quality)?)
            }
            (Form::Decoded, smaller) => ("bmp", bmp(smaller.as_ref().unwrap_or(image))),
        };
        Ok(Member {
            ending,
            bytes,
            label,
            from,
        })
    }
}

/// The image with a shorter side, where its own is longer.
fn shorter(image: &Rgb, side: usize) -> Option<Rgb> {
    let short = image.height.min(image.width);
    if short <= side {
        return None;
    }
    let scaled = |length: usize| (length * side / short).max(1);
    let resize = Operation::Resize {
        size: [scaled(image.height), scaled(image.width)],
        interpolation: Interpolation::Bicubic,
    };
    Some(apply(image, &[resize]))
}

fn jpeg(image: &Rgb, quality: u8) -> Result<Vec<u8>, String> {
    let side = |n: usize| u16::try_from(n).map_err(|_| "it is too large for a JPEG".to_owned());
    let (width, height) = (side(image.width)?, side(image.height)?);
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder.set_optimized_huffman_tables(true);
    let color = jpeg_encoder::ColorType::Rgb;
    encoder
        .encode(&image.data, width, height, color)
        .map_err(|e| e.to_string())?;
    Ok(bytes)
}

/// 24-bit BMP: a header of 54 bytes, rows from the bottom, blue first, padded
/// to four bytes.
fn bmp(image: &Rgb) -> Vec<u8> {
    let line = (image.width * 3).next_multiple_of(4);
    let size = 54 + line * image.height;
    let mut bytes = Vec::with_capacity(size);
    bytes.extend(b"BM");
    for word in [
        size as u32,
        0,
        54,
        40,
        image.width as u32,
        image.height as u32,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    for word in [0, (line * image.height) as u32, 2835, 2835, 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    for row in image.data.chunks_exact((image.width * 3).max(1)).rev() {
        let (pixels, _) = row.as_chunks::<3>();
        bytes.extend(pixels.iter().flat_map(|[r, g, b]| [*b, *g, *r]));
        bytes.extend(std::iter::repeat_n(0, line - row.len()));
    }
    bytes
}

/// Write a shard; its images, bytes and hash.
fn store(
    path: &PathBuf,
    start: u32,
    members: Vec<Result<Member, CorruptFile>>,
    classes: Option<&[String]>,
    broken: &mut Vec<CorruptFile>,
) -> std::io::Result<(usize, u64, String)> {
    let mut images = 0;
    let mut file = Hashed {
        file: BufWriter::new(File::create_new(path)?),
        hasher: blake3::Hasher::new(),
        bytes: 0,
    };
    let mut archive = tar::Builder::new(&mut file);
    for (sample, member) in (start..).zip(members) {
        let member = match member {
            Ok(member) => member,
            Err(file) => {
                broken.push(file);
                continue;
            }
        };
        images += 1;
        let mut append = |ending: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            archive.append_data(&mut header, format!("{sample:09}.{ending}"), bytes)
        };
        append(member.ending, &member.bytes)?;
        if let Some(label) = member.label {
            append("cls", label.to_string().as_bytes())?;
            if let Some(class) = classes.and_then(|classes| classes.get(label as usize)) {
                append("class", class.as_bytes())?;
            }
        }
    }
    archive.finish()?;
    drop(archive);
    file.flush()?;
    Ok((
        images,
        file.bytes,
        file.hasher.finalize().to_hex().to_string(),
    ))
}

/// A file whose content is hashed while it is written.
struct Hashed {
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(part)?;
        self.hasher.update(&part[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
