//! Python pickles, read and never executed.
//!
//! A pickle is a program for a small machine with a stack. What it calls is
//! never called; but a hostile one can also be long without end, deep enough to
//! exhaust a stack, or repeat a part of itself until memory is gone. So its
//! instructions are counted before any of them is followed.

use std::collections::HashMap;

use serde_pickle::{DeOptions, Value, value_from_slice};

/// Most instructions. Those of CIFAR-100's 50,000 images are a quarter of a
/// million.
const MOST: usize = 4_000_000;
/// Most instructions that make or fill a container: a list of numbers is
/// written in pieces of a thousand.
const MOST_CONTAINERS: usize = 1024;
/// Most repetitions of a container.
const MOST_REPEATED: usize = 8;
/// Most bytes of a number that is written in digits.
const MOST_DIGITS: usize = 4096;

/// The value of a pickle. Objects are reduced to the state that they were
/// stored with.
pub(super) fn read(bytes: &[u8]) -> Result<Value, String> {
    measure(bytes)?;
    let options = DeOptions::new()
        .keep_restore_state()
        .replace_unresolved_globals();
    value_from_slice(bytes, options).map_err(|error| format!("it cannot be read: {error}"))
}

/// What an instruction takes behind its own byte.
enum Operand {
    /// So many bytes.
    Fixed(usize),
    /// Lines.
    Lines(usize),
    /// A length of so many bytes, and as many bytes as it says.
    Prefixed(usize),
}

/// An error where a pickle would take more than its length warrants. What is
/// no pickle is told by who reads it.
fn measure(bytes: &[u8]) -> Result<(), String> {
    let hostile = |what: &str| {
        Err(format!(
            "it {what}, as no data set does; it may be made to do harm, fetch it from its authors"
        ))
    };
    let mut rest = bytes;
    let (mut containers, mut repeated, mut copied) = (0, 0, 0usize);
    // Bytes of what lies on top of the stack, none for a container; and what
    // was put aside.
    let mut top = Some(0);
    let mut aside: HashMap<u64, Option<usize>> = HashMap::new();
    for _ in 0..MOST {
        let Some((code, behind)) = rest.split_first() else {
            return Ok(());
        };
        let Some((operand, behind)) = operand(*code).and_then(|kind| take(kind, behind)) else {
            return Ok(());
        };
        rest = behind;
        match code {
            b'.' => return Ok(()),
            // Python's own pickler never doubles the top.
            b'2' => return hostile("doubles a value"),
            b'p' | b'q' | b'r' => {
                aside.insert(id(*code, operand), top);
            }
            0x94 => {
                aside.insert(aside.len() as u64, top);
            }
            b'g' | b'h' | b'j' => match aside.get(&id(*code, operand)) {
                Some(Some(length)) => {
                    copied = copied.saturating_add(*length);
                    top = Some(*length);
                }
                _ => {
                    repeated += 1;
                    top = None;
                }
            },
            b'I' | b'L' | b'F' if operand.len() > MOST_DIGITS => {
                return hostile("holds a number of thousands of digits");
            }
            _ if CONTAINERS.contains(code) => {
                containers += 1;
                top = None;
            }
            _ => top = Some(operand.len()),
        }
        if containers > MOST_CONTAINERS {
            return hostile("nests or splits its lists without measure");
        }
        if repeated > MOST_REPEATED || copied > bytes.len() {
            return hostile("repeats itself without measure");
        }
    }
    hostile("has millions of instructions")
}

/// Marks, tuples, lists, dictionaries, sets, and what calls or builds objects.
const CONTAINERS: [u8; 22] = [
    b'(', b')', b't', 0x85, 0x86, 0x87, b']', b'l', b'e', b'}', b'd', b'u', 0x8F, 0x90, 0x91, b'R',
    b'b', b'o', b'i', 0x81, 0x92, b'Q',
];

fn operand(code: u8) -> Option<Operand> {
    Some(match code {
        b'F' | b'I' | b'L' | b'P' | b'S' | b'V' | b'g' | b'p' => Operand::Lines(1),
        b'c' | b'i' => Operand::Lines(2),
        0x80 | b'K' | b'h' | b'q' | 0x82 => Operand::Fixed(1),
        b'M' | 0x83 => Operand::Fixed(2),
        b'J' | b'j' | b'r' | 0x84 => Operand::Fixed(4),
        b'G' | 0x95 => Operand::Fixed(8),
        b'U' | b'C' | 0x8A | 0x8C => Operand::Prefixed(1),
        b'T' | b'B' | b'X' | 0x8B => Operand::Prefixed(4),
        0x8D | 0x8E | 0x96 => Operand::Prefixed(8),
        b'('
        | b'.'
        | b'0'
        | b'1'
        | b'2'
        | b'N'
        | b'Q'
        | b'R'
        | b'l'
        | b'd'
        | b'}'
        | b')'
        | b't'
        | b']'
        | b'a'
        | b's'
        | b'e'
        | b'u'
        | b'o'
        | b'b'
        | 0x81
        | 0x85..=0x89
        | 0x8F..=0x94
        | 0x97
        | 0x98 => Operand::Fixed(0),
        _ => return None,
    })
}

/// An operand, and what lies behind it.
fn take(kind: Operand, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match kind {
        Operand::Fixed(count) => bytes.split_at_checked(count),
        Operand::Lines(count) => {
            let mut ends = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n');
            let (end, _) = ends.nth(count - 1)?;
            bytes.split_at_checked(end + 1)
        }
        Operand::Prefixed(width) => {
            let (length, behind) = bytes.split_at_checked(width)?;
            behind.split_at_checked(usize::try_from(number(length)).ok()?)
        }
    }
}

/// The number under which a value is put aside.
fn id(code: u8, operand: &[u8]) -> u64 {
    match code {
        b'p' | b'g' => {
            let text = std::str::from_utf8(operand).unwrap_or_default();
            text.trim().parse().unwrap_or(u64::MAX)
        }
        _ => number(operand),
    }
}

/// Least byte first.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Pickles that would exhaust memory or the stack, and none that Python
    /// writes of a data set.
    #[test]
    fn a_hostile_pickle_is_refused_before_it_is_followed() {
        let deep = [&b"\x80\x02"[..], &vec![b'('; 10_000_000]].concat();
        let nested = [&b"\x80\x02)"[..], &vec![0x85; 3_000_000], b"."].concat();
        let doubled = [&b"]"[..], &b"2a".repeat(64), b"."].concat();
        let mut laughs = b"\x80\x02]q\0".to_vec();
        for n in 0..40u8 {
            laughs.extend([b'(']);
            laughs.extend([b'h', n].repeat(10));
            laughs.extend([b't', b'q', n + 1]);
        }
        laughs.push(b'.');
        let mut copies = b"\x80\x02B\0\0\x10\0".to_vec();
        copies.extend(vec![7; 1 << 20]);
        copies.extend(b"q\0(");
        copies.extend(b"h\0".repeat(100_000));
        copies.extend(b"t.");
        let digits = [&b"L"[..], &vec![b'9'; 10_000_000], b"\n."].concat();
        let noted = [&b"N"[..], &vec![0x94; 10_000_000], b"."].concat();
        let start = Instant::now();
        for (name, bytes) in [
            ("deep", deep),
            ("nested", nested),
            ("doubled", doubled),
            ("laughs", laughs),
            ("copies", copies),
            ("digits", digits),
            ("noted", noted),
        ] {
            let error = read(&bytes).unwrap_err();
            assert!(error.contains("as no data set does"), "{name}: {error}");
        }
        assert!(start.elapsed().as_secs() < 10);

        // As Python writes 50,000 labels: pieces of a thousand.
        let mut labels = b"\x80\x02}q\0U\x06labelsq\x01]q\x02".to_vec();
        for _ in 0..50 {
            labels.push(b'(');
            labels.extend(b"K\x07".repeat(1000));
            labels.push(b'e');
        }
        labels.extend(b"s.");
        let Ok(Value::Dict(entries)) = read(&labels) else {
            panic!("refused");
        };
        assert_eq!(entries.len(), 1);
    }
}
