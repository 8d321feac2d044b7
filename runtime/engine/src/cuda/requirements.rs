//! What Burn's CUDA back end needs, asked for one by one: driver, GPUs, NVRTC,
//! headers, and a trial kernel for each kind of GPU.

use super::library::{Driver, Nvrtc, Refusal};
use super::{CudaMissing, CudaVersion, GpuInfo};
use std::{
    ffi::{CStr, CString, c_int},
    path::Path,
};

/// `CUDA_ERROR_NO_DEVICE`.
const NO_DEVICE: c_int = 100;
/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR`.
const CAPABILITY: (c_int, c_int) = (75, 76);

/// The headers that kernels for the types and instructions of a training run
/// include, and the wheels that bring them. The last lies in `cccl` as of
/// CUDA 13; compiling it takes two seconds, so it is only looked for.
const HEADERS: [(&str, &str); 5] = [
    ("cuda_fp16.h", "nvidia-cuda-runtime"),
    ("cuda_bf16.h", "nvidia-cuda-runtime"),
    ("mma.h", "nvidia-cuda-runtime"),
    ("cooperative_groups.h", "nvidia-cuda-runtime"),
    ("cuda/barrier", "nvidia-cuda-cccl"),
];

/// Includes what most kernels include; the headers in turn find what they
/// themselves need, or the compiler says what is missing.
const TRIAL: &CStr = c"#include <cuda_fp16.h>
#include <cuda_bf16.h>
#include <mma.h>
extern \"C\" __global__ void trial(float *x) { x[threadIdx.x] *= 2.0f; }
";

pub(super) fn probe() -> Result<Vec<GpuInfo>, CudaMissing> {
    let driver = Driver::load().map_err(|reason| CudaMissing::Driver { reason })?;
    let (newest, gpus) = gpus(&driver)?;

    let nvrtc = Nvrtc::load().map_err(|reason| CudaMissing::Nvrtc { reason })?;
    let refused = |Refusal { call, reason, .. }| CudaMissing::NvrtcRefused { call, reason };
    let (major, minor) = nvrtc.version().map_err(refused)?;
    let version = CudaVersion {
        major: major.unsigned_abs(),
        minor: minor.unsigned_abs(),
    };
    if version > newest {
        return Err(CudaMissing::NvrtcTooNew {
            nvrtc: version,
            driver: newest,
        });
    }

    let home = cubecl_cuda::install::cuda_path().ok_or(CudaMissing::HeadersNowhere)?;
    let include = home.join("include");
    look_for_headers(&include)?;

    let mut tried = Vec::new();
    for gpu in &gpus {
        if tried.contains(&gpu.capability) {
            continue;
        }
        let outcome = nvrtc.compile(TRIAL, &options(gpu.capability, &include));
        if let Err(log) = outcome.map_err(refused)? {
            return Err(CudaMissing::TrialKernel {
                index: gpu.index,
                name: gpu.name.clone(),
                capability: gpu.capability,
                nvrtc: version,
                folder: include,
                log,
            });
        }
        tried.push(gpu.capability);
    }
    Ok(gpus
        .into_iter()
        .map(|gpu| GpuInfo {
            nvrtc: version,
            ..gpu
        })
        .collect())
}

/// The driver's version and its GPUs; NVRTC's version is not known yet.
fn gpus(driver: &Driver) -> Result<(CudaVersion, Vec<GpuInfo>), CudaMissing> {
    let refused = |Refusal { call, code, reason }| match code {
        NO_DEVICE => no_device(),
        _ => CudaMissing::DriverRefused { call, reason },
    };
    driver.init().map_err(refused)?;
    let number = driver.version().map_err(refused)?.unsigned_abs();
    let version = CudaVersion {
        major: number / 1000,
        minor: number % 1000 / 10,
    };
    let count = driver.device_count().map_err(refused)?;
    if count < 1 {
        return Err(no_device());
    }
    let gpu = |index: c_int| {
        let device = driver.device(index)?;
        let capability = (
            driver.attribute(CAPABILITY.0, device)?.unsigned_abs(),
            driver.attribute(CAPABILITY.1, device)?.unsigned_abs(),
        );
        Ok(GpuInfo {
            index: index.unsigned_abs() as usize,
            name: driver.name(device)?,
            memory: driver.memory(device)?,
            capability,
            driver: version,
            nvrtc: version,
        })
    };
    let gpus = (0..count).map(gpu).collect::<Result<_, _>>();
    Ok((version, gpus.map_err(refused)?))
}

fn no_device() -> CudaMissing {
    let visible = std::env::var_os("CUDA_VISIBLE_DEVICES");
    CudaMissing::NoDevice {
        visible: visible.map(|value| value.to_string_lossy().into_owned()),
    }
}

fn look_for_headers(include: &Path) -> Result<(), CudaMissing> {
    for (header, wheel) in HEADERS {
        if !include.join(header).exists() && !include.join("cccl").join(header).exists() {
            return Err(CudaMissing::Header {
                folder: include.to_path_buf(),
                header,
                wheel,
            });
        }
    }
    Ok(())
}

/// The options with which `cubecl-cuda` calls NVRTC.
fn options((major, minor): (u32, u32), include: &Path) -> Vec<CString> {
    let suffix = if major >= 9 { "a" } else { "" };
    let include = include.display();
    [
        format!("--gpu-architecture=sm_{major}{minor}{suffix}"),
        format!("--include-path={include}"),
        format!("--include-path={include}/cccl"),
        "-lineinfo".to_string(),
    ]
    .into_iter()
    .filter_map(|option| CString::new(option).ok())
    .collect()
}
