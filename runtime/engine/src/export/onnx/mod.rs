//! ONNX: the network itself beside its weights, for any runtime.
//!
//! `image` `[batch, channels, height, width]` goes in, normalised as in
//! training; `features` `[batch, width]` come out, those that an evaluation
//! takes from the stage. BatchNorm uses its running statistics. The weights
//! keep the names and the layout that they have in a run.

mod convnext;
mod file;
mod graph;
mod layers;
mod proto;
mod resnet;
#[cfg(test)]
mod tests;
mod vit;

use std::path::Path;

use ssl_plan::{Module, Plan, Transform};

use super::source::{Chosen, Run};
use super::{ExportError, Exported, python};
use file::{LIMIT, Model, entry};
use graph::{Builder, INPUT, OUTPUT};
use proto::{Dimension, ModelProto, OperatorSetIdProto, ValueInfoProto};

use crate::weights::NamedTensor;

/// The first with `LayerNormalization`, so that the fewest runtimes are too old.
const OPSET: i64 = 17;
/// The version of the format that goes with it.
const IR_VERSION: i64 = 8;

/// A network as ONNX has it.
pub(super) struct Network {
    model: Model,
    input: Input,
    width: usize,
}

/// The images that a network takes.
struct Input {
    channels: usize,
    /// Height and width in training.
    image: [usize; 2],
    /// Whether it takes others.
    any_size: bool,
    /// Mean and deviation by which training normalised, where it did in one
    /// way.
    normalized: Option<[[f64; 3]; 2]>,
}

impl Input {
    /// Its shape, `[batch, 3, 224, 224]`.
    fn describe(&self) -> String {
        let [height, width] = self.image;
        match self.any_size {
            true => format!("[batch, {}, height, width]", self.channels),
            false => format!("[batch, {}, {height}, {width}]", self.channels),
        }
    }

    /// What its values are.
    fn values(&self) -> String {
        match self.normalized {
            Some([mean, std]) => {
                format!("RGB, (value / 255 - mean) / std, mean {mean:?}, std {std:?}")
            }
            None => "RGB, normalised as in training".to_owned(),
        }
    }
}

/// The stage as ONNX has it, or why it has no such network.
pub(super) fn network(run: &Run, chosen: &Chosen) -> Result<Network, String> {
    let (channels, image, any_size) = match &chosen.module {
        Module::Vit(plan) => (plan.channels, plan.image, false),
        Module::Resnet(plan) => (plan.channels, plan.image, true),
        Module::Convnext(plan) => (plan.channels, plan.image, true),
        _ => return Err("backbones alone are written".to_owned()),
    };
    let input = Input {
        channels,
        image,
        any_size,
        normalized: normalized(&run.plan),
    };
    let mut network = of_module(&chosen.module, run.stage(chosen), input)?;
    let facts = &mut network.model.head.metadata_props;
    facts.push(entry("net", &chosen.name));
    facts.push(entry("step", run.step));
    Ok(network)
}

/// A backbone with its tensors.
fn of_module(module: &Module, tensors: Vec<NamedTensor>, input: Input) -> Result<Network, String> {
    let mut builder = Builder::new(tensors);
    let width = match module {
        Module::Vit(plan) => vit::build(&mut builder, plan),
        Module::Resnet(plan) => resnet::build(&mut builder, plan),
        Module::Convnext(plan) => convnext::build(&mut builder, plan),
        _ => return Err("backbones alone are written".to_owned()),
    };
    let (mut graph, weights) = builder.finish()?;
    let [height, wide]: [Dimension; 2] = match input.any_size {
        true => ["height", "width"].map(Dimension::from),
        false => input.image.map(Dimension::from),
    };
    let shape = vec!["batch".into(), input.channels.into(), height, wide];
    graph.name = "backbone".to_owned();
    graph.input = vec![ValueInfoProto::floats(INPUT, shape, &input.values())];
    let shape = vec!["batch".into(), width.into()];
    graph.output = vec![ValueInfoProto::floats(OUTPUT, shape, "")];
    let mut facts = vec![entry("image_size", format!("{:?}", input.image))];
    if let Some([mean, std]) = input.normalized {
        facts.push(entry("mean", format!("{mean:?}")));
        facts.push(entry("std", format!("{std:?}")));
    }
    let head = ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetIdProto {
            domain: Some(String::new()),
            version: OPSET,
        }],
        producer_name: "sslc".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        metadata_props: facts,
        ..ModelProto::default()
    };
    let model = Model {
        head,
        graph,
        weights,
    };
    Ok(Network {
        model,
        input,
        width,
    })
}

/// How the views normalise, where all of them do it alike.
fn normalized(plan: &Plan) -> Option<[[f64; 3]; 2]> {
    let mut found = plan.recipe.views.iter().map(|view| {
        view.transforms
            .iter()
            .find_map(|transform| match transform {
                Transform::Normalize { mean, std } => Some([*mean, *std]),
                _ => None,
            })
    });
    let first = found.next()??;
    found.all(|other| other == Some(first)).then_some(first)
}

impl Network {
    /// Writes it, with the values of its weights in a second file where they
    /// are too many for one; where they are not, the second file of an earlier
    /// export goes.
    pub(super) fn write(self, out: &Path) -> Result<Exported, ExportError> {
        self.write_within(LIMIT, out)
    }

    fn write_within(mut self, limit: usize, out: &Path) -> Result<Exported, ExportError> {
        let mut name = out.file_name().unwrap_or_default().to_os_string();
        name.push(".data");
        let beside = out.with_file_name(&name);
        let mut files = vec![out.to_path_buf()];
        if self.model.size() > limit {
            let data = self.model.detach(&name.to_string_lossy());
            super::write(&beside, |writer| {
                data.iter().try_for_each(|(gap, bytes)| {
                    writer.write_all(&vec![0; *gap])?;
                    writer.write_all(bytes)
                })
            })?;
            super::write(out, |writer| self.model.write(writer))?;
            files.push(beside);
        } else {
            super::write(out, |writer| self.model.write(writer))?;
            super::remove(&beside)?;
        }
        let (from, width) = (self.input.describe(), self.width);
        Ok(Exported {
            files,
            tensors: self.model.weights.len(),
            architecture: format!("opset {OPSET}, {INPUT} {from} to {OUTPUT} [batch, {width}]"),
            usage: self.usage(out),
        })
    }

    /// The lines of Python that run it.
    fn usage(&self, out: &Path) -> Vec<String> {
        let (from, values) = (self.input.describe(), self.input.values());
        let size = match (self.input.any_size, self.input.image) {
            (true, [height, width]) => format!(", in training {height} x {width}"),
            (false, _) => String::new(),
        };
        vec![
            "import onnxruntime".to_owned(),
            format!(
                "session = onnxruntime.InferenceSession({})",
                python::quoted(out)
            ),
            format!("# images: float32 {from}{size}"),
            format!("# {values}"),
            format!("[features] = session.run([\"{OUTPUT}\"], {{\"{INPUT}\": images}})"),
        ]
    }
}

/// Whether a file is named as ONNX's are.
pub(super) fn is_named(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "onnx")
}
