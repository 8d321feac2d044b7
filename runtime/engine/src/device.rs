//! Which device computes.
//!
//! The choice is made once, before any tensor exists, and turned into a Burn
//! device together with a sentence that says what was found.

use burn::tensor::Device;

use crate::cuda::{self, CudaMissing};

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
    /// Nothing to compute on with CUDA.
    #[error(transparent)]
    Cuda(#[from] CudaMissing),
    /// There are GPUs, but not this one.
    #[error("there is no GPU {index}; this process sees {seen}, counted from 0")]
    NoSuchGpu {
        /// The one asked for.
        index: usize,
        /// How many there are.
        seen: usize,
    },
}

/// The device for a choice, without gradients, and its description.
///
/// # Errors
///
/// [`DeviceError`] where a device was asked for by name and is not usable.
pub fn resolve(choice: DeviceChoice) -> Result<(Device, String), DeviceError> {
    match choice {
        DeviceChoice::Cpu => Ok(cpu("")),
        DeviceChoice::Auto => match gpu(0) {
            Ok(found) => Ok(found),
            Err(DeviceError::Cuda(missing)) if !missing.gpu_is_idle() => Ok(cpu("")),
            Err(_) => Ok(cpu(" (the GPU cannot be used; `--device cuda` says why)")),
        },
        DeviceChoice::Cuda(index) => gpu(index),
    }
}

fn cpu(why: &str) -> (Device, String) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let plural = if threads == 1 { "" } else { "s" };
    (
        Device::flex(),
        format!("CPU, {threads} thread{plural}{why}"),
    )
}

/// A GPU that was probed before Burn touches it.
fn gpu(index: usize) -> Result<(Device, String), DeviceError> {
    let found = cuda::probe()?;
    let Some(info) = found.get(index) else {
        return Err(DeviceError::NoSuchGpu {
            index,
            seen: found.len(),
        });
    };
    #[cfg(feature = "cuda")]
    let device = Device::cuda(info.index);
    // Without the feature the probe finds nothing, and this is never reached.
    #[cfg(not(feature = "cuda"))]
    let device = Device::flex();
    Ok((device, format!("{info}")))
}
