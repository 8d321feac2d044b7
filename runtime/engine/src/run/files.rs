//! File access, behind a trait, so that tests can let a disk fill up or a
//! machine lose power at any operation.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Fills a file.
pub type Fill<'a> = dyn FnMut(&mut dyn Write) -> io::Result<()> + 'a;

/// The operations that a run directory is written with.
pub trait Files {
    /// Creates a folder and its parents.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Writes a new file and waits until its content is on the disk.
    fn write(&self, path: &Path, fill: &mut Fill<'_>) -> io::Result<()>;
    /// Gives a file or folder another name; a file in its place is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Waits until a folder's entries are on the disk.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes a file or a folder with all in it; fine where there is none.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// A whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The names in a folder that are UTF-8, sorted; none where there is no
    /// such folder.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn write(&self, path: &Path, fill: &mut Fill<'_>) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        fill(&mut out)?;
        out.into_inner()?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // Folders cannot be opened for syncing everywhere; where they can, a
        // failure counts.
        if cfg!(unix) {
            File::open(path)?.sync_all()?;
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(path),
            Ok(_) => fs::remove_file(path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }
}

/// Writes a file whole or not at all: a temporary beside it, synced, renamed
/// over it, the folder synced. A failure leaves what was there.
///
/// # Errors
///
/// The system's; the temporary is gone then.
pub fn write_whole(files: &dyn Files, path: &Path, fill: &mut Fill<'_>) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("a file needs a name"));
    };
    let temporary = folder.join(format!(".{}.tmp", name.to_string_lossy()));
    let written = files
        .write(&temporary, fill)
        .and_then(|()| files.rename(&temporary, path));
    if let Err(error) = written {
        // The first failure is the one to tell.
        let _ = files.remove(&temporary);
        return Err(error);
    }
    files.sync_dir(folder)
}
