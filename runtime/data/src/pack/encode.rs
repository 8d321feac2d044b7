//! Images as they are stored in a shard.

use ssl_plan::Interpolation;

use crate::image::Rgb;
use crate::transform::{Operation, apply};

/// The image with a shorter side, where its own is longer.
pub(super) fn shorter(image: &Rgb, side: usize) -> Option<Rgb> {
    let short = image.height.min(image.width);
    if short <= side {
        return None;
    }
    let scaled = |length: usize| (length * side / short).max(1);
    let resize = Operation::Resize {
        size: [scaled(image.height), scaled(image.width)],
        interpolation: Interpolation::Bicubic,
    };
    Some(apply(image, &[resize]))
}

pub(super) fn jpeg(image: &Rgb, quality: u8) -> Result<Vec<u8>, String> {
    let side = |n: usize| u16::try_from(n).map_err(|_| "it is too large for a JPEG".to_owned());
    let (width, height) = (side(image.width)?, side(image.height)?);
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder.set_optimized_huffman_tables(true);
    let color = jpeg_encoder::ColorType::Rgb;
    encoder
        .encode(&image.data, width, height, color)
        .map_err(|e| e.to_string())?;
    Ok(bytes)
}

/// 24-bit BMP: a header of 54 bytes, rows from the bottom, blue first, padded
/// to four bytes.
pub(super) fn bmp(image: &Rgb) -> Vec<u8> {
    let line = (image.width * 3).next_multiple_of(4);
    let size = 54 + line * image.height;
    let mut bytes = Vec::with_capacity(size);
    bytes.extend(b"BM");
    for word in [
        size as u32,
        0,
        54,
        40,
        image.width as u32,
        image.height as u32,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    for word in [0, (line * image.height) as u32, 2835, 2835, 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    for row in image.data.chunks_exact((image.width * 3).max(1)).rev() {
        let (pixels, _) = row.as_chunks::<3>();
        bytes.extend(pixels.iter().flat_map(|[r, g, b]| [*b, *g, *r]));
        bytes.extend(std::iter::repeat_n(0, line - row.len()));
    }
    bytes
}
