//! What the opening of a source is at, told to the one who waits for it.
//!
//! A read from a mount that has stalled never comes back and cannot be called
//! off. So a source is opened on a thread of its own, which says before each
//! look at the disk what it looks at; who waits for it gives up where nothing
//! new was said for too long, and can name the file.

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What a thread looks at, and since when; none while it only computes.
type Lane = Arc<Mutex<Option<(Instant, PathBuf)>>>;

thread_local! {
    static OWN: RefCell<Option<(Watch, Lane)>> = const { RefCell::new(None) };
}

/// The threads that open one source.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    lanes: Arc<Mutex<Vec<Lane>>>,
}

impl Watch {
    /// The watch that this thread works under, for those that it starts.
    pub(crate) fn current() -> Option<Self> {
        OWN.with_borrow(|own| own.as_ref().map(|(watch, _)| watch.clone()))
    }

    /// Work under a watch for as long as the value is kept.
    pub(crate) fn enter(watch: Option<Self>) -> Entered {
        let own = watch.map(|watch| {
            let lane = Lane::default();
            locked(&watch.lanes).push(lane.clone());
            (watch, lane)
        });
        OWN.set(own);
        Entered
    }

    /// Where a thread has been at one look for at least so long.
    pub(crate) fn stalled(&self, patience: Duration) -> Option<(PathBuf, Duration)> {
        locked(&self.lanes).iter().find_map(|lane| {
            let lane = locked(lane);
            let (since, path) = lane.as_ref()?;
            let time = since.elapsed();
            (time >= patience).then(|| (path.clone(), time))
        })
    }
}

/// Ends a thread's work under a watch.
pub(crate) struct Entered;

impl Drop for Entered {
    fn drop(&mut self) {
        rest();
        OWN.set(None);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|lock| lock.into_inner())
}

fn tell(change: impl FnOnce(&mut Option<(Instant, PathBuf)>)) {
    OWN.with_borrow(|own| {
        if let Some((_, lane)) = own {
            change(&mut locked(lane));
        }
    });
}

/// This thread looks at a path from now on.
pub(crate) fn at(path: &Path) {
    tell(|lane| *lane = Some((Instant::now(), path.to_owned())));
}

/// What it looks at has answered, and it goes on there.
pub(crate) fn on() {
    tell(|lane| {
        if let Some((since, _)) = lane {
            *since = Instant::now();
        }
    });
}

/// It looks at nothing for a while.
pub(crate) fn rest() {
    tell(|lane| *lane = None);
}

/// A reader each of whose answers is told.
pub(crate) struct Watched<R>(pub(crate) R);

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(target);
        on();
        read
    }
}

impl<R: Seek> Seek for Watched<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}
