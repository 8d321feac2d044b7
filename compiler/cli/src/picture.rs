//! Pictures in a terminal that shows them: the protocols of kitty and iTerm2.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How a terminal takes pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// <https://sw.kovidgoyal.net/kitty/graphics-protocol/>
    Kitty,
    /// <https://iterm2.com/documentation-images.html>
    Iterm,
}

/// What the terminal says of itself; none within a multiplexer, which would
/// not pass the picture on.
pub fn protocol() -> Option<Protocol> {
    known(&|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
}

fn known(variable: &dyn Fn(&str) -> Option<String>) -> Option<Protocol> {
    let term = variable("TERM").unwrap_or_default();
    if variable("TMUX").is_some() || term.starts_with("screen") || term.starts_with("tmux") {
        return None;
    }
    let program = variable("TERM_PROGRAM").unwrap_or_default();
    if variable("KITTY_WINDOW_ID").is_some()
        || variable("KONSOLE_VERSION").is_some()
        || ["xterm-kitty", "xterm-ghostty"].contains(&term.as_str())
        || program == "ghostty"
    {
        return Some(Protocol::Kitty);
    }
    ["iTerm.app", "WezTerm", "vscode"]
        .contains(&program.as_str())
        .then_some(Protocol::Iterm)
}

/// The characters that show a PNG file.
pub fn inline(protocol: Protocol, png: &[u8]) -> String {
    let text = STANDARD.encode(png);
    match protocol {
        Protocol::Iterm => format!(
            "\x1b]1337;File=inline=1;size={};preserveAspectRatio=1:{text}\x07\n",
            png.len()
        ),
        Protocol::Kitty => {
            // At most 4,096 characters at once; the first part says what comes.
            let parts: Vec<&[u8]> = text.as_bytes().chunks(4096).collect();
            let mut out = String::new();
            for (n, part) in parts.iter().enumerate() {
                let what = if n == 0 { "a=T,f=100," } else { "" };
                let more = u8::from(n + 1 < parts.len());
                let part = String::from_utf8_lossy(part);
                out += &format!("\x1b_G{what}m={more};{part}\x1b\\");
            }
            out + "\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_told_apart() {
        let with = |set: &[(&str, &str)]| {
            known(&|name| {
                let found = set.iter().find(|(n, _)| *n == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(with(&[("TERM", "xterm-kitty")]), Some(Protocol::Kitty));
        assert_eq!(with(&[("TERM_PROGRAM", "WezTerm")]), Some(Protocol::Iterm));
        assert_eq!(with(&[("TERM", "xterm-256color")]), None);
        assert_eq!(with(&[("TERM", "xterm-kitty"), ("TMUX", "/tmp/x")]), None);
    }

    #[test]
    fn a_picture_goes_in_parts_that_join_to_the_file() {
        let png: Vec<u8> = (0..10_000u32).map(|n| n as u8).collect();
        let sent = inline(Protocol::Kitty, &png);
        let parts: Vec<&str> = sent
            .trim_end()
            .split("\x1b\\")
            .filter(|p| !p.is_empty())
            .collect();
        assert_eq!(parts.len(), 4);
        assert!(parts[0].starts_with("\x1b_Ga=T,f=100,m=1;") && parts[3].starts_with("\x1b_Gm=0;"));
        let text: String = parts
            .iter()
            .filter_map(|p| p.split_once(';'))
            .map(|p| p.1)
            .collect();
        assert_eq!(STANDARD.decode(text).unwrap(), png);
    }
}
