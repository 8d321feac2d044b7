//! A data source, opened: what it holds, and the ways to read it.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ssl_plan::{Data, Decode, OnCorrupt, PackedShards, Source, Transform, View};

use crate::pack::{Look, packs};
use crate::report::{CorruptFile, CorruptReport};
use crate::source::watch::Watch;
use crate::source::{
    self, Folder, Images, Labels, Portion, Reading, Recorded, RecordedView, images,
};
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
    /// The packed shards among the sources, in their order.
    pub packs: Vec<PackedShards>,
}

impl Probe {
    /// The source with what was found in it, `batch` images a step, and what a
    /// file means that says nothing more.
    pub fn data(self, source: Source, batch: usize) -> Data {
        Data {
            classes: self.classes,
            held_out: self.held_out,
            packs: self.packs,
            ..Data::new(source, self.samples, batch)
        }
    }
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

/// What a source holds. Reads names and headers, no image; of a benchmark set
/// that is kept in memory, all of it.
///
/// # Errors
/// The source is missing, empty or unfit: see [`DataError`]. One of whose files
/// does not answer for two minutes is given up.
pub fn probe(source: &Source) -> Result<Probe, DataError> {
    probe_within(source, STALL_LIMIT)
}

/// As [`probe`], with the time that one look at the disk may take.
///
/// # Errors
/// As [`probe`].
pub fn probe_within(source: &Source, stall_limit: Duration) -> Result<Probe, DataError> {
    let source = source.clone();
    patiently(stall_limit, move || {
        if let Source::Recorded { path } = &source {
            let recorded = Recorded::open(Path::new(path))?;
            let view = |view: &RecordedView| (view.name.clone(), view.size);
            return Ok(Probe {
                samples: recorded.steps * recorded.batch,
                classes: None,
                held_out: None,
                recorded: Some(RecordedProbe {
                    steps: recorded.steps,
                    batch: recorded.batch,
                    views: recorded.views.iter().map(view).collect(),
                }),
                packs: Vec::new(),
            });
        }
        let opened = source::open(&source)?;
        Ok(Probe {
            samples: opened.slots(),
            held_out: opened.held_out(),
            classes: opened.labels.map(|labels| labels.classes),
            recorded: None,
            packs: packs(&source, Look::Ends)?,
        })
    })
}

/// The packed shards of a source with all of their bytes compared with what
/// was packed, where a probe compares lengths and the ends of the members.
///
/// # Errors
/// A pattern that names no file, a disk that does not answer for so long.
pub fn verify(source: &Source, stall_limit: Duration) -> Result<Vec<PackedShards>, DataError> {
    let source = source.clone();
    patiently(stall_limit, move || packs(&source, Look::Whole))
}

/// How long one look at the disk may take where no plan says it.
const STALL_LIMIT: Duration = Duration::from_secs(120);

/// Call something that looks at the disk on a thread of its own, and leave it
/// behind where one look takes longer than allowed. All looks together may
/// take their time.
fn patiently<T: Send + 'static>(
    stall_limit: Duration,
    open: impl FnOnce() -> Result<T, DataError> + Send + 'static,
) -> Result<T, DataError> {
    let watch = Watch::default();
    let own = watch.clone();
    let (done, answer) = mpsc::channel();
    std::thread::Builder::new()
        .name("opener".into())
        .spawn(move || {
            let _entered = Watch::enter(Some(own));
            let _ = done.send(open());
        })
        .map_err(DataError::Threads)?;
    let look = (stall_limit / 8).clamp(Duration::from_millis(1), Duration::from_millis(250));
    loop {
        match answer.recv_timeout(look) {
            Ok(opened) => return opened,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                if let Some((path, time)) = watch.stalled(stall_limit) {
                    return Err(DataError::Stalled {
                        path: path.display().to_string(),
                        seconds: time.as_secs(),
                    });
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(DataError::Defect {
                    place: "the source".into(),
                    message: "it could not be opened".into(),
                });
            }
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
    share: Share,
}

/// Which positions of a batch are made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) rank: usize,
    pub(crate) world: usize,
}

pub(crate) struct Inner {
    pub(crate) content: Content,
    pub(crate) batch: usize,
    pub(crate) on_corrupt: OnCorrupt,
    /// Fraction of a split that may be unreadable under [`OnCorrupt::Skip`].
    pub(crate) max_corrupt: f64,
    /// Whether training views are made of JPEGs decoded at less than their size.
    pub(crate) fast: bool,
    /// How long one image may take.
    pub(crate) stall_limit: Duration,
    classes: Option<Vec<String>>,
}

pub(crate) enum Content {
    Images {
        train: Images,
        held_out: Option<Images>,
        /// Where the source is a mix.
        mix: Option<Vec<Portion>>,
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
                    way_out: "give the source held-out images: `test: ...`",
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
        let stall_limit = Duration::try_from_secs_f64(data.stall_limit).unwrap_or(Duration::MAX);
        let fast = data.decode == Decode::Fast;
        let (content, classes, samples, held_out) = match &data.source {
            Source::Recorded { path } => {
                let path = path.clone();
                let recorded = patiently(stall_limit, move || Recorded::open(Path::new(&path)))?;
                let samples = recorded.steps * recorded.batch;
                (Content::Recorded(recorded), None, samples, None)
            }
            source => {
                let source = source.clone();
                let (opened, found) = patiently(stall_limit, move || {
                    Ok((source::open(&source)?, packs(&source, Look::Ends)?))
                })?;
                same_packs(&data.packs, &found)?;
                let (slots, held_out) = (opened.slots(), opened.held_out());
                let classes = opened.labels.as_ref().map(|labels| labels.classes.clone());
                let how = Reading {
                    exif: data.exif_orientation,
                    fast,
                    cache: usize::try_from(data.cache).unwrap_or(usize::MAX),
                };
                let of = |labels: Option<Labels>| labels.map(|labels| labels.of);
                // No view is made of held-out images.
                let exact = Reading { fast: false, ..how };
                let test = (!opened.held_out.is_empty())
                    .then(|| Images::new(opened.held_out, of(opened.held_out_labels), exact));
                let content = Content::Images {
                    train: Images::new(opened.train, of(opened.labels), how),
                    held_out: test,
                    mix: opened.mix,
                };
                (content, classes, slots, held_out)
            }
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
                fast,
                stall_limit,
                classes,
            }),
            share: Share { rank: 0, world: 1 },
        })
    }

    /// The same data for one of several devices: its loaders make the
    /// positions `rank`, `rank + world`, ... of every batch, and nothing else.
    ///
    /// # Errors
    /// The batch cannot be shared evenly, or there is no such rank.
    pub fn for_rank(&self, rank: usize, world: usize) -> Result<Self, DataError> {
        let batch = self.inner.batch;
        if world == 0 || rank >= world || !batch.is_multiple_of(world) {
            return Err(DataError::Share { batch, world });
        }
        Ok(Dataset {
            inner: self.inner.clone(),
            share: Share { rank, world },
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
            self.share,
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

    /// How long one image may take.
    pub(crate) fn stall_limit(&self) -> Duration {
        self.inner.stall_limit
    }

    /// Whether training views are made of JPEGs decoded at less than their size.
    pub(crate) fn fast(&self) -> bool {
        self.inner.fast
    }

    /// An error where more images of a split are unreadable than allowed.
    pub(crate) fn tolerable(&self, split: Split, broken: &[CorruptFile]) -> Result<(), DataError> {
        if let (OnCorrupt::Error, Some(file)) = (self.inner.on_corrupt, broken.first()) {
            return Err(DataError::Corrupt {
                path: file.path.clone(),
                reason: file.reason.clone(),
            });
        }
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

/// An error where packed shards are not those that the plan was made for.
fn same_packs(planned: &[PackedShards], found: &[PackedShards]) -> Result<(), DataError> {
    if planned == found {
        return Ok(());
    }
    let (planned, found) = planned
        .iter()
        .map(Some)
        .chain(std::iter::repeat(None))
        .zip(found.iter().map(Some).chain(std::iter::repeat(None)))
        .take(planned.len().max(found.len()))
        .find(|(planned, found)| planned != found)
        .unwrap_or_default();
    let folder = planned.or(found).map(|pack| pack.folder.clone());
    let told = |pack: Option<&PackedShards>| match pack {
        Some(pack) if pack.changed.is_empty() => {
            format!("pack {} ({})", pack.name(), pack.form)
        }
        Some(pack) => format!(
            "pack {} with `{}` changed",
            pack.name(),
            pack.changed.join("`, `")
        ),
        None => "no pack".to_owned(),
    };
    Err(DataError::OtherPack {
        folder: folder.unwrap_or_default(),
        planned: told(planned),
        found: told(found),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::source::watch;

    const LIMIT: Duration = Duration::from_millis(400);

    /// A mount whose answers come slowly is waited for, whatever they take
    /// together, and so is work that looks at nothing; one that never answers
    /// is told by the file, on whichever thread.
    #[test]
    fn a_source_that_stalls_while_it_is_opened_is_told() {
        let slow = patiently(LIMIT, || {
            watch::at(Path::new("/mnt/far"));
            for _ in 0..8 {
                std::thread::sleep(LIMIT / 4);
                watch::on();
            }
            watch::rest();
            std::thread::sleep(LIMIT * 2);
            Ok(7)
        });
        assert_eq!(slow.unwrap(), 7);

        let start = Instant::now();
        let stalled = patiently(LIMIT, || {
            let watch = Watch::current();
            watch::rest();
            let reader = std::thread::spawn(move || {
                let _entered = Watch::enter(watch);
                watch::at(Path::new("/mnt/far/s-1.tar"));
                std::thread::sleep(Duration::from_secs(30));
            });
            reader
                .join()
                .map_err(|_| DataError::Share { batch: 0, world: 0 })
        });
        match stalled {
            Err(DataError::Stalled { path, .. }) => assert_eq!(path, "/mnt/far/s-1.tar"),
            other => panic!("{other:?}"),
        }
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
