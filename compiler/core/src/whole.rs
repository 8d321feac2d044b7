//! A whole file: every pipeline, and every variant of every sweep before the
//! first one runs.

use std::hash::{DefaultHasher, Hash, Hasher};

use ssl_diagnostics::{Code, Diagnostic, Lint, Severity, SourceMap, Span};
use ssl_plan::{Plan, Recipe};

use crate::sweep::{Sweep, Variant};
use crate::table::{HashMap, HashSet, IndexMap};
use crate::text::Text;
use crate::{Request, World, in_order};

/// What a whole file came to.
#[derive(Debug)]
pub struct Whole {
    /// Every text that was read.
    pub map: SourceMap,
    /// What was wrong, in order of place.
    pub diagnostics: Vec<Diagnostic>,
    /// Each pipeline that was checked, and its run, where nothing was wrong
    /// with it and the data is known.
    pub pipelines: Vec<(String, Option<Plan>)>,
    /// The file's sweeps, unrolled.
    pub sweeps: Vec<Sweep>,
}

impl Whole {
    /// Whether anything was wrong enough to stop.
    pub fn failed(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error)
    }
}

/// Checks every pipeline of a file with every variant of its sweeps, or the one
/// pipeline that the request names.
pub fn check_file(request: &Request, world: &dyn World) -> Whole {
    let mut out = Whole {
        map: SourceMap::new(),
        diagnostics: Vec::new(),
        pipelines: Vec::new(),
        sweeps: Vec::new(),
    };
    let Some(mut text) = Text::load(request, world, &mut out.map, &mut out.diagnostics) else {
        return out;
    };
    text.details = request.memory.is_some();
    let names = text.pipelines();
    let sweeps = text.sweeps(&out.map);
    let sets = text.sets(&request.set, &mut out.map);
    let mut of_file = std::mem::take(&mut text.diagnostics);
    let chosen: Vec<Option<String>> = match &request.pipeline {
        None if !names.is_empty() => names.into_iter().map(Some).collect(),
        one => vec![one.clone()],
    };
    let mut request = request.clone();
    let all = request.pipeline.is_none();
    for name in chosen {
        request.pipeline.clone_from(&name);
        let one = text.one(&request, world, &out.map, &sets);
        of_file = one.allowed(of_file);
        let failed = one
            .diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error);
        out.diagnostics.extend(one.diagnostics);
        if let Some(name) = name {
            out.pipelines.push((name, one.plan.filter(|_| !failed)));
        }
    }
    let broken = of_file.iter().any(|d| d.severity == Severity::Error);
    out.diagnostics.extend(of_file);
    if all {
        let mut known: HashSet<Diagnostic> = out.diagnostics.iter().cloned().collect();
        for sweep in &sweeps {
            request.pipeline = Some(sweep.of.clone());
            let found = variants(sweep, &text, &request, world, &out.map, &known);
            known.extend(found.iter().cloned());
            out.diagnostics.extend(found);
        }
        out.sweeps = sweeps;
    }
    if broken {
        out.pipelines.iter_mut().for_each(|p| p.1 = None);
    }
    in_order(&mut out.diagnostics);
    out
}

/// What is wrong in the variants of a sweep and not in the pipeline itself.
fn variants(
    sweep: &Sweep,
    text: &Text,
    request: &Request,
    world: &dyn World,
    map: &SourceMap,
    known: &HashSet<Diagnostic>,
) -> Vec<Diagnostic> {
    // What is wrong, and in how many more variants.
    let mut found: IndexMap<(Code, String, Option<Span>), (Diagnostic, usize)> =
        IndexMap::default();
    let mut runs = Vec::new();
    let mut recipes = Vec::new();
    let mut last = None;
    for variant in &sweep.variants {
        let mut one = text.one(request, world, map, &sweep.sets(variant));
        let recipe = one.plan.take().map(|plan| plan.recipe);
        runs.push(recipe.map(|recipe| match sweep.variants.len() {
            ..=FEW => index(&mut recipes, recipe),
            _ => hash(&recipe),
        }));
        for diagnostic in &one.diagnostics {
            if known.contains(diagnostic) {
                continue;
            }
            let named = named(diagnostic.clone(), sweep, variant);
            found
                .entry((named.code, named.message.clone(), named.span()))
                .and_modify(|(_, others)| *others += 1)
                .or_insert((named, 0));
        }
        last = Some(one);
    }
    let said = found.into_values().map(|(mut d, others)| {
        if others > 0
            && let Some(last) = d.labels.last_mut()
        {
            let s = if others == 1 { "" } else { "s" };
            last.text = format!("{}, and {others} other variant{s}", last.text);
        }
        d
    });
    let mut out: Vec<Diagnostic> = said.collect();
    if out.iter().all(|d| d.severity != Severity::Error) {
        let repeated = repetitions(sweep, &runs);
        out.extend(last.map_or(Vec::new(), |one| one.allowed(repeated)));
    }
    out
}

/// Up to so many recipes are told apart by comparing them.
const FEW: usize = 32;

/// Which of several recipes it is; a new one is added.
fn index(recipes: &mut Vec<Recipe>, recipe: Recipe) -> u64 {
    let known = recipes.iter().position(|r| *r == recipe);
    known.unwrap_or_else(|| {
        recipes.push(recipe);
        recipes.len() - 1
    }) as u64
}

fn hash(recipe: &Recipe) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{recipe:?}").hash(&mut hasher);
    hasher.finish()
}

/// A diagnostic that says in which variant it is.
fn named(mut diagnostic: Diagnostic, sweep: &Sweep, variant: &Variant) -> Diagnostic {
    let text = variant.set.join(", ");
    let at = variant.picks.last().and_then(|p| place(sweep, p));
    let here = format!("in the variant `{text}`");
    match (at, diagnostic.labels.first_mut()) {
        (Some(at), Some(first)) if first.span == at => {
            let said = if first.text.is_empty() { "" } else { ", " };
            first.text = format!("{}{said}{here}", first.text);
        }
        (Some(at), _) => diagnostic = diagnostic.at(at, here),
        (None, _) => {}
    }
    diagnostic
}

/// Where a value of a sweep stands.
fn place(sweep: &Sweep, (axis, value): &(usize, usize)) -> Option<Span> {
    Some(sweep.axes.get(*axis)?.values.get(*value)?.0.span)
}

/// Axes and variants that give the same run, by a number for each recipe.
fn repetitions(sweep: &Sweep, runs: &[Option<u64>]) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let all: Vec<(&Variant, u64)> = sweep
        .variants
        .iter()
        .zip(runs)
        .filter_map(|(v, run)| Some((v, (*run)?)))
        .collect();
    if all.len() < sweep.variants.len() {
        return out;
    }
    let mut idle = Vec::new();
    for (i, axis) in sweep.axes.iter().enumerate() {
        if !has_effect(&all, i) {
            idle.push(i);
            out.push(
                Diagnostic::lint(
                    Lint::VARY_WITHOUT_EFFECT,
                    format!("all runs of the sweep `{}` are the same here", sweep.name),
                )
                .at(axis.span, "nothing that runs depends on this value")
                .help("remove the line, or use the value in what is computed"),
            );
        }
    }
    let mut first: HashMap<u64, &Variant> = HashMap::default();
    for (variant, run) in &all {
        // The pipeline as it is stands for comparison, and one value of an
        // ablation is usually its own.
        if variant.picks.is_empty() || variant.picks.iter().any(|(a, _)| idle.contains(a)) {
            continue;
        }
        let Some(other) = first.get(run) else {
            first.insert(*run, variant);
            continue;
        };
        let differing = variant
            .picks
            .iter()
            .rev()
            .find(|p| !other.picks.contains(p));
        let Some(at) = differing.and_then(|p| place(sweep, p)) else {
            continue;
        };
        out.push(
            Diagnostic::lint(
                Lint::DUPLICATE_VARIANT,
                format!(
                    "the variants `{}` and `{}` are the same run",
                    other.set.join(", "),
                    variant.set.join(", ")
                ),
            )
            .at(at, "would be run again")
            .help("remove one of them"),
        );
    }
    out
}

/// Whether two runs that differ in nothing else than an axis are different.
fn has_effect(all: &[(&Variant, u64)], axis: usize) -> bool {
    let base = all.iter().any(|(v, _)| v.picks.is_empty());
    let values: HashSet<usize> = all
        .iter()
        .flat_map(|(v, _)| v.picks.iter().filter(|(a, _)| *a == axis).map(|p| p.1))
        .collect();
    // One value beside nothing is an override.
    if !base && values.len() < 2 {
        return true;
    }
    let mut groups: HashMap<Vec<(usize, usize)>, HashSet<u64>> = HashMap::default();
    for (variant, run) in all {
        let others = variant.picks.iter().filter(|(a, _)| *a != axis).copied();
        groups.entry(others.collect()).or_default().insert(*run);
    }
    let zipped = groups.values().all(|g| g.len() == 1)
        && all.iter().all(|(v, _)| v.picks.len() > 1)
        && groups.len() == all.len();
    zipped || groups.values().any(|g| g.len() > 1)
}
