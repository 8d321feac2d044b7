//! The benchmark sets in the files of their authors: CIFAR-10 and CIFAR-100
//! (binary, or Python pickles, which are read and never executed), MNIST and
//! Fashion-MNIST, STL-10. From a folder, or from the archive as it was
//! downloaded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_pickle::{HashableValue, Value};

use super::files::{self, read_at};
use super::images::{Fetched, Store};
use super::pickle;
use super::set::{Labels, Set, Splits};
use super::watch::{self, Watched};
use crate::DataError;
use crate::decode::Unreadable;
use crate::image::Rgb;

/// Most bytes of a file, or of an archive, unpacked.
const MAX_BYTES: u64 = 640 << 20;
/// What is told of more.
const TOO_MANY: &str =
    "it unpacks to more than 640 MiB, as none of these sets does; fetch it again";

const CIFAR10: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

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

/// CIFAR-10.
pub(crate) fn cifar10(path: &Path) -> Result<Splits, DataError> {
    let place = Place::open(path, &["cifar-10-batches-bin", "cifar-10-batches-py"])?;
    let classes: Vec<String> = CIFAR10.iter().map(ToString::to_string).collect();
    let mut train = (Vec::new(), Vec::new());
    for n in 1..=5 {
        let (binary, pickle) = (format!("data_batch_{n}.bin"), format!("data_batch_{n}"));
        cifar_file(&place, &binary, &pickle, (1, 0), "labels", &mut train)?;
    }
    let mut test = (Vec::new(), Vec::new());
    cifar_file(
        &place,
        "test_batch.bin",
        "test_batch",
        (1, 0),
        "labels",
        &mut test,
    )?;
    labelled(&place, classes, train, test)
}

/// CIFAR-100, by its fine or its coarse labels.
pub(crate) fn cifar100(path: &Path, coarse: bool) -> Result<Splits, DataError> {
    let place = Place::open(path, &["cifar-100-binary", "cifar-100-python"])?;
    let kind = if coarse { "coarse" } else { "fine" };
    let layout = (2, usize::from(!coarse));
    let key = format!("{kind}_labels");
    let mut train = (Vec::new(), Vec::new());
    cifar_file(&place, "train.bin", "train", layout, &key, &mut train)?;
    let mut test = (Vec::new(), Vec::new());
    cifar_file(&place, "test.bin", "test", layout, &key, &mut test)?;
    let names = format!("{kind}_label_names");
    let classes = match place.lines(&format!("{names}.txt")) {
        Some(classes) => classes,
        None => match place.find(&["meta"])? {
            Some(meta) => pickled(&place, &meta)?
                .remove(&names)
                .and_then(|value| texts(&value))
                .ok_or_else(|| place.fail("its `meta` names no classes"))?,
            None => (0..if coarse { 20 } else { 100 })
                .map(|n| n.to_string())
                .collect(),
        },
    };
    labelled(&place, classes, train, test)
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

/// One file of CIFAR, in either form. `layout` is the number of label bytes of
/// a binary record, and which of them is taken.
fn cifar_file(
    place: &Place<'_>,
    binary: &str,
    pickle: &str,
    layout: (usize, usize),
    key: &str,
    (images, labels): &mut Loose,
) -> Result<(), DataError> {
    const PIXELS: usize = 3 * 32 * 32;
    if let Some(bytes) = place.find(&[binary])? {
        let (count, taken) = layout;
        if bytes.is_empty() || bytes.len() % (count + PIXELS) != 0 {
            return Err(place.fail(format!(
                "`{binary}` has {} bytes, no multiple of {}; it may be cut off, fetch it again",
                bytes.len(),
                count + PIXELS
            )));
        }
        for record in bytes.chunks_exact(count + PIXELS) {
            labels.push(u32::from(record[taken]));
            images.push(planar(&record[count..], 32, false));
        }
        return Ok(());
    }
    let Some(bytes) = place.find(&[pickle])? else {
        return Err(place.missing("CIFAR images", &[binary, pickle]));
    };
    let mut batch = pickled(place, &bytes)?;
    let wrong = || {
        place.fail(format!(
            "`{pickle}` is no CIFAR batch: it has no bytes `data` with a number in `{key}` for \
             each image; fetch it again"
        ))
    };
    let data = batch.remove("data").and_then(array).ok_or_else(wrong)?;
    let of = batch
        .remove(key)
        .and_then(|value| numbers(&value))
        .ok_or_else(wrong)?;
    if data.is_empty() || data.len() != of.len() * PIXELS {
        return Err(wrong());
    }
    images.extend(
        data.chunks_exact(PIXELS)
            .map(|pixels| planar(pixels, 32, false)),
    );
    labels.extend(of);
    Ok(())
}

/// The entries of a pickled dictionary. Nothing in it is called: objects are
/// reduced to the state that they were stored with.
fn pickled(place: &Place<'_>, bytes: &[u8]) -> Result<BTreeMap<String, Value>, DataError> {
    let value = pickle::read(bytes).map_err(|problem| {
        place.fail(match problem.contains("; ") {
            true => format!("a pickle in it is no CIFAR batch: {problem}"),
            false => format!("a pickle in it is no CIFAR batch: {problem}; fetch it again"),
        })
    })?;
    let Value::Dict(entries) = value else {
        return Err(place.fail("a pickle in it holds no dictionary; fetch it again"));
    };
    Ok(entries
        .into_iter()
        .filter_map(|(key, value)| match key {
            HashableValue::String(key) => Some((key, value)),
            HashableValue::Bytes(key) => Some((String::from_utf8_lossy(&key).into_owned(), value)),
            _ => None,
        })
        .collect())
}

/// The bytes of an array: alone, or the longest in the state of a NumPy array.
fn array(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        Value::Tuple(values) | Value::List(values) => {
            values.into_iter().filter_map(array).max_by_key(Vec::len)
        }
        Value::Dict(values) => values.into_values().filter_map(array).max_by_key(Vec::len),
        _ => None,
    }
}

fn numbers(value: &Value) -> Option<Vec<u32>> {
    let Value::List(values) = value else {
        return None;
    };
    let number = |value: &Value| match value {
        Value::I64(n) => u32::try_from(*n).ok(),
        _ => None,
    };
    values.iter().map(number).collect()
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let Value::List(values) = value else {
        return None;
    };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    };
    values.iter().map(text).collect()
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

/// MNIST, Fashion-MNIST and what has their form.
pub(crate) fn mnist(path: &Path, classes: Option<&[&str]>) -> Result<Splits, DataError> {
    let below = ["raw", "MNIST/raw", "FashionMNIST/raw"];
    let place = Place::open(path, &below)?;
    let split = |name: &str| {
        let images = [
            format!("{name}-images-idx3-ubyte"),
            format!("{name}-images.idx3-ubyte"),
        ];
        let labels = [
            format!("{name}-labels-idx1-ubyte"),
            format!("{name}-labels.idx1-ubyte"),
        ];
        let idx = |names: &[String; 2], axes| {
            let names = [names[0].as_str(), names[1].as_str()];
            let zipped = names.map(|name| format!("{name}.gz"));
            let found = place.find(&[names[0], names[1], &zipped[0], &zipped[1]])?;
            let bytes = found.ok_or_else(|| place.missing("such set", &names))?;
            idx(&bytes, axes).ok_or_else(|| {
                place.fail(format!(
                    "`{}` is no whole idx file; fetch it again",
                    names[0]
                ))
            })
        };
        let (shape, pixels) = idx(&images, 3)?;
        let (count, of) = idx(&labels, 1)?;
        if shape[0] != count[0] {
            return Err(place.fail(format!(
                "it has {} images but {} labels; the files belong to different sets",
                shape[0], count[0]
            )));
        }
        let images = pixels
            .chunks_exact((shape[1] * shape[2]).max(1))
            .map(|gray| Rgb {
                width: shape[2],
                height: shape[1],
                data: gray.iter().flat_map(|v| [*v; 3]).collect(),
            });
        Ok((images.collect(), of.into_iter().map(u32::from).collect()))
    };
    let (train, test): (Loose, Loose) = (split("train")?, split("t10k")?);
    let most = train.1.iter().chain(&test.1).max().copied().unwrap_or(0);
    let classes = match classes {
        Some(classes) => classes.iter().map(ToString::to_string).collect(),
        None => (0..=most).map(|n| n.to_string()).collect(),
    };
    labelled(&place, classes, train, test)
}

/// Fashion-MNIST's classes.
pub(crate) const FASHION: [&str; 10] = [
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
];

/// The shape and the bytes of an idx file.
fn idx(bytes: &[u8], axes: usize) -> Option<(Vec<usize>, Vec<u8>)> {
    if bytes.get(..4)? != [0, 0, 8, axes as u8] {
        return None;
    }
    let shape: Vec<usize> = (0..axes)
        .map(|axis| {
            let at = 4 + axis * 4;
            let size = bytes.get(at..at + 4)?.first_chunk::<4>()?;
            Some(u32::from_be_bytes(*size) as usize)
        })
        .collect::<Option<_>>()?;
    let data = bytes.get(4 + axes * 4..)?;
    let count = shape
        .iter()
        .try_fold(1usize, |n, side| n.checked_mul(*side))?;
    (count > 0 && data.len() == count).then(|| (shape, data.to_vec()))
}

const STL_SIDE: usize = 96;
const STL_BYTES: usize = 3 * STL_SIDE * STL_SIDE;

/// STL-10. Without `labelled`, the 100,000 unlabelled images, and no held-out
/// set; with it, the 5,000 of ten classes, and the 8,000 held out.
pub(crate) fn stl10(path: &Path, labelled: bool) -> Result<Splits, DataError> {
    let place = Place::open(path, &["stl10_binary"])?;
    if matches!(place.home, Home::Archive(_)) {
        return Err(place
            .fail("it is an archive, too large to be read as it is; unpack it with `tar -xzf`"));
    }
    let images = |name: &str| {
        let path = place
            .file(&[name])
            .ok_or_else(|| place.missing("STL-10 images", &[name]))?;
        let read = |source| DataError::Read {
            path: path.clone(),
            source,
        };
        let file = files::open(&path).map_err(read)?;
        let length = file.metadata().map_err(read)?.len();
        if length == 0 || length % STL_BYTES as u64 != 0 {
            return Err(place.fail(format!(
                "`{name}` has {length} bytes, no multiple of {STL_BYTES}; it may be cut off, \
                 fetch it again"
            )));
        }
        let count = (length / STL_BYTES as u64) as usize;
        Ok(Raw {
            path: path.clone(),
            file,
            count,
        })
    };
    if !labelled {
        return Ok(Splits {
            train: Set {
                store: Box::new(images("unlabeled_X.bin")?),
                labels: None,
            },
            held_out: None,
        });
    }
    let classes = place
        .lines("class_names.txt")
        .unwrap_or_else(|| (1..=10).map(|n| n.to_string()).collect());
    let set = |split: &str| {
        let store = images(&format!("{split}_X.bin"))?;
        let name = format!("{split}_y.bin");
        let of = place
            .find(&[&name])?
            .ok_or_else(|| place.missing("labels", &[&name]))?;
        let fits = of.len() == store.count
            && of
                .iter()
                .all(|label| (1..=classes.len()).contains(&usize::from(*label)));
        if !fits {
            return Err(place.fail(format!(
                "`{name}` has no label for every image; fetch it again"
            )));
        }
        Ok(Set {
            store: Box::new(store),
            labels: Some(Labels {
                classes: classes.clone(),
                of: of.into_iter().map(|label| u32::from(label) - 1).collect(),
            }),
        })
    };
    Ok(Splits {
        train: set("train")?,
        held_out: Some(set("test")?),
    })
}

/// Equal images in a row in a file, read one by one.
struct Raw {
    path: PathBuf,
    file: File,
    count: usize,
}

impl Store for Raw {
    fn len(&self) -> usize {
        self.count
    }

    fn name(&self, index: usize) -> String {
        format!("{}: image {index}", self.path.display())
    }

    fn fetch(&self, index: usize, bytes: &mut Vec<u8>) -> Result<Fetched<'_>, Unreadable> {
        bytes.clear();
        bytes.resize(STL_BYTES, 0);
        read_at(&self.file, bytes, index as u64 * STL_BYTES as u64)?;
        Ok(Fetched::Made(planar(bytes, STL_SIDE, true)))
    }
}
