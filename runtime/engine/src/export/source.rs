//! The run that is exported: its plan, and the newest weights that it left.

use std::path::{Path, PathBuf};

use ssl_plan::{FORMAT, Module, Net, NetKind, Plan, Stage};

use super::ExportError;
use crate::run::checkpoint;
use crate::run::files::{Disk, Files};
use crate::weights::{self, NamedTensor};

/// A run directory, read.
pub struct Run {
    /// The folder.
    pub path: PathBuf,
    /// What was run.
    pub plan: Plan,
    /// Steps done when the weights were saved.
    pub step: usize,
    /// The file or checkpoint that they are from.
    pub from: PathBuf,
    tensors: Vec<NamedTensor>,
}

/// A stage of a net.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// `NET.STAGE`, or `NET` where its one stage has no name.
    pub name: String,
    /// The net.
    pub net: String,
    /// What the stage is.
    pub module: Module,
}

impl Run {
    /// Reads a run: a finished one's weights, else those of its newest intact
    /// checkpoint. Nothing in the folder changes, so the run may be going on.
    ///
    /// # Errors
    ///
    /// [`ExportError::NoRun`].
    pub fn open(path: &Path) -> Result<Self, ExportError> {
        let no_run = |reason: String| ExportError::NoRun {
            path: path.to_path_buf(),
            reason,
        };
        let text = Disk
            .read(&path.join("plan.json"))
            .map_err(|e| no_run(format!("`plan.json` cannot be read ({e})")))?;
        let plan: Plan = serde_json::from_slice(&text)
            .map_err(|e| no_run(format!("`plan.json` is not a plan of this version ({e})")))?;
        if plan.format != FORMAT {
            let found = plan.format;
            return Err(no_run(format!(
                "its plan has format {found}, this is {FORMAT}; export it with the version that \
                 ran it"
            )));
        }
        let finished = path.join("weights/nets.safetensors");
        let (step, from, tensors) = if path.join("report.json").is_file() && finished.is_file() {
            let tensors = weights::read(&finished)
                .map_err(|e| no_run(format!("`weights/nets.safetensors`: {e}")))?;
            (plan.recipe.train.steps, finished, tensors)
        } else {
            let found =
                checkpoint::newest_part(&Disk, &path.join("checkpoints"), "nets.safetensors")
                    .map_err(|e| no_run(e.to_string()))?;
            let Some((step, from, bytes)) = found else {
                return Err(no_run(
                    "it has neither weights nor a checkpoint yet".to_owned(),
                ));
            };
            let tensors = weights::decode(&mut bytes.as_slice(), bytes.len() as u64)
                .map_err(|e| no_run(format!("`{}`: {e}", from.display())))?;
            (step, from, tensors)
        };
        Ok(Run {
            path: path.to_path_buf(),
            plan,
            step,
            from,
            tensors,
        })
    }

    /// A stage by its name, `NET.STAGE`, or `NET` where that leaves no doubt;
    /// without one, the backbone of the one net that is trained and has one.
    ///
    /// # Errors
    ///
    /// [`ExportError::Net`] with what there is to choose from.
    pub fn choose(&self, name: Option<&str>) -> Result<Chosen, ExportError> {
        let all: Vec<(Chosen, bool)> = self
            .plan
            .recipe
            .nets
            .iter()
            .flat_map(|net| {
                let average = matches!(net.kind, NetKind::Ema { .. });
                self.stages(net).iter().map(move |stage| {
                    let name = match &stage.name {
                        Some(stage) => format!("{}.{stage}", net.name),
                        None => net.name.clone(),
                    };
                    let (net, module) = (net.name.clone(), stage.module.clone());
                    (Chosen { name, net, module }, average)
                })
            })
            .collect();
        let exact = |name: &str| {
            all.iter()
                .find(|(c, _)| c.name == name)
                .map(|(c, _)| c.clone())
        };
        let backbones = |of: &dyn Fn(&Chosen, bool) -> bool| -> Vec<&Chosen> {
            all.iter()
                .filter(|(c, average)| is_backbone(&c.module) && of(c, *average))
                .map(|(c, _)| c)
                .collect()
        };
        let found = match name {
            None => backbones(&|_, average| !average),
            Some(name) => match exact(name) {
                Some(chosen) => return Ok(chosen),
                None => backbones(&|c, _| c.net == name),
            },
        };
        if let [one] = found.as_slice() {
            return Ok((*one).clone());
        }
        let names: Vec<String> = backbones(&|_, _| true)
            .iter()
            .map(|c| format!("`{}`", c.name))
            .collect();
        let choice = match names.is_empty() {
            true => "the run has no backbone".to_owned(),
            false => format!("choose from {}", names.join(", ")),
        };
        Err(ExportError::Net(match name {
            Some(name) => format!("the run has no `{name}` to export; {choice}"),
            None if names.is_empty() => choice,
            None => format!("the run trains several backbones; {choice} by `--net`"),
        }))
    }

    /// The stages of a net, an average's those of what it averages.
    pub(super) fn stages<'a>(&'a self, net: &'a Net) -> &'a [Stage] {
        match &net.kind {
            NetKind::Stages { stages } => stages,
            NetKind::Ema { of, .. } => match self.net(of).map(|net| &net.kind) {
                Some(NetKind::Stages { stages }) => stages,
                _ => &[],
            },
        }
    }

    /// A net by its name.
    pub(super) fn net(&self, name: &str) -> Option<&Net> {
        self.plan.recipe.nets.iter().find(|net| net.name == name)
    }

    /// The tensors of a stage, without its name before theirs.
    pub(super) fn stage(&self, chosen: &Chosen) -> Vec<NamedTensor> {
        self.under(&chosen.name)
    }

    /// The tensors whose keys start with a path, without it.
    pub(super) fn under(&self, path: &str) -> Vec<NamedTensor> {
        let tensors = self.tensors.iter().filter_map(|tensor| {
            let key = tensor.key.strip_prefix(path)?.strip_prefix('.')?;
            let mut tensor = tensor.clone();
            tensor.key = key.to_owned();
            Some(tensor)
        });
        tensors.collect()
    }
}

/// Whether other libraries have such a module as a network.
pub(crate) fn is_backbone(module: &Module) -> bool {
    matches!(
        module,
        Module::Vit(_) | Module::Resnet(_) | Module::Convnext(_)
    )
}
