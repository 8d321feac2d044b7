//! Initial weights from elsewhere: which of a file's tensors are which of the
//! networks'.
//!
//! A file of ours has the networks' own keys. One of another program has a
//! backbone's names behind words of its own (`state_dict.module.base_encoder.`,
//! `teacher.backbone.`); torchvision's and transformers' names are translated
//! first (`foreign`). For every stage the words are found under which most
//! of its names are, and heads are looked for beside their backbone. What was
//! found is told.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{FileError, NamedTensor, foreign, pytorch, read};

/// Where weights come from, and how strictly they are to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initial {
    /// A safetensors file, or one of PyTorch.
    pub path: PathBuf,
    /// The stage that they are for, `NET.STAGE` or `NET`; all others start as
    /// they would without. None: for whatever is in the file, and all of it.
    pub stage: Option<String>,
    /// Leave out what fits nowhere, and start what is missing as without.
    pub partial: bool,
}

impl FromStr for Initial {
    type Err = String;

    /// `FILE` or `NET.STAGE=FILE`.
    fn from_str(text: &str) -> Result<Self, String> {
        let name = |text: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            !text.is_empty() && text.chars().all(plain)
        };
        let (stage, path) = match text.split_once('=') {
            Some((stage, path)) if name(stage) && !Path::new(text).exists() => {
                (Some(stage.to_owned()), path)
            }
            _ => (None, text),
        };
        if path.is_empty() {
            return Err("write `FILE` or `NET.STAGE=FILE`".to_owned());
        }
        Ok(Initial {
            path: PathBuf::from(path),
            stage,
            partial: false,
        })
    }
}

impl fmt::Display for Initial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stage {
            Some(stage) => write!(f, "{stage}={}", self.path.display()),
            None => write!(f, "{}", self.path.display()),
        }
    }
}

/// Reads a file of weights: safetensors, or PyTorch's as its first bytes say.
///
/// # Errors
///
/// Whatever is wrong with it.
pub fn read_any(path: &Path) -> Result<Vec<NamedTensor>, FileError> {
    match pytorch::is_one(path)? {
        true => pytorch::read(path),
        false => read(path),
    }
}

/// A stage of the networks that are to be filled.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its net.
    pub net: String,
    /// What its keys start with, without the last dot.
    pub path: String,
    /// Whether it is a backbone: other programs' files have its names.
    pub backbone: bool,
    /// The net that its net averages.
    pub average_of: Option<String>,
    /// Its tensors as they start.
    pub tensors: Vec<NamedTensor>,
}

impl Place {
    /// A key without the stage's path.
    fn rest<'a>(&self, key: &'a str) -> &'a str {
        key.get(self.path.len() + 1..).unwrap_or_default()
    }
}

/// What is to be loaded, all of it under the networks' keys, and what is told.
#[derive(Debug, Default)]
pub struct Adapted {
    /// The tensors.
    pub tensors: Vec<NamedTensor>,
    /// What was read as what, and what was left out or left as it starts.
    pub notes: Vec<String>,
}

/// Finds the places of a file's tensors.
///
/// # Errors
///
/// The stage asked for does not exist.
pub fn adapt(
    initial: &Initial,
    file: Vec<NamedTensor>,
    places: &[Place],
) -> Result<Adapted, String> {
    let wanted: Vec<&Place> = match &initial.stage {
        None => places.iter().collect(),
        Some(name) => {
            let of = |p: &&Place| p.path == *name || p.net == *name;
            let found: Vec<&Place> = places.iter().filter(of).collect();
            if found.is_empty() {
                let names: Vec<String> = places.iter().map(|p| format!("`{}`", p.path)).collect();
                return Err(format!(
                    "there is no `{name}`; there are {}",
                    names.join(", ")
                ));
            }
            found
        }
    };
    let own: HashSet<&str> = (places.iter().flat_map(|p| &p.tensors))
        .map(|tensor| tensor.key.as_str())
        .collect();
    let is_own = file.iter().any(|tensor| own.contains(tensor.key.as_str()));
    let mut adapted = Adapted::default();
    let mut given = match is_own {
        true => file,
        false => {
            let (file, whose) = foreign::translated(file);
            adapted.notes.extend(whose);
            renamed(file, &wanted, initial.stage.is_some(), &mut adapted.notes)
        }
    };
    if initial.stage.is_some() {
        let inside = |t: &NamedTensor| {
            let under = |p: &&Place| {
                t.key
                    .strip_prefix(p.path.as_str())
                    .is_some_and(|r| r.starts_with('.'))
            };
            !own.contains(t.key.as_str()) || wanted.iter().any(under)
        };
        given.retain(inside);
    }
    if initial.partial {
        let (known, unknown): (Vec<_>, Vec<_>) = given
            .into_iter()
            .partition(|t| own.contains(t.key.as_str()));
        given = known;
        tell(
            &mut adapted.notes,
            "left out, as no network has it",
            &unknown,
        );
    }
    if initial.partial || initial.stage.is_some() {
        complete(&mut given, places, &wanted, initial, &mut adapted.notes);
    }
    adapted.tensors = given;
    Ok(adapted)
}

/// Adds what is missing, as it starts; averages that are missing whole stay
/// missing, and become copies.
fn complete(
    given: &mut Vec<NamedTensor>,
    places: &[Place],
    wanted: &[&Place],
    initial: &Initial,
    notes: &mut Vec<String>,
) {
    let keys: HashSet<String> = given.iter().map(|t| t.key.clone()).collect();
    let has = |place: &Place| place.tensors.iter().any(|t| keys.contains(&t.key));
    let mut kept = Vec::new();
    for place in places {
        let asked = wanted.iter().any(|p| p.path == place.path);
        let net_given = places.iter().any(|p| p.net == place.net && has(p));
        if asked && !initial.partial || place.average_of.is_some() && !net_given {
            continue;
        }
        for tensor in place.tensors.iter().filter(|t| !keys.contains(&t.key)) {
            given.push(tensor.clone());
            if asked {
                kept.push(tensor.clone());
            }
        }
    }
    tell(notes, "not in the file, and left as it starts", &kept);
}

/// One note for each of some tensors, and a number for the others.
fn tell(notes: &mut Vec<String>, what: &str, tensors: &[NamedTensor]) {
    const SHOWN: usize = 20;
    for tensor in tensors.iter().take(SHOWN) {
        notes.push(format!("`{}` {:?}: {what}", tensor.key, tensor.shape));
    }
    if let Some(more @ 1..) = tensors.len().checked_sub(SHOWN) {
        notes.push(format!("and {more} more: {what}"));
    }
}

/// Words by which programs name the network that is an average.
const AVERAGES: [&str; 6] = [
    "momentum_encoder",
    "encoder_k",
    "teacher",
    "target_encoder",
    "model_ema",
    "ema",
];
/// Words for a projector beside its backbone.
const HEADS: [&str; 5] = ["head", "fc", "projector", "projection_head", "mlp"];
/// Entries of a file beside which there are others that are no weights.
const CONTAINERS: [&str; 8] = [
    "state_dict",
    "model",
    "model_state_dict",
    "model_state",
    "teacher",
    "student",
    "module",
    "model_ema",
];

/// A file of another program under the networks' keys.
fn renamed(
    file: Vec<NamedTensor>,
    wanted: &[&Place],
    any_words: bool,
    notes: &mut Vec<String>,
) -> Vec<NamedTensor> {
    let shapes: HashMap<&str, &[usize]> = file
        .iter()
        .map(|t| (t.key.as_str(), t.shape.as_slice()))
        .collect();
    let words = words(&file);
    // The words of each place, the longest of which decides on a key.
    let mut found: BTreeMap<String, &Place> = BTreeMap::new();
    let (backbones, heads): (Vec<&&Place>, Vec<&&Place>) =
        wanted.iter().partition(|p| p.backbone || any_words);
    for place in backbones {
        let averaged = wanted
            .iter()
            .any(|p| p.average_of.as_ref() == Some(&place.net));
        let score = |words: &&String| {
            let names = place.tensors.iter().filter_map(|tensor| {
                let key = joined(words, place.rest(&tensor.key));
                Some(shapes.get(key.as_str())? == &tensor.shape.as_slice())
            });
            let (mut named, mut shaped) = (0, 0);
            for fits in names {
                named += 1;
                shaped += usize::from(fits);
            }
            (named, shaped)
        };
        let mut best: Option<((usize, usize), i32, &String)> = None;
        for words in words.iter().filter(|w| !found.contains_key(*w)) {
            let average = words.split('.').any(|w| AVERAGES.contains(&w));
            if place.average_of.is_some() && !average {
                continue;
            }
            let teacher = words.split('.').any(|w| w == "teacher");
            // DINO's teacher is what one goes on with, MoCo's base encoder.
            let liked = match (place.average_of.is_some() || averaged, average) {
                (true, _) => i32::from(average == place.average_of.is_some()),
                (false, true) => {
                    if teacher {
                        2
                    } else {
                        0
                    }
                }
                (false, false) => 1,
            };
            let score = score(&words);
            let enough = 2 * score.0 > place.tensors.len();
            if enough && best.is_none_or(|b| (score, liked) > (b.0, b.1)) {
                best = Some((score, liked, words));
            }
        }
        if let Some((_, _, words)) = best {
            found.insert(words.clone(), place);
        }
    }
    for place in heads {
        let base = found
            .iter()
            .find(|(_, p)| p.net == place.net)
            .map(|(words, _)| words.clone());
        let stage = place.path.rsplit('.').next().unwrap_or_default();
        let fits = |words: &&String| {
            let (parent, last) = words.rsplit_once('.').unwrap_or(("", words.as_str()));
            let beside =
                base.as_deref() == Some(parent) && (HEADS.contains(&last) || last == stage);
            let named = base.is_none() && last == stage && place.average_of.is_none();
            (beside || named)
                && place.tensors.iter().all(|t| {
                    let key = joined(words, place.rest(&t.key));
                    shapes.get(key.as_str()) == Some(&t.shape.as_slice())
                })
        };
        if let Some(words) = words.iter().find(fits) {
            found.insert(words.clone(), place);
        }
    }

    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    let container = found.keys().find_map(|words| {
        let first = words.split('.').next()?;
        (CONTAINERS.contains(&first)).then(|| first.to_owned())
    });
    let mut beside: BTreeSet<String> = BTreeSet::new();
    let mut left_out = 0;
    let mut all = Vec::with_capacity(file.len());
    for mut tensor in file {
        let place = found
            .iter()
            .filter(|(words, _)| under(words, &tensor.key).is_some())
            .max_by_key(|(words, _)| words.len());
        if let Some((words, place)) = place {
            *counts.entry(words).or_default() += 1;
            let rest = under(words, &tensor.key).unwrap_or_default();
            tensor.key = joined(&place.path, rest);
        } else if let Some(container) = &container
            && under(container, &tensor.key).is_none()
        {
            left_out += 1;
            beside.extend(tensor.key.split('.').next().map(str::to_owned));
            continue;
        } else if any_words {
            // Other parts of a file of which one part was asked for.
            continue;
        }
        all.push(tensor);
    }
    for (words, count) in counts {
        let path = found.get(words).map_or("", |place| place.path.as_str());
        notes.push(match words.is_empty() {
            true => format!("{count} tensors of the file are read as `{path}`"),
            false => format!("{count} tensors of the file under `{words}` are read as `{path}`"),
        });
    }
    if left_out > 0 {
        let names: Vec<String> = beside.iter().map(|name| format!("`{name}`")).collect();
        let names = names.join(", ");
        notes.push(format!(
            "{left_out} tensors of the file under {names} are left out"
        ));
    }
    all
}

/// Every beginning of a file's keys up to a dot, and the empty one; few, as
/// names are nested.
fn words(file: &[NamedTensor]) -> BTreeSet<String> {
    const DEPTH: usize = 6;
    let mut all = BTreeSet::from([String::new()]);
    for tensor in file {
        for (at, _) in tensor.key.match_indices('.').take(DEPTH) {
            all.extend(tensor.key.get(..at).map(str::to_owned));
        }
    }
    all
}

/// What follows the words in a key.
fn under<'a>(words: &str, key: &'a str) -> Option<&'a str> {
    match words.is_empty() {
        true => Some(key),
        false => key.strip_prefix(words)?.strip_prefix('.'),
    }
}

fn joined(words: &str, rest: &str) -> String {
    match words.is_empty() {
        true => rest.to_owned(),
        false => format!("{words}.{rest}"),
    }
}
