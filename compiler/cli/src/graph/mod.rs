//! The wiring of a step as a picture: what is shown ([`scene`]), where it
//! lies ([`layout`]), and how it is written ([`svg`], [`dot`]).

pub mod dot;
mod fold;
mod gradient;
mod layout;
mod measure;
pub mod scene;
pub mod svg;
mod words;

pub use measure::text_width;

/// What a box stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A view of the batch.
    View,
    /// A net that is trained.
    Trained,
    /// An average of a net.
    Average,
    /// A net without trained parameters.
    Frozen,
    /// A function of the source.
    Function,
    /// A primitive operation.
    Operation,
    /// Where a gradient ends.
    Stopgrad,
    /// What is minimised.
    Minimize,
    /// What is written beside the loss.
    Track,
}

/// A box.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// What it stands for.
    pub kind: Kind,
    /// Its name.
    pub title: String,
    /// Particulars, one a line.
    pub lines: Vec<String>,
    /// Where its inputs arrive, by the names that they have in it; empty names
    /// are not shown.
    pub ports: Vec<String>,
    /// How many equal ones it stands for.
    pub times: usize,
    /// Whether a gradient passes through it.
    pub live: bool,
}

impl Unit {
    /// Its particulars, and how many it stands for.
    fn shown(&self) -> Vec<String> {
        let times = (self.times > 1).then(|| format!("{} times", self.times));
        times
            .into_iter()
            .chain(self.lines.iter().cloned())
            .collect()
    }
}

/// A value on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Index of the box that it comes from.
    pub from: usize,
    /// Index of the box that it goes to.
    pub to: usize,
    /// Which of that box's ports.
    pub port: usize,
    /// Whether a gradient runs back along it.
    pub gradient: bool,
}

/// A net of the pipeline, for the list below the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetRow {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// How it changes, and its size.
    pub text: String,
}

/// Everything that is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The pipeline.
    pub title: String,
    /// What it is run on.
    pub subtitle: String,
    /// The boxes; a link goes from a smaller index to a larger one.
    pub units: Vec<Unit>,
    /// The links.
    pub links: Vec<Link>,
    /// The nets.
    pub nets: Vec<NetRow>,
}
