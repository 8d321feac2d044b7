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

/// An 8-bit image with its three channels apart, as the transforms work on it.
#[derive(Debug, Default)]
pub(crate) struct Planes {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Red, green, blue: `height * width` bytes each.
    pub(crate) data: Vec<u8>,
}

impl Planes {
    /// Make room for an image; what is in it is left as it comes.
    pub(crate) fn resize(&mut self, [height, width]: [usize; 2]) {
        self.width = width;
        self.height = height;
        self.data.resize(width * height * 3, 0);
    }

    /// The channels.
    pub(crate) fn channels(&self) -> [&[u8]; 3] {
        let (red, rest) = self.data.split_at(self.width * self.height);
        let (green, blue) = rest.split_at(self.width * self.height);
        [red, green, blue]
    }

    /// The channels.
    pub(crate) fn channels_mut(&mut self) -> [&mut [u8]; 3] {
        let (red, rest) = self.data.split_at_mut(self.width * self.height);
        let (green, blue) = rest.split_at_mut(self.width * self.height);
        [red, green, blue]
    }

    /// Take the pixels of an image.
    pub(crate) fn copy(&mut self, image: &Rgb) {
        self.resize([image.height, image.width]);
        let [red, green, blue] = self.channels_mut();
        let (pixels, _) = image.data.as_chunks::<3>();
        let channels = red.iter_mut().zip(green).zip(blue);
        for (((red, green), blue), pixel) in channels.zip(pixels) {
            [*red, *green, *blue] = *pixel;
        }
    }

    /// The same pixels with their channels together.
    pub(crate) fn to_rgb(&self) -> Rgb {
        let mut data = vec![0; self.data.len()];
        let [red, green, blue] = self.channels();
        let (pixels, _) = data.as_chunks_mut::<3>();
        for (((pixel, red), green), blue) in pixels.iter_mut().zip(red).zip(green).zip(blue) {
            *pixel = [*red, *green, *blue];
        }
        Rgb {
            width: self.width,
            height: self.height,
            data,
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
