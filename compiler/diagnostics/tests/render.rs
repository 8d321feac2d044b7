//! What users and programs see of a diagnostic.

use ssl_diagnostics::{
    Code, Diagnostic, Fix, Look, SourceMap, Span, render_human, render_human_as, render_json,
    render_short,
};

/// The span of `needle` in the file that was added `file`-th.
fn span(map: &SourceMap, file: usize, needle: &str) -> Span {
    let file = &map.files()[file];
    let at = file.text.find(needle).unwrap() as u32 + file.base;
    Span::new(at, at + needle.len() as u32)
}

fn two_files() -> (SourceMap, Vec<Diagnostic>) {
    let mut map = SourceMap::new();
    map.add("lib.ssl", "pipeline base {\n  data { batch = 8 }\n}\n");
    map.add(
        "mine.ssl",
        "// mein Übungslauf\npipeline mine extends base {\n  dada.batch = 16\n  data.batch = 4 px",
    );
    let one = Diagnostic::error(
        Code::OVERRIDE_NOTHING,
        "`dada.batch` is not in `base`".to_owned(),
    )
    .at(span(&map, 1, "dada"), "no such section")
    .at(span(&map, 0, "data {"), "did you mean this")
    .help("write `data.batch`")
    .fix(Fix::maybe("rename", span(&map, 1, "dada"), "data"));
    let two = Diagnostic::warning(Code::UNIT, "a batch is a number")
        .at(span(&map, 1, "px"), "not pixels");
    (map, vec![two.clone(), one, two])
}

#[test]
fn human_shows_each_label_in_its_file_and_the_named_place_first() {
    let (map, diagnostics) = two_files();
    let shown = render_human(&map, &diagnostics, false);
    let expected = "\
error[ssl::E0202]

  × `dada.batch` is not in `base`
   ╭─[mine.ssl:3:3]
 2 │ pipeline mine extends base {
 3 │   dada.batch = 16
   ·   ──┬─
   ·     ╰── no such section
 4 │   data.batch = 4 px
   ╰────
   ╭─[lib.ssl:2:3]
 1 │ pipeline base {
 2 │   data { batch = 8 }
   ·   ───┬──
   ·      ╰── did you mean this
 3 │ }
   ╰────
  help: write `data.batch`

warning[ssl::E0302]

  ⚠ a batch is a number
   ╭─[mine.ssl:4:18]
 3 │   dada.batch = 16
 4 │   data.batch = 4 px
   ·                  ─┬
   ·                   ╰── not pixels
   ╰────

";
    assert_eq!(shown, expected);
    assert!(!shown.contains('\u{1b}'));
    assert!(render_human(&map, &diagnostics, true).contains("\u{1b}["));
    let ascii = render_human_as(
        &map,
        &diagnostics,
        Look {
            unicode: false,
            ..Look::default()
        },
    );
    assert!(ascii.is_ascii(), "{ascii}");
}

#[test]
fn short_is_one_place_a_line() {
    let (map, diagnostics) = two_files();
    assert_eq!(
        render_short(&map, &diagnostics),
        "mine.ssl:3:3: error[ssl::E0202]: `dada.batch` is not in `base`\n    \
         help: write `data.batch`\n\
         mine.ssl:4:18: warning[ssl::E0302]: a batch is a number\n"
    );
}

#[test]
fn json_is_one_valid_object_a_line_with_local_places() {
    let (map, diagnostics) = two_files();
    let lines: Vec<serde_json::Value> = render_json(&map, &diagnostics)
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["code"], "ssl::E0202");
    assert_eq!(lines[0]["severity"], "error");
    assert_eq!(lines[0]["help"], "write `data.batch`");
    let label = &lines[0]["labels"][0];
    let text = &map.files()[1].text;
    let start = label["start"].as_u64().unwrap() as usize;
    let end = label["end"].as_u64().unwrap() as usize;
    assert_eq!(&text[start..end], "dada");
    assert_eq!(label["file"], "mine.ssl");
    assert_eq!(
        (label["line"].as_u64(), label["column"].as_u64()),
        (Some(3), Some(3))
    );
    assert_eq!(label["end_column"], 7);
    assert_eq!(lines[0]["labels"][1]["file"], "lib.ssl");
    assert_eq!(lines[0]["fixes"][0]["edits"][0]["replacement"], "data");
    assert_eq!(lines[0]["fixes"][0]["certain"], false);
    assert_eq!(lines[1]["help"], serde_json::Value::Null);
}

/// Every span of a nasty text can be shown, nothing in it reaches the
/// terminal as a command, and a long line or label does not flood it.
#[test]
fn no_text_breaks_the_renderers() {
    let long = format!("é{}\n", "x = 1 + 2 ".repeat(5_000));
    for text in [
        "",
        "\n",
        "a",
        "\u{feff}a = 1\r\nb = \"é\u{1b}[31m\u{202e}🎉\"\r\n\0\u{7f}\u{9b}2J\n\n",
        long.as_str(),
        &"a {\n".repeat(300),
    ] {
        let mut map = SourceMap::new();
        map.add("evil\u{1b}[2J.ssl", text);
        let file = &map.files()[0];
        let ends: Vec<u32> = (0..=text.len())
            .filter(|i| text.is_char_boundary(*i))
            .map(|i| i as u32)
            .collect();
        let near = ends.iter().take(60).chain(ends.iter().rev().take(60));
        let near: Vec<u32> = near.copied().collect();
        for &start in &near {
            for &end in near.iter().filter(|e| **e >= start) {
                let span = Span::new(file.base + start, file.base + end);
                let d = Diagnostic::error(Code::SYNTAX, "bad \u{1b}[0m").at(span, "here\u{1b}[1m");
                let d = [d];
                let shown = render_human(&map, &d, false);
                assert!(shown.contains("here?[1m"), "{start}..{end}: {shown}");
                assert!(
                    shown.len() < 12_000,
                    "{} bytes for {start}..{end}",
                    shown.len()
                );
                assert!(!shown.contains(['\u{1b}', '\0', '\u{202e}', '\u{9b}']));
                assert!(!render_short(&map, &d).contains('\u{1b}'));
                serde_json::from_str::<serde_json::Value>(&render_json(&map, &d)).unwrap();
            }
        }
    }
}
