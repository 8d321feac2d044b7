//! `sslc`: checks, explains and runs `.ssl` files.
//!
//! Exit codes: 0 fine, 1 diagnostics, 2 usage or internal, 3 training failed,
//! 65 bad data, 74 file system, 85 told to stop and saved, 130 interrupted
//! with a checkpoint.

mod ask;
mod chart;
mod command;
mod comparison;
mod complete;
mod files;
mod graph;
mod listing;
mod memory;
mod output;
mod paint;
mod picture;
mod sheet;
mod signals;
mod watch;
mod world;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::CompleteEnv;

// A check allocates many small things: a fifth of its time with the system's
// allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A compiler and runtime for self-supervised learning.
#[derive(Parser)]
#[command(name = "sslc", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How to print what is wrong; `json`, `sarif` and `github` go to standard output, unless a
    /// result is printed there
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "human",
        value_name = "FORMAT"
    )]
    message_format: output::MessageFormat,
    /// Whether to colour; `auto` heeds NO_COLOR and CLICOLOR_FORCE
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN"
    )]
    color: clap::ColorChoice,
}

#[derive(Subcommand)]
enum Command {
    /// Write a first file from a method, a backbone and a folder of images
    New(command::new::Options),
    /// Say what is wrong with a file, without running it
    Check(command::check::Options),
    /// Show the resolved run: every value with its origin, steps, parameters, memory
    Plan(command::plan::Options),
    /// Say where a value comes from: every layer that set it, and what won
    Why(command::why::Options),
    /// Say in what two files, pipelines or runs differ by meaning
    Diff(command::diff::Options),
    /// Print a stage of the compiler: ast, hir, effective, typed, graph, plan
    Emit(command::emit::Options),
    /// Draw the wiring of the step: nets, views, where gradients run
    Graph(command::graph::Options),
    /// Show images beside the views that a step makes of them
    Preview(command::preview::Options),
    /// Look at the data: counts, sizes, broken files, duplicates, statistics, speed
    Data(command::data::Options),
    /// Write the images into shards that are quick to read
    Pack(command::pack::Options),
    /// Say what a diagnostic's code means, with an example
    Explain(command::explain::Options),
    /// Bring files into the one style, in place
    Fmt(command::fmt::Options),
    /// Train, judge and export
    Run(command::run::Options),
    /// Write the weights of a run in the names of timm, torchvision or others, or as ONNX
    Export(command::export::Options),
    /// Measure how fast a file trains, and where the time of a step goes
    Bench(command::bench::Options),
    /// Run all variants of a sweep, checked before the first begins
    Sweep(command::sweep::Options),
    /// Print what makes a shell complete commands, names and paths
    Completions(command::completions::Options),
    /// Print the manual page, or write all of them
    Man(command::man::Options),
}

fn main() -> ExitCode {
    if std::env::var_os(complete::VARIABLE).is_some() {
        // Nothing may stand between the words that are completed.
        std::panic::set_hook(Box::new(|_| {}));
    }
    CompleteEnv::with_factory(Cli::command)
        .var(complete::VARIABLE)
        .complete();
    let parsed = Cli::command()
        .color(asked_colour())
        .try_get_matches()
        .and_then(|m| Cli::from_arg_matches(&m));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(e) => {
            // A closed pipe is no reason to complain.
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { 2 } else { 0 });
        }
    };
    std::panic::set_hook(Box::new(internal_error));
    output::configure(output::Style {
        format: cli.message_format,
        colour: cli.color,
        has_result: !matches!(cli.command, Command::Check(_) | Command::Run(_)),
    });
    let run = || match cli.command {
        Command::New(options) => command::new::run(&options),
        Command::Check(options) => command::check::run(&options),
        Command::Plan(options) => command::plan::run(&options),
        Command::Why(options) => command::why::run(&options),
        Command::Diff(options) => command::diff::run(&options),
        Command::Emit(options) => command::emit::run(&options),
        Command::Graph(options) => command::graph::run(&options),
        Command::Preview(options) => command::preview::run(&options),
        Command::Data(options) => command::data::run(&options),
        Command::Pack(options) => command::pack::run(&options),
        Command::Explain(options) => command::explain::run(&options),
        Command::Fmt(options) => command::fmt::run(&options),
        Command::Run(options) => command::run::run(&options),
        Command::Export(options) => command::export::run(&options),
        Command::Bench(options) => command::bench::run(&options),
        Command::Sweep(options) => command::sweep::run(&options),
        Command::Completions(options) => command::completions::run(&options),
        Command::Man(options) => command::man::run(&options, Cli::command()),
    };
    // What the hook said is all there is to say.
    let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    output::finish();
    match code {
        Err(_) => ExitCode::from(2),
        Ok(_) if !output::written() => ExitCode::from(74),
        Ok(code) => code,
    }
}

/// What `--color` says, for help and usage errors, which come before all else
/// is understood.
fn asked_colour() -> clap::ColorChoice {
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .filter_map(|w| w.into_string().ok())
        .collect();
    let separate = words.windows(2).filter_map(|w| match w {
        [option, value] if option == "--color" => Some(value.as_str()),
        _ => None,
    });
    let joined = words.iter().filter_map(|w| w.strip_prefix("--color="));
    match separate.chain(joined).last() {
        Some("always") => clap::ColorChoice::Always,
        Some("never") => clap::ColorChoice::Never,
        _ => clap::ColorChoice::Auto,
    }
}

/// Says that the fault is ours, and where, in two lines.
fn internal_error(info: &std::panic::PanicHookInfo<'_>) {
    let what = info.payload_as_str().unwrap_or("no reason given");
    let place = info
        .location()
        .map_or(String::new(), |l| format!(" at {l}"));
    output::eprint(&format!(
        "error: internal error{place}: {what}\n\
         this is a fault of sslc, not of your file; checkpoints written before are intact. \
         Please report it with the file.\n"
    ));
}
