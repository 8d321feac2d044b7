//! `sslc explain`

use std::process::ExitCode;

use clap::Args;

use crate::{complete, output};

/// Options of `sslc explain`.
#[derive(Args)]
pub struct Options {
    /// The code, such as `E0203`, or the name of a warning, such as `unused_view`;
    /// the list of codes where none is named, that of warnings for `lints`
    #[arg(value_name = "CODE", add = complete::codes())]
    code: Option<String>,
}

/// Prints the page of a code, or the list of codes.
pub fn run(options: &Options) -> ExitCode {
    match ssl_diagnostics::explain(options.code.as_deref()) {
        Ok(text) => {
            output::print(&text);
            ExitCode::SUCCESS
        }
        Err(text) => {
            output::eprint(&text);
            ExitCode::from(2)
        }
    }
}
