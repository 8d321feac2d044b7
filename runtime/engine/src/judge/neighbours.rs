//! Weighted k-nearest-neighbour classification (Wu et al. 2018).

use burn::tensor::Tensor;
use rayon::prelude::*;

/// Similarities held on the host at a time.
const CHUNK: usize = 1 << 22;

/// Images whose labels are known: `count` unit features on a device.
pub struct Voters<'a> {
    /// Unit features, `[count, D]`.
    pub features: Tensor<2>,
    /// Their labels.
    pub labels: &'a [u32],
    /// Which images they are of. An image does not vote on itself.
    pub samples: &'a [u32],
}

impl Voters<'_> {
    /// The label of each query: the `k` voters of highest cosine vote, each
    /// with `exp(cosine / temperature)`. Of equal cosines the earlier voter
    /// counts, of equal votes the lower label. `None` where nobody votes.
    ///
    /// `queries` are unit features `[N, D]` of the images `samples`.
    pub fn classify(
        &self,
        queries: &Tensor<2>,
        samples: &[u32],
        k: usize,
        temperature: f64,
    ) -> Vec<Option<u32>> {
        let [count, _] = queries.dims();
        let voters = self.labels.len();
        if voters == 0 {
            return vec![None; count];
        }
        let rows = (CHUNK / voters).clamp(1, count.max(1));
        let transposed = self.features.clone().transpose();
        let mut labels = Vec::with_capacity(count);
        for start in (0..count).step_by(rows) {
            let length = rows.min(count - start);
            let chunk = queries.clone().narrow(0, start, length);
            let cosines = chunk.matmul(transposed.clone()).into_data();
            let Ok(cosines) = cosines.try_into_vec::<f32>() else {
                labels.resize(start + length, None);
                continue;
            };
            let voted = cosines
                .par_chunks(voters)
                .zip(&samples[start..start + length]);
            labels.par_extend(voted.map(|(row, &own)| self.vote(row, own, k, temperature)));
        }
        labels
    }

    fn vote(&self, cosines: &[f32], own: u32, k: usize, temperature: f64) -> Option<u32> {
        let nearer = |&a: &usize, &b: &usize| cosines[b].total_cmp(&cosines[a]).then(a.cmp(&b));
        let mut near: Vec<usize> = (0..cosines.len())
            .filter(|&voter| self.samples[voter] != own)
            .collect();
        if near.len() > k && k > 0 {
            near.select_nth_unstable_by(k - 1, nearer);
            near.truncate(k);
        }
        near.sort_unstable_by(nearer);
        // Relative to the nearest, so that no temperature overflows.
        let nearest = f64::from(cosines[*near.first()?]);
        let mut votes: Vec<(u32, f64)> = Vec::new();
        for voter in near {
            let label = self.labels[voter];
            let weight = ((f64::from(cosines[voter]) - nearest) / temperature).exp();
            match votes.iter_mut().find(|(known, _)| *known == label) {
                Some((_, sum)) => *sum += weight,
                None => votes.push((label, weight)),
            }
        }
        votes
            .into_iter()
            .max_by(|(a, x), (b, y)| x.total_cmp(y).then(b.cmp(a)))
            .map(|(label, _)| label)
    }
}

/// Rows scaled to length 1 (zero rows stay zero).
pub fn unit(features: Tensor<2>) -> Tensor<2> {
    let norm = features.clone().square().sum_dim(1).sqrt();
    features / norm.clamp_min(1e-12)
}

/// Share of the labels that were told right.
pub fn accuracy(told: &[Option<u32>], labels: &[u32]) -> f64 {
    let right = told.iter().zip(labels).filter(|(t, l)| **t == Some(**l));
    right.count() as f64 / labels.len().max(1) as f64
}
