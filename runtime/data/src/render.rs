//! From one sample to its views: load once, draw, apply.

use crate::DataError;
use crate::decode::Unreadable;
use crate::image::{Place, Region, Wanted};
use crate::philox::Stream;
use crate::pipeline::Tools;
use crate::report::CorruptFile;
use crate::source::{Coming, Images, Loaded};
use crate::transform::{Frame, Recipe, wanted};

/// Write the views of a sample into their targets, one for each recipe;
/// `streams` gives the random numbers of a view. With `fast` an image is
/// decoded at less than its size where all views shrink it as much anyway.
///
/// # Errors
/// A view that cannot be made of the image. An image that cannot be read is
/// the inner error.
pub(crate) fn render(
    images: &Images,
    sample: u32,
    fast: bool,
    recipes: &[Recipe],
    streams: impl Fn(u32) -> Stream,
    targets: &mut [&mut [f32]],
    tools: &mut Tools,
) -> Result<Result<(), CorruptFile>, DataError> {
    let mut drawn = Vec::with_capacity(recipes.len());
    let mut size = [0, 0];
    let mut part = Region::whole(0, 0);
    let loaded = images.load(sample, &mut tools.bytes, |found| {
        size = found;
        drawn.extend((0..).zip(recipes).map(|(i, r)| r.draw(&streams(i), size)));
        // One decode serves all views.
        let parts = drawn.iter().map(|operations| wanted(operations, size));
        let all = Wanted::exact(Region::whole(size[1], size[0]));
        let found = parts.reduce(Wanted::and).unwrap_or(all);
        part = found.region;
        Wanted {
            eighths: if fast { found.eighths } else { 8 },
            ..found
        }
    });
    let views = || drawn.iter().map(Vec::as_slice);
    let work = &mut tools.work;
    let taken = loaded.and_then(|coming| {
        let loaded = match coming {
            Coming::Rows(mut rows) => {
                let (sides, place) = (rows.sides(), rows.place());
                let frame = Frame { size, sides, place };
                work.begin(views(), frame);
                return work.take(frame, |row| rows.read(row));
            }
            Coming::Here(loaded) => loaded,
        };
        let (image, place) = match &loaded {
            Loaded::Kept(image) => (*image, Place::WHOLE),
            Loaded::Part(image, place) => (image, *place),
        };
        // Of a whole image the part that the views read.
        let (part, place) = if place == Place::WHOLE {
            (image.part(part), Place::exact([part.top, part.left]))
        } else {
            (image.part(Region::whole(image.width, image.height)), place)
        };
        let sides = [part.height, part.width];
        let frame = Frame { size, sides, place };
        work.begin(views(), frame);
        let Ok(()) = work.take(frame, part.reader());
        Ok(())
    });
    if let Err(unreadable) = taken {
        return Ok(Err(corrupt(images, sample, &unreadable)));
    }
    for (i, ((recipe, operations), target)) in recipes.iter().zip(&drawn).zip(targets).enumerate() {
        recipe.finish(i, operations, size, &mut tools.work, target)?;
    }
    Ok(Ok(()))
}

fn corrupt(images: &Images, sample: u32, unreadable: &Unreadable) -> CorruptFile {
    CorruptFile {
        sample,
        path: images.name(sample),
        reason: unreadable.to_string(),
    }
}
