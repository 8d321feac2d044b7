//! One buffer of a batch that many threads fill, each its own part.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};

/// A float buffer cut into equal parts, each of which is handed out once.
pub(crate) struct Slab {
    start: *mut f32,
    length: usize,
    capacity: usize,
    part: usize,
    taken: Box<[AtomicBool]>,
}

// SAFETY: the buffer is owned by the slab, and parts are disjoint and each
// handed out at most once.
unsafe impl Send for Slab {}
// SAFETY: as above.
unsafe impl Sync for Slab {}

impl Slab {
    /// A slab of `parts` times `part` values, in a buffer that is used again.
    pub(crate) fn new(mut buffer: Vec<f32>, parts: usize, part: usize) -> Self {
        let length = parts * part;
        if buffer.capacity() < length {
            // Zeroed by the operating system, page by page as it is used.
            buffer = vec![0.0; length];
        }
        buffer.resize(length, 0.0);
        let mut buffer = ManuallyDrop::new(buffer);
        Slab {
            start: buffer.as_mut_ptr(),
            length: buffer.len(),
            capacity: buffer.capacity(),
            part,
            taken: (0..parts).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// The part of a position, once; `None` where it is taken or beyond.
    #[allow(clippy::mut_from_ref)]
    pub(crate) fn take(&self, position: usize) -> Option<&mut [f32]> {
        if self.taken.get(position)?.swap(true, Ordering::Relaxed) {
            return None;
        }
        // SAFETY: the part lies inside the buffer, which lives as long as
        // `self`; the flag, set for good, makes this its only reference.
        // Threads that read it later synchronise on the batch's own lock.
        Some(unsafe {
            std::slice::from_raw_parts_mut(self.start.add(position * self.part), self.part)
        })
    }

    /// The whole buffer.
    pub(crate) fn into_vec(self) -> Vec<f32> {
        let slab = ManuallyDrop::new(self);
        // SAFETY: `self` is gone, so no part is borrowed any more.
        unsafe {
            std::ptr::drop_in_place((&raw const slab.taken).cast_mut());
            Vec::from_raw_parts(slab.start, slab.length, slab.capacity)
        }
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        // SAFETY: the parts come from a `Vec` of this very shape.
        drop(unsafe { Vec::from_raw_parts(self.start, self.length, self.capacity) });
    }
}
