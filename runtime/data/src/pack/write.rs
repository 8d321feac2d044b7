//! Writing shards.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::ends;
use super::encode::{bmp, jpeg, shorter};
use super::{FORMAT, Form, INDEX, Pack, Packed, Packing, Shard};
use crate::crew::Crew;
use crate::dataset::Split;
use crate::report::CorruptFile;
use crate::source::Loaded;
use crate::{DataError, Dataset};

/// One sample, ready to be stored.
struct Member {
    ending: &'static str,
    bytes: Vec<u8>,
    label: Option<u32>,
    /// BLAKE3 of what it was made of.
    from: blake3::Hash,
}

/// How a folder of shards that are not whole yet begins.
const PARTIAL: &str = "unfinished-";
/// A sample, or why it is left out.
type Made = Result<Member, CorruptFile>;

impl Dataset {
    /// Write all images into shards `train-000000.tar` ... and, where there are
    /// held-out ones, `test-000000.tar` ... in a folder, which must be empty or
    /// new. The shards are the same bytes on any number of threads. They are
    /// made in a folder within it and take their places when all are whole,
    /// `pack.json` as the last; what ends before that leaves nothing.
    ///
    /// `going` is told how many images are done; where it answers no, the
    /// result is none.
    ///
    /// # Errors
    /// The source holds no images, or one that took longer than the plan's
    /// `stall_limit`; the folder has something in it or cannot be written; more
    /// than `data.max_corrupt` of the images is unreadable.
    pub fn pack(
        &self,
        folder: &Path,
        pack: &Pack,
        going: &dyn Fn(usize) -> bool,
    ) -> Result<Option<Packed>, DataError> {
        self.images(Split::Train)?;
        let write = |source| DataError::Write {
            path: folder.to_owned(),
            source,
        };
        if folder.is_file() {
            return Err(write(std::io::Error::other(
                "it is a file; name a new folder",
            )));
        }
        let new = !folder.exists();
        std::fs::create_dir_all(folder).map_err(write)?;
        if let Some(entry) = std::fs::read_dir(folder).map_err(write)?.next() {
            let name = entry.map_err(write)?.file_name();
            let name = name.to_string_lossy();
            let told = match name.starts_with(PARTIAL) {
                true => format!("a pack that was cut off left `{name}` in it; remove it"),
                false => "it is not empty; name a new folder".into(),
            };
            return Err(write(std::io::Error::other(told)));
        }
        let partial = tempfile::Builder::new().prefix(PARTIAL).tempdir_in(folder);
        let partial = partial.map_err(write)?;
        let packed = self
            .pack_into(partial.path(), pack, going)
            .and_then(|packed| {
                let Some(packed) = packed else {
                    return Ok(None);
                };
                let names = packed.shards.iter().map(|shard| shard.file.as_str());
                for name in names.chain([INDEX]) {
                    std::fs::rename(partial.path().join(name), folder.join(name)).map_err(write)?;
                }
                Ok(Some(packed))
            });
        drop(partial);
        if new && !matches!(packed, Ok(Some(_))) {
            // Only where nothing has come into it.
            let _ = std::fs::remove_dir(folder);
        }
        packed
    }

    fn pack_into(
        &self,
        folder: &Path,
        pack: &Pack,
        going: &dyn Fn(usize) -> bool,
    ) -> Result<Option<Packed>, DataError> {
        let write = |path: &Path| {
            let path = path.to_owned();
            move |source| DataError::Write { path, source }
        };
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
        let mut done = 0;
        for (split, prefix) in [(Split::Train, "train"), (Split::HeldOut, "test")] {
            let total = self.len(split) as u32;
            let mut broken = Vec::new();
            let starts = (0..total).step_by(pack.shard.max(1));
            for (n, start) in starts.enumerate() {
                let end = start.saturating_add(pack.shard.max(1) as u32).min(total);
                let file = format!("{prefix}-{n:06}.tar");
                let path = folder.join(&file);
                let mut tell = |more: usize| going(done + more);
                let Some(members) = self.members(split, start..end, pack, &mut tell)? else {
                    return Ok(None);
                };
                done += members.len();
                for member in &members {
                    match member {
                        Ok(member) => source.update(member.from.as_bytes()),
                        Err(_) => source.update(&[0; 32]),
                    };
                }
                let shard = store(&path, start, members, self.classes(), &mut broken);
                let (images, bytes, blake3) = shard.map_err(write(&path))?;
                self.tolerable(split, &broken)?;
                packed.shards.push(Shard {
                    file,
                    images,
                    bytes,
                    blake3,
                    ends: ends(&path).map_err(write(&path))?,
                });
            }
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
        Ok(Some(packed))
    }

    /// The samples of a shard, made on all cores, in order; none where `going`
    /// ends it.
    fn members(
        &self,
        split: Split,
        samples: std::ops::Range<u32>,
        pack: &Pack,
        going: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Vec<Made>>, DataError> {
        let images = self.images(split)?;
        let crew = Crew {
            workers: 0,
            stall_limit: self.stall_limit(),
            name: &|sample| images.whereabouts(sample),
        };
        let (dataset, pack) = (self.clone(), Arc::new(pack.clone()));
        let make = move |sample, (bytes, made): &mut (Vec<u8>, Vec<(u32, Made)>)| {
            let call = || dataset.member(split, sample, &pack, bytes);
            let member = catch_unwind(AssertUnwindSafe(call))
                .unwrap_or_else(|_| Err("its decoder failed".into()));
            let name = || {
                dataset
                    .images(split)
                    .map_or(String::new(), |i| i.name(sample))
            };
            made.push((
                sample,
                member.map_err(|reason| CorruptFile {
                    sample,
                    path: name(),
                    reason,
                }),
            ));
        };
        let Some(made) = crew.each(samples.collect(), make, going)? else {
            return Ok(None);
        };
        let mut made: Vec<_> = made.into_iter().flat_map(|(_, made)| made).collect();
        made.sort_unstable_by_key(|(sample, _)| *sample);
        Ok(Some(made.into_iter().map(|(_, member)| member).collect()))
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
