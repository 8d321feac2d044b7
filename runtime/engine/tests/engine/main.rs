//! The engine from a Plan to its run directory.

#[path = "../support/modules.rs"]
mod modules;
mod plans;
mod power;
mod precision;
mod resume;
#[path = "../support/wiring.rs"]
mod wiring;
