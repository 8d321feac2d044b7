//! Which device computes.
//!
//! The choice is made once, before any tensor exists, and turned into a Burn
//! device together with a sentence that says what was found.

use burn::tensor::Device;
use ssl_plan::Estimate;

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

/// A device that was found.
pub struct Found {
    /// Burn's device, without gradients.
    pub device: Device,
    /// What it is, in words.
    pub name: String,
    /// Bytes of its memory, where that can be known: what a GPU has, what a
    /// host can still give.
    pub memory: Option<u64>,
    /// Whether its memory is the host's.
    pub is_host: bool,
}

/// The device for a choice.
///
/// # Errors
///
/// [`DeviceError`] where a device was asked for by name and is not usable.
pub fn resolve(choice: DeviceChoice) -> Result<Found, DeviceError> {
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

fn cpu(why: &str) -> Found {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let plural = if threads == 1 { "" } else { "s" };
    Found {
        device: Device::flex(),
        name: format!("CPU, {threads} thread{plural}{why}"),
        memory: std::fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| available(&text)),
        is_host: true,
    }
}

/// The bytes that a Linux host can still give, from `/proc/meminfo`.
fn available(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// A GPU that was probed before Burn touches it.
fn gpu(index: usize) -> Result<Found, DeviceError> {
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
    Ok(Found {
        device,
        name: format!("{info}"),
        memory: Some(info.memory),
        is_host: false,
    })
}

/// What to say of a plan that probably does not fit. A step needs its own
/// peak; on a host also the batches that are prepared meanwhile, or what
/// saving takes.
pub fn shortage(estimate: &Estimate, memory: Option<u64>, is_host: bool) -> Option<String> {
    let memory = memory?;
    let needed = match is_host {
        true => (estimate.step_bytes + estimate.ahead_bytes).max(estimate.save_bytes),
        false => estimate.gpu_step_bytes.max(estimate.step_bytes),
    };
    let gib = |bytes: u64| bytes as f64 / (1u64 << 30) as f64;
    (needed > memory).then(|| {
        format!(
            "the run takes about {:.1} GiB at its peak, and {} {:.1} GiB: it may be killed; \
             `sslc check FILE --memory {:.0}MiB` says what fits",
            gib(needed),
            if is_host {
                "this machine has left"
            } else {
                "the GPU has"
            },
            gib(memory),
            memory as f64 / (1u64 << 20) as f64
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_does_not_fit_is_told_before_it_starts() {
        let meminfo = "MemTotal:       24689764 kB\nMemAvailable:    2097152 kB\nBuffers: 1 kB\n";
        let memory = available(meminfo);
        assert_eq!(memory, Some(2 << 30));
        let estimate = Estimate {
            step_bytes: 2 << 30,
            ahead_bytes: 1 << 29,
            save_bytes: 1 << 20,
            ..Estimate::default()
        };
        let said = shortage(&estimate, memory, true).expect("2.5 GiB do not fit");
        assert!(
            said.contains("about 2.5 GiB") && said.contains("has left 2.0 GiB"),
            "{said}"
        );
        // Batches wait on the host.
        assert_eq!(shortage(&estimate, memory, false), None);
        assert_eq!(shortage(&estimate, None, true), None);
    }
}
