//! Safetensors files: a length, a JSON header, raw little-endian values.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use burn::tensor::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::{NamedTensor, is_counter};

/// Largest header that is read, in bytes. A network of a thousand tensors has
/// one of about 100 kB.
const HEADER_LIMIT: u64 = 8 << 20;

/// Most tensors that are read.
pub(super) const KEY_LIMIT: usize = 100_000;

/// Why a weights file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The header's length is a lie or over the limit.
    #[error(
        "the header would be {bytes} bytes long; at most {HEADER_LIMIT} are read: not a safetensors file of weights"
    )]
    HeaderSize {
        /// The length that the file states.
        bytes: u64,
    },
    /// More tensors than any network has.
    #[error("{keys} tensors; at most {KEY_LIMIT} are read")]
    TooManyKeys {
        /// The number of tensors.
        keys: usize,
    },
    /// The header is not what the format asks for.
    #[error("not a safetensors file: {0}")]
    Header(String),
    /// The values are fewer or more than the header says.
    #[error(
        "{found} bytes of values where the header says {expected}; the file was cut or damaged"
    )]
    Length {
        /// Bytes after the header.
        found: u64,
        /// Bytes that the header asks for.
        expected: u64,
    },
    /// A file of PyTorch that cannot be read.
    #[error("not a file of weights that PyTorch saved: {0}")]
    Pytorch(String),
    /// Values that are no floating-point numbers.
    #[error("`{key}` holds {dtype:?}; weights are F32, F16, BF16 or F64")]
    Dtype {
        /// The tensor.
        key: String,
        /// Its format.
        dtype: String,
    },
}

/// Reads a safetensors file, tensors in the order of their values. F16, BF16
/// and F64 become float32; the integer counters that BatchNorm keeps beside
/// its statistics (`num_batches_tracked`) are left out.
///
/// # Errors
///
/// Whatever is wrong with the file. Nothing is allocated for a header of over
/// 8 MiB or 100,000 tensors, nor for values that the file does not have.
pub fn read(path: &Path) -> Result<Vec<NamedTensor>, FileError> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    decode(&mut BufReader::with_capacity(1 << 20, file), bytes)
}

/// As [`read`], from any reader of `bytes` bytes.
///
/// # Errors
///
/// As [`read`].
pub fn decode(reader: &mut impl Read, bytes: u64) -> Result<Vec<NamedTensor>, FileError> {
    if bytes < 8 {
        return Err(FileError::Header(format!("it has {bytes} bytes")));
    }
    let mut length = [0; 8];
    reader.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let rest = bytes - 8;
    if length > HEADER_LIMIT || length > rest {
        return Err(FileError::HeaderSize { bytes: length });
    }
    let mut header = Vec::new();
    reader.take(length).read_to_end(&mut header)?;
    let keys = header
        .windows(b"\"data_offsets\"".len())
        .filter(|window| window == b"\"data_offsets\"")
        .count();
    if keys > KEY_LIMIT {
        return Err(FileError::TooManyKeys { keys });
    }
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| FileError::Header(format!("its header: {error}")))?;
    let expected = metadata.data_len() as u64;
    let found = rest - length;
    if expected != found {
        return Err(FileError::Length { found, expected });
    }
    let mut tensors = Vec::new();
    for key in metadata.offset_keys() {
        let Some(info) = metadata.info(&key) else {
            continue;
        };
        let (start, end) = info.data_offsets;
        let mut raw = Vec::with_capacity(end - start);
        reader.take((end - start) as u64).read_to_end(&mut raw)?;
        if raw.len() != end - start {
            let found = (start + raw.len()) as u64;
            return Err(FileError::Length { found, expected });
        }
        if is_counter(&key) {
            continue;
        }
        let Some(data) = floats(info.dtype, &raw) else {
            let dtype = format!("{:?}", info.dtype);
            return Err(FileError::Dtype { key, dtype });
        };
        let shape = info.shape.clone();
        tensors.push(NamedTensor { key, shape, data });
    }
    Ok(tensors)
}

fn floats(dtype: Dtype, raw: &[u8]) -> Option<Vec<f32>> {
    match dtype {
        Dtype::F32 => Some(convert(raw, f32::from_le_bytes)),
        Dtype::F64 => Some(convert(raw, |bytes| f64::from_le_bytes(bytes) as f32)),
        Dtype::F16 => Some(convert(raw, |bytes| f16::from_le_bytes(bytes).to_f32())),
        Dtype::BF16 => Some(convert(raw, |bytes| bf16::from_le_bytes(bytes).to_f32())),
        _ => None,
    }
}

/// Values of `N` bytes each.
pub(super) fn convert<const N: usize>(raw: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let values = raw.as_chunks::<N>().0.iter();
    values.map(|bytes| value(*bytes)).collect()
}

/// Writes a safetensors file of float32, whole or not at all: to a temporary
/// file beside it, synced, renamed, and the folder synced.
///
/// # Errors
///
/// The file system's. An older file of the name is then still there.
pub fn write(path: &Path, tensors: &[NamedTensor]) -> Result<(), FileError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new()
        .prefix(".weights-")
        .suffix(".tmp")
        .tempfile_in(folder)?;
    let mut writer = BufWriter::with_capacity(1 << 20, temporary.as_file_mut());
    encode(&mut writer, tensors)?;
    writer.flush()?;
    drop(writer);
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    // A folder cannot be opened for syncing on every system.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// The bytes of a safetensors file: float32, and BatchNorm's counters, where
/// there are any, 64-bit integers as PyTorch has them. Equal tensors in equal order
/// give equal bytes.
///
/// # Errors
///
/// The writer's, and a shape that its values do not fill.
pub fn encode(writer: &mut impl Write, tensors: &[NamedTensor]) -> Result<(), FileError> {
    let mut end = 0;
    let mut infos = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let start = end;
        let (dtype, width) = match tensor.is_counter() {
            true => (Dtype::I64, 8),
            false => (Dtype::F32, 4),
        };
        end += width * tensor.data.len();
        let info = TensorInfo {
            dtype,
            shape: tensor.shape.clone(),
            data_offsets: (start, end),
        };
        infos.push((tensor.key.clone(), info));
    }
    // Readers of PyTorch's world ask for this entry.
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let header = Metadata::new(Some(format), infos)
        .map_err(|error| error.to_string())
        .and_then(|metadata| serde_json::to_vec(&metadata).map_err(|error| error.to_string()))
        .map_err(FileError::Header)?;
    // Values start at a multiple of 8 bytes.
    let padded = header.len().next_multiple_of(8);
    writer.write_all(&(padded as u64).to_le_bytes())?;
    writer.write_all(&header)?;
    writer.write_all(&b"        "[..padded - header.len()])?;
    let mut raw = Vec::new();
    for tensor in tensors {
        raw.clear();
        tensor.append_to(&mut raw);
        writer.write_all(&raw)?;
    }
    Ok(())
}
