//! From the bytes of a file to 8-bit RGB, as Pillow's `convert("RGB")` gives
//! it. The content decides on the format, not the name.

mod jpeg;
mod png;

use crate::image::{Region, Rgb};

/// Most pixels of an image that is decoded. Pillow warns of a decompression
/// bomb above this.
pub(crate) const MAX_PIXELS: u64 = 89_478_485;
/// Most bytes of a file that is read.
pub(crate) const MAX_FILE_BYTES: u64 = 256 << 20;

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("{0}")]
    File(#[from] std::io::Error),
    #[error("the file is empty")]
    Empty,
    #[error("the file has {0} bytes, more than the limit of {limit}", limit = MAX_FILE_BYTES)]
    TooManyBytes(u64),
    #[error("the file is neither a JPEG nor a PNG image")]
    UnknownFormat,
    #[error("it claims {width}x{height} pixels, more than the limit of {limit}", limit = MAX_PIXELS)]
    TooManyPixels { width: u64, height: u64 },
    #[error("damaged JPEG: {0}")]
    Jpeg(String),
    #[error("damaged PNG: {0}")]
    Png(String),
}

/// A file whose header has been read and found sane.
pub(crate) enum Opened<'a> {
    Jpeg(jpeg::Jpeg<'a>),
    Png(png::Png<'a>),
}

impl<'a> Opened<'a> {
    /// Read the header.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        if bytes.is_empty() {
            Err(Unreadable::Empty)
        } else if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
            Ok(Opened::Jpeg(jpeg::Jpeg::open(bytes)?))
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Ok(Opened::Png(png::Png::open(bytes)?))
        } else {
            Err(Unreadable::UnknownFormat)
        }
    }

    /// Height and width in pixels.
    pub(crate) fn size(&self) -> [usize; 2] {
        match self {
            Opened::Jpeg(image) => image.size(),
            Opened::Png(image) => image.size(),
        }
    }

    /// Decode at least a region, which lies inside. The second value is where
    /// the top left of the result lies in the image.
    pub(crate) fn decode(self, region: Region) -> Result<(Rgb, [usize; 2]), Unreadable> {
        match self {
            Opened::Jpeg(image) => image.decode(region),
            Opened::Png(image) => Ok((image.decode()?, [0, 0])),
        }
    }
}

/// Refuse sizes of zero and decompression bombs before anything is allocated.
fn check_pixels(width: u64, height: u64) -> Result<[usize; 2], Unreadable> {
    let pixels = width.saturating_mul(height);
    if pixels == 0 || pixels > MAX_PIXELS {
        return Err(Unreadable::TooManyPixels { width, height });
    }
    Ok([height as usize, width as usize])
}
