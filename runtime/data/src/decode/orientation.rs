//! The EXIF orientation of a photograph, undone as Pillow's
//! `ImageOps.exif_transpose` does.

use std::io::Cursor;

use exif::{In, Reader, Tag};

use crate::image::{Region, Rgb};

/// How stored pixels lie: mirrored left to right, then turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Orientation {
    /// Rows and columns change places.
    transpose: bool,
    /// The upright image's columns run backwards in storage.
    flip_x: bool,
    /// The upright image's rows run backwards in storage.
    flip_y: bool,
}

impl Orientation {
    /// What a file says; as it lies where it says nothing.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let found = Reader::new()
            .continue_on_error(true)
            .read_from_container(&mut Cursor::new(bytes))
            .or_else(|error| error.distill_partial_result(|_| {}));
        let value = found.ok().and_then(|exif| {
            exif.get_field(Tag::Orientation, In::PRIMARY)?
                .value
                .get_uint(0)
        });
        // Whether to transpose, and which way the upright image reads storage.
        let [transpose, flip_x, flip_y] = match value {
            Some(2) => [false, true, false],
            Some(3) => [false, true, true],
            Some(4) => [false, false, true],
            Some(5) => [true, false, false],
            Some(6) => [true, true, false],
            Some(7) => [true, true, true],
            Some(8) => [true, false, true],
            _ => [false; 3],
        };
        Orientation {
            transpose,
            flip_x,
            flip_y,
        }
    }

    /// Whether there is nothing to undo.
    pub(crate) fn is_upright(self) -> bool {
        self == Orientation::default()
    }

    /// Height and width, from stored to upright or back.
    pub(crate) fn size(self, [height, width]: [usize; 2]) -> [usize; 2] {
        if self.transpose {
            [width, height]
        } else {
            [height, width]
        }
    }

    /// Where a region of the upright image, of the size given, is stored.
    pub(crate) fn stored(self, region: Region, [height, width]: [usize; 2]) -> Region {
        let mut region = region;
        if self.flip_x {
            region.left = width - region.left - region.width;
        }
        if self.flip_y {
            region.top = height - region.top - region.height;
        }
        if self.transpose {
            region = Region {
                top: region.left,
                left: region.top,
                height: region.width,
                width: region.height,
            };
        }
        region
    }

    /// First upright row and column of a stored rectangle, given by its first
    /// row and column and its rows and columns; `height` and `width` are the
    /// upright image's.
    pub(crate) fn corner(
        self,
        [top, left]: [f64; 2],
        [rows, columns]: [f64; 2],
        [height, width]: [usize; 2],
    ) -> [f64; 2] {
        let (mut corner, size) = if self.transpose {
            ([left, top], [columns, rows])
        } else {
            ([top, left], [rows, columns])
        };
        if self.flip_y {
            corner[0] = height as f64 - corner[0] - size[0];
        }
        if self.flip_x {
            corner[1] = width as f64 - corner[1] - size[1];
        }
        corner
    }

    /// The upright image of a stored part.
    pub(crate) fn upright(self, image: &Rgb, part: Region) -> Rgb {
        let source = image.part(part);
        let [height, width] = self.size([part.height, part.width]);
        let mut data = Vec::with_capacity(height * width * 3);
        for y in 0..height {
            let y = if self.flip_y { height - 1 - y } else { y };
            for x in 0..width {
                let x = if self.flip_x { width - 1 - x } else { x };
                let (row, column) = if self.transpose { (x, y) } else { (y, x) };
                data.extend_from_slice(&source.row(row)[column * 3..column * 3 + 3]);
            }
        }
        Rgb {
            width,
            height,
            data,
        }
    }
}
