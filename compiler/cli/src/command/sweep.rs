//! `sslc sweep`: all runs of a sweep, checked before the first begins.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;
use ssl_core::{Compilation, Demand, Sweep, size, thousands};
use ssl_engine::Outcome;
use ssl_plan::Plan;

use super::run::{Machine, train};
use super::{Choice, table};
use crate::comparison::{self, Variant};
use crate::world::reason;
use crate::{complete, files, output};

/// Options of `sslc sweep`.
#[derive(Args)]
pub struct Options {
    /// The `.ssl` file
    #[arg(value_name = "FILE", add = complete::files())]
    file: PathBuf,
    /// Which sweep, where the file has several
    #[arg(value_name = "SWEEP", add = complete::sweeps())]
    name: Option<String>,
    /// Set a value in every run; the sweep's own values win
    #[arg(long, value_name = "PATH=VALUE", add = complete::assignments())]
    set: Vec<String>,
    /// The folder of the runs [default: runs/SWEEP]; finished runs in it are
    /// not done again, interrupted ones go on
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Only print the table of runs and what they cost
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    machine: Machine,
}

/// A variant that can run.
struct Run {
    label: String,
    folder: String,
    plan: Plan,
    source: String,
}

/// Runs a sweep.
pub fn run(options: &Options) -> ExitCode {
    let sweep = match choose(options) {
        Ok(sweep) => sweep,
        Err(code) => return code,
    };
    let Some(runs) = compile(options, &sweep) else {
        return ExitCode::from(1);
    };
    output::print(&cost(&runs));
    if options.dry_run {
        return ExitCode::SUCCESS;
    }
    let root = options
        .out
        .clone()
        .unwrap_or_else(|| Path::new("runs").join(&sweep.name));
    let signals = match options.machine.listen() {
        Ok(signals) => signals,
        Err(code) => return code,
    };
    let mut failed = None;
    let count = runs.len();
    for (i, run) in runs.iter().enumerate() {
        let out = root.join(&run.folder);
        if let Some(other) = saved_plan(&out)
            && other.recipe != run.plan.recipe
        {
            output::eprint(&format!(
                "error: `{}` holds a run of another recipe; choose another `--out`\n",
                out.display()
            ));
            return ExitCode::from(2);
        }
        if out.join("report.json").is_file() {
            continue;
        }
        if !options.machine.quiet {
            output::eprint(&format!("\n[{}/{count}] {}\n", i + 1, run.label));
        }
        let resume = out.join("plan.json").is_file();
        match train(
            &options.machine,
            run.plan.clone(),
            run.source.clone(),
            &out,
            resume,
            &signals,
        ) {
            Ok(Outcome::Finished(_)) => {}
            Ok(Outcome::Interrupted { .. }) => {
                output::eprint("the sweep is stopped; the same command goes on with it\n");
                return signals.exit_code();
            }
            // One variant that diverges is a result; the others still run.
            Err(code) => failed = Some(code),
        }
    }
    conclude(&root, &sweep, &runs, failed)
}

/// Prints the table of what came out, and leaves it in the sweep's folder
/// together with the picture.
fn conclude(root: &Path, sweep: &Sweep, runs: &[Run], failed: Option<ExitCode>) -> ExitCode {
    let variants: Vec<Variant> = runs
        .iter()
        .map(|r| Variant::read(&short(&r.label), &root.join(&r.folder)))
        .collect();
    let best = comparison::best(&variants);
    let table = results(root, runs, best);
    output::print(&format!("\n{table}"));
    let title = format!("{}: {} runs of {}", sweep.name, runs.len(), sweep.of);
    let picture = comparison::render(&title, &variants);
    let (text, image) = (root.join("comparison.txt"), root.join("comparison.svg"));
    for (path, content) in [(&text, &table), (&image, &picture)] {
        if let Err(e) = files::write(path, content) {
            let (path, why) = (path.display(), reason(&e));
            output::eprint(&format!("error: `{path}` cannot be written: {why}\n"));
            return ExitCode::from(74);
        }
    }
    output::print(&format!(
        "\nin `{}`: comparison.svg, comparison.txt, and a folder for each run\n",
        root.display()
    ));
    failed.unwrap_or(ExitCode::SUCCESS)
}

/// A variant's label without the sections that its values stand in.
fn short(label: &str) -> String {
    let one = |set: &str| match set.split_once('=') {
        Some((path, value)) => {
            let name = path.rsplit('.').next().unwrap_or(path);
            format!("{name} = {value}")
        }
        None => set.to_owned(),
    };
    label.split(", ").map(one).collect::<Vec<_>>().join(", ")
}

/// The plan of a run that is in a folder already.
fn saved_plan(out: &Path) -> Option<Plan> {
    serde_json::from_str(&std::fs::read_to_string(out.join("plan.json")).ok()?).ok()
}

fn choose(options: &Options) -> Result<Sweep, ExitCode> {
    let choice = Choice {
        pipeline: None,
        set: Vec::new(),
        memory: None,
    };
    let mut read = choice.compile(&options.file, Demand::Check);
    let names: Vec<&str> = read.sweeps.iter().map(|s| s.name.as_str()).collect();
    let found = match (&options.name, names.as_slice()) {
        (Some(name), _) => names.iter().position(|n| n == name),
        (None, [_]) => Some(0),
        (None, _) => None,
    };
    match found {
        Some(i) => Ok(read.sweeps.swap_remove(i)),
        None if names.is_empty() => {
            output::diagnostics(&read);
            output::eprint("error: the file has no sweep that could run\n");
            Err(ExitCode::from(1))
        }
        None => {
            let list = names.join("`, `");
            output::eprint(&format!("error: name a sweep of the file: `{list}`\n"));
            Err(ExitCode::from(2))
        }
    }
}

/// Compiles every variant; all that is wrong is said before the first run.
fn compile(options: &Options, sweep: &Sweep) -> Option<Vec<Run>> {
    let demand = if options.dry_run {
        Demand::Check
    } else {
        Demand::Run
    };
    let mut runs = Vec::new();
    let mut fine = true;
    let mut shown = Vec::new();
    for variant in &sweep.variants {
        let mut set = options.set.clone();
        set.extend(variant.set.iter().cloned());
        let choice = Choice {
            pipeline: Some(sweep.of.clone()),
            set,
            memory: None,
        };
        let mut compilation = choice.compile(&options.file, demand);
        let label = if variant.set.is_empty() {
            "as it is".to_owned()
        } else {
            variant.set.join(", ")
        };
        let source = source(&compilation);
        let plan = compilation.plan.take();
        if plan.is_none() {
            output::eprint(&format!("{label}:\n"));
            fine = false;
        }
        compilation
            .diagnostics
            .retain(|d| !shown.contains(&d.message));
        shown.extend(compilation.diagnostics.iter().map(|d| d.message.clone()));
        output::diagnostics(&compilation);
        runs.extend(plan.map(|plan| Run {
            folder: slug(&variant.set),
            label,
            plan,
            source,
        }));
    }
    output::finish();
    fine.then_some(runs)
}

fn source(compilation: &Compilation) -> String {
    compilation
        .map
        .files()
        .first()
        .map_or(String::new(), |f| f.text.to_string())
}

/// A folder's name for a variant: `decay=0.9,position=none`.
fn slug(set: &[String]) -> String {
    if set.is_empty() {
        return "base".into();
    }
    let short: Vec<String> = set
        .iter()
        .map(|s| {
            let (path, value) = s.split_once('=').unwrap_or((s, ""));
            let name = path.rsplit('.').next().unwrap_or(path);
            let value: String = value
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() || "._-".contains(c) {
                        c
                    } else {
                        '_'
                    }
                })
                .collect();
            format!("{name}={value}")
        })
        .collect();
    short.join(",").chars().take(120).collect()
}

/// The runs and what they cost.
fn cost(runs: &[Run]) -> String {
    let rows = runs.iter().map(|r| {
        let e = &r.plan.estimate;
        let trained: u64 = e.parameters.iter().map(|p| p.trained).sum();
        vec![
            r.label.clone(),
            thousands(r.plan.recipe.train.steps as u64),
            thousands(images(r)),
            thousands(trained),
            size(e.step_bytes),
        ]
    });
    let table = table(
        &["run", "steps", "images", "trained parameters", "memory"],
        rows,
    );
    let steps: u64 = runs.iter().map(|r| r.plan.recipe.train.steps as u64).sum();
    let total: u64 = runs.iter().map(images).sum();
    format!(
        "{table}\n{} runs, {} steps, {} images through the views\n",
        runs.len(),
        thousands(steps),
        thousands(total)
    )
}

/// Images that a run trains on, each as often as it is seen.
fn images(run: &Run) -> u64 {
    run.plan.recipe.train.steps as u64 * run.plan.recipe.data.batch as u64
}

/// What came out of every run, from its report.
fn results(root: &Path, runs: &[Run], best: Option<usize>) -> String {
    let rows = runs.iter().enumerate().map(|(i, r)| {
        let report: Value = std::fs::read_to_string(root.join(&r.folder).join("report.json"))
            .ok()
            .and_then(|t| serde_json::from_str(&t).ok())
            .unwrap_or(Value::Null);
        let number = |v: &Value, scale: f64, digits: usize| {
            v.as_f64()
                .map_or("-".to_owned(), |x| format!("{:.digits$}", scale * x))
        };
        vec![
            r.label.clone(),
            number(&report["before"][0]["accuracy"], 100.0, 1),
            number(&report["after"][0]["accuracy"], 100.0, 1),
            number(&report["loss"], 1.0, 4),
            number(&report["after"][0]["spread"]["effective_rank"], 1.0, 1),
            number(&report["seconds"], 1.0, 0),
            if best == Some(i) { "best" } else { "" }.to_owned(),
        ]
    });
    let head = [
        "run",
        "kNN % before",
        "after",
        "last loss",
        "effective rank",
        "seconds",
        "",
    ];
    let text = table(&head, rows);
    text.lines()
        .map(|l| format!("{}\n", l.trim_end()))
        .collect()
}
