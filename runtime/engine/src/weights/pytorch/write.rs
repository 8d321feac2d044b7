//! Writing as `torch.save` does: a zip archive of a pickle and one entry of
//! raw values for each tensor. `torch.load(..., weights_only=True)` reads it.

use std::io::{self, Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::weights::NamedTensor;

/// What may stand beside the tensors.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    /// An integer.
    Int(i64),
    /// A string.
    Text(&'a str),
}

/// The bytes of a file: a dictionary of tensors, or where there are entries
/// beside them, a dictionary of those and of the tensors under `state_dict`.
/// Equal content gives equal bytes.
///
/// # Errors
///
/// The writer's.
pub fn encode(
    writer: &mut dyn Write,
    tensors: &[NamedTensor],
    beside: &[(&str, Entry<'_>)],
) -> io::Result<()> {
    let mut pickle = Pickle(vec![0x80, 2]);
    if beside.is_empty() {
        pickle.tensors(tensors);
    } else {
        pickle.open_dictionary();
        for (name, entry) in beside {
            pickle.text(name);
            match entry {
                Entry::Int(value) => pickle.int(*value),
                Entry::Text(text) => pickle.text(text),
            }
        }
        pickle.text("state_dict");
        pickle.tensors(tensors);
        pickle.close_dictionary();
    }
    pickle.0.push(b'.');

    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut entry = |name: &str, content: &[u8]| -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .large_file(content.len() >= u32::MAX as usize);
        zip.start_file(format!("archive/{name}"), options)?;
        zip.write_all(content)
    };
    entry("data.pkl", &pickle.0)?;
    entry("byteorder", b"little")?;
    let mut raw = Vec::new();
    for (i, tensor) in tensors.iter().enumerate() {
        raw.clear();
        tensor.append_to(&mut raw);
        entry(&format!("data/{i}"), &raw)?;
    }
    entry("version", b"3\n")?;
    let bytes = zip.finish().map_err(io::Error::from)?.into_inner();
    writer.write_all(&bytes)
}

/// A pickle of protocol 2 that grows.
struct Pickle(Vec<u8>);

impl Pickle {
    fn tensors(&mut self, tensors: &[NamedTensor]) {
        self.open_dictionary();
        for (i, tensor) in tensors.iter().enumerate() {
            self.text(&tensor.key);
            self.tensor(i, tensor);
        }
        self.close_dictionary();
    }

    fn open_dictionary(&mut self) {
        self.0.extend(b"}(");
    }

    fn close_dictionary(&mut self) {
        self.0.push(b'u');
    }

    /// `torch._utils._rebuild_tensor_v2(storage, 0, shape, stride, False, {})`.
    fn tensor(&mut self, index: usize, tensor: &NamedTensor) {
        let kind = match tensor.is_counter() {
            true => "LongStorage",
            false => "FloatStorage",
        };
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.0.extend(b"((");
        self.text("storage");
        self.global("torch", kind);
        self.text(&index.to_string());
        self.text("cpu");
        self.size(tensor.data.len());
        self.0.extend(b"tQ");
        self.size(0);
        self.sizes(&tensor.shape);
        let strides: Vec<usize> = (0..tensor.shape.len())
            .map(|axis| tensor.shape.iter().skip(axis + 1).product())
            .collect();
        self.sizes(&strides);
        self.0.push(0x89);
        self.global("collections", "OrderedDict");
        self.0.extend(b")RtR");
    }

    fn sizes(&mut self, sizes: &[usize]) {
        self.0.push(b'(');
        for size in sizes {
            self.size(*size);
        }
        self.0.push(b't');
    }

    fn size(&mut self, size: usize) {
        self.int(i64::try_from(size).unwrap_or(i64::MAX));
    }

    fn int(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(value) => {
                self.0.push(b'J');
                self.0.extend(value.to_le_bytes());
            }
            Err(_) => {
                self.0.extend([0x8a, 8]);
                self.0.extend(value.to_le_bytes());
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.as_bytes());
    }

    fn global(&mut self, module: &str, name: &str) {
        self.0.extend(format!("c{module}\n{name}\n").as_bytes());
    }
}
