//! A run that is cut short, by whatever, and goes on, computes what a run in
//! one piece computes: bit for bit on the CPU.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;
use ssl_engine::judge::{Evaluation, When};
use ssl_engine::run::files::{Disk, Files, Fill};
use ssl_engine::session::StepDone;
use ssl_engine::{EngineError, Observer, Options, Outcome, Session, weights};
use ssl_plan::{Bound, Curve, Plan, Schedule};

use crate::plans::{digits, masked, remembering};

/// Two epochs of MoCo v3: ten steps, a checkpoint every three.
fn plan() -> Plan {
    let mut plan = digits(2, 3);
    plan.recipe.train.checkpoint_every = 3;
    plan
}

fn options(out: &Path) -> Options {
    let mut options = Options::new(out, "by hand");
    options.device = ssl_engine::DeviceChoice::Cpu;
    options
}

fn resumed(out: &Path) -> Options {
    let mut options = options(out);
    options.resume = true;
    options.workers = 1;
    options
}

fn run(plan: &Plan, options: Options) -> Result<Outcome, EngineError> {
    Session::new(plan.clone(), options)?.run(&mut ())
}

fn finish(plan: &Plan, options: Options) {
    let outcome = run(plan, options).unwrap();
    assert!(matches!(outcome, Outcome::Finished(_)), "{outcome:?}");
}

/// Asks a run to stop once so many steps are done.
struct StopAfter(usize, Arc<AtomicBool>);

impl Observer for StopAfter {
    fn step(&mut self, step: &StepDone) {
        if step.step + 1 == self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

fn interrupt(plan: &Plan, options: Options, after: usize) -> PathBuf {
    let mut stop = StopAfter(after, options.stop.clone());
    let session = Session::new(plan.clone(), options).unwrap();
    match session.run(&mut stop).unwrap() {
        Outcome::Interrupted { step, checkpoint } => {
            assert_eq!(step, after);
            checkpoint
        }
        other => panic!("{other:?}"),
    }
}

/// All that a finished run computed: the last set's tensors byte for byte, the
/// weights, and the metrics without the times.
fn results(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut results = BTreeMap::new();
    let sets = out.join("checkpoints");
    for name in ["nets", "optimizer", "step", "monitors"] {
        let file = sets.join(format!("step-000010/{name}.safetensors"));
        results.insert(format!("last {name}"), fs::read(file).unwrap());
    }
    for entry in fs::read_dir(out.join("weights")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        results.insert(name, fs::read(path).unwrap());
    }
    let metrics: Vec<String> = metrics(out)
        .into_iter()
        .map(|mut line| {
            line.as_object_mut().unwrap().remove("images_per_second");
            line.to_string()
        })
        .collect();
    results.insert("metrics".into(), metrics.join("\n").into_bytes());
    results
}

fn metrics(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[track_caller]
fn assert_same(found: &Path, expected: &BTreeMap<String, Vec<u8>>) {
    let found = results(found);
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    for (name, content) in &found {
        assert!(content == &expected[name], "{name} differs");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What every way of resuming is compared with.
fn in_one_piece() -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    finish(&plan(), options(folder.path()));
    let out = folder.path();
    assert_eq!(
        names(&out.join("checkpoints")),
        ["step-000009", "step-000010"]
    );
    let curve = fs::read_to_string(out.join("curve.svg")).unwrap();
    assert!(curve.starts_with("<svg") && curve.contains("kNN accuracy"));
    let report: Value =
        serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    assert!(report["after"][0]["accuracy"].as_f64().unwrap() > 0.3);
    let lines = metrics(out);
    let losses: Vec<f64> = lines
        .iter()
        .filter_map(|line| line["loss"].as_f64())
        .collect();
    assert_eq!(losses.len(), 10);
    assert!(losses[9] < losses[0], "{losses:?}");
    results(out)
}

#[test]
fn a_resumed_run_equals_one_in_one_piece() {
    let expected = in_one_piece();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");

    // Twice interrupted, once between two checkpoints and once on one.
    interrupt(&plan(), options(&out), 4);
    let checkpoint = interrupt(&plan(), resumed(&out), 6);
    assert_eq!(checkpoint, out.join("checkpoints/step-000006"));

    // As a kill -9 in the middle of the next one leaves it.
    let metrics = out.join("metrics.jsonl");
    let text = fs::read_to_string(&metrics).unwrap();
    let cut = r#"{"kind":"step","step":6,"epoch":1.2,"lo"#;
    fs::write(&metrics, format!("{text}{cut}")).unwrap();
    let half = out.join("checkpoints/.step-000009.tmp");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("nets.safetensors"), "half").unwrap();

    finish(&plan(), resumed(&out));
    assert_same(&out, &expected);
    assert_eq!(
        names(&out.join("checkpoints")),
        ["step-000009", "step-000010"]
    );

    // A finished run that is resumed judges again, and no line is double.
    finish(&plan(), resumed(&out));
    assert_same(&out, &expected);

    // It does not start over by accident.
    let error = run(&plan(), options(&out)).unwrap_err();
    assert!(matches!(error, EngineError::Occupied(_)), "{error}");
    assert!(error.to_string().contains("--resume"), "{error}");

    // Damage to the newest set: told, set aside, and the one before is used.
    let newest = out.join("checkpoints/step-000010/optimizer.safetensors");
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newest, bytes).unwrap();
    let mut notes = Notes::default();
    let session = Session::new(plan(), resumed(&out)).unwrap();
    session.run(&mut notes).unwrap();
    assert_eq!(notes.next_step, 9);
    assert!(notes.text.contains("damaged") && notes.text.contains("optimizer.safetensors"));
    assert_same(&out, &expected);
    let left = ["damaged-step-000010", "step-000009", "step-000010"];
    assert_eq!(names(&out.join("checkpoints")), left);

    // Damage to all: nothing is started over what can still be rescued.
    for set in &left[1..] {
        fs::write(out.join("checkpoints").join(set).join("state.json"), "{}").unwrap();
    }
    let error = run(&plan(), resumed(&out)).unwrap_err();
    assert!(matches!(error, EngineError::AllDamaged { .. }), "{error}");
    assert_eq!(names(&out.join("checkpoints")), left);
}

/// Queues, running means and random masks go on as if nothing had been: they
/// are in the checkpoint, or a function of the step.
#[test]
fn what_steps_hand_on_is_resumed() {
    for plan in [remembering(2, 3), masked(2, 3)] {
        let whole = tempfile::tempdir().unwrap();
        finish(&plan, options(whole.path()));
        let expected = results(whole.path());
        let losses: Vec<f64> = metrics(whole.path())
            .iter()
            .filter_map(|line| line["loss"].as_f64())
            .collect();
        assert_eq!(losses.len(), 10);
        assert!(losses.iter().all(|loss| loss.is_finite()));

        let folder = tempfile::tempdir().unwrap();
        interrupt(&plan, options(folder.path()), 2);
        interrupt(&plan, resumed(folder.path()), 5);
        finish(&plan, resumed(folder.path()));
        assert_same(folder.path(), &expected);
    }
}

/// The queue is in the checkpoint: without it a run would end elsewhere.
#[test]
fn a_checkpoint_holds_the_queue_and_the_mean() {
    let folder = tempfile::tempdir().unwrap();
    let set = interrupt(&remembering(2, 3), options(folder.path()), 4);
    let held = weights::read(&set.join("step.safetensors")).unwrap();
    let shapes: Vec<&[usize]> = held.iter().map(|tensor| &tensor.shape[..]).collect();
    assert_eq!(shapes, [&[720, 128], &[1, 128]]);
    let row = &held[0].data[..128];
    let square: f32 = row.iter().map(|x| x * x).sum();
    assert!((square - 1.0).abs() < 1e-4, "{square}");
    assert!(held[1].data.iter().any(|x| *x != 0.0));
}

/// A loss that cannot be is told of once: while the run goes, not again after
/// it was resumed, and in its report.
#[test]
fn a_loss_lower_than_possible_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan();
    plan.recipe.train.log_every = 1;
    // That of a hundred times the images: what a run has that lost some.
    plan.expected.least = Some(Bound {
        value: Schedule::constant(4.0 * 0.2 * 24000_f64.ln()),
        exact: false,
    });
    interrupt(&plan, options(folder.path()), 4);
    let told = |line: &str| line.contains("lower than possible: negatives are missing");
    let metrics = || fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
    let told_before = metrics().lines().filter(|l| told(l)).count();
    let mut notes = Notes::default();
    let session = Session::new(plan, resumed(folder.path())).unwrap();
    session.run(&mut notes).unwrap();
    assert_eq!(told_before, 1, "{}", metrics());
    assert_eq!(metrics().lines().filter(|l| told(l)).count(), 1);
    assert!(!told(&notes.text), "{}", notes.text);
    let report = fs::read_to_string(folder.path().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let said = report["notes"].as_array().unwrap();
    assert!(
        said.len() == 1 && told(said[0].as_str().unwrap()),
        "{said:?}"
    );
}

#[derive(Default)]
struct Notes {
    text: String,
    next_step: usize,
    evaluations: Vec<When>,
}

impl Observer for Notes {
    fn started(&mut self, start: &ssl_engine::session::Start) {
        self.next_step = start.next_step;
    }
    fn note(&mut self, text: &str) {
        self.text += text;
    }
    fn evaluation(&mut self, when: When, _: &Evaluation) {
        self.evaluations.push(when);
    }
}

/// Stopped before the first step: the networks are judged when the run goes
/// on, once.
#[test]
fn a_stop_before_the_first_step_is_resumed_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan();
    plan.recipe.train.steps = 2;
    let mut first = options(folder.path());
    first.stop = Arc::new(AtomicBool::new(true));
    let outcome = run(&plan, first).unwrap();
    assert!(
        matches!(outcome, Outcome::Interrupted { step: 0, .. }),
        "{outcome:?}"
    );
    let mut notes = Notes::default();
    let session = Session::new(plan, resumed(folder.path())).unwrap();
    session.run(&mut notes).unwrap();
    assert_eq!(notes.evaluations, [When::Before, When::After]);
}

#[test]
fn another_recipe_is_refused_by_its_first_differing_field() {
    let folder = tempfile::tempdir().unwrap();
    interrupt(&plan(), options(folder.path()), 1);
    let before = names(&folder.path().join("checkpoints"));
    let mut other = plan();
    let rate = &mut other.recipe.train.optimizer.lr.segments[1];
    rate.curve = Curve::Cosine { from: 0.5, to: 0.0 };
    let error = run(&other, resumed(folder.path())).unwrap_err();
    let EngineError::OtherRecipe { difference, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(
        difference.field,
        "train.optimizer.lr.segments[1].curve.from"
    );
    assert_eq!(difference.asked, "`0.5`");
    assert_eq!(difference.saved, "`0.001875`");
    assert_eq!(names(&folder.path().join("checkpoints")), before);

    // What is no part of the recipe may differ.
    let mut renamed = plan();
    renamed.pipeline = "another name".into();
    interrupt(&renamed, resumed(folder.path()), 2);
}

#[test]
fn a_run_directory_serves_one_run_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = Session::new(plan(), options(folder.path())).unwrap();
    let Err(error) = Session::new(plan(), resumed(folder.path())) else {
        panic!("two runs in one directory");
    };
    assert!(matches!(error, EngineError::Locked(_)), "{error}");
    drop(first);
    Session::new(plan(), resumed(folder.path())).unwrap();
}

/// A disk that is full from the `after`th write on.
struct Full {
    after: usize,
    writes: AtomicUsize,
}

impl Files for Full {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir(path)
    }
    fn write(&self, path: &Path, fill: &mut Fill<'_>) -> io::Result<()> {
        if self.writes.fetch_add(1, Ordering::Relaxed) < self.after {
            return Disk.write(path, fill);
        }
        // Half of it fits.
        let mut content = Vec::new();
        fill(&mut content)?;
        fs::write(path, &content[..content.len() / 2])?;
        Err(io::ErrorKind::StorageFull.into())
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        Disk.sync_dir(path)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Disk.read(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        Disk.list(path)
    }
}

/// The disk fills up while the second checkpoint is written, at each of its
/// files: the first stays, nothing half is left, the error says where to go on
/// from, and going on ends where an untroubled run ends.
#[test]
fn a_full_disk_loses_nothing_that_was_saved() {
    let expected = in_one_piece();
    // Source, plan and metrics are three writes, a set is seven.
    for after in 10..17 {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let mut full = options(out);
        let writes = AtomicUsize::new(0);
        full.files = Box::new(Full { after, writes });
        let error = run(&plan(), full).unwrap_err();
        assert!(error.is_disk_full(), "{error}");
        let good = out.join("checkpoints/step-000003");
        match &error {
            EngineError::Checkpoint {
                step: 6, last_good, ..
            } => {
                assert_eq!(last_good.as_ref(), Some(&good));
            }
            other => panic!("{other}"),
        }
        let text = error.to_string();
        assert!(
            text.contains("step-000003") && text.contains("--resume"),
            "{text}"
        );
        assert_eq!(names(&out.join("checkpoints")), ["step-000003"]);
        if after == 13 {
            finish(&plan(), resumed(out));
            assert_same(out, &expected);
        }
    }
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan();
    plan.recipe.train.checkpoint_every = 1;
    // The rate explodes once a checkpoint is there.
    for segment in &mut plan.recipe.train.optimizer.lr.segments {
        segment.curve = Curve::Linear {
            from: 0.0,
            to: 1e38,
        };
    }
    let error = run(&plan, options(folder.path())).unwrap_err();
    let EngineError::NonFinite {
        step, last_good, ..
    } = &error
    else {
        panic!("{error}");
    };
    let newest = folder.path().join(format!("checkpoints/step-{step:06}"));
    assert_eq!(last_good.as_ref(), Some(&newest), "{error}");
    assert!(newest.is_dir());
}
