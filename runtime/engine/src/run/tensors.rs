//! Tensor files in the safetensors format, written as a stream: one tensor at
//! a time leaves the device.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};

use crate::nets::{Kind, Visit};

/// A tensor that is to be written.
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values.
    pub payload: Payload,
}

/// Where values lie until they are written.
pub enum Payload {
    /// On a device, float32.
    Device(Tensor<1>),
    /// Float32 on the host.
    Floats(Vec<f32>),
    /// Unsigned integers on the host.
    Integers(Vec<u32>),
}

impl Entry {
    /// A tensor of any rank on a device; nothing is copied.
    pub fn tensor<const D: usize>(key: impl Into<String>, tensor: &Tensor<D>) -> Self {
        Entry {
            key: key.into(),
            shape: tensor.dims().to_vec(),
            payload: Payload::Device(tensor.clone().inner().flatten(0, D - 1)),
        }
    }

    fn dtype(&self) -> &'static str {
        match self.payload {
            Payload::Device(_) | Payload::Floats(_) => "F32",
            Payload::Integers(_) => "U32",
        }
    }

    fn bytes(&self) -> usize {
        4 * self.shape.iter().product::<usize>()
    }
}

/// Collects every tensor of a walk.
#[derive(Default)]
pub struct Collect(pub Vec<Entry>);

impl Visit for Collect {
    fn tensor<const D: usize>(&mut self, key: &str, _: Kind, tensor: &mut Tensor<D>) {
        self.0.push(Entry::tensor(key, tensor));
    }
}

/// Writes tensors in the order given. All values take four bytes, so the
/// format's alignment holds by itself.
///
/// # Errors
///
/// The writer's, or the device's where it cannot hand a tensor out.
pub fn write(out: &mut dyn Write, entries: &[Entry]) -> io::Result<()> {
    let mut header = serde_json::Map::new();
    let mut offset = 0;
    for entry in entries {
        let end = offset + entry.bytes();
        let info = serde_json::json!({
            "dtype": entry.dtype(),
            "shape": entry.shape,
            "data_offsets": [offset, end],
        });
        header.insert(entry.key.clone(), info);
        offset = end;
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    for entry in entries {
        match &entry.payload {
            Payload::Device(tensor) => {
                let data = tensor.try_to_data().map_err(io::Error::other)?;
                let values = data.as_slice::<f32>().map_err(io::Error::other)?;
                out.write_all(&little_endian(values))?;
            }
            Payload::Floats(values) => out.write_all(&little_endian(values))?,
            Payload::Integers(values) => out.write_all(&little_endian(values))?,
        }
    }
    Ok(())
}

fn little_endian<T: bytemuck::NoUninit>(values: &[T]) -> Cow<'_, [u8]> {
    let bytes = bytemuck::cast_slice(values);
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytes)
    } else {
        Cow::Owned(
            bytes
                .chunks_exact(4)
                .flat_map(|word| word.iter().rev().copied())
                .collect(),
        )
    }
}

/// A tensor that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: Values,
}

/// Values on the host.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Float32.
    Floats(Vec<f32>),
    /// Unsigned integers.
    Integers(Vec<u32>),
}

impl Stored {
    /// The values as a tensor of rank `D` on a device.
    pub fn to_tensor<const D: usize>(&self, device: &Device) -> Option<Tensor<D>> {
        match &self.values {
            Values::Floats(values) if self.shape.len() == D => Some(Tensor::from_data(
                TensorData::new(values.clone(), self.shape.clone()),
                device,
            )),
            _ => None,
        }
    }
}

/// Reads a file as written by [`write`].
///
/// # Errors
///
/// A sentence that says what is wrong with it.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Stored>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    file.iter()
        .map(|(key, view)| {
            let words = view.data().chunks_exact(4);
            let words = words.map(|w| [w[0], w[1], w[2], w[3]]);
            let values = match view.dtype() {
                Dtype::F32 => Values::Floats(words.map(f32::from_le_bytes).collect()),
                Dtype::U32 => Values::Integers(words.map(u32::from_le_bytes).collect()),
                other => return Err(format!("`{key}` is {other:?}, not F32 or U32")),
            };
            let shape = view.shape().to_vec();
            Ok((key.to_string(), Stored { shape, values }))
        })
        .collect()
}

/// Puts stored tensors into a walk's tensors; every tensor must be there in
/// its shape. What was not taken is left in `stored`.
pub struct Restore {
    /// What is to be put.
    pub stored: BTreeMap<String, Stored>,
    /// What does not fit, the first.
    pub failure: Option<String>,
}

impl Visit for Restore {
    fn tensor<const D: usize>(&mut self, key: &str, _: Kind, tensor: &mut Tensor<D>) {
        let dims = tensor.dims();
        let found = self.stored.remove(key);
        let fitting = found.filter(|stored| stored.shape == dims);
        match fitting.and_then(|stored| stored.to_tensor(&tensor.device())) {
            Some(new) => *tensor = new,
            None => {
                let failure = format!("`{key}` of shape {dims:?} is missing");
                self.failure.get_or_insert(failure);
            }
        }
    }
}
