//! Is there an NVIDIA GPU here that this build can compute on?
//!
//! Burn's CUDA back end loads the driver, the run-time compiler NVRTC and
//! CUDA's headers when it first needs them, in a thread of its own, and panics
//! where one of them is missing. [`probe`] asks for the same things beforehand,
//! under the same names and in the same order, so that each missing one becomes
//! an error that says what it is and what to do. Nothing of Burn is touched.

#[cfg(feature = "cuda")]
mod library;
#[cfg(feature = "cuda")]
mod requirements;

use std::{fmt, path::PathBuf};

/// A version of CUDA: of the driver, or of NVRTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CudaVersion {
    /// 12 in 12.8.
    pub major: u32,
    /// 8 in 12.8.
    pub minor: u32,
}

/// A GPU that can be computed on, and what it would be computed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuInfo {
    /// The number of Burn's CUDA device, among the visible ones.
    pub index: usize,
    /// The driver's name for it.
    pub name: String,
    /// All its memory, in bytes.
    pub memory: u64,
    /// Compute capability, (9, 0) for an H100.
    pub capability: (u32, u32),
    /// The newest CUDA that the driver runs.
    pub driver: CudaVersion,
    /// The CUDA of the run-time compiler.
    pub nvrtc: CudaVersion,
}

/// What stands between this process and a GPU, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CudaMissing {
    /// The binary holds no CUDA back end.
    #[error(
        "this build has no CUDA support; build it with `--features cuda`, or choose `--device cpu`"
    )]
    NotBuilt,
    /// The driver's library cannot be loaded.
    #[error(
        "no NVIDIA driver: {reason}; install the driver (in a container, let it see the GPU), or \
         choose `--device cpu`"
    )]
    Driver {
        /// What the loader said.
        reason: String,
    },
    /// The driver is there and refuses.
    #[error(
        "the NVIDIA driver refuses `{call}`: {reason}; see whether `nvidia-smi` works, or choose \
         `--device cpu`"
    )]
    DriverRefused {
        /// The function of the driver's interface.
        call: &'static str,
        /// Its error, in its own words.
        reason: String,
    },
    /// A driver without a GPU, or with none that this process may see.
    #[error(
        "the NVIDIA driver shows no GPU{}; see `nvidia-smi`, or choose `--device cpu`",
        hint(.visible)
    )]
    NoDevice {
        /// The value of `CUDA_VISIBLE_DEVICES`, where it is set.
        visible: Option<String>,
    },
    /// NVRTC, which compiles the kernels, cannot be loaded.
    #[error(
        "no CUDA run-time compiler: {reason}; put the folder of `libnvrtc.so.13` or \
         `libnvrtc.so.12` into `LD_LIBRARY_PATH` (a CUDA toolkit has it, and the Python wheel \
         `nvidia-cuda-nvrtc`), or choose `--device cpu`"
    )]
    Nvrtc {
        /// What the loader said.
        reason: String,
    },
    /// NVRTC is there and refuses to be asked.
    #[error(
        "NVRTC refuses `{call}`: {reason}; reinstall it together with its `libnvrtc-builtins`, or \
         choose `--device cpu`"
    )]
    NvrtcRefused {
        /// The function of NVRTC.
        call: &'static str,
        /// Its error.
        reason: String,
    },
    /// NVRTC writes code that is newer than the driver reads.
    #[error(
        "NVRTC is of CUDA {nvrtc}, but the driver runs CUDA {driver} at most; take an NVRTC of \
         {driver} or older, or a newer driver"
    )]
    NvrtcTooNew {
        /// NVRTC's version.
        nvrtc: CudaVersion,
        /// The newest version that the driver runs.
        driver: CudaVersion,
    },
    /// Nothing says where CUDA's headers are.
    #[error(
        "CUDA's headers are nowhere: `CUDA_PATH` is not set, and there is no CUDA toolkit in its \
         usual place; set `CUDA_PATH` to the folder whose `include` holds `cuda_fp16.h` (a CUDA \
         toolkit has it, and the Python wheel `nvidia-cuda-runtime`)"
    )]
    HeadersNowhere,
    /// A header is missing.
    #[error(
        "`{}` holds no `{header}`, which the kernels include; set `CUDA_PATH` to a CUDA toolkit, \
         or add the header (Python wheel `{wheel}`)", .folder.display()
    )]
    Header {
        /// Where it was looked for.
        folder: PathBuf,
        /// Its name.
        header: &'static str,
        /// The wheel that brings it.
        wheel: &'static str,
    },
    /// All is there, and a kernel still does not compile.
    #[error(
        "a trial kernel for GPU {index} ({name}, compute capability {}.{}) does not compile with \
         NVRTC {nvrtc} and the headers of `{}`:\n{log}", .capability.0, .capability.1,
        .folder.display()
    )]
    TrialKernel {
        /// The GPU's number.
        index: usize,
        /// The GPU's name.
        name: String,
        /// The GPU's compute capability.
        capability: (u32, u32),
        /// NVRTC's version.
        nvrtc: CudaVersion,
        /// The headers' folder.
        folder: PathBuf,
        /// What the compiler said.
        log: String,
    },
}

impl CudaMissing {
    /// Whether a GPU is there and something beside it is not. An automatic
    /// choice that falls back to the CPU should then say so; in the other cases
    /// there is nothing to tell.
    pub fn gpu_is_idle(&self) -> bool {
        !matches!(
            self,
            CudaMissing::NotBuilt | CudaMissing::Driver { .. } | CudaMissing::NoDevice { .. }
        )
    }
}

/// The GPUs that this process can compute on, in the order of their numbers;
/// never empty.
///
/// Takes a tenth of a second or so where there is a GPU: the driver is
/// initialised, and one empty kernel is compiled for each kind of GPU.
///
/// # Errors
///
/// [`CudaMissing`] names the first thing that is missing.
pub fn probe() -> Result<Vec<GpuInfo>, CudaMissing> {
    #[cfg(feature = "cuda")]
    return requirements::probe();
    #[cfg(not(feature = "cuda"))]
    Err(CudaMissing::NotBuilt)
}

impl fmt::Display for CudaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Display for GpuInfo {
    /// `NVIDIA H100 80GB HBM3, 79.2 GiB, CUDA 13.0, NVRTC 12.9`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {:.1} GiB, CUDA {}, NVRTC {}",
            self.name,
            self.memory as f64 / (1u64 << 30) as f64,
            self.driver,
            self.nvrtc
        )
    }
}

fn hint(value: &Option<String>) -> String {
    match value {
        Some(value) => format!(" (`CUDA_VISIBLE_DEVICES` is `{value}`)"),
        None => String::new(),
    }
}
