//! GIF: the first frame on its canvas.

use std::io::Cursor;

use gif::{ColorOutput, DecodeOptions, Decoder, MemoryLimit};

use super::{MAX_PIXELS, Unreadable, check_pixels};
use crate::image::Rgb;

/// A GIF file whose header has been read.
pub(crate) struct Gif<'a> {
    decoder: Decoder<Cursor<&'a [u8]>>,
    size: [usize; 2],
}

impl<'a> Gif<'a> {
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::Indexed);
        if let Some(limit) = std::num::NonZeroU64::new(MAX_PIXELS) {
            options.set_memory_limit(MemoryLimit::Bytes(limit));
        }
        let mut decoder = options.read_info(Cursor::new(bytes)).map_err(damaged)?;
        let mut size = [decoder.height(), decoder.width()].map(u64::from);
        let frame = decoder
            .next_frame_info()
            .map_err(damaged)?
            .ok_or_else(|| Unreadable::Damaged("GIF", "it has no frame".into()))?;
        // As Pillow, a frame beyond the canvas widens it.
        size[0] = size[0].max(u64::from(frame.top) + u64::from(frame.height));
        size[1] = size[1].max(u64::from(frame.left) + u64::from(frame.width));
        let size = check_pixels(size[1], size[0])?;
        Ok(Gif { decoder, size })
    }

    pub(crate) fn size(&self) -> [usize; 2] {
        self.size
    }

    pub(crate) fn decode(mut self) -> Result<Rgb, Unreadable> {
        let [height, width] = self.size;
        let (left, top, columns, blank, local) = {
            let frame = self
                .decoder
                .current_frame_info()
                .ok_or_else(|| Unreadable::Damaged("GIF", "it has no frame".into()))?;
            (
                usize::from(frame.left),
                usize::from(frame.top),
                usize::from(frame.width),
                frame.transparent.unwrap_or(0),
                frame.palette.clone(),
            )
        };
        let mut indices = vec![0; self.decoder.buffer_size()];
        self.decoder
            .read_into_buffer(&mut indices)
            .map_err(damaged)?;
        let palette = local.as_deref().or(self.decoder.global_palette());
        let color = |index: u8| match palette {
            // Without a palette Pillow reads gray.
            None => [index; 3],
            Some(palette) => {
                let at = usize::from(index) * 3;
                let color = palette.get(at..at + 3);
                color.map_or([0; 3], |c| [c[0], c[1], c[2]])
            }
        };
        let mut image = Rgb {
            width,
            height,
            data: color(blank).repeat(width * height),
        };
        let rows = indices.chunks_exact(columns.max(1));
        for (source, target) in rows.zip(image.data.chunks_exact_mut(width * 3).skip(top)) {
            let (pixels, _) = target.as_chunks_mut::<3>();
            for (pixel, index) in pixels.iter_mut().skip(left).zip(source) {
                *pixel = color(*index);
            }
        }
        Ok(image)
    }
}

fn damaged(error: gif::DecodingError) -> Unreadable {
    Unreadable::Damaged("GIF", error.to_string())
}
