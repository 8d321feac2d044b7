//! Reading, without executing anything.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use burn::tensor::{bf16, f16};
use pytorch_reader::{DType, PytorchReader, Tensor};
use zip::{CompressionMethod, ZipArchive};

use crate::weights::{FileError, KEY_LIMIT, NamedTensor, convert, is_counter};

/// Reads every tensor of a file, sorted by its path through the file's
/// dictionaries (`state_dict.module.conv1.weight`). F16, BF16 and F64 become
/// float32. Integers, which are no weights, are left out.
///
/// # Errors
///
/// Whatever is wrong with the file; a pickle that asks for anything else than
/// tensors is either read past or refused, never executed. No tensor is read
/// that is larger than the file, nor so many that they are twice as large.
pub fn read(path: &Path) -> Result<Vec<NamedTensor>, FileError> {
    let refused = |reason: String| FileError::Pytorch(reason);
    let bytes = File::open(path)?.metadata()?.len();
    refuse_compression(path, bytes)?;
    let reader = PytorchReader::new(path).map_err(|error| refused(error.to_string()))?;
    let mut tensors: Vec<Tensor> = reader.into_tensors().into_values().collect();
    if tensors.len() > KEY_LIMIT {
        let keys = tensors.len();
        return Err(FileError::TooManyKeys { keys });
    }
    tensors.retain(|tensor| is_float(tensor.dtype()) && !is_counter(&tensor.name));
    if tensors.is_empty() {
        return Err(refused(
            "it holds no tensors of floating-point numbers".to_owned(),
        ));
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut left = 2 * bytes;
    for tensor in &tensors {
        let size = tensor.byte_len() as u64;
        if size > bytes {
            return Err(refused(format!(
                "`{}` would be {size} bytes, and the file has {bytes}",
                tensor.name
            )));
        }
        left = left.checked_sub(size).ok_or_else(|| {
            refused(format!(
                "its tensors share their values, and would be more than twice the file's {bytes} \
                 bytes"
            ))
        })?;
    }
    let read = |tensor: Tensor| {
        let raw = tensor.read().map_err(|error| refused(error.to_string()))?;
        let data = floats(tensor.dtype(), &raw);
        Ok(NamedTensor {
            shape: tensor.shape().to_vec(),
            key: tensor.name,
            data,
        })
    };
    tensors.into_iter().map(read).collect()
}

/// Whether a file is no safetensors file, which begins with the length of its
/// header and a brace; PyTorch's begin with that of an archive or a pickle.
///
/// # Errors
///
/// The file system's.
pub fn is_one(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut start)?;
    let named = path.extension().is_some_and(|e| e != "safetensors");
    let archive = start.starts_with(b"PK") || start.get(257..262) == Some(b"ustar");
    let pickle = start.first() == Some(&0x80) && start.get(8) != Some(&b'{');
    Ok(archive || pickle || named && start.get(8) != Some(&b'{'))
}

/// Refuses an archive that would become larger than its file: `torch.save`
/// stores, and an entry has its bytes for itself.
fn refuse_compression(path: &Path, bytes: u64) -> Result<(), FileError> {
    let mut file = BufReader::new(File::open(path)?);
    let mut start = [0; 4];
    if file.read(&mut start)? < 4 || start != *b"PK\x03\x04" {
        return Ok(());
    }
    let refused = |reason: String| FileError::Pytorch(reason);
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))
        .map_err(|error| refused(format!("its archive is cut or damaged ({error})")))?;
    let mut total = 0_u64;
    for index in 0..archive.len() {
        let entry = archive
            .by_index_raw(index)
            .map_err(|error| refused(format!("its archive is damaged ({error})")))?;
        if entry.compression() != CompressionMethod::Stored {
            return Err(refused(format!(
                "its entry `{}` is compressed, which `torch.save` never does; load and save it \
                 with PyTorch",
                entry.name().unwrap_or_default()
            )));
        }
        total = total.saturating_add(entry.size());
        if total > bytes {
            return Err(refused(format!(
                "its archive says that it holds {total} bytes or more, and the file has {bytes}"
            )));
        }
    }
    Ok(())
}

fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16)
}

fn floats(dtype: DType, raw: &[u8]) -> Vec<f32> {
    match dtype {
        DType::F64 => convert(raw, |bytes| f64::from_ne_bytes(bytes) as f32),
        DType::F16 => convert(raw, |bytes| f16::from_ne_bytes(bytes).to_f32()),
        DType::BF16 => convert(raw, |bytes| bf16::from_ne_bytes(bytes).to_f32()),
        _ => convert(raw, f32::from_ne_bytes),
    }
}
