//! Python that builds a network and loads a file into it.

use std::path::Path;

use super::Package;

/// A call with keyword arguments.
#[derive(Debug, Default)]
pub(super) struct Arguments(Vec<String>);

impl Arguments {
    /// Adds one where it differs from what the callee takes by itself.
    pub(super) fn unless<T: PartialEq>(
        &mut self,
        name: &str,
        value: &T,
        default: &T,
        text: impl FnOnce(&T) -> String,
    ) {
        if value != default {
            self.0.push(format!("{name}={}", text(value)));
        }
    }

    /// Adds one.
    pub(super) fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        self.0.push(format!("{name}={value}"));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// `a=1, b=2`.
    pub(super) fn text(&self) -> String {
        self.0.join(", ")
    }
}

/// A float as Python reads it back to the same value.
pub(super) fn float(value: f64) -> String {
    format!("{value:?}")
}

/// The side of a square, or height and width.
pub(super) fn size(image: [usize; 2]) -> String {
    match image {
        [height, width] if height == width => height.to_string(),
        [height, width] => format!("({height}, {width})"),
    }
}

/// A path as a Python string.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The lines that build the network and load a file of its weights.
pub(super) fn of_file(package: &Package, out: &Path) -> Vec<String> {
    let (import, load) = match super::is_torch(out) {
        true => (
            "import torch",
            format!("torch.load({}, weights_only=True)", quoted(out)),
        ),
        false => (
            "from safetensors.torch import load_file",
            format!("load_file({})", quoted(out)),
        ),
    };
    let mut lines = vec![import.to_owned()];
    lines.extend(package.python.iter().cloned());
    lines.push(format!("model.load_state_dict({load}, strict=True)"));
    lines
}

/// The lines that load a folder, which they call `FOLDER`.
pub(super) fn of_folder(package: &Package, out: &Path) -> Vec<String> {
    let lines = package.python.iter();
    lines
        .map(|line| line.replace("FOLDER", &quoted(out)))
        .collect()
}

/// The command of the MoCo v3 repository that takes its checkpoint.
pub(super) fn of_checkpoint(package: &Package, out: &Path) -> Vec<String> {
    let arch = &package.architecture;
    match arch.contains('(') || arch.contains(' ') {
        false => vec![format!(
            "python main_lincls.py -a {arch} --pretrained {}",
            out.display()
        )],
        // A size that the repository has no name for.
        true => vec![
            format!("# the network: {arch}"),
            "import torch".to_owned(),
            format!(
                "state = torch.load({}, weights_only=True)[\"state_dict\"]",
                quoted(out)
            ),
        ],
    }
}
