//! The two shared libraries of CUDA, loaded at run time, as far as the probe
//! needs them.
//!
//! They are opened here and not through `cudarc` because a code that its enums
//! do not know, or a symbol that an old driver lacks, must end in an error.
//! The names that are tried are `cudarc`'s, so that what is found here is what
//! Burn's back end will find.

// Calls into C. Signatures: CUDA driver API and NVRTC, whose `CUresult` and
// `nvrtcResult` are C enums (an int). Every out-parameter is a live local.
#![allow(unsafe_code)]

use libloading::Library;
use std::ffi::{CStr, CString, c_char, c_int, c_void};

/// An error of a library's function: which, and why.
pub(super) struct Refusal {
    pub call: &'static str,
    pub code: c_int,
    pub reason: String,
}

/// The code for a function that the library does not have.
const NO_SYMBOL: c_int = -1;

/// The driver, `libcuda`.
pub(super) struct Driver(&'static Library);

/// The run-time compiler, `libnvrtc`.
pub(super) struct Nvrtc(&'static Library);

type Program = *mut c_void;

impl Driver {
    pub fn load() -> Result<Self, String> {
        open(&["cuda", "nvcuda"]).map(Driver)
    }

    pub fn init(&self) -> Result<(), Refusal> {
        self.call::<unsafe extern "C" fn(u32) -> c_int>("cuInit", |init| unsafe { init(0) })
    }

    /// As 13000 for 13.0.
    pub fn version(&self) -> Result<c_int, Refusal> {
        self.number("cuDriverGetVersion")
    }

    pub fn device_count(&self) -> Result<c_int, Refusal> {
        self.number("cuDeviceGetCount")
    }

    pub fn device(&self, index: c_int) -> Result<c_int, Refusal> {
        let mut device = 0;
        self.call::<unsafe extern "C" fn(*mut c_int, c_int) -> c_int>(
            "cuDeviceGet",
            |get| unsafe { get(&mut device, index) },
        )?;
        Ok(device)
    }

    pub fn name(&self, device: c_int) -> Result<String, Refusal> {
        let mut name = [0u8; 256];
        let length = name.len() as c_int;
        self.call::<unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int>(
            "cuDeviceGetName",
            |get| unsafe { get(name.as_mut_ptr().cast(), length, device) },
        )?;
        Ok(text(&name))
    }

    /// In bytes.
    pub fn memory(&self, device: c_int) -> Result<u64, Refusal> {
        let mut bytes = 0usize;
        self.call::<unsafe extern "C" fn(*mut usize, c_int) -> c_int>(
            "cuDeviceTotalMem_v2",
            |get| unsafe { get(&mut bytes, device) },
        )?;
        Ok(bytes as u64)
    }

    /// An attribute by its number in `CUdevice_attribute`.
    pub fn attribute(&self, attribute: c_int, device: c_int) -> Result<c_int, Refusal> {
        let mut value = 0;
        self.call::<unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int>(
            "cuDeviceGetAttribute",
            |get| unsafe { get(&mut value, attribute, device) },
        )?;
        Ok(value)
    }

    fn number(&self, name: &'static str) -> Result<c_int, Refusal> {
        let mut value = 0;
        self.call::<unsafe extern "C" fn(*mut c_int) -> c_int>(name, |get| unsafe {
            get(&mut value)
        })?;
        Ok(value)
    }

    fn call<F: Copy>(
        &self,
        name: &'static str,
        with: impl FnOnce(F) -> c_int,
    ) -> Result<(), Refusal> {
        call(self.0, name, with, |code| self.explain(code))
    }

    /// The driver's own sentence for an error code.
    fn explain(&self, code: c_int) -> Option<String> {
        type Explain = unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int;
        let explain: Explain = symbol(self.0, "cuGetErrorString").ok()?;
        let mut sentence = std::ptr::null();
        // SAFETY: the driver sets the pointer to a static string, or to null.
        unsafe {
            let known = explain(code, &mut sentence) == 0 && !sentence.is_null();
            known.then(|| CStr::from_ptr(sentence).to_string_lossy().into_owned())
        }
    }
}

impl Nvrtc {
    pub fn load() -> Result<Self, String> {
        open(&["nvrtc"]).map(Nvrtc)
    }

    /// Major and minor number.
    pub fn version(&self) -> Result<(c_int, c_int), Refusal> {
        let (mut major, mut minor) = (0, 0);
        self.call::<unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int>(
            "nvrtcVersion",
            |get| unsafe { get(&mut major, &mut minor) },
        )?;
        Ok((major, minor))
    }

    /// Compiles a source, and gives the compiler's log where it fails.
    pub fn compile(
        &self,
        source: &CStr,
        options: &[CString],
    ) -> Result<Result<(), String>, Refusal> {
        type Create = unsafe extern "C" fn(
            *mut Program,
            *const c_char,
            *const c_char,
            c_int,
            *const *const c_char,
            *const *const c_char,
        ) -> c_int;
        type Compile = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int;
        let mut program: Program = std::ptr::null_mut();
        let none = std::ptr::null();
        self.call::<Create>("nvrtcCreateProgram", |create| unsafe {
            create(
                &mut program,
                source.as_ptr(),
                none,
                0,
                none.cast(),
                none.cast(),
            )
        })?;
        let options: Vec<_> = options.iter().map(|option| option.as_ptr()).collect();
        let compiled = self.call::<Compile>("nvrtcCompileProgram", |compile| unsafe {
            compile(program, options.len() as c_int, options.as_ptr())
        });
        let outcome = match compiled {
            Ok(()) => Ok(()),
            Err(refusal) => Err(self.log(program).unwrap_or(refusal.reason)),
        };
        self.call::<unsafe extern "C" fn(*mut Program) -> c_int>(
            "nvrtcDestroyProgram",
            |destroy| unsafe { destroy(&mut program) },
        )?;
        Ok(outcome)
    }

    /// What the compiler wrote about a program, unless it wrote nothing.
    fn log(&self, program: Program) -> Option<String> {
        type Size = unsafe extern "C" fn(Program, *mut usize) -> c_int;
        type Log = unsafe extern "C" fn(Program, *mut c_char) -> c_int;
        let mut size = 0usize;
        self.call::<Size>("nvrtcGetProgramLogSize", |get| unsafe {
            get(program, &mut size)
        })
        .ok()?;
        let mut log = vec![0u8; size];
        self.call::<Log>("nvrtcGetProgramLog", |get| unsafe {
            get(program, log.as_mut_ptr().cast())
        })
        .ok()?;
        let log = text(&log).trim().to_string();
        (!log.is_empty()).then_some(log)
    }

    fn call<F: Copy>(
        &self,
        name: &'static str,
        with: impl FnOnce(F) -> c_int,
    ) -> Result<(), Refusal> {
        call(self.0, name, with, |_| None)
    }
}

/// Opens a library under the first name that works. It stays open: a driver
/// that was initialised must not be unloaded.
fn open(names: &[&str]) -> Result<&'static Library, String> {
    let mut broken = None;
    for name in names
        .iter()
        .flat_map(|name| cudarc::get_lib_name_candidates(name))
    {
        // SAFETY: runs the library's initialisers, as Burn's back end would.
        match unsafe { Library::new(&name) } {
            Ok(library) => return Ok(Box::leak(Box::new(library))),
            Err(error) => {
                let reason = own_words(&error);
                // A library that exists and does not load says more than a
                // name that nothing answers to.
                if broken.is_none() && !reason.contains("No such file") {
                    broken = Some(reason);
                }
            }
        }
    }
    let name = names.first().unwrap_or(&"cuda");
    Err(broken.unwrap_or_else(|| format!("the loader finds no `lib{name}.so`")))
}

fn symbol<F: Copy>(library: &Library, name: &'static str) -> Result<F, libloading::Error> {
    // SAFETY: each caller gives the signature of CUDA's documentation.
    unsafe { library.get::<F>(name.as_bytes()).map(|found| *found) }
}

fn call<F: Copy>(
    library: &Library,
    name: &'static str,
    with: impl FnOnce(F) -> c_int,
    explain: impl FnOnce(c_int) -> Option<String>,
) -> Result<(), Refusal> {
    let function = symbol(library, name).map_err(|error| Refusal {
        call: name,
        code: NO_SYMBOL,
        reason: own_words(&error),
    })?;
    match with(function) {
        0 => Ok(()),
        code => Err(Refusal {
            call: name,
            code,
            reason: match explain(code) {
                Some(sentence) => format!("error {code}, {sentence}"),
                None => format!("error {code}"),
            },
        }),
    }
}

/// What the system's loader said, which `libloading` keeps as the source.
fn own_words(error: &libloading::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}
