//! What a checkpoint holds, and how a run is put back into it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use ssl_plan::{Module, NodeId, Plan};

use super::scale::Scale;
use crate::error::EngineError;
use crate::judge::{Bank, Evaluation, SavedBank};
use crate::model::Model;
use crate::optim::{Optimizer, Slot};
use crate::run::checkpoint::{self, Part, Set};
use crate::run::{RunDirectory, encode, recipe};
use crate::step::{Held, Step};
use crate::weights::{self, NamedTensor};

/// Where a run stands, beside its tensors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Hash of the recipe.
    pub recipe: String,
    /// Version of the engine that saved.
    pub engine: String,
    /// Seconds of training so far.
    pub seconds: f64,
    /// The last loss that was read.
    pub loss: Option<f32>,
    /// Evaluations before training; none where they are yet to be made.
    pub before: Option<Vec<Evaluation>>,
    /// Images that could not be read.
    pub skipped: usize,
    /// The scale of the loss, in half precision.
    #[serde(default)]
    pub scale: Option<Scale>,
}

/// Everything of a run that changes.
pub struct State<'a> {
    /// The networks.
    pub model: &'a mut Model,
    /// What its queues and running means hold.
    pub step: &'a mut Step,
    /// The optimiser.
    pub optimizer: &'a mut Optimizer,
    /// The banks of the kNN monitors.
    pub banks: &'a mut [Bank],
    /// Where the run stands.
    pub progress: &'a mut Progress,
}

/// `state.json`.
#[derive(Serialize, Deserialize)]
struct Document {
    progress: Progress,
    /// Updates that each parameter has seen.
    updates: BTreeMap<String, u32>,
    banks: Vec<Option<BankDocument>>,
    /// The row that each queue of the step replaces next, by node.
    cursors: BTreeMap<NodeId, usize>,
}

#[derive(Serialize, Deserialize)]
struct BankDocument {
    cursor: usize,
    labels: Vec<u32>,
    samples: Vec<u32>,
}

const NETS: &str = "nets.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STEP: &str = "step.safetensors";
const MONITORS: &str = "monitors.safetensors";
const STATE: &str = "state.json";
const PLAN: &str = "plan.json";

impl State<'_> {
    /// Saves a checkpoint.
    ///
    /// # Errors
    ///
    /// [`EngineError::Files`]; earlier checkpoints are intact.
    pub fn save(&self, directory: &RunDirectory, plan: &Plan) -> Result<PathBuf, EngineError> {
        let saved: Vec<Option<SavedBank>> = self.banks.iter().map(Bank::save).collect();
        let slots = self.optimizer.slots();
        let document = Document {
            progress: self.progress.clone(),
            updates: (slots.iter())
                .map(|(key, slot)| (key.clone(), slot.updates))
                .collect(),
            banks: (saved.iter())
                .map(|bank| {
                    bank.as_ref().map(|bank| BankDocument {
                        cursor: bank.cursor,
                        labels: bank.labels.clone(),
                        samples: bank.samples.clone(),
                    })
                })
                .collect(),
            cursors: (self.step.held().iter())
                .map(|(id, held)| (*id, held.cursor))
                .collect(),
        };
        let features: Vec<NamedTensor> = (saved.into_iter().enumerate())
            .filter_map(|(i, bank)| {
                let bank = bank?;
                Some(NamedTensor {
                    key: i.to_string(),
                    shape: vec![bank.labels.len(), bank.width],
                    data: bank.features,
                })
            })
            .collect();
        // Tensors leave the device one file at a time.
        let parts = vec![
            part(NETS, || encode(&self.model.collect())),
            part(OPTIMIZER, || encode(&moments(slots)?)),
            part(STEP, || encode(&contents(self.step.held())?)),
            part(MONITORS, || encode(&features)),
            part(STATE, || Ok(serde_json::to_vec_pretty(&document)?)),
            part(PLAN, || Ok(serde_json::to_vec_pretty(plan)?)),
        ];
        let step = self.progress.step;
        let keep = plan.recipe.train.keep;
        checkpoint::save(directory.files(), &directory.sets(), step, parts, keep)
    }

    /// Takes up a checkpoint.
    ///
    /// # Errors
    ///
    /// [`EngineError::Weights`] where its content is not this plan's.
    pub fn restore(&mut self, set: &Set, plan: &Plan, device: &Device) -> Result<(), EngineError> {
        let unfit = |reason: String| EngineError::Weights {
            path: set.path.clone(),
            reason,
        };
        let part = |name: &str| {
            let part = set.parts.get(name).map(Vec::as_slice);
            part.ok_or_else(|| unfit(format!("it has no `{name}`")))
        };
        let tensors = |name: &str| {
            let mut bytes = part(name)?;
            let length = bytes.len() as u64;
            weights::decode(&mut bytes, length).map_err(|error| unfit(format!("`{name}`: {error}")))
        };
        let document: Document = serde_json::from_slice(part(STATE)?)
            .map_err(|error| unfit(format!("`{STATE}`: {error}")))?;
        if document.progress.recipe != recipe::hash(&plan.recipe)? {
            return Err(unfit("it was saved by another recipe".to_string()));
        }
        let nets = tensors(NETS)?;
        (self.model.load(&nets)).map_err(|misfit| unfit(misfit.to_string()))?;
        let slots = to_slots(tensors(OPTIMIZER)?, document.updates, device);
        self.optimizer.restore(slots.map_err(unfit)?);
        let held = to_held(tensors(STEP)?, &document.cursors, device);
        if !self.step.restore(held.map_err(unfit)?) {
            return Err(unfit(format!("`{STEP}` is of another step")));
        }

        let mut features: BTreeMap<String, NamedTensor> = (tensors(MONITORS)?.into_iter())
            .map(|tensor| (tensor.key.clone(), tensor))
            .collect();
        for ((i, bank), saved) in self.banks.iter_mut().enumerate().zip(document.banks) {
            let Some(saved) = saved else { continue };
            let fits = features.remove(&i.to_string()).is_some_and(|tensor| {
                let saved = SavedBank {
                    width: tensor.shape.get(1).copied().unwrap_or(0),
                    features: tensor.data,
                    labels: saved.labels,
                    samples: saved.samples,
                    cursor: saved.cursor,
                };
                bank.restore(saved, device)
            });
            if !fits {
                return Err(unfit(format!("bank {i} has another size")));
            }
        }
        *self.progress = document.progress;
        Ok(())
    }
}

fn part<'a>(name: &'a str, content: impl Fn() -> io::Result<Vec<u8>> + 'a) -> Part<'a> {
    Part {
        name,
        fill: Box::new(move |out| out.write_all(&content()?)),
    }
}

const FIRST: &str = "first";
const SECOND: &str = "second";

/// The optimiser's tensors; a parameter's are `KEY#first` and `KEY#second`.
fn moments(slots: &BTreeMap<String, Slot>) -> io::Result<Vec<NamedTensor>> {
    let mut tensors = Vec::new();
    for (key, slot) in slots {
        for (name, moment) in [(FIRST, &slot.first), (SECOND, &slot.second)] {
            let Some(moment) = moment else { continue };
            tensors.push(NamedTensor {
                key: format!("{key}#{name}"),
                shape: moment.dims().to_vec(),
                data: moment.try_to_vec_as().map_err(io::Error::other)?,
            });
        }
    }
    Ok(tensors)
}

fn to_slots(
    tensors: Vec<NamedTensor>,
    updates: BTreeMap<String, u32>,
    device: &Device,
) -> Result<BTreeMap<String, Slot>, String> {
    let mut slots: BTreeMap<String, Slot> = (updates.into_iter())
        .map(|(key, updates)| {
            let slot = Slot {
                updates,
                ..Slot::default()
            };
            (key, slot)
        })
        .collect();
    for tensor in tensors {
        let NamedTensor { key, shape, data } = tensor;
        let place = key.rsplit_once('#').and_then(|(key, name)| {
            let slot = slots.get_mut(key)?;
            match name {
                FIRST => Some(&mut slot.first),
                SECOND => Some(&mut slot.second),
                _ => None,
            }
        });
        match (place, shape.len()) {
            (Some(place), 2) => {
                *place = Some(Tensor::from_data(TensorData::new(data, shape), device));
            }
            _ => return Err(format!("`{key}` is no optimiser state")),
        }
    }
    Ok(slots)
}

/// What the step holds, by node.
fn contents(held: &BTreeMap<NodeId, Held>) -> io::Result<Vec<NamedTensor>> {
    let tensor = |(id, held): (&NodeId, &Held)| {
        Ok(NamedTensor {
            key: id.to_string(),
            shape: held.content.dims().to_vec(),
            data: held.content.try_to_vec_as().map_err(io::Error::other)?,
        })
    };
    held.iter().map(tensor).collect()
}

fn to_held(
    tensors: Vec<NamedTensor>,
    cursors: &BTreeMap<NodeId, usize>,
    device: &Device,
) -> Result<BTreeMap<NodeId, Held>, String> {
    let held = |NamedTensor { key, shape, data }: NamedTensor| {
        let id = key.parse::<NodeId>().ok().filter(|_| shape.len() == 2);
        let id = id.ok_or_else(|| format!("`{key}` is nothing that a step holds"))?;
        let cursor = cursors.get(&id).copied();
        let cursor = cursor.ok_or_else(|| format!("`{key}` has no place to go on at"))?;
        let content = Tensor::from_data(TensorData::new(data, shape), device);
        Ok((id, Held { content, cursor }))
    };
    tensors.into_iter().map(held).collect()
}

/// Writes the networks as they are: `weights/nets.safetensors` with every
/// tensor under its full name, and each backbone by itself under timm's or
/// torchvision's names. Their names relative to the run directory.
///
/// # Errors
///
/// [`EngineError::Files`].
pub fn export(model: &Model, directory: &RunDirectory) -> Result<Vec<String>, EngineError> {
    let mut written = Vec::new();
    let mut write = |name: &str, tensors: &[NamedTensor]| {
        let name = format!("weights/{name}.safetensors");
        directory.write_tensors(Path::new(&name), tensors)?;
        written.push(name);
        Ok::<(), EngineError>(())
    };
    write("nets", &model.collect())?;
    for member in model.members() {
        for (i, stage) in member.stages.iter().enumerate() {
            let backbone = matches!(
                stage.module,
                Module::Vit(_) | Module::Resnet(_) | Module::Convnext(_)
            );
            if !backbone {
                continue;
            }
            let name = match &stage.name {
                Some(stage) => format!("{}.{stage}", member.name),
                None => member.name.clone(),
            };
            write(&name, &weights::collect_stage(&member.network, i))?;
        }
    }
    Ok(written)
}
