//! What every command promises to those who read it: programs, pipes,
//! terminals, shells.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{example, run, sslc};

fn copied(dir: &Path) {
    for name in ["mocov3_digits.ssl", "ablations_digits.ssl"] {
        std::fs::copy(example(name), dir.join(name)).expect("copied");
    }
    let text = std::fs::read_to_string(example("mocov3_digits.ssl")).expect("an example");
    let broken = text.replace("batch  = 240", "bacth  = 240");
    std::fs::write(dir.join("broken.ssl"), broken).expect("written");
}

/// Commands that print, with their exit codes.
const COMMANDS: &[(i32, &[&str])] = &[
    (0, &["--help"]),
    (0, &["--version"]),
    (0, &["help", "run"]),
    (0, &["check", "mocov3_digits.ssl"]),
    (0, &["plan", "mocov3_digits.ssl"]),
    (0, &["plan", "mocov3_digits.ssl", "--json"]),
    (0, &["graph", "mocov3_digits.ssl"]),
    (0, &["graph", "mocov3_digits.ssl", "--format", "dot"]),
    (0, &["data", "mocov3_digits.ssl", "--no-timing"]),
    (0, &["data", "mocov3_digits.ssl", "--no-timing", "--json"]),
    (0, &["emit", "ast", "mocov3_digits.ssl"]),
    (0, &["why", "mocov3_digits.ssl", "lr"]),
    (1, &["diff", "mocov3_digits.ssl", "ablations_digits.ssl"]),
    (0, &["explain"]),
    (0, &["explain", "E0203"]),
    (0, &["fmt", "--diff", "broken.ssl"]),
    (0, &["sweep", "ablations_digits.ssl", "--dry-run"]),
    (0, &["completions", "bash"]),
    (0, &["man"]),
    (1, &["check", "broken.ssl", "--message-format", "json"]),
    (1, &["check", "broken.ssl", "--message-format", "sarif"]),
];

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let dir = tempfile::tempdir().expect("a folder");
    copied(dir.path());
    for (code, args) in COMMANDS {
        let mut child = sslc(dir.path())
            .args(*args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        drop(child.stdout.take());
        let done = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(said, "", "{args:?}");
        assert_eq!(done.status.code(), Some(*code), "{args:?}");
    }
}

#[test]
fn exit_codes_say_what_happened() {
    let dir = tempfile::tempdir().expect("a folder");
    copied(dir.path());
    let at = dir.path();
    for (code, args) in COMMANDS {
        run(at, args).ends(*code);
    }
    for command in ["check", "plan", "graph", "run"] {
        run(at, &[command, "broken.ssl"]).ends(1);
        run(at, &[command, "nowhere.ssl"]).ends(1);
        run(at, &[command, "mocov3_digits.ssl", "--no-such-option"]).ends(2);
        run(at, &[command]).ends(2);
    }
    run(at, &["explain", "E9999"]).ends(2);
    run(at, &["man", "nothing"]).ends(2);
    run(at, &["completions", "tcsh"]).ends(2);
    run(at, &["sweep", "mocov3_digits.ssl"]).ends(1);
    run(at, &["sweep", "ablations_digits.ssl", "no_such"]).ends(2);
    run(
        at,
        &["graph", "mocov3_digits.ssl", "--out", "no/such/folder.svg"],
    )
    .ends(74)
    .says(&["`no/such/folder.svg` cannot be written: there is no such file"]);
    let diverges = [
        "run",
        "mocov3_digits.ssl",
        "--set",
        "optimizer.lr=1e30",
        "--set",
        "epochs=2",
    ];
    run(at, &diverges).ends(3).says(&["the loss is"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    copied(dir.path());
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("the device");
    let done = sslc(dir.path())
        .args(["plan", "mocov3_digits.ssl"])
        .stdout(full)
        .output()
        .expect("the binary runs");
    assert_eq!(done.status.code(), Some(74));
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(said.matches("standard output cannot be written").count(), 1);
}

#[test]
fn colour_is_what_was_asked_for() {
    let dir = tempfile::tempdir().expect("a folder");
    copied(dir.path());
    let coloured = |more: &[&str], variables: &[(&str, &str)]| {
        let mut command = sslc(dir.path());
        command.env_remove("NO_COLOR").args(["check", "broken.ssl"]);
        let done = command
            .args(more)
            .envs(variables.iter().copied())
            .output()
            .expect("the binary runs");
        done.stderr.contains(&0x1b)
    };
    assert!(!coloured(&[], &[]), "no terminal, no colour");
    assert!(coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[], &[("CLICOLOR_FORCE", "0")]));
    assert!(!coloured(
        &[],
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]
    ));
    assert!(coloured(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(!coloured(&["--color=never"], &[("CLICOLOR_FORCE", "1")]));
    // A usage error comes before all options are understood.
    assert!(coloured(&["--color=always", "--nonsense"], &[]));
}

#[test]
fn one_log_holds_all_pipelines_and_sweeps() {
    let dir = tempfile::tempdir().expect("a folder");
    copied(dir.path());
    let text = std::fs::read_to_string(dir.path().join("broken.ssl")).expect("a file");
    let more = "pipeline second extends mocov3_digits { train.epochs = 3 px }\n\
                sweep s of mocov3_digits { vary decay in [0, 7] }\n";
    std::fs::write(dir.path().join("broken.ssl"), text + more).expect("written");
    let done = run(
        dir.path(),
        &["check", "broken.ssl", "--message-format", "sarif"],
    );
    let log: Value = serde_json::from_str(&done.ends(1).text).expect("one JSON document");
    let results = log["runs"][0]["results"].as_array().expect("results");
    let of = |code: &str| results.iter().filter(|r| r["ruleId"] == code).count();
    assert_eq!(of("ssl::E0102"), 1, "what both pipelines have wrong, once");
    assert_eq!((of("ssl::E0302"), of("ssl::E0303")), (1, 1));
    let done = run(
        dir.path(),
        &["check", "broken.ssl", "--message-format", "github"],
    );
    let start = "::error file=broken.ssl,line=18,col=5,endLine=18,endColumn=10,title=ssl";
    assert!(done.text.contains(start), "{}", done.text);
    // A fine file gives a log too, and a plan is not mixed with diagnostics.
    let fine = run(
        dir.path(),
        &["check", "mocov3_digits.ssl", "--message-format", "sarif"],
    );
    let log: Value = serde_json::from_str(&fine.ends(0).text).expect("one JSON document");
    assert_eq!(log["runs"][0]["results"], serde_json::json!([]));
    let plan = sslc(dir.path())
        .args(["plan", "mocov3_digits.ssl", "--json"])
        .args(["--message-format", "sarif"])
        .output()
        .expect("the binary runs");
    for part in [plan.stdout, plan.stderr] {
        serde_json::from_slice::<Value>(&part).expect("one JSON document");
    }
}

#[test]
fn the_graph_says_where_gradients_run() {
    let dir = tempfile::tempdir().expect("a folder");
    copied(dir.path());
    let at = dir.path();
    let dot = run(at, &["graph", "mocov3_digits.ssl", "--format", "dot"])
        .ends(0)
        .text
        .clone();
    let id = |text: &str| {
        let line = dot
            .lines()
            .find(|l| l.contains(&format!("[label=\"{text}")));
        line.and_then(|l| l.trim().split(' ').next())
            .unwrap_or_else(|| panic!("no `{text}` in {dot}"))
            .to_owned()
    };
    let edge = |from: &str, to: &str, solid: bool| {
        let start = format!("  {from} -> {to} ");
        let line = dot.lines().find(|l| l.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("no {from} -> {to} in {dot}"));
        assert_eq!(!line.contains("dashed"), solid, "{line}");
    };
    edge(&id("view a"), &id("encoder"), false);
    edge(&id("encoder"), &id("predictor"), true);
    edge(&id("predictor"), &id("info_nce"), true);
    edge(&id("info_nce"), &id("+"), true);
    edge(&id("+"), &id("minimize"), true);
    edge(&id("feature_std"), &id("track feature_std"), false);
    let averages = dot.lines().filter(|l| l.contains("momentum\\n"));
    let averages: Vec<&str> = averages
        .filter_map(|l| l.trim().split(' ').next())
        .collect();
    assert_eq!(averages.len(), 2);
    for line in dot
        .lines()
        .filter(|l| averages.iter().any(|n| l.contains(&format!("{n} ->"))))
    {
        assert!(
            line.contains("dashed") && line.contains("k ⊣ stopgrad"),
            "{line}"
        );
    }
    // 30 operations of the loss are two boxes.
    assert_eq!(
        dot.matches("[label=\"info_nce\\ntemperature 0.2\"").count(),
        2
    );
    assert!(!dot.contains("log_softmax"));

    let svg = run(at, &["graph", "mocov3_digits.ssl", "--out", "a.svg"]);
    svg.ends(0).says(&["wrote `a.svg`"]);
    let svg = std::fs::read_to_string(at.join("a.svg")).expect("a picture");
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("prefers-color-scheme:dark"));
    assert!(svg.contains("trained, 462,656 parameters, and 1,920 frozen"));
    // The name of the file says what is wanted, and a variant is drawn as one.
    let set = ["--set", "encoder.backbone.patch_projection=trained"];
    let args = ["graph", "mocov3_digits.ssl", "--out", "b.gv"];
    run(at, &[&args[..], &set].concat()).ends(0);
    let gv = std::fs::read_to_string(at.join("b.gv")).expect("a picture");
    assert!(
        gv.starts_with("digraph") && gv.contains("trained, 463,488 parameters"),
        "{gv}"
    );
}

/// Runs bash's own completion on the words, the last one unfinished.
fn tab(dir: &Path, words: &[&str]) -> Option<Vec<String>> {
    let script = format!(
        "{}\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$(($#-1)); COMP_TYPE=9\n\
         _clap_complete_sslc sslc \"${{COMP_WORDS[COMP_CWORD]}}\" x\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        run(dir, &["completions", "bash"]).ends(0).text
    );
    let bin = Path::new(env!("CARGO_BIN_EXE_sslc")).parent()?;
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").ok()?);
    let done = Command::new("bash")
        .args(["-c", &script, "bash"])
        .args(words)
        .current_dir(dir)
        .env("PATH", path)
        .output()
        .ok()?;
    assert_eq!(String::from_utf8_lossy(&done.stderr), "", "{words:?}");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    Some(
        text.lines()
            .map(str::to_owned)
            .filter(|l| !l.is_empty())
            .collect(),
    )
}

#[test]
fn a_shell_knows_the_names_of_the_file() {
    let dir = tempfile::tempdir().expect("a folder");
    copied(dir.path());
    let two = "use \"mocov3_digits.ssl\" as d\n\
               pipeline short extends d.mocov3_digits { train.epochs = 2 }\n\
               pipeline shorter extends short { train.epochs = 1 }\n";
    std::fs::write(dir.path().join("my two.ssl"), two).expect("written");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(dir.path(), &["completions", shell]);
        script.ends(0).says(&["SSLC_COMPLETE", "sslc"]);
    }
    let Some(commands) = tab(dir.path(), &["sslc", "ch"]) else {
        return; // No bash here.
    };
    assert_eq!(commands, ["check"]);
    let tab = |words: &[&str]| tab(dir.path(), words).unwrap_or_default();
    assert_eq!(
        tab(&["sslc", "plan", "my two.ssl", "--pipeline", "sho"]),
        ["short", "shorter"]
    );
    assert_eq!(
        tab(&["sslc", "plan", "mocov3_digits.ssl", "--set", "train.ep"]),
        ["train.epochs="]
    );
    // The end of a path, as the compiler takes it.
    assert_eq!(
        tab(&["sslc", "plan", "mocov3_digits.ssl", "--set", "depth"]),
        ["encoder.backbone.depth="]
    );
    assert_eq!(
        tab(&["sslc", "why", "mocov3_digits.ssl", "encoder.backbone.de"]),
        ["encoder.backbone.depth"]
    );
    assert_eq!(
        tab(&["sslc", "sweep", "ablations_digits.ssl", "ab"]),
        ["ablations"]
    );
    assert_eq!(tab(&["sslc", "explain", "e020"])[0], "E0201");
    assert!(tab(&["sslc", "check", "my"]).contains(&"my two.ssl".to_owned()));
    // Nothing to offer, nothing to say.
    assert!(tab(&["sslc", "plan", "nowhere.ssl", "--pipeline", "x"]).is_empty());
    assert!(tab(&["sslc", "plan", "broken.ssl", "--set", "tr"]).is_empty());
}

#[test]
fn every_command_has_its_manual_page() {
    let dir = tempfile::tempdir().expect("a folder");
    run(dir.path(), &["man", "--out", "pages"]).ends(0);
    let help = run(dir.path(), &["--help"]).text;
    let listed = help.lines().skip_while(|l| *l != "Commands:").skip(1);
    let names = listed.map_while(|l| l.split_whitespace().next());
    let mut pages = 0;
    for name in names.filter(|n| *n != "help") {
        let page = dir.path().join(format!("pages/sslc-{name}.1"));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|_| panic!("no page of {name}"));
        assert!(
            text.contains(".SH \"EXIT STATUS\"") && text.contains(".SH SYNOPSIS"),
            "{text}"
        );
        pages += 1;
    }
    assert!(pages > 8, "{help}");
    let main = std::fs::read_to_string(dir.path().join("pages/sslc.1")).expect("a page");
    assert!(
        main.contains("sslc\\-check(1)") && main.contains("NO_COLOR"),
        "{main}"
    );
}

#[test]
fn the_data_is_shown_timed_and_packed() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    copied(at);
    let file = "mocov3_digits.ssl";
    let shown = run(at, &["preview", file, "--sample", "3", "--out", "v.png"]);
    shown.ends(0);
    let bytes = std::fs::read(at.join("v.png")).expect("a picture");
    let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info();
    let reader = reader.expect("a PNG file");
    // The original and the two views, in cells of 96 pixels.
    assert_eq!(reader.info().width, 8 + 3 * 104);

    let told = run(at, &["data", file, "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told.text).expect("JSON");
    assert_eq!(told["splits"][0]["images"], 1200);
    assert_eq!(told["splits"][1]["images"], 597);
    assert!(told["throughput"][0]["images_per_second"].as_f64() > Some(0.0));
    assert!(told["suggested_workers"].as_u64() >= Some(1));

    let packed = run(
        at,
        &["pack", file, "--out", "p", "--decoded", "--shard", "500"],
    );
    packed.ends(0);
    let names = ["train-000002.tar", "test-000001.tar", "pack.json"];
    assert!(names.iter().all(|name| at.join("p").join(name).is_file()));
    let again = run(at, &["pack", file, "--out", "p"]);
    again.ends(74);
    let bare = run(at, &["preview", "."]);
    assert_ne!(bare.code, 0);
}
