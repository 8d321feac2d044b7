//! Weights of a run for other libraries: their names, their layout, and the
//! lines of Python that build the network which the file fits; or with the
//! network itself, as ONNX.
//!
//! Only the run directory is read: no network is built, no device is asked,
//! nothing in the directory changes but the files that are written.

mod convnext;
mod moco;
mod onnx;
mod python;
mod resnet;
mod source;
mod vit;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::Value;
use ssl_plan::Module;

use crate::run::files::{Disk, write_whole};
use crate::weights::{self, FileError, NamedTensor};
pub(crate) use source::is_backbone;
pub use source::{Chosen, Run};

/// Whose names and layout a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// timm's models.
    Timm,
    /// torchvision's models.
    Torchvision,
    /// `ViTModel` and `ResNetModel` of Hugging Face's transformers.
    Hf,
    /// The checkpoint of the MoCo v3 repository, both encoders and the
    /// predictor.
    MocoV3,
    /// The network and its weights as one ONNX model.
    Onnx,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 5] = [
        Format::Timm,
        Format::Torchvision,
        Format::Hf,
        Format::MocoV3,
        Format::Onnx,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Timm => "timm",
            Format::Torchvision => "torchvision",
            Format::Hf => "hf",
            Format::MocoV3 => "moco-v3",
            Format::Onnx => "onnx",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Format::ALL.into_iter().find(|f| f.name() == text);
        found.ok_or_else(|| {
            let names = Format::ALL.map(|format| format!("`{format}`"));
            format!("choose from {}", names.join(", "))
        })
    }
}

/// Why weights could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The folder holds no run of this version.
    #[error("`{}` holds no run that could be exported: {reason}", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
        /// What is missing or cannot be read.
        reason: String,
    },
    /// There is no such net or stage.
    #[error("{0}")]
    Net(String),
    /// The format has no such network.
    #[error("`{net}` has no place in {format}: {why}; {way}")]
    Unfit {
        /// The stage.
        net: String,
        /// The format.
        format: Format,
        /// What it cannot express.
        why: String,
        /// What can be done instead.
        way: String,
    },
    /// The output's name asks for what the format is not.
    #[error("{0}")]
    Out(String),
    /// A file could not be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// A backbone as a format has it.
pub(crate) struct Package {
    /// Its tensors, in the format's names and layout.
    pub(crate) tensors: Vec<NamedTensor>,
    /// The format's configuration, for those that have one.
    pub(crate) config: Option<Value>,
    /// The lines of Python that build it as `model`.
    pub(crate) python: Vec<String>,
    /// What the format calls the architecture.
    pub(crate) architecture: String,
}

/// What was written.
#[derive(Debug)]
pub struct Exported {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Tensors in them.
    pub tensors: usize,
    /// What the format calls the architecture.
    pub architecture: String,
    /// The lines of Python that build the network and load the file; for
    /// [`Format::MocoV3`] the command of its repository.
    pub usage: Vec<String>,
}

/// What a format makes of a stage, by how it is written.
enum Content {
    /// The weights of a library that has its networks in Python.
    Library(Package),
    /// The weights in a folder, with a configuration.
    Folder(Package),
    /// A checkpoint of the MoCo v3 repository.
    MocoV3(Package),
    /// The network itself.
    Onnx(Box<onnx::Network>),
}

/// Writes a stage of a run, or for [`Format::MocoV3`] its whole net, in a
/// format. `out` is a file, for [`Format::Hf`] a folder; without it, one in
/// the run directory's `export`. Its ending says how: `.safetensors`, or
/// `.pt`, `.pth` and `.pth.tar` as `torch.save` writes.
///
/// # Errors
///
/// [`ExportError`]; nothing is written where the format does not fit.
pub fn export(
    run: &Run,
    chosen: &Chosen,
    format: Format,
    out: Option<&Path>,
) -> Result<Exported, ExportError> {
    let content = content(run, chosen, format).map_err(|why| ExportError::Unfit {
        net: chosen.name.clone(),
        format,
        way: way_out(run, chosen, format),
        why,
    })?;
    let out = place(run, chosen, format, out)?;
    let exported = |files, package: Package, usage| Exported {
        files,
        tensors: package.tensors.len(),
        usage,
        architecture: package.architecture,
    };
    match content {
        Content::Onnx(network) => network.write(&out),
        Content::Library(package) => {
            write(&out, |writer| match is_torch(&out) {
                true => weights::pytorch::encode(writer, &package.tensors, &[]),
                false => encode(writer, &package.tensors),
            })?;
            let usage = python::of_file(&package, &out);
            Ok(exported(vec![out], package, usage))
        }
        Content::Folder(package) => {
            let weights = out.join("model.safetensors");
            write(&weights, |writer| encode(writer, &package.tensors))?;
            let config = out.join("config.json");
            let text = serde_json::to_string_pretty(&package.config).unwrap_or_default();
            write(&config, |writer| {
                writer.write_all(format!("{text}\n").as_bytes())
            })?;
            let usage = python::of_folder(&package, &out);
            Ok(exported(vec![weights, config], package, usage))
        }
        Content::MocoV3(package) => {
            let arch = &package.architecture;
            write(&out, |writer| {
                moco::encode(writer, arch, run.step, &package.tensors)
            })?;
            let usage = python::of_checkpoint(&package, &out);
            Ok(exported(vec![out], package, usage))
        }
    }
}

/// The stage as a format has it, or why it has no such network.
fn content(run: &Run, chosen: &Chosen, format: Format) -> Result<Content, String> {
    let (module, tensors) = (&chosen.module, || run.stage(chosen));
    let none = |other| Err(format!("it has no {}", kind(other)));
    match format {
        Format::Timm => match module {
            Module::Vit(plan) => vit::timm(plan, tensors()),
            Module::Resnet(plan) => resnet::timm(plan, tensors()),
            Module::Convnext(plan) => convnext::timm(plan, tensors()),
            other => none(other),
        }
        .map(Content::Library),
        Format::Torchvision => match module {
            Module::Vit(plan) => vit::torchvision(plan, tensors()),
            Module::Resnet(plan) => resnet::torchvision(plan, tensors()),
            Module::Convnext(plan) => convnext::torchvision(plan, tensors()),
            other => none(other),
        }
        .map(Content::Library),
        Format::Hf => match module {
            Module::Vit(plan) => vit::hf(plan, tensors()),
            Module::Resnet(plan) => resnet::hf(plan, tensors()),
            Module::Convnext(_) => Err("ConvNeXt is written for timm and torchvision".to_owned()),
            other => none(other),
        }
        .map(Content::Folder),
        Format::MocoV3 => moco::package(run, chosen).map(Content::MocoV3),
        Format::Onnx => onnx::network(run, chosen).map(Box::new).map(Content::Onnx),
    }
}

/// The file or the folder that is written: `out`, whose name must not ask for
/// another format, or one in the run directory.
fn place(
    run: &Run,
    chosen: &Chosen,
    format: Format,
    out: Option<&Path>,
) -> Result<PathBuf, ExportError> {
    let Some(out) = out else {
        let name = match format {
            Format::Timm | Format::Torchvision => format!("{}.{format}.safetensors", chosen.name),
            Format::Hf => format!("{}.hf", chosen.name),
            Format::MocoV3 => format!("{}.moco-v3.pth.tar", chosen.net),
            Format::Onnx => format!("{}.onnx", chosen.name),
        };
        return Ok(run.path.join("export").join(name));
    };
    let shown = out.display();
    match format {
        Format::Onnx if !onnx::is_named(out) => Err(ExportError::Out(format!(
            "`{shown}` is not named as an ONNX file; name it with the end `.onnx`"
        ))),
        Format::Onnx => Ok(out.to_path_buf()),
        Format::Timm | Format::Torchvision | Format::Hf | Format::MocoV3 if onnx::is_named(out) => {
            Err(ExportError::Out(format!(
                "`{shown}` is named as an ONNX file, which `--format onnx` writes"
            )))
        }
        Format::MocoV3 if !is_torch(out) => Err(ExportError::Out(format!(
            "the MoCo v3 repository reads what `torch.save` wrote; name `{shown}` with the end \
             `.pth.tar`"
        ))),
        Format::Timm | Format::Torchvision | Format::Hf | Format::MocoV3 => Ok(out.to_path_buf()),
    }
}

/// What fits in place of a format that does not.
fn way_out(run: &Run, chosen: &Chosen, format: Format) -> String {
    let fits: Vec<String> = Format::ALL
        .into_iter()
        .filter(|other| *other != format && content(run, chosen, *other).is_ok())
        .map(|other| format!("`--format {other}`"))
        .collect();
    match fits.is_empty() {
        false => format!("what fits: {}", fits.join(", ")),
        true => format!(
            "no format fits; a finished run has every tensor in `{}`",
            run.path.join("weights/nets.safetensors").display()
        ),
    }
}

/// What a module is, for a sentence.
fn kind(module: &Module) -> &'static str {
    match module {
        Module::Vit(_) => "vision transformer",
        Module::Resnet(_) => "residual network",
        Module::Convnext(_) => "ConvNeXt",
        Module::Mlp(_) | Module::Linear(_) => "head by itself",
        Module::Prototypes { .. } => "prototypes",
        Module::L2Normalize { .. } => "normalisation by itself",
        Module::VitDecoder(_) => "decoder of a masked autoencoder",
    }
}

/// Whether a file is named as `torch.save`'s usually are.
fn is_torch(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [".pt", ".pth", ".pth.tar"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// A file, whole or not at all, and its folder.
fn write(
    path: &Path,
    mut fill: impl FnMut(&mut dyn io::Write) -> io::Result<()>,
) -> Result<(), ExportError> {
    let failed = |source| ExportError::Write {
        path: path.to_path_buf(),
        source,
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Some(name) = path.file_name() else {
        return Err(failed(io::Error::other("a file needs a name")));
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    write_whole(&Disk, &folder.join(name), &mut fill).map_err(failed)
}

/// Removes a file, where there is one.
fn remove(path: &Path) -> Result<(), ExportError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(ExportError::Write {
            path: path.to_path_buf(),
            source,
        }),
        _ => Ok(()),
    }
}

fn encode(mut writer: &mut dyn io::Write, tensors: &[NamedTensor]) -> io::Result<()> {
    match weights::encode(&mut writer, tensors) {
        Ok(()) => Ok(()),
        Err(FileError::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}
