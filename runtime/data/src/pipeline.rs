//! Threads that make batches ahead of their use and yield them in order.
//!
//! A batch in the making is a [`Flight`]: workers take positions of the
//! oldest ones first and write each view straight into its place. What a
//! position becomes depends on the job and the position alone, so the number
//! of workers shows nowhere. What went wrong is kept with its position and
//! told in order, so failures are as reproducible as pixels.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::DataError;
use crate::report::CorruptFile;
use crate::slab::Slab;
use crate::transform::Work;

/// What the batches are made of.
pub(crate) trait Job: Send + Sync + 'static {
    /// The samples of a step, by position.
    fn samples(&self, step: usize) -> Vec<Slot>;

    /// Positions of a full batch.
    fn batch(&self) -> usize;

    /// Number of values of each view of one image.
    fn lengths(&self) -> Vec<usize>;

    /// Make the views of a position.
    fn fill(
        &self,
        step: usize,
        slot: Slot,
        targets: &mut [&mut [f32]],
        tools: &mut Tools,
    ) -> Result<Filled, DataError>;

    /// How a message names a sample, without a look at the disk.
    fn name(&self, sample: u32) -> String;
}

/// What a position is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Its place in the unshuffled epoch, which its random numbers belong to.
    pub(crate) slot: u32,
    /// The image.
    pub(crate) image: u32,
    /// First image, and behind the last, of those that may stand in for it.
    pub(crate) among: [u32; 2],
}

/// What became of a position.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    /// The sample that was taken, where one was.
    pub(crate) sample: Option<u32>,
    /// The samples that could not be read before it.
    pub(crate) corrupt: Vec<CorruptFile>,
}

/// What a worker keeps from one image to the next.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    /// The bytes of a file.
    pub(crate) bytes: Vec<u8>,
    /// Buffers of the transforms.
    pub(crate) work: Work,
}

/// A finished batch.
pub(crate) struct Finished {
    pub(crate) step: usize,
    /// One buffer for each view.
    pub(crate) views: Vec<Vec<f32>>,
    /// What became of each position.
    pub(crate) positions: Vec<Filled>,
}

/// A batch in the making.
struct Flight {
    step: usize,
    samples: Vec<Slot>,
    views: Vec<Slab>,
    /// Positions that are not made yet.
    missing: AtomicUsize,
    results: Mutex<Results>,
}

#[derive(Default)]
struct Results {
    positions: Vec<(usize, Filled)>,
    /// The failure of the first position that failed.
    failure: Option<(usize, DataError)>,
}

/// A batch and the positions of it that a worker makes.
type Task = (Arc<Flight>, Range<usize>);

struct Shared<J> {
    job: J,
    state: Mutex<State>,
    /// There may be something to do.
    work: Condvar,
    /// A batch may be ready.
    ready: Condvar,
    stop: AtomicBool,
    /// Batches that may be in the making or ready at once.
    ahead: usize,
    /// What each worker is at, and since when.
    busy: Vec<Mutex<Option<(Instant, u32)>>>,
    /// How long one image may take.
    patience: Duration,
    /// What a worker died of; none ever should.
    death: Mutex<Option<String>>,
}

struct State {
    /// Batches that are not yielded yet, in order.
    flights: VecDeque<Arc<Flight>>,
    /// Steps that are not begun yet.
    steps: Range<usize>,
    /// The first position of the newest flight that no worker has taken.
    position: usize,
    /// Buffers to use again.
    spare: Vec<Vec<Vec<f32>>>,
}

/// Batches in order, made by threads that end with it.
pub(crate) struct Pipeline<J> {
    shared: Arc<Shared<J>>,
    workers: Vec<JoinHandle<()>>,
    over: bool,
}

/// Most batches that are made ahead, beside the one that is in use.
const AHEAD: usize = 3;
/// Bytes of batches made ahead, where more than one is.
const AHEAD_BYTES: usize = 1 << 30;
/// Time between two looks at a thread that is to end.
const LOOK: Duration = Duration::from_millis(1);

impl<J: Job> Pipeline<J> {
    /// Start threads for some steps; 0 workers are one for each core. An image
    /// that takes longer than `patience` ends the whole: the disk has stalled.
    pub(crate) fn start(
        job: J,
        steps: Range<usize>,
        workers: usize,
        patience: Duration,
    ) -> Result<Self, DataError> {
        let workers = match workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        let values: usize = job.lengths().iter().sum();
        let batch = job.batch().saturating_mul(values).saturating_mul(4);
        let shared = Arc::new(Shared {
            ahead: (AHEAD_BYTES / batch.max(1)).clamp(1, AHEAD),
            job,
            state: Mutex::new(State {
                flights: VecDeque::new(),
                steps,
                position: 0,
                spare: Vec::new(),
            }),
            work: Condvar::new(),
            ready: Condvar::new(),
            stop: AtomicBool::new(false),
            busy: (0..workers).map(|_| Mutex::default()).collect(),
            patience,
            death: Mutex::default(),
        });
        let mut pipeline = Pipeline {
            shared,
            workers: Vec::with_capacity(workers),
            over: false,
        };
        for i in 0..workers {
            let shared = pipeline.shared.clone();
            let worker = std::thread::Builder::new()
                .name(format!("loader {i}"))
                .spawn(move || shared.work(i, workers));
            // On failure, dropping the pipeline stops those that run.
            pipeline.workers.push(worker.map_err(DataError::Threads)?);
        }
        Ok(pipeline)
    }

    /// The next batch; none after the last one or a failure.
    pub(crate) fn next(&mut self) -> Option<Result<Finished, DataError>> {
        if self.over {
            return None;
        }
        let flight = {
            let mut state = self.shared.lock();
            loop {
                match state.flights.front() {
                    Some(flight) if flight.missing.load(Ordering::Acquire) == 0 => break,
                    _ if self.shared.stop.load(Ordering::Acquire) => {
                        self.over = true;
                        return self.shared.death().map(Err);
                    }
                    None if state.steps.is_empty() => {
                        self.over = true;
                        return None;
                    }
                    _ => {
                        if let Some(stalled) = self.shared.stalled() {
                            drop(state);
                            self.over = true;
                            self.shared.halt();
                            return Some(Err(stalled));
                        }
                        let look = (self.shared.patience / 4).min(Duration::from_secs(5));
                        let waited = self.shared.ready.wait_timeout(state, look);
                        state = waited.unwrap_or_else(|lock| lock.into_inner()).0;
                    }
                }
            }
            let flight = state.flights.pop_front()?;
            self.shared.work.notify_all();
            flight
        };
        let finished = flight.finish();
        if finished.is_err() {
            self.over = true;
            self.shared.halt();
        }
        Some(finished)
    }

    /// Give the buffers of a batch back for use.
    pub(crate) fn recycle(&mut self, views: Vec<Vec<f32>>) {
        let mut state = self.shared.lock();
        if state.spare.len() <= self.shared.ahead {
            state.spare.push(views);
        }
    }

    /// What the batches are made of.
    pub(crate) fn job(&self) -> &J {
        &self.shared.job
    }
}

impl<J> Drop for Pipeline<J> {
    fn drop(&mut self) {
        self.shared.halt();
        // A thread that a stalled disk holds would hold this one too: it is
        // left behind, and ends when the disk answers.
        let mut patience = self.shared.patience;
        for worker in self.workers.drain(..) {
            while !worker.is_finished() && patience > Duration::ZERO {
                std::thread::sleep(LOOK);
                patience = patience.saturating_sub(LOOK);
                if self.over && self.shared.stuck().is_some() {
                    patience = Duration::ZERO;
                }
            }
            if worker.is_finished() {
                let _ = worker.join();
            }
        }
    }
}

impl<J> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A worker holds the lock only around plain moves of data.
        self.state.lock().unwrap_or_else(|lock| lock.into_inner())
    }

    /// Tell the workers to end after the image in hand.
    fn halt(&self) {
        self.stop.store(true, Ordering::Release);
        // With the lock held, so that no worker is between looking and waiting.
        let _state = self.lock();
        self.work.notify_all();
        self.ready.notify_all();
    }

    fn busy(&self, worker: usize) -> Option<MutexGuard<'_, Option<(Instant, u32)>>> {
        let busy = self.busy.get(worker)?;
        Some(busy.lock().unwrap_or_else(|lock| lock.into_inner()))
    }

    /// An image that a worker has been at for too long, and how long.
    fn stuck(&self) -> Option<(u32, Duration)> {
        (0..self.busy.len()).find_map(|worker| {
            let (since, image) = (*self.busy(worker)?)?;
            let time = since.elapsed();
            (time >= self.patience).then_some((image, time))
        })
    }

    fn death(&self) -> Option<DataError> {
        let mut death = self.death.lock().unwrap_or_else(|lock| lock.into_inner());
        death.take().map(|message| DataError::Defect {
            place: "the order of images".into(),
            message,
        })
    }
}

impl<J: Job> Shared<J> {
    /// An image that a worker has been at for too long.
    fn stalled(&self) -> Option<DataError> {
        self.stuck().map(|(image, time)| DataError::Stalled {
            path: self.job.name(image),
            seconds: time.as_secs(),
        })
    }

    /// Work until the end, and tell of an untimely one.
    fn work(&self, worker: usize, workers: usize) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.run(worker, workers))) {
            let mut death = self.death.lock().unwrap_or_else(|lock| lock.into_inner());
            *death = Some(panic_message(panic.as_ref()));
            drop(death);
            self.halt();
        }
    }

    fn run(&self, worker: usize, workers: usize) {
        let mut tools = Tools::default();
        while let Some((flight, positions)) = self.claim(workers) {
            let mut done = 0;
            for position in positions {
                if self.stop.load(Ordering::Acquire) {
                    return;
                }
                if let (Some(mut busy), Some(slot)) =
                    (self.busy(worker), flight.samples.get(position))
                {
                    *busy = Some((Instant::now(), slot.image));
                }
                let result = self.make(&flight, position, &mut tools);
                if let Some(mut busy) = self.busy(worker) {
                    *busy = None;
                }
                flight.note(position, result);
                done += 1;
            }
            if flight.missing.fetch_sub(done, Ordering::AcqRel) == done {
                let _state = self.lock();
                self.ready.notify_all();
            }
        }
    }

    /// Take positions to make; waits for room, ends with the steps.
    fn claim(&self, workers: usize) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if self.stop.load(Ordering::Acquire) {
                return None;
            }
            if let Some(flight) = state.flights.back()
                && state.position < flight.samples.len()
            {
                let flight = flight.clone();
                // Small enough to end together, large enough that tiny images
                // do not spend their time at this lock.
                let total = flight.samples.len();
                let count = (total / (workers * 4)).clamp(1, 16);
                let start = state.position;
                let end = (start + count).min(total);
                state.position = end;
                return Some((flight, start..end));
            }
            if state.flights.len() < self.ahead {
                let step = state.steps.next()?;
                let flight = self.open(step, state.spare.pop().unwrap_or_default());
                state.flights.push_back(Arc::new(flight));
                state.position = 0;
                self.work.notify_all();
                continue;
            }
            if state.steps.is_empty() {
                return None;
            }
            state = self
                .work
                .wait(state)
                .unwrap_or_else(|lock| lock.into_inner());
        }
    }

    fn open(&self, step: usize, mut spare: Vec<Vec<f32>>) -> Flight {
        let samples = self.job.samples(step);
        let lengths = self.job.lengths();
        spare.resize_with(lengths.len(), Vec::new);
        Flight {
            step,
            views: spare
                .into_iter()
                .zip(lengths)
                .map(|(buffer, length)| Slab::new(buffer, samples.len(), length))
                .collect(),
            missing: AtomicUsize::new(samples.len()),
            samples,
            results: Mutex::default(),
        }
    }

    fn make(
        &self,
        flight: &Flight,
        position: usize,
        tools: &mut Tools,
    ) -> Result<Filled, DataError> {
        let sample = flight.samples[position];
        let defect = |message: String| DataError::Defect {
            place: self.job.name(sample.image),
            message,
        };
        let targets: Option<Vec<_>> = flight.views.iter().map(|v| v.take(position)).collect();
        let Some(mut targets) = targets else {
            return Err(defect("a position was taken twice".into()));
        };
        catch_unwind(AssertUnwindSafe(|| {
            self.job.fill(flight.step, sample, &mut targets, tools)
        }))
        .unwrap_or_else(|panic| {
            *tools = Tools::default();
            Err(defect(panic_message(panic.as_ref())))
        })
    }
}

impl Flight {
    fn note(&self, position: usize, result: Result<Filled, DataError>) {
        let mut results = self.results.lock().unwrap_or_else(|lock| lock.into_inner());
        match result {
            Ok(filled) => results.positions.push((position, filled)),
            Err(error) => {
                if results
                    .failure
                    .as_ref()
                    .is_none_or(|(at, _)| position < *at)
                {
                    results.failure = Some((position, error));
                }
            }
        }
    }

    /// Take the batch out; every position is made.
    fn finish(self: Arc<Self>) -> Result<Finished, DataError> {
        // The last worker may still hold its own handle for a moment.
        let mut shared = self;
        let flight = loop {
            match Arc::try_unwrap(shared) {
                Ok(flight) => break flight,
                Err(still) => shared = still,
            }
            std::thread::yield_now();
        };
        let results = flight
            .results
            .into_inner()
            .unwrap_or_else(|lock| lock.into_inner());
        if let Some((_, error)) = results.failure {
            return Err(error);
        }
        let mut positions = results.positions;
        positions.sort_unstable_by_key(|(position, _)| *position);
        Ok(Finished {
            step: flight.step,
            views: flight.views.into_iter().map(Slab::into_vec).collect(),
            positions: positions.into_iter().map(|(_, filled)| filled).collect(),
        })
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "no message".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A job whose third image is on a disk that does not answer.
    struct Stalling;

    impl Job for Stalling {
        fn samples(&self, step: usize) -> Vec<Slot> {
            let image = |slot| Slot {
                slot,
                image: slot,
                among: [0, 4],
            };
            (0..2).map(|n| image(step as u32 * 2 + n)).collect()
        }

        fn batch(&self) -> usize {
            2
        }

        fn lengths(&self) -> Vec<usize> {
            vec![1]
        }

        fn fill(
            &self,
            _: usize,
            slot: Slot,
            _: &mut [&mut [f32]],
            _: &mut Tools,
        ) -> Result<Filled, DataError> {
            if slot.image == 2 {
                std::thread::sleep(Duration::from_secs(20));
            }
            Ok(Filled::default())
        }

        fn name(&self, sample: u32) -> String {
            format!("/mnt/far/{sample}.jpg")
        }
    }

    /// What lies before it is yielded, then it is told by its name within the
    /// limit, and nothing waits for the thread that it holds.
    #[test]
    fn a_disk_that_stalls_is_told() {
        let start = Instant::now();
        let patience = Duration::from_millis(300);
        let mut pipeline = Pipeline::start(Stalling, 0..2, 2, patience).unwrap();
        assert!(pipeline.next().unwrap().is_ok());
        match pipeline.next() {
            Some(Err(DataError::Stalled { path, .. })) => assert_eq!(path, "/mnt/far/2.jpg"),
            other => panic!("{:?}", other.map(|batch| batch.map(|batch| batch.step))),
        }
        assert!(pipeline.next().is_none());
        drop(pipeline);
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
