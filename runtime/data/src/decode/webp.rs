//! WebP, lossy and lossless; of an animation the first frame.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use super::{MAX_PIXELS, Unreadable, check_pixels};
use crate::image::Rgb;

/// A WebP file whose header has been read.
pub(crate) struct Webp<'a> {
    decoder: WebPDecoder<Cursor<&'a [u8]>>,
    size: [usize; 2],
}

impl<'a> Webp<'a> {
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
        decoder.set_memory_limit(4 * MAX_PIXELS as usize);
        let (width, height) = decoder.dimensions();
        let size = check_pixels(u64::from(width), u64::from(height))?;
        Ok(Webp { decoder, size })
    }

    pub(crate) fn size(&self) -> [usize; 2] {
        self.size
    }

    pub(crate) fn decode(mut self) -> Result<Rgb, Unreadable> {
        let [height, width] = self.size;
        let channels = if self.decoder.has_alpha() { 4 } else { 3 };
        let mut raw = vec![0; width * height * channels];
        if self.decoder.is_animated() {
            self.decoder.read_frame(&mut raw).map_err(damaged)?;
        } else {
            self.decoder.read_image(&mut raw).map_err(damaged)?;
        }
        let data = if channels == 4 {
            let (pixels, _) = raw.as_chunks::<4>();
            pixels.iter().flat_map(|p| [p[0], p[1], p[2]]).collect()
        } else {
            raw
        };
        Ok(Rgb {
            width,
            height,
            data,
        })
    }
}

fn damaged(error: DecodingError) -> Unreadable {
    Unreadable::Damaged("WebP", error.to_string())
}
