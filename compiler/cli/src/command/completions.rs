//! `sslc completions`

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use clap_complete::env::Shells;

use crate::{complete, output};

/// Options of `sslc completions`.
#[derive(Args)]
#[command(after_help = "\
Where it goes:
  bash        sslc completions bash > ~/.local/share/bash-completion/completions/sslc
  zsh         echo 'source <(sslc completions zsh)' >> ~/.zshrc     after `compinit`
  fish        sslc completions fish > ~/.config/fish/completions/sslc.fish
  powershell  sslc completions powershell >> $PROFILE
  elvish      sslc completions elvish >> ~/.config/elvish/rc.elv")]
pub struct Options {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
}

/// Prints the script that makes a shell ask `sslc` at the tab key.
pub fn run(options: &Options) -> ExitCode {
    let name = match options.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Elvish => "elvish",
    };
    let mut text = Vec::new();
    let written = Shells::builtins().completer(name).map(|shell| {
        shell.write_registration(complete::VARIABLE, "sslc", "sslc", "sslc", &mut text)
    });
    match written {
        Some(Ok(())) => {
            output::print(&String::from_utf8_lossy(&text));
            ExitCode::SUCCESS
        }
        _ => {
            output::eprint(&format!("error: no completions for {name}\n"));
            ExitCode::from(2)
        }
    }
}
