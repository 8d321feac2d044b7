//! Does a run fit into a memory, and what would?
//!
//! Every suggestion is a plan of its own: the pipeline is compiled with the
//! change, and its estimate fits.

use ssl_diagnostics::{Code, Diagnostic, SourceMap, Span};
use ssl_plan::{Checkpointing, Estimate, Op, Origin, Plan, Precision};

/// An error where a plan takes more than the memory. `estimate` compiles the
/// pipeline with further `--set` arguments and says what that takes.
pub fn judge(
    plan: &Plan,
    memory: u64,
    map: &SourceMap,
    estimate: impl Fn(&[String]) -> Option<Estimate>,
) -> Option<Diagnostic> {
    let needed = most(&plan.estimate);
    if needed <= memory {
        return None;
    }
    let with = |changes: &[String]| estimate(changes).filter(|e| most(e) <= memory);
    let message = format!(
        "a step takes about {}, and {} are there",
        size(needed),
        size(memory)
    );
    let diagnostic = Diagnostic::error(Code::MEMORY, message).help(help(plan, with));
    let label = parts(&plan.estimate);
    Some(match place(map, plan, "data.batch") {
        Some(span) => diagnostic.at(span, label),
        None => diagnostic,
    })
}

/// What a step takes wherever it runs.
fn most(e: &Estimate) -> u64 {
    e.step_bytes.max(e.gpu_step_bytes)
}

/// The largest parts of a step's memory.
fn parts(e: &Estimate) -> String {
    let standing = e.weight_bytes + e.optimizer_bytes + e.state_bytes + e.batch_bytes;
    let mut all = [
        (
            most(e).saturating_sub(standing),
            "activations and gradients",
        ),
        (e.optimizer_bytes, "the optimizer"),
        (e.weight_bytes, "weights"),
        (e.state_bytes, "queues and banks"),
        (e.batch_bytes, "the batch itself"),
    ];
    all.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    let named: Vec<String> = all
        .iter()
        .take_while(|(bytes, _)| *bytes > most(e) / 50)
        .map(|(bytes, what)| format!("{what} {}", size(*bytes)))
        .collect();
    named.join(", ")
}

fn help(plan: &Plan, with: impl Fn(&[String]) -> Option<Estimate>) -> String {
    let batch = |n: usize| format!("data.batch={n}");
    let parts_of = |n: usize| format!("train.micro_batches={n}");
    let bf16 = "train.precision=bf16".to_owned();
    let blocks = "train.activation_checkpointing=blocks".to_owned();
    let bytes = |e: &Estimate| size(most(e));
    let more = |e: &Estimate| more(plan, e);
    let train = &plan.recipe.train;
    let wide = train.precision == Precision::Float32;
    let mut ways = Vec::new();
    let half = wide.then(|| with(std::slice::from_ref(&bf16))).flatten();
    if let Some(e) = &half {
        ways.push(format!("`--set {bf16}` takes {}", bytes(e)));
    }
    let whole = train.activation_checkpointing == Checkpointing::None
        && plan.recipe.step.by_block(&plan.recipe.nets).contains(&true);
    let again = (whole.then(|| with(std::slice::from_ref(&blocks)))).flatten();
    if let Some(e) = &again {
        ways.push(format!(
            "computing blocks again in the backward pass, `--set {blocks}`, {}{}",
            bytes(e),
            more(e)
        ));
    }
    let parts = fewest_parts(plan, |n| with(&[parts_of(n)]));
    if let Some((n, e)) = &parts {
        ways.push(format!(
            "in {n} parts one after the other, `--set {}`, {}{}",
            parts_of(*n),
            bytes(e),
            more(e)
        ));
    }
    if whole
        && again.is_none()
        && let Some((n, e)) = fewest_parts(plan, |n| with(&[blocks.clone(), parts_of(n)]))
        && parts.is_none_or(|(alone, _)| n < alone)
    {
        ways.push(format!(
            "both, in {n} parts, `--set {blocks} --set {}`, {}{}",
            parts_of(n),
            bytes(&e),
            more(&e)
        ));
    }
    if let Some((n, e)) = largest(plan, |n| with(&[batch(n)])) {
        ways.push(format!(
            "the largest batch that fits is {n}: `--set {}` takes {}",
            batch(n),
            bytes(&e)
        ));
    }
    if half.is_none()
        && wide
        && let Some((n, e)) = largest(plan, |n| with(&[batch(n), bf16.clone()]))
    {
        ways.push(format!(
            "in bfloat16 it is {n}: `--set {} --set {bf16}` takes {}",
            batch(n),
            bytes(&e)
        ));
    }
    if ways.is_empty() {
        return "no batch fits: take a smaller network, or views of fewer pixels".into();
    }
    ways.join("; ")
}

/// What a change costs beside memory.
fn more(plan: &Plan, changed: &Estimate) -> String {
    let work = changed.flops.total() / plan.estimate.flops.total();
    match ((work - 1.0) * 100.0).round() {
        percent if percent >= 1.0 => format!(" for {percent} % more work"),
        _ => String::new(),
    }
}

/// The fewest parts of the batch that fit one after the other, with what they
/// take; of two images at least.
fn fewest_parts(
    plan: &Plan,
    fits: impl Fn(usize) -> Option<Estimate>,
) -> Option<(usize, Estimate)> {
    let batch = plan.recipe.data.batch;
    let more = plan.recipe.train.micro_batches + 1;
    (more..=batch / 2)
        .filter(|n| batch.is_multiple_of(*n))
        .find_map(|n| Some((n, fits(n)?)))
}

/// The largest smaller batch that fits, with what it takes: a multiple of 64
/// or of 8 where there is one, and a part of every queue.
fn largest(plan: &Plan, fits: impl Fn(usize) -> Option<Estimate>) -> Option<(usize, Estimate)> {
    let queues: Vec<usize> = plan
        .recipe
        .step
        .nodes
        .iter()
        .filter_map(|n| match n.op {
            Op::Queue { length, .. } => Some(length),
            _ => None,
        })
        .collect();
    let whole = |n: &usize| queues.iter().all(|q| q.is_multiple_of(*n));
    let below = plan.recipe.data.batch;
    let search = |candidates: Vec<usize>| {
        let (mut low, mut high) = (0, candidates.len());
        let mut best = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let n = *candidates.get(middle)?;
            match fits(n) {
                Some(estimate) => {
                    best = Some((n, estimate));
                    low = middle + 1;
                }
                None => high = middle,
            }
        }
        best
    };
    let multiples = |unit: usize| {
        let all = (1..).map(|i| i * unit).skip_while(|n| *n < 2);
        search(all.take_while(|n| *n < below).filter(whole).collect())
    };
    [64, 8, 1].into_iter().find_map(multiples)
}

/// Where a value was set.
fn place(map: &SourceMap, plan: &Plan, path: &str) -> Option<Span> {
    let value = plan.values.iter().find(|v| v.path == path)?;
    let of = |name: &str, line: usize, column: usize, length: usize| {
        let file = map.files().iter().find(|f| *f.name == *name)?;
        let before: usize = file
            .text
            .split_inclusive('\n')
            .take(line - 1)
            .map(str::len)
            .sum();
        let rest = file.text.get(before..)?;
        let inside: usize = rest.chars().take(column - 1).map(char::len_utf8).sum();
        let start = file.base + u32::try_from(before + inside).ok()?;
        Some(Span {
            start,
            end: start + u32::try_from(length).ok()?,
        })
    };
    match &value.origin {
        Origin::File {
            file, line, column, ..
        } => of(file, *line, *column, value.value.len()),
        Origin::Set { text } => {
            let file = map.files().iter().find(|f| *f.text == **text)?;
            Some(Span {
                start: file.base,
                end: file.base + u32::try_from(file.text.len()).ok()?,
            })
        }
        _ => None,
    }
}

/// Bytes for a reader.
pub fn size(bytes: u64) -> String {
    let mut x = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if x < 1024.0 {
            return if unit == "B" {
                format!("{bytes} B")
            } else {
                format!("{x:.1} {unit}")
            };
        }
        x /= 1024.0;
    }
    format!("{x:.1} TiB")
}
