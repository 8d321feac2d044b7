//! Augmentation: a view's transforms, first drawn to operations with fixed
//! parameters, then applied. Both halves are public, so that a parameter can
//! be shown, stored or compared.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod band;
mod blur;
mod color;
mod crop;
mod erase;
mod policy;
mod portable;
mod resample;
mod sample;
mod tone;
mod values;
mod warp;
mod weights;
mod work;

use ssl_plan::{Interpolation, Sampling, Transform, View};

pub use erase::Eraser;
pub(crate) use erase::Normals;
pub use policy::{RandAugmentDraw, rand_augment, rand_augment_choices};
pub(crate) use work::{Frame, Work};

use crate::DataError;
use crate::image::{Planes, Region, Rgb, Wanted};
use crate::philox::{Philox, Stream};

/// One step on 8-bit RGB with its parameters drawn. Each gives the bytes of
/// Pillow 12.2.0 and torchvision 0.29.2 on a Pillow image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operation {
    /// Cut a rectangle and resample it.
    ResizedCrop {
        /// What is cut; inside the image.
        region: Region,
        /// Height and width after it.
        size: [usize; 2],
        /// Filter.
        interpolation: Interpolation,
    },
    /// Resample to a height and width.
    Resize {
        /// Height and width after it.
        size: [usize; 2],
        /// Filter.
        interpolation: Interpolation,
    },
    /// Cut the centre, with zeros where the image is smaller.
    CenterCrop {
        /// Height and width.
        size: [usize; 2],
    },
    /// `ImageEnhance.Brightness`.
    Brightness {
        /// 0 is black, 1 changes nothing.
        factor: f64,
    },
    /// `ImageEnhance.Contrast`.
    Contrast {
        /// 0 is the mean luminance, 1 changes nothing.
        factor: f64,
    },
    /// `ImageEnhance.Color`.
    Saturation {
        /// 0 is gray, 1 changes nothing.
        factor: f64,
    },
    /// torchvision's `adjust_hue`.
    Hue {
        /// Turns, -0.5..=0.5.
        turns: f64,
    },
    /// Luminance in all channels.
    Grayscale,
    /// `ImageFilter.GaussianBlur`.
    GaussianBlur {
        /// Standard deviation in pixels.
        sigma: f64,
    },
    /// `ImageOps.solarize`.
    Solarize {
        /// Values at or above it are inverted.
        threshold: u16,
    },
    /// timm's `solarize_add`: values below 128 are raised.
    SolarizeAdd {
        /// By how much, up to 255.
        add: u8,
    },
    /// `ImageOps.posterize`.
    Posterize {
        /// Bits kept, 0..=8.
        bits: u8,
    },
    /// `ImageOps.equalize`.
    Equalize,
    /// `ImageOps.autocontrast`.
    Autocontrast,
    /// `ImageOps.invert`.
    Invert,
    /// `ImageEnhance.Sharpness`.
    Sharpness {
        /// 0 is smoothed, 1 changes nothing.
        factor: f64,
    },
    /// `Image.rotate` about the centre.
    Rotate {
        /// Degrees, counter-clockwise.
        degrees: f64,
        /// How pixels are read.
        sampling: Sampling,
        /// Colour of what lies outside.
        fill: [u8; 3],
    },
    /// `Image.transform` with an affine map.
    Affine {
        /// From target to source: `x = a x' + b y' + c`, `y = d x' + e y' + f`.
        matrix: [f64; 6],
        /// How pixels are read.
        sampling: Sampling,
        /// Colour of what lies outside.
        fill: [u8; 3],
    },
    /// Mirror left to right.
    HorizontalFlip,
    /// Mirror top to bottom.
    VerticalFlip,
    /// torchvision's `erase` on normalised values; on 8 bits, black.
    Erase {
        /// What is overwritten.
        region: Region,
        /// With what.
        with: Eraser,
    },
}

/// A view's transforms, checked and ready.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    name: String,
    size: [usize; 2],
    transforms: Vec<Transform>,
    /// Mean and deviation that values in 0..1 are normalised by.
    normalize: ([f64; 3], [f64; 3]),
    values: [values::Values; 3],
}

impl Recipe {
    /// Check a view's transforms.
    ///
    /// # Errors
    /// A transform after `normalize`, which works on 8 bits; a last size that
    /// is not the view's.
    pub(crate) fn new(view: &View) -> Result<Self, DataError> {
        let fail = |problem: String| DataError::View {
            view: view.name.clone(),
            problem,
        };
        let mut transforms = view.transforms.clone();
        let mut normalize = ([0.0; 3], [1.0; 3]);
        let erasing = |t: &Transform| matches!(t, Transform::RandomErasing { .. });
        let last = transforms.iter().rposition(|t| !erasing(t));
        if let Some(last) = last
            && let Transform::Normalize { mean, std } = transforms[last]
        {
            normalize = (mean, std);
            transforms.remove(last);
        }
        if let Some(at) = transforms
            .iter()
            .position(|t| matches!(t, Transform::Normalize { .. }))
        {
            return Err(fail(format!(
                "`normalize` is transform {} of {}, but the ones after it work on 8-bit pixels; \
                 make it the last but `random_erasing`",
                at + 1,
                view.transforms.len()
            )));
        }
        if let Some(at) = transforms.iter().position(erasing)
            && !transforms[at..].iter().all(erasing)
        {
            return Err(fail(format!(
                "`random_erasing` is transform {} of {}, but it works on finished values; \
                 put it last",
                at + 1,
                view.transforms.len()
            )));
        }
        let known = transforms.iter().fold(None, sample::size_after);
        if let Some(last) = known
            && last != view.size
        {
            return Err(fail(format!(
                "its transforms give {} pixels, but the networks expect {}",
                by(last),
                by(view.size)
            )));
        }
        Ok(Recipe {
            name: view.name.clone(),
            size: view.size,
            transforms,
            normalize,
            values: values::Values::new(normalize.0, normalize.1),
        })
    }

    /// Whether two evaluations of one image can differ.
    pub(crate) fn is_random(&self) -> bool {
        self.transforms.iter().any(sample::is_random)
    }

    /// Number of values of the view of one image.
    pub(crate) fn len(&self) -> usize {
        3 * self.size[0] * self.size[1]
    }

    /// The 8-bit image of a view's values, `[3, H, W]`.
    pub(crate) fn to_rgb(&self, values: &[f32]) -> Rgb {
        let [height, width] = self.size;
        let mut image = Planes::default();
        image.resize(self.size);
        let (mean, std) = self.normalize;
        let planes = values.chunks_exact((height * width).max(1));
        for (c, (target, values)) in image.channels_mut().into_iter().zip(planes).enumerate() {
            for (target, value) in target.iter_mut().zip(values) {
                *target = ((f64::from(*value) * std[c] + mean[c]) * 255.0).round() as u8;
            }
        }
        image.to_rgb()
    }

    /// Draw the operations for an image of a height and width.
    pub(crate) fn draw(&self, stream: &Stream, size: [usize; 2]) -> Vec<Operation> {
        sample::operations(&self.transforms, stream, size)
    }

    /// Finish a view that [`Work::begin`] has begun with these operations and
    /// write `[3, H, W]` floats. `size` is the whole image's.
    ///
    /// # Errors
    /// The result has not the view's size.
    pub(crate) fn finish(
        &self,
        index: usize,
        operations: &[Operation],
        size: [usize; 2],
        work: &mut Work,
        target: &mut [f32],
    ) -> Result<(), DataError> {
        let erasing = |o: &Operation| matches!(o, Operation::Erase { .. });
        let first = operations.iter().position(erasing);
        let (operations, erasures) = operations.split_at(first.unwrap_or(operations.len()));
        let image = work.finish(index, operations);
        if [image.height, image.width] != self.size {
            return Err(DataError::View {
                view: self.name.clone(),
                problem: format!(
                    "its transforms make {} pixels of an image of {}, but the networks expect {}; \
                     end them with a crop",
                    by([image.height, image.width]),
                    by(size),
                    by(self.size)
                ),
            });
        }
        let planes = target.chunks_exact_mut(image.width * image.height);
        for ((target, source), values) in planes.zip(image.channels()).zip(&self.values) {
            values.write(source, target);
        }
        for operation in erasures {
            if let Operation::Erase { region, with } = *operation {
                erase::erase(target, self.size, region, with);
            }
        }
        Ok(())
    }
}

/// The operations that a run draws for a view: `index` is the view's place in
/// the plan, `size` the image's height and width.
pub fn draw(
    view: &View,
    index: u32,
    seed: u64,
    epoch: u32,
    sample: u32,
    size: [usize; 2],
) -> Vec<Operation> {
    let stream = Philox::new(seed).stream(epoch, sample, index);
    sample::operations(&view.transforms, &stream, size)
}

/// The part of an image that operations read, a leading crop or all of it, and
/// how finely: never at fewer pixels than a leading resize puts out.
pub(crate) fn wanted(operations: &[Operation], [height, width]: [usize; 2]) -> Wanted {
    let whole = Region::whole(width, height);
    let (region, output) = match operations.first() {
        Some(Operation::ResizedCrop { region, size, .. }) => (*region, *size),
        Some(Operation::Resize { size, .. }) => (whole, *size),
        _ => return Wanted::exact(whole),
    };
    let suffices =
        |n: &usize| region.height * n >= output[0] * 8 && region.width * n >= output[1] * 8;
    Wanted {
        region,
        eighths: [1, 2, 4].into_iter().find(suffices).unwrap_or(8),
    }
}

/// Apply operations to an image.
pub fn apply(image: &Rgb, operations: &[Operation]) -> Rgb {
    let mut work = Work::default();
    let frame = Frame::whole([image.height, image.width]);
    work.begin([operations], frame);
    let whole = image.part(Region::whole(image.width, image.height));
    let Ok(()) = work.take(frame, whole.reader());
    work.finish(0, operations).to_rgb()
}

fn by([height, width]: [usize; 2]) -> String {
    format!("{height}x{width}")
}
