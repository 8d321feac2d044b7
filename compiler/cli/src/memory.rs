//! Memory of the commands that train.

#![allow(unsafe_code)]

use std::ffi::c_long;

/// mimalloc's `purge_delay`, which the binding does not name: 15 in versions 2
/// and 3. None is ever due where it is negative.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Keeps what is freed for the next step instead of giving it back to the
/// system: a step asks for the same sizes again, and pages that are got anew
/// are cleared by one thread first. A delay of whole steps would still give
/// all that is free at its end back, every time.
pub fn keep() {
    const NEVER: c_long = -1;
    // SAFETY: it sets a number that mimalloc reads; no thread is waited for.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, NEVER) }
}
