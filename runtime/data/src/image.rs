//! Pixels between decoding and the batch.

use std::convert::Infallible;

/// A rectangle of an image in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

/// What is to be decoded of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The part that is read, in pixels of the image.
    pub(crate) region: Region,
    /// Pixels that suffice for eight of the image: 8, or 1, 2 or 4 where the
    /// views are to be made fast.
    pub(crate) eighths: usize,
}

impl Wanted {
    /// A part, pixel by pixel.
    pub(crate) fn exact(region: Region) -> Self {
        Wanted { region, eighths: 8 }
    }

    /// What serves both.
    pub(crate) fn and(self, other: Wanted) -> Wanted {
        Wanted {
            region: self.region.union(other.region),
            eighths: self.eighths.max(other.eighths),
        }
    }
}

/// Where decoded pixels lie in the image that they are a part of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    /// First row and column, in pixels of the image. Whole numbers, but of a
    /// shrunk image that was turned.
    pub(crate) origin: [f64; 2],
    /// Decoded pixels for eight of the image.
    pub(crate) eighths: usize,
}

impl Place {
    /// The whole of an image as it is.
    pub(crate) const WHOLE: Place = Place::exact([0, 0]);

    /// A part of an image as it is.
    pub(crate) const fn exact([top, left]: [usize; 2]) -> Self {
        Place {
            origin: [top as f64, left as f64],
            eighths: 8,
        }
    }

    /// First and last edge of a region's rows, then of its columns, in decoded
    /// pixels.
    pub(crate) fn edges(self, region: Region) -> [[f64; 2]; 2] {
        let scale = self.eighths as f64 / 8.0;
        let axis = |first: usize, length: usize, origin: f64| {
            let first = first as f64 - origin;
            [first * scale, (first + length as f64) * scale]
        };
        [
            axis(region.top, region.height, self.origin[0]),
            axis(region.left, region.width, self.origin[1]),
        ]
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

    /// Take rows of pixels from one on.
    pub(crate) fn copy<'a>(&mut self, top: usize, rows: impl Iterator<Item = &'a [u8]>) {
        let start = top * self.width;
        let [red, green, blue] = self.channels_mut().map(|channel| &mut channel[start..]);
        let pixels = rows.flat_map(|row| row.as_chunks::<3>().0);
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

    /// What writes its rows one after the other.
    pub(crate) fn reader(self) -> impl FnMut(&mut [u8]) -> Result<(), Infallible> {
        let mut y = 0;
        move |row| {
            row.copy_from_slice(self.row(y));
            y += 1;
            Ok(())
        }
    }
}
