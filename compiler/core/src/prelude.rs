//! The standard library's text, embedded, and the functions that a file sees.

use indexmap::IndexMap;
use ssl_diagnostics::{Code, Diagnostic, SourceMap};
use ssl_syntax::ast::{File, Function, Item};

const LOSS: &str = include_str!("../std/loss.ssl");

/// Functions by name.
pub type Functions = IndexMap<String, Function>;

/// The functions of the standard library.
pub struct Prelude {
    functions: Functions,
}

/// Parses the standard library into the map.
pub fn load(map: &mut SourceMap) -> Prelude {
    let mut functions = Functions::new();
    if let Some(id) = map.add("std/loss.ssl", LOSS) {
        for item in ssl_syntax::parse_file(map, id).file.items {
            if let Item::Function(f) = item {
                functions.insert(f.name.name.clone(), f);
            }
        }
    }
    Prelude { functions }
}

impl Prelude {
    /// The functions that a file sees: its own before the library's.
    pub fn functions(&self, file: &File, diagnostics: &mut Vec<Diagnostic>) -> Functions {
        let mut own = Functions::new();
        for item in &file.items {
            let Item::Function(f) = item else { continue };
            if let Some(first) = own.get(&f.name.name) {
                diagnostics.push(
                    Diagnostic::error(
                        Code::DUPLICATE,
                        format!("the function `{}` is defined twice", f.name.name),
                    )
                    .at(f.name.span, "second definition")
                    .at(first.name.span, "first definition")
                    .help("give one of them another name"),
                );
                continue;
            }
            own.insert(f.name.name.clone(), f.clone());
        }
        let mut all = self.functions.clone();
        all.extend(own);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_parses_without_complaint() {
        let mut map = SourceMap::new();
        let id = map.add("std/loss.ssl", LOSS).expect("small");
        let parsed = ssl_syntax::parse_file(&map, id);
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        assert_eq!(load(&mut SourceMap::new()).functions.len(), 4);
    }
}
