//! From one sample to its views: load once, draw, apply.

use crate::DataError;
use crate::decode::Unreadable;
use crate::image::{Place, Region, Wanted};
use crate::philox::Stream;
use crate::pipeline::Tools;
use crate::report::CorruptFile;
use crate::source::{Images, Loaded};
use crate::transform::{Decoded, Recipe, wanted};

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
    let loaded = images.load(sample, &mut tools.bytes, |found| {
        size = found;
        drawn.extend((0..).zip(recipes).map(|(i, r)| r.draw(&streams(i), size)));
        // One decode serves all views.
        let parts = drawn.iter().map(|operations| wanted(operations, size));
        let all = Wanted::exact(Region::whole(size[1], size[0]));
        let found = parts.reduce(Wanted::and).unwrap_or(all);
        Wanted {
            eighths: if fast { found.eighths } else { 8 },
            ..found
        }
    });
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(unreadable) => return Ok(Err(corrupt(images, sample, &unreadable))),
    };
    let (image, place) = match &loaded {
        Loaded::Kept(image) => (*image, Place::WHOLE),
        Loaded::Part(image, place) => (image, *place),
    };
    let decoded = Decoded { image, place, size };
    for ((recipe, operations), target) in recipes.iter().zip(&drawn).zip(targets) {
        recipe.apply(&decoded, operations, &mut tools.work, target)?;
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
