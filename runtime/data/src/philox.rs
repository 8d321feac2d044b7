//! Randomness without state: Philox4x32-10 (Salmon, Moraes, Dror and Shaw,
//! "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//!
//! A draw is a pure function of the seed and of what it is drawn for, so any
//! number of workers and any point of resumption give the same numbers, and
//! there is nothing to save.

/// A keyed function from a counter of 128 bits to 128 random bits.
#[derive(Debug, Clone, Copy)]
pub struct Philox {
    key: [u32; 2],
}

impl Philox {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Philox {
            key: [seed as u32, (seed >> 32) as u32],
        }
    }

    /// Four random words for a counter.
    pub fn block(&self, mut counter: [u32; 4]) -> [u32; 4] {
        let mut key = self.key;
        for round in 0..10 {
            if round > 0 {
                key[0] = key[0].wrapping_add(0x9E37_79B9);
                key[1] = key[1].wrapping_add(0xBB67_AE85);
            }
            let a = u64::from(counter[0]) * 0xD251_1F53;
            let b = u64::from(counter[2]) * 0xCD9E_8D57;
            counter = [
                (b >> 32) as u32 ^ counter[1] ^ key[0],
                b as u32,
                (a >> 32) as u32 ^ counter[3] ^ key[1],
                a as u32,
            ];
        }
        counter
    }

    /// The stream of one view of one sample in one epoch.
    pub(crate) fn stream(&self, epoch: u32, sample: u32, view: u32) -> Stream {
        Stream {
            philox: *self,
            epoch,
            sample,
            view,
        }
    }
}

/// View numbers of what is drawn beside the views.
pub(crate) mod stream {
    /// The order of an epoch.
    pub(crate) const ORDER: u32 = u32::MAX;
    /// Which image stands in for one that cannot be read.
    pub(crate) const REPLACEMENT: u32 = u32::MAX - 1;
    /// How a batch is mixed.
    pub(crate) const MIX: u32 = u32::MAX - 2;
    /// The order of the first part of a mix; those of the others lie below.
    pub(crate) const PARTS: u32 = u32::MAX - 1024;
}

/// The random words of one view of one sample in one epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    philox: Philox,
    epoch: u32,
    sample: u32,
    view: u32,
}

impl Stream {
    /// Four words for the draw of a number.
    pub(crate) fn draw(&self, draw: u32) -> [u32; 4] {
        self.philox
            .block([draw, self.view, self.sample, self.epoch])
    }
}

/// Uniform in `[0, 1)`.
pub(crate) fn unit(word: u32) -> f64 {
    f64::from(word) * (1.0 / 4_294_967_296.0)
}

/// Uniform in `[low, high)`; `low` where the two are equal.
pub(crate) fn uniform(word: u32, [low, high]: [f64; 2]) -> f64 {
    low + (high - low) * unit(word)
}

/// Uniform in `0..n`, `n > 0`; the bias is below `n / 2^32`.
pub(crate) fn below(word: u32, n: u32) -> u32 {
    ((u64::from(word) * u64::from(n)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the authors' Random123 1.14 (`kat_vectors`).
    #[test]
    fn known_answers() {
        let cases = [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [u32::MAX; 4],
                [u32::MAX; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            let seed = u64::from(key[0]) | u64::from(key[1]) << 32;
            assert_eq!(Philox::new(seed).block(counter), expected);
        }
    }
}
