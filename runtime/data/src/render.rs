//! From one sample to its views: load once, draw, apply.

use crate::DataError;
use crate::decode::Unreadable;
use crate::image::Region;
use crate::philox::Stream;
use crate::pipeline::Tools;
use crate::report::CorruptFile;
use crate::source::{Images, Loaded};
use crate::transform::{Decoded, Recipe, region};

/// Write the views of a sample into their targets, one for each recipe;
/// `streams` gives the random numbers of a view.
///
/// # Errors
/// A view that cannot be made of the image. An image that cannot be read is
/// the inner error.
pub(crate) fn render(
    images: &Images,
    sample: u32,
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
        let regions = drawn.iter().map(|operations| region(operations, size));
        regions
            .reduce(Region::union)
            .unwrap_or(Region::whole(size[1], size[0]))
    });
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(unreadable) => return Ok(Err(corrupt(images, sample, &unreadable))),
    };
    let (image, origin) = match &loaded {
        Loaded::Kept(image) => (*image, [0, 0]),
        Loaded::Part(image, origin) => (image, *origin),
    };
    let decoded = Decoded {
        image,
        origin,
        size,
    };
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
