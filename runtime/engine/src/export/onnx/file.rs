//! The file: protobuf, weight by weight, so that memory holds them once. What
//! one message cannot hold lies in a second file beside it, as ONNX's external
//! data.

use std::io::{self, Write};

use prost::Message;

use super::proto::{EXTERNAL, GraphProto, ModelProto, StringStringEntryProto, TensorProto};

/// The most bytes that readers of protobuf take.
pub(super) const LIMIT: usize = i32::MAX as usize;
/// What an external weight's place is a multiple of, so that it can be mapped.
const ALIGNMENT: usize = 4096;
/// The field of a model's graph, and of a graph's weights.
const GRAPH: u8 = 7;
const INITIALIZER: u8 = 5;

/// A model in parts: without its graph, a graph without weights, and these.
pub(super) struct Model {
    pub(super) head: ModelProto,
    pub(super) graph: GraphProto,
    pub(super) weights: Vec<TensorProto>,
}

impl Model {
    /// Bytes of the model as one file.
    pub(super) fn size(&self) -> usize {
        let graph = self.graph_size();
        self.head.encoded_len() + field(GRAPH, graph).len() + graph
    }

    fn graph_size(&self) -> usize {
        let weights = self.weights.iter().map(|weight| {
            let length = weight.encoded_len();
            field(INITIALIZER, length).len() + length
        });
        self.graph.encoded_len() + weights.sum::<usize>()
    }

    /// Moves the values of the weights to a file of that name beside the
    /// model. What goes into it, in order: how many zeros, and then which
    /// bytes.
    pub(super) fn detach(&mut self, file: &str) -> Vec<(usize, Vec<u8>)> {
        let mut data = Vec::with_capacity(self.weights.len());
        let mut end = 0_usize;
        for weight in &mut self.weights {
            let bytes = weight.raw_data.take().unwrap_or_default();
            let start = end.next_multiple_of(ALIGNMENT);
            weight.data_location = Some(EXTERNAL);
            weight.external_data = vec![
                entry("location", file),
                entry("offset", start),
                entry("length", bytes.len()),
            ];
            let gap = start - end;
            end = start + bytes.len();
            data.push((gap, bytes));
        }
        data
    }

    /// The model as one message.
    pub(super) fn write(&self, writer: &mut dyn Write) -> io::Result<()> {
        writer.write_all(&self.head.encode_to_vec())?;
        writer.write_all(&field(GRAPH, self.graph_size()))?;
        writer.write_all(&self.graph.encode_to_vec())?;
        for weight in &self.weights {
            writer.write_all(&field(INITIALIZER, weight.encoded_len()))?;
            writer.write_all(&weight.encode_to_vec())?;
        }
        Ok(())
    }
}

/// What stands before a message of so many bytes in another one's field.
fn field(number: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    // A vector has room for every length.
    let _ = prost::encode_length_delimiter(length, &mut bytes);
    bytes
}

/// A fact under its name.
pub(super) fn entry(key: &str, value: impl std::fmt::Display) -> StringStringEntryProto {
    StringStringEntryProto {
        key: key.to_owned(),
        value: value.to_string(),
    }
}
