//! `why` knows where every value comes from.

use ssl_core::why::{By, Why, why};
use ssl_plan::Origin;

use crate::{all, compile};

/// What holds, as an origin of the plan would say it.
fn winner(why: &Why) -> Option<String> {
    let said = why.layers.iter().find(|l| l.wins)?;
    Some(match (&said.by, &said.place) {
        (By::Language, _) => "default".into(),
        (By::Set(text), _) => format!("--set {text}"),
        (By::Pipeline(_), Some(p)) => format!("{}:{}", p.file, p.line),
        (By::Pipeline(name), None) => panic!("no place in `{name}`"),
    })
}

#[test]
fn every_value_of_every_plan_is_explained_as_the_plan_has_it() {
    let mut explained = 0;
    for (file, text, pipeline) in all() {
        let out = compile(&text, Some(&pipeline), &["train.seed=7"]);
        for value in &out.values {
            let at = format!("{file}, {pipeline}: {}", value.path);
            let told = why(&out, &value.path).unwrap_or_else(|_| panic!("{at}"));
            assert_eq!(told.path, value.path);
            let expected = match &value.origin {
                Origin::Default => Some("default".to_owned()),
                Origin::Set { text } => Some(format!("--set {text}")),
                Origin::File { file, line, .. } => Some(format!("{file}:{line}")),
                Origin::Derived { .. } => {
                    assert!(!told.inputs.is_empty(), "{at}: {told:?}");
                    None
                }
            };
            assert_eq!(winner(&told), expected, "{at}: {told:#?}");
            explained += 1;
        }
    }
    assert!(explained > 1000, "only {explained} values");
}

#[test]
fn layers_stand_in_order_and_inputs_have_their_values() {
    let text = r#"
use std.mocov3
pipeline middle extends mocov3.digits {
  b.color_jitter.p = 0.3
  encoder.backbone = resnet(18)
  drop eval.knn
}
pipeline mine extends middle {
  data.batch = 120
  decay = 0.9
  drop gone
}
"#;
    let text = text.replace("  drop gone\n", "");
    let out = compile(&text, Some("mine"), &["b.color_jitter.p=0.2", "steps=100"]);
    let said = |path: &str| {
        let told = why(&out, path).unwrap_or_else(|d| panic!("{path}: {d:?}"));
        let lines: Vec<String> = told
            .layers
            .iter()
            .map(|l| {
                let by = match &l.by {
                    By::Language => "default",
                    By::Pipeline(name) => name,
                    By::Set(_) => "--set",
                };
                format!("{by}: {}{}", l.what, if l.wins { " *" } else { "" })
            })
            .collect();
        (told, lines)
    };
    let (_, lines) = said("b.color_jitter.p");
    assert_eq!(
        lines,
        [
            "default: 1",
            "vit_small: 0.8",
            "digits: 0.8",
            "digits: taken over from the view `a`",
            "middle: 0.3",
            "--set: 0.2 *"
        ]
    );
    let (told, lines) = said("lr");
    assert_eq!(told.path, "train.optimizer.lr");
    assert_eq!(told.value.as_deref(), Some("0.0009375"));
    assert_eq!(told.inputs.len(), 1);
    assert_eq!(told.inputs[0].path, "data.batch");
    assert_eq!(told.inputs[0].value, "120");
    assert_eq!(
        lines.last().map(String::as_str),
        Some("digits: 2e-3 * data.batch / 256 *")
    );
    let (told, lines) = said("momentum.decay");
    assert_eq!(told.value.as_deref(), Some("cosine(0.9 -> 1)"));
    assert_eq!(lines, ["vit_small: cosine(decay -> 1) *"]);
    let (told, lines) = said("eval.knn");
    assert!(told.dropped && told.value.is_none());
    assert_eq!(lines.last().map(String::as_str), Some("middle: dropped"));
    let (told, lines) = said("train.epochs");
    assert!(told.dropped);
    assert_eq!(
        lines.last().map(String::as_str),
        Some("--set: gives way to `train.steps`")
    );
    // Dropped in the view that this one begins as.
    let (told, _) = said("b.grayscale.p");
    assert!(told.dropped && told.value.is_none());
    // An argument of a call that another one has replaced.
    let (told, lines) = said("backbone.position");
    assert_eq!(told.value, None);
    assert_eq!(
        lines.last().map(String::as_str),
        Some("middle: `resnet` without `position`")
    );
}

#[test]
fn a_wrong_path_is_told_the_nearest_ones() {
    let text = "use std.mocov3\npipeline mine extends mocov3.digits { train.seed = 1 }\n";
    let out = compile(text, None, &[]);
    let help = |path: &str| {
        let list = why(&out, path).expect_err("there is no such path");
        let first = list.into_iter().next().expect("a diagnostic");
        format!("{}; {}", first.message, first.help.unwrap_or_default())
    };
    assert!(help("encoder.backbone.positon").contains("`encoder.backbone.position`"));
    assert!(help("optimiser.lr").contains("`train.optimizer.lr`"));
    let several = help("k");
    assert!(
        several.contains("`monitor.knn.k` and `eval.knn.k`"),
        "{several}"
    );
}
