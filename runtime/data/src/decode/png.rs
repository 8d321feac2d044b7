//! PNG of every colour type and depth.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, Limits, Reader, Transformations};

use super::{MAX_PIXELS, Unreadable, check_pixels};
use crate::image::Rgb;

/// A PNG file whose header has been read.
pub(crate) struct Png<'a> {
    reader: Reader<Cursor<&'a [u8]>>,
    size: [usize; 2],
}

impl<'a> Png<'a> {
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        // Of compressed text and profiles no more than this is unpacked.
        let limits = Limits { bytes: 64 << 20 };
        let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), limits);
        decoder.set_transformations(Transformations::IDENTITY);
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        let header = decoder.read_header_info().map_err(damaged)?;
        let size = check_pixels(u64::from(header.width), u64::from(header.height))?;
        let reader = decoder.read_info().map_err(damaged)?;
        Ok(Png { reader, size })
    }

    pub(crate) fn size(&self) -> [usize; 2] {
        self.size
    }

    pub(crate) fn decode(mut self) -> Result<Rgb, Unreadable> {
        let [height, width] = self.size;
        let bytes = self
            .reader
            .output_buffer_size()
            .filter(|bytes| *bytes as u64 <= 4 * MAX_PIXELS)
            .ok_or_else(|| Unreadable::Png("its pixels take too many bytes".into()))?;
        let mut raw = vec![0; bytes];
        let frame = self.reader.next_frame(&mut raw).map_err(damaged)?;
        if [frame.height as usize, frame.width as usize] != self.size {
            return Err(Unreadable::Png("its first frame is not the image".into()));
        }
        self.reader.finish().map_err(damaged)?;
        let palette = self.reader.info().palette.as_deref().unwrap_or_default();
        let samples = Samples {
            color: frame.color_type,
            depth: frame.bit_depth,
            palette,
        };
        let mut image = Rgb {
            width,
            height,
            data: vec![0; width * height * 3],
        };
        let rows = raw.chunks_exact(frame.line_size);
        for (source, target) in rows.zip(image.data.chunks_exact_mut(width * 3)) {
            samples.row(source, target);
        }
        Ok(image)
    }
}

/// How a row's bytes become pixels.
struct Samples<'a> {
    color: ColorType,
    depth: BitDepth,
    palette: &'a [u8],
}

impl Samples<'_> {
    fn row(&self, source: &[u8], target: &mut [u8]) {
        let (pixels, _) = target.as_chunks_mut::<3>();
        let wide = self.depth == BitDepth::Sixteen;
        match self.color {
            // Pillow reads 16-bit gray as integers and clips them to 8 bits,
            // but keeps the high byte of every other 16-bit sample.
            ColorType::Grayscale if wide => {
                for (pixel, value) in pixels.iter_mut().zip(source.chunks_exact(2)) {
                    *pixel = [if value[0] == 0 { value[1] } else { 255 }; 3];
                }
            }
            ColorType::Grayscale => {
                let bits = self.depth as usize;
                let scale = 255 / ((1u16 << bits) - 1) as u8;
                for (x, pixel) in pixels.iter_mut().enumerate() {
                    *pixel = [packed(source, bits, x) * scale; 3];
                }
            }
            ColorType::Indexed => {
                let bits = self.depth as usize;
                for (x, pixel) in pixels.iter_mut().enumerate() {
                    let at = usize::from(packed(source, bits, x)) * 3;
                    let color = self.palette.get(at..at + 3);
                    *pixel = color.map_or([0; 3], |c| [c[0], c[1], c[2]]);
                }
            }
            ColorType::GrayscaleAlpha => {
                let step = if wide { 4 } else { 2 };
                for (pixel, value) in pixels.iter_mut().zip(source.chunks_exact(step)) {
                    *pixel = [value[0]; 3];
                }
            }
            ColorType::Rgb | ColorType::Rgba => {
                let channels = self.color.samples();
                let bytes = if wide { 2 } else { 1 };
                for (pixel, value) in pixels.iter_mut().zip(source.chunks_exact(channels * bytes)) {
                    *pixel = [value[0], value[bytes], value[2 * bytes]];
                }
            }
        }
    }
}

/// The `x`-th of the samples of 1, 2, 4 or 8 bits in a row.
fn packed(row: &[u8], bits: usize, x: usize) -> u8 {
    let at = x * bits;
    let shift = 8 - bits - at % 8;
    let mask = ((1u16 << bits) - 1) as u8;
    row[at / 8] >> shift & mask
}

fn damaged(error: png::DecodingError) -> Unreadable {
    Unreadable::Png(error.to_string())
}
