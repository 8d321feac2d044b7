//! What the CUDA probe says on machines that lack something, shown with a
//! driver and an NVRTC made for the purpose: small libraries under the real
//! names, which answer as the environment tells them, found by the real loader.
//! Each case runs in a process of its own, since a library loads once.
#![cfg(all(feature = "cuda", target_os = "linux"))]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const DRIVER: &str = r#"
fn number(name: &str, default: i32) -> i32 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
#[unsafe(no_mangle)]
pub extern "C" fn cuInit(_: u32) -> i32 { number("FAKE_INIT", 0) }
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorString(code: i32, text: *mut *const std::ffi::c_char) -> i32 {
    if code != 34 { return 1; }
    unsafe { *text = c"CUDA driver is a stub library".as_ptr() };
    0
}
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDriverGetVersion(version: *mut i32) -> i32 {
    unsafe { *version = 12080 };
    0
}
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(count: *mut i32) -> i32 {
    unsafe { *count = number("FAKE_GPUS", 2) };
    0
}
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut i32, index: i32) -> i32 {
    unsafe { *device = 40 + index };
    0
}
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(name: *mut u8, length: i32, device: i32) -> i32 {
    let text = format!("Fake {device}\0");
    if text.len() > length as usize { return 1; }
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), name, text.len()) };
    0
}
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, _: i32) -> i32 {
    unsafe { *bytes = 24 << 30 };
    0
}
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(value: *mut i32, attribute: i32, _: i32) -> i32 {
    unsafe { *value = match attribute { 75 => 9, 76 => 0, _ => return 1 } };
    0
}
"#;

const NVRTC: &str = r#"
use std::ffi::{CStr, c_char, c_void};
const LOG: &CStr = c"cannot open source file \"crt/mma.h\"\n";
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvrtcVersion(major: *mut i32, minor: *mut i32) -> i32 {
    let minor_version = std::env::var("FAKE_NVRTC").ok().and_then(|v| v.parse().ok()).unwrap_or(8);
    unsafe { (*major, *minor) = (12, minor_version) };
    0
}
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvrtcCreateProgram(
    program: *mut *mut c_void, source: *const c_char, _: *const c_char, _: i32,
    _: *const *const c_char, _: *const *const c_char,
) -> i32 {
    unsafe { *program = source as *mut c_void };
    0
}
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvrtcCompileProgram(
    program: *mut c_void, count: i32, options: *const *const c_char,
) -> i32 {
    let source = unsafe { CStr::from_ptr(program as *const c_char) }.to_string_lossy();
    let options: Vec<_> = (0..count as usize)
        .map(|i| unsafe { CStr::from_ptr(*options.add(i)) }.to_string_lossy().into_owned())
        .collect();
    let asked = source.contains("__global__")
        && options.iter().any(|o| o == "--gpu-architecture=sm_90a")
        && options.iter().any(|o| o.ends_with("/include"));
    if asked && std::env::var_os("FAKE_COMPILE").is_none() { 0 } else { 6 }
}
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvrtcGetProgramLogSize(_: *mut c_void, size: *mut usize) -> i32 {
    unsafe { *size = LOG.to_bytes_with_nul().len() };
    0
}
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvrtcGetProgramLog(_: *mut c_void, log: *mut u8) -> i32 {
    let text = LOG.to_bytes_with_nul();
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), log, text.len()) };
    0
}
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvrtcDestroyProgram(_: *mut *mut c_void) -> i32 { 0 }
"#;

/// What a process of [`Case`] runs: the probe, for its parent to read.
#[test]
#[ignore = "the other tests run it, in processes of its own"]
fn child() {
    match ssl_engine::cuda::probe() {
        Ok(gpus) => gpus
            .iter()
            .for_each(|gpu| println!("<{} {gpu} {:?}>", gpu.index, gpu.capability)),
        Err(missing) => println!("<{missing}> idle={}", missing.gpu_is_idle()),
    }
}

/// A machine: which libraries it has, and what its environment says.
struct Case {
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl Case {
    fn new(root: &Path, name: &str, libraries: &[(&str, &Path)]) -> Self {
        let folder = root.join(name);
        fs::create_dir_all(folder.join("cuda/include/cuda")).unwrap();
        for (library, built) in libraries {
            fs::copy(built, folder.join(library)).unwrap();
        }
        for header in [
            "cuda_fp16.h",
            "cuda_bf16.h",
            "mma.h",
            "cooperative_groups.h",
            "cuda/barrier",
        ] {
            fs::write(folder.join("cuda/include").join(header), "").unwrap();
        }
        let cuda_path = folder.join("cuda").display().to_string();
        Case {
            folder,
            environment: vec![("CUDA_PATH", cuda_path)],
        }
    }

    fn with(mut self, key: &'static str, value: &str) -> Self {
        self.environment.push((key, value.to_string()));
        self
    }

    fn without(self, header: &str) -> Self {
        fs::remove_file(self.folder.join("cuda/include").join(header)).unwrap();
        self
    }

    /// What the probe printed.
    fn probe(self) -> String {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child", "--nocapture"])
            .env_remove("CUDA_VISIBLE_DEVICES")
            .env("LD_LIBRARY_PATH", &self.folder)
            .envs(self.environment)
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "the probe panicked:\n{printed}");
        printed
    }
}

/// An empty folder for a test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("cuda_probe")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn library(root: &Path, name: &str, source: &str) -> PathBuf {
    let (text, built) = (root.join(format!("{name}.rs")), root.join(name));
    fs::write(&text, source).unwrap();
    let status = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "cdylib",
            "-C",
            "panic=abort",
            "-o",
        ])
        .args([&built, &text])
        .status()
        .unwrap();
    assert!(status.success());
    built
}

#[track_caller]
fn says(case: Case, expected: &str) {
    let printed = case.probe();
    assert!(
        printed.contains(expected),
        "expected {expected:?} in:\n{printed}"
    );
}

#[test]
fn names_what_is_missing() {
    let root = &folder("missing");
    let driver = library(root, "driver", DRIVER);
    let nvrtc = library(root, "nvrtc", NVRTC);
    let all: &[(&str, &Path)] = &[("libcuda.so", &driver), ("libnvrtc.so", &nvrtc)];
    let case = |name: &str| Case::new(root, name, all);

    let whole = case("whole").probe();
    assert!(
        whole.contains("<0 Fake 40, 24.0 GiB, CUDA 12.8, NVRTC 12.8 (9, 0)>")
            && whole.contains("<1 Fake 41, "),
        "{whole}"
    );

    says(
        case("stub").with("FAKE_INIT", "34"),
        "<the NVIDIA driver refuses `cuInit`: error 34, CUDA driver is a stub library; ",
    );
    says(
        case("no device").with("FAKE_INIT", "100"),
        "<the NVIDIA driver shows no GPU; see `nvidia-smi`, or choose `--device cpu`> idle=false",
    );
    says(
        case("hidden")
            .with("FAKE_GPUS", "0")
            .with("CUDA_VISIBLE_DEVICES", "7"),
        "<the NVIDIA driver shows no GPU (`CUDA_VISIBLE_DEVICES` is `7`); ",
    );
    says(
        case("new").with("FAKE_NVRTC", "9"),
        "<NVRTC is of CUDA 12.9, but the driver runs CUDA 12.8 at most; ",
    );
    says(
        case("headers").without("mma.h"),
        "headers/cuda/include` holds no `mma.h`, which the kernels include; ",
    );
    says(
        case("barrier").without("cuda/barrier"),
        "(Python wheel `nvidia-cuda-cccl`)> idle=true",
    );
    says(
        case("kernel").with("FAKE_COMPILE", "no"),
        "<a trial kernel for GPU 0 (Fake 40, compute capability 9.0) does not compile with NVRTC \
         12.8",
    );
}

/// The machine that CI runs on. Where a driver is installed there is nothing to
/// show: its library is found whatever this test does.
#[test]
fn says_that_there_is_no_driver() {
    if Path::new("/proc/driver/nvidia").exists() {
        println!("skipped: this machine has an NVIDIA driver");
        return;
    }
    let root = &folder("bare");
    says(
        Case::new(root, "bare", &[]),
        "<no NVIDIA driver: the loader finds no `libcuda.so`; install the driver (in a container, \
         let it see the GPU), or choose `--device cpu`> idle=false",
    );
    let text = root.join("text");
    fs::write(&text, "not a library").unwrap();
    says(
        Case::new(root, "broken", &[("libcuda.so.1", &text)]),
        "libcuda.so.1: ",
    );
}
