//! A CUDA driver with nothing behind it: device memory is the host's, copies
//! copy, and launching a kernel does nothing. With it and a real NVRTC, a
//! machine without a GPU shows that the whole path up to the launch works:
//! driver calls, memory, and that every kernel of a run compiles. It says
//! nothing about what a kernel computes; losses come out as 0 or not a number.
//!
//! ```sh
//! rustc --edition 2024 --crate-type cdylib -O -o hollow/libcuda.so tests/gpu/hollow_driver.rs
//! LD_LIBRARY_PATH=hollow:NVRTC CUDA_PATH=TOOLKIT HOLLOW_SM=90 HOLLOW_CUDA=13000 \
//!     sslc run FILE --device cuda
//! ```
//!
//! `HOLLOW_SM` is the compute capability it claims (default 80), `HOLLOW_CUDA`
//! the newest CUDA it claims to run (default 13000 for 13.0; no older than
//! NVRTC).

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

type Pointer = *mut c_void;

/// `CUDA_ERROR_OUT_OF_MEMORY`, `CUDA_ERROR_INVALID_IMAGE`.
const OUT_OF_MEMORY: c_int = 2;
const INVALID_IMAGE: c_int = 200;
/// What it claims to have, and what it takes from the host at most.
const MEMORY: usize = 8 << 30;
const LIMIT: usize = 4 << 30;
/// Before each block, to hold its size; keeps the alignment of a page.
const HEAD: usize = 4096;

static USED: AtomicUsize = AtomicUsize::new(0);
static LAUNCHED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    fn aligned_alloc(alignment: usize, size: usize) -> Pointer;
    fn free(block: Pointer);
}

fn setting(name: &str, default: i32) -> i32 {
    let value = std::env::var(name).ok();
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

unsafe fn allocate(address: *mut usize, size: usize) -> c_int {
    let size = size.next_multiple_of(HEAD) + HEAD;
    if USED.fetch_add(size, SeqCst) + size > LIMIT {
        USED.fetch_sub(size, SeqCst);
        return OUT_OF_MEMORY;
    }
    unsafe {
        let block = aligned_alloc(HEAD, size);
        if block.is_null() {
            return OUT_OF_MEMORY;
        }
        block.cast::<u8>().write_bytes(0, size);
        block.cast::<usize>().write(size);
        address.write(block as usize + HEAD);
    }
    0
}

unsafe fn release(address: usize) -> c_int {
    if address != 0 {
        unsafe {
            let block = (address - HEAD) as Pointer;
            USED.fetch_sub(block.cast::<usize>().read(), SeqCst);
            free(block);
        }
    }
    0
}

/// A kernel takes a while, or throughput would be measured as infinite.
fn wait() -> c_int {
    if LAUNCHED.swap(0, SeqCst) > 0 {
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    0
}

unsafe fn say(text: &CStr, to: *mut u8) -> c_int {
    let bytes = text.to_bytes_with_nul();
    unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    0
}

/// By the numbers of `CUdevice_attribute`.
fn attribute(number: c_int) -> c_int {
    match number {
        1..=3 => 1024,   // threads of a block
        4 => 64,         // block size in z
        5 => i32::MAX,   // grid size in x
        6 | 7 => 65_535, // in y and z
        8 => 49_152,     // shared memory of a block
        10 => 32,        // threads of a warp
        16 => 108,       // multiprocessors
        75 => setting("HOLLOW_SM", 80) / 10,
        76 => setting("HOLLOW_SM", 80) % 10,
        97 => 101_376, // shared memory of a block, on demand
        _ => 1,
    }
}

/// Functions of the driver: `name(arguments) = expression of type c_int`.
macro_rules! driver {
    ($($name:ident($($argument:ident: $type:ty),*) = $body:expr;)*) => {$(
        #[unsafe(no_mangle)]
        #[allow(non_snake_case, clippy::missing_safety_doc)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> c_int {
            $(let _ = $argument;)*
            #[allow(unused_unsafe)]
            unsafe { $body }
        }
    )*};
}

/// Writes a value and succeeds.
unsafe fn give<T>(to: *mut T, value: T) -> c_int {
    if !to.is_null() {
        unsafe { to.write(value) };
    }
    0
}

unsafe fn copy(to: usize, from: usize, bytes: usize) -> c_int {
    unsafe { (to as *mut u8).copy_from(from as *const u8, bytes) };
    0
}

/// PTX is text that states its version.
unsafe fn is_ptx(image: *const c_char) -> bool {
    let image = unsafe { CStr::from_ptr(image) }.to_bytes();
    image.windows(8).any(|word| word == b".version")
}

driver! {
    cuInit(flags: u32) = 0;
    cuDriverGetVersion(version: *mut c_int) = give(version, setting("HOLLOW_CUDA", 13_000));
    cuGetErrorName(code: c_int, text: *mut *const c_char) = give(text, c"HOLLOW".as_ptr());
    cuGetErrorString(code: c_int, text: *mut *const c_char) = give(text, c"hollow".as_ptr());

    cuDeviceGetCount(count: *mut c_int) = give(count, 1);
    cuDeviceGet(device: *mut c_int, index: c_int) = give(device, index);
    cuDeviceGetName(name: *mut u8, length: c_int, device: c_int) = say(c"Hollow GPU", name);
    cuDeviceGetPCIBusId(id: *mut u8, length: c_int, device: c_int) = say(c"0000:01:00.0", id);
    cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) = give(bytes, MEMORY);
    cuDeviceGetAttribute(value: *mut c_int, number: c_int, device: c_int) =
        give(value, attribute(number));
    cuDevicePrimaryCtxRetain(context: *mut usize, device: c_int) = give(context, 1);
    cuDevicePrimaryCtxRelease_v2(device: c_int) = 0;
    cuCtxSetCurrent(context: Pointer) = 0;
    cuCtxGetCurrent(context: *mut usize) = give(context, 1);
    cuCtxSynchronize() = wait();
    cuCtxGetStreamPriorityRange(least: *mut c_int, greatest: *mut c_int) =
        give(least, 0) + give(greatest, 0);

    cuStreamCreate(stream: *mut usize, flags: u32) = give(stream, 1);
    cuStreamCreateWithPriority(stream: *mut usize, flags: u32, priority: c_int) = give(stream, 1);
    cuStreamDestroy_v2(stream: Pointer) = 0;
    cuStreamQuery(stream: Pointer) = 0;
    cuStreamSynchronize(stream: Pointer) = wait();
    cuStreamWaitEvent(stream: Pointer, event: Pointer, flags: u32) = 0;
    cuStreamIsCapturing(stream: Pointer, status: *mut c_int) = give(status, 0);
    cuEventCreate(event: *mut usize, flags: u32) = give(event, 1);
    cuEventDestroy_v2(event: Pointer) = 0;
    cuEventRecord(event: Pointer, stream: Pointer) = 0;
    cuEventQuery(event: Pointer) = 0;
    cuEventSynchronize(event: Pointer) = wait();
    cuEventElapsedTime(ms: *mut f32, start: Pointer, end: Pointer) = give(ms, 25.0);
    cuEventElapsedTime_v2(ms: *mut f32, start: Pointer, end: Pointer) = give(ms, 25.0);

    cuMemGetInfo_v2(free: *mut usize, total: *mut usize) = give(free, MEMORY) + give(total, MEMORY);
    cuMemAlloc_v2(address: *mut usize, bytes: usize) = allocate(address, bytes);
    cuMemAllocAsync(address: *mut usize, bytes: usize, stream: Pointer) = allocate(address, bytes);
    cuMemAllocHost_v2(address: *mut usize, bytes: usize) = allocate(address, bytes);
    cuMemFree_v2(address: usize) = release(address);
    cuMemFreeAsync(address: usize, stream: Pointer) = release(address);
    cuMemFreeHost(address: usize) = release(address);
    cuMemcpyHtoDAsync_v2(to: usize, from: usize, bytes: usize, stream: Pointer) =
        copy(to, from, bytes);
    cuMemcpyDtoHAsync_v2(to: usize, from: usize, bytes: usize, stream: Pointer) =
        copy(to, from, bytes);
    cuMemcpyDtoDAsync_v2(to: usize, from: usize, bytes: usize, stream: Pointer) =
        copy(to, from, bytes);
    cuMemcpy2DAsync_v2(copy: Pointer, stream: Pointer) = 0;

    cuModuleLoadData(module: *mut usize, image: *const c_char) =
        if is_ptx(image) { give(module, 1) } else { INVALID_IMAGE };
    cuModuleUnload(module: Pointer) = 0;
    cuModuleGetFunction(function: *mut usize, module: Pointer, name: *const c_char) =
        give(function, 1);
    cuFuncSetAttribute(function: Pointer, number: c_int, value: c_int) = 0;
    cuFuncGetAttribute(value: *mut c_int, number: c_int, function: Pointer) = give(value, 0);
    cuLaunchKernel(
        function: Pointer, grid_x: u32, grid_y: u32, grid_z: u32, block_x: u32, block_y: u32,
        block_z: u32, shared: u32, stream: Pointer, arguments: Pointer, extra: Pointer
    ) = { LAUNCHED.store(1, SeqCst); 0 };
    cuTensorMapEncodeTiled(map: Pointer) = 0;
    cuTensorMapEncodeIm2col(map: Pointer) = 0;
}
