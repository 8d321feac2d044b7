//! The nearest name to a wrong one.

use ssl_diagnostics::{Diagnostic, Fix, Span};

/// Says what was most likely meant by a wrong name.
pub trait Meant: Sized {
    /// Adds the nearest of some names as help, and as an edit of the named
    /// place where that is the wrong name alone; the whole list where none is
    /// near and the list is short.
    #[must_use]
    fn meant<'a>(self, wrong: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Self;

    /// The nearest name alone, where there is one.
    #[must_use]
    fn near<'a>(self, wrong: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Self;

    /// As [`Meant::meant`], where the wrong name stands at a place of its own.
    #[must_use]
    fn meant_at<'a>(
        self,
        at: Span,
        wrong: &str,
        candidates: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Self;
}

impl Meant for Diagnostic {
    fn meant<'a>(self, wrong: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Self {
        let at = self.span().unwrap_or_default();
        self.meant_at(at, wrong, candidates)
    }

    fn near<'a>(self, wrong: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Self {
        match nearest(wrong, candidates.clone()) {
            Some(_) => self.meant(wrong, candidates),
            None => self,
        }
    }

    fn meant_at<'a>(
        self,
        at: Span,
        wrong: &str,
        candidates: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Self {
        let fix = (at.len() == wrong.len())
            .then(|| fix(wrong, at, candidates.clone()))
            .flatten();
        self.maybe_help(suggestion(wrong, candidates))
            .maybe_fix(fix)
    }
}

/// The edit to the nearest name; certain where a slip of the finger leads from
/// one to the other and to no third.
fn fix<'a>(
    wrong: &str,
    at: Span,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<Fix> {
    let near = nearest(wrong, candidates.clone())?;
    let title = format!("write `{near}`");
    let slips = |c: &str| strsim::damerau_levenshtein(&wrong.to_lowercase(), &c.to_lowercase());
    let few = if wrong.len() <= 4 { 1 } else { 2 };
    // `epoch` and `epochs` are one.
    let stem = |c: &'a str| c.strip_suffix('s').unwrap_or(c);
    let rival = candidates
        .into_iter()
        .any(|c| stem(c) != stem(near) && slips(c) <= slips(near) + 1);
    Some(Fix {
        certain: slips(near) <= few && !rival,
        ..Fix::maybe(title, at, near)
    })
}

/// The candidate that a typist most likely meant, where one is near enough.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (c, score(wrong, c)))
        .filter(|(_, s)| *s >= 0.6)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(c, _)| c)
}

/// 1 for equal names, falling with every edit; a shared beginning, or one
/// name inside the other, counts for something.
pub fn score(wrong: &str, candidate: &str) -> f64 {
    let (wrong, candidate) = (&wrong.to_lowercase(), &candidate.to_lowercase());
    let edits = strsim::normalized_damerau_levenshtein(wrong, candidate);
    let squash = |s: &str| s.replace(['_', '-'], "");
    if squash(wrong) == squash(candidate) {
        return 1.0;
    }
    let inside = wrong.len() >= 3
        && candidate.len() >= 3
        && (candidate.contains(wrong.as_str()) || wrong.contains(candidate.as_str()));
    edits.max(if inside { 0.65 } else { 0.0 })
}

/// Help text: the nearest name, or the whole list where it is short.
pub fn suggestion<'a>(
    wrong: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(name) = nearest(wrong, candidates.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    list(candidates).map(|l| format!("choose from {l}"))
}

/// "`a`, `b` and `c`"; `None` for none, cut after sixteen.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let all: Vec<String> = names.into_iter().map(|n| format!("`{n}`")).collect();
    let shown = all.get(..16).unwrap_or(&all);
    match shown {
        [] => None,
        [one] => Some(one.clone()),
        [head @ .., last] if shown.len() == all.len() => {
            Some(format!("{} and {last}", head.join(", ")))
        }
        _ => Some(format!(
            "{} and {} more",
            shown.join(", "),
            all.len() - shown.len()
        )),
    }
}

/// Stack for one more name of a chain, of any length, in which each value
/// needs the one before.
pub fn deeper<T>(evaluate: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(256 << 10, 4 << 20, evaluate)
}

/// Names that lead back to the first: `a -> b -> a`; of many, those at the ends.
pub fn circle<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.as_slice() {
        [a, b, c, .., y, z] if names.len() > 12 => {
            let left_out = names.len() - 5;
            format!("{a} -> {b} -> {c} -> ({left_out} more) -> {y} -> {z}")
        }
        all => all.join(" -> "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_find_their_name_and_strangers_find_none() {
        let names = ["temperature", "weight_decay", "position", "patch"];
        assert_eq!(nearest("temprature", names), Some("temperature"));
        assert_eq!(nearest("weightDecay", names), Some("weight_decay"));
        assert_eq!(nearest("decay", names), Some("weight_decay"));
        assert_eq!(nearest("queue", names), None);
    }
}
