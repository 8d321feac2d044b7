//! What `sslc check --fix` does to every case.

use std::path::Path;

use ssl_core::{Demand, Mended, Request};
use ssl_diagnostics::{Severity, SourceMap};

use super::compiling::Bench;
use super::{cases, check};

fn mended(case: &Path) -> Mended {
    let dir = case.parent().expect("a case lies in a folder");
    let request = Request {
        path: case.file_name().expect("a case is a file").into(),
        demand: Demand::Run,
        ..Request::default()
    };
    let read = |file: &Path| std::fs::read_to_string(dir.join(file)).ok();
    ssl_core::mend_file(&request, &Bench(read))
}

/// What had a certain mend is gone, nothing worse has come, and the formatter
/// finds nothing to do where it found nothing before.
#[test]
fn what_is_mended_is_gone_and_nothing_worse_has_come() {
    let (mut count, mut refused) = (0, 0);
    for case in cases() {
        let name = case.display();
        let before = check(&case);
        let fixable: Vec<_> = before
            .diagnostics
            .iter()
            .filter(|d| d.fixes.iter().any(|f| f.certain))
            .collect();
        let after = mended(&case);
        let text = after.before.clone().expect("a case is readable");
        if fixable.is_empty() {
            assert_eq!(after.text, text, "{name}");
            continue;
        }
        count += fixable.len();
        // A mend that would bring an error of another kind is left out.
        if after.done.len() < fixable.len() {
            refused += 1;
            continue;
        }
        for d in fixable {
            let still = after
                .whole
                .diagnostics
                .iter()
                .any(|a| a.message == d.message);
            assert!(!still, "{name}: still there: {}", d.message);
        }
        let errors = |list: &[ssl_diagnostics::Diagnostic]| {
            list.iter()
                .filter(|d| d.severity == Severity::Error)
                .filter(|d| d.code.short().starts_with("E00"))
                .count()
        };
        assert!(
            errors(&after.whole.diagnostics) <= errors(&before.diagnostics),
            "{name}:\n{}",
            after.text
        );
        if is_formatted(&text) {
            assert!(is_formatted(&after.text), "{name}:\n{}", after.text);
        }
    }
    assert!(refused <= 1, "{refused} cases were not mended whole");
    assert!(count >= 20, "only {count} certain fixes are left");
}

fn is_formatted(text: &str) -> bool {
    let mut map = SourceMap::new();
    let file = map.add("case.ssl", text).expect("a case is small");
    ssl_syntax::format(&map, file).text == text
}

/// A slip of each kind in one file: mended, it checks clean.
#[test]
fn a_file_of_slips_checks_clean_when_mended() {
    let text = "\
pipeline p {
  data {
    sorce = digits()
    batch  = 240
  }
  view a {
    random_resized_crop(8, scale: 0.4..1)
    normalize(half)
    solarize(p: 0.2) // some
  }
  view b = a # the same
  net encoder {
    backbone  = vit(dim: 64, depht: 2, heads: 4, patch: 2)
    projector = mlp([512, 128], norm = batch)
  }
  net predictor = mlp([512, 128], norm: batch);
  net momentum  = ema(encoder, decay: cosine(0.99 -> 1))
  step(a, b) {
    q = predictor(encoder(a))
    k = momentum(b)
    minimize info_nec(q, k, temperature: 0.2)
  }
  train {
    epochs    = 300 steps
    optimizer = adamw(lr: 1e-3)
    weight_decay = 0.05
    schedule  = warmup(6 epochs) then cosin(optimizer.lr -> 0)
  }
}
";
    let request = Request {
        path: "slips.ssl".into(),
        demand: Demand::Run,
        ..Request::default()
    };
    let read = |_: &Path| Some(text.to_owned());
    let after = ssl_core::mend_file(&request, &Bench(read));
    let left = ssl_diagnostics::render_short(&after.whole.map, &after.whole.diagnostics);
    assert_eq!(left, "", "\n{}", after.text);
    // Nothing else was touched.
    let expected = "\
pipeline p {
  data {
    source = digits()
    batch  = 240
  }
  view a {
    random_resized_crop(8, scale: 0.4..1)
    solarize(p: 0.2) // some
    normalize(half)
  }
  view b = a // the same
  net encoder {
    backbone  = vit(dim: 64, depth: 2, heads: 4, patch: 2)
    projector = mlp([512, 128], norm: batch)
  }
  net predictor = mlp([512, 128], norm: batch)
  net momentum  = ema(encoder, decay: cosine(0.99 -> 1))
  step(a, b) {
    q = predictor(encoder(a))
    k = momentum(b)
    minimize info_nce(q, k, temperature: 0.2)
  }
  train {
    steps    = 300 steps
    optimizer = adamw(lr: 1e-3)
    optimizer.weight_decay = 0.05
    schedule  = warmup(6 epochs) then cosine(optimizer.lr -> 0)
  }
}
";
    assert_eq!(after.text, expected);
}

/// A file in the formatter's style stays in it.
#[test]
fn mends_keep_the_style() {
    let text = "\
pipeline p extends q {
  view a {
    random_resized_crop(8, scale: 0.4..1)
    normalize(half)
    grayscale(p: 0.1)
  }
  train {
    epochs    = 50 steps
    optimizer = sgd(lr: 0.1)
  }
}
";
    let base = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/ui/cases/fine.ssl"),
    )
    .expect("the case is there");
    let text = format!("{}\n{text}", base.replace("pipeline p ", "pipeline q "));
    let request = Request {
        path: "styled.ssl".into(),
        demand: Demand::Run,
        ..Request::default()
    };
    let read = |_: &Path| Some(text.clone());
    let after = ssl_core::mend_file(&request, &Bench(read));
    assert!(is_formatted(&text) && is_formatted(&after.text));
    let train = "\n    steps     = 50 steps\n    optimizer = sgd(lr: 0.1)\n";
    assert!(after.text.contains(train), "{}", after.text);
}
