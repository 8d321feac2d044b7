//! Texts that nobody means well with: the parser ends, soon, without a panic,
//! and every place that it names lies in the text.

#[path = "../../../tests/support/trees.rs"]
mod trees;

use std::time::{Duration, Instant};

use ssl_diagnostics::{Code, SourceMap};
use ssl_syntax::Parsed;
use trees::{file, parse};

const MOCOV3: &str = include_str!("files/mocov3.ssl");
const LOSSES: &str = include_str!("files/losses.ssl");

/// Every span of the tree, the trivia and the diagnostics lies in the file, on
/// char boundaries.
fn assert_spans(map: &SourceMap, parsed: &Parsed, text: &str) {
    let base = map.files()[1].base as usize;
    let shown = format!(
        "{:?}{:?}{:?}",
        parsed.file, parsed.trivia, parsed.diagnostics
    );
    for span in shown.split("Span { start: ").skip(1) {
        let (start, rest) = span.split_once(", end: ").unwrap();
        let end: usize = rest[..rest.find(' ').unwrap()].parse().unwrap();
        let start: usize = start.parse().unwrap();
        assert!(base <= start && start <= end, "{start}..{end} in {text:?}");
        assert!(
            text.get(start - base..end - base).is_some(),
            "{start}..{end} in {text:?}"
        );
    }
    for diagnostic in &parsed.diagnostics {
        assert!(!diagnostic.labels.is_empty(), "{diagnostic:?}");
    }
}

fn soon(text: &str) -> Parsed {
    let start = Instant::now();
    let (map, parsed) = parse(text);
    let taken = start.elapsed();
    assert!(
        taken < Duration::from_secs(4),
        "{taken:?} for {} bytes",
        text.len()
    );
    assert_spans(&map, &parsed, text);
    parsed
}

#[test]
fn nesting_is_bounded_and_named() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("f(a: ", ")"),
        ("a {\n", "}\n"),
        ("(", ""),
        ("[", ")"),
    ] {
        for depth in [60, 100, 10_000] {
            let text = format!(
                "pipeline p {{\n  x = {}1{}\n  y = 2\n}}\npipeline q {{ z = 3 }}\n",
                open.repeat(depth),
                close.repeat(depth)
            );
            let parsed = soon(&text);
            let deep = parsed
                .diagnostics
                .iter()
                .filter(|d| d.code == Code::NESTING)
                .count();
            assert_eq!(deep, usize::from(depth > 60), "{open} {depth}");
            let tree = file(&parsed.file);
            assert!(
                tree.ends_with("pipeline q { z = 3 }\n"),
                "{open} {depth}: {tree}"
            );
        }
    }
    for chain in [
        "1 + ",
        "a -> ",
        "-",
        "for a in ",
        "a then ",
        "a.b >> ",
        "f(",
        "x.",
        "1 2 ",
    ] {
        let text = format!(
            "pipeline p {{\n  x = {}1\n  y = 2\n}}\n",
            chain.repeat(20_000)
        );
        let parsed = soon(&text);
        assert!(!parsed.diagnostics.is_empty(), "{chain}");
        assert!(file(&parsed.file).ends_with("y = 2 }\n"), "{chain}");
    }
    // What is within the bounds is neither cut nor reported.
    let text = format!("pipeline p {{ x = {}1 }}", "1 + ".repeat(250));
    assert_eq!(soon(&text).diagnostics, []);
}

#[test]
fn large_texts_take_linear_time() {
    let times = 11_000 / MOCOV3.lines().count() + 1;
    let parsed = soon(&MOCOV3.repeat(times));
    assert_eq!(parsed.diagnostics, []);
    assert_eq!(parsed.file.items.len(), 3 * times);
    for line in [
        "  lr 3 = (\n",
        "  a.b: 3 x\n",
        "}\n",
        "{\n",
        "  a {\n",
        "  f(a,\n",
        "# x\n",
        "/*\n",
        "\"\n",
        "lorem ipsum { dolor\n",
        "pipeline p {\n",
        "/// doc\n",
        "\n",
        "'a' 'b\n",
        "\0\u{1}\n",
    ] {
        soon(&format!("pipeline p {{\n{}", line.repeat(11_000)));
    }
}

#[test]
fn odd_bytes_are_no_obstacle() {
    for text in [
        "", "\n", " ", "\u{feff}", "\r", "\0", "🎉", "//", "///", "\"", "\\", "}", "{",
    ] {
        soon(text);
    }
    let text = MOCOV3.replace('\n', "\r\n");
    let parsed = soon(&text);
    assert_eq!(parsed.diagnostics, []);
    let (_, unix) = parse(MOCOV3);
    assert_eq!(file(&parsed.file), file(&unix.file));
    let parsed = soon(&format!("\u{feff}{MOCOV3}"));
    assert_eq!(parsed.diagnostics, []);
    // NULs, as in UTF-16, are reported once; the tree is still there.
    let text = MOCOV3.replacen("batch  =", "batch\0\0 =\0", 1);
    let parsed = soon(&text);
    assert_eq!(parsed.diagnostics.len(), 1, "{:?}", parsed.diagnostics);
    assert_eq!(file(&parsed.file), file(&unix.file));
    let text = "pipeline p {\n  a = \"🎉 \u{202e}\" // 🎉\n  b = 🎉\n  c = 1\n}";
    let parsed = soon(text);
    assert_eq!(parsed.diagnostics.len(), 1, "{:?}", parsed.diagnostics);
    assert!(file(&parsed.file).contains("c = 1"));
}

/// A line of nonsense is one error on its line, and costs that line alone.
#[test]
fn a_bad_line_costs_itself() {
    let lines: Vec<&str> = MOCOV3.lines().collect();
    let (_, whole) = parse(MOCOV3);
    let whole = file(&whole.file).matches("; ").count();
    let mut tried = 0;
    for (i, line) in lines.iter().enumerate() {
        let plain = line.trim();
        if plain.is_empty() || plain.starts_with("//") || plain.contains(['{', '}']) {
            continue;
        }
        let mut broken = lines.clone();
        broken[i] = "    @@ ?? !!";
        let (map, parsed) = parse(&(broken.join("\n") + "\n"));
        let places: Vec<usize> = parsed
            .diagnostics
            .iter()
            .map(|d| map.place(d.span().unwrap()).unwrap().1)
            .collect();
        assert_eq!(places, [i + 1], "{plain}: {:?}", parsed.diagnostics);
        let left = file(&parsed.file);
        assert!(left.matches("; ").count() + 1 >= whole, "{plain}: {left}");
        assert_eq!(parsed.file.items.len(), 3, "{plain}");
        tried += 1;
    }
    assert!(tried > 35, "{tried}");
}

/// One lost bracket or quote is one error on a line that has to do with it,
/// and no definition is lost.
#[test]
fn a_lost_bracket_is_one_error() {
    let (mut several, mut all) = (0, 0);
    for text in [MOCOV3, LOSSES] {
        let (_, whole) = parse(text);
        for (i, c) in text.char_indices() {
            let line = text[..i].matches('\n').count() + 1;
            let code = text
                .lines()
                .nth(line - 1)
                .unwrap()
                .split("//")
                .next()
                .unwrap();
            let column = i - text[..i].rfind('\n').map_or(0, |n| n + 1);
            if !"{}()[]\"".contains(c) || column >= code.len() {
                continue;
            }
            let mut broken = text.to_owned();
            broken.remove(i);
            let (map, parsed) = parse(&broken);
            assert_spans(&map, &parsed, &broken);
            let told: Vec<String> = parsed
                .diagnostics
                .iter()
                .map(|d| format!("{} {}", map.place(d.span().unwrap()).unwrap().1, d.message))
                .collect();
            several += usize::from(told.len() > 1);
            all += 1;
            assert!(
                (1..=4).contains(&told.len()),
                "`{c}` of line {line}: {told:?}"
            );
            // A function whose head is broken is left out.
            let lost = usize::from(code.starts_with("fn ") && told.len() == 1);
            let left = parsed.file.items.len() + lost;
            assert!(
                left >= whole.file.items.len(),
                "`{c}` of line {line}: {told:?}"
            );
        }
    }
    assert!(
        several * 20 < all,
        "{several} of {all} were told as several"
    );
}
