//! Leaving out branches of blocks for single samples (stochastic depth, Huang
//! et al. 2016), as timm's `drop_path`: what is kept is scaled up.
//!
//! Who is left out is a function of the seed, the step, the forward pass, the
//! branch, the view and the place in the whole batch, so that neither the
//! device, nor micro-batches, nor an interruption changes it.

use burn::tensor::{Tensor, TensorData};
use ssl_data::Philox;

/// A forward pass among all of a run.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The run's seed.
    pub seed: u64,
    /// The step, which schedules are asked for.
    pub step: usize,
    /// Which forward pass of the step.
    pub place: usize,
    /// The place in the batch of the first image of every view.
    pub first: usize,
    /// Images of a view that run here; several views may run as one batch.
    pub images: usize,
}

/// The probability with which a block is left out, and what it is drawn from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drop {
    moment: Moment,
    probability: f64,
    block: usize,
}

impl Drop {
    /// That of block `block` of `blocks`: straight from 0 at the first to
    /// `rate` at the last. `None` where nothing is left out.
    pub(super) fn of_block(moment: Moment, rate: f64, [block, blocks]: [usize; 2]) -> Option<Self> {
        let share = block as f64 / blocks.saturating_sub(1).max(1) as f64;
        let probability = rate * share;
        (probability > 0.0).then_some(Drop {
            moment,
            probability,
            block,
        })
    }

    /// The factor of each sample, `[batch, 1]`: zero, or 1 over the
    /// probability of staying.
    pub(super) fn factors(&self, branch: usize, batch: usize, like: &Tensor<2>) -> Tensor<2> {
        let Moment {
            seed,
            step,
            place,
            first,
            images,
        } = self.moment;
        let philox = Philox::new(seed);
        let stays = 1.0 - self.probability;
        let factor = |row: usize| {
            // The second highest bit of the pass's word keeps clear of the
            // draws of the data and of masks.
            let (view, image) = (row / images.max(1), first + row % images.max(1));
            let branch = 2 * self.block + branch;
            let counter = [branch + (view << 16), (1 << 29) + place, image, step];
            let [word, ..] = philox.block(counter.map(|x| x as u32));
            match (f64::from(word) + 0.5) / 4_294_967_296.0 < stays {
                true => (1.0 / stays) as f32,
                false => 0.0,
            }
        };
        let values: Vec<f32> = (0..batch).map(factor).collect();
        let device = like.device().without_autodiff();
        Tensor::from_data(TensorData::new(values, [batch, 1]), &device)
    }

    /// A branch over `[batch * N, dim]` with its samples left out.
    pub(super) fn rows(&self, branch: usize, x: Tensor<2>, batch: usize) -> Tensor<2> {
        let [rows, dim] = x.dims();
        let factors = self.factors(branch, batch, &x);
        let x = x.reshape([batch, rows / batch.max(1) * dim]);
        (x * factors).reshape([rows, dim])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn moment(step: usize, place: usize) -> Moment {
        Moment {
            seed: 3,
            step,
            place,
            first: 0,
            images: 1000,
        }
    }

    fn rows(step: usize, place: usize, block: usize) -> Vec<f32> {
        let moment = moment(step, place);
        let drop = Drop::of_block(moment, 0.4, [block, 5]).expect("it drops");
        let ones = Tensor::<2>::ones([2000, 3], &Device::flex());
        let x = drop.rows(0, ones, 1000);
        x.into_data().try_into_vec().expect("float32")
    }

    /// As many as said, whole samples, kept ones scaled, another choice in
    /// every pass; the first block is never left out.
    #[test]
    fn samples_are_left_out_whole_and_the_rest_is_scaled() {
        for (block, expected) in [(1, 0.1), (4, 0.4)] {
            let values = rows(7, 2, block);
            let samples: Vec<&[f32]> = values.chunks(6).collect();
            let keep = 1.0 / (1.0 - expected as f32);
            for sample in &samples {
                assert!(sample.iter().all(|x| *x == sample[0]), "one sample");
                assert!(sample[0] == 0.0 || (sample[0] - keep).abs() < 1e-6);
            }
            let gone = samples.iter().filter(|s| s[0] == 0.0).count() as f64 / 1000.0;
            // Five deviations of a share of a thousand draws.
            assert!((gone - expected).abs() < 0.08, "{gone}");
        }
        assert_eq!(rows(7, 2, 4), rows(7, 2, 4));
        assert_ne!(rows(7, 2, 4), rows(8, 2, 4));
        assert_ne!(rows(7, 2, 4), rows(7, 3, 4));
        assert!(Drop::of_block(moment(0, 0), 0.4, [0, 5]).is_none());
    }

    /// Two views that run as one batch, in one piece and in two parts.
    #[test]
    fn parts_of_a_batch_leave_out_what_the_whole_does() {
        let like = Tensor::<2>::ones([1, 1], &Device::flex());
        let of = |first, images| {
            let moment = Moment {
                first,
                images,
                ..moment(7, 2)
            };
            let drop = Drop::of_block(moment, 0.4, [4, 5]).expect("it drops");
            let factors = drop.factors(0, 2 * images, &like).into_data();
            factors.try_into_vec::<f32>().expect("float32")
        };
        let (whole, early, late) = (of(0, 8), of(0, 4), of(4, 4));
        let joined = [&early[..4], &late[..4], &early[4..], &late[4..]].concat();
        assert_eq!(whole, joined);
        assert_ne!(whole[..8], whole[8..]);
    }
}
