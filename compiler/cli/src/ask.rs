//! Questions at a terminal: a line is read, an empty one takes what is offered.

use std::fmt::Display;
use std::io::BufRead;
use std::str::FromStr;

use crate::output;

/// Nobody answers any more.
#[derive(Debug)]
pub struct Ended;

/// Asks until the answer is one.
///
/// # Errors
///
/// [`Ended`] where standard input has no more lines.
pub fn line<T>(
    question: &str,
    offered: Option<&dyn Display>,
    mut accept: impl FnMut(&str) -> Result<T, String>,
) -> Result<T, Ended> {
    let hint = offered.map_or(String::new(), |o| format!(" [{o}]"));
    loop {
        output::eprint(&format!("{question}{hint}: "));
        let mut text = String::new();
        match std::io::stdin().lock().read_line(&mut text) {
            Ok(0) | Err(_) => {
                output::eprint("\n");
                return Err(Ended);
            }
            Ok(_) => {}
        }
        let typed = text.trim();
        let answer = match (typed, offered) {
            ("", Some(offered)) => offered.to_string(),
            ("", None) => continue,
            (typed, _) => typed.to_owned(),
        };
        match accept(&answer) {
            Ok(value) => return Ok(value),
            Err(message) => output::eprint(&format!("  {message}\n")),
        }
    }
}

/// One of a list, by its number or its name; the first is offered.
///
/// # Errors
///
/// [`Ended`] where standard input has no more lines.
pub fn choice(question: &str, list: &[(String, String)]) -> Result<usize, Ended> {
    let width = list
        .iter()
        .map(|(n, _)| n.chars().count())
        .max()
        .unwrap_or(0);
    for (i, (name, what)) in list.iter().enumerate() {
        output::eprint(&format!("{:>4}  {name:width$}  {what}\n", i + 1));
    }
    let first = list.first().map(|(n, _)| n);
    line(question, first.map(|f| f as &dyn Display), |answer| {
        let number = answer.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        let named = || list.iter().position(|(n, _)| n == answer);
        let found = number.filter(|n| *n < list.len()).or_else(named);
        found.ok_or_else(|| format!("type a name, or a number from 1 to {}", list.len()))
    })
}

/// A whole number from 1.
///
/// # Errors
///
/// [`Ended`] where standard input has no more lines.
pub fn number(question: &str, offered: usize) -> Result<usize, Ended> {
    line(question, Some(&offered), |answer| {
        let number = usize::from_str(&answer.replace(['_', ','], ""));
        let number = number.ok().filter(|n| *n > 0);
        number.ok_or_else(|| "type a whole number from 1".to_owned())
    })
}
