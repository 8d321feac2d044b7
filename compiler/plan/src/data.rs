//! What is read and how it is augmented.

use serde::{Deserialize, Serialize};

/// The data set and the batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Where the images come from.
    pub source: Source,
    /// Number of training images found when the plan was made.
    pub samples: usize,
    /// Class names where the source has labels, in label order.
    pub classes: Option<Vec<String>>,
    /// Number of held-out labelled images, where the source has them.
    pub held_out: Option<usize>,
    /// Images per step, over all devices.
    pub batch: usize,
    /// `samples / batch`, rounded down: the incomplete last batch is dropped.
    pub steps_per_epoch: usize,
    /// What happens at an image that cannot be read.
    pub on_corrupt: OnCorrupt,
    /// Fraction of the images that may be unreadable before the run stops.
    pub max_corrupt: f64,
    /// Whether photographs are turned upright as their EXIF orientation asks.
    #[serde(default)]
    pub exif_orientation: bool,
    /// How the images of training views are decoded.
    #[serde(default)]
    pub decode: Decode,
    /// Most bytes of decoded images that are kept in memory, for each split.
    #[serde(default = "cache")]
    pub cache: u64,
    /// Seconds that one image, or a source that is opened, may take before it
    /// counts as stalled.
    #[serde(default = "stall_limit")]
    pub stall_limit: f64,
    /// The packed shards among the sources, in their order.
    #[serde(default)]
    pub packs: Vec<PackedShards>,
}

impl Data {
    /// A source with so many training images, `batch` of them a step, and for
    /// the rest what a file means that says nothing more: no labels, unreadable
    /// images left out up to one in a hundred.
    pub fn new(source: Source, samples: usize, batch: usize) -> Self {
        Data {
            source,
            samples,
            classes: None,
            held_out: None,
            batch,
            steps_per_epoch: samples / batch.max(1),
            on_corrupt: OnCorrupt::Skip,
            max_corrupt: 0.01,
            exif_orientation: false,
            decode: Decode::Full,
            cache: cache(),
            stall_limit: stall_limit(),
            packs: Vec::new(),
        }
    }
}

/// [`Data::cache`] of a plan that does not say it.
fn cache() -> u64 {
    256 << 20
}

/// [`Data::stall_limit`] of a plan that does not say it.
fn stall_limit() -> f64 {
    120.0
}

/// How the images of training views are decoded. Evaluation is always exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decode {
    /// Every pixel that a crop reads, as Pillow decodes it.
    #[default]
    Full,
    /// JPEG at a half, a quarter or an eighth of its size, where the crop is
    /// shrunk by as much anyway: near the exact pixels, not equal to them.
    Fast,
}

/// Shards that `sslc pack` wrote, as the plan found them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PackedShards {
    /// Their folder.
    pub folder: String,
    /// What names their content: options, source and shards.
    pub fingerprint: String,
    /// How they were made, for the reader: `short side 256, JPEG quality 90`.
    pub form: String,
    /// Those of the shards that are read that are not as they were packed, as
    /// far as their lengths and the ends of their members tell.
    #[serde(default)]
    pub changed: Vec<String>,
}

impl PackedShards {
    /// The beginning of the fingerprint.
    pub fn name(&self) -> &str {
        self.fingerprint.get(..16).unwrap_or(&self.fingerprint)
    }
}

/// Where images come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// The 8x8 handwritten digits embedded in the binary: 1,200 to train,
    /// 597 held out, 10 classes. Gray, read as three equal channels.
    Digits,
    /// A folder of image files, nested or not. Where every image lies in a
    /// folder below the top, the first folder's name is its class.
    ImageFolder {
        /// The folder.
        path: String,
        /// A folder of held-out images with the same classes.
        test: Option<String>,
    },
    /// A list of image files: CSV, TSV, or text with a path in each line.
    List {
        /// The list.
        path: String,
        /// What its paths are relative to; the list's own folder if none.
        root: Option<String>,
        /// Column of the paths.
        image: Option<String>,
        /// Column of the labels.
        label: Option<String>,
        /// A list of held-out images.
        test: Option<String>,
    },
    /// WebDataset tar shards; members of one name but for the ending are one
    /// sample.
    Webdataset {
        /// A pattern of file names: braces `{000..099}`, and `*`.
        shards: String,
        /// Ending of the images; any image's if none.
        image: Option<String>,
        /// Ending of the labels.
        label: String,
        /// Held-out shards.
        test: Option<String>,
    },
    /// Parquet shards in the layout of Hugging Face's `datasets`.
    Parquet {
        /// A pattern of file names.
        shards: String,
        /// Column of the images.
        image: Option<String>,
        /// Column of the labels.
        label: Option<String>,
        /// Held-out shards.
        test: Option<String>,
    },
    /// An array of 8-bit images in an HDF5 file: `[N, H, W, 3]`, `[N, 3, H, W]`
    /// or `[N, H, W]`.
    Hdf5 {
        /// The file.
        path: String,
        /// The array of images; the only one of such a form if none.
        image: Option<String>,
        /// The array of labels.
        label: Option<String>,
        /// A file of held-out images with the same arrays.
        test: Option<String>,
    },
    /// CIFAR-10, binary or pickled, unpacked or not.
    Cifar10 {
        /// Its folder or archive.
        path: String,
    },
    /// CIFAR-100, binary or pickled, unpacked or not.
    Cifar100 {
        /// Its folder or archive.
        path: String,
        /// Whether the labels are the 20 coarse ones.
        coarse: bool,
    },
    /// MNIST's idx files, plain or gzipped.
    Mnist {
        /// Their folder.
        path: String,
    },
    /// Fashion-MNIST's idx files, plain or gzipped.
    FashionMnist {
        /// Their folder.
        path: String,
    },
    /// STL-10, binary.
    Stl10 {
        /// Its folder.
        path: String,
        /// The 5,000 labelled images rather than the 100,000 without labels.
        labelled: bool,
    },
    /// Sources one after the other. Classes of one name are one class; where
    /// a source has no labels, the whole has none.
    Concat {
        /// The sources; none of them a mix.
        sources: Vec<Source>,
    },
    /// Sources in fixed proportions. Each is gone through in its own shuffled
    /// order, again and again, over the epochs.
    Mix {
        /// The sources; none of them a mix.
        sources: Vec<Source>,
        /// Share of each, up to a common factor.
        weights: Vec<f64>,
        /// Images of an epoch; those of all sources together if none.
        samples: Option<usize>,
    },
    /// Stored views: one float32 tensor `[S, B, 3, H, W]` for each view, named
    /// as the view. Step `s` takes slice `s mod S`; no transform is applied.
    Recorded {
        /// A safetensors file.
        path: String,
    },
}

/// What to do at an image that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCorrupt {
    /// Stop the run.
    Error,
    /// Take another image in its place, count it and report it.
    Skip,
    /// Leave zeros in its place, count it and report it.
    Pad,
}

/// One augmented view of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Its name in the source.
    pub name: String,
    /// Height and width in pixels after all transforms.
    pub size: [usize; 2],
    /// The transforms in order. Empty for a recorded source.
    pub transforms: Vec<Transform>,
}

/// How pixels between pixels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// Antialiased bilinear, as Pillow computes it.
    Bilinear,
    /// Antialiased bicubic (a = -0.5), as Pillow computes it.
    Bicubic,
}

/// How a turned image reads the pixels that it turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// The pixel that the place lies in.
    Nearest,
    /// Between the four pixels around the place.
    Bilinear,
    /// Between the sixteen pixels around the place.
    Bicubic,
}

/// Which RandAugment: the operations, and what a magnitude means to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// torchvision's: 14 operations, 31 magnitudes 0..=30, each applied.
    Torchvision,
    /// timm's `inc1`: 15 operations, magnitudes 0..=10, each applied with
    /// probability 0.5, filter drawn of bilinear and bicubic.
    Timm,
}

/// What stands in an erased rectangle, of normalised values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Erased {
    /// 0: the mean of the data.
    Zero,
    /// A standard normal number for each value.
    Noise,
}

/// One image transform, with torchvision's meaning of every parameter.
///
/// A pair `[low, high]` is sampled uniformly; equal ends are a constant.
/// Transforms before [`Transform::Normalize`] work on 8-bit RGB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Transform {
    /// torchvision `RandomResizedCrop`: ten tries, then the centre.
    RandomResizedCrop {
        /// Height and width.
        size: [usize; 2],
        /// Share of the area.
        scale: [f64; 2],
        /// Width over height, sampled in its logarithm.
        ratio: [f64; 2],
        /// Resampling filter.
        interpolation: Interpolation,
    },
    /// Resize so that the shorter side is `size`, keeping the aspect.
    Resize {
        /// The shorter side in pixels.
        size: usize,
        /// Resampling filter.
        interpolation: Interpolation,
    },
    /// Cut the centre, padding with zeros where the image is smaller.
    CenterCrop {
        /// Height and width.
        size: [usize; 2],
    },
    /// torchvision `ColorJitter` in random order, applied with probability `p`.
    ColorJitter {
        /// Factor on brightness.
        brightness: [f64; 2],
        /// Factor on contrast.
        contrast: [f64; 2],
        /// Factor on saturation.
        saturation: [f64; 2],
        /// Shift of hue in turns, within -0.5..0.5.
        hue: [f64; 2],
        /// Probability.
        p: f64,
    },
    /// Luminance in all three channels (ITU-R 601-2, as Pillow).
    Grayscale {
        /// Probability.
        p: f64,
    },
    /// Pillow's `GaussianBlur`, radius = sigma.
    GaussianBlur {
        /// Standard deviation in pixels.
        sigma: [f64; 2],
        /// Probability.
        p: f64,
    },
    /// Invert values at or above the threshold.
    Solarize {
        /// 0..=255; 256 never inverts.
        threshold: u16,
        /// Probability.
        p: f64,
    },
    /// Mirror left to right.
    HorizontalFlip {
        /// Probability.
        p: f64,
    },
    /// Mirror top to bottom.
    VerticalFlip {
        /// Probability.
        p: f64,
    },
    /// torchvision `RandomRotation` about the centre, to the size it had.
    Rotation {
        /// Degrees, counter-clockwise.
        degrees: [f64; 2],
        /// How pixels are read.
        sampling: Sampling,
        /// Colour of what lies outside.
        fill: [u8; 3],
        /// Probability.
        p: f64,
    },
    /// Keep the highest bits of every value.
    Posterize {
        /// 0..=8.
        bits: u8,
        /// Probability.
        p: f64,
    },
    /// Level the histogram of every channel (Pillow's `ImageOps.equalize`).
    Equalize {
        /// Probability.
        p: f64,
    },
    /// Stretch every channel to 0..=255 (Pillow's `ImageOps.autocontrast`).
    Autocontrast {
        /// Probability.
        p: f64,
    },
    /// 255 less every value.
    Invert {
        /// Probability.
        p: f64,
    },
    /// Pillow's `ImageEnhance.Sharpness`.
    Sharpness {
        /// 0 is smoothed, 1 changes nothing.
        factor: [f64; 2],
        /// Probability.
        p: f64,
    },
    /// RandAugment (Cubuk et al. 2020): operations drawn one after the other.
    RandAugment {
        /// Whose.
        policy: Policy,
        /// Operations of one image.
        ops: usize,
        /// Strength, 0..=30 of torchvision's, 0..=10 of timm's.
        magnitude: f64,
        /// Standard deviation of the strength; timm's only.
        magnitude_std: f64,
        /// Colour of what lies outside a turned image.
        fill: [u8; 3],
        /// Probability.
        p: f64,
    },
    /// One of grayscale, solarize and Gaussian blur, each as likely (Touvron
    /// et al., "DeiT III", 2022).
    ThreeAugment {
        /// Standard deviation of the blur in pixels.
        sigma: [f64; 2],
        /// Threshold of solarize.
        threshold: u16,
        /// Probability.
        p: f64,
    },
    /// `(value / 255 - mean) / std` for each channel.
    Normalize {
        /// Mean in 0..1.
        mean: [f64; 3],
        /// Standard deviation.
        std: [f64; 3],
    },
    /// torchvision `RandomErasing` on values as they leave the view: after
    /// [`Transform::Normalize`], at the end.
    RandomErasing {
        /// Share of the area.
        scale: [f64; 2],
        /// Height over width, sampled in its logarithm.
        ratio: [f64; 2],
        /// What stands there then.
        value: Erased,
        /// Probability.
        p: f64,
    },
}
