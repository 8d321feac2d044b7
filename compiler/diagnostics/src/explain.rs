//! The pages that explain the codes: Markdown, one file for each code, with
//! snippets that a test compiles.

use std::fmt::Write;

use crate::{CodeInfo, all_codes, all_lints, code_info, lint};

/// A fenced block of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// What stands behind the opening fence: `ssl,fails`.
    pub fence: &'static str,
    /// The lines between the fences.
    pub text: String,
}

/// The fenced blocks of a page, in order.
pub fn snippets(page: &'static str) -> Vec<Snippet> {
    let mut out = Vec::new();
    let mut open: Option<Snippet> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(fence), None) => {
                open = Some(Snippet {
                    fence,
                    text: String::new(),
                })
            }
            (Some(_), Some(_)) => out.extend(open.take()),
            (None, Some(snippet)) => {
                snippet.text.push_str(line);
                snippet.text.push('\n');
            }
            (None, None) => {}
        }
    }
    out
}

/// What is printed for a code, written as `E0203` or `ssl::E0203` in any case,
/// or for the name of a lint: its page. For none, the list of codes with their
/// titles; for `lints`, the list of those.
///
/// # Errors
///
/// There is no such code; the text says so and names the nearest.
pub fn explain(code: Option<&str>) -> Result<String, String> {
    let Some(code) = code else {
        return Ok(all_codes()
            .iter()
            .map(|i| format!("{}  {}\n", i.code.short(), i.title))
            .collect());
    };
    if code == "lints" {
        return Ok(all_lints()
            .iter()
            .map(|l| format!("{:22}{}  {}\n", l.name, l.code.short(), l.title))
            .collect());
    }
    let of_lint = lint(code).map_or(code, |l| l.code.short());
    if let Some(info) = code_info(of_lint) {
        return Ok(plain(info.page));
    }
    let help = match nearest(code) {
        Some(near) => format!("did you mean `{}`, {}?", near.code.short(), near.title),
        None => {
            "list the codes with `sslc explain`, the names of warnings with `sslc explain lints`"
                .to_owned()
        }
    };
    Err(format!(
        "error: there is no code `{code}`\n  help: {help}\n"
    ))
}

/// Markdown as it is, but for its title's mark, and for snippets, which are
/// indented by four in place of their fences.
pub(crate) fn plain(page: &str) -> String {
    let mut out = String::new();
    let mut fenced = false;
    for line in page.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let _ = match line.strip_prefix("# ") {
            _ if fenced && !line.is_empty() => writeln!(out, "    {line}"),
            Some(title) if !fenced => writeln!(out, "{title}"),
            _ => writeln!(out, "{line}"),
        };
    }
    out
}

/// The first paragraph of a page on one line; `None` where it has none.
pub(crate) fn summary(page: &str) -> Option<String> {
    let mut blocks = page.split("\n\n").map(str::trim);
    let text = blocks.find(|b| !b.is_empty() && !b.starts_with('#') && !b.starts_with("```"))?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The code that a wrong one was most likely meant to be; `None` where it
/// resembles none.
fn nearest(wrong: &str) -> Option<&'static CodeInfo> {
    let short = wrong
        .rsplit(':')
        .next()
        .unwrap_or(wrong)
        .to_ascii_uppercase();
    let number = |code: &str| code.trim_start_matches('E').parse::<u32>().ok();
    let wanted = number(&short);
    // Among equally few edits, the next number.
    let distance = |info: &CodeInfo| {
        let code = info.code.short();
        let gap = number(code)
            .zip(wanted)
            .map_or(u32::MAX, |(a, b)| a.abs_diff(b));
        (strsim::osa_distance(&short, code), gap)
    };
    all_codes()
        .iter()
        .map(|info| (distance(info), info))
        .filter(|((edits, _), _)| *edits <= 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, info)| info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_loses_its_fences_and_keeps_its_text() {
        let page = "# ssl::E0001: title\n\nText `code`.\n\n```ssl,fails\n# no title\n\nx {}\n```\n\nMore.\n";
        let text = "ssl::E0001: title\n\nText `code`.\n\n    # no title\n\n    x {}\n\nMore.\n";
        assert_eq!(plain(page), text);
    }

    #[test]
    fn every_spelling_of_a_code_finds_its_page() {
        for spelling in ["E0203", "e0203", "ssl::E0203", "SSL::e0203"] {
            let page = explain(Some(spelling)).expect("a known code");
            assert!(page.starts_with("ssl::E0203: pipelines extend each other"));
            assert!(page.contains("\n    pipeline ") && !page.contains("```"));
        }
        let list = explain(None).expect("the list");
        assert_eq!(list.lines().count(), all_codes().len());
        assert!(list.contains("\nE0203  pipelines extend each other in a circle\n"));
    }

    #[test]
    fn a_slip_finds_its_code_and_nonsense_finds_none() {
        let found = |wrong: &str| nearest(wrong).map(|i| i.code.short());
        assert_eq!(found("E203"), Some("E0203"));
        assert_eq!(found("203"), Some("E0203"));
        assert_eq!(found("ssl::e0320"), Some("E0302"));
        assert_eq!(found("E0209"), Some("E0207"));
        assert_eq!(found("E0410"), Some("E0401"));
        assert_eq!(found("collapse"), None);
        let slip = explain(Some("E203")).expect_err("no code");
        assert_eq!(
            slip,
            "error: there is no code `E203`\n  help: did you mean `E0203`, pipelines extend each other in a circle?\n"
        );
        let lints = explain(Some("lints")).expect("the list");
        assert!(lints.contains("unused_view           E0601  a view that nothing reads\n"));
        let page = explain(Some("unused_view")).expect("a lint");
        assert!(page.starts_with("ssl::E0601: "));
        let nonsense = explain(Some("")).expect_err("no code");
        assert!(nonsense.contains("list the codes with `sslc explain`"));
    }
}
