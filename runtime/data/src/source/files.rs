//! Files: read with limits, read from any place of them, named by patterns.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::images::{Fetched, Store};
use super::watch;
use crate::DataError;
use crate::decode::{MAX_FILE_BYTES, Unreadable};

/// Image files by their names.
pub(crate) struct Files {
    pub(crate) root: PathBuf,
    /// Relative to the root, or absolute.
    pub(crate) files: Vec<PathBuf>,
}

impl Store for Files {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn name(&self, index: usize) -> String {
        match self.files.get(index) {
            Some(file) => shown(&self.root.join(file).to_string_lossy()),
            None => format!("image {index}"),
        }
    }

    fn fetch(&self, index: usize, bytes: &mut Vec<u8>) -> Result<Fetched<'_>, Unreadable> {
        let file = self.files.get(index).ok_or(Unreadable::Empty)?;
        read(&self.root.join(file), bytes)?;
        Ok(Fetched::Encoded)
    }
}

/// A name for a message: a terminal obeys none of its characters.
pub(crate) fn shown(name: &str) -> String {
    if !name.contains(char::is_control) {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len() + 8);
    for c in name.chars() {
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// Open a regular file. What is none is not opened: a pipe would never answer.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    watch::at(path);
    let found = path.metadata()?;
    if !found.is_file() {
        let is = if found.is_dir() {
            "a folder"
        } else {
            "no regular file"
        };
        return Err(io::Error::other(format!("it is {is}")));
    }
    File::open(path)
}

/// Read a file whole. What is no regular file is not opened: a pipe would
/// never answer.
pub(crate) fn read(path: &Path, bytes: &mut Vec<u8>) -> Result<(), Unreadable> {
    let read = read_into(path, bytes);
    if read.is_err() {
        // Nothing of the file before.
        bytes.clear();
    }
    read
}

fn read_into(path: &Path, bytes: &mut Vec<u8>) -> Result<(), Unreadable> {
    let found = path.metadata()?;
    if !found.is_file() {
        return Err(Unreadable::Container("it is no regular file".into()));
    }
    if found.len() > MAX_FILE_BYTES {
        return Err(Unreadable::TooManyBytes(found.len()));
    }
    // In one piece, and over what the buffer holds of the file before.
    bytes.resize(found.len() as usize, 0);
    File::open(path)?.read_exact(bytes)?;
    Ok(())
}

/// Read as many bytes as `target` takes from a place of a file, without moving
/// a position that other threads share.
pub(crate) fn read_at(file: &File, target: &mut [u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileExt::read_exact_at(file, target, offset)
    }
    #[cfg(windows)]
    {
        use std::os::windows::fs::FileExt;
        let mut done = 0;
        while done < target.len() {
            match file.seek_read(&mut target[done..], offset + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => done += n,
            }
        }
        Ok(())
    }
}

/// Most files that a pattern may name.
const MAX_SHARDS: usize = 1_000_000;

/// The files that a pattern names: braces `{000..099}` and `{a,b}` first, then
/// `*`, `?` and `[...]`. Those of braces come in their order, those of a star
/// sorted; each must be there.
pub(crate) fn expand(pattern: &str) -> Result<Vec<PathBuf>, DataError> {
    let mut names = Vec::new();
    braces(pattern, &mut names).map_err(|problem| DataError::Source {
        path: pattern.into(),
        problem,
    })?;
    let mut files = Vec::new();
    for name in names {
        watch::at(Path::new(&name));
        if !name.contains(['*', '?', '[']) || Path::new(&name).exists() {
            files.push(PathBuf::from(name));
            continue;
        }
        let found = glob::glob(&name).map_err(|error| DataError::Source {
            path: pattern.into(),
            problem: format!("it is no valid pattern: {error}"),
        })?;
        let before = files.len();
        files.extend(found.filter_map(Result::ok).filter(|path| {
            watch::on();
            path.is_file()
        }));
        if files.len() == before {
            return Err(DataError::Source {
                path: pattern.into(),
                problem: "no file has such a name; check the path".into(),
            });
        }
    }
    Ok(files)
}

fn braces(pattern: &str, out: &mut Vec<String>) -> Result<(), String> {
    if out.len() > MAX_SHARDS {
        return Err(format!("it names more than {MAX_SHARDS} files"));
    }
    let Some((before, rest)) = pattern.split_once('{') else {
        out.push(pattern.to_owned());
        return Ok(());
    };
    let Some((inside, after)) = rest.split_once('}') else {
        return Err("a `{` is never closed; write `{000..099}`".into());
    };
    if let Some((first, last)) = inside.split_once("..") {
        let number = |text: &str| text.parse::<usize>().ok();
        let (Some(low), Some(high)) = (number(first), number(last)) else {
            return Err(format!("`{{{inside}}}` is no range of numbers"));
        };
        if low > high || high - low >= MAX_SHARDS {
            return Err(format!(
                "`{{{inside}}}` runs backwards or names more than {MAX_SHARDS} files"
            ));
        }
        for n in low..=high {
            braces(
                &format!("{before}{n:0width$}{after}", width = first.len()),
                out,
            )?;
        }
        return Ok(());
    }
    for choice in inside.split(',') {
        braces(&format!("{before}{choice}{after}"), out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_count_with_their_leading_zeros() {
        let mut out = Vec::new();
        braces("s-{098..101}.{tar,x}", &mut out).unwrap();
        assert_eq!(out.len(), 8);
        assert_eq!(out[0], "s-098.tar");
        assert_eq!(out[7], "s-101.x");
        assert!(braces("s-{0..99999999}.tar", &mut Vec::new()).is_err());
        assert!(braces("s-{0..9.tar", &mut Vec::new()).is_err());
    }
}
