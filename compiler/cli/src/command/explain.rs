//! `sslc explain`

use std::process::ExitCode;

use clap::Args;
use ssl_diagnostics::{all_codes, code_info, nearest_code, render_page};

use crate::output;

/// Options of `sslc explain`.
#[derive(Args)]
pub struct Options {
    /// The code, such as `E0203`; the list of them where none is named
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// Prints the page of a code, or the list of codes.
pub fn run(options: &Options) -> ExitCode {
    let Some(code) = &options.code else {
        let lines = all_codes()
            .iter()
            .map(|i| format!("{}  {}\n", i.code.short(), i.title));
        output::print(&lines.collect::<String>());
        return ExitCode::SUCCESS;
    };
    match code_info(code) {
        Some(info) => {
            output::print(&render_page(info.page));
            ExitCode::SUCCESS
        }
        None => {
            let help = match nearest_code(code) {
                Some(near) => format!("did you mean `{}`, {}?", near.code.short(), near.title),
                None => "list the codes with `sslc explain`".to_owned(),
            };
            output::eprint(&format!(
                "error: there is no code `{code}`\n  help: {help}\n"
            ));
            ExitCode::from(2)
        }
    }
}
