//! A stand-in for the crate `cubecl-llvm`, with its name, its version and the
//! part of its public surface that `cubecl-cuda` names, but no LLVM in it.
//!
//! **Why.** `cubecl-cuda` links two kernel compilers: CUDA C++ through NVRTC,
//! and LLVM through `cubecl-llvm`. It depends on both whichever one it uses,
//! and the build script of the real `cubecl-llvm` downloads an LLVM bundle of
//! some hundred megabytes from a code host. `sslc` compiles its kernels through
//! NVRTC (feature `cpp` of `cubecl-cuda`, switched on by `ssl-engine/cuda`), so
//! the LLVM half is never asked for anything; with this crate in its place
//! `--features cuda` builds from crates.io alone and needs neither LLVM nor a
//! C++ compiler nor a CUDA toolkit.
//!
//! **What it does.** The types carry what `cubecl-cuda` reads and writes. The
//! one thing that would compile a kernel, [`PlironCompiler::compile`], refuses
//! and says why.
//!
//! **How to build without it.** Delete the line `cubecl-llvm = …` under
//! `[patch.crates-io]` in the workspace's `Cargo.toml` and run `cargo update -p
//! cubecl-llvm` (Cargo then takes the published crate; the build needs the
//! download). To compile the kernels with LLVM as well, drop the feature `cpp`
//! of `cubecl-cuda` in `runtime/engine/Cargo.toml`.
//!
//! **Upkeep.** It follows `cubecl-llvm` 0.11.3. When Burn moves to another
//! cubecl, Cargo no longer applies the patch and says so; then compare this file
//! with what `cubecl-cuda/src/{compiler,runtime}.rs` import.

#[cfg(feature = "amdgpu")]
compile_error!(
    "this build replaces cubecl-llvm by a stand-in that serves CUDA alone: \
     for AMD GPUs delete the line `cubecl-llvm` under [patch.crates-io] in Cargo.toml"
);

use cubecl_core::{
    CompilationError, Compiler,
    ir::{attributes::BufferIOAttr, nvidia::SmArch},
    prelude::KernelDefinition,
};
use nvptx::ptx_version::PtxVersion;

/// Why nothing here compiles a kernel.
const REFUSAL: &str = "this binary was built without LLVM: its `cubecl-llvm` is a stand-in, and \
     CUDA kernels are compiled through NVRTC; enable the feature `cpp` of `cubecl-cuda`, or build \
     with the published `cubecl-llvm`";

/// The target that the compiler is configured for; CUDA is the only one here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LlvmTarget {
    /// PTX for NVIDIA GPUs.
    #[default]
    Nvptx,
}

/// The compiler that is not there.
#[derive(Clone, Debug, Default)]
pub struct PlironCompiler {
    /// What it would compile for.
    pub target: LlvmTarget,
}

/// Options that `cubecl-cuda` fills in and nobody reads.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// An AMD architecture; there is none.
    pub arch: Option<core::convert::Infallible>,
    /// The NVIDIA architecture.
    pub sm_arch: Option<SmArch>,
    /// The PTX version.
    pub ptx_version: Option<PtxVersion>,
    /// Whether scalars travel in the kernel's parameter block.
    pub grid_constants: bool,
}

/// A compiled PTX module. None is ever made.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// PTX text, ended by a zero byte.
    pub ptx: Vec<core::ffi::c_char>,
    /// LLVM IR, for logs.
    pub ir: String,
    /// Shared memory of a launch in bytes.
    pub shared_memory_size: usize,
    /// What the kernel does with each buffer.
    pub io: Vec<BufferIOAttr>,
}

/// What a compilation would yield.
#[derive(Clone, Debug)]
pub enum PlironArtifact {
    /// PTX.
    NvptxCode(NvptxModule),
}

impl core::fmt::Display for PlironArtifact {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let PlironArtifact::NvptxCode(module) = self;
        f.write_str(&module.ir)
    }
}

impl Compiler for PlironCompiler {
    type Representation = PlironArtifact;
    type CompilationOptions = PlironOptions;

    /// Refuses.
    ///
    /// # Errors
    ///
    /// Always [`CompilationError::Generic`], with the reason and the way out.
    fn compile(
        &mut self,
        _kernel: KernelDefinition,
        _options: &PlironOptions,
    ) -> Result<PlironArtifact, CompilationError> {
        Err(CompilationError::Generic {
            reason: REFUSAL.to_string(),
            backtrace: cubecl_core::environment::backtrace::BackTrace::capture(),
        })
    }

    fn extension(&self) -> &'static str {
        "ll"
    }

    fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}

/// What concerns NVIDIA GPUs.
pub mod nvptx {
    /// The version of PTX.
    pub mod ptx_version {
        /// A PTX version chosen from the driver's. LLVM would need one; NVRTC
        /// writes its own, so none is ever chosen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum PtxVersion {}

        impl PtxVersion {
            /// None, whatever the driver.
            pub fn for_driver(_driver: i32) -> Option<Self> {
                None
            }
        }

        impl core::fmt::Display for PtxVersion {
            fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match *self {}
            }
        }
    }
}

/// What concerns every target.
pub mod shared {
    /// What a device may advertise when LLVM compiles for it.
    pub mod lowered_features {
        use cubecl_core::ir::DeviceProperties;

        /// The target whose features are narrowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum GpuTarget {
            /// NVIDIA GPUs.
            Nvptx,
        }

        /// Narrows nothing: called only where LLVM is the chosen compiler, and
        /// there every kernel is refused anyway.
        pub fn restrict_features(_props: &mut DeviceProperties, _target: GpuTarget) {}
    }
}
