//! `sslc run`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use ssl_core::Demand;
use ssl_engine::weights::initial::Initial;
use ssl_engine::{DeviceChoice, EngineError, Options as EngineOptions, Outcome, Session};
use ssl_plan::{FORMAT, Plan};

use super::Choice;
use crate::signals::Signals;
use crate::watch::Watch;
use crate::{complete, memory, output};

/// Options of `sslc run`.
#[derive(Args)]
pub struct Options {
    /// The `.ssl` file; may be left out with `--resume DIR`
    #[arg(value_name = "FILE", required_unless_present = "resume", add = complete::files())]
    file: Option<PathBuf>,
    #[command(flatten)]
    choice: Choice,
    /// The run directory [default: runs/PIPELINE, numbered where it is taken]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Go on with an interrupted run: with the one in DIR, or in `--out`, or
    /// with the newest of this pipeline in `runs`
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, num_args = 0..=1, conflicts_with = "init")]
    resume: Option<Option<PathBuf>>,
    /// Weights to start from: safetensors, or PyTorch's .pt, .pth, .pth.tar, read without
    /// executing anything in it; for one part alone NET.STAGE=FILE
    #[arg(long, value_name = "[NET.STAGE=]FILE", value_hint = clap::ValueHint::FilePath)]
    init: Option<Initial>,
    /// Load what fits of `--init`; what is missing starts as without, and the rest is left out,
    /// both listed
    #[arg(long, requires = "init")]
    init_partial: bool,
    #[command(flatten)]
    machine: Machine,
}

/// On what a run computes, and what it prints.
#[derive(Args)]
pub struct Machine {
    /// What computes: auto, cpu, cuda, cuda:1
    #[arg(long, default_value = "auto", value_parser = device, add = complete::devices())]
    pub device: DeviceChoice,
    /// Threads that prepare images [default: as many as cores]; changes no
    /// result
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: Option<u16>,
    /// Print nothing but errors
    #[arg(long, short)]
    pub quiet: bool,
}

impl Machine {
    /// Begins to listen to signals; the exit code where that fails.
    pub fn listen(&self) -> Result<Signals, ExitCode> {
        Signals::listen().map_err(|e| usage(&format!("signals cannot be heard: {e}")))
    }
}

fn device(text: &str) -> Result<DeviceChoice, String> {
    match text.split_once(':').unwrap_or((text, "0")) {
        ("auto", "0") => Ok(DeviceChoice::Auto),
        ("cpu", "0") => Ok(DeviceChoice::Cpu),
        ("cuda", index) => index
            .parse()
            .map(DeviceChoice::Cuda)
            .map_err(|_| format!("`{index}` is not the number of a GPU; write `cuda` or `cuda:1`")),
        _ => Err("choose from `auto`, `cpu`, `cuda` and `cuda:N`".into()),
    }
}

/// What is run, and where.
struct Job {
    plan: Plan,
    source: String,
    out: PathBuf,
    resume: bool,
}

/// Trains a pipeline.
pub fn run(options: &Options) -> ExitCode {
    let (job, signals) = match job(options).and_then(|j| Ok((j, options.machine.listen()?))) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let mut engine = EngineOptions::new(&job.out, job.source);
    engine.resume = job.resume;
    engine.init = options.init.clone().map(|init| Initial {
        partial: options.init_partial,
        ..init
    });
    match start(&options.machine, job.plan, engine, &signals) {
        Ok(Outcome::Finished(_)) => ExitCode::SUCCESS,
        Ok(Outcome::Interrupted { step, checkpoint }) => {
            output::eprint(&format!(
                "stopped after step {step}, and saved `{}`\ngo on with: sslc run --resume {}\n",
                checkpoint.display(),
                quoted(&job.out)
            ));
            signals.exit_code()
        }
        Err(code) => code,
    }
}

/// Trains a plan in a folder; an error is printed and becomes its exit code.
pub fn train(
    machine: &Machine,
    plan: Plan,
    source: String,
    out: &Path,
    resume: bool,
    signals: &Signals,
) -> Result<Outcome, ExitCode> {
    let mut engine = EngineOptions::new(out, source);
    engine.resume = resume;
    start(machine, plan, engine, signals)
}

fn start(
    machine: &Machine,
    plan: Plan,
    mut engine: EngineOptions,
    signals: &Signals,
) -> Result<Outcome, ExitCode> {
    engine.device = machine.device;
    engine.stop = signals.flag();
    if let Some(workers) = machine.workers {
        engine.workers = usize::from(workers);
    }
    memory::keep();
    let mut watch = Watch::new(&plan, machine.quiet);
    let outcome = Session::new(plan, engine).and_then(|session| session.run(&mut watch));
    watch.end();
    outcome.map_err(|e| {
        output::eprint(&format!("error: {e}\n"));
        ExitCode::from(exit_code(&e))
    })
}

/// The exit code of a failed run.
pub fn exit_code(e: &EngineError) -> u8 {
    match e {
        EngineError::NonFinite { .. } | EngineError::Compute(_) => 3,
        EngineError::Data(_) => 65,
        EngineError::Files { .. }
        | EngineError::Checkpoint { .. }
        | EngineError::AllDamaged { .. } => 74,
        _ => 2,
    }
}

/// A path as one types it into a shell.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn job(options: &Options) -> Result<Job, ExitCode> {
    match (&options.file, &options.resume) {
        (Some(file), resume) => compiled(options, file, resume.as_ref()),
        (None, Some(Some(dir))) if options.choice.set.is_empty() => saved(dir),
        (None, Some(Some(_))) => Err(usage(
            "`--set` needs the file that it changes: `sslc run FILE --resume DIR --set ...`",
        )),
        (None, _) => Err(usage(
            "name a file, or the run to go on with: `sslc run --resume runs/NAME`",
        )),
    }
}

fn usage(message: &str) -> ExitCode {
    output::eprint(&format!("error: {message}\n"));
    ExitCode::from(2)
}

/// A job from a file.
fn compiled(
    options: &Options,
    file: &Path,
    resume: Option<&Option<PathBuf>>,
) -> Result<Job, ExitCode> {
    let compilation = options.choice.compile(file, Demand::Run);
    if compilation.failed() || !options.machine.quiet {
        output::diagnostics(&compilation);
    }
    output::finish();
    let Some(plan) = compilation.plan else {
        return Err(ExitCode::from(1));
    };
    let source = compilation
        .map
        .files()
        .first()
        .map_or(String::new(), |f| f.text.to_string());
    let out = match (resume, &options.out) {
        (Some(Some(dir)), _) => dir.clone(),
        (_, Some(out)) => out.clone(),
        (Some(None), None) => newest(&plan.pipeline),
        (None, None) => free(&plan.pipeline),
    };
    Ok(Job {
        plan,
        source,
        out,
        resume: resume.is_some(),
    })
}

/// A job from a run directory.
fn saved(dir: &Path) -> Result<Job, ExitCode> {
    let read = |name: &str| {
        std::fs::read_to_string(dir.join(name)).map_err(|e| {
            usage(&format!(
                "`{}` holds no run that could go on: `{name}` cannot be read ({e})",
                dir.display()
            ))
        })
    };
    let text = read("plan.json")?;
    let plan: Plan = serde_json::from_str(&text).map_err(|e| {
        usage(&format!(
            "`{}` is not a plan of this version ({e}); run the file anew",
            dir.join("plan.json").display()
        ))
    })?;
    if plan.format != FORMAT {
        return Err(usage(&format!(
            "`{}` has plan format {}, this is {FORMAT}; go on with the version that began it",
            dir.display(),
            plan.format
        )));
    }
    Ok(Job {
        plan,
        source: read("source.ssl")?,
        out: dir.to_path_buf(),
        resume: true,
    })
}

/// `runs/NAME`, `runs/NAME-2`, ...
fn numbered(pipeline: &str) -> impl Iterator<Item = PathBuf> {
    let base = Path::new("runs").join(pipeline);
    std::iter::once(base.clone()).chain((2..).map(move |n| {
        let mut name = base.clone().into_os_string();
        name.push(format!("-{n}"));
        PathBuf::from(name)
    }))
}

/// The first run directory that holds no run.
fn free(pipeline: &str) -> PathBuf {
    numbered(pipeline)
        .find(|p| !p.join("plan.json").exists())
        .unwrap_or_default()
}

/// The last run directory that holds one; the first where none does.
fn newest(pipeline: &str) -> PathBuf {
    numbered(pipeline)
        .take_while(|p| p.join("plan.json").exists())
        .last()
        .unwrap_or_else(|| free(pipeline))
}
