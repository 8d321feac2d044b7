//! The benchmark sets in the files of their authors: CIFAR-10 and CIFAR-100
//! (binary, or Python pickles, which are read and never executed), MNIST and
//! Fashion-MNIST, STL-10. From a folder, or from the archive as it was
//! downloaded.

mod cifar;
mod idx;
mod stl;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::files;
use super::set::{Labels, Set, Splits};
use super::watch::{self, Watched};
use crate::DataError;
use crate::image::Rgb;

pub(crate) use cifar::{cifar10, cifar100};
pub(crate) use idx::{FASHION, mnist};
pub(crate) use stl::stl10;

/// Most bytes of a file, or of an archive, unpacked.
const MAX_BYTES: u64 = 640 << 20;
/// What is told of more.
const TOO_MANY: &str =
    "it unpacks to more than 640 MiB, as none of these sets does; fetch it again";

/// Files of a folder by name, or of an archive.
enum Home {
    Folder(Vec<PathBuf>),
    Archive(BTreeMap<String, Vec<u8>>),
}

struct Place<'a> {
    path: &'a Path,
    home: Home,
}

impl<'a> Place<'a> {
    /// Look into a folder and the subfolders of these names, or an archive.
    fn open(path: &'a Path, below: &[&str]) -> Result<Self, DataError> {
        let read = |source| DataError::Read {
            path: path.to_owned(),
            source,
        };
        watch::at(path);
        if path.is_dir() {
            let mut folders = vec![path.to_owned()];
            folders.extend(below.iter().map(|name| path.join(name)));
            return Ok(Place {
                path,
                home: Home::Folder(folders),
            });
        }
        let file = Watched(files::open(path).map_err(read)?);
        let name = path.to_string_lossy();
        let reader: Box<dyn Read> = if name.ends_with(".gz") || name.ends_with(".tgz") {
            Box::new(GzDecoder::new(file))
        } else {
            Box::new(file)
        };
        let mut archive = tar::Archive::new(reader.take(MAX_BYTES));
        let files = unpacked(&mut archive);
        let problem = match files {
            _ if archive.into_inner().limit() == 0 => TOO_MANY.into(),
            Ok(files) => {
                return Ok(Place {
                    path,
                    home: Home::Archive(files),
                });
            }
            Err(error) => {
                format!("it is neither a folder nor a whole tar archive: {error}; fetch it again")
            }
        };
        Err(DataError::Source {
            path: path.to_owned(),
            problem,
        })
    }

    /// A file of one of these names, unpacked where it is compressed.
    fn find(&self, names: &[&str]) -> Result<Option<Vec<u8>>, DataError> {
        match &self.home {
            Home::Archive(files) => Ok(names.iter().find_map(|name| files.get(*name)).cloned()),
            Home::Folder(_) => {
                let Some(path) = self.file(names) else {
                    return Ok(None);
                };
                let read = |source| DataError::Read {
                    path: path.clone(),
                    source,
                };
                let file = Watched(files::open(&path).map_err(read)?);
                let mut bytes = Vec::new();
                let mut reader: Box<dyn Read> = match path.extension() {
                    Some(end) if end == "gz" => Box::new(GzDecoder::new(file)),
                    _ => Box::new(file),
                };
                reader
                    .by_ref()
                    .take(MAX_BYTES)
                    .read_to_end(&mut bytes)
                    .map_err(read)?;
                if bytes.len() as u64 == MAX_BYTES {
                    return Err(DataError::Source {
                        path,
                        problem: TOO_MANY.into(),
                    });
                }
                Ok(Some(bytes))
            }
        }
    }

    /// Where a file of one of these names lies, or its `.gz`.
    fn file(&self, names: &[&str]) -> Option<PathBuf> {
        let Home::Folder(folders) = &self.home else {
            return None;
        };
        folders.iter().find_map(|folder| {
            watch::at(folder);
            names.iter().find_map(|name| {
                let plain = folder.join(name);
                let zipped = folder.join(format!("{name}.gz"));
                [plain, zipped].into_iter().find(|path| path.is_file())
            })
        })
    }

    fn fail(&self, problem: impl Into<String>) -> DataError {
        DataError::Source {
            path: self.path.to_owned(),
            problem: problem.into(),
        }
    }

    fn missing(&self, what: &str, names: &[&str]) -> DataError {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        self.fail(format!("no {what}: it holds no {}", names.join(" nor ")))
    }

    /// Lines of a text, where it is there.
    fn lines(&self, name: &str) -> Option<Vec<String>> {
        let bytes = self.find(&[name]).ok()??;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .map(str::to_owned)
            .collect();
        (!lines.is_empty()).then_some(lines)
    }
}

/// The files of an archive by their names.
fn unpacked(archive: &mut tar::Archive<impl Read>) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.header().entry_type() != tar::EntryType::Regular {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.rsplit('/').next().unwrap_or_default().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.insert(name, bytes);
    }
    Ok(files)
}

type Loose = (Vec<Rgb>, Vec<u32>);

fn labelled(
    place: &Place<'_>,
    classes: Vec<String>,
    train: Loose,
    test: Loose,
) -> Result<Splits, DataError> {
    let set = |(images, of): Loose| {
        if let Some(label) = of.iter().find(|label| **label as usize >= classes.len()) {
            return Err(place.fail(format!(
                "an image has the label {label}, but there are {} classes; the file is damaged",
                classes.len()
            )));
        }
        let labels = Labels {
            classes: classes.clone(),
            of,
        };
        Ok(Set::in_memory(images, Some(labels)))
    };
    Ok(Splits {
        train: set(train)?,
        held_out: Some(set(test)?),
    })
}

/// A square image of three planes, row by row or column by column.
fn planar(planes: &[u8], side: usize, columns: bool) -> Rgb {
    let area = side * side;
    let mut data = vec![0; planes.len()];
    let (pixels, _) = data.as_chunks_mut::<3>();
    for (n, pixel) in pixels.iter_mut().enumerate() {
        let at = if columns {
            n % side * side + n / side
        } else {
            n
        };
        *pixel = [planes[at], planes[area + at], planes[2 * area + at]];
    }
    Rgb {
        width: side,
        height: side,
        data,
    }
}
