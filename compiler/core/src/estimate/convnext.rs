//! A ConvNeXt block by block.

use ssl_plan::{BlockNorm, Convnext};

use super::layers::{F32, Flow, Layer, gelu, norm, product};

/// Its layers in order: the stem, then each block with the halving before it,
/// then the norm of the feature.
pub fn layers(c: &Convnext, flow: Flow) -> Vec<Layer> {
    let [mut h, mut w] = flow.image.map(|side| side / c.patch.max(1));
    let mut out = Vec::new();
    let mut width = c.channels;
    let pixels = |width: usize, h: usize, w: usize| flow.batch * (width * h * w) as f64;
    for (i, (depth, dim)) in c.depths.iter().zip(c.dims).enumerate() {
        let area = match i {
            0 => c.patch * c.patch,
            _ => {
                (h, w) = (h / 2, w / 2);
                4
            }
        };
        let rows = flow.batch * (h * w) as f64;
        let (x, y) = (rows * (area * width) as f64, rows * dim as f64);
        // The stem's norm stands behind its convolution, a halving's before.
        let normed = if i == 0 { dim } else { width };
        let values = if i == 0 { y } else { x };
        let down = product(rows, area * width, dim, flow);
        out.push(Layer {
            trained: (area * width * dim + dim + 2 * normed) as u64,
            kept: x * flow.kernels.narrow + norm(values, BlockNorm::Layer, flow),
            // A halving belongs to the block behind it.
            segment: Some(if i == 0 { 0.0 } else { x * F32 }),
            ..down
        });
        for block in 0..*depth {
            let hidden = 4.0 * y;
            let factors = if c.layer_scale.is_some() { dim } else { 0 };
            out.push(Layer {
                trained: (factors + 49 * dim + dim + 2 * dim + 8 * dim * dim + 5 * dim) as u64,
                frozen: 0,
                // The convolution's input, the norm and its output, GELU and
                // its output, the branch before its factors.
                kept: y * flow.kernels.narrow
                    + norm(y, BlockNorm::Layer, flow)
                    + y * flow.kernels.narrow
                    + gelu(hidden, flow)
                    + hidden * flow.kernels.narrow
                    + if factors > 0 { y * F32 } else { 0.0 },
                working: F32 * (2.0 * hidden + 2.0 * y),
                flops: y * (98.0 + 16.0 * dim as f64),
                segment: (i == 0 || block > 0).then_some(y * F32),
            });
        }
        width = dim;
    }
    out.push(Layer {
        trained: 2 * width as u64,
        kept: norm(flow.batch * width as f64, BlockNorm::Layer, flow),
        segment: Some(pixels(width, h, w) * F32),
        ..Layer::default()
    });
    out
}
