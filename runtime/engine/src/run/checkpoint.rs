//! Checkpoint sets: folders that are there whole or not at all.
//!
//! A set is written into a temporary folder; every file is synced, a manifest
//! with the length and BLAKE3 hash of each follows, the folder is synced,
//! renamed to `step-NNNNNN`, and its parent synced. So a crash at any moment
//! leaves the sets before it, and damage to a file is seen when it is read.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{Files, Fill};
use crate::error::EngineError;

const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    step: usize,
    files: BTreeMap<String, Digest>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Digest {
    bytes: u64,
    blake3: String,
}

/// A file of a set that is to be written.
pub struct Part<'a> {
    /// Its name.
    pub name: &'a str,
    /// Writes its content.
    pub fill: Box<Fill<'a>>,
}

/// A set that was read and is intact.
pub struct Set {
    /// Its folder.
    pub path: PathBuf,
    /// Steps done when it was saved.
    pub step: usize,
    /// Its files' contents by name.
    pub parts: BTreeMap<String, Vec<u8>>,
}

/// A set that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Its folder, after it was set aside.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// The folder of a set in the folder of all sets.
pub fn folder(sets: &Path, step: usize) -> PathBuf {
    sets.join(format!("step-{step:06}"))
}

/// Saves a set and removes all but the newest `keep`.
///
/// # Errors
///
/// The failed operation; the sets from before are intact and the temporary is
/// gone.
pub fn save(
    files: &dyn Files,
    sets: &Path,
    step: usize,
    parts: Vec<Part<'_>>,
    keep: usize,
) -> Result<PathBuf, EngineError> {
    let target = folder(sets, step);
    let temporary = sets.join(format!(".step-{step:06}.tmp"));
    let saved = write_set(files, &temporary, step, parts).and_then(|()| {
        (files
            .remove(&target)
            .and_then(|()| files.rename(&temporary, &target)))
        .map_err(EngineError::files("write", &target))
    });
    if let Err(error) = saved {
        // The first failure is the one to tell.
        let _ = files.remove(&temporary);
        return Err(error);
    }
    (files.sync_dir(sets)).map_err(EngineError::files("write", sets))?;
    let all = steps(files, sets)?;
    for &old in all.iter().rev().skip(keep.max(1)) {
        let old = folder(sets, old);
        (files.remove(&old)).map_err(EngineError::files("remove", &old))?;
    }
    Ok(target)
}

fn write_set(
    files: &dyn Files,
    temporary: &Path,
    step: usize,
    parts: Vec<Part<'_>>,
) -> Result<(), EngineError> {
    let failed = || EngineError::files("write", temporary);
    files.remove(temporary).map_err(failed())?;
    files.create_dir(temporary).map_err(failed())?;
    let mut manifest = Manifest {
        format: FORMAT,
        step,
        files: BTreeMap::new(),
    };
    for Part { name, mut fill } in parts {
        let path = temporary.join(name);
        let mut digest = None;
        let written = files.write(&path, &mut |out| {
            let mut out = Hashing::new(out);
            fill(&mut out)?;
            digest = Some(out.digest());
            Ok(())
        });
        written.map_err(EngineError::files("write", &path))?;
        let digest = digest.unwrap_or_else(|| digest_of(&[]));
        manifest.files.insert(name.to_string(), digest);
    }
    let path = temporary.join(MANIFEST);
    let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other);
    text.and_then(|text| files.write(&path, &mut |out| out.write_all(&text)))
        .and_then(|()| files.sync_dir(temporary))
        .map_err(EngineError::files("write", &path))
}

/// The newest intact set. Damaged newer ones are renamed to `damaged-step-N`
/// and listed. What a crash left half written is removed.
///
/// # Errors
///
/// [`EngineError::AllDamaged`] where there are sets and none is intact.
pub fn newest(files: &dyn Files, sets: &Path) -> Result<(Option<Set>, Vec<Damaged>), EngineError> {
    let names = (files.list(sets)).map_err(EngineError::files("read", sets))?;
    for name in names.iter().filter(|name| name.starts_with(".step-")) {
        let path = sets.join(name);
        (files.remove(&path)).map_err(EngineError::files("remove", &path))?;
    }
    let mut damaged = Vec::new();
    for step in steps(files, sets)?.into_iter().rev() {
        let path = folder(sets, step);
        match read_set(files, &path, step) {
            Ok(parts) => {
                set_aside(files, sets, &mut damaged)?;
                return Ok((Some(Set { path, step, parts }), damaged));
            }
            Err(reason) => damaged.push(Damaged { path, reason }),
        }
    }
    match damaged.into_iter().next() {
        Some(newest) => Err(EngineError::AllDamaged {
            path: sets.to_path_buf(),
            reason: format!("`{}`: {}", newest.path.display(), newest.reason),
        }),
        None => Ok((None, Vec::new())),
    }
}

/// One file of the newest set in which it is intact, with the set's step and
/// folder. Nothing changes: a run may be writing there.
///
/// # Errors
///
/// [`EngineError::AllDamaged`] where there are sets and it is intact in none.
pub fn newest_part(
    files: &dyn Files,
    sets: &Path,
    name: &str,
) -> Result<Option<(usize, PathBuf, Vec<u8>)>, EngineError> {
    let mut reason = None;
    for step in steps(files, sets)?.into_iter().rev() {
        let path = folder(sets, step);
        let part = read_manifest(files, &path, step).and_then(|mut manifest| {
            let digest = manifest.files.remove(name);
            let digest = digest.ok_or_else(|| format!("it has no `{name}`"))?;
            read_part(files, &path, name, &digest)
        });
        match part {
            Ok(content) => return Ok(Some((step, path, content))),
            Err(error) => {
                reason.get_or_insert_with(|| format!("`{}`: {error}", path.display()));
            }
        }
    }
    match reason {
        Some(reason) => Err(EngineError::AllDamaged {
            path: sets.to_path_buf(),
            reason,
        }),
        None => Ok(None),
    }
}

fn set_aside(files: &dyn Files, sets: &Path, damaged: &mut [Damaged]) -> Result<(), EngineError> {
    for set in damaged {
        let name = set.path.file_name().unwrap_or_default().to_string_lossy();
        let aside = sets.join(format!("damaged-{name}"));
        (files
            .remove(&aside)
            .and_then(|()| files.rename(&set.path, &aside)))
        .map_err(EngineError::files("rename", &set.path))?;
        set.path = aside;
    }
    Ok(())
}

fn read_set(
    files: &dyn Files,
    path: &Path,
    step: usize,
) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut parts = BTreeMap::new();
    for (name, digest) in read_manifest(files, path, step)?.files {
        let content = read_part(files, path, &name, &digest)?;
        parts.insert(name, content);
    }
    Ok(parts)
}

fn read_manifest(files: &dyn Files, path: &Path, step: usize) -> Result<Manifest, String> {
    let manifest: Manifest = serde_json::from_slice(&read_file(files, path, MANIFEST)?)
        .map_err(|error| format!("`{MANIFEST}` is damaged: {error}"))?;
    if manifest.format != FORMAT || manifest.step != step {
        return Err(format!("`{MANIFEST}` is not of this set"));
    }
    Ok(manifest)
}

fn read_part(
    files: &dyn Files,
    path: &Path,
    name: &str,
    digest: &Digest,
) -> Result<Vec<u8>, String> {
    if Path::new(name).file_name() != Some(name.as_ref()) {
        return Err(format!("`{MANIFEST}` names `{name}`"));
    }
    let content = read_file(files, path, name)?;
    match digest_of(&content) == *digest {
        true => Ok(content),
        false => Err(format!("`{name}` is not what was written")),
    }
}

fn read_file(files: &dyn Files, path: &Path, name: &str) -> Result<Vec<u8>, String> {
    let content = files.read(&path.join(name));
    content.map_err(|error| format!("`{name}` cannot be read: {error}"))
}

/// Steps of the sets that are there, rising.
fn steps(files: &dyn Files, sets: &Path) -> Result<Vec<usize>, EngineError> {
    let names = (files.list(sets)).map_err(EngineError::files("read", sets))?;
    let mut steps: Vec<usize> = names
        .iter()
        .filter_map(|name| name.strip_prefix("step-")?.parse().ok())
        .collect();
    steps.sort_unstable();
    Ok(steps)
}

fn digest_of(content: &[u8]) -> Digest {
    Digest {
        bytes: content.len() as u64,
        blake3: blake3::hash(content).to_hex().to_string(),
    }
}

struct Hashing<'a> {
    out: &'a mut dyn Write,
    hasher: blake3::Hasher,
}

impl<'a> Hashing<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        let hasher = blake3::Hasher::new();
        Hashing { out, hasher }
    }

    fn digest(&self) -> Digest {
        Digest {
            bytes: self.hasher.count(),
            blake3: self.hasher.finalize().to_hex().to_string(),
        }
    }
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
