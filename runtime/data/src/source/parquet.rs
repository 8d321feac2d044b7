//! Parquet shards in the layout of Hugging Face's `datasets`: a column of
//! structs with the bytes of an image file, and one of labels.
//!
//! An image is found by its file, its row group and its row. Pages before its
//! own are passed over by their headers, so that reading any row costs about
//! one page, whatever was read before.

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Type;
use parquet::column::page::PageReader;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use super::files::{self, read_at};
use super::images::{Fetched, Store};
use super::set::{Labels, Set};
use super::watch;
use crate::DataError;
use crate::decode::{MAX_FILE_BYTES, Unreadable};

/// Columns of images and of labels where nobody says.
const IMAGES: [&str; 3] = ["image", "img", "jpg"];
const LABELS: [&str; 3] = ["label", "labels", "fine_label"];

struct Shards {
    files: Vec<(PathBuf, ParquetMetaData)>,
    groups: Vec<Group>,
    /// Rows of all groups.
    rows: usize,
    /// Index of the leaf column of images.
    column: usize,
}

/// A row group, by its first row in the set.
struct Group {
    first: usize,
    file: usize,
    group: usize,
}

/// Open shards. `image` and `label` are names of columns.
pub(crate) fn open(
    paths: Vec<PathBuf>,
    image: Option<&str>,
    label: Option<&str>,
) -> Result<Set, DataError> {
    let mut files = Vec::new();
    let mut groups = Vec::new();
    let mut rows = 0;
    let mut columns: Option<(usize, Option<usize>)> = None;
    let mut written = Vec::new();
    let mut names = None;
    for path in paths {
        let fail = |problem: String| DataError::Source {
            path: path.clone(),
            problem,
        };
        let reader = Shared::open(&path).map_err(|source| DataError::Read {
            path: path.clone(),
            source,
        })?;
        let metadata = caught(|| ParquetMetaDataReader::new().parse_and_finish(reader.as_ref()))
            .map_err(|error| {
                fail(format!(
                    "it is no whole Parquet file: {error}; fetch it again"
                ))
            })?;
        let found = find(&metadata, image, label).map_err(fail)?;
        if columns.is_some_and(|columns| columns != found) {
            return Err(fail(
                "its columns are not those of the first shard; open them apart, \
                             joined by `concat([...])`"
                    .into(),
            ));
        }
        columns = Some(found);
        for (group, of) in metadata.row_groups().iter().enumerate() {
            let count = usize::try_from(of.num_rows()).unwrap_or(0);
            if let Some(column) = found.1 {
                let read = caught(|| labels(&reader, &metadata, group, column, count))
                    .map_err(|error| fail(format!("its labels cannot be read: {error}")))?;
                written.extend(read);
            }
            groups.push(Group {
                first: rows,
                file: files.len(),
                group,
            });
            rows += count;
        }
        if names.is_none()
            && let Some((_, Some(column))) = columns
        {
            names = class_names(&metadata, column);
        }
        files.push((path, metadata));
    }
    let Some((column, labels_at)) = columns else {
        return Err(DataError::Source {
            path: PathBuf::new(),
            problem: "no shard is named".into(),
        });
    };
    let path = files
        .first()
        .map(|(path, _)| path.clone())
        .unwrap_or_default();
    if rows == 0 {
        return Err(DataError::Source {
            path,
            problem: "its shards have no rows".into(),
        });
    }
    let mut labels = match labels_at {
        // Rows without a label, as -1 in a test set, are no classes.
        Some(_)
            if written
                .iter()
                .all(|label| label != "-1" && !label.is_empty()) =>
        {
            Some(Labels::read(&written).map_err(|problem| DataError::Source { path, problem })?)
        }
        _ => None,
    };
    if let (Some(labels), Some(names)) = (&mut labels, names)
        && names.len() >= labels.classes.len()
        && labels
            .classes
            .iter()
            .enumerate()
            .all(|(n, class)| *class == n.to_string())
    {
        labels.classes = names;
    }
    Ok(Set {
        store: Box::new(Shards {
            files,
            groups,
            rows,
            column,
        }),
        labels,
    })
}

/// The leaf columns of images and of labels.
fn find(
    metadata: &ParquetMetaData,
    image: Option<&str>,
    label: Option<&str>,
) -> Result<(usize, Option<usize>), String> {
    let schema = metadata.file_metadata().schema_descr();
    let path = |at: usize| schema.column(at).path().parts().to_vec();
    let known = || {
        let mut names: Vec<_> = (0..schema.num_columns())
            .filter_map(|at| path(at).first().map(|name| format!("`{name}`")))
            .collect();
        names.dedup();
        names.join(", ")
    };
    let bytes_of = |name: &str| {
        (0..schema.num_columns()).find(|at| {
            let column = schema.column(*at);
            let parts = column.path().parts();
            let fits = match parts {
                [own] => own == name,
                [own, leaf] => own == name && leaf == "bytes",
                _ => false,
            };
            fits && column.physical_type() == Type::BYTE_ARRAY && column.max_rep_level() == 0
        })
    };
    let column = match image {
        Some(name) => bytes_of(name).ok_or_else(|| {
            format!(
                "it has no column `{name}` of image bytes, only {}; name another",
                known()
            )
        })?,
        None => IMAGES
            .iter()
            .find_map(|name| bytes_of(name))
            .ok_or_else(|| {
                format!(
                    "no column is called `image`; name one of {}: `image: \"...\"`",
                    known()
                )
            })?,
    };
    let plain = |name: &str| {
        (0..schema.num_columns()).find(|at| {
            let column = schema.column(*at);
            column.path().parts() == [name]
                && column.max_rep_level() == 0
                && matches!(
                    column.physical_type(),
                    Type::INT32 | Type::INT64 | Type::BYTE_ARRAY
                )
        })
    };
    let labels = match label {
        Some(name) => Some(plain(name).ok_or_else(|| {
            format!(
                "it has no column `{name}` of labels, only {}; name another",
                known()
            )
        })?),
        None => LABELS.iter().find_map(|name| plain(name)),
    };
    Ok((column, labels))
}

/// The labels of a row group as text; empty for null.
fn labels(
    reader: &Arc<Shared>,
    metadata: &ParquetMetaData,
    group: usize,
    column: usize,
    rows: usize,
) -> Result<Vec<String>, ParquetError> {
    let schema = metadata.file_metadata().schema_descr();
    match schema.column(column).physical_type() {
        Type::INT32 => {
            values::<Int32Type>(reader, metadata, group, column, rows, |v| v.to_string())
        }
        Type::INT64 => {
            values::<Int64Type>(reader, metadata, group, column, rows, |v| v.to_string())
        }
        _ => values::<ByteArrayType>(reader, metadata, group, column, rows, |v| {
            String::from_utf8_lossy(v.data()).into_owned()
        }),
    }
}

fn values<T: DataType>(
    reader: &Arc<Shared>,
    metadata: &ParquetMetaData,
    group: usize,
    column: usize,
    rows: usize,
    show: impl Fn(&T::T) -> String,
) -> Result<Vec<String>, ParquetError> {
    let (mut reader, most) = column_reader::<T>(reader, metadata, group, column)?;
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    while levels.len().max(values.len()) < rows {
        let before = levels.len().max(values.len());
        let wanted = (rows - before).min(1 << 16);
        let levels = (most > 0).then_some(&mut levels);
        let (read, ..) = reader.read_records(wanted, levels, None, &mut values)?;
        if read == 0 {
            break;
        }
    }
    if most == 0 {
        return Ok(values.iter().map(show).collect());
    }
    let mut values = values.iter();
    let text = |level: &i16| match *level == most {
        true => values.next().map_or_else(String::new, &show),
        false => String::new(),
    };
    Ok(levels.iter().map(text).collect())
}

fn column_reader<T: DataType>(
    reader: &Arc<Shared>,
    metadata: &ParquetMetaData,
    group: usize,
    column: usize,
) -> Result<(ColumnReaderImpl<T>, i16), ParquetError> {
    let group = metadata.row_group(group);
    let rows = usize::try_from(group.num_rows()).unwrap_or(0);
    let pages: Box<dyn PageReader> = Box::new(SerializedPageReader::new(
        reader.clone(),
        group.column(column),
        rows,
        None,
    )?);
    let descriptor = metadata.file_metadata().schema_descr().column(column);
    let most = descriptor.max_def_level();
    Ok((ColumnReaderImpl::new(descriptor, pages), most))
}

/// The class names that `datasets` writes into a shard.
fn class_names(metadata: &ParquetMetaData, column: usize) -> Option<Vec<String>> {
    let file = metadata.file_metadata();
    let name = file
        .schema_descr()
        .column(column)
        .path()
        .parts()
        .first()?
        .clone();
    let entry = file
        .key_value_metadata()?
        .iter()
        .find(|entry| entry.key == "huggingface")?;
    let info: serde_json::Value = serde_json::from_str(entry.value.as_deref()?).ok()?;
    let names = info
        .get("info")?
        .get("features")?
        .get(name)?
        .get("names")?
        .as_array()?;
    names
        .iter()
        .map(|name| name.as_str().map(str::to_owned))
        .collect()
}

impl Store for Shards {
    fn len(&self) -> usize {
        self.rows
    }

    fn name(&self, index: usize) -> String {
        match self.place(index) {
            Some((path, _, group, row)) => {
                format!("{}: row {row} of group {}", path.display(), group.group)
            }
            None => format!("image {index}"),
        }
    }

    fn fetch(&self, index: usize, bytes: &mut Vec<u8>) -> Result<Fetched<'_>, Unreadable> {
        let (path, metadata, group, row) = self.place(index).ok_or(Unreadable::Empty)?;
        let reader = Shared::open(path)?;
        let damaged =
            |error: ParquetError| Unreadable::Container(format!("damaged Parquet: {error}"));
        let value = caught(|| {
            let (mut reader, most) =
                column_reader::<ByteArrayType>(&reader, metadata, group.group, self.column)?;
            reader.skip_records(row)?;
            let (mut values, mut levels) = (Vec::new(), Vec::new());
            let levels = (most > 0).then_some(&mut levels);
            reader.read_records(1, levels, None, &mut values)?;
            Ok(values.pop())
        })
        .map_err(damaged)?;
        let value = value.ok_or_else(|| {
            Unreadable::Container("the row holds no image bytes, maybe only a path".into())
        })?;
        if value.len() as u64 > MAX_FILE_BYTES {
            return Err(Unreadable::TooManyBytes(value.len() as u64));
        }
        bytes.clear();
        bytes.extend_from_slice(value.data());
        Ok(Fetched::Encoded)
    }
}

impl Shards {
    fn place(&self, index: usize) -> Option<(&Path, &ParquetMetaData, &Group, usize)> {
        let at = self
            .groups
            .partition_point(|group| group.first <= index)
            .checked_sub(1)?;
        let group = self.groups.get(at)?;
        let (path, metadata) = self.files.get(group.file)?;
        Some((path, metadata, group, index - group.first))
    }
}

/// A panic of the library, on a file that lies about itself, is an error.
fn caught<T>(call: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        Err(ParquetError::General(
            "its content contradicts itself".into(),
        ))
    })
}

/// A file that many threads read at their own places.
struct Shared {
    file: File,
    length: u64,
}

impl Shared {
    fn open(path: &Path) -> io::Result<Arc<Self>> {
        let file = files::open(path)?;
        let length = file.metadata()?.len();
        Ok(Arc::new(Shared { file, length }))
    }
}

impl Length for Shared {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Shared {
    type T = Cursor;

    fn get_read(&self, start: u64) -> Result<Cursor, ParquetError> {
        Ok(Cursor {
            file: self.file.try_clone()?,
            at: start,
            buffer: Vec::new(),
            used: 0,
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        if start.saturating_add(length as u64) > self.length {
            return Err(ParquetError::EOF("it has been cut off".into()));
        }
        let mut bytes = vec![0; length];
        read_at(&self.file, &mut bytes, start)?;
        watch::on();
        Ok(bytes.into())
    }
}

/// Reads on from a place; small reads, as page headers are made of, come from
/// one larger one.
struct Cursor {
    file: File,
    at: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Read for Cursor {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.used == self.buffer.len() {
            self.buffer.resize(512, 0);
            self.used = 0;
            #[cfg(unix)]
            let read = std::os::unix::fs::FileExt::read_at(&self.file, &mut self.buffer, self.at)?;
            #[cfg(windows)]
            let read =
                std::os::windows::fs::FileExt::seek_read(&self.file, &mut self.buffer, self.at)?;
            watch::on();
            self.buffer.truncate(read);
            self.at += read as u64;
        }
        let left = self.buffer.get(self.used..).unwrap_or_default();
        let count = left.len().min(target.len());
        target[..count].copy_from_slice(&left[..count]);
        self.used += count;
        Ok(count)
    }
}
