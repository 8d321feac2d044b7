//! An image beside its views, for the eye.

use ssl_plan::View;

use crate::crew::Crew;
use crate::dataset::Split;
use crate::image::Rgb;
use crate::philox::Philox;
use crate::pipeline::Tools;
use crate::render::render;
use crate::source::Loaded;
use crate::transform::Recipe;
use crate::{DataError, Dataset};

/// A training image and what a step makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// How messages name the image.
    pub name: String,
    /// The image, or why it cannot be read.
    pub image: Result<Rgb, String>,
    /// Its views in the order of the plan; none of a broken image. The floats
    /// of the batch, turned back to 8 bits.
    pub views: Vec<Rgb>,
}

impl Dataset {
    /// The views of a training image in an epoch, as the loader of that seed
    /// makes them.
    ///
    /// # Errors
    /// The source holds no images, or one that takes longer than the plan's
    /// `stall_limit`; a view cannot be made.
    pub fn preview(
        &self,
        views: &[View],
        seed: u64,
        epoch: u32,
        sample: u32,
    ) -> Result<Preview, DataError> {
        let images = self.images(Split::Train)?;
        let recipes: Vec<Recipe> = views.iter().map(Recipe::new).collect::<Result<_, _>>()?;
        let crew = Crew {
            workers: 1,
            stall_limit: self.stall_limit(),
            name: &|sample| images.whereabouts(sample),
        };
        let dataset = self.clone();
        let look = move |sample, seen: &mut Option<_>| {
            *seen = Some(dataset.previewed(&recipes, seed, epoch, sample));
        };
        let seen = crew.each(vec![sample], look, &mut |_| true)?;
        let seen = seen.into_iter().flatten().flatten().next();
        seen.unwrap_or_else(|| {
            Err(DataError::Defect {
                place: images.whereabouts(sample),
                message: "nothing came of it".into(),
            })
        })
    }

    fn previewed(
        &self,
        recipes: &[Recipe],
        seed: u64,
        epoch: u32,
        sample: u32,
    ) -> Result<Preview, DataError> {
        let images = self.images(Split::Train)?;
        let mut tools = Tools::default();
        let name = images.name(sample);
        let image = match images.load_file(sample, &mut tools.bytes) {
            Ok(Loaded::Kept(image)) => image.clone(),
            Ok(Loaded::Part(image, _)) => image,
            Err(unreadable) => {
                return Ok(Preview {
                    name,
                    image: Err(unreadable.to_string()),
                    views: Vec::new(),
                });
            }
        };
        let philox = Philox::new(seed);
        let streams = |view| philox.stream(epoch, sample, view);
        let mut buffers: Vec<Vec<f32>> = recipes.iter().map(|r| vec![0.0; r.len()]).collect();
        let mut targets: Vec<&mut [f32]> = buffers.iter_mut().map(Vec::as_mut_slice).collect();
        let fast = self.fast();
        let made = render(
            images,
            sample,
            fast,
            recipes,
            streams,
            &mut targets,
            &mut tools,
        )?;
        Ok(Preview {
            name,
            image: Ok(image),
            views: match made {
                Ok(()) => recipes
                    .iter()
                    .zip(&buffers)
                    .map(|(r, b)| r.to_rgb(b))
                    .collect(),
                Err(_) => Vec::new(),
            },
        })
    }
}
