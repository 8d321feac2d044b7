//! What a checkpoint holds, and how a run is put back into it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use ssl_plan::{Module, Plan};

use crate::error::EngineError;
use crate::judge::{Bank, Evaluation, SavedBank};
use crate::model::Model;
use crate::optim::{Optimizer, Slot};
use crate::run::checkpoint::{self, Part, Set};
use crate::run::tensors::{self, Collect, Entry, Payload, Restore, Stored, Values};
use crate::run::{RunDirectory, recipe};

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
    /// Evaluations before training; empty where they are yet to be made.
    pub before: Vec<Evaluation>,
    /// Images that could not be read.
    pub skipped: usize,
}

/// Everything of a run that changes.
pub struct State<'a> {
    /// The networks.
    pub model: &'a mut Model,
    /// The optimiser.
    pub optimizer: &'a mut Optimizer,
    /// The banks of the kNN monitors.
    pub banks: &'a mut [Bank],
    /// Where the run stands.
    pub progress: &'a mut Progress,
}

impl State<'_> {
    /// Saves a checkpoint.
    ///
    /// # Errors
    ///
    /// [`EngineError::Files`]; earlier checkpoints are intact.
    pub fn save(&mut self, directory: &RunDirectory, plan: &Plan) -> Result<PathBuf, EngineError> {
        let mut nets = Collect::default();
        self.model.visit(&mut nets);
        let slots = self.optimizer.slots();
        let optimizer: Vec<Entry> = slots.iter().flat_map(|(k, s)| of_slot(k, s)).collect();
        let banks: Vec<Entry> = (self.banks.iter().enumerate())
            .flat_map(|(i, bank)| of_bank(i, bank))
            .collect();
        let json = |value: Result<Vec<u8>, serde_json::Error>| {
            value.map_err(|error| EngineError::plan(error.to_string()))
        };
        let progress = json(serde_json::to_vec_pretty(&self.progress))?;
        let plan_text = json(serde_json::to_vec(plan))?;
        checkpoint::save(
            directory.files(),
            &directory.sets(),
            self.progress.step,
            vec![
                tensor_part("nets.safetensors", &nets.0),
                tensor_part("optimizer.safetensors", &optimizer),
                tensor_part("monitors.safetensors", &banks),
                text_part("state.json", &progress),
                text_part("plan.json", &plan_text),
            ],
            plan.recipe.train.keep,
        )
    }

    /// Takes up a checkpoint.
    ///
    /// # Errors
    ///
    /// [`EngineError::Weights`] where its content is not this plan's.
    pub fn restore(
        &mut self,
        set: &Set,
        plan: &Plan,
        device: &Device,
    ) -> Result<(), EngineError> {
        let unfit = |reason: String| EngineError::Weights {
            path: set.path.clone(),
            reason,
        };
        let part = |name: &str| {
            let part = set.parts.get(name).map(Vec::as_slice);
            part.ok_or_else(|| unfit(format!("it has no `{name}`")))
        };
        let progress: Progress = serde_json::from_slice(part("state.json")?)
            .map_err(|error| unfit(format!("`state.json`: {error}")))?;
        if progress.recipe != recipe::hash(&plan.recipe)? {
            return Err(unfit("it was saved by another recipe".to_string()));
        }
        let mut nets = Restore {
            stored: tensors::read(part("nets.safetensors")?).map_err(unfit)?,
            failure: None,
        };
        self.model.visit(&mut nets);
        self.model.arm();
        let stranger = nets.stored.into_keys().next();
        let stranger = stranger.map(|key| format!("it holds `{key}`, which no net has"));
        if let Some(reason) = nets.failure.or(stranger) {
            return Err(unfit(reason));
        }
        let stored = tensors::read(part("optimizer.safetensors")?).map_err(unfit)?;
        let slots = to_slots(stored, device).map_err(unfit)?;
        self.optimizer.restore(slots);
        let mut stored = tensors::read(part("monitors.safetensors")?).map_err(unfit)?;
        for (i, bank) in self.banks.iter_mut().enumerate() {
            if let Some(saved) = to_bank(i, &mut stored)
                && !bank.restore(saved, device)
            {
                return Err(unfit(format!("bank {i} has another size")));
            }
        }
        *self.progress = progress;
        Ok(())
    }
}

fn tensor_part<'a>(name: &'a str, entries: &'a [Entry]) -> Part<'a> {
    Part {
        name,
        fill: Box::new(move |out| tensors::write(out, entries)),
    }
}

fn text_part<'a>(name: &'a str, text: &'a [u8]) -> Part<'a> {
    Part {
        name,
        fill: Box::new(move |out| out.write_all(text)),
    }
}

const UPDATES: &str = "updates";
const FIRST: &str = "first";
const SECOND: &str = "second";

fn of_slot(key: &str, slot: &Slot) -> Vec<Entry> {
    let moments = [(FIRST, &slot.first), (SECOND, &slot.second)];
    let moments = moments.into_iter().filter_map(|(name, tensor)| {
        Some(Entry::tensor(format!("{key}#{name}"), tensor.as_ref()?))
    });
    let updates = Entry {
        key: format!("{key}#{UPDATES}"),
        shape: vec![1],
        payload: Payload::Integers(vec![slot.updates]),
    };
    moments.chain([updates]).collect()
}

fn to_slots(
    stored: BTreeMap<String, Stored>,
    device: &Device,
) -> Result<BTreeMap<String, Slot>, String> {
    let mut slots: BTreeMap<String, Slot> = BTreeMap::new();
    for (name, stored) in stored {
        let taken = name.rsplit_once('#').and_then(|(key, field)| {
            let slot = slots.entry(key.to_string()).or_default();
            match (field, &stored.values) {
                (UPDATES, Values::Integers(values)) => slot.updates = *values.first()?,
                (FIRST, _) => slot.first = Some(stored.to_tensor(device)?),
                (SECOND, _) => slot.second = Some(stored.to_tensor(device)?),
                _ => return None,
            }
            Some(())
        });
        if taken.is_none() {
            return Err(format!("`{name}` is no optimiser state"));
        }
    }
    Ok(slots)
}

fn of_bank(index: usize, bank: &Bank) -> Vec<Entry> {
    let Some(saved) = bank.save() else {
        return Vec::new();
    };
    let filled = saved.labels.len();
    let entry = |name: &str, shape: Vec<usize>, payload| Entry {
        key: format!("{index}.{name}"),
        shape,
        payload,
    };
    vec![
        entry("features", vec![filled, saved.width], Payload::Floats(saved.features)),
        entry("labels", vec![filled], Payload::Integers(saved.labels)),
        entry("samples", vec![filled], Payload::Integers(saved.samples)),
        entry("cursor", vec![1], Payload::Integers(vec![saved.cursor])),
    ]
}

fn to_bank(index: usize, stored: &mut BTreeMap<String, Stored>) -> Option<SavedBank> {
    let mut take = |name: &str| stored.remove(&format!("{index}.{name}"));
    let integers = |stored: Stored| match stored.values {
        Values::Integers(values) => Some(values),
        Values::Floats(_) => None,
    };
    let features = take("features")?;
    let width = *features.shape.get(1)?;
    let Values::Floats(features) = features.values else {
        return None;
    };
    Some(SavedBank {
        features,
        width,
        labels: integers(take("labels")?)?,
        samples: integers(take("samples")?)?,
        cursor: *integers(take("cursor")?)?.first()?,
    })
}

/// Writes the networks as they are: `weights/nets.safetensors` with every
/// tensor under its full name, and each backbone by itself under timm's or
/// torchvision's names. Their names relative to the run directory.
///
/// # Errors
///
/// [`EngineError::Files`].
pub fn export(model: &mut Model, directory: &RunDirectory) -> Result<Vec<String>, EngineError> {
    let mut written = Vec::new();
    let mut write = |name: String, entries: &[Entry]| {
        let name = format!("weights/{name}.safetensors");
        directory.write_tensors(Path::new(&name), entries)?;
        written.push(name);
        Ok::<(), EngineError>(())
    };
    for member in model.members() {
        for stage in &member.stages {
            if matches!(stage.module, Module::Mlp(_)) {
                continue;
            }
            let name = match &stage.name {
                Some(stage) => format!("{}.{stage}", member.name),
                None => member.name.clone(),
            };
            let mut all = Collect::default();
            member.network.visit(&mut all);
            let prefix = format!("{name}.");
            let own: Vec<Entry> = (all.0.into_iter())
                .filter_map(|mut entry| {
                    entry.key = entry.key.strip_prefix(&prefix)?.to_string();
                    Some(entry)
                })
                .collect();
            write(name, &own)?;
        }
    }
    let mut all = Collect::default();
    model.visit(&mut all);
    write("nets".to_string(), &all.0)?;
    Ok(written)
}
