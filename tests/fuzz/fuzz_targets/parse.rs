//! Whatever the text: the parser ends, and every place lies in the text.

#![no_main]

#[path = "../../support/reading.rs"]
mod reading;

libfuzzer_sys::fuzz_target!(|text: &str| {
    reading::parse(text);
});
