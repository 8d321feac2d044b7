//! What can go wrong on the way from files to batches, each with the place
//! and the way out.

use std::io;
use std::path::PathBuf;

/// A failure of the input path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A folder of the source is not there.
    #[error("the folder `{path}` does not exist; check the path that `image_folder` names", path = path.display())]
    MissingFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A path that should be a folder is something else.
    #[error("`{path}` is not a folder; `image_folder` takes the folder that holds the images", path = path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// A file or folder of the source is not there.
    #[error("`{path}` does not exist; check the path", path = path.display())]
    Missing {
        /// What was looked for.
        path: PathBuf,
    },
    /// A path that holds something else than its source reads.
    #[error("`{path}` is {found}, not {wanted}; write `{way_out}`", path = path.display())]
    Mistaken {
        /// The path.
        path: PathBuf,
        /// What was asked for.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
        /// The source that reads it.
        way_out: String,
    },
    /// A source that cannot be used.
    #[error("cannot use `{path}`: {problem}", path = path.display())]
    Source {
        /// The file, folder or pattern.
        path: PathBuf,
        /// What is wrong and, behind a semicolon, what helps.
        problem: String,
    },
    /// Nothing came of an image for a long time.
    #[error(
        "`{path}` has not been read for {seconds} s; the disk or the network mount that it lies \
         on may have stalled: look after it, then take the run up again"
    )]
    Stalled {
        /// The image that a thread waits for, or the source.
        path: String,
        /// Seconds waited.
        seconds: u64,
    },
    /// A share of a batch that cannot be.
    #[error(
        "a batch of {batch} cannot be shared by {world} devices evenly; \
         set `data.batch` to a multiple of {world}"
    )]
    Share {
        /// Images per step.
        batch: usize,
        /// Devices.
        world: usize,
    },
    /// A folder without images.
    #[error(
        "no image in `{path}`: nothing in it or below it ends in {extensions}; \
         check the path, or convert the images",
        path = path.display()
    )]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
        /// The file name endings that were looked for.
        extensions: String,
    },
    /// A folder with one image.
    #[error(
        "`{path}` holds one image, and views of one image alone teach nothing: \
         every loss needs at least two; add images",
        path = path.display()
    )]
    OneImage {
        /// The folder.
        path: PathBuf,
    },
    /// A folder or file that cannot be read.
    #[error("cannot read `{path}`: {source}; {}", way_out(source), path = path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder or file that cannot be written.
    #[error("cannot write `{path}`: {source}{}", room(source), path = path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A batch larger than the set.
    #[error(
        "a batch of {batch} is larger than the set of {samples} images; \
         set `data.batch` to {samples} or less"
    )]
    BatchTooLarge {
        /// Images per step.
        batch: usize,
        /// Images of the set.
        samples: usize,
    },
    /// The set is not the one that the plan was made for.
    #[error(
        "the plan was made for {planned} {what}, but {found} are there now; \
         restore the data, or start a new run"
    )]
    Changed {
        /// What is counted.
        what: &'static str,
        /// How many the plan names.
        planned: usize,
        /// How many are found.
        found: usize,
    },
    /// Packed shards that are not those that the plan was made for.
    #[error(
        "the plan was made for {planned} in `{folder}`, but {found} lies there now; \
         restore the shards, or start a new run"
    )]
    OtherPack {
        /// Their folder.
        folder: String,
        /// What the plan names.
        planned: String,
        /// What is found.
        found: String,
    },
    /// Held-out images that have other classes.
    #[error(
        "the held-out folder `{path}` has the class `{class}`, which the training images \
         do not have ({known}); name its folders as those of the training images",
        path = path.display()
    )]
    HeldOutClass {
        /// The held-out folder.
        path: PathBuf,
        /// Its class.
        class: String,
        /// Classes of the training images.
        known: String,
    },
    /// Held-out or training images without classes, where both need them.
    #[error(
        "`{path}` has images that lie in no folder below it, so they have no class, and a \
         held-out set needs classes on both sides; sort them into one folder for each class, \
         or leave `test` out",
        path = path.display()
    )]
    NoClasses {
        /// The folder without classes.
        path: PathBuf,
    },
    /// An unreadable image under `on_corrupt = error`.
    #[error("cannot use the image `{path}`: {reason}; remove it, or set `data.on_corrupt = skip`")]
    Corrupt {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More unreadable images than allowed.
    #[error(
        "{unreadable} of {samples} images cannot be read, more than the {}% of \
         `data.max_corrupt`; the first is `{path}`: {reason}; remove or repair them, or raise \
         `data.max_corrupt`",
        percent(*.allowed)
    )]
    TooManyCorrupt {
        /// Unreadable images so far.
        unreadable: usize,
        /// Images of the set.
        samples: usize,
        /// The share of unreadable images that is allowed, 0 to 1.
        allowed: f64,
        /// The first one.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No image could be read in place of an unreadable one.
    #[error(
        "cannot read the image `{path}` ({reason}), nor any of {tries} others drawn in its \
         place: the whole set may be damaged or gone; check that the files are still there"
    )]
    AllCorrupt {
        /// The first file.
        path: String,
        /// What is wrong with it.
        reason: String,
        /// How many others were tried.
        tries: usize,
    },
    /// A file of recorded views that is none.
    #[error("`{path}` is no usable file of recorded views: {problem}", path = path.display())]
    Recorded {
        /// The file.
        path: PathBuf,
        /// What is wrong and what helps.
        problem: String,
    },
    /// A view that cannot be made.
    #[error("view `{view}`: {problem}")]
    View {
        /// Its name.
        view: String,
        /// What is wrong and what helps.
        problem: String,
    },
    /// Something that the source does not have.
    #[error("the data source has no {what}; {way_out}")]
    Absent {
        /// What is missing.
        what: &'static str,
        /// What helps.
        way_out: &'static str,
    },
    /// The operating system gives no more threads.
    #[error("cannot start a loader thread: {0}; set fewer workers")]
    Threads(io::Error),
    /// A defect of the loader itself.
    #[error("a loader thread failed at `{place}`: {message}; this is a defect, please report it")]
    Defect {
        /// What it worked on.
        place: String,
        /// The panic's message.
        message: String,
    },
}

/// What helps where something cannot be read.
fn way_out(error: &io::Error) -> &'static str {
    use io::ErrorKind::{InvalidData, InvalidInput, NotFound, PermissionDenied, UnexpectedEof};
    match error.kind() {
        PermissionDenied => "give this user the right to read it (`chmod`), or leave it out",
        UnexpectedEof | InvalidData | InvalidInput => {
            "it may be cut off or damaged: fetch it again"
        }
        NotFound => "check the path",
        _ => "look after the file and its disk",
    }
}

/// What helps where something cannot be written.
fn room(error: &io::Error) -> &'static str {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => "; make room, or name a folder on another disk",
        PermissionDenied | ReadOnlyFilesystem => "; name a folder that this user may write",
        _ => "",
    }
}

/// A share in percent, without what a product of floats adds.
fn percent(share: f64) -> f64 {
    (share * 1e6).round() / 1e4
}
