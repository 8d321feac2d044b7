//! From the bytes of a file to 8-bit RGB, as Pillow's `convert("RGB")` gives
//! it. The content decides on the format, not the name.

mod bmp;
mod gif;
mod jpeg;
mod orientation;
mod png;
mod tiff;
mod webp;

pub(crate) use jpeg::Rows;
pub use jpeg::jpeg_simd;
use orientation::Orientation;

use crate::image::{Place, Region, Rgb, Wanted};

/// Most pixels of an image that is decoded. Pillow warns of a decompression
/// bomb above this.
pub(crate) const MAX_PIXELS: u64 = 89_478_485;
/// Most bytes of a file that is read.
pub(crate) const MAX_FILE_BYTES: u64 = 256 << 20;

/// Decode a JPEG, PNG, WebP, BMP, TIFF or GIF file (its first frame).
///
/// # Errors
/// The bytes are no such image, are damaged or cut off, or ask for more than
/// 89,478,485 pixels.
pub fn decode(bytes: &[u8]) -> Result<Rgb, Unreadable> {
    decode_upright(bytes, false)
}

/// Decode a file, and with `exif` turn it as its EXIF orientation asks.
///
/// # Errors
/// As [`decode`].
pub fn decode_upright(bytes: &[u8], exif: bool) -> Result<Rgb, Unreadable> {
    let opened = Opened::new(bytes, exif)?;
    let [height, width] = opened.size();
    let (image, _) = opened.decode(Wanted::exact(Region::whole(width, height)))?;
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
    #[error("the file is no image of a known format (JPEG, PNG, WebP, BMP, TIFF, GIF)")]
    UnknownFormat,
    /// An image without pixels.
    #[error("it claims {width}x{height} pixels, and an image has some")]
    NoPixels {
        /// Columns claimed.
        width: u64,
        /// Rows claimed.
        height: u64,
    },
    /// A decompression bomb.
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
    /// A file of another format with lost pixels, or of a form that is not
    /// understood.
    #[error("damaged {0}: {1}")]
    Damaged(&'static str, String),
    /// What holds the image, a shard or a row, is not what it should be.
    #[error("{0}")]
    Container(String),
}

/// A file whose header has been read and found sane.
pub(crate) struct Opened<'a> {
    file: Format<'a>,
    orientation: Orientation,
}

/// An image that is being decoded.
pub(crate) enum Decoding<'a> {
    /// Its pixels and where they lie.
    Done(Rgb, Place),
    /// Its rows, one by one.
    Rows(Rows<'a>),
}

enum Format<'a> {
    Jpeg(jpeg::Jpeg<'a>),
    Png(Box<png::Png<'a>>),
    Webp(Box<webp::Webp<'a>>),
    Bmp(Box<bmp::Bmp<'a>>),
    Tiff(Box<tiff::Tiff<'a>>),
    Gif(Box<gif::Gif<'a>>),
}

impl<'a> Opened<'a> {
    /// Read the header, and with `exif` the orientation.
    pub(crate) fn new(bytes: &'a [u8], exif: bool) -> Result<Self, Unreadable> {
        let file = if bytes.is_empty() {
            return Err(Unreadable::Empty);
        } else if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
            Format::Jpeg(jpeg::Jpeg::open(bytes)?)
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Format::Png(Box::new(png::Png::open(bytes)?))
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Format::Webp(Box::new(webp::Webp::open(bytes)?))
        } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
            Format::Gif(Box::new(gif::Gif::open(bytes)?))
        } else if bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*") {
            Format::Tiff(Box::new(tiff::Tiff::open(bytes)?))
        } else if bytes.starts_with(b"BM") {
            Format::Bmp(Box::new(bmp::Bmp::open(bytes)?))
        } else {
            return Err(Unreadable::UnknownFormat);
        };
        let orientation = if exif {
            Orientation::of(bytes)
        } else {
            Orientation::default()
        };
        Ok(Opened { file, orientation })
    }

    /// Height and width in pixels.
    pub(crate) fn size(&self) -> [usize; 2] {
        self.orientation.size(self.file.size())
    }

    /// Whether it can be decoded at less than its size.
    pub(crate) fn shrinks(&self) -> bool {
        matches!(self.file, Format::Jpeg(_))
    }

    /// Begin to decode at least what is wanted, which lies inside, and at
    /// least as finely.
    pub(crate) fn start(self, wanted: Wanted) -> Result<Decoding<'a>, Unreadable> {
        match self.file {
            Format::Jpeg(image) if self.orientation.is_upright() => {
                Ok(Decoding::Rows(image.rows(wanted)?))
            }
            _ => {
                let (image, place) = self.decode(wanted)?;
                Ok(Decoding::Done(image, place))
            }
        }
    }

    /// Decode at least what is wanted, which lies inside, and at least as
    /// finely. The second value is where the result lies in the image.
    pub(crate) fn decode(self, wanted: Wanted) -> Result<(Rgb, Place), Unreadable> {
        if self.orientation.is_upright() {
            return self.file.decode(wanted);
        }
        let (size, turn) = (self.size(), self.orientation);
        let stored = turn.stored(wanted.region, size);
        let (image, place) = self.file.decode(Wanted {
            region: stored,
            ..wanted
        })?;
        let all = Region::whole(image.width, image.height);
        let scale = 8.0 / place.eighths as f64;
        let sides = [image.height, image.width].map(|side| side as f64 * scale);
        let origin = turn.corner(place.origin, sides, size);
        Ok((turn.upright(&image, all), Place { origin, ..place }))
    }
}

impl Format<'_> {
    fn size(&self) -> [usize; 2] {
        match self {
            Format::Jpeg(image) => image.size(),
            Format::Png(image) => image.size(),
            Format::Webp(image) => image.size(),
            Format::Bmp(image) => image.size(),
            Format::Tiff(image) => image.size(),
            Format::Gif(image) => image.size(),
        }
    }

    fn decode(self, wanted: Wanted) -> Result<(Rgb, Place), Unreadable> {
        let whole = match self {
            Format::Jpeg(image) => return image.rows(wanted)?.collect(),
            Format::Png(image) => image.decode(),
            Format::Webp(image) => image.decode(),
            Format::Bmp(image) => image.decode(),
            Format::Tiff(image) => image.decode(),
            Format::Gif(image) => image.decode(),
        };
        Ok((whole?, Place::WHOLE))
    }
}

/// Refuse sizes of zero and decompression bombs before anything is allocated.
pub(crate) fn check_pixels(width: u64, height: u64) -> Result<[usize; 2], Unreadable> {
    let pixels = width.saturating_mul(height);
    if pixels == 0 {
        return Err(Unreadable::NoPixels { width, height });
    }
    if pixels > MAX_PIXELS {
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
            let whole = decode_upright(bytes, n % 2 == 0).unwrap();
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
                let (part, place) = Opened::new(bytes, n % 2 == 0)
                    .unwrap()
                    .decode(Wanted::exact(region))
                    .unwrap();
                assert_eq!(place.eighths, 8);
                let [top, left] = place.origin.map(|at| at as usize);
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

    /// The same at a half, a quarter and an eighth of the size, upright or
    /// turned.
    #[test]
    fn a_shrunk_region_equals_that_part_of_the_shrunk_whole() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/decode");
        let files = std::fs::read_dir(folder).unwrap();
        let mut files: Vec<_> = files
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .filter(|bytes| bytes.starts_with(&[0xFF, 0xD8]))
            .collect();
        files.extend(photographs().unwrap_or_default());
        let philox = Philox::new(1);
        for (n, bytes) in (0..).zip(&files) {
            for (eighths, exif) in [(1, true), (2, true), (4, true), (4, false)] {
                let decode = |region| {
                    let wanted = Wanted { region, eighths };
                    let opened = Opened::new(bytes, exif).unwrap();
                    opened.decode(wanted).unwrap()
                };
                let [height, width] = Opened::new(bytes, exif).unwrap().size();
                let (whole, place) = decode(Region::whole(width, height));
                assert_eq!(place.eighths, eighths);
                for draw in 0..20 {
                    let words = philox.stream(0, n, eighths as u32).draw(draw);
                    let rows = 1 + below(words[0], height as u32) as usize;
                    let columns = 1 + below(words[1], width as u32) as usize;
                    let region = Region {
                        top: below(words[2], (height - rows + 1) as u32) as usize,
                        left: below(words[3], (width - columns + 1) as u32) as usize,
                        height: rows,
                        width: columns,
                    };
                    let (part, at) = decode(region);
                    let [first, last] = [0, 1].map(|axis| {
                        let offset = (at.origin[axis] - place.origin[axis]) * eighths as f64 / 8.0;
                        assert!(offset >= 0.0 && offset.fract() == 0.0, "{at:?} {place:?}");
                        offset as usize
                    });
                    // All of the region is there.
                    let edges = at.edges(region);
                    for (axis, side) in [part.height, part.width].into_iter().enumerate() {
                        assert!(edges[axis][0] >= 0.0 && edges[axis][1] <= side as f64 + 1e-9);
                    }
                    let Region { height, width, .. } = Region::whole(part.width, part.height);
                    let expected = whole.part(Region {
                        top: first,
                        left: last,
                        height,
                        width,
                    });
                    // The outermost columns lack a neighbour to smooth with.
                    let within = {
                        let from = (edges[1][0] as usize).min(width - 1);
                        let to = (edges[1][1].ceil() as usize).clamp(from + 1, width);
                        from * 3..to * 3
                    };
                    let part = part.part(Region::whole(width, height));
                    let (from, to) = (edges[0][0] as usize, edges[0][1].ceil() as usize);
                    for y in from..to.min(height) {
                        assert!(
                            part.row(y)[within.clone()] == expected.row(y)[within.clone()],
                            "file {n}, {eighths}/8, {region:?}, row {y}"
                        );
                    }
                }
            }
        }
    }

    /// A few real photographs, where the machine has them.
    fn photographs() -> Option<Vec<Vec<u8>>> {
        let root = std::env::var("SSLC_TEST_DATA").unwrap_or_default();
        let folder = std::path::Path::new(&root).join("clothes/test/hat");
        let Ok(entries) = std::fs::read_dir(&folder) else {
            eprintln!("photographs skipped: SSLC_TEST_DATA names no folder with them");
            return None;
        };
        entries
            .take(8)
            .map(|entry| std::fs::read(entry.ok()?.path()).ok())
            .collect()
    }
}
