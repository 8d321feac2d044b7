//! A list of image files: CSV, TSV, or text with a path in each line.

use std::io::Read;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ReaderBuilder};

use super::files::{self, Files};
use super::set::{Labels, Set};
use super::watch::{self, Watched};
use crate::DataError;

/// Most bytes of a list.
const MAX_LIST_BYTES: u64 = 4 << 30;
/// What columns of paths and of labels are called where nobody says.
const PATHS: [&str; 8] = [
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "image",
    "image_path",
    "img",
];
const LABELS: [&str; 5] = ["label", "class", "target", "category", "class_name"];

/// Open a list. Paths are relative to `root`, or to the list itself.
pub(crate) fn open(
    path: &Path,
    root: Option<&Path>,
    image: Option<&str>,
    label: Option<&str>,
) -> Result<Set, DataError> {
    let fail = |problem: String| DataError::Source {
        path: path.to_owned(),
        problem,
    };
    let read = |source| DataError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = Watched(files::open(path).map_err(read)?);
    let length = file.0.metadata().map_err(read)?.len();
    if length > MAX_LIST_BYTES {
        return Err(fail(format!("it has {length} bytes, too many for a list")));
    }
    let mut bytes = Vec::new();
    Read::by_ref(&mut file)
        .take(MAX_LIST_BYTES)
        .read_to_end(&mut bytes)
        .map_err(read)?;
    watch::rest();
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    if text.starts_with(b"\xFF\xFE") || text.starts_with(b"\xFE\xFF") {
        return Err(fail("it is written in UTF-16; save it as UTF-8".into()));
    }
    let mut rows = rows(path, text).peekable();

    let names: Vec<String> = match rows.peek() {
        Some(Ok((row, _))) => row
            .iter()
            .map(|f| String::from_utf8_lossy(f).trim().to_owned())
            .collect(),
        _ => Vec::new(),
    };
    let column = |known: &[&str]| {
        let is = |name: &String| known.iter().any(|k| name.eq_ignore_ascii_case(k));
        names.iter().position(is)
    };
    let named = |name: &str| {
        names.iter().position(|n| n == name).ok_or_else(|| {
            let known: Vec<_> = names.iter().map(|n| format!("`{n}`")).collect();
            fail(format!(
                "it has no column `{name}`, only {}; name one of them",
                known.join(", ")
            ))
        })
    };
    let (at, labels_at) = match (image, label) {
        (None, None) => match column(&PATHS) {
            Some(at) => {
                rows.next();
                (at, column(&LABELS))
            }
            None => (0, (names.len() > 1).then_some(1)),
        },
        (image, label) => {
            let at = match image {
                Some(name) => named(name)?,
                None => column(&PATHS).unwrap_or(0),
            };
            let labels_at = match label {
                Some(name) => Some(named(name)?),
                None => column(&LABELS),
            };
            rows.next();
            (at, labels_at)
        }
    };

    let mut files = Vec::new();
    let mut labels = Vec::new();
    for row in rows {
        let (row, line) = row.map_err(fail)?;
        let Some(name) = row.get(at).filter(|name| !name.is_empty()) else {
            return Err(fail(format!(
                "line {line} names no file; remove or mend it"
            )));
        };
        files.push(file_name(name));
        if let Some(labels_at) = labels_at {
            let label = row
                .get(labels_at)
                .map(|l| String::from_utf8_lossy(l).trim().to_owned());
            match label.filter(|label| !label.is_empty()) {
                Some(label) => labels.push(label),
                None => {
                    return Err(fail(format!(
                        "line {line} has no label, but the first line has; \
                         give every image one, or none"
                    )));
                }
            }
        }
    }
    if files.is_empty() {
        return Err(fail(
            "it names no image; write the path of one in each line".into(),
        ));
    }
    let root = match root {
        Some(root) => root.to_owned(),
        None => path.parent().unwrap_or(Path::new("")).to_owned(),
    };
    // One look tells a wrong root from a few lost files.
    let step = files.len().div_ceil(16);
    let mut looked = files.iter().step_by(step);
    let there = |file: &PathBuf| {
        let file = root.join(file);
        watch::at(&file);
        file.exists()
    };
    if !looked.any(there) {
        let first = files.first().map(|f| root.join(f).display().to_string());
        return Err(fail(format!(
            "the files that it names are not there, such as `{}`; \
             say where they lie: `root: \"folder\"`",
            first.unwrap_or_default()
        )));
    }
    watch::rest();
    let labels = match labels_at {
        Some(_) => Some(Labels::read(&labels).map_err(fail)?),
        None => None,
    };
    Ok(Set {
        store: Box::new(Files { root, files }),
        labels,
    })
}

/// The rows of a list, and the line of each, one by one: of ten million none
/// is kept but what it says.
type Rows<'a> = Box<dyn Iterator<Item = Result<(ByteRecord, u64), String>> + 'a>;

fn rows<'a>(path: &Path, text: &'a [u8]) -> Rows<'a> {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or("")
        .to_ascii_lowercase();
    let first = text.split(|b| matches!(b, b'\n' | b'\r')).next();
    let first = first.unwrap_or_default();
    let delimiter = match extension.as_str() {
        // As spreadsheets write it where the comma is the decimal sign.
        "csv" if first.contains(&b';') && !first.contains(&b',') => b';',
        "csv" => b',',
        "tsv" | "tab" => b'\t',
        _ if text.contains(&b'\t') => b'\t',
        _ => return Box::new(plain(text).map(Ok)),
    };
    let reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text);
    Box::new(reader.into_byte_records().map(|row| {
        let row = row.map_err(|error| format!("it cannot be read as a table: {error}"))?;
        let line = row.position().map_or(0, csv::Position::line);
        Ok((row, line))
    }))
}

/// Lines that are not empty, ended as Unix, Windows or an old Macintosh ends
/// them, and their numbers.
fn lines(text: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let end = match text.contains(&b'\n') {
        true => b'\n',
        false => b'\r',
    };
    (1..)
        .zip(text.split(move |b| *b == end))
        .map(|(n, line)| (n, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty())
}

/// Lines of a path each, or, where all of them end so, of a path, a space and
/// a number.
fn plain(text: &[u8]) -> impl Iterator<Item = (ByteRecord, u64)> {
    fn split(line: &[u8]) -> Option<[&[u8]; 2]> {
        let at = line.iter().rposition(u8::is_ascii_whitespace)?;
        let (path, label) = line.split_at(at);
        let label = label.trim_ascii();
        let number = label.iter().all(u8::is_ascii_digit);
        number.then(|| [path.trim_ascii(), label])
    }
    let labelled = lines(text).all(|(_, line)| split(line).is_some());
    lines(text).map(move |(n, line)| match split(line) {
        Some(parts) if labelled => (ByteRecord::from(parts.to_vec()), n),
        _ => (ByteRecord::from(vec![line]), n),
    })
}

/// A file name of any bytes, where the system has such names.
fn file_name(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
    }
    #[cfg(not(unix))]
    {
        PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
    }
}
