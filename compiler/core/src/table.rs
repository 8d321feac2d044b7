//! Tables and sets by name: those of the standard library and of `indexmap`
//! with a hash that is quick for short names. What is hashed is the user's own
//! text, so nobody gains by making names collide.

use rustc_hash::FxBuildHasher;

pub type HashMap<K, V> = rustc_hash::FxHashMap<K, V>;
pub type HashSet<T> = rustc_hash::FxHashSet<T>;
pub type IndexMap<K, V> = indexmap::IndexMap<K, V, FxBuildHasher>;
pub type IndexSet<T> = indexmap::IndexSet<T, FxBuildHasher>;
