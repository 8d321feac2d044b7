//! Whatever the text: the compiler answers, and every place is in a file.

#![no_main]

#[path = "../../support/compiling.rs"]
mod compiling;

libfuzzer_sys::fuzz_target!(|text: &str| {
    compiling::check(text);
});
