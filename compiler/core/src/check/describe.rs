//! What a reader of the plan is told beside the values: their order,
//! documentation, and what a parameter may be.

use ssl_plan::Documented;

use super::Checker;

impl Checker<'_> {
    /// Puts the values into the file's order, section by section, each with
    /// its documentation.
    pub(super) fn describe_values(&mut self) {
        let effective = self.source.effective;
        let docs = &effective.docs;
        let rank = |path: &str| {
            let head = path.split('.').next().unwrap_or(path);
            if effective.constants.contains_key(head) {
                return 0;
            }
            let place = docs.order.get_index_of(head);
            1 + place.unwrap_or(docs.order.len())
        };
        self.values.sort_by_cached_key(|path, _| rank(path));
        for value in self.values.values_mut() {
            if let Some(lines) = docs.lines.get(&value.path) {
                value.docs.clone_from(lines);
            }
            let Some(constant) = effective.constants.get(&value.path) else {
                continue;
            };
            let text = |span| self.source.map.text(span);
            let ty = constant.ty.as_ref().map_or("", |t| text(t.span));
            let within = constant
                .within
                .as_ref()
                .map_or(String::new(), |w| format!(" in {}", text(w.span)));
            let kind = if constant.open { "param" } else { "let" };
            value.declared = Some(format!("{kind} {ty}{within}").trim_end().to_owned());
        }
    }

    /// What is said about the pipeline, its sections, and the functions that
    /// its step calls.
    pub(super) fn documented(&self) -> Vec<Documented> {
        let valued = |path: &str| self.values.contains_key(path);
        let parts = self.source.effective.docs.lines.iter();
        let parts = parts.filter(|(path, lines)| !lines.is_empty() && !valued(path));
        let functions = self.called.iter().filter(|(_, lines)| !lines.is_empty());
        parts
            .map(|(path, lines)| Documented {
                path: path.clone(),
                lines: lines.clone(),
            })
            .chain(functions.map(|(name, lines)| Documented {
                path: format!("fn {name}"),
                lines: lines.clone(),
            }))
            .collect()
    }
}
