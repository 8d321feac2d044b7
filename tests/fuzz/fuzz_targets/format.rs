//! Whatever the text: the formatter loses nothing, and is stable.

#![no_main]

#[path = "../../support/reading.rs"]
mod reading;

libfuzzer_sys::fuzz_target!(|text: &str| {
    reading::format(text);
});
