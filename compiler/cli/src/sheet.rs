//! A contact sheet: a row for each image, a column for each view.

use font8x8::UnicodeFonts;
use ssl_data::{Operation, Rgb, apply};
use ssl_plan::Interpolation;

/// An image and its views.
pub struct Row {
    /// What stands below the image.
    pub name: String,
    /// As it is.
    pub image: Rgb,
    /// Its views.
    pub views: Vec<Rgb>,
}

const GAP: usize = 8;
const LETTER: usize = 8;
/// Sides that cells may have.
const SMALLEST: usize = 96;
const LARGEST: usize = 224;
const PAPER: u8 = 250;
const INK: u8 = 40;

/// The sheet as a PNG file.
pub fn png(views: &[&str], rows: &[Row]) -> Result<Vec<u8>, String> {
    let widest = rows
        .iter()
        .flat_map(|r| &r.views)
        .map(|v| v.width.max(v.height));
    let cell = widest.max().unwrap_or(LARGEST).clamp(SMALLEST, LARGEST);
    let columns = views.len() + 1;
    let line = cell + GAP + LETTER + GAP;
    let mut page = Page::new(
        GAP + columns * (cell + GAP),
        3 * GAP + LETTER + rows.len() * line,
    );
    for (n, name) in ["original"].iter().chain(views).enumerate() {
        page.write(GAP + n * (cell + GAP), GAP, cell, name);
    }
    for (n, row) in rows.iter().enumerate() {
        let top = 2 * GAP + LETTER + n * line;
        for (n, image) in std::iter::once(&row.image).chain(&row.views).enumerate() {
            page.paste(GAP + n * (cell + GAP), top, cell, &fitted(image, cell));
        }
        page.write(GAP, top + cell + GAP / 2, page.width - 2 * GAP, &row.name);
    }
    page.encode()
        .map_err(|e| format!("the sheet cannot be encoded: {e}"))
}

/// An image brought to a cell: larger ones resampled, tiny ones with whole
/// pixels, so that none is smoothed.
fn fitted(image: &Rgb, cell: usize) -> Rgb {
    let long = image.width.max(image.height).max(1);
    if long > cell {
        let scaled = |side: usize| (side * cell / long).max(1);
        let resize = Operation::Resize {
            size: [scaled(image.height), scaled(image.width)],
            interpolation: Interpolation::Bicubic,
        };
        return apply(image, &[resize]);
    }
    let times = cell / long;
    let (width, height) = (image.width * times, image.height * times);
    let mut data = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let at = (y / times * image.width + x / times) * 3;
            data.extend(image.data.get(at..at + 3).unwrap_or(&[0; 3]));
        }
    }
    Rgb {
        width,
        height,
        data,
    }
}

struct Page {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Page {
    fn new(width: usize, height: usize) -> Self {
        Page {
            width,
            height,
            data: vec![PAPER; width * height * 3],
        }
    }

    fn set(&mut self, x: usize, y: usize, color: &[u8]) {
        let at = (y * self.width + x) * 3;
        if x < self.width
            && let Some(pixel) = self.data.get_mut(at..at + 3)
        {
            pixel.copy_from_slice(color);
        }
    }

    /// An image in the middle of a cell.
    fn paste(&mut self, left: usize, top: usize, cell: usize, image: &Rgb) {
        let left = left + cell.saturating_sub(image.width) / 2;
        let top = top + cell.saturating_sub(image.height) / 2;
        for (y, row) in image
            .data
            .chunks_exact((image.width * 3).max(1))
            .enumerate()
        {
            for (x, pixel) in row.chunks_exact(3).enumerate() {
                self.set(left + x, top + y, pixel);
            }
        }
    }

    /// A line of text; the end of what is too long.
    fn write(&mut self, left: usize, top: usize, width: usize, text: &str) {
        let room = (width / LETTER).max(1);
        let letters: Vec<char> = text.chars().collect();
        let start = letters.len().saturating_sub(room);
        for (n, letter) in letters.iter().skip(start).enumerate() {
            let rows = font8x8::BASIC_FONTS.get(*letter);
            let rows = rows.or_else(|| font8x8::LATIN_FONTS.get(*letter));
            for (y, bits) in rows.unwrap_or([0; 8]).iter().enumerate() {
                for x in (0..8).filter(|x| bits >> x & 1 == 1) {
                    self.set(left + n * LETTER + x, top + y, &[INK; 3]);
                }
            }
        }
    }

    fn encode(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.data)?;
        writer.finish()?;
        Ok(bytes)
    }
}
