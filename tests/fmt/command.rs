//! `sslc fmt` on files, folders and standard input.

#[path = "../support/mod.rs"]
mod support;

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use support::{Done, run, sslc};

const ROUGH: &str = "pipeline p {\r\n a=1\r\n   long = 2 // c\r\n}";
const NEAT: &str = "pipeline p {\n  a    = 1\n  long = 2  // c\n}\n";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    dir
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).expect("readable")
}

fn piped(dir: &Path, args: &[&str], text: &[u8]) -> Done {
    let mut child = sslc(dir)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(text).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends").into()
}

#[test]
fn files_and_folders_are_rewritten_in_place() {
    let dir = folder(&[
        ("a.ssl", ROUGH),
        ("sub/b.ssl", ROUGH),
        ("sub/neat.ssl", NEAT),
        ("sub/c.txt", ROUGH),
        ("sub/.hidden/d.ssl", ROUGH),
        ("named.txt", ROUGH),
    ]);
    let done = run(dir.path(), &["fmt", "a.ssl", "sub", "named.txt"]);
    assert_eq!(
        done.ends(0).text,
        "formatted a.ssl\nformatted sub/b.ssl\nformatted named.txt\n"
    );
    for name in ["a.ssl", "sub/b.ssl", "sub/neat.ssl", "named.txt"] {
        assert_eq!(read(dir.path(), name), NEAT, "{name}");
    }
    for name in ["sub/c.txt", "sub/.hidden/d.ssl"] {
        assert_eq!(read(dir.path(), name), ROUGH, "{name}");
    }
    let done = run(dir.path(), &["fmt", "a.ssl", "sub"]);
    assert_eq!(done.ends(0).text, "");
    // Nothing of the writing is left behind.
    assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 3);
}

#[test]
fn check_and_diff_write_nothing() {
    let dir = folder(&[("a.ssl", ROUGH), ("b.ssl", NEAT)]);
    let done = run(dir.path(), &["fmt", "--check", "."]);
    assert_eq!(done.ends(1).text, "would format ./a.ssl\n");
    let done = run(dir.path(), &["fmt", "--check", "b.ssl"]);
    assert_eq!(done.ends(0).text, "");
    let text = NEAT.replace("  a    = 1", "  a = 1");
    std::fs::write(dir.path().join("a.ssl"), &text).expect("written");
    let diff = "--- a.ssl\n+++ a.ssl\n@@ -1,4 +1,4 @@\n pipeline p {\n-  a = 1\n+  a    = 1\n   long = 2  // c\n }\n";
    assert_eq!(
        run(dir.path(), &["fmt", "--diff", "a.ssl"]).ends(0).text,
        diff
    );
    let done = run(dir.path(), &["fmt", "--diff", "--check", "a.ssl", "b.ssl"]);
    assert_eq!(done.ends(1).text, diff);
    assert_eq!(read(dir.path(), "a.ssl"), text);
}

#[test]
fn standard_input_goes_to_standard_output() {
    let dir = folder(&[]);
    let done = piped(dir.path(), &["fmt", "-"], ROUGH.as_bytes());
    assert_eq!(done.ends(0).text, NEAT);
    let done = piped(dir.path(), &["fmt", "--check", "-"], ROUGH.as_bytes());
    assert_eq!(done.ends(1).text, "would format <stdin>\n");
    piped(dir.path(), &["fmt", "-"], b"\xff\xfe")
        .ends(1)
        .says(&["standard input cannot be read"]);
    let done = piped(dir.path(), &["fmt", "-"], b"pipeline p {\n a=1\n @@\n}\n");
    done.ends(1).says(&["<stdin>:3:2", "ssl::E0001"]);
    assert!(
        done.text.starts_with("pipeline p {\n  a = 1\n @@\n}\n"),
        "{}",
        done.text
    );
}

#[test]
fn what_cannot_be_formatted_is_said_and_the_rest_goes_on() {
    let dir = folder(&[("a.ssl", "pipeline p {\n a=1\n @@\n}\n"), ("b.ssl", ROUGH)]);
    std::fs::write(dir.path().join("c.ssl"), b"x = \xff").expect("written");
    run(
        dir.path(),
        &["fmt", "a.ssl", "absent.ssl", "c.ssl", "b.ssl"],
    )
    .ends(1)
    .says(&[
        "a.ssl:3:2",
        "formatted a.ssl",
        "`absent.ssl` cannot be read: there is no such file",
        "`c.ssl` cannot be read: it is no UTF-8 text (byte 4)",
        "formatted b.ssl",
    ]);
    assert_eq!(read(dir.path(), "a.ssl"), "pipeline p {\n  a = 1\n @@\n}\n");
    assert_eq!(read(dir.path(), "b.ssl"), NEAT);
}

#[cfg(unix)]
#[test]
fn permissions_and_links_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = folder(&[("real/a.ssl", ROUGH), ("b.ssl", ROUGH)]);
    let mode = |name: &str| {
        let path = dir.path().join(name);
        path.metadata().expect("there").permissions().mode() & 0o777
    };
    let set = |name: &str, mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(dir.path().join(name), permissions).expect("set");
    };
    set("real/a.ssl", 0o640);
    set("b.ssl", 0o444);
    symlink("real/a.ssl", dir.path().join("link.ssl")).expect("linked");
    run(dir.path(), &["fmt", "link.ssl"]).ends(0);
    assert!(dir.path().join("link.ssl").is_symlink());
    assert_eq!(
        (read(dir.path(), "real/a.ssl").as_str(), mode("real/a.ssl")),
        (NEAT, 0o640)
    );
    // A file that is not to be written is not written.
    run(dir.path(), &["fmt", "b.ssl"])
        .ends(74)
        .says(&["`b.ssl` cannot be written: permission denied"]);
    assert_eq!(
        (read(dir.path(), "b.ssl").as_str(), mode("b.ssl")),
        (ROUGH, 0o444)
    );
}
