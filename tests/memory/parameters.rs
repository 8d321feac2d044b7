//! The plan's parameter counts are those of the networks that are built.

#[path = "../support/bench.rs"]
mod bench;

use bench::planned;
use ssl_core::STD;
use ssl_engine::DeviceChoice;
use ssl_engine::nets::Network;
use ssl_plan::NetKind;

/// Larger networks are left out: they are the same with other numbers.
const MOST: u64 = 60_000_000;

#[test]
fn every_network_of_the_library_has_as_many_as_planned() {
    let device = ssl_engine::device::resolve(DeviceChoice::Cpu);
    let device = device.expect("the CPU is there").device;
    let mut built = Vec::new();
    for (module, text) in STD {
        let names = text.lines().filter_map(|l| l.strip_prefix("pipeline "));
        for name in names.filter_map(|l| l.split(' ').next()) {
            let mine = format!(
                "use std.{module}\n\npipeline mine extends {module}.{name} {{\n  train.seed = 1\n}}\n"
            );
            let plan = planned(&mine, &[]);
            for net in &plan.recipe.nets {
                let NetKind::Stages { stages } = &net.kind else {
                    continue;
                };
                let planned: Vec<(u64, u64)> = plan
                    .estimate
                    .parameters
                    .iter()
                    .filter(|p| p.net == net.name)
                    .map(|p| (p.trained, p.frozen))
                    .collect();
                let total: u64 = planned.iter().map(|(t, f)| t + f).sum();
                if total > MOST || built.contains(stages) {
                    continue;
                }
                let network = Network::new(&net.name, stages, 0, &device);
                let found: Vec<(u64, u64)> = network
                    .parameters()
                    .iter()
                    .map(|c| (c.trained, c.frozen))
                    .collect();
                assert_eq!(planned, found, "{module}.{name}: {}", net.name);
                built.push(stages.clone());
            }
        }
    }
    assert!(built.len() > 20, "only {} networks", built.len());
}
