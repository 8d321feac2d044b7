//! Threads that go through images in no order, for surveys and packs.
//!
//! As a loader's, they are left behind where a disk holds them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};

use crate::DataError;

/// What a worker is at, and since when.
type Busy = Mutex<Option<(Instant, u32)>>;

/// Who goes through images.
pub(crate) struct Crew<'a> {
    /// Threads; 0 for one for each core.
    pub(crate) workers: usize,
    /// How long one image may take.
    pub(crate) stall_limit: Duration,
    /// How a message names an image.
    pub(crate) name: &'a dyn Fn(u32) -> String,
}

struct Shared<W> {
    work: W,
    samples: Vec<u32>,
    next: AtomicUsize,
    done: AtomicUsize,
    stop: AtomicBool,
    busy: Vec<Busy>,
}

impl Crew<'_> {
    /// Do `work` for every sample; what each worker has gathered. `going` is
    /// told on this thread, now and then and at the end, how many are done; an
    /// answer of no ends it, with nothing.
    ///
    /// # Errors
    /// An image that takes too long, a system without threads.
    pub(crate) fn each<S, W>(
        &self,
        samples: Vec<u32>,
        work: W,
        going: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Vec<S>>, DataError>
    where
        S: Default + Send + 'static,
        W: Fn(u32, &mut S) + Send + Sync + 'static,
    {
        const LOOK: Duration = Duration::from_millis(100);
        let workers = match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        let shared = Arc::new(Shared {
            work,
            samples,
            next: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            busy: (0..workers).map(|_| Mutex::default()).collect(),
        });
        let (gathered, from_workers) = mpsc::channel();
        for worker in 0..workers {
            let (own, gathered) = (shared.clone(), gathered.clone());
            let thread = std::thread::Builder::new().name(format!("crew {worker}"));
            let started = thread.spawn(move || {
                let _ = gathered.send(own.run(worker));
            });
            if let Err(error) = started {
                shared.stop.store(true, Ordering::Release);
                return Err(DataError::Threads(error));
            }
        }
        drop(gathered);
        let mut all = Vec::with_capacity(workers);
        while all.len() < workers {
            match from_workers.recv_timeout(LOOK) {
                Ok(seen) => all.push(seen),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(DataError::Defect {
                        place: "the images".into(),
                        message: "a worker ended before its time".into(),
                    });
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if let Some((sample, time)) = shared.stalled(self.stall_limit) {
                        shared.stop.store(true, Ordering::Release);
                        return Err(DataError::Stalled {
                            path: (self.name)(sample),
                            seconds: time.as_secs(),
                        });
                    }
                }
            }
            if !going(shared.done.load(Ordering::Relaxed)) {
                shared.stop.store(true, Ordering::Release);
                return Ok(None);
            }
        }
        Ok(Some(all))
    }
}

impl<W> Shared<W> {
    fn run<S: Default>(&self, worker: usize) -> S
    where
        W: Fn(u32, &mut S),
    {
        let mut seen = S::default();
        while !self.stop.load(Ordering::Acquire)
            && let Some(sample) = self.samples.get(self.next.fetch_add(1, Ordering::Relaxed))
        {
            if let Some(busy) = self.busy.get(worker) {
                *locked(busy) = Some((Instant::now(), *sample));
            }
            (self.work)(*sample, &mut seen);
            if let Some(busy) = self.busy.get(worker) {
                *locked(busy) = None;
            }
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        seen
    }

    /// An image that a worker has been at for too long, and how long.
    fn stalled(&self, patience: Duration) -> Option<(u32, Duration)> {
        self.busy.iter().find_map(|busy| {
            let (since, sample) = (*locked(busy))?;
            let time = since.elapsed();
            (time >= patience).then_some((sample, time))
        })
    }
}

fn locked(busy: &Busy) -> MutexGuard<'_, Option<(Instant, u32)>> {
    busy.lock().unwrap_or_else(|lock| lock.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_stalls_is_told_and_a_stop_is_heard() {
        let crew = Crew {
            workers: 3,
            stall_limit: Duration::from_millis(300),
            name: &|sample| format!("/mnt/far/{sample}.jpg"),
        };
        let sum = |sample: u32, sum: &mut u32| *sum += sample;
        let all = crew.each((0..100).collect(), sum, &mut |_| true).unwrap();
        assert_eq!(all.unwrap().iter().sum::<u32>(), 4950);

        let start = Instant::now();
        let stall = |sample: u32, _: &mut ()| {
            if sample == 7 {
                std::thread::sleep(Duration::from_secs(30));
            }
        };
        match crew.each((0..9).collect(), stall, &mut |_| true) {
            Err(DataError::Stalled { path, .. }) => assert_eq!(path, "/mnt/far/7.jpg"),
            other => panic!("{other:?}"),
        }
        let slow = |_: u32, _: &mut ()| std::thread::sleep(Duration::from_millis(20));
        let stopped = crew.each((0..100_000).collect(), slow, &mut |done| done < 20);
        assert!(stopped.unwrap().is_none());
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
