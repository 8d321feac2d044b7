//! From a plan's source to its images.

use std::path::{Path, PathBuf};

use ssl_plan::Source;

use super::files::{Files, expand};
use super::folder::{Folder, class_index};
use super::looks::looks_like;
use super::set::{Labels, Set, Splits, fits, join};
use super::{bench, digits, hdf5, list, parquet, shards, watch};
use crate::DataError;

/// A source of images, opened.
pub(crate) struct Opened {
    /// Training sets in a row.
    pub(crate) train: Vec<Set>,
    /// Labels of the training images, over all sets.
    pub(crate) labels: Option<Labels>,
    /// Held-out sets in a row.
    pub(crate) held_out: Vec<Set>,
    /// Their labels, in the numbering of the training images.
    pub(crate) held_out_labels: Option<Labels>,
    /// Where the source is a mix, how much each part gives to an epoch.
    pub(crate) mix: Option<Vec<Portion>>,
}

/// A part of a mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Portion {
    /// Its images.
    pub(crate) images: usize,
    /// Images that an epoch takes of it.
    pub(crate) slots: usize,
}

impl Opened {
    /// Training images.
    pub(crate) fn images(&self) -> usize {
        self.train.iter().map(|set| set.store.len()).sum()
    }

    /// Training images of an epoch.
    pub(crate) fn slots(&self) -> usize {
        match &self.mix {
            Some(portions) => portions.iter().map(|portion| portion.slots).sum(),
            None => self.images(),
        }
    }

    /// Held-out images, where there are any.
    pub(crate) fn held_out(&self) -> Option<usize> {
        let count: usize = self.held_out.iter().map(|set| set.store.len()).sum();
        (!self.held_out.is_empty()).then_some(count)
    }
}

/// Open a source of images; [`Source::Recorded`] is none.
///
/// # Errors
/// It is missing, something else, empty or damaged.
pub(crate) fn open(source: &Source) -> Result<Opened, DataError> {
    let (parts, shares) = match source {
        Source::Mix {
            sources,
            weights,
            samples,
        } => (sources.as_slice(), Some((weights, *samples))),
        other => (std::slice::from_ref(other), None),
    };
    let mut train = Vec::new();
    let mut held_out = Vec::new();
    let mut counts = Vec::new();
    for part in parts {
        let sources = match part {
            Source::Concat { sources } => sources.as_slice(),
            other => std::slice::from_ref(other),
        };
        let before: usize = train.iter().map(|set: &Set| set.store.len()).sum();
        for source in sources {
            let splits = one(source)?;
            train.push(splits.train);
            held_out.extend(splits.held_out);
        }
        let after: usize = train.iter().map(|set| set.store.len()).sum();
        counts.push(after - before);
    }
    let labels = join(train.iter().map(|set| set.labels.as_ref()), None);
    let known = labels.as_ref().map(|labels| labels.classes.as_slice());
    let held_out_labels = match known {
        Some(known) => join(held_out.iter().map(|set| set.labels.as_ref()), Some(known))
            .filter(|labels| labels.classes.len() == known.len()),
        None => None,
    };
    // Without labels on both sides a held-out set judges nothing.
    if held_out_labels.is_none() {
        held_out.clear();
    }
    let mix = match shares {
        Some((weights, samples)) => {
            let total = samples.unwrap_or_else(|| counts.iter().sum());
            Some(portions(&counts, weights, total)?)
        }
        None => None,
    };
    let opened = Opened {
        train,
        labels,
        held_out,
        held_out_labels,
        mix,
    };
    if u32::try_from(opened.images().max(opened.slots())).is_err() {
        return Err(DataError::Source {
            path: PathBuf::new(),
            problem: "the data has more than 4,294,967,295 images".into(),
        });
    }
    Ok(opened)
}

/// How many of an epoch's slots each part of a mix gets: in proportion to its
/// weight, the largest remainders rounded up.
fn portions(images: &[usize], weights: &[f64], total: usize) -> Result<Vec<Portion>, DataError> {
    let sum: f64 = weights.iter().sum();
    let sane = weights.len() == images.len()
        && weights.iter().all(|w| w.is_finite() && *w >= 0.0)
        && sum.is_finite()
        && sum > 0.0;
    if !sane {
        return Err(DataError::Source {
            path: PathBuf::new(),
            problem: "`mix` takes one weight for each source, none below 0; mend `weights`".into(),
        });
    }
    let exact: Vec<f64> = weights.iter().map(|w| w / sum * total as f64).collect();
    let mut slots: Vec<usize> = exact.iter().map(|x| x.floor() as usize).collect();
    let mut order: Vec<usize> = (0..exact.len()).collect();
    order.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()));
    let left = total.saturating_sub(slots.iter().sum());
    for at in order.into_iter().take(left) {
        slots[at] += 1;
    }
    let portion = |(images, slots): (&usize, usize)| Portion {
        images: *images,
        slots,
    };
    Ok(images.iter().zip(slots).map(portion).collect())
}

fn one(source: &Source) -> Result<Splits, DataError> {
    let missing = |path: &str| exists(Path::new(path));
    match source {
        Source::Digits => {
            let (mut images, mut of): (Vec<_>, Vec<_>) = digits::read()?.into_iter().unzip();
            let set = |images, of| {
                let classes = digits::classes();
                Set::in_memory(images, Some(Labels { classes, of }))
            };
            let held_out = set(images.split_off(digits::TRAIN), of.split_off(digits::TRAIN));
            Ok(Splits {
                train: set(images, of),
                held_out: Some(held_out),
            })
        }
        Source::ImageFolder { path, test } => folders(path, test.as_deref()),
        Source::List {
            path,
            root,
            image,
            label,
            test,
        } => {
            let open = |path: &String| {
                is_file(path, "a list of image files")?;
                list::open(
                    Path::new(path),
                    root.as_deref().map(Path::new),
                    image.as_deref(),
                    label.as_deref(),
                )
            };
            splits(path, test.as_ref(), open)
        }
        Source::Webdataset {
            shards,
            image,
            label,
            test,
        } => splits(shards, test.as_ref(), |pattern: &String| {
            let files = shard_files(pattern, "tar shards")?;
            shards::open(files, image.as_deref(), label)
        }),
        Source::Parquet {
            shards,
            image,
            label,
            test,
        } => splits(shards, test.as_ref(), |pattern: &String| {
            let files = shard_files(pattern, "Parquet shards")?;
            parquet::open(files, image.as_deref(), label.as_deref())
        }),
        Source::Hdf5 {
            path,
            image,
            label,
            test,
        } => splits(path, test.as_ref(), |path: &String| {
            missing(path)?;
            let found = hdf5::open(Path::new(path), image.as_deref(), label.as_deref());
            found.map_err(|error| mistaken(error, path, "an HDF5 file"))
        }),
        Source::Cifar10 { path } => {
            missing(path)?;
            bench::cifar10(Path::new(path)).map_err(|error| mistaken(error, path, "CIFAR-10"))
        }
        Source::Cifar100 { path, coarse } => {
            missing(path)?;
            bench::cifar100(Path::new(path), *coarse)
                .map_err(|error| mistaken(error, path, "CIFAR-100"))
        }
        Source::Mnist { path } => {
            missing(path)?;
            bench::mnist(Path::new(path), None)
                .map_err(|error| mistaken(error, path, "MNIST or a set of its form"))
        }
        Source::FashionMnist { path } => {
            missing(path)?;
            bench::mnist(Path::new(path), Some(&bench::FASHION))
                .map_err(|error| mistaken(error, path, "MNIST or a set of its form"))
        }
        Source::Stl10 { path, labelled } => {
            missing(path)?;
            bench::stl10(Path::new(path), *labelled)
                .map_err(|error| mistaken(error, path, "STL-10"))
        }
        Source::Concat { .. } | Source::Mix { .. } => Err(DataError::Source {
            path: PathBuf::new(),
            problem: "a mix or a row of sources cannot stand in another; write them out flat"
                .into(),
        }),
        Source::Recorded { .. } => Err(DataError::Absent {
            what: "images, only recorded views",
            way_out: "use `recorded(...)` on its own",
        }),
    }
}

/// Both splits of a source that is opened in the same way for each.
fn splits(
    train: &String,
    test: Option<&String>,
    open: impl Fn(&String) -> Result<Set, DataError>,
) -> Result<Splits, DataError> {
    let train = open(train)?;
    let held_out = match test {
        Some(test) => {
            let set = open(test)?;
            fits(&train, &set, test)?;
            Some(set)
        }
        None => None,
    };
    Ok(Splits { train, held_out })
}

fn exists(path: &Path) -> Result<(), DataError> {
    watch::at(path);
    match path.metadata() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(DataError::Missing {
            path: path.to_owned(),
        }),
        Err(source) => Err(DataError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Another content than was asked for is told by what it is.
fn mistaken(error: DataError, path: &str, wanted: &'static str) -> DataError {
    match looks_like(Path::new(path)) {
        Some((found, way_out)) if !found.contains(wanted) => DataError::Mistaken {
            path: path.into(),
            wanted,
            found,
            way_out,
        },
        _ => error,
    }
}

fn is_file(path: &str, wanted: &'static str) -> Result<(), DataError> {
    let file = Path::new(path);
    exists(file)?;
    let fits = file.is_file()
        && !matches!(
            looks_like(file),
            Some((found, _)) if found != "a list"
        );
    if fits {
        return Ok(());
    }
    let error = DataError::Source {
        path: file.to_owned(),
        problem: format!("it is not {wanted}; name a regular file"),
    };
    Err(mistaken(error, path, wanted))
}

/// The files of a pattern, each of which is there.
fn shard_files(pattern: &str, wanted: &'static str) -> Result<Vec<PathBuf>, DataError> {
    let files = expand(pattern)?;
    for file in &files {
        exists(file)?;
        if !file.is_file() {
            let text = file.display().to_string();
            let error = DataError::Source {
                path: file.clone(),
                problem: match file.is_dir() {
                    true => format!("it is a folder, not {wanted}; name files, such as `{text}/*`"),
                    false => format!("it is a pipe or a device, not {wanted}; name a file"),
                },
            };
            return Err(mistaken(error, &text, wanted));
        }
        match looks_like(file) {
            Some((found, _)) if found.contains("tar") == wanted.contains("tar") => {}
            Some(("the archive of CIFAR-10" | "the archive of CIFAR-100", _)) | None => {}
            Some((found, way_out)) => {
                return Err(DataError::Mistaken {
                    path: file.clone(),
                    wanted,
                    found,
                    way_out,
                });
            }
        }
    }
    Ok(files)
}

/// The folders of a source, checked against each other.
fn folders(path: &str, test: Option<&str>) -> Result<Splits, DataError> {
    let walk = |path: &str| {
        Folder::walk(Path::new(path)).map_err(|error| match error {
            error @ (DataError::NotAFolder { .. } | DataError::EmptyFolder { .. }) => {
                mistaken(error, path, "an image folder")
            }
            error => error,
        })
    };
    let train = walk(path)?;
    if train.files.len() == 1 {
        return Err(DataError::OneImage { path: train.root });
    }
    let held_out = match test {
        None => None,
        Some(test) => {
            let held_out = walk(test)?;
            for folder in [&train, &held_out] {
                if folder.classes.is_none() {
                    return Err(DataError::NoClasses {
                        path: folder.root.clone(),
                    });
                }
            }
            Some(held_out)
        }
    };
    let set = |folder: Folder| {
        let labels = folder.classes.as_deref().and_then(|classes| {
            let label = |file| class_index(file, classes).map(|label| label as u32);
            Some(Labels {
                classes: classes
                    .iter()
                    .map(|c| c.to_string_lossy().into_owned())
                    .collect(),
                of: folder
                    .files
                    .iter()
                    .map(|file| label(file))
                    .collect::<Option<_>>()?,
            })
        });
        Set {
            store: Box::new(Files {
                root: folder.root,
                files: folder.files,
            }),
            labels,
        }
    };
    let train = set(train);
    let held_out = held_out.map(set);
    if let (Some(held_out), Some(test)) = (&held_out, test) {
        fits(&train, held_out, test)?;
    }
    Ok(Splits { train, held_out })
}
