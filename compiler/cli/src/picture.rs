//! Pictures in a terminal that shows them: the protocols of kitty and iTerm2,
//! and sixels.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use icy_sixel::SixelImage;

/// How a terminal takes pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// <https://sw.kovidgoyal.net/kitty/graphics-protocol/>
    Kitty,
    /// <https://iterm2.com/documentation-images.html>
    Iterm,
    /// <https://vt100.net/docs/vt3xx-gp/chapter14.html>, 256 colours
    Sixel,
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
    if ["iTerm.app", "WezTerm", "vscode"].contains(&program.as_str()) {
        return Some(Protocol::Iterm);
    }
    let sixel = ["foot", "mlterm", "contour"];
    (sixel.iter().any(|name| term.starts_with(name))
        || program == "mintty"
        || variable("WT_SESSION").is_some())
    .then_some(Protocol::Sixel)
}

/// The characters that show a PNG file; none where it cannot be brought to the
/// form.
pub fn inline(protocol: Protocol, png: &[u8]) -> Option<String> {
    let text = STANDARD.encode(png);
    Some(match protocol {
        Protocol::Sixel => sixel(png)?,
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
    })
}

/// A PNG file of 8-bit RGB as sixels.
fn sixel(png: &[u8]) -> Option<String> {
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let frame = reader.next_frame(&mut pixels).ok()?;
    if (frame.color_type, frame.bit_depth) != (png::ColorType::Rgb, png::BitDepth::Eight) {
        return None;
    }
    let (pixels, _) = pixels.as_chunks::<3>();
    let opaque = pixels.iter().flat_map(|[r, g, b]| [*r, *g, *b, 255]);
    let (width, height) = (frame.width as usize, frame.height as usize);
    let image = SixelImage::try_from_rgba(opaque.collect(), width, height).ok()?;
    Some(image.encode().ok()? + "\n")
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
        assert_eq!(with(&[("TERM", "foot-extra")]), Some(Protocol::Sixel));
        assert_eq!(with(&[("TERM", "xterm-256color")]), None);
        assert_eq!(with(&[("TERM", "xterm-kitty"), ("TMUX", "/tmp/x")]), None);
    }

    #[test]
    fn sixels_are_the_picture() {
        let pixels: Vec<u8> = (0..20u8)
            .flat_map(|y| (0..30u8).flat_map(move |x| [x / 10 * 100, y / 10 * 200, 50]))
            .collect();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 30, 20);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&pixels).unwrap();
        writer.finish().unwrap();
        let sent = inline(Protocol::Sixel, &file).unwrap();
        assert!(sent.starts_with("\x1bP") && sent.ends_with("\x1b\\\n"));
        let back = SixelImage::decode(sent.trim_end().as_bytes()).unwrap();
        // Sixels are six high.
        assert_eq!((back.width, back.height), (30, 24));
        let (back, _) = back.pixels.as_chunks::<4>();
        let (pixels, _) = pixels.as_chunks::<3>();
        for (sent, pixel) in back.iter().zip(pixels) {
            // Sixels count colours in hundredths.
            assert!(sent.iter().zip(pixel).all(|(a, b)| a.abs_diff(*b) <= 4));
        }
        assert_eq!(inline(Protocol::Sixel, b"no picture"), None);
    }

    #[test]
    fn a_picture_goes_in_parts_that_join_to_the_file() {
        let png: Vec<u8> = (0..10_000u32).map(|n| n as u8).collect();
        let sent = inline(Protocol::Kitty, &png).unwrap();
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
