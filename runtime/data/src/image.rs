//! Pixels between decoding and the batch.

/// A rectangle of an image in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Region {
    /// All of an image.
    pub fn whole(width: usize, height: usize) -> Self {
        Region {
            top: 0,
            left: 0,
            height,
            width,
        }
    }

    /// The smallest rectangle that holds both.
    pub fn union(self, other: Region) -> Region {
        let top = self.top.min(other.top);
        let left = self.left.min(other.left);
        let bottom = (self.top + self.height).max(other.top + other.height);
        let right = (self.left + self.width).max(other.left + other.width);
        Region {
            top,
            left,
            height: bottom - top,
            width: right - left,
        }
    }
}

/// An 8-bit RGB image, rows from the top, three bytes a pixel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rgb {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width * 3` bytes.
    pub data: Vec<u8>,
}

impl Rgb {
    /// A black image.
    pub fn black(width: usize, height: usize) -> Self {
        Rgb {
            width,
            height,
            data: vec![0; width * height * 3],
        }
    }

    /// The bytes of a row.
    pub(crate) fn row(&self, y: usize) -> &[u8] {
        &self.data[y * self.width * 3..(y + 1) * self.width * 3]
    }

    /// The pixels of a rectangle, which lies inside.
    pub(crate) fn part(&self, region: Region) -> Part<'_> {
        let start = (region.top * self.width + region.left) * 3;
        Part {
            width: region.width,
            height: region.height,
            stride: self.width * 3,
            data: &self.data[start.min(self.data.len())..],
        }
    }
}

/// A rectangle of an image, in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    stride: usize,
    data: &'a [u8],
}

impl<'a> Part<'a> {
    /// The bytes of a row.
    pub(crate) fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..y * self.stride + self.width * 3]
    }
}
