//! HDF5's global heap, where sequences of varying length lie: an array holds
//! for each its length, the address of a collection and a number in it ("HDF5
//! File Format Specification", III.E and VIII.A).

use std::fs::File;
use std::sync::Arc;

use super::files::read_at;
use crate::decode::Unreadable;

/// The heap of one file.
pub(crate) struct Heap {
    pub(crate) file: Arc<File>,
    /// Its bytes.
    pub(crate) length: u64,
    /// Where addresses count from.
    pub(crate) base: u64,
    /// Bytes of an address, and of a length.
    pub(crate) widths: [usize; 2],
}

impl Heap {
    /// Read the sequence of bytes that an element of an array points to, of at
    /// most so many bytes.
    pub(crate) fn read(
        &self,
        element: &[u8],
        most: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        let [address_bytes, length_bytes] = self.widths;
        let broken = || Unreadable::Container("the heap of the HDF5 file is damaged".into());
        let part = |from: usize, count| element.get(from..from + count).and_then(number);
        let length = part(0, 4).ok_or_else(broken)?;
        let address = part(4, address_bytes).ok_or_else(broken)?;
        let wanted = part(4 + address_bytes, 4).ok_or_else(broken)?;
        if length == 0 {
            return Err(Unreadable::Empty);
        }
        if length > most {
            return Err(Unreadable::TooManyBytes(length));
        }
        let start = self.base.checked_add(address).ok_or_else(broken)?;
        // `GCOL`, a version, three bytes of nothing, the collection's bytes.
        let mut head = [0; 16];
        let head = head.get_mut(..8 + length_bytes).ok_or_else(broken)?;
        read_at(&self.file, head, start)?;
        let size = head.get(8..).and_then(number).ok_or_else(broken)?;
        let end = start.checked_add(size).ok_or_else(broken)?;
        if !head.starts_with(b"GCOL") || end > self.length {
            return Err(broken());
        }
        // Objects: a number, a count of references, four bytes of nothing, the
        // object's bytes; the object itself up to a multiple of eight.
        let mut at = start + 8 + length_bytes as u64;
        for _ in 0..MOST_OBJECTS {
            let mut head = [0; 16];
            let head = head.get_mut(..8 + length_bytes).ok_or_else(broken)?;
            let data = at + head.len() as u64;
            if data > end {
                return Err(broken());
            }
            read_at(&self.file, head, at)?;
            let found = head.get(..2).and_then(number).ok_or_else(broken)?;
            let size = head.get(8..).and_then(number).ok_or_else(broken)?;
            // Number 0 is the room that is left.
            if found == 0 {
                return Err(broken());
            }
            if found == wanted {
                if length > size || data.checked_add(length).is_none_or(|last| last > end) {
                    return Err(broken());
                }
                bytes.resize(length as usize, 0);
                read_at(&self.file, bytes, data)?;
                return Ok(());
            }
            let next = size.checked_next_multiple_of(8);
            at = next
                .and_then(|size| data.checked_add(size))
                .ok_or_else(broken)?;
        }
        Err(broken())
    }
}

/// Their numbers have 16 bits.
const MOST_OBJECTS: u32 = 1 << 16;

/// A number of up to eight bytes, the lowest first.
fn number(bytes: &[u8]) -> Option<u64> {
    let mut all = [0; 8];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(u64::from_le_bytes(all))
}
