//! Long files as one might write them, for the benchmark of `sslc check` and
//! for the tests of what must not grow faster than the text.

use std::fmt::Write;

/// Many pipelines: recipes as long as the examples are, two variants of them by
/// the standing ways (`extends`, `drop`, overrides), a function and a sweep of
/// two values, again and again, with comments and blank lines. Six checks to
/// 170 lines. At least `lines` lines, little more.
pub fn many(lines: usize) -> String {
    let mut out = String::new();
    let mut count = 0;
    let mut group = 0;
    while count < lines {
        let from = out.len();
        family(&mut out, group);
        count += out.get(from..).unwrap_or("").matches('\n').count();
        group += 1;
    }
    out
}

/// A loss, two recipes, two variants and a sweep.
fn family(out: &mut String, i: usize) {
    let decay = 90 + i % 10;
    let epochs = 20 + i % 50;
    let temperature = 100 + i % 900;
    let _ = write!(
        out,
        r#"/// A symmetric contrast, halved as in the paper's appendix.
fn both_{i}(q: Embedding[B, D], k: Embedding[B, D], temperature: Schedule[Float]) -> Loss {{
  // one direction, then the other
  there = info_nce(q, k, temperature: temperature)
  back  = info_nce(q, k, temperature: temperature * 2)
  (there + back) / 2
}}

/// MoCo v3 (Chen, Xie & He 2021) with a small ViT, recipe {i}.
///
/// Trains in a minute or two on a CPU.
pipeline base_{i} {{
  /// Side of a view in pixels.
  param image: Int = 8 in 8..=1024
  /// Side of a patch in pixels.
  param patch: Int = 2
  /// EMA decay at the first step; rises to 1 along a half cosine.
  param decay: Float = 0.{decay} in 0..=1
  /// Softmax temperature.
  param temperature: Float = 0.{temperature}

  data {{
    source = digits()
    batch  = 240 // global: over all devices and micro-batches
  }}

  view a {{
    random_resized_crop(image, scale: 0.4..1)
    color_jitter(brightness: 0.4, contrast: 0.4, p: 0.8)
    // the digits are grey: no hue, no saturation
    normalize(half)
  }}
  view b extends a {{
    color_jitter.p = 0.2
    solarize(threshold: 128, p: 0.2) after color_jitter
  }}

  net encoder {{
    backbone  = vit(
      dim: 64,
      depth: 2,
      heads: 4,
      patch: patch,
      position: sincos2d,
      pool: cls,
      patch_projection: frozen,
    )
    projector = mlp([512, 512, 128], norm: batch, last_norm: batch(affine: false), bias: false)
  }}
  net predictor = mlp([512, 128], norm: batch, last_norm: batch(affine: false), bias: false)
  net momentum  = ema(encoder, decay: cosine(decay -> 1))

  step(a, b) {{
    q_a = predictor(encoder(a))
    q_b = predictor(encoder(b))
    k_a = momentum(a)
    k_b = momentum(b)
    minimize both_{i}(q_a, k_b, temperature: temperature)
      + both_{i}(q_b, k_a, temperature: temperature)
    track feature_std = feature_std(q_a)
  }}

  train {{
    epochs     = {epochs}
    optimizer  = adamw(lr: 2e-3 * data.batch / 256, weight_decay: 0.05)
    schedule   = warmup(10%) then cosine(optimizer.lr -> 0)
    checkpoint = 10 epochs
    seed       = {i}
  }}

  monitor {{
    knn(encoder.backbone, k: 20, bank: 100%, every: 10 steps)
    gradient_norm(per: net, every: 10 steps)
  }}

  eval {{
    knn(encoder.backbone, k: 20)
  }}
}}

/// SimCLR (Chen et al. 2020) with the same net, recipe {i}. The difference from
/// the one above is wiring: no predictor, no momentum net, and NT-Xent over
/// both views.
pipeline contrast_{i} {{
  /// Side of a view in pixels.
  param image: Int = 8 in 8..=1024
  /// Side of a patch in pixels.
  param patch: Int = 2
  /// Softmax temperature.
  param temperature: Float = 0.{temperature}

  data {{
    source = digits()
    batch  = 240
  }}

  view a {{
    random_resized_crop(image, scale: 0.4..1)
    color_jitter(brightness: 0.4, contrast: 0.4, p: 0.8)
    normalize(half)
  }}
  view b = a

  net encoder {{
    backbone  = vit(
      dim: 64,
      depth: 2,
      heads: 4,
      patch: patch,
      position: sincos2d,
      pool: cls,
      patch_projection: frozen,
    )
    projector = mlp([512, 512, 128], norm: batch, last_norm: batch(affine: false), bias: false)
  }}

  step(a, b) {{
    z_a = encoder(a)
    z_b = encoder(b)
    // both views against both
    minimize nt_xent(z_a, z_b, temperature: temperature)
    track feature_std = feature_std(z_a)
  }}

  train {{
    epochs     = {epochs}
    optimizer  = adamw(lr: 2e-3 * data.batch / 256, weight_decay: 0.05)
    schedule   = warmup(10%) then cosine(optimizer.lr -> 0)
    checkpoint = 10 epochs
    seed       = {i}
  }}

  monitor {{
    knn(encoder.backbone, k: 20, bank: 100%, every: 10 steps)
    gradient_norm(per: net, every: 10 steps)
  }}

  eval {{
    knn(encoder.backbone, k: 20)
  }}
}}

/// A shorter run of a smaller net.
pipeline short_{i} extends base_{i} {{
  train.epochs           = {half}
  encoder.backbone.depth = 1
  decay                  = 0.9
}}

/// Cooler, and with other augmentations.
pipeline cool_{i} extends contrast_{i} {{
  temperature = 0.1 // the best of the sweep below
  view a {{
    drop color_jitter
    gaussian_blur(sigma: 0.1..2, p: 0.5) before normalize
  }}
}}

sweep temperatures_{i} of contrast_{i} {{
  vary temperature in [0.1, 0.2]
}}

"#,
        half = epochs / 2
    );
}

/// One pipeline whose constants, step and tracked values go on and on.
pub fn one(lines: usize) -> String {
    // A constant takes two lines and a name of the step three.
    let n = lines / 8;
    let mut out = String::from(
        "/// One recipe with everything in it.\npipeline large {\n  param temperature_0: Float = 0.2\n",
    );
    for i in 1..=n {
        let _ = write!(
            out,
            "  /// Softmax temperature {i}, near the one before.\n  \
             param temperature_{i}: Float = temperature_{} * 0.5 + 0.1 in 0..=10\n  \
             let weight_{i} = 1 / (1 + temperature_{i}) // falls with it\n",
            i - 1
        );
    }
    out += "
  data {
    source = digits()
    batch  = 240
  }

  view a {
    random_resized_crop(8, scale: 0.4..1)
    normalize(half)
  }
  view b = a

  net encoder {
    backbone  = vit(dim: 64, depth: 2, heads: 4, patch: 2, position: sincos2d, pool: cls)
    projector = mlp([64, 32], norm: batch, bias: false)
  }

  step(a, b) {
    z_a = encoder(a)
    z_b = encoder(b)
    loss_0 = nt_xent(z_a, z_b, temperature: temperature_0)
";
    for i in 1..=n {
        let _ = write!(
            out,
            "    // term {i}\n    \
             term_{i} = nt_xent(z_a, z_b, temperature: temperature_{i})\n    \
             loss_{i} = loss_{} + term_{i} * weight_{i}\n    \
             track term_{i}_of_{n} = term_{i}\n\n",
            i - 1
        );
    }
    let _ = write!(
        out,
        "    minimize loss_{n}
  }}

  train {{
    epochs    = 10
    optimizer = adamw(lr: 1e-3, weight_decay: 0.05)
    schedule  = warmup(10%) then cosine(optimizer.lr -> 0)
    seed      = 0
  }}

  eval {{
    knn(encoder.backbone, k: 20)
  }}
}}
"
    );
    out
}
