//! What a run shows while it goes, and what it says at the end.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ssl_core::{size, thousands};
use ssl_data::CorruptReport;
use ssl_engine::Observer;
use ssl_engine::judge::{Evaluation, Protocol, Reading, When};
use ssl_engine::session::{Start, StepDone, Summary};
use ssl_plan::Plan;

use crate::chart;
use crate::output;

/// Time between two lines where there is no terminal to draw on.
const PAUSE: Duration = Duration::from_secs(10);

/// Shows a run on standard error.
pub struct Watch {
    quiet: bool,
    bar: ProgressBar,
    /// What the plan says before it starts.
    header: String,
    losses: Vec<(f64, f64)>,
    accuracies: Vec<(f64, f64)>,
    knn: Option<f64>,
    told: Instant,
    before: Vec<Evaluation>,
    /// Unreadable images that were named, by their index.
    named: HashSet<u32>,
    out: PathBuf,
}

impl Watch {
    /// A watch on a run of this plan.
    pub fn new(plan: &Plan, quiet: bool) -> Self {
        let recipe = &plan.recipe;
        let e = &plan.estimate;
        let trained: u64 = e.parameters.iter().map(|p| p.trained).sum();
        let header = format!(
            "{} images, {} steps of {} ({}), {} trained parameters, about {}\n",
            thousands(recipe.data.samples as u64),
            thousands(recipe.train.steps as u64),
            recipe.data.batch,
            output::epochs(recipe.train.epochs),
            thousands(trained),
            size(e.step_bytes)
        );
        Watch {
            quiet,
            bar: ProgressBar::hidden(),
            header,
            losses: Vec::new(),
            accuracies: Vec::new(),
            knn: None,
            told: Instant::now(),
            before: Vec::new(),
            named: HashSet::new(),
            out: PathBuf::new(),
        }
    }

    /// Clears the bar, so that what is printed next stands alone.
    pub fn end(&mut self) {
        self.bar.finish_and_clear();
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| output::eprint(text));
        }
    }

    fn status(&self, step: &StepDone) -> String {
        let loss = self
            .losses
            .last()
            .map_or(String::new(), |(_, l)| format!("loss {l:.4}  "));
        let knn = self
            .knn
            .map_or(String::new(), |k| format!("kNN {:.1}%  ", 100.0 * k));
        format!(
            "{loss}{knn}lr {:.2e}  {:.0} images/s",
            step.lr, step.images_per_second
        )
    }
}

impl Observer for Watch {
    fn started(&mut self, start: &Start) {
        self.out.clone_from(&start.out);
        self.say(&format!(
            "{} on {}\n{}",
            start.pipeline, start.device, self.header
        ));
        match &start.resumed {
            Some(path) => self.say(&format!("going on from `{}`\n", path.display())),
            None => self.say(&format!("writing to `{}`\n", start.out.display())),
        }
        if !self.quiet {
            self.bar = ProgressBar::with_draw_target(
                Some(start.steps as u64),
                ProgressDrawTarget::stderr_with_hz(5),
            );
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len}  {msg}  {eta} left");
            self.bar
                .set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.bar.set_position(start.next_step as u64);
            self.bar.reset_eta();
        }
    }

    fn note(&mut self, text: &str) {
        self.say(&format!("note: {text}\n"));
    }

    fn step(&mut self, step: &StepDone) {
        if let Some(loss) = step.loss {
            self.losses.push((step.step as f64, f64::from(loss)));
        }
        let status = self.status(step);
        self.bar.set_position(step.step as u64 + 1);
        self.bar.set_message(status.clone());
        if self.bar.is_hidden() && (self.told.elapsed() > PAUSE || step.step + 1 == step.steps) {
            self.told = Instant::now();
            let left = step.left.as_secs();
            self.say(&format!(
                "step {}/{}  {status}  {left} s left\n",
                step.step + 1,
                step.steps
            ));
        }
    }

    fn monitor(&mut self, step: usize, reading: &Reading) {
        if let Reading::Knn { accuracy, .. } = reading {
            self.knn = Some(*accuracy);
            self.accuracies.push((step as f64, 100.0 * accuracy));
        }
    }

    fn evaluation(&mut self, when: When, evaluation: &Evaluation) {
        if when == When::Before {
            self.before.push(evaluation.clone());
        }
    }

    fn skipped(&mut self, report: &CorruptReport) {
        for file in report.files() {
            if self.named.insert(file.sample) {
                self.say(&format!("cannot read `{}`: {}\n", file.path, file.reason));
            }
        }
    }

    fn finished(&mut self, summary: &Summary) {
        self.end();
        if self.quiet {
            return;
        }
        let width = 64;
        self.say(&chart::draw("loss", &self.losses, width));
        self.say(&chart::draw(
            "kNN %, on training views",
            &self.accuracies,
            width,
        ));
        for (i, after) in summary.after.iter().enumerate() {
            self.say(&learnt(summary.before.get(i), after, summary.seconds));
        }
        if summary.skipped > 0 {
            self.say(&format!(
                "{} of the images could not be read; `corrupt.json` lists them\n",
                summary.skipped
            ));
        }
        self.say(&format!(
            "\nin `{}`: curve.svg, metrics.jsonl",
            self.out.display()
        ));
        for weights in &summary.weights {
            self.say(&format!(", {weights}"));
        }
        self.say("\n");
    }
}

/// The sentence that says what was learnt.
fn learnt(before: Option<&Evaluation>, after: &Evaluation, seconds: f64) -> String {
    let spread = &after.spread;
    let shape = format!(
        "feature std {:.2}, effective rank {:.0} of {}",
        spread.std, spread.effective_rank, spread.width
    );
    let who = match after.protocol {
        Protocol::HeldOut => format!("{} held-out images", thousands(after.queries as u64)),
        Protocol::LeaveOneOut => format!(
            "{} training images, each left out",
            thousands(after.queries as u64)
        ),
    };
    let text = match (before.and_then(|b| b.accuracy), after.accuracy) {
        (Some(b), Some(a)) => format!(
            "kNN accuracy of `{}` went from {:.1}% before training to {:.1}% after, on {who}, \
             in {seconds:.0} s of training ({shape})",
            after.feature,
            100.0 * b,
            100.0 * a
        ),
        _ => format!(
            "the images have no labels to judge `{}` by; trained for {seconds:.0} s ({shape})",
            after.feature
        ),
    };
    format!("{text}\n")
}
