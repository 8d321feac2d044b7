//! How deep a parameter lies in its backbone, for rates that fall from layer
//! to layer (Bao et al. 2022).
//!
//! Layers are timm's (`param_groups_layer_decay`): the stem, every block, and
//! behind them the classifier, whose place here is what follows the backbone.

use ssl_plan::Module;

/// Layers from a parameter, by its name in the module, to what follows the
/// backbone: 0 for that itself and for what is no backbone.
pub fn layers_behind(module: &Module, parameter: &str) -> usize {
    let mut words = parameter.split('.');
    let first = words.next().unwrap_or_default();
    let mut number = || words.next().and_then(|word| word.parse::<usize>().ok());
    let (layer, blocks) = match module {
        Module::Vit(vit) => {
            let layer = match first {
                "blocks" => number().map_or(0, |i| i + 1),
                "norm" => vit.depth,
                "fc_norm" => vit.depth + 1,
                _ => 0,
            };
            (layer, vit.depth)
        }
        Module::Resnet(resnet) => {
            let stage = first.strip_prefix("layer").and_then(|n| n.parse().ok());
            let layer = stage.zip(number()).map_or(0, |(stage, block): (usize, _)| {
                before(&resnet.layers, stage.saturating_sub(1)) + block + 1
            });
            (layer, resnet.layers.iter().sum())
        }
        Module::Convnext(net) => {
            let blocks: usize = net.depths.iter().sum();
            let layer = match first {
                // What halves a map belongs to the block behind it.
                "stages" => number().map_or(0, |stage| {
                    let is_block = words.next() == Some("blocks");
                    let block = words.next().filter(|_| is_block);
                    let block = block.and_then(|word| word.parse().ok()).unwrap_or(0);
                    before(&net.depths, stage) + block + 1
                }),
                "head" => blocks + 1,
                _ => 0,
            };
            (layer, blocks)
        }
        _ => return 0,
    };
    (blocks + 1).saturating_sub(layer)
}

/// Blocks in the stages before one.
fn before(stages: &[usize], stage: usize) -> usize {
    stages.iter().take(stage).sum()
}
