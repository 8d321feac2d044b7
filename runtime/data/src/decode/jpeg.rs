//! JPEG through the libjpeg of mozjpeg (libjpeg-turbo's decoder), whose pixels
//! equal those of Pillow's libjpeg-turbo.
//!
//! Only the rows and columns that a crop needs are transformed, where it is
//! asked for at fewer pixels than there are (`scale_num / 8`). The library
//! repairs what it can and says so in warnings; those that mean lost pixels
//! are errors here, and so is a file that has been cut off, wherever the crop
//! lies.
//!
//! The library is compiled from source. Where the build finds NASM it uses its
//! vector code; elsewhere the same pixels take a little over twice the time.
#![allow(unsafe_code)]

use std::any::Any;
use std::ffi::{c_int, c_ulong};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mozjpeg_sys::{
    J_COLOR_SPACE, jpeg_common_struct, jpeg_create_decompress, jpeg_crop_scanline,
    jpeg_decompress_struct, jpeg_destroy_decompress, jpeg_error_mgr, jpeg_mem_src,
    jpeg_progress_mgr, jpeg_read_header, jpeg_read_scanlines, jpeg_skip_scanlines,
    jpeg_start_decompress, jpeg_std_error,
};

use super::{Unreadable, check_pixels};
use crate::image::{Place, Rgb, Wanted};

/// Most scans of a progressive file: each is a pass over the whole image, so
/// that a small file of many keeps a thread busy for minutes.
const MAX_SCANS: c_int = 500;

/// Columns decoded beside the wanted ones: what chroma upsampling reads across,
/// one value of chroma.
const MARGIN: usize = 4;

// The library's own question, which it answers in every build.
unsafe extern "C" {
    fn jsimd_can_idct_islow() -> c_int;
}

/// Whether JPEG is decoded by vector code on this machine. On x86-64 that takes
/// a build that found NASM.
pub fn jpeg_simd() -> bool {
    // SAFETY: it takes nothing, and looks at the processor alone.
    unsafe { jsimd_can_idct_islow() != 0 }
}

/// A JPEG file whose header has been read.
pub(crate) struct Jpeg<'a> {
    state: Box<State>,
    size: [usize; 2],
    bytes: PhantomData<&'a [u8]>,
}

/// What libjpeg points into; it never moves.
struct State {
    decoder: jpeg_decompress_struct,
    errors: jpeg_error_mgr,
    progress: jpeg_progress_mgr,
    /// The first warning that means lost pixels.
    damage: Option<String>,
}

/// The unwinding payload of a fatal error of libjpeg.
struct Fatal(String);

impl<'a> Jpeg<'a> {
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        // SAFETY: all of these are plain C structs, for which zeros are valid
        // (null pointers, `None`); libjpeg fills them in below.
        let mut state = Box::new(State {
            decoder: unsafe { MaybeUninit::zeroed().assume_init() },
            errors: unsafe { MaybeUninit::zeroed().assume_init() },
            progress: unsafe { MaybeUninit::zeroed().assume_init() },
            damage: None,
        });
        // SAFETY: `errors` and `progress` live as long as the decoder, in one
        // box that never moves. The callbacks match the declared types.
        guard(|| unsafe {
            jpeg_std_error(&mut state.errors);
            state.errors.error_exit = Some(error_exit);
            state.errors.emit_message = Some(emit_message);
            state.decoder.common.err = &raw mut state.errors;
            jpeg_create_decompress(&mut state.decoder);
            // After the creation, which clears the struct.
            state.progress.progress_monitor = Some(progress_monitor);
            state.decoder.common.progress = &raw mut state.progress;
            state.decoder.common.client_data = (&raw mut state.damage).cast();
        })?;
        let mut jpeg = Jpeg {
            state,
            size: [0, 0],
            bytes: PhantomData,
        };
        let decoder = &mut jpeg.state.decoder;
        // SAFETY: the source is read as long as `jpeg` lives, and `jpeg`
        // borrows `bytes` for that time.
        guard(|| unsafe {
            jpeg_mem_src(decoder, bytes.as_ptr(), bytes.len() as c_ulong);
            jpeg_read_header(decoder, 1);
        })?;
        jpeg.size = check_pixels(
            u64::from(decoder.image_width),
            u64::from(decoder.image_height),
        )?;
        // SAFETY: `jpeg_mem_src` has set the source.
        let left = unsafe { (*decoder.src).bytes_in_buffer };
        let scans = bytes.get(bytes.len().saturating_sub(left)..);
        if !scans.is_some_and(ends) {
            return Err(Unreadable::Jpeg("it has been cut off".into()));
        }
        Ok(jpeg)
    }

    pub(crate) fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Begin to decode a region and, left and right, as much beside it as the
    /// blocks of the format ask for.
    pub(crate) fn rows(mut self, wanted: Wanted) -> Result<Rows<'a>, Unreadable> {
        let Wanted { region, eighths } = wanted;
        let full_width = (self.size[1] * eighths).div_ceil(8);
        // First and behind the last, of the pixels that are put out.
        let scaled = |first: usize, length: usize| {
            let end = ((first + length) * eighths).div_ceil(8);
            (first * eighths / 8, end)
        };
        let (top, bottom) = scaled(region.top, region.height);
        let (left, right) = scaled(region.left, region.width);
        let height = bottom - top;
        let decoder = &mut self.state.decoder;
        let channels = match decoder.jpeg_color_space {
            J_COLOR_SPACE::JCS_GRAYSCALE => {
                decoder.out_color_space = J_COLOR_SPACE::JCS_GRAYSCALE;
                1
            }
            J_COLOR_SPACE::JCS_CMYK | J_COLOR_SPACE::JCS_YCCK => {
                decoder.out_color_space = J_COLOR_SPACE::JCS_CMYK;
                4
            }
            J_COLOR_SPACE::JCS_RGB | J_COLOR_SPACE::JCS_YCbCr => {
                decoder.out_color_space = J_COLOR_SPACE::JCS_RGB;
                3
            }
            _ => return Err(Unreadable::Jpeg("unknown colour space".into())),
        };

        // A margin on both sides keeps the columns at the region's edge equal
        // to those of a full decode.
        let left = left.saturating_sub(MARGIN);
        let right = (right + MARGIN).min(full_width);
        let mut offset = left as u32;
        let mut width = (right - left) as u32;
        // SAFETY: the decoder has its header; offset and width lie inside the
        // image.
        guard(|| unsafe {
            decoder.scale_num = eighths as u32;
            decoder.scale_denom = 8;
            jpeg_start_decompress(decoder);
            jpeg_crop_scanline(decoder, &mut offset, &mut width);
            if top > 0 {
                jpeg_skip_scanlines(decoder, top as u32);
            }
        })?;
        let width = width as usize;
        if decoder.output_width as usize != width || decoder.output_components as usize != channels
        {
            return Err(Unreadable::Jpeg(
                "its rows have an unexpected length".into(),
            ));
        }

        let origin = [top, offset as usize].map(|at| (at * 8) as f64 / eighths as f64);
        Ok(Rows {
            jpeg: self,
            sides: [height, width],
            place: Place { origin, eighths },
            channels,
            raw: Vec::new(),
        })
    }
}

/// The rows of a JPEG file, decoded as they are asked for.
pub(crate) struct Rows<'a> {
    jpeg: Jpeg<'a>,
    sides: [usize; 2],
    place: Place,
    channels: usize,
    /// A row of other than three channels.
    raw: Vec<u8>,
}

impl Rows<'_> {
    /// Number of rows, and of pixels in each.
    pub(crate) fn sides(&self) -> [usize; 2] {
        self.sides
    }

    /// Where they lie in the image.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Write the next row, three bytes a pixel.
    ///
    /// # Errors
    /// The file is damaged in it or before.
    pub(crate) fn read(&mut self, row: &mut [u8]) -> Result<(), Unreadable> {
        let [_, width] = self.sides;
        if row.len() != width * 3 {
            return Err(Unreadable::Jpeg("a row of another length is read".into()));
        }
        let target = match self.channels {
            3 => &mut *row,
            channels => {
                self.raw.resize(width * channels, 0);
                &mut self.raw[..]
            }
        };
        let mut lines = [target.as_mut_ptr()];
        let state = &mut self.jpeg.state;
        // SAFETY: `target` has the `output_width * output_components` bytes
        // that one scanline takes.
        let read =
            guard(|| unsafe { jpeg_read_scanlines(&mut state.decoder, lines.as_mut_ptr(), 1) })?;
        if let Some(damage) = state.damage.take() {
            return Err(Unreadable::Jpeg(damage));
        }
        if read != 1 {
            return Err(Unreadable::Jpeg("it ends early".into()));
        }
        let (pixels, _) = row.as_chunks_mut::<3>();
        match self.channels {
            1 => {
                for (pixel, gray) in pixels.iter_mut().zip(&self.raw) {
                    *pixel = [*gray; 3];
                }
            }
            4 => {
                for (pixel, inks) in pixels.iter_mut().zip(self.raw.as_chunks().0) {
                    *pixel = cmyk_to_rgb(*inks);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Decode all of them.
    pub(crate) fn collect(mut self) -> Result<(Rgb, Place), Unreadable> {
        let [height, width] = self.sides;
        let mut image = Rgb {
            width,
            height,
            data: vec![0; height * width * 3],
        };
        for row in image.data.chunks_exact_mut(width * 3) {
            self.read(row)?;
        }
        Ok((image, self.place))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: the decoder is zeroed or created; both may be destroyed.
        // A destructor of libjpeg raises no error.
        let _ = guard(|| unsafe { jpeg_destroy_decompress(&mut self.decoder) });
    }
}

/// Whether the bytes after the header hold the marker of an image's end, which
/// coded pixels never do. Good files have it at their end.
fn ends(scans: &[u8]) -> bool {
    scans.windows(2).rev().any(|pair| pair == [0xFF, 0xD9])
}

/// Adobe's inverted CMYK, as Pillow assumes for every file of four channels.
fn cmyk_to_rgb(pixel: [u8; 4]) -> [u8; 3] {
    let light = u32::from(pixel[3]);
    [pixel[0], pixel[1], pixel[2]].map(|ink| {
        let product = u32::from(255 - ink) * light + 128;
        (light - (((product >> 8) + product) >> 8)) as u8
    })
}

/// Run a call into libjpeg; a fatal error of its unwinds to here.
fn guard<T>(call: impl FnOnce() -> T) -> Result<T, Unreadable> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload: Box<dyn Any + Send>| {
        match payload.downcast::<Fatal>() {
            Ok(fatal) => Unreadable::Jpeg(fatal.0),
            Err(other) => resume_unwind(other),
        }
    })
}

/// libjpeg's text for its last message.
fn message(decoder: &mut jpeg_common_struct) -> String {
    type Format = unsafe extern "C-unwind" fn(&mut jpeg_common_struct, &mut [u8; 80]);
    let mut buffer = [0; 80];
    // SAFETY: `err` is the error manager of `State`. libjpeg writes a text of
    // at most 80 bytes; the binding declares the buffer shared, which a buffer
    // that is written to must not be.
    unsafe {
        if let Some(format) = (*decoder.err).format_message {
            let format: Format = std::mem::transmute(format as *const ());
            format(decoder, &mut buffer);
        }
    }
    let text = buffer.split(|b| *b == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let mut text = text.trim_end_matches('.').to_string();
    for prefix in ["Corrupt JPEG data: ", "Warning: "] {
        if let Some(rest) = text.strip_prefix(prefix) {
            text = rest.to_string();
        }
    }
    text
}

extern "C-unwind" fn error_exit(decoder: &mut jpeg_common_struct) {
    let text = message(decoder);
    resume_unwind(Box::new(Fatal(text)));
}

extern "C-unwind" fn emit_message(decoder: &mut jpeg_common_struct, level: c_int) {
    // Warnings after which every pixel is still there.
    const HARMLESS: [&str; 6] = [
        "extraneous bytes before marker",
        "unknown JFIF revision",
        "Unknown Adobe color transform",
        "bad ICC marker",
        "Inconsistent progression sequence",
        "Invalid SOS parameters",
    ];
    if level >= 0 {
        return;
    }
    // SAFETY: `client_data` points to the `damage` of the decoder's `State`,
    // which nothing else touches while libjpeg runs.
    let damage = unsafe { &mut *decoder.client_data.cast::<Option<String>>() };
    if damage.is_none() {
        let text = message(decoder);
        if !HARMLESS.iter().any(|harmless| text.contains(harmless)) {
            *damage = Some(text);
        }
    }
}

extern "C-unwind" fn progress_monitor(decoder: &mut jpeg_common_struct) {
    // SAFETY: libjpeg passes its decoder as the struct of common fields that
    // it begins with, and this monitor is only set on decoders.
    let scan = unsafe {
        (*std::ptr::from_mut(decoder).cast::<jpeg_decompress_struct>()).input_scan_number
    };
    if scan > MAX_SCANS {
        let text = format!("more than {MAX_SCANS} scans");
        resume_unwind(Box::new(Fatal(text)));
    }
}
