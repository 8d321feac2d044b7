//! The merged pipeline as one `.ssl` text that stands on its own and compiles
//! to the same Plan: everything inherited, taken over and set is in its place.

use std::fmt::Write;
use std::path::{Path as FsPath, PathBuf};

use ssl_diagnostics::SourceMap;
use ssl_syntax::ast::{Expr, ExprKind};

use super::functions::Functions;
use crate::Compilation;
use crate::merge::{Effective, Entry, NetBody, Settings};
use crate::print::{Printer, dotted, whole};

/// The text, formatted.
pub(super) fn text(compilation: &Compilation) -> Option<String> {
    let effective = compilation.effective.as_ref()?;
    let functions = Functions::used(compilation, effective);
    let rename = |path: &ssl_syntax::ast::Path| functions.name_in_step(effective, path);
    let writer = Writer {
        compilation,
        effective,
        printer: Printer::new(&compilation.map),
        step: Printer::renaming(&compilation.map, &rename),
    };
    let mut out = writer.pipeline();
    functions.write(&compilation.map, &mut out);
    Some(styled(out))
}

/// In the one style.
fn styled(text: String) -> String {
    let mut map = SourceMap::new();
    match map.add("effective", text.as_str()) {
        Some(file) => ssl_syntax::format(&map, file).text,
        None => text,
    }
}

struct Writer<'a> {
    compilation: &'a Compilation,
    effective: &'a Effective,
    printer: Printer<'a>,
    step: Printer<'a>,
}

impl Writer<'_> {
    fn pipeline(&self) -> String {
        let e = self.effective;
        let mut out = String::new();
        let w = &mut out;
        let root = self.compilation.program.root();
        if let Some(tree) = root.and_then(|r| r.pipelines.get(&e.name.name)) {
            for line in &tree.docs.lines {
                let _ = writeln!(w, "{}", format!("/// {}", line.node).trim_end());
            }
        }
        let _ = writeln!(w, "pipeline {} {{", e.name.name);
        if !e.allow.is_empty() {
            let mut lints: Vec<&str> = Vec::new();
            for lint in e.allow.iter().map(|l| l.name.as_str()) {
                if !lints.contains(&lint) {
                    lints.push(lint);
                }
            }
            let _ = writeln!(w, "allow({})", lints.join(", "));
        }
        self.constants(w);
        self.fields(w, "data", &e.data);
        for (name, view) in &e.views {
            let count = view.count.as_ref();
            let count = count.map_or(String::new(), |c| format!("[{}]", self.printer.expr(c)));
            let _ = writeln!(w, "\nview {name}{count} {{");
            self.entries(w, &view.entries);
            let _ = writeln!(w, "}}");
        }
        self.nets(w);
        self.step(w);
        self.fields(w, "train", &e.train);
        for (section, entries) in [("monitor", &e.monitor), ("eval", &e.eval)] {
            if !entries.is_empty() {
                let _ = writeln!(w, "\n{section} {{");
                self.entries(w, entries);
                let _ = writeln!(w, "}}");
            }
        }
        let _ = writeln!(w, "}}");
        out
    }

    fn constants(&self, w: &mut String) {
        for (name, constant) in &self.effective.constants {
            for line in &constant.docs {
                let _ = writeln!(w, "{}", format!("/// {line}").trim_end());
            }
            let keyword = if constant.open { "param" } else { "let" };
            let ty = constant.ty.as_ref();
            let ty = ty.map_or(String::new(), |t| {
                format!(": {}", self.compilation.map.text(t.span))
            });
            let value = self.printer.setting(&constant.value);
            let within = constant.within.as_ref();
            let within = within.map_or(String::new(), |x| format!(" in {}", self.printer.expr(x)));
            let _ = writeln!(w, "{keyword} {name}{ty} = {value}{within}");
        }
    }

    fn fields(&self, w: &mut String, section: &str, fields: &Settings) {
        if fields.is_empty() {
            return;
        }
        let _ = writeln!(w, "\n{section} {{");
        for (name, setting) in fields {
            let mut expr = whole(setting);
            if section == "data" && name == "source" {
                self.absolute(&mut expr);
            }
            let _ = writeln!(w, "{name} = {}", self.printer.expr(&expr));
        }
        let _ = writeln!(w, "}}");
    }

    fn entries(&self, w: &mut String, entries: &[Entry]) {
        for entry in entries {
            let label = match entry.call.callee() {
                Some(callee) if callee.name == entry.name.name => String::new(),
                _ => format!("{}: ", entry.name.name),
            };
            let _ = writeln!(w, "{label}{}", self.printer.setting(&entry.call));
        }
    }

    fn nets(&self, w: &mut String) {
        let _ = writeln!(w);
        for (name, net) in &self.effective.nets {
            match &net.body {
                NetBody::Value(setting) => {
                    let _ = writeln!(w, "net {name} = {}", self.printer.setting(setting));
                }
                NetBody::Stages(stages) => {
                    let _ = writeln!(w, "net {name} {{");
                    for (stage, setting) in stages {
                        let _ = writeln!(w, "{stage} = {}", self.printer.setting(setting));
                    }
                    let _ = writeln!(w, "}}");
                }
            }
        }
    }

    fn step(&self, w: &mut String) {
        let Some(step) = &self.effective.step else {
            return;
        };
        let views: Vec<&str> = step.params.iter().map(|p| p.name.as_str()).collect();
        let _ = writeln!(w, "\nstep({}) {{", views.join(", "));
        for (name, setting) in &step.bindings {
            let _ = writeln!(w, "{name} = {}", self.step.setting(setting));
        }
        if let Some(loss) = &step.minimize {
            let _ = writeln!(w, "minimize {}", self.step.setting(loss));
        }
        for (name, setting) in &step.tracks {
            let _ = writeln!(w, "track {name} = {}", self.step.setting(setting));
        }
        let _ = writeln!(w, "}}");
    }

    /// Paths of data from the root: the text may be put anywhere. One that
    /// begins with a variable says itself where it is.
    fn absolute(&self, expr: &mut Expr) {
        let folder = self.compilation.program.folder_of(expr.span);
        match &mut expr.kind {
            ExprKind::Text(text) if !text.starts_with('$') => {
                let base = folder.unwrap_or_default();
                let path: PathBuf = self.compilation.here.join(base).join(FsPath::new(text));
                *text = path.display().to_string();
            }
            ExprKind::Call { callee, args, .. } if dotted(callee) != "digits" => {
                for arg in args {
                    self.absolute(&mut arg.value);
                }
            }
            _ => {}
        }
    }
}
