//! A file and all that it imports, parsed; then each of its pipelines.

use ssl_diagnostics::{Code, Diagnostic, FileId, Severity, SourceMap};
use ssl_plan::{Plan, Resolved};

use crate::check::Checked;
use crate::merge::{self, Effective, Set};
use crate::program::{self, Program};
use crate::sweep::{self, Sweep};
use crate::table::HashSet;
use crate::{Request, World, allow, check, memory};

/// A file and all that it imports, parsed.
pub struct Text {
    /// The file that was named.
    pub file: FileId,
    /// Every file.
    pub program: Program,
    /// What is wrong with the text, whatever is made of it.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether some of it could not be read.
    broken: bool,
    /// Whether more than a verdict is asked for: values and where they come
    /// from, documentation, memory, cost, expected losses.
    pub details: bool,
    /// Pipelines that a sweep of the file varies, as the sweeps name them.
    varied: HashSet<String>,
    losses: check::Losses,
}

/// What one pipeline came to.
pub struct One {
    /// What was wrong in it, without what it allows.
    pub diagnostics: Vec<Diagnostic>,
    /// The run, where nothing was wrong and the data is known.
    pub plan: Option<Plan>,
    /// Every value that could be resolved, also where there is no plan.
    pub values: Vec<Resolved>,
    /// The pipeline, merged, where one could be chosen.
    pub effective: Option<Effective>,
}

impl Text {
    /// Reads a file. `None` where it cannot be read, which is reported.
    pub fn load(
        request: &Request,
        world: &dyn World,
        map: &mut SourceMap,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Text> {
        let name = request.path.display().to_string();
        let text = match world.read(&request.path) {
            Ok(text) => text,
            Err(e) => {
                diagnostics.push(
                    Diagnostic::error(
                        Code::FILE,
                        format!("`{name}` cannot be read: {}", e.message),
                    )
                    .maybe_help(e.help),
                );
                return None;
            }
        };
        let Some(file) = map.add(name, text) else {
            diagnostics.push(Diagnostic::error(
                Code::FILE,
                "the file is larger than 4 GiB",
            ));
            return None;
        };
        let mut found = Vec::new();
        let program = program::load(world, map, file, &request.path, &mut found);
        let sweeps = program.root().into_iter().flat_map(|r| r.sweeps.values());
        let varied = sweeps.map(|s| map.text(s.of.span).to_owned()).collect();
        Some(Text {
            varied,
            losses: check::Losses::default(),
            details: true,
            file,
            program,
            broken: found.iter().any(|d| d.severity == Severity::Error),
            diagnostics: found,
        })
    }

    /// Names of the file's own pipelines.
    pub fn pipelines(&self) -> Vec<String> {
        let root = self.program.root();
        root.map(|r| r.pipelines.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// The file's sweeps, unrolled; what is wrong with them is added.
    pub fn sweeps(&mut self, map: &SourceMap) -> Vec<Sweep> {
        let trees = self
            .program
            .root()
            .into_iter()
            .flat_map(|r| r.sweeps.values());
        let mut found = Vec::new();
        let sweeps = trees
            .filter_map(|tree| sweep::unroll(map, &self.program, tree, &mut found))
            .collect();
        self.diagnostics.extend(found);
        sweeps
    }

    /// `--set` arguments as texts of the map.
    pub fn sets(&self, texts: &[String], map: &mut SourceMap) -> Vec<Set> {
        texts
            .iter()
            .filter_map(|s| {
                let file: FileId = map.add("--set", s.as_str())?;
                Some(Set::Text(file, s.clone()))
            })
            .collect()
    }

    /// Merges and checks the pipeline that the request names.
    pub fn one(&self, request: &Request, world: &dyn World, map: &SourceMap, sets: &[Set]) -> One {
        let mut found = Vec::new();
        let effective = merge::effective(
            map,
            &self.program,
            request.pipeline.as_deref(),
            sets,
            self.broken,
            &mut found,
        );
        let Some(effective) = effective else {
            return One {
                diagnostics: found,
                plan: None,
                values: Vec::new(),
                effective: None,
            };
        };
        let source = check::Source {
            map,
            effective: &effective,
            program: &self.program,
            demand: request.demand,
            details: self.details,
            losses: &self.losses,
        };
        let Checked {
            plan,
            values,
            diagnostics,
        } = check::check(source, world, self.broken || effective.orphan);
        found.extend(diagnostics);
        if let (Some(plan), Some(memory)) = (&plan, request.memory) {
            let request = Request {
                memory: None,
                ..request.clone()
            };
            let with = |changes: &[String]| {
                let mut map = map.clone();
                let mut sets = sets.to_vec();
                sets.extend(self.sets(changes, &mut map));
                let one = self.one(&request, world, &map, &sets);
                Some(one.plan?.estimate)
            };
            found.extend(memory::judge(plan, memory, map, with));
        }
        let varied = !sets.is_empty() || self.varied.contains(&effective.name.name);
        allow::judge(&effective, &mut found, plan.is_some() && !varied);
        One {
            diagnostics: found,
            plan,
            values,
            effective: Some(effective),
        }
    }
}

impl One {
    /// Diagnostics of the file without what the pipeline allows.
    pub fn allowed(&self, mut of_file: Vec<Diagnostic>) -> Vec<Diagnostic> {
        if let Some(effective) = &self.effective
            && !effective.allow.is_empty()
        {
            of_file.retain(|d| !allow::covers(&effective.allow, d));
        }
        of_file
    }
}
