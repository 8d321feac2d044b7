//! The kNN monitor's bank: the latest features of the steps, as in the MoCo v3
//! paper's curves.

use burn::tensor::{Device, Tensor};

use super::neighbours::{Voters, accuracy, unit};

/// A ring of unit features with the labels and the numbers of their images.
pub struct Bank {
    /// `[capacity, D]` once the first features came.
    features: Option<Tensor<2>>,
    labels: Vec<u32>,
    samples: Vec<u32>,
    capacity: usize,
    /// Where the next feature goes.
    cursor: usize,
}

/// A bank's content, for a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// Features that were ever written, `[filled, D]`.
    pub features: Vec<f32>,
    /// `D`.
    pub width: usize,
    /// Labels, `[filled]`.
    pub labels: Vec<u32>,
    /// Image numbers, `[filled]`.
    pub samples: Vec<u32>,
    /// Where the next feature goes.
    pub cursor: usize,
}

impl Bank {
    /// An empty bank of at least one place.
    pub fn new(capacity: usize) -> Self {
        Bank {
            features: None,
            labels: Vec::new(),
            samples: Vec::new(),
            capacity: capacity.max(1),
            cursor: 0,
        }
    }

    /// Features in it.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Share of a step's features `[B, D]` that the bank classifies right;
    /// `None` while it is empty. To be asked before the step's features are
    /// pushed.
    pub fn read(
        &self,
        features: &Tensor<2>,
        labels: &[u32],
        samples: &[u32],
        k: usize,
        temperature: f64,
    ) -> Option<f64> {
        let filled = self.features.clone()?.narrow(0, 0, self.len());
        let voters = Voters {
            features: filled,
            labels: &self.labels,
            samples: &self.samples,
        };
        let told = voters.classify(&unit(features.clone()), samples, k, temperature);
        Some(accuracy(&told, labels))
    }

    /// Puts a step's features `[B, D]` in the place of the oldest.
    pub fn push(&mut self, features: Tensor<2>, labels: &[u32], samples: &[u32]) {
        let [count, width] = features.dims();
        let unit = unit(features);
        let mut ring = match self.features.take() {
            Some(ring) => ring,
            None => Tensor::zeros([self.capacity, width], &unit.device()),
        };
        // Of more features than places, the last stay.
        let mut from = count.saturating_sub(self.capacity);
        while from < count {
            let length = (count - from).min(self.capacity - self.cursor);
            let places = self.cursor..self.cursor + length;
            let piece = unit.clone().narrow(0, from, length);
            ring = ring.slice_assign([places, 0..width], piece);
            for i in from..from + length {
                let place = self.cursor + i - from;
                put(&mut self.labels, place, labels[i]);
                put(&mut self.samples, place, samples[i]);
            }
            self.cursor = (self.cursor + length) % self.capacity;
            from += length;
        }
        self.features = Some(ring);
    }

    /// The content; `None` while it is empty.
    pub fn save(&self) -> Option<Saved> {
        let features = self.features.clone()?;
        let [_, width] = features.dims();
        let filled = features.narrow(0, 0, self.len());
        Some(Saved {
            features: filled.into_data().try_into_vec().ok()?,
            width,
            labels: self.labels.clone(),
            samples: self.samples.clone(),
            cursor: self.cursor,
        })
    }

    /// Takes a saved content; false where it does not fit.
    pub fn restore(&mut self, saved: Saved, device: &Device) -> bool {
        let filled = saved.labels.len();
        let fits = filled <= self.capacity
            && saved.samples.len() == filled
            && saved.features.len() == filled * saved.width
            && saved.cursor < self.capacity;
        if fits && filled > 0 {
            let content = Tensor::<1>::from_floats(saved.features.as_slice(), device)
                .reshape([filled, saved.width]);
            let ring = Tensor::zeros([self.capacity, saved.width], device);
            self.features = Some(ring.slice_assign([0..filled, 0..saved.width], content));
            self.labels = saved.labels;
            self.samples = saved.samples;
            self.cursor = saved.cursor;
        }
        fits
    }
}

fn put(values: &mut Vec<u32>, place: usize, value: u32) {
    match values.get_mut(place) {
        Some(old) => *old = value,
        None => values.push(value),
    }
}
