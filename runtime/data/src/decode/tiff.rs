//! TIFF: the first image of the file.

use std::borrow::Cow;
use std::io::Cursor;

use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::{MAX_PIXELS, Unreadable, check_pixels};
use crate::image::Rgb;

/// A TIFF file whose header has been read.
pub(crate) struct Tiff<'a> {
    decoder: Decoder<Cursor<Cow<'a, [u8]>>>,
    size: [usize; 2],
    /// Of an image with a palette, its reds, greens and blues.
    palette: Option<Vec<u16>>,
}

impl<'a> Tiff<'a> {
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut limits = Limits::default();
        limits.decoding_buffer_size = 4 * MAX_PIXELS as usize;
        limits.intermediate_buffer_size = 4 * MAX_PIXELS as usize;
        let open = |bytes: Cow<'a, [u8]>| -> Result<_, Unreadable> {
            let decoder = Decoder::new(Cursor::new(bytes)).map_err(damaged)?;
            Ok(decoder.with_limits(limits.clone()))
        };
        let mut decoder = open(bytes.into())?;
        let mut palette = None;
        if photometric(&mut decoder)? == PALETTE {
            // The library reads no palettes: as gray, the pixels are indices.
            palette = Some(decoder.get_tag_u16_vec(Tag::ColorMap).map_err(damaged)?);
            let gray = as_gray(bytes.to_vec());
            let gray = gray.ok_or_else(|| damaged_text("its palette is not understood"))?;
            decoder = open(gray.into())?;
        }
        let (width, height) = decoder.dimensions().map_err(damaged)?;
        let size = check_pixels(u64::from(width), u64::from(height))?;
        Ok(Tiff {
            decoder,
            size,
            palette,
        })
    }

    pub(crate) fn size(&self) -> [usize; 2] {
        self.size
    }

    pub(crate) fn decode(mut self) -> Result<Rgb, Unreadable> {
        let [height, width] = self.size;
        let color = self.decoder.colortype().map_err(damaged)?;
        let photometric = photometric(&mut self.decoder)?;
        let strange = || {
            Unreadable::Damaged(
                "TIFF",
                format!("pixels of the form {color:?} are not understood; convert it to 8-bit RGB"),
            )
        };
        let samples = match self.decoder.read_image().map_err(damaged)? {
            DecodingResult::U8(samples) => samples,
            // Pillow clips 16-bit gray, but keeps the high byte of colours.
            DecodingResult::U16(samples) if matches!(color, ColorType::Gray(_)) => {
                samples.into_iter().map(|v| v.min(255) as u8).collect()
            }
            DecodingResult::U16(samples) => samples.into_iter().map(|v| (v >> 8) as u8).collect(),
            DecodingResult::F32(samples) if matches!(color, ColorType::Gray(_)) => samples
                .into_iter()
                .map(|v| v.clamp(0.0, 255.0) as u8)
                .collect(),
            _ => return Err(strange()),
        };
        let rgb = |step: usize| -> Vec<u8> {
            samples
                .chunks_exact(step)
                .flat_map(|p| [p[0], p[1], p[2]])
                .collect()
        };
        let data: Vec<u8> = match color {
            ColorType::Gray(bits @ (1 | 2 | 4 | 8)) if self.palette.is_some() => {
                let palette = self.palette.unwrap_or_default();
                let colors = 1 << bits;
                if palette.len() != 3 * colors {
                    return Err(damaged_text("its palette is cut off"));
                }
                let line = (width * usize::from(bits)).div_ceil(8);
                unpack(&samples, line, width, bits)
                    .flat_map(|v| {
                        [0, 1, 2].map(|c| (palette[c * colors + usize::from(v)] >> 8) as u8)
                    })
                    .collect()
            }
            _ if self.palette.is_some() => return Err(strange()),
            ColorType::Gray(bits @ (1 | 2 | 4)) => {
                let scale = (255 / ((1u16 << bits) - 1)) as u8;
                let line = (width * usize::from(bits)).div_ceil(8);
                unpack(&samples, line, width, bits)
                    .flat_map(|v| [v * scale; 3])
                    .collect()
            }
            ColorType::Gray(8 | 16 | 32) => samples.iter().flat_map(|v| [*v; 3]).collect(),
            ColorType::GrayA(8 | 16)
            | ColorType::Multiband {
                bit_depth: 8 | 16,
                num_samples: 2,
            } if photometric <= 1 => samples.chunks_exact(2).flat_map(|p| [p[0]; 3]).collect(),
            ColorType::RGB(8 | 16) => samples,
            ColorType::RGBA(8 | 16) => rgb(4),
            ColorType::CMYK(8 | 16) => samples
                .chunks_exact(4)
                .flat_map(|p| {
                    let light = u32::from(255 - p[3]);
                    [p[0], p[1], p[2]].map(|ink| {
                        let product = u32::from(ink) * light + 128;
                        (light.saturating_sub(((product >> 8) + product) >> 8)) as u8
                    })
                })
                .collect(),
            _ => return Err(strange()),
        };
        if data.len() != width * height * 3 || photometric > 6 {
            return Err(strange());
        }
        Ok(Rgb {
            width,
            height,
            data,
        })
    }
}

/// Samples of 1, 2, 4 or 8 bits, row by row.
fn unpack(rows: &[u8], line: usize, width: usize, bits: u8) -> impl Iterator<Item = u8> {
    let mask = ((1u16 << bits) - 1) as u8;
    let bits = usize::from(bits);
    rows.chunks_exact(line.max(1)).flat_map(move |row| {
        (0..width).map(move |x| {
            let at = x * bits;
            row[at / 8] >> (8 - bits - at % 8) & mask
        })
    })
}

/// [`Tag::PhotometricInterpretation`] of a palette.
const PALETTE: u16 = 3;

/// What the samples mean.
fn photometric(decoder: &mut Decoder<Cursor<Cow<'_, [u8]>>>) -> Result<u16, Unreadable> {
    let found = decoder.find_tag_unsigned(Tag::PhotometricInterpretation);
    Ok(found.map_err(damaged)?.unwrap_or(1))
}

/// The same file, but its first image's indices into a palette called gray.
fn as_gray(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let little = bytes.starts_with(b"II");
    let short = |bytes: &[u8], at: usize| {
        let pair = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(if little {
            u16::from_le_bytes(pair)
        } else {
            u16::from_be_bytes(pair)
        })
    };
    let word: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
    let first = if little {
        u32::from_le_bytes(word)
    } else {
        u32::from_be_bytes(word)
    } as usize;
    let entries = usize::from(short(&bytes, first)?);
    let tag = Tag::PhotometricInterpretation.to_u16();
    let entry = (0..entries)
        .map(|n| first + 2 + 12 * n)
        .find(|at| short(&bytes, *at) == Some(tag))?;
    let gray = if little { [1, 0] } else { [0, 1] };
    bytes.get_mut(entry + 8..entry + 10)?.copy_from_slice(&gray);
    Some(bytes)
}

fn damaged_text(text: &str) -> Unreadable {
    Unreadable::Damaged("TIFF", text.into())
}

fn damaged(error: TiffError) -> Unreadable {
    Unreadable::Damaged("TIFF", error.to_string())
}
