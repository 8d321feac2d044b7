//! kNN against a loop in float64, the bank as a ring, and the spread.

use burn::tensor::{Device, Tensor, TensorData};

use super::neighbours::{Voters, accuracy, unit};
use super::{Bank, spread};

fn noise(count: usize, seed: f64) -> Vec<f32> {
    // A chaotic map, so that no two features are near each other.
    let entry = |i: usize| (((i as f64 + seed) * 12.9898).sin() * 43758.5453).fract() as f32;
    (0..count).map(entry).collect()
}

fn matrix(values: Vec<f32>, width: usize) -> Tensor<2> {
    let rows = values.len() / width;
    Tensor::from_data(TensorData::new(values, [rows, width]), &Device::flex())
}

/// The label of each query by definition.
fn by_hand(
    queries: (&[f32], &[u32]),
    voters: (&[f32], &[u32], &[u32]),
    width: usize,
    k: usize,
    temperature: f64,
) -> Vec<Option<u32>> {
    let normal = |row: &[f32]| {
        let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.into_iter().map(|x| x / length).collect::<Vec<f64>>()
    };
    let (features, labels, samples) = voters;
    let vote = |(query, own): (&[f32], &u32)| {
        let query = normal(query);
        let mut cosines: Vec<(f64, u32)> = features
            .chunks(width)
            .zip(labels)
            .zip(samples)
            .filter(|(_, sample)| *sample != own)
            .map(|((voter, label), _)| {
                let voter = normal(voter);
                (query.iter().zip(voter).map(|(a, b)| a * b).sum(), *label)
            })
            .collect();
        cosines.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut votes = [0.0; 10];
        for (cosine, label) in cosines.into_iter().take(k) {
            votes[label as usize] += (cosine / temperature).exp();
        }
        let best = (0..10).max_by(|&a, &b| votes[a].total_cmp(&votes[b]))?;
        Some(best as u32)
    };
    queries.0.chunks(width).zip(queries.1).map(vote).collect()
}

#[test]
fn neighbours_vote_as_defined() {
    let (width, voters, queries) = (12, 300, 70);
    let features = noise(voters * width, 0.0);
    let asked = noise(queries * width, 9999.0);
    let labels: Vec<u32> = (0..voters as u32).map(|i| i * 7 % 10).collect();
    let samples: Vec<u32> = (0..voters as u32).map(|i| i / 2).collect();
    let own: Vec<u32> = (0..queries as u32).map(|i| i * 3).collect();
    let set = Voters {
        features: unit(matrix(features.clone(), width)),
        labels: &labels,
        samples: &samples,
    };
    for (k, temperature) in [(1, 0.07), (20, 0.07), (20, 10.0), (1000, 0.5)] {
        let told = set.classify(&unit(matrix(asked.clone(), width)), &own, k, temperature);
        let expected = by_hand(
            (&asked, &own),
            (&features, &labels, &samples),
            width,
            k,
            temperature,
        );
        assert_eq!(told, expected, "k {k}, T {temperature}");
    }
}

/// Every image's nearest feature is its own copy with a wrong label: were it
/// let vote, all would be wrong. Its second nearest is right.
#[test]
fn an_image_does_not_vote_on_itself() {
    let width = 8;
    let queries = noise(20 * width, 3.0);
    let near: Vec<f32> = queries.iter().map(|x| x + 1e-3).collect();
    let features = [queries.clone(), near].concat();
    let labels: Vec<u32> = (0..40).map(|i| if i < 20 { 9 } else { i % 3 }).collect();
    let samples: Vec<u32> = (0..40).map(|i| if i < 20 { i } else { 1000 + i }).collect();
    let set = Voters {
        features: unit(matrix(features, width)),
        labels: &labels,
        samples: &samples,
    };
    let own: Vec<u32> = (0..20).collect();
    let told = set.classify(&unit(matrix(queries.clone(), width)), &own, 1, 0.07);
    let expected: Vec<u32> = (20..40).map(|i| i % 3).collect();
    assert_eq!(accuracy(&told, &expected), 1.0);
    let told = set.classify(&unit(matrix(queries, width)), &[u32::MAX; 20], 1, 0.07);
    assert_eq!(accuracy(&told, &[9; 20]), 1.0);
}

/// After any number of pushes the bank votes as the latest features do, and so
/// does a bank that was saved and restored in between.
#[test]
fn the_bank_holds_the_latest_features() {
    let (width, batch, capacity) = (6, 16, 50);
    let step = |s: usize| {
        let first = (s * batch) as u32;
        let labels: Vec<u32> = (first..).take(batch).map(|i| i * 3 % 10).collect();
        let samples: Vec<u32> = (first..).take(batch).map(|i| i % 90).collect();
        (noise(batch * width, s as f64 * 1000.0), labels, samples)
    };
    let device = Device::flex();
    let mut bank = Bank::new(capacity);
    for s in 0..9 {
        let (features, labels, samples) = step(s);
        let asked = matrix(features.clone(), width);
        let read = bank.read(&asked, &labels, &samples, 5, 0.1);
        let kept = (s * batch).min(capacity);
        if kept == 0 {
            assert_eq!(read, None);
        } else {
            let mut latest = (Vec::new(), Vec::new(), Vec::new());
            for (f, l, i) in (0..s).map(step) {
                latest.0.extend(f);
                latest.1.extend(l);
                latest.2.extend(i);
            }
            let from = s * batch - kept;
            let voters = (
                &latest.0[from * width..],
                &latest.1[from..],
                &latest.2[from..],
            );
            let expected = by_hand((&features, &samples), voters, width, 5, 0.1);
            assert_eq!(read, Some(accuracy(&expected, &labels)), "step {s}");
            assert_eq!(bank.len(), kept);
        }
        bank.push(asked, &labels, &samples);
        let mut restored = Bank::new(capacity);
        assert!(restored.restore(bank.save().unwrap(), &device));
        assert_eq!(restored.save(), bank.save());
        bank = restored;
    }
    assert!(!Bank::new(capacity - 1).restore(bank.save().unwrap(), &device));
}

/// Features on `m` orthogonal axes in equal parts, about their mean: `m - 1`
/// directions of equal weight.
#[test]
fn the_spread_of_known_features() {
    let (rows, width, axes) = (240, 16, 6);
    let at = |i: usize, j: usize| f32::from(u8::from(i % axes == j));
    let features = (0..rows)
        .flat_map(|i| (0..width).map(move |j| at(i, j)))
        .collect();
    let found = spread(&matrix(features, width)).unwrap();
    assert!(
        (found.effective_rank - (axes - 1) as f64).abs() < 1e-3,
        "{found:?}"
    );
    let share: f64 = 1.0 / axes as f64;
    let std = axes as f64 * (share * (1.0 - share)).sqrt() / (width as f64).sqrt();
    assert!((found.std - std).abs() < 1e-5, "{found:?} {std}");

    let point = matrix(vec![0.25; rows * width], width);
    let found = spread(&point).unwrap();
    assert!(found.std < 1e-5 && found.effective_rank < 1e-3, "{found:?}");
    let broken = matrix(vec![f32::NAN; rows * width], width);
    assert_eq!(spread(&broken), None);
}
