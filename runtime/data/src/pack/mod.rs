//! Packing a data set into shards that are quick to read: plain WebDataset tar
//! files with an index beside them that says how they were made.
//!
//! A sample is `NAME.jpg` (or `.png`, `.bmp`, ...), with labels also
//! `NAME.cls` (the number) and `NAME.class` (the name of the class).

mod check;
mod encode;
mod write;

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::source::files;
use crate::source::watch::Watched;

pub(crate) use check::{Look, packs};

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
    /// BLAKE3 of the header of every member and of the last bytes before the
    /// next: what a run looks at. Empty in packs of earlier versions.
    #[serde(default)]
    pub ends: String,
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
