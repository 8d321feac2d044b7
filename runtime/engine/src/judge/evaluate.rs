//! kNN on frozen features, before and after training.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, Tensor, TensorData};
use ssl_data::{Dataset, Split};
use ssl_plan::{Eval, FeatureOf};

use super::neighbours::{Voters, accuracy, unit};
use super::spread::spread;
use super::{Evaluation, Protocol};
use crate::error::EngineError;
use crate::model::Model;
use crate::nets::Mode;

/// Images forwarded at a time.
const BATCH: usize = 256;

/// Images whose features the spread is taken of.
const SPREAD: usize = 10_000;

/// Images classified where training images vote on each other: evenly spaced
/// ones, for the cost grows with their number times the set's.
const LEFT_OUT: usize = 10_000;

/// What became of an evaluation.
pub enum Judged {
    /// It was made.
    Done(Evaluation),
    /// The run was asked to stop.
    Stopped,
}

/// Reads an evaluation on the networks as they are, in evaluation mode; no
/// tensor of theirs changes.
///
/// # Errors
///
/// Data that cannot be read, features that are not finite, a feature of no
/// net.
pub fn evaluate(
    eval: &Eval,
    model: &mut Model,
    data: &Dataset,
    device: &Device,
    stop: &AtomicBool,
) -> Result<Judged, EngineError> {
    let Eval::Knn {
        feature,
        k,
        temperature,
        ..
    } = eval;
    let labelled = data.labels(Split::Train).is_some();
    let limit = if labelled { usize::MAX } else { SPREAD };
    let Some(train) = extract(eval, model, data, Split::Train, limit, device, stop)? else {
        return Ok(Judged::Stopped);
    };
    let every = train.samples.len().div_ceil(SPREAD).max(1);
    let spread = spread(&train.thinned(every).features)
        .ok_or_else(|| EngineError::Compute("the features are not finite".to_string()))?;

    let held_out = match data.labels(Split::HeldOut) {
        Some(_) if labelled => {
            let split = Split::HeldOut;
            match extract(eval, model, data, split, usize::MAX, device, stop)? {
                Some(features) => Some(features),
                None => return Ok(Judged::Stopped),
            }
        }
        _ => None,
    };
    let (protocol, queries) = match held_out {
        Some(features) => (Protocol::HeldOut, features),
        None => {
            let every = train.samples.len().div_ceil(LEFT_OUT).max(1);
            (Protocol::LeaveOneOut, train.thinned(every))
        }
    };
    let voters = Voters {
        features: train.features.clone(),
        labels: &train.labels,
        samples: &train.samples,
    };
    let accuracy = labelled.then(|| {
        // Held-out images have numbers of their own; none is a voter.
        let own: Vec<u32> = match protocol {
            Protocol::LeaveOneOut => queries.samples.clone(),
            Protocol::HeldOut => vec![u32::MAX; queries.samples.len()],
        };
        let told = voters.classify(&queries.features, &own, *k, *temperature);
        accuracy(&told, &queries.labels)
    });
    Ok(Judged::Done(Evaluation {
        feature: model.feature_name(feature),
        accuracy,
        protocol,
        k: *k,
        voters: train.samples.len(),
        queries: if labelled { queries.samples.len() } else { 0 },
        spread,
    }))
}

/// Unit features `[N, D]` of a split.
struct Features {
    features: Tensor<2>,
    labels: Vec<u32>,
    samples: Vec<u32>,
}

impl Features {
    /// Every `every`-th image.
    fn thinned(&self, every: usize) -> Features {
        let places: Vec<i64> = (0..self.samples.len())
            .step_by(every)
            .map(|i| i as i64)
            .collect();
        let pick = |all: &[u32]| all.iter().step_by(every).copied().collect();
        let count = places.len();
        let places = Tensor::from_data(TensorData::new(places, [count]), &self.features.device());
        Features {
            features: self.features.clone().select(0, places),
            labels: pick(&self.labels),
            samples: pick(&self.samples),
        }
    }
}

/// The features of the first `limit` images of a split; `None` where the run
/// was asked to stop.
fn extract(
    eval: &Eval,
    model: &mut Model,
    data: &Dataset,
    split: Split,
    limit: usize,
    device: &Device,
    stop: &AtomicBool,
) -> Result<Option<Features>, EngineError> {
    let Eval::Knn {
        feature,
        transforms,
        size,
        ..
    } = eval;
    let mut pieces = Vec::new();
    let mut labels = Vec::new();
    let mut samples: Vec<u32> = Vec::new();
    for batch in data.evaluation(split, transforms, *size, BATCH) {
        let batch = batch?;
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let shape = [batch.samples.len(), 3, size[0], size[1]];
        let pixels = Tensor::from_data(TensorData::new(batch.pixels, shape), device);
        pieces.push(forward(model, feature, pixels)?);
        labels.extend(batch.labels.into_iter().flatten());
        samples.extend(batch.samples);
        if samples.len() >= limit {
            break;
        }
    }
    if pieces.is_empty() {
        return Err(EngineError::plan("an evaluation found no images"));
    }
    Ok(Some(Features {
        features: unit(Tensor::cat(pieces, 0)),
        labels,
        samples,
    }))
}

/// A stage's output in evaluation mode, without a graph.
fn forward(
    model: &mut Model,
    feature: &FeatureOf,
    pixels: Tensor<4>,
) -> Result<Tensor<2>, EngineError> {
    let output = model.member(&feature.net).and_then(|member| {
        let mut network = member.network.without_gradients();
        network.feature(feature.stage, pixels, Mode::Eval)
    });
    output.ok_or_else(|| EngineError::plan(format!("`{}` has no such stage", feature.net)))
}
