//! The order of an epoch: a permutation keyed by the seed and the epoch.

use std::ops::Range;

use crate::philox::{Philox, below, stream};
use crate::pipeline::Slot;
use crate::source::Portion;

/// The order of the epoch that was asked for last. It keeps four bytes for
/// each slot, and of a mix four more.
pub(crate) struct Order {
    philox: Philox,
    /// Stored images.
    images: u32,
    mix: Option<Vec<Portion>>,
    epoch: Option<u32>,
    slots: Vec<u32>,
    /// Of a mix, the image of each slot.
    mixed: Vec<u32>,
}

impl Order {
    pub(crate) fn new(philox: Philox, images: u32, mix: Option<Vec<Portion>>) -> Self {
        Order {
            philox,
            images,
            mix,
            epoch: None,
            slots: Vec::new(),
            mixed: Vec::new(),
        }
    }

    /// Positions of an epoch.
    pub(crate) fn slots(&self) -> usize {
        match &self.mix {
            Some(portions) => portions.iter().map(|portion| portion.slots).sum(),
            None => self.images as usize,
        }
    }

    /// What some positions of an epoch are made of.
    pub(crate) fn read(&mut self, epoch: u32, positions: Range<usize>) -> Vec<Slot> {
        if self.epoch != Some(epoch) {
            // The old one goes first: two of ten million are never there.
            (self.slots, self.mixed) = (Vec::new(), Vec::new());
            self.slots = permutation(&self.philox, epoch, self.slots() as u32);
            self.mixed = match &self.mix {
                Some(portions) => mixed(&self.philox, epoch, portions),
                None => Vec::new(),
            };
            self.epoch = Some(epoch);
        }
        let slots = self.slots.get(positions).unwrap_or_default();
        slots.iter().map(|slot| self.slot(*slot)).collect()
    }

    fn slot(&self, slot: u32) -> Slot {
        let mut among = [0, self.images];
        let image = self.mixed.get(slot as usize).copied().unwrap_or(slot);
        let mut first = 0;
        for portion in self.mix.iter().flatten() {
            let last = first + portion.images as u32;
            if (first..last).contains(&image) {
                among = [first, last];
            }
            first = last;
        }
        Slot { slot, image, among }
    }
}

/// The image of every slot of a mix. Each part goes on through its own endless
/// row of permutations where the epoch before has left it, so that none of its
/// images comes twice before all of them came.
fn mixed(philox: &Philox, epoch: u32, portions: &[Portion]) -> Vec<u32> {
    let mut out = Vec::with_capacity(portions.iter().map(|portion| portion.slots).sum());
    let mut first = 0;
    for (part, portion) in (0..).zip(portions) {
        let images = portion.images as u64;
        let mut at = u64::from(epoch) * portion.slots as u64;
        let end = if images == 0 {
            at
        } else {
            at + portion.slots as u64
        };
        while at < end {
            let pass = (at / images) as u32;
            let order = shuffled(philox, stream::PARTS - part, pass, portion.images as u32);
            let skip = (at % images) as usize;
            let taken = ((end - at) as usize).min(order.len() - skip);
            out.extend(
                order
                    .iter()
                    .skip(skip)
                    .take(taken)
                    .map(|image| first + image),
            );
            at += taken as u64;
        }
        first += portion.images as u32;
    }
    out
}

/// A uniformly random permutation of `0..samples` (Fisher and Yates). It costs
/// memory for the indices and nothing else.
pub(crate) fn permutation(philox: &Philox, epoch: u32, samples: u32) -> Vec<u32> {
    shuffled(philox, stream::ORDER, epoch, samples)
}

fn shuffled(philox: &Philox, stream: u32, epoch: u32, samples: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..samples).collect();
    let mut words = [0; 4];
    for (drawn, i) in (1..samples).rev().enumerate() {
        if drawn % 4 == 0 {
            let block = (drawn / 4) as u32;
            words = philox.stream(epoch, block, stream).draw(0);
        }
        order.swap(i as usize, below(words[drawn % 4], i + 1) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over the epochs each part gives its share, and none of its images comes
    /// a second time before all came once.
    #[test]
    fn a_mix_keeps_its_shares_and_uses_every_image_evenly() {
        let part = |images, slots| Portion { images, slots };
        let mix = vec![part(7, 30), part(1000, 10), part(5, 0)];
        let mut order = Order::new(Philox::new(3), 1012, Some(mix));
        let mut counts = vec![0u32; 1012];
        let mut slots = Vec::new();
        for epoch in 0..100 {
            let epoch: Vec<_> = order.read(epoch, 0..40);
            assert_eq!(epoch.iter().filter(|slot| slot.image < 7).count(), 30);
            for slot in &epoch {
                counts[slot.image as usize] += 1;
                assert!(slot.among[0] <= slot.image && slot.image < slot.among[1]);
            }
            let mut of: Vec<_> = epoch.iter().map(|slot| slot.slot).collect();
            of.sort_unstable();
            assert_eq!(of, (0..40).collect::<Vec<_>>());
            slots.push(epoch);
        }
        let small = &counts[..7];
        assert!(
            small.iter().max().unwrap() - small.iter().min().unwrap() <= 1,
            "{small:?}"
        );
        assert!(counts[7..1007].iter().all(|count| *count == 1));
        assert_eq!(counts[1007..], [0; 5]);
        // Any epoch alone is what it was in the row.
        let mut again = Order::new(Philox::new(3), 1012, order.mix.clone());
        assert_eq!(again.read(57, 5..25), slots[57][5..25]);
    }

    /// Ten million images: the order takes their indices and nothing else.
    #[test]
    fn ten_million_images_need_memory_for_indices_only() {
        let mut order = Order::new(Philox::new(0), 10_000_000, None);
        let batch = order.read(0, 0..4096);
        assert_eq!(batch.len(), 4096);
        assert_eq!(order.slots.capacity() * size_of::<u32>(), 40_000_000);
        assert_eq!(order.mixed.capacity(), 0);
        order.read(1, 0..1);
        assert_eq!(order.slots.capacity() * size_of::<u32>(), 40_000_000);
    }

    #[test]
    fn every_epoch_is_another_permutation() {
        let philox = Philox::new(7);
        let first = permutation(&philox, 0, 1000);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        assert_ne!(first, permutation(&philox, 1, 1000));
        assert_ne!(first, permutation(&Philox::new(8), 0, 1000));
        assert_eq!(first, permutation(&philox, 0, 1000));
        assert_eq!(permutation(&philox, 3, 1), vec![0]);
    }

    /// Each of the 24 orders of four is as likely as any other: chi-square
    /// with 23 degrees of freedom stays below its 99.99 percent quantile.
    #[test]
    fn all_orders_are_equally_likely() {
        let philox = Philox::new(1);
        let mut counts = std::collections::HashMap::new();
        let epochs = 24_000;
        for epoch in 0..epochs {
            *counts.entry(permutation(&philox, epoch, 4)).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        let expected = f64::from(epochs) / 24.0;
        let chi: f64 = counts
            .values()
            .map(|n| (f64::from(*n) - expected).powi(2) / expected)
            .sum();
        assert!(chi < 58.6, "chi-square {chi}");
    }
}
