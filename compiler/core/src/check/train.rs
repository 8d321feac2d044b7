//! The `train` section: how long, by which rule, at which rate.

use ssl_diagnostics::{Code, Diagnostic, Lint, Span};
use ssl_plan::{Checkpointing, Clip, Hyper, Optimizer, ParamClass, Precision, Rule, Train};
use ssl_syntax::ast::SectionKind;

use super::Checker;
use super::data::DataSection;
use super::eval::Scope;
use crate::schema::Group;
use crate::value::{Clock, Time, Value};

const SECTION: SectionKind = SectionKind::Train;

impl Checker<'_> {
    /// How long the run is.
    pub(super) fn clock(&mut self, data: &DataSection) -> Clock {
        let settings = &self.source.effective.train;
        self.known_fields(SECTION, settings);
        let epochs = self
            .recorded_field(SECTION, "epochs")
            .and_then(|v| v.number());
        let steps = self
            .recorded_field(SECTION, "steps")
            .and_then(|v| v.number());
        let spans = [settings.get("epochs"), settings.get("steps")].map(|s| s.map(|s| s.target));
        match spans {
            [Some(a), Some(b)] => self.report(
                Diagnostic::error(Code::DUPLICATE, "the run has two lengths")
                    .at(b, "`steps`")
                    .at(a, "`epochs`")
                    .help("keep one of them, or `drop epochs`"),
            ),
            [None, None] => self.missing("train", "epochs", "`epochs = 100`"),
            _ => {}
        }
        let batch = data.batch.unwrap_or(1).max(1);
        let per_epoch = data.samples.map(|s| s / batch).filter(|s| *s > 0);
        let stated = steps.is_some() || epochs.is_some();
        let steps_per_epoch = per_epoch.unwrap_or(1000);
        let steps = match (steps, epochs) {
            (Some(s), _) => s as usize,
            (None, Some(e)) => (e * steps_per_epoch as f64).round().max(1.0) as usize,
            (None, None) => steps_per_epoch,
        };
        let micro_batches = self.micro_batches(data);
        Clock {
            steps,
            steps_per_epoch,
            batch,
            micro_batches,
            known: per_epoch.is_some() && data.batch.is_some() && stated,
        }
    }

    /// In how many parts a batch is computed; they are equal.
    fn micro_batches(&mut self, data: &DataSection) -> usize {
        let parts = self
            .recorded_field(SECTION, "micro_batches")
            .and_then(|v| v.number())
            .map_or(1, |n| n as usize);
        let Some(batch) = data.batch.filter(|_| parts > 1) else {
            return 1;
        };
        let settings = &self.source.effective.train;
        let at = settings.get("micro_batches").map(|s| s.expr.span);
        let at = at.unwrap_or_default();
        if !batch.is_multiple_of(parts) {
            let fitting: Vec<String> = (2..=batch.min(1024))
                .filter(|n| batch.is_multiple_of(*n) && batch / n > 1)
                .map(|n| n.to_string())
                .collect();
            let (few, more) = fitting.split_at(fitting.len().min(8));
            let dots = if more.is_empty() { "" } else { ", ..." };
            self.report(
                Diagnostic::error(
                    Code::BATCH,
                    format!("a batch of {batch} cannot be cut into {parts} equal parts"),
                )
                .at(at, format!("{parts} does not divide {batch}"))
                .at(data.batch_span, "the batch")
                .help(format!("parts that fit: {}{dots}", few.join(", "))),
            );
            return 1;
        }
        if batch == parts {
            self.report(
                Diagnostic::error(
                    Code::BATCH,
                    format!("{parts} micro-batches of a batch of {batch} are single images"),
                )
                .at(at, "losses and BatchNorm need at least 2 images")
                .help(format!("take at most `micro_batches = {}`", batch / 2)),
            );
            return 1;
        }
        parts
    }

    /// Where the length of the run is stated.
    pub(super) fn length_span(&self) -> Span {
        let train = &self.source.effective.train;
        train
            .get("epochs")
            .or_else(|| train.get("steps"))
            .map_or(self.source.effective.name.span, |s| s.expr.span)
    }

    pub(super) fn train(&mut self, clock: &Clock) -> Option<Train> {
        let optimizer = self.optimizer(clock);
        let precision = match self.recorded_field(SECTION, "precision") {
            Some(Value::Symbol(s)) if s == "bf16" => Precision::Bf16,
            Some(Value::Symbol(s)) if s == "f16" => Precision::F16,
            _ => Precision::Float32,
        };
        let activation_checkpointing =
            match self.recorded_field(SECTION, "activation_checkpointing") {
                Some(Value::Symbol(s)) if s == "blocks" => Checkpointing::Blocks,
                _ => Checkpointing::None,
            };
        let seed = self
            .recorded_field(SECTION, "seed")
            .and_then(|v| v.number())
            .unwrap_or(0.0);
        let log_every = self.every_field("log", clock);
        let checkpoint_every = self.every_field("checkpoint", clock);
        let keep = self
            .recorded_field(SECTION, "keep")
            .and_then(|v| v.number())
            .unwrap_or(3.0);
        Some(Train {
            steps: clock.steps,
            epochs: clock.steps as f64 / clock.steps_per_epoch as f64,
            optimizer: optimizer?,
            precision,
            micro_batches: clock.micro_batches,
            activation_checkpointing,
            seed: seed as u64,
            log_every,
            checkpoint_every,
            keep: keep as usize,
        })
    }

    /// A field that states an interval, in whole steps from one.
    fn every_field(&mut self, name: &str, clock: &Clock) -> usize {
        let value = self.recorded_field(SECTION, name);
        let time = value.as_ref().and_then(super::schedule::time_of);
        let every = whole_steps(clock, time.unwrap_or(Time::Steps(1.0)));
        if let Some(setting) = self.source.effective.train.get(name)
            && clock.known
            && every > clock.steps
        {
            let (at, message) = (
                setting.expr.span,
                match name {
                    "log" => "no line of the metrics would be written",
                    _ => "no checkpoint would be written before the end",
                },
            );
            let whole = self.length_span();
            self.report(
                Diagnostic::lint(Lint::NEVER_FIRES, message)
                    .at(at, format!("{every} steps"))
                    .at(whole, format!("the run has {} steps", clock.steps))
                    .help("choose a shorter interval"),
            );
        }
        every
    }

    fn optimizer(&mut self, clock: &Clock) -> Option<Optimizer> {
        let settings = &self.source.effective.train;
        let Some(setting) = settings.get("optimizer") else {
            self.missing("train", "optimizer", "`optimizer = adamw(lr: 1e-3)`");
            return None;
        };
        let whole = self.length_span();
        let schedule = self.recorded_field(SECTION, "schedule");
        let scope = Scope::Section(SECTION);
        let Some(args) = self.bind(Group::Optimizer, setting, Some("train.optimizer"), scope)
        else {
            // The schedule is judged all the same.
            if let Some(Value::Schedule(spec)) = &schedule {
                self.place(clock, spec, whole);
            }
            return None;
        };
        let rate = args.schedule("lr");
        if let (Some(at), None) = (settings.get("schedule"), rate.as_constant()) {
            self.report(
                Diagnostic::error(Code::DUPLICATE, "the learning rate has two schedules")
                    .at(at.expr.span, "one here")
                    .at(args.span("lr"), "one here")
                    .help("keep one of them"),
            );
        }
        let peak_lr = rate
            .parts
            .iter()
            .flat_map(|p| p.curve.ends())
            .fold(0.0, f64::max);
        let spec = match schedule {
            Some(Value::Schedule(s)) => s,
            _ => rate,
        };
        let lr = self.place(clock, &spec, whole);
        self.usual_optimizer(&args, &spec);
        let weight_decay = self.place(clock, &args.schedule("weight_decay"), whole);
        let mut hyper = |name| Hyper::from(self.place(clock, &args.schedule(name), whole));
        let rule = match args.function {
            "sgd" => Rule::Sgd {
                momentum: hyper("momentum"),
                nesterov: args.flag("nesterov"),
            },
            "lars" => Rule::Lars {
                momentum: hyper("momentum"),
                trust: args.float("trust"),
                lr_in_momentum: args.flag("lr_in_momentum"),
            },
            "lamb" => Rule::Lamb {
                betas: [hyper("beta1"), hyper("beta2")],
                eps: args.float("eps"),
            },
            _ => Rule::Adamw {
                betas: [hyper("beta1"), hyper("beta2")],
                eps: args.float("eps"),
            },
        };
        let exclude = args
            .symbols("exclude")
            .into_iter()
            .map(|c| match c {
                "bias" => ParamClass::Bias,
                "norm" => ParamClass::Norm,
                "position" => ParamClass::Position,
                _ => ParamClass::Token,
            })
            .collect();
        let clip = args.get("clip").is_some().then(|| {
            let norm = hyper("clip");
            match args.symbol("clip_per") {
                "net" => Clip::Net { norm },
                "parameter" => Clip::Parameter { norm },
                "unit" => Clip::Adaptive { ratio: norm },
                _ => Clip::Global { norm },
            }
        });
        let constant_lr = args.symbols("constant_lr");
        let exclude_lr_scale = args.get("exclude_lr_scale").and_then(Value::number);
        if exclude_lr_scale.is_some() && args.symbols("exclude").is_empty() {
            self.report(
                Diagnostic::error(
                    Code::MISSING,
                    "`exclude_lr_scale` is for the parameters in `exclude`, and there are none",
                )
                .at(args.span("exclude_lr_scale"), "scales nothing")
                .help("add `exclude: [bias, norm]`, or leave it out"),
            );
        }
        Some(Optimizer {
            rule,
            lr,
            weight_decay,
            exclude,
            exclude_lr_scale,
            clip,
            constant_lr: constant_lr.into_iter().map(str::to_owned).collect(),
            peak_lr,
            layer_decay: args.get("layer_decay").and_then(Value::number),
            freeze: args.texts("freeze"),
        })
    }
}

/// A time in whole steps, one at least.
pub(super) fn whole_steps(clock: &Clock, time: Time) -> usize {
    clock.in_steps(time).round().max(1.0) as usize
}
