//! The `data` section: what is read, and how much of it there is.

use ssl_diagnostics::{Code, Diagnostic, Fix, Severity, Span};
use ssl_plan::{Data, OnCorrupt, Source};
use ssl_syntax::ast::SectionKind;

use super::Checker;
use super::eval::Scope;
use crate::merge::{Setting, Settings};
use crate::names::Meant;
use crate::schema::{Group, Want, fields_of, function};
use crate::value::Value;
use crate::{DatasetInfo, Demand, names};

/// The data section, as far as it could be understood.
pub struct DataSection {
    /// Where images come from.
    pub source: Option<Source>,
    /// What a look at it told.
    pub info: Option<DatasetInfo>,
    /// Images per step.
    pub batch: Option<usize>,
    /// Training images, seen or stated.
    pub samples: Option<usize>,
    /// Place of `batch`.
    pub batch_span: Span,
    on_corrupt: OnCorrupt,
    max_corrupt: f64,
}

impl DataSection {
    /// The Plan's form, where everything is known.
    pub fn plan(&self) -> Option<Data> {
        let (samples, batch) = (self.samples?, self.batch?);
        let info = self.info.clone().unwrap_or_default();
        Some(Data {
            source: self.source.clone()?,
            samples,
            classes: info.classes,
            held_out: info.held_out,
            batch,
            steps_per_epoch: samples.checked_div(batch)?,
            on_corrupt: self.on_corrupt,
            max_corrupt: self.max_corrupt,
        })
    }

    /// Whether images have labels; `None` where the data was not seen.
    pub fn labelled(&self) -> Option<bool> {
        self.info.as_ref().map(|i| i.classes.is_some())
    }
}

impl Checker<'_> {
    /// Reports fields that a section does not have.
    pub(super) fn known_fields(&mut self, kind: SectionKind, settings: &Settings) {
        let fields = fields_of(kind);
        for (name, setting) in settings {
            if fields.iter().any(|f| f.name == name) {
                continue;
            }
            let section = kind.keyword();
            let at = self.segment(setting.target, name);
            let error = Diagnostic::error(
                Code::UNKNOWN_FIELD,
                format!("`{section}` has no field `{name}`"),
            )
            .at(setting.target, "not a field");
            // What is there already is not what was meant.
            let free = fields
                .iter()
                .map(|f| f.name)
                .filter(|f| !settings.contains_key(*f));
            self.report(match self.argument_of(kind, settings, name) {
                Some((field, function)) => {
                    let help = format!(
                        "`{name}` is an argument of `{function}`: write `{field}.{name} = ...`, or `{field} = {function}(..., {name}: ...)`"
                    );
                    let after = settings.get(&field).is_some_and(|f| {
                        f.layer != setting.layer || f.target.start < setting.target.start
                    });
                    let title = format!("write `{field}.{name}`");
                    error.help(help).fix(Fix {
                        certain: after,
                        ..Fix::maybe(title, at, format!("{field}.{name}"))
                    })
                }
                None if names::nearest(name, free.clone()).is_some() => {
                    error.meant_at(at, name, free)
                }
                None => match self.home_of(kind, name) {
                    Some(home) => error.help(format!("`{name}` belongs into `{home}`")),
                    None => error.meant_at(at, name, fields.iter().map(|f| f.name)),
                },
            });
        }
    }

    /// The field of a section whose function has an argument of this name.
    fn argument_of(
        &self,
        kind: SectionKind,
        settings: &Settings,
        name: &str,
    ) -> Option<(String, String)> {
        fields_of(kind).iter().find_map(|field| {
            let Want::Call(group) = field.want else {
                return None;
            };
            let called = function(group, &settings.get(field.name)?.callee()?.name)?;
            let has = called.params.iter().any(|p| p.name == name);
            has.then(|| (field.name.to_owned(), called.name.to_owned()))
        })
    }

    /// The other section that has a field of this name.
    fn home_of(&self, kind: SectionKind, name: &str) -> Option<&'static str> {
        [SectionKind::Data, SectionKind::Train]
            .into_iter()
            .filter(|k| *k != kind)
            .find(|k| fields_of(*k).iter().any(|f| f.name == name))
            .map(SectionKind::keyword)
    }

    /// A field's value, written down with its origin.
    pub(super) fn recorded_field(&mut self, kind: SectionKind, name: &str) -> Option<Value> {
        let effective = self.source.effective;
        let settings = match kind {
            SectionKind::Data => &effective.data,
            _ => &effective.train,
        };
        let setting = settings.get(name);
        let value = match setting {
            Some(s) => self.field(kind, &[name], s.target)?,
            None => {
                let field = fields_of(kind).iter().find(|f| f.name == name)?;
                super::args::fallback(&field.fallback)?
            }
        };
        self.record(&[kind.keyword(), name], &value, |c| {
            setting.map_or(ssl_plan::Origin::Default, |s| c.origin(s))
        });
        Some(value)
    }

    pub(super) fn data(&mut self) -> DataSection {
        let settings = &self.source.effective.data;
        self.known_fields(SectionKind::Data, settings);
        let (source, info) = match settings.get("source") {
            Some(setting) => self.data_source(setting),
            None => {
                self.missing("data", "source", "`source = image_folder(\"photos\")`");
                (None, None)
            }
        };
        let count = |v: Option<Value>| v.and_then(|v| v.number()).map(|n| n as usize);
        let batch_span = settings
            .get("batch")
            .map_or(Span::default(), |s| s.expr.span);
        let recorded = info.as_ref().and_then(|i| i.recorded.clone());
        let batch = match (settings.contains_key("batch"), &recorded) {
            (true, _) => count(self.recorded_field(SectionKind::Data, "batch")),
            (false, Some(r)) => Some(r.batch),
            (false, None) => {
                self.missing("data", "batch", "`batch = 256`");
                None
            }
        };
        let stated = count(self.recorded_field(SectionKind::Data, "samples"));
        let on_corrupt = match self.recorded_field(SectionKind::Data, "on_corrupt") {
            Some(Value::Symbol(s)) if s == "error" => OnCorrupt::Error,
            _ => OnCorrupt::Skip,
        };
        let max_corrupt = self
            .recorded_field(SectionKind::Data, "max_corrupt")
            .and_then(|v| v.number())
            .unwrap_or(0.01);
        let seen = info.as_ref().map(|i| i.samples);
        if let (Some(seen), Some(stated)) = (seen, stated)
            && seen != stated
        {
            let at = settings
                .get("samples")
                .map_or(Span::default(), |s| s.expr.span);
            self.report(
                Diagnostic::error(
                    Code::DATA,
                    format!("the data has {seen} training images, not {stated}"),
                )
                .at(at, "stated here")
                .help("leave `samples` out, or look whether the data is whole"),
            );
        }
        let section = DataSection {
            source,
            samples: seen.or(stated),
            info,
            batch,
            batch_span,
            on_corrupt,
            max_corrupt,
        };
        self.batch_fits(&section, recorded.map(|r| r.batch));
        section
    }

    fn batch_fits(&mut self, data: &DataSection, stored: Option<usize>) {
        let Some(batch) = data.batch else { return };
        if let Some(stored) = stored
            && stored != batch
        {
            self.report(
                Diagnostic::error(
                    Code::BATCH,
                    format!("the stored views have batches of {stored}, not {batch}"),
                )
                .at(data.batch_span, "does not fit the file")
                .help(format!("write `batch = {stored}`, or leave it out")),
            );
            return;
        }
        if let Some(samples) = data.samples
            && batch > samples
        {
            let images = if samples == 1 { "image" } else { "images" };
            self.report(
                Diagnostic::error(
                    Code::BATCH,
                    format!(
                        "a batch of {batch} is larger than the data, which has {samples} {images}"
                    ),
                )
                .at(data.batch_span, "larger than the data")
                .help(format!("take at most `batch = {samples}`")),
            );
        }
        if batch == 1 {
            self.report(
                Diagnostic::error(Code::BATCH, "a batch of 1 has nothing to compare with")
                    .at(data.batch_span, "losses and BatchNorm need at least 2")
                    .help("take a larger batch"),
            );
        }
    }

    pub(super) fn missing(&mut self, section: &str, field: &str, example: &str) {
        let effective = self.source.effective;
        let settings = if section == "data" {
            &effective.data
        } else {
            &effective.train
        };
        // A misspelt field has been reported, with this one as the mend.
        if settings
            .keys()
            .any(|k| names::nearest(k, [field]).is_some())
        {
            return;
        }
        let at = effective.name.span;
        self.report(
            Diagnostic::error(Code::MISSING, format!("`{section}.{field}` is not set"))
                .at(
                    at,
                    format!("this pipeline does not say `{section}.{field}`"),
                )
                .help(format!("write {example} in `{section} {{ ... }}`")),
        );
    }

    fn data_source(&mut self, setting: &Setting) -> (Option<Source>, Option<DatasetInfo>) {
        let scope = Scope::Section(SectionKind::Data);
        let Some(args) = self.bind(Group::Source, setting, Some("data.source"), scope) else {
            return (None, None);
        };
        let at = args.span("path");
        let path = args.text("path").map(|p| self.data_path(p, at));
        let test = args
            .text("test")
            .map(|p| self.data_path(p, args.span("test")));
        let source = match (args.function, path, test) {
            ("image_folder", Some(Some(path)), None) => Source::ImageFolder { path, test: None },
            ("image_folder", Some(Some(path)), Some(Some(test))) => Source::ImageFolder {
                path,
                test: Some(test),
            },
            ("recorded", Some(Some(path)), _) => Source::Recorded { path },
            ("digits", ..) => Source::Digits,
            _ => return (None, None),
        };
        // A path with a variable that is not set here cannot be looked at.
        if matches!(&source, Source::ImageFolder { path, .. } | Source::Recorded { path } if path.contains('$'))
        {
            return (Some(source), None);
        }
        match self.world.dataset(&source) {
            Ok(info) => (Some(source), Some(info)),
            Err(e) => {
                self.absent(
                    Diagnostic::error(Code::DATA, e.message)
                        .at(at, "this data")
                        .maybe_help(e.help),
                );
                (Some(source), None)
            }
        }
    }

    /// Reports missing data: an error for a run, a warning for a check.
    fn absent(&mut self, mut diagnostic: Diagnostic) {
        if self.source.demand == Demand::Check {
            diagnostic.severity = Severity::Warning;
        }
        self.report(diagnostic);
    }

    /// Puts environment variables in, and makes the path absolute: from the
    /// file that says it, or from where the command runs for `--set`.
    fn data_path(&mut self, text: &str, span: Span) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, after) = rest.split_at(at);
            out.push_str(before);
            let after = after.get(1..).unwrap_or("");
            let end = after
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(after.len());
            let (name, tail) = after.split_at(end);
            match self.world.variable(name) {
                Some(value) => out.push_str(&value),
                None => {
                    self.absent(
                        Diagnostic::error(
                            Code::UNKNOWN_VARIABLE,
                            format!("the environment variable `{name}` is not set"),
                        )
                        .at(span, "the data cannot be found without it")
                        .help(format!("set it: `export {name}=/path/to/data`")),
                    );
                    let judged = self.source.demand == Demand::Check;
                    return judged.then(|| text.to_owned());
                }
            }
            rest = tail;
        }
        out.push_str(rest);
        let base = self.source.program.folder_of(span).unwrap_or_default();
        Some(self.world.absolute(&base.join(out)).display().to_string())
    }
}
