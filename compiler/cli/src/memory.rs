//! Memory of the commands that train.

#![allow(unsafe_code)]

use std::ffi::c_long;

/// mimalloc's `purge_delay`, in milliseconds, a tenth of how long its arenas
/// keep what is free; the binding does not name it. 15 in versions 2 and 3.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Keeps what is freed for the next step instead of giving it back to the
/// system within a tenth of a second: a step asks for the same sizes again,
/// and pages that are got anew and cleared took a quarter of its time.
pub fn keep() {
    const DELAY: c_long = 10_000;
    // SAFETY: it sets a number that mimalloc reads; no thread is waited for.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, DELAY) }
}
