//! Operations, carried out: on rows as they come from the decoder, and then
//! on the image that a leading crop or resize has made of them.

use ssl_plan::Interpolation;

use super::band::Band;
use super::resample::Resizer;
use super::{Operation, blur, color, crop, erase, tone, warp};
use crate::image::{Place, Planes, Region};

/// The part of an image that is decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Height and width of the whole image.
    pub(crate) size: [usize; 2],
    /// Height and width of what is decoded.
    pub(crate) sides: [usize; 2],
    /// Where that lies in the whole.
    pub(crate) place: Place,
}

impl Frame {
    /// All of an image of a height and width.
    pub(crate) fn whole(size: [usize; 2]) -> Self {
        Frame {
            size,
            sides: size,
            place: Place::WHOLE,
        }
    }

    /// The decoded pixels that a region of the whole touches, and where its
    /// edges lie among them: at whole pixels where nothing was shrunk.
    fn part(&self, region: Region) -> (Region, [[f64; 2]; 2]) {
        let edges = self.place.edges(region);
        let [(top, height), (left, width)] = [0, 1].map(|axis| {
            let [from, to] = edges[axis];
            let first = (from.floor().max(0.0) as usize).min(self.sides[axis].saturating_sub(1));
            let end = (to.ceil() as usize).clamp(first + 1, self.sides[axis].max(1));
            (first, end - first)
        });
        let within = |[from, to]: [f64; 2], first: usize| [from - first as f64, to - first as f64];
        let part = Region {
            top,
            left,
            height,
            width,
        };
        (part, [within(edges[0], top), within(edges[1], left)])
    }
}

/// Buffers of one worker: an augmentation allocates nothing once they have
/// grown.
#[derive(Debug, Default)]
pub(crate) struct Work {
    band: Band,
    views: Vec<Growing>,
    /// Views of the present image.
    begun: usize,
    steps: Steps,
}

/// A view's image, which grows as rows come.
#[derive(Debug, Default)]
struct Growing {
    image: Planes,
    resizer: Resizer,
    /// Whether the rows are resampled, or taken as they are.
    resamples: bool,
    /// The mirror that has been made with the resampling.
    mirrored: Option<usize>,
}

impl Work {
    /// Begin views of an image, one for each list of operations.
    pub(crate) fn begin<'a>(
        &mut self,
        views: impl IntoIterator<Item = &'a [Operation]>,
        frame: Frame,
    ) {
        self.begun = 0;
        for operations in views {
            if self.views.len() == self.begun {
                self.views.push(Growing::default());
            }
            let view = &mut self.views[self.begun];
            self.begun += 1;
            let first = operations.first().and_then(|o| leading(o, frame.size));
            view.resamples = first.is_some();
            view.mirrored = None;
            match first {
                Some((region, size, interpolation)) => {
                    let (part, edges) = frame.part(region);
                    let image = &mut view.image;
                    view.resizer.start(part, edges, size, interpolation, image);
                    view.mirrored = early_mirror(operations);
                    if view.mirrored.is_some() {
                        view.resizer.mirror();
                    }
                }
                None => view.image.resize(frame.sides),
            }
        }
    }

    /// Take all rows of the frame that the views were begun with, each written
    /// by `read`.
    ///
    /// # Errors
    /// That of `read`.
    pub(crate) fn take<E>(
        &mut self,
        frame: Frame,
        read: impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let views = &mut self.views[..self.begun];
        let resamples = views.iter().any(|view| view.resamples);
        self.band.each(frame.sides, read, |band| {
            if resamples {
                band.turn();
            }
            for view in &mut *views {
                if view.resamples {
                    view.resizer.take(band, &mut view.image);
                } else {
                    view.image.copy(band.place().start, band.rows());
                }
            }
        })
    }

    /// Do the operations that a view was begun with, now that it has its rows.
    pub(crate) fn finish(&mut self, view: usize, operations: &[Operation]) -> &Planes {
        let view = &mut self.views[view];
        for (i, operation) in operations.iter().enumerate() {
            let done = view.resamples && i == 0 || view.mirrored == Some(i);
            if !done {
                self.steps.step(operation, &mut view.image);
            }
        }
        &view.image
    }
}

/// A mirror that may as well be made right after the first operation: all
/// between them treat left and right alike.
fn early_mirror(operations: &[Operation]) -> Option<usize> {
    let alike = |operation: &Operation| {
        matches!(
            operation,
            Operation::Brightness { .. }
                | Operation::Contrast { .. }
                | Operation::Saturation { .. }
                | Operation::Hue { .. }
                | Operation::Grayscale
                | Operation::GaussianBlur { .. }
                | Operation::Solarize { .. }
        )
    };
    let mut rest = operations.iter().enumerate().skip(1);
    let (i, found) = rest.find(|(_, operation)| !alike(operation))?;
    (*found == Operation::HorizontalFlip).then_some(i)
}

/// What is cut and resampled by an operation that can be done on decoded rows.
fn leading(
    operation: &Operation,
    [height, width]: [usize; 2],
) -> Option<(Region, [usize; 2], Interpolation)> {
    match *operation {
        Operation::ResizedCrop {
            region,
            size,
            interpolation,
        } => Some((region, size, interpolation)),
        Operation::Resize {
            size,
            interpolation,
        } => Some((Region::whole(width, height), size, interpolation)),
        _ => None,
    }
}

/// Buffers of the operations on whole images.
#[derive(Debug, Default)]
struct Steps {
    other: Planes,
    blur: blur::BlurWork,
    band: Band,
    resizer: Resizer,
}

impl Steps {
    fn resize(
        &mut self,
        region: Region,
        size: [usize; 2],
        interpolation: Interpolation,
        image: &mut Planes,
    ) {
        let source = image.to_rgb();
        let part = source.part(region);
        let band = &mut self.band;
        self.resizer.all(part, size, interpolation, band, image);
    }

    fn step(&mut self, operation: &Operation, image: &mut Planes) {
        match *operation {
            // As a first step they are done on the decoded rows; here they are
            // rare.
            Operation::ResizedCrop {
                region,
                size,
                interpolation,
            } => self.resize(region, size, interpolation, image),
            Operation::Resize {
                size,
                interpolation,
            } => {
                let whole = Region::whole(image.width, image.height);
                self.resize(whole, size, interpolation, image);
            }
            Operation::CenterCrop { size } => {
                crop::center(image, size, &mut self.other);
                std::mem::swap(image, &mut self.other);
            }
            Operation::Brightness { factor } => color::brightness(image, factor),
            Operation::Contrast { factor } => color::contrast(image, factor),
            Operation::Saturation { factor } => color::saturation(image, factor),
            Operation::Hue { turns } => color::hue(image, turns),
            Operation::Grayscale => color::grayscale(image),
            Operation::GaussianBlur { sigma } => {
                blur::gaussian_blur(image, sigma, &mut self.blur);
            }
            Operation::Solarize { threshold } => color::solarize(image, threshold),
            Operation::SolarizeAdd { add } => {
                color::map(image, |v| if v < 128 { v.saturating_add(add) } else { v });
            }
            Operation::Posterize { bits } => {
                let mask = u8::MAX.checked_shl(8 - u32::from(bits.min(8))).unwrap_or(0);
                color::map(image, |v| v & mask);
            }
            Operation::Equalize => tone::equalize(image),
            Operation::Autocontrast => tone::autocontrast(image),
            Operation::Invert => color::map(image, |v| 255 - v),
            Operation::Sharpness { factor } => tone::sharpness(image, factor, &mut self.other),
            Operation::Rotate {
                degrees,
                sampling,
                fill,
            } => {
                warp::rotate(image, degrees, sampling, fill, &mut self.other);
                std::mem::swap(image, &mut self.other);
            }
            Operation::Affine {
                matrix,
                sampling,
                fill,
            } => {
                warp::affine(image, &matrix, sampling, fill, &mut self.other);
                std::mem::swap(image, &mut self.other);
            }
            Operation::HorizontalFlip => crop::flip(image),
            Operation::VerticalFlip => crop::flip_down(image),
            Operation::Erase { region, .. } => erase::blacken(image, region),
        }
    }
}
