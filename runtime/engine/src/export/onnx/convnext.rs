//! ConvNeXt, as `nets::convnext` computes it.

use ssl_plan::Convnext;

use super::graph::{Builder, INPUT, Value};
use super::layers::Conv;

/// Side of the depthwise convolutions.
const KERNEL: i64 = 7;

/// From the image to the normalised mean over the last map, whose width is
/// returned.
pub(super) fn build(g: &mut Builder, plan: &Convnext) -> usize {
    let eps = plan.norm_eps;
    let mut x = g.conv("stem.0", INPUT, Conv::patches(plan.patch));
    x = over_channels(g, "stem.1", &x, eps);
    for (stage, (depth, dim)) in plan.depths.into_iter().zip(plan.dims).enumerate() {
        if stage > 0 {
            let place = format!("stages.{stage}.downsample");
            x = over_channels(g, &format!("{place}.0"), &x, eps);
            x = g.conv(&format!("{place}.1"), &x, Conv::patches(2));
        }
        for block in 0..depth {
            let place = format!("stages.{stage}.blocks.{block}");
            let conv = Conv::depthwise(KERNEL, dim);
            let mut y = g.conv(&format!("{place}.conv_dw"), &x, conv);
            y = g.channels_last(&place, &y);
            y = g.layer_norm(&format!("{place}.norm"), &y, eps);
            y = g.linear(&format!("{place}.mlp.fc1"), &y);
            y = g.gelu(&format!("{place}.mlp"), &y);
            y = g.linear(&format!("{place}.mlp.fc2"), &y);
            if plan.layer_scale.is_some() {
                let gamma = g.weight(&format!("{place}.gamma"));
                y = g.mul(&place, &y, &gamma);
            }
            y = g.channels_first(&place, &y);
            x = g.add(&place, &x, &y);
        }
    }
    let x = g.pool("head", &x);
    g.layer_norm("head.norm", &x, eps);
    let [.., width] = plan.dims;
    width
}

/// LayerNorm over the channels of each pixel.
fn over_channels(g: &mut Builder, place: &str, x: &str, eps: f64) -> Value {
    let x = g.channels_last(place, x);
    let x = g.layer_norm(place, &x, eps);
    g.channels_first(place, &x)
}
