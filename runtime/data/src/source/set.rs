//! One opened source: its images and what they show.

use std::collections::{BTreeMap, BTreeSet};

use super::images::{Fetched, Store};
use crate::DataError;
use crate::decode::Unreadable;
use crate::image::Rgb;

/// Images of one origin.
pub(crate) struct Set {
    pub(crate) store: Box<dyn Store>,
    pub(crate) labels: Option<Labels>,
}

/// The class of every image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Labels {
    /// Names in the order of the labels.
    pub(crate) classes: Vec<String>,
    /// One label for each image.
    pub(crate) of: Vec<u32>,
}

/// A source's two splits.
pub(crate) struct Splits {
    pub(crate) train: Set,
    pub(crate) held_out: Option<Set>,
}

/// Most classes that plain numbers may stand for.
const MAX_CLASSES: u32 = 1_000_000;

impl Labels {
    /// Labels as they are written, numbers or names. Numbers are labels
    /// themselves; names are numbered in their order.
    pub(crate) fn read(written: &[String]) -> Result<Self, String> {
        let numbers: Option<Vec<u32>> = written.iter().map(|text| text.parse().ok()).collect();
        if let Some(of) = numbers {
            let most = of.iter().max().copied().unwrap_or(0);
            if most >= MAX_CLASSES {
                return Err(format!(
                    "the label {most} is beyond the limit of {MAX_CLASSES} classes"
                ));
            }
            let classes = (0..=most).map(|n| n.to_string()).collect();
            return Ok(Labels { classes, of });
        }
        let classes: BTreeSet<&String> = written.iter().collect();
        let classes: Vec<String> = classes.into_iter().cloned().collect();
        let index = |text: &String| classes.binary_search(text).map_or(0, |at| at as u32);
        let of = written.iter().map(index).collect();
        Ok(Labels { classes, of })
    }
}

/// The labels of sets in a row: classes of one name are one class. None where
/// a set has none.
pub(crate) fn join<'a>(
    sets: impl Iterator<Item = Option<&'a Labels>>,
    known: Option<&[String]>,
) -> Option<Labels> {
    let mut classes: Vec<String> = known.unwrap_or_default().to_vec();
    let mut index: BTreeMap<String, u32> = classes.iter().cloned().zip(0..).collect();
    let mut of = Vec::new();
    for labels in sets {
        let labels = labels?;
        let map: Vec<u32> = labels
            .classes
            .iter()
            .map(|class| {
                *index.entry(class.clone()).or_insert_with(|| {
                    classes.push(class.clone());
                    (classes.len() - 1) as u32
                })
            })
            .collect();
        of.extend(
            labels
                .of
                .iter()
                .map(|l| map.get(*l as usize).copied().unwrap_or(0)),
        );
    }
    Some(Labels { classes, of })
}

/// An error where a held-out set has classes that the training set lacks.
pub(crate) fn fits(train: &Set, held_out: &Set, path: &str) -> Result<(), DataError> {
    let (Some(known), Some(found)) = (&train.labels, &held_out.labels) else {
        return Err(DataError::Source {
            path: path.into(),
            problem: "a held-out set needs labels, and so do the training images; \
                      name the labels of both, or leave `test` out"
                .into(),
        });
    };
    match found
        .classes
        .iter()
        .find(|class| !known.classes.contains(class))
    {
        Some(class) => Err(DataError::HeldOutClass {
            path: path.into(),
            class: class.clone(),
            known: class_list(&known.classes),
        }),
        None => Ok(()),
    }
}

/// Class names for a message: not more than a line.
pub(crate) fn class_list(classes: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<_> = classes
        .iter()
        .take(SHOWN)
        .map(|class| format!("`{class}`"))
        .collect();
    if classes.len() > SHOWN {
        names.push(format!("and {} more", classes.len() - SHOWN));
    }
    names.join(", ")
}

/// Decoded images in memory.
pub(crate) struct Memory {
    pub(crate) images: Vec<Rgb>,
}

impl Store for Memory {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn name(&self, index: usize) -> String {
        format!("image {index}")
    }

    fn fetch(&self, index: usize, _: &mut Vec<u8>) -> Result<Fetched<'_>, Unreadable> {
        self.images
            .get(index)
            .map(Fetched::Kept)
            .ok_or(Unreadable::Empty)
    }
}

impl Set {
    /// Images in memory.
    pub(crate) fn in_memory(images: Vec<Rgb>, labels: Option<Labels>) -> Self {
        Set {
            store: Box::new(Memory { images }),
            labels,
        }
    }
}
