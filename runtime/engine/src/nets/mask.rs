//! Which patches of a batch are hidden from an encoder (He et al. 2022).
//!
//! Masks are drawn on the host, from a pure function of what they are drawn
//! for, and go to the device as places to gather from. So they depend neither
//! on the device nor on the number of threads, and a resumed run draws the
//! same.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rayon::prelude::*;
use ssl_data::Philox;

/// A choice of hidden patches, equally many of every image.
#[derive(Debug, Clone)]
pub struct Mask {
    /// `[B, N]`, 1 where a patch is hidden, 0 elsewhere.
    hidden: Tensor<2>,
    /// Patches of an image that are visible.
    visible: usize,
    /// Their places among the `B * N` patches of the batch, rising.
    kept: Tensor<1, Int>,
    /// Their places in their own image.
    positions: Tensor<1, Int>,
    /// For each of the `B * (1 + N)` tokens of a decoder, its place among the
    /// `B * (1 + visible)` that come in and, behind them, the mask token.
    sources: Tensor<1, Int>,
}

impl Mask {
    /// The mask of given patches, row-major `[B, N]`, on a device without
    /// gradients. `None` where two images do not hide equally many.
    pub fn new(hidden: &[bool], batch: usize, device: &Device) -> Option<Self> {
        let count = hidden.len() / batch.max(1);
        let of_first = hidden.iter().take(count).filter(|hidden| **hidden).count();
        let visible = count - of_first;
        let missing = (batch * (1 + visible)) as i64;
        let (mut kept, mut positions, mut sources) = (Vec::new(), Vec::new(), Vec::new());
        for (row, patches) in hidden.chunks(count.max(1)).enumerate() {
            let first = (row * (1 + visible)) as i64;
            let mut next = first + 1;
            sources.push(first);
            for (place, hidden) in patches.iter().enumerate() {
                if *hidden {
                    sources.push(missing);
                } else {
                    sources.push(next);
                    next += 1;
                    kept.push((row * count + place) as i64);
                    positions.push(place as i64);
                }
            }
            if next != first + 1 + visible as i64 {
                return None;
            }
        }
        let ones: Vec<f32> = hidden.iter().map(|&h| f32::from(u8::from(h))).collect();
        let places = |values: Vec<i64>| {
            let length = values.len();
            Tensor::from_data(TensorData::new(values, [length]), device)
        };
        Some(Mask {
            hidden: Tensor::from_data(TensorData::new(ones, [batch, count]), device),
            visible,
            kept: places(kept),
            positions: places(positions),
            sources: places(sources),
        })
    }

    /// Hides `hidden` of `count` patches of each of `batch` images: the
    /// patches with the smallest of as many random numbers, which are a
    /// function of the seed, the step, the drawing node and the place in the
    /// batch, that `place` gives for every row.
    pub fn draw(
        seed: u64,
        [step, node]: [usize; 2],
        [batch, count, hidden]: [usize; 3],
        place: impl Fn(usize) -> usize + Sync,
        device: &Device,
    ) -> Option<Self> {
        let philox = Philox::new(seed);
        let mut drawn = vec![false; batch * count];
        let rows = drawn.par_chunks_mut(count.max(1)).enumerate();
        rows.for_each(|(row, patches)| {
            let row = place(row);
            let words = (0..count.div_ceil(4)).flat_map(|four| {
                // The high bit of the node's word keeps clear of the data's
                // draws, whose view numbers are small or near the end.
                philox.block([four, (1 << 30) + node, row, step].map(|x| x as u32))
            });
            let mut order: Vec<(u32, usize)> = words.zip(0..count).collect();
            if hidden > 0 && hidden < count {
                order.select_nth_unstable(hidden);
            }
            for (_, place) in order.into_iter().take(hidden) {
                patches[place] = true;
            }
        });
        Mask::new(&drawn, batch, device)
    }

    /// `[B, N]`, 1 where a patch is hidden, 0 elsewhere.
    pub fn hidden(&self) -> Tensor<2> {
        self.hidden.clone()
    }

    /// Visible patches of an image.
    pub fn visible(&self) -> usize {
        self.visible
    }

    /// The visible rows of `[B * N, D]`, one for each patch: `[B * visible, D]`.
    pub(super) fn keep(&self, patches: Tensor<2>) -> Tensor<2> {
        patches.select(0, self.kept.clone())
    }

    /// The rows of a table `[N, D]` that belong to the visible patches:
    /// `[B, visible, D]`.
    pub(super) fn of_table(&self, table: Tensor<2>) -> Tensor<3> {
        let [_, dim] = table.dims();
        let batch = self.hidden.dims()[0];
        let rows = table.select(0, self.positions.clone());
        rows.reshape([batch, self.visible, dim])
    }

    /// Every patch in its place: class token and visible patches
    /// `[B, 1 + visible, D]`, with `missing` `[1, D]` in the hidden places, to
    /// `[B, 1 + N, D]`.
    pub(super) fn fill(&self, tokens: Tensor<3>, missing: Tensor<2>) -> Tensor<3> {
        let [batch, count, dim] = tokens.dims();
        let known = tokens.reshape([batch * count, dim]);
        let all = Tensor::cat(vec![known, missing], 0).select(0, self.sources.clone());
        all.reshape([batch, 1 + self.hidden.dims()[1], dim])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(mask: &Mask) -> Vec<Vec<f32>> {
        let [_, count] = mask.hidden.dims();
        let values = mask.hidden().into_data().try_into_vec::<f32>();
        let values = values.expect("float32");
        values.chunks(count).map(<[f32]>::to_vec).collect()
    }

    /// Exactly so many of every image, another choice for every image, step
    /// and node, the same again for the same, and no place preferred.
    #[test]
    fn a_mask_hides_exactly_so_many_anywhere() {
        let device = Device::flex();
        let draw = |step, node| Mask::draw(7, [step, node], [400, 16, 12], |row| row, &device);
        let mask = draw(3, 5).expect("a mask");
        assert_eq!(mask.visible(), 4);
        let first = rows(&mask);
        for row in &first {
            assert_eq!(row.iter().sum::<f32>(), 12.0);
        }
        assert!(first.windows(2).filter(|pair| pair[0] == pair[1]).count() < 5);
        let again = |step, node| rows(&draw(step, node).expect("a mask"));
        assert_eq!(first, again(3, 5));
        assert_ne!(first, again(4, 5));
        assert_ne!(first, again(3, 6));
        for place in 0..16 {
            let share = first.iter().map(|row| row[place]).sum::<f32>() / 400.0;
            // Five deviations of a binomial share of 400 draws.
            assert!((share - 0.75).abs() < 0.11, "{place}: {share}");
        }
    }

    #[test]
    fn what_was_kept_comes_back_to_its_place() {
        let device = Device::flex();
        let hidden = [true, false, true, false, false, true, true, false];
        let mask = Mask::new(&hidden, 2, &device).expect("two of four");
        let patches = Tensor::<1, Int>::arange(0..8, &device)
            .float()
            .reshape([8, 1]);
        let kept = mask.keep(patches);
        let vec = |x: Tensor<2>| x.into_data().try_into_vec::<f32>().expect("float32");
        assert_eq!(vec(kept.clone()), [1.0, 3.0, 4.0, 7.0]);
        let class = Tensor::<3>::full([2, 1, 1], -1.0, &device);
        let tokens = Tensor::cat(vec![class, kept.reshape([2, 2, 1])], 1);
        let missing = Tensor::<2>::full([1, 1], 9.0, &device);
        let all = mask.fill(tokens, missing).reshape([2, 5]);
        assert_eq!(
            vec(all),
            [-1.0, 9.0, 1.0, 9.0, 3.0, -1.0, 4.0, 9.0, 9.0, 7.0]
        );
        assert!(Mask::new(&[true, false, false, false], 2, &device).is_none());
    }
}
