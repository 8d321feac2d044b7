//! A folder of images, nested or not.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::watch;
use crate::DataError;

/// File name endings that are taken for images; the content decides later.
pub(crate) const EXTENSIONS: [&str; 8] =
    ["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif"];

/// The image files of a folder, found without opening any of them.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) root: PathBuf,
    /// Relative to the root, in the order of their raw bytes.
    pub(crate) files: Vec<PathBuf>,
    /// Names of the first folders below the root, in the order of their raw
    /// bytes, where every image lies in one.
    pub(crate) classes: Option<Vec<OsString>>,
}

impl Folder {
    /// Walk a folder. Links are followed, but never into a folder that they
    /// lie in; names that begin with a dot are passed over.
    ///
    /// # Errors
    /// The folder is missing, none, or without images; a folder below it
    /// cannot be read.
    pub(crate) fn walk(root: &Path) -> Result<Self, DataError> {
        watch::at(root);
        match root.metadata() {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                return Err(DataError::NotAFolder {
                    path: root.to_owned(),
                });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(DataError::MissingFolder {
                    path: root.to_owned(),
                });
            }
            Err(source) => {
                return Err(DataError::Read {
                    path: root.to_owned(),
                    source,
                });
            }
        }
        let mut files = Vec::new();
        let walk = WalkDir::new(root)
            .follow_links(true)
            .into_iter()
            .filter_entry(|entry| {
                entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".")
            });
        for entry in walk {
            watch::on();
            let path = match entry {
                Ok(entry) if entry.file_type().is_file() => entry.into_path(),
                Ok(entry) => {
                    watch::at(entry.path());
                    continue;
                }
                Err(error) => match refused(error)? {
                    Some(path) => path,
                    None => continue,
                },
            };
            if is_image(&path)
                && let Ok(relative) = path.strip_prefix(root)
            {
                files.push(relative.to_owned());
            }
        }
        if files.is_empty() {
            return Err(DataError::EmptyFolder {
                path: root.to_owned(),
                extensions: EXTENSIONS.map(|e| format!("`.{e}`")).join(", "),
            });
        }
        watch::rest();
        files.sort_unstable_by(|a, b| bytes(a.as_os_str()).cmp(bytes(b.as_os_str())));
        let classes = classes(&files);
        Ok(Folder {
            root: root.to_owned(),
            files,
            classes,
        })
    }
}

/// What to do about an entry that the walk could not read: a link that leads
/// back is no folder, one that is dangling or leads to itself may be an image
/// that went away, anything else stops.
fn refused(error: walkdir::Error) -> Result<Option<PathBuf>, DataError> {
    let path = error.path().map(Path::to_owned).unwrap_or_default();
    if error.loop_ancestor().is_some() {
        return Ok(None);
    }
    match error.into_io_error() {
        Some(source) if source.kind() == std::io::ErrorKind::NotFound || loops(&source) => {
            Ok(Some(path))
        }
        Some(source) => Err(DataError::Read { path, source }),
        None => Ok(None),
    }
}

/// Whether a link leads to itself (`ELOOP`).
fn loops(error: &std::io::Error) -> bool {
    #[cfg(target_os = "linux")]
    const LOOP: i32 = 40;
    #[cfg(not(target_os = "linux"))]
    const LOOP: i32 = 62;
    cfg!(unix) && error.raw_os_error() == Some(LOOP)
}

pub(crate) fn is_image(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        EXTENSIONS
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

fn bytes(name: &OsStr) -> &[u8] {
    name.as_encoded_bytes()
}

/// The first folder of a relative path; none for a file at the top.
fn first_folder(file: &Path) -> Option<&OsStr> {
    let mut components = file.components();
    let first = components.next()?;
    components.next().map(|_| first.as_os_str())
}

fn classes(files: &[PathBuf]) -> Option<Vec<OsString>> {
    let mut classes = files
        .iter()
        .map(|file| first_folder(file).map(OsStr::to_owned))
        .collect::<Option<Vec<_>>>()?;
    classes.sort_unstable_by(|a, b| bytes(a).cmp(bytes(b)));
    classes.dedup();
    Some(classes)
}

/// The index of a file's class among sorted classes.
pub(crate) fn class_index(file: &Path, classes: &[OsString]) -> Option<usize> {
    let class = first_folder(file)?;
    classes
        .binary_search_by(|known| bytes(known).cmp(bytes(class)))
        .ok()
}
