//! The `data` section: what is read, and how much of it there is.

use std::time::Duration;

use ssl_diagnostics::{Code, Diagnostic, Fix, Span};
use ssl_plan::{Data, Decode, OnCorrupt, Source};
use ssl_syntax::ast::SectionKind;

use super::Checker;
use crate::merge::Settings;
use crate::names::Meant;
use crate::schema::{Want, fields_of, function};
use crate::value::{Unit, Value};
use crate::{DatasetInfo, names};

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
    exif_orientation: bool,
    decode: Decode,
    cache: u64,
    stall_limit: f64,
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
            exif_orientation: self.exif_orientation,
            decode: self.decode,
            cache: self.cache,
            stall_limit: self.stall_limit,
            packs: info.packs,
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
            // What is there already is not what was meant, unless nothing else
            // is nearly as near.
            let all = fields.iter().map(|f| f.name);
            let free = all.clone().filter(|f| !settings.contains_key(*f));
            let nearness = |found: Option<&str>| found.map_or(0.0, |f| names::score(name, f));
            let best = nearness(names::nearest(name, all.clone()));
            let free_is_near = nearness(names::nearest(name, free.clone())) > 0.8 * best;
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
                None if best > 0.0 && free_is_near => {
                    error.meant_at(at, name, free)
                }
                None => match self.home_of(kind, name) {
                    Some(home) => error.help(format!("`{name}` belongs into `{home}`")),
                    None => error.meant_at(at, name, all),
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
        let value = self.field_value(kind, name)?;
        self.record_field(kind, name, &value);
        Some(value)
    }

    /// A field's value, or its default.
    fn field_value(&mut self, kind: SectionKind, name: &str) -> Option<Value> {
        let effective = self.source.effective;
        let settings = match kind {
            SectionKind::Data => &effective.data,
            _ => &effective.train,
        };
        match settings.get(name) {
            Some(s) => self.field(kind, &[name], s.target),
            None => {
                let field = fields_of(kind).iter().find(|f| f.name == name)?;
                super::args::fallback(&field.fallback)
            }
        }
    }

    /// Writes a field's value down with its origin.
    fn record_field(&mut self, kind: SectionKind, name: &str, value: &Value) {
        let effective = self.source.effective;
        let settings = match kind {
            SectionKind::Data => &effective.data,
            _ => &effective.train,
        };
        let setting = settings.get(name);
        self.record(&[kind.keyword(), name], value, |c| {
            setting.map_or(ssl_plan::Origin::Default, |s| c.origin(s))
        });
    }

    pub(super) fn data(&mut self) -> DataSection {
        let settings = &self.source.effective.data;
        self.known_fields(SectionKind::Data, settings);
        // Known before the data is looked at, and written down in its place.
        let stalled = self.field_value(SectionKind::Data, "stall_limit");
        let stall_limit = match stalled {
            Some(Value::Quantity(x, Unit::Seconds(unit))) => x * f64::from(unit),
            _ => 120.0,
        };
        let patience = Duration::try_from_secs_f64(stall_limit).unwrap_or(Duration::MAX);
        let (source, info) = match settings.get("source") {
            Some(setting) => self.data_source(setting, patience),
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
            Some(Value::Symbol(s)) if s == "pad" => OnCorrupt::Pad,
            _ => OnCorrupt::Skip,
        };
        let max_corrupt = self
            .recorded_field(SectionKind::Data, "max_corrupt")
            .and_then(|v| v.number())
            .unwrap_or(0.01);
        let exif_orientation = matches!(
            self.recorded_field(SectionKind::Data, "exif_orientation"),
            Some(Value::Bool(true))
        );
        let decode = match self.recorded_field(SectionKind::Data, "decode") {
            Some(Value::Symbol(s)) if s == "fast" => Decode::Fast,
            _ => Decode::Full,
        };
        let cache = match self.recorded_field(SectionKind::Data, "cache") {
            Some(Value::Quantity(x, Unit::Bytes(unit))) => (x * unit as f64) as u64,
            _ => 0,
        };
        if let Some(value) = &stalled {
            self.record_field(SectionKind::Data, "stall_limit", value);
        }
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
            exif_orientation,
            decode,
            cache,
            stall_limit,
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
}
