//! `emit effective` is the same pipeline.

use ssl_core::emit::{Stage, emit};
use ssl_diagnostics::render_short;

use crate::{all, compile};

/// The plan of the emitted text, and that text.
fn again(text: &str, pipeline: &str, set: &[&str]) -> (String, ssl_plan::Plan, ssl_plan::Plan) {
    let first = compile(text, Some(pipeline), set);
    let said = render_short(&first.map, &first.diagnostics);
    let plan = first.plan.clone().unwrap_or_else(|| panic!("{said}"));
    let emitted = emit(&first, Stage::Effective).expect("a pipeline is merged");
    let second = compile(&emitted, None, &[]);
    let said = render_short(&second.map, &second.diagnostics);
    assert_eq!(second.pipelines.len(), 1, "{emitted}");
    let Some(after) = second.plan else {
        panic!("{pipeline}: {said}\n{emitted}");
    };
    (emitted, plan, after)
}

#[test]
fn the_effective_text_compiles_to_the_same_recipe() {
    for (file, text, pipeline) in all() {
        let (emitted, before, after) = again(&text, &pipeline, &[]);
        assert!(
            before.recipe == after.recipe,
            "{file}: {pipeline}\n{emitted}"
        );
        assert_eq!(before.pipeline, after.pipeline);
        assert!(
            !emitted.contains("extends"),
            "{file}: {pipeline}\n{emitted}"
        );
    }
}

/// What is set by path, functions of other files under names that clash, and
/// text that needs parentheses.
#[test]
fn overrides_and_functions_are_written_out() {
    let text = r#"
use std.mocov3
use "byol_digits.ssl" as other

fn info_nce(q: Embedding[B, D], k: Embedding[B, D], temperature: Schedule[Float]) -> Loss {
  helped(q, k) * (temperature - -(2 - 1))
}
fn helped(q: Embedding[B, D], k: Embedding[B, D]) -> Loss { cosine_distance(q, k) }

pipeline mine extends mocov3.digits {
  predictor.last_norm.affine = true
  a.color_jitter.p = 0.5
  drop b
  view b extends a {
    again: solarize(threshold: 200, p: 0.1) before normalize
  }
  step(b, a) {
    minimize info_nce(q_a, k_b, temperature: (1 + 1) * temperature) + mean(q_b * k_a)
  }
}
"#;
    let set = ["lr=1e-3 * (data.batch / 256)", "train.epochs=3"];
    let (emitted, before, after) = again(text, "mine", &set);
    assert!(before.recipe == after.recipe, "{emitted}");
    for line in [
        "batch(affine: true)",
        "fn info_nce_2(",
        "again: solarize(threshold: 200, p: 0.1)",
        "(1 + 1) * temperature",
        "lr: 1e-3 * (data.batch / 256)",
        "epochs    = 3",
    ] {
        assert!(emitted.contains(line), "no `{line}` in\n{emitted}");
    }
}
