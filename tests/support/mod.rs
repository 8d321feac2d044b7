//! Runs the built binary, as a user would.

#![allow(dead_code)]

pub mod formula;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The root of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of `examples/`.
pub fn example(name: &str) -> PathBuf {
    root().join("examples").join(name)
}

/// The Python that `SSLC_PYTHON` names, or else `python3`, where it has all of
/// the packages. Where it has not, the terminal is told that this test is
/// skipped, past the capture of what a test prints.
pub fn python(packages: &[&str]) -> Option<String> {
    let python = std::env::var("SSLC_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let done = Command::new(&python)
        .args(["-c", &format!("import {}", packages.join(", "))])
        .output();
    if done.is_ok_and(|done| done.status.success()) {
        return Some(python);
    }
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    let packages = packages.join(", ");
    let told = writeln!(
        std::io::stderr(),
        "skipped {test}: `{python}` has not all of {packages}; name one that has by SSLC_PYTHON"
    );
    told.expect("standard error is open");
    None
}

/// The binary, without colours, in a folder.
pub fn sslc(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sslc"));
    command
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

/// What a command did.
pub struct Done {
    /// Its exit code.
    pub code: i32,
    /// What it wrote, standard output first.
    pub text: String,
}

impl Done {
    /// Fails unless every text was written.
    #[track_caller]
    pub fn says(&self, texts: &[&str]) -> &Self {
        // miette breaks lines; a reader does not mind.
        let flat = |s: &str| {
            s.split_whitespace()
                .filter(|w| *w != "│")
                .collect::<Vec<_>>()
                .join(" ")
        };
        let all = flat(&self.text);
        for text in texts {
            assert!(
                all.contains(&flat(text)),
                "`{text}` is not in:\n{}",
                self.text
            );
        }
        assert!(!self.text.contains("panicked"), "{}", self.text);
        self
    }

    /// Fails unless it ended so.
    #[track_caller]
    pub fn ends(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{}", self.text);
        self
    }
}

impl From<Output> for Done {
    fn from(o: Output) -> Self {
        Done {
            code: o.status.code().unwrap_or(-1),
            text: String::from_utf8_lossy(&o.stdout).into_owned()
                + &String::from_utf8_lossy(&o.stderr),
        }
    }
}

/// Runs the binary to its end.
pub fn run(dir: &Path, args: &[&str]) -> Done {
    sslc(dir)
        .args(args)
        .output()
        .expect("the binary runs")
        .into()
}

/// As [`run`], on one core: the caller runs as many side by side as there are.
/// No number depends on that.
pub fn run_on_one_core(dir: &Path, args: &[&str]) -> Done {
    sslc(dir)
        .env("RAYON_NUM_THREADS", "1")
        .args(args)
        .output()
        .expect("the binary runs")
        .into()
}

/// The lines of a run's metrics of one kind.
pub fn metrics(run: &Path, kind: &str) -> Vec<Value> {
    std::fs::read_to_string(run.join("metrics.jsonl"))
        .expect("the run has metrics")
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).expect("a line is JSON"))
        .filter(|v| v["kind"] == kind)
        .collect()
}

/// The losses of a run, step by step.
pub fn losses(run: &Path) -> Vec<f64> {
    metrics(run, "step")
        .iter()
        .map(|v| v["loss"].as_f64().expect("a loss is a number"))
        .collect()
}
