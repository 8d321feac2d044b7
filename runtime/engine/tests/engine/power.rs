//! Checkpoint sets against power cuts at every operation and against damage.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Component, Path};

use ssl_engine::run::checkpoint::{Part, newest, save};
use ssl_engine::run::files::{Disk, Files, Fill};

/// A file system that loses what was not synced.
///
/// A file's content is on the disk once it was written (writing syncs it); a
/// folder's entries are once the folder was synced. Until then either the old
/// or the new entry may be found after a cut.
struct Simulated {
    state: RefCell<State>,
}

#[derive(Clone)]
struct State {
    nodes: Vec<Node>,
    /// Operations left before the power is cut.
    left: usize,
}

#[derive(Clone)]
enum Node {
    File(Vec<u8>),
    Folder {
        seen: BTreeMap<String, usize>,
        synced: BTreeMap<String, usize>,
    },
}

fn folder() -> Node {
    Node::Folder {
        seen: BTreeMap::new(),
        synced: BTreeMap::new(),
    }
}

fn cut() -> io::Error {
    io::Error::other("the power is cut")
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn parts(path: &Path) -> Vec<String> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_str().unwrap().to_owned()),
            _ => None,
        })
        .collect()
}

impl State {
    fn seen(&mut self, folder: usize) -> io::Result<&mut BTreeMap<String, usize>> {
        match &mut self.nodes[folder] {
            Node::Folder { seen, .. } => Ok(seen),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn find(&mut self, path: &Path) -> io::Result<usize> {
        let mut at = 0;
        for name in parts(path) {
            at = *self.seen(at)?.get(&name).ok_or_else(missing)?;
        }
        Ok(at)
    }

    /// The folder that a path lies in, and its name there.
    fn place(&mut self, path: &Path) -> io::Result<(usize, String)> {
        let parent = self.find(path.parent().unwrap())?;
        Ok((parent, parts(path).pop().unwrap()))
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<()> {
        let (parent, name) = self.place(path)?;
        self.nodes.push(node);
        let id = self.nodes.len() - 1;
        self.seen(parent)?.insert(name, id);
        Ok(())
    }

    /// One more operation, unless the power is gone.
    fn operate(&mut self) -> io::Result<()> {
        self.left = self.left.checked_sub(1).ok_or_else(cut)?;
        Ok(())
    }
}

impl Simulated {
    fn new(operations: usize) -> Self {
        let state = RefCell::new(State {
            nodes: vec![folder()],
            left: operations,
        });
        let files = Simulated { state };
        files.state.borrow_mut().left += 2;
        files.create_dir(Path::new("/sets")).unwrap();
        files.sync_dir(Path::new("/")).unwrap();
        files
    }

    /// What is found after the cut; `kept` says of each entry that changed
    /// since its folder was synced whether the change got to the disk.
    fn after_cut(&self, mut kept: impl FnMut() -> bool) -> Self {
        let mut state = self.state.borrow().clone();
        state.left = usize::MAX;
        for node in &mut state.nodes {
            let Node::Folder { seen, synced } = node else {
                continue;
            };
            let names: BTreeSet<String> = seen.keys().chain(synced.keys()).cloned().collect();
            for name in names {
                if seen.get(&name) != synced.get(&name) && !kept() {
                    match synced.get(&name) {
                        Some(&old) => seen.insert(name, old),
                        None => seen.remove(&name),
                    };
                }
            }
            *synced = seen.clone();
        }
        let state = RefCell::new(state);
        Simulated { state }
    }
}

impl Files for Simulated {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        state.operate()?;
        match state.find(path) {
            Ok(_) => Ok(()),
            Err(_) => state.add(path, folder()),
        }
    }

    fn write(&self, path: &Path, fill: &mut Fill<'_>) -> io::Result<()> {
        let mut content = Vec::new();
        fill(&mut content)?;
        let mut state = self.state.borrow_mut();
        let done = state.operate();
        if done.is_err() {
            content.truncate(content.len() / 2);
        }
        state.add(path, Node::File(content))?;
        done
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        state.operate()?;
        let ((old, name), (new, target)) = (state.place(from)?, state.place(to)?);
        let node = state.seen(old)?.remove(&name).ok_or_else(missing)?;
        state.seen(new)?.insert(target, node);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        state.operate()?;
        let at = state.find(path)?;
        if let Node::Folder { seen, synced } = &mut state.nodes[at] {
            *synced = seen.clone();
        }
        Ok(())
    }

    /// Takes the files of a folder one by one, as the system does.
    fn remove(&self, path: &Path) -> io::Result<()> {
        for name in self.list(path)? {
            self.remove(&path.join(name))?;
        }
        let mut state = self.state.borrow_mut();
        state.operate()?;
        let (parent, name) = state.place(path)?;
        state.seen(parent)?.remove(&name);
        Ok(())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state.borrow_mut();
        let at = state.find(path)?;
        match &state.nodes[at] {
            Node::File(content) => Ok(content.clone()),
            Node::Folder { .. } => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state.borrow_mut();
        let Ok(at) = state.find(path) else {
            return Ok(Vec::new());
        };
        match &state.nodes[at] {
            Node::Folder { seen, .. } => Ok(seen.keys().cloned().collect()),
            Node::File(_) => Ok(Vec::new()),
        }
    }
}

fn content(step: usize, part: &str) -> Vec<u8> {
    format!("{part} of step {step}, ")
        .repeat(40 + step)
        .into_bytes()
}

const PARTS: [&str; 3] = ["nets", "optimizer", "state"];

fn save_step(files: &dyn Files, sets: &Path, step: usize, keep: usize) -> bool {
    let parts = PARTS.map(|name| Part {
        name,
        fill: Box::new(move |out| out.write_all(&content(step, name))),
    });
    save(files, sets, step, parts.into(), keep).is_ok()
}

/// Whatever moment the power fails at, and whatever of the unsynced entries
/// got to the disk, the newest set that is found is whole, and it is no older
/// than the last one that was reported as saved.
#[test]
fn a_power_cut_loses_no_reported_set() {
    let sets = Path::new("/sets");
    let mut random = 1_u64;
    for keep in [1, 2] {
        for operations in 0.. {
            let files = Simulated::new(operations);
            let reported = (1..=4).take_while(|&step| save_step(&files, sets, step, keep));
            let reported = reported.last().unwrap_or(0);
            for variant in 0..12 {
                let kept = || match variant {
                    0 => false,
                    1 => true,
                    _ => {
                        random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
                        random >> 62 & 1 == 1
                    }
                };
                let found = files.after_cut(kept);
                let case = format!("keep {keep}, {operations} operations, variant {variant}");
                let (set, _) = newest(&found, sets).unwrap_or_else(|e| panic!("{case}: {e}"));
                let step = set.as_ref().map_or(0, |set| set.step);
                assert!(step >= reported, "{case}: {reported} saved, {step} found");
                for (name, bytes) in set.into_iter().flat_map(|set| set.parts) {
                    assert_eq!(bytes, content(step, &name), "{case}");
                }
                assert!(save_step(&found, sets, step + 1, keep), "{case}");
                let (set, _) = newest(&found, sets).unwrap();
                assert_eq!(set.map(|set| set.step), Some(step + 1), "{case}");
                let left = found.list(sets).unwrap();
                assert!(
                    left.iter().all(|name| !name.starts_with('.')),
                    "{case}: {left:?}"
                );
            }
            if reported == 4 {
                assert!(operations > 20);
                break;
            }
        }
    }
}

/// Any change to any file of a set is seen, and the set before it is used.
#[test]
fn damage_is_seen_and_the_set_before_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let sets = folder.path();
    assert!(save_step(&Disk, sets, 1, 2));
    let names = [&PARTS[..], &["manifest.json"]].concat();
    for case in 0..200_usize {
        assert!(save_step(&Disk, sets, 2, 2));
        let path = sets.join("step-000002").join(names[case % names.len()]);
        let mut bytes = fs::read(&path).unwrap();
        let place = case * 7919 % bytes.len();
        match case / names.len() % 5 {
            0 => bytes[place] ^= 1 << (case % 8),
            1 => bytes.truncate(place),
            2 => bytes[place..].fill(0),
            3 => bytes.push(b' '),
            _ => fs::remove_file(&path).unwrap(),
        }
        if path.exists() {
            // A blank after a manifest changes nothing that it says.
            if path.ends_with("manifest.json") && bytes.ends_with(b" ") {
                bytes.push(b'}');
            }
            fs::write(&path, bytes).unwrap();
        }
        let (set, damaged) = newest(&Disk, sets).unwrap();
        assert_eq!(set.unwrap().step, 1, "case {case}");
        assert_eq!(damaged.len(), 1, "case {case}");
        assert!(damaged[0].path.ends_with("damaged-step-000002") && damaged[0].path.is_dir());
    }
}
