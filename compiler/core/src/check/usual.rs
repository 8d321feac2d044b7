//! Values that are allowed and unusual: most often another optimizer's, or a
//! number for its complement.

use ssl_diagnostics::{Diagnostic, Fix, Lint, Span};

use super::Checker;
use super::args::Args;
use super::nets::NetSpec;
use crate::table::IndexMap;
use crate::value::{ScheduleSpec, show_number};

/// The learning rates that are usual for an optimizer, and an example.
fn rates(optimizer: &str) -> Option<(f64, f64, &'static str)> {
    Some(match optimizer {
        "adamw" => (1e-7, 0.03, "AdamW takes about `1.5e-4 * data.batch / 256`"),
        "lamb" => (1e-6, 0.1, "LAMB takes about `2e-3`"),
        "lars" => (0.005, 50.0, "LARS takes about `0.3 * data.batch / 256`"),
        "sgd" => (1e-5, 10.0, "SGD takes about `0.03 * data.batch / 256`"),
        _ => return None,
    })
}

impl Checker<'_> {
    /// Rates and decays of an optimizer.
    pub(super) fn usual_optimizer(&mut self, args: &Args, rate: &ScheduleSpec) {
        let name = args.function;
        let at = args.span("lr");
        let peak = peak(rate);
        let title = |s: &str| match s {
            "adamw" => "AdamW",
            "lars" => "LARS",
            "lamb" => "LAMB",
            _ => "SGD",
        };
        if peak == 0.0 {
            self.report(
                Diagnostic::lint(Lint::UNUSUAL_RATE, "the learning rate is 0 throughout")
                    .at(at, "nothing is learned")
                    .help("give the optimizer a rate: `lr: 1e-3`"),
            );
        } else if let Some((low, high, help)) = rates(name)
            && !(low..=high).contains(&peak)
        {
            let (size, whose) = match (peak > high, name) {
                (true, "adamw" | "lamb") => ("large", "LARS or SGD"),
                (false, "lars" | "sgd") => ("small", "AdamW"),
                (true, _) => ("large", "no optimizer"),
                (false, _) => ("small", "no optimizer"),
            };
            self.report(
                Diagnostic::lint(
                    Lint::UNUSUAL_RATE,
                    format!(
                        "a learning rate of {} is that of {whose}, not of {}",
                        show_number(peak),
                        title(name)
                    ),
                )
                .at(at, format!("very {size} for {}", title(name)))
                .help(help),
            );
        }
        let decay = peak_of(args, "weight_decay");
        let usual = match name {
            "adamw" | "lamb" => 1.0,
            _ => 0.01,
        };
        if decay > usual {
            let help = match name {
                "adamw" | "lamb" => "decoupled weight decay is usually 0.01 to 0.5",
                _ => "weight decay is usually 1e-6 to 1e-4 here; 0.1 is AdamW's",
            };
            self.report(
                Diagnostic::lint(
                    Lint::UNUSUAL_WEIGHT_DECAY,
                    format!(
                        "a weight decay of {} is very large for {}",
                        show_number(decay),
                        title(name)
                    ),
                )
                .at(
                    args.span("weight_decay"),
                    format!("this is {}", show_number(decay)),
                )
                .help(help),
            );
        }
        for (beta, example) in [("momentum", 0.9), ("beta1", 0.9), ("beta2", 0.999)] {
            let value = args.float(beta);
            if args.get(beta).is_some() && value >= 1.0 {
                self.report(
                    Diagnostic::lint(
                        Lint::UNUSUAL_DECAY,
                        format!("with `{beta}` at 1 the average never takes anything in"),
                    )
                    .at(args.span(beta), "keeps all of the old value")
                    .help(format!("write `{beta}: {example}`")),
                );
            }
        }
    }

    /// Averages that forget at once, or never learn.
    pub(super) fn usual_averages(&mut self, specs: &IndexMap<String, NetSpec>) {
        for (name, spec) in specs {
            let NetSpec::Ema { of, decay } = spec else {
                continue;
            };
            let span = decay.parts.first().map_or(Span::default(), |p| p.span);
            let first = decay.parts.first().map_or(1.0, |p| p.curve.start());
            let found = match (decay.as_constant(), first) {
                (Some(1.0), _) => Diagnostic::lint(
                    Lint::UNUSUAL_DECAY,
                    format!("with a decay of 1 the average `{name}` never moves"),
                )
                .at(span, "stays as it started")
                .help("write `0.99`, or let it rise: `cosine(0.99 -> 1)`"),
                // 0 is the network itself, which ablations study.
                (_, x) if x > 0.0 && x < 0.5 => Diagnostic::lint(
                    Lint::UNUSUAL_DECAY,
                    format!(
                        "the average `{name}` keeps {}% of itself and takes the rest from `{of}`",
                        show_number(100.0 * x)
                    ),
                )
                .at(span, "the decay is the share that is kept")
                .help(format!(
                    "write `{}` if you meant the share that is new",
                    show_number(1.0 - x)
                )),
                _ => continue,
            };
            self.report(found);
        }
    }

    /// A temperature, by the name of a function's parameter: its bounds, where
    /// they are known, and where it was given.
    pub(super) fn usual_temperature(&mut self, low: f64, high: f64, at: Span) {
        if low <= 0.0 {
            self.report(
                Diagnostic::error(
                    ssl_diagnostics::Code::RANGE,
                    format!("a temperature of {} is out of range", show_number(low)),
                )
                .at(at, format!("this is {}", show_number(low)))
                .help("write a number above 0, such as `0.2`"),
            );
        } else if low < 0.01 || high > 2.0 {
            let x = if low < 0.01 { low } else { high };
            self.report(
                Diagnostic::lint(
                    Lint::UNUSUAL_TEMPERATURE,
                    format!("a temperature of {} is unusual", show_number(x)),
                )
                .at(
                    at,
                    match x < 0.01 {
                        true => "every softmax picks one entry",
                        false => "every softmax is nearly uniform",
                    },
                )
                .help("temperatures are usually 0.04 to 1"),
            );
        }
    }

    /// A range of one value, where a sampled one is usual.
    pub(super) fn usual_range(&mut self, args: &Args, name: &str, other: &str) {
        let Some(value) = args.get(name).and_then(crate::value::Value::number) else {
            return;
        };
        let at = args.span(name);
        if at == args.span {
            return;
        }
        let shown = show_number(value);
        self.report(
            Diagnostic::lint(
                Lint::UNUSUAL_RANGE,
                format!("`{name}` of `{}` is always {shown}", args.function),
            )
            .at(at, "one value, not a range")
            .help(format!(
                "write `{}` to sample from a range",
                other.replace("{}", &shown)
            ))
            .fix(Fix::maybe("write a range", at, other.replace("{}", &shown))),
        );
    }
}

/// The largest value of a schedule.
fn peak(spec: &ScheduleSpec) -> f64 {
    let ends = spec.parts.iter().flat_map(|p| p.curve.ends());
    ends.fold(0.0, f64::max)
}

fn peak_of(args: &Args, name: &str) -> f64 {
    peak(&args.schedule(name))
}
