//! The run directory: everything that a run leaves behind.
//!
//! ```text
//! source.ssl             the source as it was read
//! plan.json              the whole Plan
//! metrics.jsonl          one line for each thing measured
//! checkpoints/step-N/    sets to resume from, N steps done
//! weights/               the trained networks, safetensors
//! curve.svg              loss, kNN and learning rate over the steps
//! report.json            what came out
//! ```
//!
//! Files other than the metrics are written whole or not at all.

pub mod checkpoint;
pub mod curve;
pub mod files;
pub mod metrics;
pub mod recipe;

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use ssl_plan::{Plan, Recipe};

use crate::error::EngineError;
use crate::weights::{self, FileError, NamedTensor};
use checkpoint::{Damaged, Set};
use files::{Files, write_whole};

/// An open run directory. No other process can open it meanwhile.
pub struct RunDirectory {
    root: PathBuf,
    files: Box<dyn Files>,
    _lock: File,
}

/// What was found when a run directory was opened.
#[derive(Default)]
pub struct Found {
    /// The set to go on from.
    pub set: Option<Set>,
    /// Newer sets that are damaged.
    pub damaged: Vec<Damaged>,
}

impl RunDirectory {
    /// Opens the folder for a run, creating it. A folder that holds a run is
    /// opened only to resume it, and only under the same recipe; one that
    /// holds none is fine to "resume": the run starts.
    ///
    /// # Errors
    ///
    /// [`EngineError::Locked`], [`EngineError::Occupied`],
    /// [`EngineError::OtherRecipe`], [`EngineError::AllDamaged`],
    /// [`EngineError::Files`].
    pub fn open(
        root: &Path,
        plan: &Plan,
        source: &str,
        resume: bool,
        files: Box<dyn Files>,
    ) -> Result<(Self, Found), EngineError> {
        for folder in [
            root.to_path_buf(),
            root.join("checkpoints"),
            root.join("weights"),
        ] {
            (files.create_dir(&folder)).map_err(EngineError::files("create", &folder))?;
        }
        let lock = lock(root)?;
        let directory = RunDirectory {
            root: root.to_path_buf(),
            files,
            _lock: lock,
        };
        let plan_path = directory.path("plan.json");
        let sets = directory.sets();
        let files = &*directory.files;
        let names = files
            .list(&sets)
            .map_err(EngineError::files("read", &sets))?;
        let saved_plan = files.read(&plan_path).ok();
        let holds_run = saved_plan.is_some() || names.iter().any(|n| n.starts_with("step-"));
        if !holds_run {
            directory.write("source.ssl", source.as_bytes())?;
            directory.write_json("plan.json", plan)?;
            return Ok((directory, Found::default()));
        }
        if !resume {
            return Err(EngineError::Occupied(root.to_path_buf()));
        }
        if let Some(saved) = saved_plan {
            same_recipe(&saved, &plan.recipe, &plan_path)?;
        }
        let (set, damaged) = checkpoint::newest(files, &sets)?;
        if let Some(set) = &set {
            let saved = set.parts.get("plan.json").map_or(&[][..], Vec::as_slice);
            same_recipe(saved, &plan.recipe, &set.path)?;
        }
        Ok((directory, Found { set, damaged }))
    }

    /// A file or folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The folder of checkpoints.
    pub fn sets(&self) -> PathBuf {
        self.path("checkpoints")
    }

    /// How files are written.
    pub fn files(&self) -> &dyn Files {
        &*self.files
    }

    /// Writes a file whole.
    ///
    /// # Errors
    ///
    /// [`EngineError::Files`].
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), EngineError> {
        let path = self.path(name);
        write_whole(self.files(), &path, &mut |out| out.write_all(content))
            .map_err(EngineError::files("write", &path))
    }

    /// Writes a value as JSON for people to read.
    ///
    /// # Errors
    ///
    /// [`EngineError::Files`].
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), EngineError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| EngineError::files("write", &self.path(name))(error.into()))?;
        self.write(name, format!("{text}\n").as_bytes())
    }

    /// Writes tensors whole, as a safetensors file.
    ///
    /// # Errors
    ///
    /// [`EngineError::Files`].
    pub fn write_tensors(&self, name: &Path, tensors: &[NamedTensor]) -> Result<(), EngineError> {
        let path = self.root.join(name);
        write_whole(self.files(), &path, &mut |out| {
            out.write_all(&encode(tensors)?)
        })
        .map_err(EngineError::files("write", &path))
    }
}

/// The bytes of a safetensors file.
pub(crate) fn encode(tensors: &[NamedTensor]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match weights::encode(&mut bytes, tensors) {
        Ok(()) => Ok(bytes),
        Err(FileError::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Takes the folder's lock, which the system drops with the process.
fn lock(root: &Path) -> Result<File, EngineError> {
    let path = root.join(".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(EngineError::files("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EngineError::Locked(root.to_path_buf())),
        // Some network file systems have no locks; the run is no less right.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(EngineError::files("lock", &path)(error)),
    }
}

/// Whether a saved plan's recipe is the one asked for. A plan that cannot be
/// read is left to the checkpoint's hash to judge.
fn same_recipe(saved: &[u8], asked: &Recipe, path: &Path) -> Result<(), EngineError> {
    let Ok(Value::Object(saved)) = serde_json::from_slice(saved) else {
        return Ok(());
    };
    match recipe::difference(saved.get("recipe").unwrap_or(&Value::Null), asked)? {
        None => Ok(()),
        Some(difference) => Err(EngineError::OtherRecipe {
            path: path.to_path_buf(),
            difference,
        }),
    }
}
