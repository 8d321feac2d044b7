//! The order of an epoch: a permutation keyed by the seed and the epoch.

use crate::philox::{Philox, below, stream};

/// A uniformly random permutation of `0..samples` (Fisher and Yates). It costs
/// memory for the indices and nothing else.
pub(crate) fn permutation(philox: &Philox, epoch: u32, samples: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..samples).collect();
    let mut words = [0; 4];
    for (drawn, i) in (1..samples).rev().enumerate() {
        if drawn % 4 == 0 {
            let block = (drawn / 4) as u32;
            words = philox.stream(epoch, block, stream::ORDER).draw(0);
        }
        order.swap(i as usize, below(words[drawn % 4], i + 1) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

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
