//! A data source, opened: what it holds, and the ways to read it.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use ssl_plan::{Data, OnCorrupt, Source, Transform, View};

use crate::report::{CorruptFile, CorruptReport};
use crate::source::{Folder, Images, Recorded, class_index, digits, images};
use crate::{DataError, Evaluation, Loader};

/// What a source holds, found without decoding an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Training images; for recorded views, steps times batch.
    pub samples: usize,
    /// Class names in label order, where the source has labels.
    pub classes: Option<Vec<String>>,
    /// Held-out labelled images, where the source has them.
    pub held_out: Option<usize>,
    /// For recorded views, what the file holds.
    pub recorded: Option<RecordedProbe>,
}

/// What a file of recorded views holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedProbe {
    /// Steps, S.
    pub steps: usize,
    /// Images per step, B.
    pub batch: usize,
    /// Name, and height and width, of each view, ordered by name.
    pub views: Vec<(String, [usize; 2])>,
}

/// The images that a run trains on or is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// What the networks learn from.
    Train,
    /// What they never see.
    HeldOut,
}

/// What a source holds. Reads names and headers, no image.
///
/// # Errors
/// The source is missing, empty or unfit: see [`DataError`].
pub fn probe(source: &Source) -> Result<Probe, DataError> {
    match source {
        Source::Digits => Ok(Probe {
            samples: digits::TRAIN,
            classes: Some(digits::classes()),
            held_out: Some(digits::HELD_OUT),
            recorded: None,
        }),
        Source::ImageFolder { path, test } => {
            let (train, held_out) = folders(path, test.as_deref())?;
            Ok(Probe {
                samples: train.files.len(),
                classes: train.classes.as_deref().map(class_names),
                held_out: held_out.map(|folder| folder.files.len()),
                recorded: None,
            })
        }
        Source::Recorded { path } => {
            let recorded = Recorded::open(Path::new(path))?;
            Ok(Probe {
                samples: recorded.steps * recorded.batch,
                classes: None,
                held_out: None,
                recorded: Some(RecordedProbe {
                    steps: recorded.steps,
                    batch: recorded.batch,
                    views: recorded
                        .views
                        .iter()
                        .map(|view| (view.name.clone(), view.size))
                        .collect(),
                }),
            })
        }
    }
}

/// Heights and widths of images of a folder, as their headers have them: of
/// at most `most`, spread evenly over its files. Unreadable ones are left out.
///
/// # Errors
/// The folder is missing, empty or unfit: see [`DataError`].
pub fn sizes(folder: &Path, most: usize) -> Result<Vec<[usize; 2]>, DataError> {
    let files = Folder::walk(folder)?.files;
    let step = files.len().div_ceil(most.max(1)).max(1);
    let mut bytes = Vec::new();
    let size = |file: &std::path::PathBuf| images::size(&folder.join(file), &mut bytes).ok();
    Ok(files.iter().step_by(step).filter_map(size).collect())
}

/// An opened source. A clone shares everything.
#[derive(Clone)]
pub struct Dataset {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) content: Content,
    pub(crate) batch: usize,
    pub(crate) on_corrupt: OnCorrupt,
    /// Fraction of a split that may be unreadable under [`OnCorrupt::Skip`].
    pub(crate) max_corrupt: f64,
    classes: Option<Vec<String>>,
}

pub(crate) enum Content {
    Images {
        train: Images,
        held_out: Option<Images>,
    },
    Recorded(Recorded),
}

impl Inner {
    /// The images of a split.
    pub(crate) fn images(&self, split: Split) -> Result<&Images, DataError> {
        match (&self.content, split) {
            (Content::Images { train, .. }, Split::Train) => Ok(train),
            (Content::Images { held_out, .. }, Split::HeldOut) => {
                held_out.as_ref().ok_or(DataError::Absent {
                    what: "held-out images",
                    way_out: "give `image_folder` a `test` folder",
                })
            }
            (Content::Recorded(_), _) => Err(DataError::Absent {
                what: "images, only recorded views",
                way_out: "leave the evaluation out",
            }),
        }
    }
}

impl Dataset {
    /// Open a source as a plan describes it.
    ///
    /// # Errors
    /// What [`probe`] finds, a set that is not the plan's, and a batch that
    /// the set cannot fill.
    pub fn open(data: &Data) -> Result<Self, DataError> {
        let (content, classes) = match &data.source {
            Source::Digits => {
                let (mut images, mut labels): (Vec<_>, Vec<_>) =
                    digits::read()?.into_iter().unzip();
                let held_out = Images::in_memory(
                    images.split_off(digits::TRAIN),
                    labels.split_off(digits::TRAIN),
                );
                let content = Content::Images {
                    train: Images::in_memory(images, labels),
                    held_out: Some(held_out),
                };
                (content, Some(digits::classes()))
            }
            Source::ImageFolder { path, test } => {
                let (train, held_out) = folders(path, test.as_deref())?;
                let classes = train.classes.clone();
                let images = |folder: Folder| {
                    let labels = classes.as_deref().and_then(|classes| {
                        let label = |file| class_index(file, classes).map(|label| label as u32);
                        folder.files.iter().map(|file| label(file)).collect()
                    });
                    Images::in_files(folder.root, folder.files, labels)
                };
                let content = Content::Images {
                    train: images(train),
                    held_out: held_out.map(images),
                };
                (content, classes.as_deref().map(class_names))
            }
            Source::Recorded { path } => {
                (Content::Recorded(Recorded::open(Path::new(path))?), None)
            }
        };
        let (samples, held_out) = match &content {
            Content::Images { train, held_out } => {
                (train.len(), held_out.as_ref().map(Images::len))
            }
            Content::Recorded(recorded) => (recorded.steps * recorded.batch, None),
        };
        let same = |what, planned: usize, found: usize| {
            if planned == found {
                Ok(())
            } else {
                Err(DataError::Changed {
                    what,
                    planned,
                    found,
                })
            }
        };
        same("training images", data.samples, samples)?;
        same(
            "held-out images",
            data.held_out.unwrap_or(0),
            held_out.unwrap_or(0),
        )?;
        if let Content::Recorded(recorded) = &content {
            same("images per recorded step", data.batch, recorded.batch)?;
        } else if data.batch == 0 || data.batch > samples {
            return Err(DataError::BatchTooLarge {
                batch: data.batch,
                samples,
            });
        }
        Ok(Dataset {
            inner: Arc::new(Inner {
                content,
                batch: data.batch,
                on_corrupt: data.on_corrupt,
                max_corrupt: data.max_corrupt,
                classes,
            }),
        })
    }

    /// Batches of training views for the steps `first_step..last_step`, made
    /// by `workers` threads (0: one for each core) ahead of their use.
    ///
    /// The batches depend on the data, the views, the seed and the step
    /// alone: not on the number of workers, nor on the first step. What is
    /// wrong with the views is the first item.
    pub fn loader(
        &self,
        views: &[View],
        seed: u64,
        first_step: usize,
        last_step: usize,
        workers: usize,
    ) -> Loader {
        Loader::new(
            self.inner.clone(),
            views,
            seed,
            first_step..last_step,
            workers,
        )
    }

    /// All images of a split in order, in batches of `batch` (the last may be
    /// smaller), through transforms without chance to `size` (height and
    /// width). Under [`OnCorrupt::Skip`] an unreadable image is left out.
    ///
    /// What is wrong with the request is the first item.
    pub fn evaluation(
        &self,
        split: Split,
        transforms: &[Transform],
        size: [usize; 2],
        batch: usize,
    ) -> Evaluation {
        Evaluation::new(self.inner.clone(), split, transforms, size, batch)
    }

    pub(crate) fn images(&self, split: Split) -> Result<&Images, DataError> {
        self.inner.images(split)
    }

    /// An error where more images of a split are unreadable than allowed.
    pub(crate) fn tolerable(&self, split: Split, broken: &[CorruptFile]) -> Result<(), DataError> {
        let mut report = CorruptReport::default();
        for file in broken {
            report.add(vec![file.clone()]);
        }
        report.check(self.len(split), self.inner.max_corrupt)
    }

    /// The labels of a split in order of its images, where it has any.
    pub fn labels(&self, split: Split) -> Option<&[u32]> {
        self.inner.images(split).ok()?.labels()
    }

    /// Class names in label order, where the source has labels.
    pub fn classes(&self) -> Option<&[String]> {
        self.inner.classes.as_deref()
    }

    /// The number of images of a split.
    pub fn len(&self, split: Split) -> usize {
        self.inner.images(split).map_or(0, Images::len)
    }

    /// Whether a split has no images.
    pub fn is_empty(&self, split: Split) -> bool {
        self.len(split) == 0
    }
}

/// The folders of a source, checked against each other.
fn folders(path: &str, test: Option<&str>) -> Result<(Folder, Option<Folder>), DataError> {
    let train = Folder::walk(Path::new(path))?;
    if train.files.len() == 1 {
        return Err(DataError::OneImage { path: train.root });
    }
    let Some(test) = test else {
        return Ok((train, None));
    };
    let held_out = Folder::walk(Path::new(test))?;
    let Some(known) = &train.classes else {
        return Err(DataError::NoClasses { path: train.root });
    };
    let Some(classes) = &held_out.classes else {
        return Err(DataError::NoClasses {
            path: held_out.root,
        });
    };
    if let Some(class) = classes.iter().find(|class| !known.contains(class)) {
        return Err(DataError::HeldOutClass {
            path: held_out.root,
            class: class.to_string_lossy().into_owned(),
            known: class_list(known),
        });
    }
    Ok((train, Some(held_out)))
}

fn class_names(classes: &[OsString]) -> Vec<String> {
    classes
        .iter()
        .map(|class| class.to_string_lossy().into_owned())
        .collect()
}

/// Class names for a message: not more than a line.
fn class_list(classes: &[OsString]) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<_> = classes
        .iter()
        .take(SHOWN)
        .map(|class| format!("`{}`", class.to_string_lossy()))
        .collect();
    if classes.len() > SHOWN {
        names.push(format!("and {} more", classes.len() - SHOWN));
    }
    names.join(", ")
}
