//! Which device computes.
//!
//! The choice is made once, before any tensor exists, and turned into a Burn
//! device together with a sentence that says what was found.

use burn::tensor::Device;

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// A GPU where one is usable, else the CPU.
    #[default]
    Auto,
    /// The CPU backend that every build holds.
    Cpu,
    /// The CUDA device of that index.
    Cuda(usize),
}

/// A device that cannot be had, and what is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The binary holds no CUDA backend.
    #[error(
        "this build has no CUDA support; build it with `--features cuda`, or choose `--device cpu`"
    )]
    NotBuilt,
}

/// The device for a choice, without gradients, and its description.
///
/// # Errors
///
/// [`DeviceError`] where a device was asked for by name and is not usable.
pub fn resolve(choice: DeviceChoice) -> Result<(Device, String), DeviceError> {
    match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => {
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            let plural = if threads == 1 { "" } else { "s" };
            Ok((Device::flex(), format!("CPU, {threads} thread{plural}")))
        }
        DeviceChoice::Cuda(_) => Err(DeviceError::NotBuilt),
    }
}
