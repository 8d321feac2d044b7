//! The engine from a Plan to its run directory.

mod learning;
mod plans;
