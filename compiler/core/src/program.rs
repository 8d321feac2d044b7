//! All files of a compilation: the one that was named, what it imports, and
//! the standard library. A name belongs to the file that its span lies in, so
//! an inherited expression means what it meant where it was written.

use std::path::{Path, PathBuf};

use indexmap::map::Entry;
use ssl_diagnostics::{Code, Diagnostic, FileId, SourceMap, Span};
use ssl_syntax::ast::{Function, Ident, Item, Path as Dotted, Pipeline, Sweep, Use, UseTarget};

use crate::names::Meant;
use crate::table::{HashSet, IndexMap};
use crate::{World, functions};

/// The standard library, embedded. What `loss` defines needs no import.
macro_rules! library {
    ($($name:literal),* $(,)?) => {
        /// Modules of the standard library by name, with their texts.
        pub const STD: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../std/", $name, ".ssl")))),*];
    };
}

library! {
    "loss", "moco", "mocov3", "simclr", "simclr_v2", "byol", "simsiam", "swav", "dino",
    "barlow_twins", "vicreg", "nnclr", "dcl", "mae",
}

/// A file and what it defines.
#[derive(Debug, Default)]
pub struct Unit {
    /// Where it lies; `None` for a module of the standard library.
    path: Option<PathBuf>,
    /// Global offsets of its text.
    extent: Span,
    /// Imported names and what they stand for.
    imports: IndexMap<String, (usize, Span)>,
    /// Pipelines by name.
    pub pipelines: IndexMap<String, Pipeline>,
    /// Sweeps by name.
    pub sweeps: IndexMap<String, Sweep>,
    functions: IndexMap<String, Function>,
}

/// All files of a compilation, the named one first.
#[derive(Debug, Default)]
pub struct Program {
    units: Vec<Unit>,
    /// The unit whose functions need no import.
    prelude: usize,
    /// Functions that call themselves, by their names' places.
    recursive: HashSet<Span>,
}

impl Unit {
    /// The names that it imports, and where.
    pub fn imports(&self) -> impl Iterator<Item = (&str, Span)> {
        self.imports.iter().map(|(n, (_, at))| (n.as_str(), *at))
    }
}

/// Reads files into a program.
struct Loader<'a> {
    world: &'a dyn World,
    map: &'a mut SourceMap,
    diagnostics: &'a mut Vec<Diagnostic>,
    program: Program,
    /// Units by the name that identifies them.
    loaded: IndexMap<String, usize>,
    /// Files being loaded, to find circles.
    open: Vec<String>,
}

/// Loads a file that is in the map already, and everything that it imports.
pub fn load(
    world: &dyn World,
    map: &mut SourceMap,
    root: FileId,
    path: &Path,
    diagnostics: &mut Vec<Diagnostic>,
) -> Program {
    let mut loader = Loader {
        world,
        map,
        diagnostics,
        program: Program::default(),
        loaded: IndexMap::default(),
        open: Vec::new(),
    };
    let key = identity(world, path);
    loader.unit(root, key, Some(path.to_path_buf()));
    if let Some(prelude) = loader.module("loss", None) {
        loader.program.prelude = prelude;
    }
    let mut program = loader.program;
    program.recursive = functions::judge(&program, map, diagnostics);
    program
}

fn identity(world: &dyn World, path: &Path) -> String {
    // `a/../b.ssl` and `b.ssl` are one file where no link says otherwise.
    let mut out = PathBuf::new();
    for part in world.absolute(path).components() {
        match part {
            std::path::Component::ParentDir => {
                out.pop();
            }
            std::path::Component::CurDir => {}
            other => out.push(other),
        }
    }
    out.display().to_string()
}

impl Loader<'_> {
    /// Parses a text of the map into a unit, imports first in their order.
    fn unit(&mut self, id: FileId, key: String, path: Option<PathBuf>) -> usize {
        let parsed = ssl_syntax::parse_file(self.map, id);
        self.diagnostics.extend(parsed.diagnostics);
        let extent = self.map.file(id).map_or(Span::default(), |f| {
            Span::new(
                f.base,
                f.base + u32::try_from(f.text.len()).unwrap_or(u32::MAX),
            )
        });
        let index = self.program.units.len();
        self.program.units.push(Unit {
            path: path.clone(),
            extent,
            ..Unit::default()
        });
        self.loaded.insert(key.clone(), index);
        self.open.push(key);
        let mut imports: IndexMap<String, (usize, Span)> = IndexMap::default();
        for import in &parsed.file.uses {
            let Some((name, unit)) = self.import(import, path.as_deref()) else {
                continue;
            };
            if let Some((_, first)) = imports.get(&name) {
                let first = *first;
                self.diagnostics.push(
                    Diagnostic::error(Code::DUPLICATE, format!("`{name}` is imported twice"))
                        .at(import.span, "second import")
                        .at(first, "first import")
                        .help("give one of them another name: `as NAME`"),
                );
                continue;
            }
            imports.insert(name, (unit, import.span));
        }
        self.open.pop();
        let (pipelines, sweeps, functions) = self.definitions(parsed.file.items);
        if let Some(unit) = self.program.units.get_mut(index) {
            unit.imports = imports;
            (unit.pipelines, unit.sweeps, unit.functions) = (pipelines, sweeps, functions);
        }
        index
    }

    /// Definitions by kind and name; a second one of a name is reported.
    #[allow(clippy::type_complexity)]
    fn definitions(
        &mut self,
        items: Vec<Item>,
    ) -> (
        IndexMap<String, Pipeline>,
        IndexMap<String, Sweep>,
        IndexMap<String, Function>,
    ) {
        let mut out = (
            IndexMap::default(),
            IndexMap::default(),
            IndexMap::default(),
        );
        for item in items {
            match item {
                Item::Pipeline(p) => {
                    let name = p.name.clone();
                    self.define(&mut out.0, "pipeline", name, p, |p| p.name.span);
                }
                Item::Sweep(s) => {
                    let name = s.name.clone();
                    self.define(&mut out.1, "sweep", name, s, |s| s.name.span);
                }
                Item::Function(f) => {
                    let name = f.name.clone();
                    self.define(&mut out.2, "function", name, f, |f| f.name.span);
                }
            }
        }
        out
    }

    fn define<T>(
        &mut self,
        known: &mut IndexMap<String, T>,
        kind: &str,
        name: Ident,
        item: T,
        place: impl Fn(&T) -> Span,
    ) {
        match known.entry(name.name) {
            Entry::Vacant(entry) => drop(entry.insert(item)),
            Entry::Occupied(entry) => self.diagnostics.push(
                Diagnostic::error(
                    Code::DUPLICATE,
                    format!("the {kind} `{}` is defined twice", entry.key()),
                )
                .at(name.span, "second definition")
                .at(place(entry.get()), "first definition")
                .help("give one of them another name"),
            ),
        }
    }

    /// The name that an import gives, and the unit that it stands for.
    fn import(&mut self, import: &Use, from: Option<&Path>) -> Option<(String, usize)> {
        let alias = import.alias.as_ref().map(|a| a.name.clone());
        match &import.target {
            UseTarget::Module(path) => {
                let last = path.segments.last()?;
                let unit = self.std_module(path)?;
                Some((alias.unwrap_or_else(|| last.name.clone()), unit))
            }
            UseTarget::File(name) => {
                let written = Path::new(&name.node);
                let path = match from.and_then(Path::parent) {
                    Some(dir) if written.is_relative() => dir.join(written),
                    _ => written.to_path_buf(),
                };
                let stem = written
                    .file_stem()
                    .map(|s| s.to_string_lossy().into_owned());
                let unit = self.file(&path, name.span)?;
                Some((alias.or(stem)?, unit))
            }
        }
    }

    fn std_module(&mut self, path: &Dotted) -> Option<usize> {
        let names: Vec<&str> = path.segments.iter().map(|s| s.name.as_str()).collect();
        let wanted = match names.as_slice() {
            ["std", name] => *name,
            _ => names.last().copied().unwrap_or(""),
        };
        if names.first() == Some(&"std")
            && names.len() == 2
            && STD.iter().any(|(n, _)| *n == wanted)
        {
            return self.module(wanted, Some(path.span));
        }
        let known: Vec<String> = STD.iter().map(|(n, _)| format!("std.{n}")).collect();
        let text = names.join(".");
        self.diagnostics.push(
            Diagnostic::error(Code::UNKNOWN_NAME, format!("there is no module `{text}`"))
                .at(path.span, "not a module of the standard library")
                .meant(&text, known.iter().map(String::as_str)),
        );
        None
    }

    fn module(&mut self, name: &str, at: Option<Span>) -> Option<usize> {
        let (_, text) = STD.iter().find(|(n, _)| *n == name)?;
        let key = format!("std.{name}");
        if let Some(unit) = self.seen(&key, at) {
            return unit;
        }
        let id = self.map.add(format!("std/{name}.ssl"), *text)?;
        Some(self.unit(id, key, None))
    }

    fn file(&mut self, path: &Path, at: Span) -> Option<usize> {
        let key = identity(self.world, path);
        if let Some(unit) = self.seen(&key, Some(at)) {
            return unit;
        }
        let text = match self.world.read(path) {
            Ok(text) => text,
            Err(e) => {
                self.diagnostics.push(
                    Diagnostic::error(
                        Code::FILE,
                        format!("`{}` cannot be read: {}", path.display(), e.message),
                    )
                    .at(at, "imported here")
                    .maybe_help(e.help),
                );
                return None;
            }
        };
        let id = self.map.add(path.display().to_string(), text)?;
        Some(self.unit(id, key, Some(path.to_path_buf())))
    }

    /// A unit that is loaded already; `Some(None)` for a circle, reported.
    fn seen(&mut self, key: &str, at: Option<Span>) -> Option<Option<usize>> {
        let unit = self.loaded.get(key).copied()?;
        let Some(start) = self.open.iter().position(|o| o == key) else {
            return Some(Some(unit));
        };
        let short = |k: &String| {
            Path::new(k)
                .file_name()
                .map_or(k.clone(), |n| n.to_string_lossy().into_owned())
        };
        let mut circle: Vec<String> = self.open.iter().skip(start).map(short).collect();
        circle.extend(circle.first().cloned());
        self.diagnostics.push(
            Diagnostic::error(
                Code::IMPORT_CYCLE,
                format!(
                    "files import each other in a circle: {}",
                    circle.join(" -> ")
                ),
            )
            .at(at.unwrap_or_default(), "closes the circle")
            .help("put what both need into a third file"),
        );
        Some(None)
    }
}

impl Unit {
    /// Global offsets of its text.
    pub fn extent(&self) -> Span {
        self.extent
    }

    /// Its functions, in order.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.values()
    }
}

impl Program {
    /// Every file, in the order in which they were read.
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// The names that a file imports, with what they stand for.
    pub fn imports<'p>(&'p self, unit: &'p Unit) -> impl Iterator<Item = (&'p str, &'p Unit)> {
        let target = |(name, (at, _)): (&'p String, &(usize, Span))| {
            Some((name.as_str(), self.units.get(*at)?))
        };
        unit.imports.iter().filter_map(target)
    }

    /// Whether a place lies in what needs no import.
    pub fn in_prelude(&self, span: Span) -> bool {
        let extent = self.units.get(self.prelude).map(|u| u.extent);
        extent.is_some_and(|e| e.start <= span.start && span.start <= e.end)
    }

    /// Names of the functions that need no import.
    pub fn prelude_names(&self) -> impl Iterator<Item = String> {
        let functions = self.units.get(self.prelude).map(|u| &u.functions);
        functions.into_iter().flat_map(|f| f.keys().cloned())
    }

    /// The file that was named.
    pub fn root(&self) -> Option<&Unit> {
        self.units.first()
    }

    /// Whether a function calls itself, which has been reported.
    pub fn is_recursive(&self, f: &Function) -> bool {
        self.recursive.contains(&f.name.span)
    }

    /// The file that a span lies in.
    fn unit_of(&self, span: Span) -> Option<&Unit> {
        self.units
            .iter()
            .find(|u| u.extent.start <= span.start && span.start <= u.extent.end)
    }

    /// The folder of the file that a span lies in; `None` for the standard
    /// library and for what was typed on the command line.
    pub fn folder_of(&self, span: Span) -> Option<PathBuf> {
        self.unit_of(span)?
            .path
            .as_ref()?
            .parent()
            .map(Path::to_path_buf)
    }

    /// The unit and the last name of a dotted path: `name`, `module.name`.
    fn place<'p>(&self, path: &'p Dotted) -> Option<(&Unit, &'p Ident)> {
        let from = self.unit_of(path.span).or(self.root())?;
        match path.segments.as_slice() {
            [name] => Some((from, name)),
            [module, name] => Some((self.units.get(from.imports.get(&module.name)?.0)?, name)),
            _ => None,
        }
    }

    /// The pipeline of the first file, or of a module that it imports.
    pub fn named(&self, name: &str) -> Option<&Pipeline> {
        let root = self.root()?;
        let (unit, name) = match name.split_once('.') {
            None => (root, name),
            Some((module, name)) => (self.units.get(root.imports.get(module)?.0)?, name),
        };
        unit.pipelines.get(name)
    }

    /// The pipeline that a path names from where it stands.
    pub fn pipeline(&self, path: &Dotted) -> Option<&Pipeline> {
        let (unit, name) = self.place(path)?;
        unit.pipelines.get(&name.name)
    }

    /// The function that a path names from where it stands: the file's own,
    /// else the standard library's.
    pub fn function(&self, path: &Dotted) -> Option<&Function> {
        let (unit, name) = self.place(path)?;
        let own = unit.functions.get(&name.name);
        if own.is_some() || path.segments.len() > 1 {
            return own;
        }
        self.units.get(self.prelude)?.functions.get(&name.name)
    }

    /// Pipelines that a path at this place could name, as they are written.
    pub fn pipeline_names(&self, at: Span) -> Vec<String> {
        self.visible(at, |u| u.pipelines.keys().cloned().collect())
    }

    /// Functions that a call at this place could name, as they are written.
    pub fn function_names(&self, at: Span) -> Vec<String> {
        let mut all = self.visible(at, |u| u.functions.keys().cloned().collect());
        if let Some(prelude) = self.units.get(self.prelude) {
            all.extend(prelude.functions.keys().cloned());
        }
        all
    }

    fn visible(&self, at: Span, of: impl Fn(&Unit) -> Vec<String>) -> Vec<String> {
        let Some(unit) = self.unit_of(at).or(self.root()) else {
            return Vec::new();
        };
        let mut all = of(unit);
        for (name, (target, _)) in &unit.imports {
            if let Some(target) = self.units.get(*target) {
                all.extend(of(target).into_iter().map(|n| format!("{name}.{n}")));
            }
        }
        all
    }
}
