//! The loader on the embedded digits: what a step holds, and that neither
//! workers nor a resumed start change it.

mod common;

use common::{digits, moco_views};
use ssl_data::{Batch, Dataset, Split};
use ssl_plan::Transform;

fn batches(dataset: &Dataset, first: usize, last: usize, workers: usize) -> Vec<Batch> {
    dataset
        .loader(&moco_views(8), 3, first, last, workers)
        .collect::<Result<_, _>>()
        .unwrap()
}

#[test]
fn workers_and_resumption_change_nothing() {
    let dataset = Dataset::open(&digits(240)).unwrap();
    let whole = batches(&dataset, 0, 12, 1);
    assert_eq!(whole.len(), 12);
    assert_eq!(batches(&dataset, 0, 12, 2), whole);
    assert_eq!(batches(&dataset, 0, 12, 5), whole);
    assert_eq!(batches(&dataset, 7, 12, 3), whole[7..]);
    let other = dataset.loader(&moco_views(8), 4, 0, 1, 2).next().unwrap();
    assert_ne!(other.unwrap().views, whole[0].views);
}

#[test]
fn an_epoch_holds_every_image_once() {
    let dataset = Dataset::open(&digits(240)).unwrap();
    let labels = dataset.labels(Split::Train).unwrap().to_vec();
    let all = batches(&dataset, 0, 10, 2);
    for epoch in all.chunks(5) {
        let mut seen: Vec<u32> = epoch.iter().flat_map(|b| b.samples.clone()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..1200).collect::<Vec<_>>());
    }
    assert_ne!(
        all[0].samples, all[5].samples,
        "each epoch has its own order"
    );
    for batch in &all {
        let expected: Vec<u32> = batch.samples.iter().map(|s| labels[*s as usize]).collect();
        assert_eq!(batch.labels.as_deref(), Some(&expected[..]));
        assert_eq!(batch.views.len(), 2);
        for view in &batch.views {
            assert_eq!(view.pixels.len(), 240 * 3 * 8 * 8);
        }
        assert_ne!(batch.views[0].pixels, batch.views[1].pixels);
    }
}

#[test]
fn evaluation_is_in_order_and_exact() {
    let dataset = Dataset::open(&digits(240)).unwrap();
    let normalize = Transform::Normalize {
        mean: [0.5; 3],
        std: [0.25; 3],
    };
    let batches: Vec<_> = dataset
        .evaluation(Split::HeldOut, &[normalize], [8, 8], 100)
        .collect::<Result<_, _>>()
        .unwrap();
    let sizes: Vec<usize> = batches.iter().map(|b| b.samples.len()).collect();
    assert_eq!(sizes, [100, 100, 100, 100, 100, 97]);
    let labels: Vec<u32> = batches
        .iter()
        .flat_map(|b| b.labels.clone().unwrap())
        .collect();
    assert_eq!(labels, dataset.labels(Split::HeldOut).unwrap());
    // Line 1201 of the file begins 0,0,12,16; round(12 * 255 / 16) = 191.
    let value = |raw: f32| (raw / 255.0 - 0.5) / 0.25;
    let first = [0.0, 0.0, 191.0, 255.0].map(value);
    assert_eq!(batches[0].pixels[..4], first);
}

#[test]
fn dropping_a_loader_ends_it_at_once() {
    let dataset = Dataset::open(&digits(240)).unwrap();
    let start = std::time::Instant::now();
    for _ in 0..20 {
        let mut loader = dataset.loader(&moco_views(8), 0, 0, usize::MAX, 4);
        loader.next().unwrap().unwrap();
    }
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
