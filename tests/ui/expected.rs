//! What the loss can come to: the values that papers and reference code state,
//! derived from the methods' text alone.

#[path = "../support/bench.rs"]
mod bench;

use bench::planned;
use ssl_plan::Expected;

/// A pipeline of the library, extended.
fn expected(pipeline: &str, set: &[&str]) -> Expected {
    let (module, _) = pipeline.split_once('.').expect("MODULE.PIPELINE");
    let text =
        format!("use std.{module}\n\npipeline mine extends {pipeline} {{\n  train.seed = 1\n}}\n");
    planned(&text, set).expected
}

fn constant(of: Option<&ssl_plan::Schedule>) -> Option<f64> {
    of.map(|s| s.as_constant().expect("it does not move"))
}

#[track_caller]
fn close(found: Option<f64>, known: f64) {
    let found = found.expect("it can be derived");
    assert!(
        (found - known).abs() < 5e-5 * known.abs().max(1.0),
        "{found} is not {known}"
    );
}

/// 4T ln N, ln(2N - 1), ln(K + 1), ln K, and the distances' own zero.
#[test]
fn a_collapsed_network_has_the_known_loss() {
    for (pipeline, set, known) in [
        ("mocov3.vit_small", [].as_slice(), 6.6542),
        ("mocov3.vit_small", &["data.batch=256"], 4.4361),
        ("mocov3.resnet50", &[], 4.0 * 4096f64.ln()),
        ("simclr.resnet50", &[], 8191f64.ln()),
        ("moco.v1_resnet50", &[], 65537f64.ln()),
        ("moco.v2_resnet50", &[], 65537f64.ln()),
        ("simclr_v2.memory", &[], 65537f64.ln()),
        ("nnclr.resnet50", &[], 4096f64.ln()),
        ("swav.resnet50", &[], 3000f64.ln()),
        ("swav.resnet50_256", &[], 3000f64.ln()),
        ("dino.vit_small", &[], 65536f64.ln()),
        ("byol.resnet50", &[], 0.0),
        ("simsiam.resnet50", &[], -1.0),
        // The hinge of VICReg at a variance of 1e-4.
        ("vicreg.resnet50", &[], 25.0 * 0.99),
        // 8192 dimensions whose correlation is 0, by BatchNorm's epsilon.
        ("barlow_twins.resnet50", &[], 8192.0),
    ] {
        println!("{pipeline} {set:?}");
        close(constant(expected(pipeline, set).collapsed.as_ref()), known);
    }
    // Pixels are never the same.
    assert_eq!(expected("mae.vit_base", &[]), Expected::default());
}

#[test]
fn the_least_loss_is_the_simplex_or_a_bound() {
    let least = |pipeline, set: &[&str]| {
        let least = expected(pipeline, set).least.expect("it can be derived");
        (constant(Some(&least.value)), least.exact)
    };
    // 4 (ln N - 1), for N much larger than 1: 29.27.
    let (value, exact) = least("mocov3.resnet50", &[]);
    close(value, 4.0 * (1.0 + 4095.0 * (-4096.0 / 4095f64).exp()).ln());
    assert!((value.unwrap_or(0.0) - 29.27).abs() < 0.005 && !exact);
    // Negatives of a queue may lie opposite.
    let (value, exact) = least("moco.v2_resnet50", &[]);
    close(value, (1.0 + 65536.0 * (-2.0 / 0.2f64).exp()).ln());
    assert!(!exact);
    // In 128 dimensions 129 images are a simplex, and 130 are none.
    assert!(least("simclr.digits", &["data.batch=129"]).1);
    assert!(!least("simclr.digits", &["data.batch=130"]).1);
    assert_eq!(least("byol.digits", &[]), (Some(0.0), true));
    assert_eq!(least("simsiam.digits", &[]), (Some(-1.0), true));
}

const CONTRAST: &str = "pipeline mine {
  data {
    source = digits()
    batch  = 4
  }
  view a {
    random_resized_crop(8)
    normalize(half)
  }
  view b = a
  net encoder = mlp([16, 3])
  net trunk   = vit(dim: 64, depth: 1, heads: 4, patch: 2)
  step(a, b) {
    p = encoder(trunk(a))
    q = encoder(trunk(b))
    minimize LOSS
  }
  train {
    epochs    = 4
    optimizer = adamw(lr: 1e-3)
  }
}
";

/// NT-Xent of four images, by its definition, on any features.
fn nt_xent(rows: &[[f64; 3]; 8], temperature: f64) -> f64 {
    let unit = rows.map(|r| {
        let norm = r.iter().map(|x| x * x).sum::<f64>().sqrt();
        r.map(|x| x / norm)
    });
    let cosine = |i: usize, j: usize| -> f64 { (0..3).map(|d| unit[i][d] * unit[j][d]).sum() };
    let mut total = 0.0;
    for i in 0..8 {
        let others = (0..8).filter(|j| *j != i);
        let sum: f64 = others.map(|j| (cosine(i, j) / temperature).exp()).sum();
        total -= cosine(i, (i + 4) % 8) / temperature - sum.ln();
    }
    total / 8.0
}

/// The bound is reached by a tetrahedron, and by no other features that a
/// search finds; a loss of another sign has none.
#[test]
fn no_features_go_below_the_least_loss() {
    let text = CONTRAST.replace("LOSS", "nt_xent(p, q, temperature: 0.5)");
    let found = planned(&text, &[])
        .expected
        .least
        .expect("it can be derived");
    assert!(found.exact);
    let least = constant(Some(&found.value)).expect("a number");
    let corners = [
        [1.0, 1.0, 1.0],
        [1.0, -1.0, -1.0],
        [-1.0, 1.0, -1.0],
        [-1.0, -1.0, 1.0],
    ];
    let best: [[f64; 3]; 8] = std::array::from_fn(|i| corners[i % 4]);
    assert!((nt_xent(&best, 0.5) - least).abs() < 1e-9);
    let mut state = 1u64;
    let mut random = || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    };
    for i in 0..20_000 {
        // Anywhere, and near the best.
        let reach = if i % 2 == 0 { 1.0 } else { 0.01 };
        let from = if i % 2 == 0 { [[0.0; 3]; 8] } else { best };
        let near = from.map(|r| r.map(|x| x + reach * random()));
        assert!(nt_xent(&near, 0.5) >= least - 1e-12, "{near:?}");
    }
    let text = CONTRAST.replace("LOSS", "-nt_xent(p, q, temperature: 0.5)");
    assert_eq!(planned(&text, &[]).expected.least, None);
}

/// 2T ln N moves with T.
#[test]
fn a_temperature_that_moves_takes_the_loss_along() {
    let text = CONTRAST.replace("LOSS", "info_nce(p, q, temperature: cosine(1 -> 0.2))");
    let plan = planned(&text, &[]);
    let last = plan.recipe.train.steps as f64 - 1.0;
    let collapsed = plan.expected.collapsed.expect("it can be derived");
    close(Some(collapsed.at(0.0)), 2.0 * 4f64.ln());
    assert!((collapsed.at(last) - 0.4 * 4f64.ln()).abs() < 1e-3);
    let half = last / 2.0;
    assert!((collapsed.at(half) - 1.2 * 4f64.ln()).abs() < 5e-3);
}
