//! The engine from a Plan to its run directory.

mod plans;
mod power;
mod precision;
mod resume;
