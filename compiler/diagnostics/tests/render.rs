//! What users and programs see of a diagnostic.

use ssl_diagnostics::{
    Code, Diagnostic, Fix, Look, SourceMap, Span, render_github, render_human, render_human_as,
    render_json, render_sarif, render_short,
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
  maybe: 3 -   dada.batch = 16
         3 +   data.batch = 16

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

/// The members that SARIF 2.1.0 requires, and those that readers show.
#[test]
fn sarif_says_where_why_and_how_to_mend() {
    let (map, mut diagnostics) = two_files();
    let again = diagnostics.clone();
    diagnostics[1]
        .fixes
        .push(Fix::certain("write `data`", span(&map, 1, "dada"), "data"));
    let text = render_sarif(&[(&map, &diagnostics), (&map, &again[..1])]);
    let log: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "sslc");
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2, "equal ones once: {text}");
    let (error, warning) = (&results[0], &results[1]);
    assert_eq!(
        (&error["ruleId"], &error["level"], &warning["level"]),
        (&"ssl::E0202".into(), &"error".into(), &"warning".into())
    );
    let rule = &run["tool"]["driver"]["rules"][error["ruleIndex"].as_u64().unwrap() as usize];
    assert_eq!(rule["id"], "ssl::E0202");
    assert_eq!(
        rule["shortDescription"]["text"],
        "an override or drop hits nothing"
    );
    assert!(rule["help"]["markdown"].as_str().unwrap().contains("```"));
    assert!(!rule["help"]["text"].as_str().unwrap().contains("```"));
    assert!(rule["fullDescription"]["text"].as_str().unwrap().len() > 40);
    assert_eq!(
        error["message"]["text"],
        "`dada.batch` is not in `base`\nhelp: write `data.batch`"
    );
    let place = &error["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "mine.ssl");
    let region = serde_json::json!(
        { "startLine": 3, "startColumn": 3, "endLine": 3, "endColumn": 7 });
    assert_eq!(place["region"], region);
    let related = &error["relatedLocations"][0];
    assert_eq!(
        related["physicalLocation"]["artifactLocation"]["uri"],
        "lib.ssl"
    );
    assert_eq!(related["message"]["text"], "did you mean this");
    // Only the certain one of the two.
    assert_eq!(error["fixes"].as_array().unwrap().len(), 1);
    let change = &error["fixes"][0]["artifactChanges"][0];
    assert_eq!(change["replacements"][0]["deletedRegion"], region);
    assert_eq!(change["replacements"][0]["insertedContent"]["text"], "data");
}

#[test]
fn sarif_takes_hostile_names_and_arguments() {
    let mut map = SourceMap::new();
    map.add("/tmp/a b%,é#?.ssl", "x");
    map.add("C:\\runs\\a.ssl", "x");
    map.add("--set", "data.batch={0}");
    let at = |file: usize| Span::new(map.files()[file].base, map.files()[file].base + 1);
    let d = [
        Diagnostic::error(Code::TYPE, "{0} and [see](file:///etc) {a}").at(at(0), ""),
        Diagnostic::error(Code::TYPE, "of [256, 64]").at(at(1), ""),
        Diagnostic::error(Code::TYPE, "set").at(at(2), ""),
    ];
    let log: serde_json::Value = serde_json::from_str(&render_sarif(&[(&map, &d)])).unwrap();
    let results = &log["runs"][0]["results"];
    assert_eq!(
        results[0]["message"]["text"],
        "{{0}} and \\[see\\](file:///etc) {{a}}"
    );
    assert_eq!(results[1]["message"]["text"], "of [256, 64]");
    let uri = |i: usize| {
        results[i]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone()
    };
    assert_eq!(uri(0), "file:///tmp/a%20b%25%2C%C3%A9%23%3F.ssl");
    assert_eq!(uri(1), "file:///C:/runs/a.ssl");
    assert_eq!(uri(2), serde_json::Value::Null);
    assert_eq!(
        results[2]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"],
        "--set data.batch={0}"
    );
}

#[test]
fn github_commands_cannot_be_broken_out_of() {
    let (map, diagnostics) = two_files();
    assert_eq!(
        render_github(&map, &diagnostics),
        "::error file=mine.ssl,line=3,col=3,endLine=3,endColumn=7,\
         title=ssl%3A%3AE0202%3A an override or drop hits nothing\
         ::`dada.batch` is not in `base`%0Ahelp: write `data.batch`\n\
         ::warning file=mine.ssl,line=4,col=18,endLine=4,endColumn=20,\
         title=ssl%3A%3AE0302%3A a quantity has the wrong unit::a batch is a number\n"
    );
    let mut map = SourceMap::new();
    map.add("a,line=9::error:\r\nb%.ssl", "one\ntwo\n");
    map.add("--set", "x");
    let d = [
        Diagnostic::error(Code::TYPE, "100%\r\n::set-output name=a::b").at(Span::new(0, 5), ""),
        Diagnostic::error(Code::TYPE, "set").at(Span::new(9 + 1, 10), ""),
    ];
    let shown = render_github(&map, &d);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(
        lines[0],
        "::error file=a%2Cline=9%3A%3Aerror%3A %0Ab%25.ssl,line=1,endLine=2,\
         title=ssl%3A%3AE0301%3A a value has the wrong type\
         ::100%25 %0A::set-output name=a::b",
        "columns are left out where the lines differ"
    );
    assert_eq!(lines.len(), 2);
    assert!(
        lines[1].ends_with("::--set: set") && !lines[1].contains("file="),
        "{shown}"
    );
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
                let sarif = render_sarif(&[(&map, &d)]);
                serde_json::from_str::<serde_json::Value>(&sarif).unwrap();
                assert!(!sarif.contains('\u{1b}') && !sarif.contains('\u{202e}'));
                let github = render_github(&map, &d);
                assert!(github.lines().count() == 1 && !github.contains('\u{1b}'));
            }
        }
    }
}

/// Labels at both ends of a line of a megabyte are shown one by one.
#[test]
fn labels_may_lie_far_apart_on_one_line() {
    let mut map = SourceMap::new();
    map.add("one.ssl", format!("( {}end", "x ".repeat(500_000)));
    let far = Diagnostic::error(Code::SYNTAX, "a bracket is not closed")
        .at(span(&map, 0, "end"), "the file ends here")
        .at(span(&map, 0, "("), "opened here");
    let shown = render_human(&map, &[far], false);
    assert!(
        shown.contains("the file ends here") && shown.contains("opened here"),
        "{shown}"
    );
    assert!(shown.len() < 12_000, "{} bytes", shown.len());
}
