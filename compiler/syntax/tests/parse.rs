//! Whole files.

use ssl_diagnostics::SourceMap;
use ssl_syntax::{Parsed, parse_file};

fn parse(text: &str) -> Parsed {
    let mut map = SourceMap::new();
    let id = map.add("test.ssl", text).unwrap();
    parse_file(&map, id)
}

#[test]
fn examples_parse_without_diagnostics() {
    for text in [
        include_str!("files/mocov3.ssl"),
        include_str!("files/short.ssl"),
        include_str!("files/losses.ssl"),
    ] {
        let parsed = parse(text);
        assert_eq!(parsed.diagnostics, [], "{text}");
    }
}
