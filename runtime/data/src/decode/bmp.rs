//! Windows bitmaps of every depth, run-length coded or not.
//!
//! The libraries at hand differ from Pillow in 1-bit and 16-bit files, so they
//! are read here.

use super::{Unreadable, check_pixels};
use crate::image::Rgb;

/// A bitmap file whose header has been read.
pub(crate) struct Bmp<'a> {
    bytes: &'a [u8],
    size: [usize; 2],
    bottom_up: bool,
    bits: usize,
    coding: Coding,
    /// Blue, green, red, and with long headers a fourth byte.
    palette: &'a [u8],
    entry: usize,
    /// First byte of the pixels.
    start: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Plain,
    RunLength,
    /// Bits of red, green and blue in a pixel.
    Fields([u32; 3]),
}

fn damaged(problem: impl Into<String>) -> Unreadable {
    Unreadable::Damaged("BMP", problem.into())
}

impl<'a> Bmp<'a> {
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let cut = || damaged("it has been cut off");
        let word = |at: usize| {
            let bytes = bytes.get(at..at + 2).and_then(<[u8]>::first_chunk);
            bytes
                .map(|b| usize::from(u16::from_le_bytes(*b)))
                .ok_or_else(cut)
        };
        let long = |at: usize| {
            let bytes = bytes.get(at..at + 4).and_then(<[u8]>::first_chunk);
            bytes.map(|b| i32::from_le_bytes(*b)).ok_or_else(cut)
        };
        let start = long(10)? as u32 as usize;
        let header = long(14)? as u32 as usize;
        let (width, height, bits, coding, colors, entry);
        if header == 12 {
            (width, height) = (word(18)? as i64, word(20)? as i64);
            (bits, coding, colors, entry) = (word(24)?, 0, 0, 3);
        } else if (40..=256).contains(&header) {
            (width, height) = (i64::from(long(18)?), i64::from(long(22)?));
            bits = word(28)?;
            coding = long(30)?;
            (colors, entry) = (long(46)? as u32 as usize, 4);
        } else {
            return Err(damaged(format!("a header of {header} bytes is not known")));
        }
        let size = check_pixels(u64::try_from(width).unwrap_or(0), height.unsigned_abs())?;
        let coding = match (coding, bits) {
            (0, 16) => Coding::Fields([0x7C00, 0x3E0, 0x1F]),
            (0, 1 | 4 | 8 | 24 | 32) => Coding::Plain,
            (1, 8) | (2, 4) => Coding::RunLength,
            (3, 16 | 32) => Coding::Fields([long(54)?, long(58)?, long(62)?].map(|m| m as u32)),
            _ => {
                return Err(damaged(format!(
                    "{bits} bits a pixel in the coding {coding} are not understood; convert it"
                )));
            }
        };
        let mut palette: &[u8] = &[];
        if bits <= 8 {
            let most = 1 << bits;
            let colors = if colors == 0 { most } else { colors.min(most) };
            let first = 14 + header;
            palette = bytes.get(first..first + colors * entry).ok_or_else(cut)?;
        }
        Ok(Bmp {
            bytes,
            size,
            bottom_up: height > 0,
            bits,
            coding,
            palette,
            entry,
            start,
        })
    }

    pub(crate) fn size(&self) -> [usize; 2] {
        self.size
    }

    fn color(&self, index: usize) -> [u8; 3] {
        let at = index * self.entry;
        let color = self.palette.get(at..at + 3);
        color.map_or([0; 3], |c| [c[2], c[1], c[0]])
    }

    pub(crate) fn decode(self) -> Result<Rgb, Unreadable> {
        let [height, width] = self.size;
        let stored = self.bytes.get(self.start..).unwrap_or_default();
        let mut data = vec![0; width * height * 3];
        let rows = data.chunks_exact_mut(width * 3);
        let line = (width * self.bits).div_ceil(32) * 4;
        let coded;
        let source = if self.coding == Coding::RunLength {
            coded = self.unpack(stored, line)?;
            &coded
        } else {
            stored
        };
        // The last row may lack its padding.
        let needed = line * (height - 1) + (width * self.bits).div_ceil(8);
        if source.len() < needed {
            return Err(damaged("it has been cut off"));
        }
        for (y, target) in rows.enumerate() {
            let y = if self.bottom_up { height - 1 - y } else { y };
            let row = source.get(y * line..).unwrap_or_default();
            let (pixels, _) = target.as_chunks_mut::<3>();
            match (self.coding, self.bits) {
                (Coding::Plain, 24) => whole::<3>(row, pixels),
                (Coding::Plain, 32) => whole::<4>(row, pixels),
                _ => {
                    for (x, pixel) in pixels.iter_mut().enumerate() {
                        *pixel = self.pixel(row, x);
                    }
                }
            }
        }
        Ok(Rgb {
            width,
            height,
            data,
        })
    }

    fn pixel(&self, row: &[u8], x: usize) -> [u8; 3] {
        let byte = |at: usize| row.get(at).copied().unwrap_or(0);
        let bytes = self.bits / 8;
        match (self.coding, self.bits) {
            (Coding::Fields(masks), _) => {
                let value = (0..bytes).fold(0u32, |value, n| {
                    value | u32::from(byte(x * bytes + n)) << (8 * n)
                });
                masks.map(|mask| {
                    let most = u64::from(mask >> mask.trailing_zeros().min(31));
                    let part = u64::from((value & mask) >> mask.trailing_zeros().min(31));
                    (part * 255).checked_div(most).unwrap_or(0) as u8
                })
            }
            (_, bits) => {
                let at = x * bits;
                let mask = (1usize << bits) - 1;
                self.color(usize::from(byte(at / 8)) >> (8 - bits - at % 8) & mask)
            }
        }
    }

    /// Undo the run lengths: the rows as they would lie there plainly.
    fn unpack(&self, mut coded: &[u8], line: usize) -> Result<Vec<u8>, Unreadable> {
        let [height, width] = self.size;
        let mut out = vec![0; line * height];
        let (mut x, mut y) = (0, 0);
        let mut put = |x: usize, y: usize, value: u8| {
            if x < width && y < height {
                if self.bits == 8 {
                    out[y * line + x] = value;
                } else {
                    out[y * line + x / 2] |= value << (4 * (1 - x % 2));
                }
            }
        };
        let mut take = |count: usize| {
            let (taken, rest) = coded.split_at_checked(count)?;
            coded = rest;
            Some(taken)
        };
        while y < height {
            let &[count, value] = take(2).ok_or_else(|| damaged("it has been cut off"))? else {
                break;
            };
            let nibble = |byte: u8, n: usize| {
                if n.is_multiple_of(2) {
                    byte >> 4
                } else {
                    byte & 15
                }
            };
            match (count, value) {
                (0, 0) => (x, y) = (0, y + 1),
                (0, 1) => break,
                (0, 2) => {
                    let Some(&[right, up]) = take(2) else { break };
                    x += usize::from(right);
                    y += usize::from(up);
                }
                (0, count) => {
                    let count = usize::from(count);
                    let bytes = if self.bits == 8 {
                        count
                    } else {
                        count.div_ceil(2)
                    };
                    let literal = take(bytes).ok_or_else(|| damaged("it has been cut off"))?;
                    for n in 0..count {
                        let value = if self.bits == 8 {
                            literal[n]
                        } else {
                            nibble(literal[n / 2], n)
                        };
                        put(x, y, value);
                        x += 1;
                    }
                    take(bytes % 2);
                }
                (count, value) => {
                    for n in 0..usize::from(count) {
                        put(
                            x,
                            y,
                            if self.bits == 8 {
                                value
                            } else {
                                nibble(value, n)
                            },
                        );
                        x += 1;
                    }
                }
            }
        }
        Ok(out)
    }
}

/// A row of blue, green, red, and what else there is, in whole bytes.
fn whole<const BYTES: usize>(row: &[u8], pixels: &mut [[u8; 3]]) {
    let (stored, _) = row.as_chunks::<BYTES>();
    for (pixel, stored) in pixels.iter_mut().zip(stored) {
        *pixel = [stored[2], stored[1], stored[0]];
    }
}
