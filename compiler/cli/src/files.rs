//! Finding `.ssl` files, and writing one anew without ever leaving half of it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::Builder;
use walkdir::{DirEntry, WalkDir};

/// A path as it is; for a folder, the `.ssl` files in it and below, in order of
/// name. Hidden folders are left alone.
pub fn sources(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let seen = |entry: &DirEntry| {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        entry.depth() == 0 || !hidden
    };
    let mut found = Vec::new();
    for entry in WalkDir::new(path)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(seen)
    {
        let path = entry?.into_path();
        if path.extension().is_some_and(|e| e == "ssl") && path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

/// Writes a file, wholly or not at all; one that is there is replaced.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    if path.exists() {
        // What is no file, such as `/dev/stdout`, is only written to.
        return match path.is_file() {
            true => replace(path, text),
            false => std::fs::write(path, text),
        };
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut beside = Builder::new().prefix(".sslc-").tempfile_in(folder)?;
    beside.write_all(text.as_bytes())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As a file that is created, not as one that is hidden for a while.
        let all = std::fs::Permissions::from_mode(0o644);
        beside.as_file().set_permissions(all)?;
    }
    beside.as_file().sync_all()?;
    beside.persist(path)?;
    Ok(())
}

/// Replaces what a file holds, wholly or not at all: the text is written beside
/// it and takes its name once it is on the disk. Permissions stay; a link still
/// points where it did.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize()?;
    let permissions = path.metadata()?.permissions();
    // The new name alone would get around it.
    if permissions.readonly() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut beside = Builder::new().prefix(".sslc-").tempfile_in(folder)?;
    beside.write_all(text.as_bytes())?;
    beside.as_file().set_permissions(permissions)?;
    beside.as_file().sync_all()?;
    beside.persist(&path)?;
    Ok(())
}
