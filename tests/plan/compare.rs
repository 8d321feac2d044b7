//! What `diff` calls a difference, and what not.

use ssl_core::compare::{Comparison, compare};
use ssl_plan::Plan;

use crate::{all, compile};

fn plan(text: &str, pipeline: Option<&str>) -> Plan {
    let out = compile(text, pipeline, &[]);
    let said = ssl_diagnostics::render_short(&out.map, &out.diagnostics);
    out.plan.unwrap_or_else(|| panic!("{said}"))
}

/// `path: left -> right`, a line each.
fn lines(comparison: &Comparison) -> Vec<String> {
    let show = |t: &Option<String>| t.clone().unwrap_or_else(|| "none".into());
    let all = comparison.changes.iter();
    all.map(|c| format!("{}: {} -> {}", c.path, show(&c.left), show(&c.right)))
        .collect()
}

fn digits() -> String {
    std::fs::read_to_string(crate::root().join("examples/mocov3_digits.ssl")).expect("an example")
}

#[test]
fn a_plan_equals_itself_and_no_other() {
    let mut plans: Vec<(String, Plan)> = Vec::new();
    for (file, text, pipeline) in all() {
        let plan = plan(&text, Some(&pipeline));
        assert!(compare(&plan, &plan).is_equal(), "{file}: {pipeline}");
        plans.push((format!("{file}: {pipeline}"), plan));
    }
    let mut different = 0;
    for (i, (name, a)) in plans.iter().enumerate() {
        for (other, b) in plans.iter().skip(i + 1).step_by(7) {
            let there = compare(a, b);
            let back = compare(b, a);
            assert_eq!(there.is_equal(), back.is_equal(), "{name} and {other}");
            // Names, and the order of what has names, are not compared.
            if there.is_equal() {
                assert_eq!(a.recipe.train, b.recipe.train, "{name} and {other}");
                assert_eq!(a.recipe.views, b.recipe.views, "{name} and {other}");
            } else {
                different += 1;
            }
        }
    }
    assert!(different > 100, "only {different}");
}

#[test]
fn names_order_and_form_are_no_difference() {
    let text = digits();
    let other = text
        .replace("q_a", "first")
        .replace("k_b", "key")
        .replace(
            "param temperature: Float = 0.2",
            "param tau: Float = 0.2 // as in the paper",
        )
        .replace("temperature: temperature", "temperature: tau")
        .replace("    q_b = predictor(encoder(b))\n", "")
        .replace("info_nce(q_b, ", "info_nce(predictor(encoder(b)), ")
        .replace("image: Int = 8", "image: Int = 4 * 2")
        .replace("lr: 2e-3 * data.batch / 256", "lr: 0.001875");
    assert_ne!(text, other);
    let comparison = compare(&plan(&text, None), &plan(&other, None));
    assert!(comparison.is_equal(), "{comparison:#?}");
}

#[test]
fn what_differs_is_named_once_and_at_its_place() {
    let text = digits();
    let base = plan(&text, None);
    let against = |pairs: &[(&str, &str)]| {
        let mut other = text.clone();
        for (from, to) in pairs {
            assert!(other.contains(from), "no `{from}`");
            other = other.replace(from, to);
        }
        compare(&base, &plan(&other, None))
    };
    let found = against(&[("batch  = 240", "batch  = 120")]);
    assert_eq!(
        lines(&found),
        [
            "data.batch: 240 -> 120",
            "train.schedule: warmup(10%) then cosine(0.001875 -> 0) -> warmup(10%) then cosine(0.0009375 -> 0)",
            "train.optimizer.lr: 0.001875 -> 0.0009375",
        ]
    );
    assert!(found.consequences.iter().any(|c| c.path == "steps"));

    let found = against(&[(
        "view b = a",
        "view b extends a {\n solarize(threshold: 128, p: 0.2) before normalize\n}",
    )]);
    assert_eq!(
        lines(&found),
        ["b.solarize: none -> solarize(threshold: 128, p: 0.2)"]
    );

    let found = against(&[(
        "vit(\n      dim: 64,\n      depth: 2,\n      heads: 4,\n      patch: patch,\n      position: sincos2d,\n      pool: cls,\n      patch_projection: frozen,\n    )",
        "resnet(18, stem: small)",
    )]);
    assert_eq!(lines(&found).len(), 1, "{found:#?}");
    assert!(
        lines(&found)[0].ends_with("-> resnet(depth: 18, stem: small)"),
        "{found:#?}"
    );
    assert!(
        found
            .consequences
            .iter()
            .any(|c| c.path == "trained parameters")
    );

    let found = against(&[("+ info_nce(q_b, k_a", "+ info_nce(q_b, k_b")]);
    // What nothing uses any more is not computed.
    assert_eq!(
        lines(&found),
        [
            "step.k_a: momentum(a) -> none",
            "step.minimize: mean(diagonal(log_softmax(matmul(l2_normalize(q_b), \
             transpose(l2_normalize(stopgrad(k_a)))) / 0.2))) -> mean(diagonal(log_softmax(\
             matmul(l2_normalize(q_b), transpose(l2_normalize(stopgrad(k_b)))) / 0.2)))",
        ]
    );

    let found = against(&[("= 0.2\n\n  data", "= 0.5\n\n  data")]);
    assert_eq!(
        lines(&found),
        [
            "temperature: 0.2 -> 0.5",
            "step.minimize, a number: 0.4 -> 1",
            "step.minimize, a number: 0.2 -> 0.5"
        ]
    );

    let found = against(&[("q_a = predictor(encoder(a))", "q_a = encoder(a)")]);
    assert_eq!(
        lines(&found),
        ["step.q_a: predictor(encoder(a)) -> encoder(a)"],
        "{found:#?}"
    );

    let found = against(&[
        ("color_jitter(brightness: 0.4, contrast: 0.4, p: 0.8)\n", ""),
        (
            "    random_resized_crop",
            "    color_jitter(brightness: 0.4, contrast: 0.4, p: 0.8)\n    random_resized_crop",
        ),
    ]);
    assert_eq!(lines(&found).len(), 2, "{found:#?}");
    assert!(
        lines(&found)[0].starts_with(
            "a, in order: random_resized_crop, color_jitter, normalize -> color_jitter"
        )
    );
}

#[test]
fn views_that_run_as_one_batch_are_shown_as_they_are_written() {
    let found = compile_pair("swav", "resnet50", "resnet50_256");
    let near = "step.near: none -> [encoder.unit(encoder.projector(encoder.backbone([a, b])))[0], \
                encoder.unit(encoder.projector(encoder.backbone([a, b])))[1]]";
    assert!(found.contains(&near.to_owned()), "{found:#?}");
    // Another batch is no other wiring.
    let scores = |l: &String| l.starts_with("step.scores");
    assert!(!found.iter().any(scores), "{found:#?}");
    let found = compile_pair("swav", "vit_small", "digits");
    let local = "view local: none -> random_resized_crop, color_jitter, normalize";
    assert!(found.contains(&local.to_owned()), "{found:#?}");
}

fn compile_pair(module: &str, left: &str, right: &str) -> Vec<String> {
    let text = ssl_core::STD.iter().find(|(n, _)| *n == module);
    let (_, text) = text.expect("a module");
    lines(&compare(&plan(text, Some(left)), &plan(text, Some(right))))
}
