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

/// Decode a JPEG or PNG file.
///
/// # Errors
/// The bytes are no such image, are damaged or cut off, or ask for more than
/// 89,478,485 pixels.
pub fn decode(bytes: &[u8]) -> Result<Rgb, Unreadable> {
    let opened = Opened::new(bytes)?;
    let [height, width] = opened.size();
    let (image, _) = opened.decode(Region::whole(width, height))?;
    Ok(image)
}

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// The file cannot be read.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// No bytes.
    #[error("the file is empty")]
    Empty,
    /// A file too long to be an image.
    #[error("the file has {0} bytes, more than the limit of {limit}", limit = MAX_FILE_BYTES)]
    TooManyBytes(u64),
    /// Other content, whatever the name says.
    #[error("the file is neither a JPEG nor a PNG image")]
    UnknownFormat,
    /// A decompression bomb, or no pixels at all.
    #[error("it claims {width}x{height} pixels, more than the limit of {limit}", limit = MAX_PIXELS)]
    TooManyPixels {
        /// Columns claimed.
        width: u64,
        /// Rows claimed.
        height: u64,
    },
    /// A JPEG with lost pixels.
    #[error("damaged JPEG: {0}")]
    Jpeg(String),
    /// A PNG with lost pixels.
    #[error("damaged PNG: {0}")]
    Png(String),
}

/// A file whose header has been read and found sane.
pub(crate) enum Opened<'a> {
    Jpeg(jpeg::Jpeg<'a>),
    Png(Box<png::Png<'a>>),
}

impl<'a> Opened<'a> {
    /// Read the header.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        if bytes.is_empty() {
            Err(Unreadable::Empty)
        } else if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
            Ok(Opened::Jpeg(jpeg::Jpeg::open(bytes)?))
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Ok(Opened::Png(Box::new(png::Png::open(bytes)?)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::philox::{Philox, below};

    /// Every region of every fixture equals the same region of the whole.
    #[test]
    fn a_region_equals_that_part_of_the_whole() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/decode");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .collect();
        if let Some(photographs) = photographs() {
            files.extend(photographs);
        }
        let philox = Philox::new(0);
        for (n, bytes) in (0..).zip(&files) {
            let whole = decode(bytes).unwrap();
            for draw in 0..40 {
                let words = philox.stream(0, n, 0).draw(draw);
                let height = 1 + below(words[0], whole.height as u32) as usize;
                let width = 1 + below(words[1], whole.width as u32) as usize;
                let region = Region {
                    top: below(words[2], (whole.height - height + 1) as u32) as usize,
                    left: below(words[3], (whole.width - width + 1) as u32) as usize,
                    height,
                    width,
                };
                let (part, [top, left]) = Opened::new(bytes).unwrap().decode(region).unwrap();
                let inside = part.part(Region {
                    top: region.top - top,
                    left: region.left - left,
                    ..region
                });
                let expected = whole.part(region);
                for y in 0..height {
                    assert!(
                        inside.row(y) == expected.row(y),
                        "file {n}, {region:?}, row {y}"
                    );
                }
            }
        }
    }

    /// A few real photographs, where the machine has them.
    fn photographs() -> Option<Vec<Vec<u8>>> {
        let root = std::env::var("SSLC_TEST_DATA").unwrap_or_else(|_| {
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").into()
        });
        let folder = std::path::Path::new(&root).join("clothes/test/hat");
        let Ok(entries) = std::fs::read_dir(&folder) else {
            eprintln!("photographs skipped: no folder `{}`", folder.display());
            return None;
        };
        entries
            .take(8)
            .map(|entry| std::fs::read(entry.ok()?.path()).ok())
            .collect()
    }
}
