//! The `sslc` binary.
fn main() {}
