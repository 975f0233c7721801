//! As Windows takes it: every directory on the way is held open and lets nobody rename or remove it meanwhile, so that what was looked at is what
//! is gone through. One that was empty can be made a link in its place, so they are looked at again once the file is open. A name is taken as
//! it is written: there are no devices, drives or streams in it.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::lying::{DEPTH_MAX, LOOKED_AT_MAX, Lying};

const FILE_SHARE_READ: u32 = 1;
const FILE_SHARE_WRITE: u32 = 2;
/// Opens directories too.
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
/// Opens a link, and not what it leads to.
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;
const FILE_ATTRIBUTE_HIDDEN: u32 = 2;

pub(super) fn open(directory: &Path, steps: &[&OsStr]) -> io::Result<File> {
    // A path of this form is taken letter by letter.
    let mut path = directory.canonicalize()?;
    let mut way = Vec::new();
    let Some((last, between)) = steps.split_last() else { return opened(&path) };
    for step in between {
        path.push(plain(step)?);
        let held = held(&path)?;
        if !held.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotFound.into());
        }
        way.push(held);
    }
    path.push(plain(last)?);
    let file = opened(&path)?;
    way.iter().try_for_each(no_link)?;
    Ok(file)
}

/// A step that names what lies in a directory, and no stream of it.
fn plain(step: &OsStr) -> io::Result<&OsStr> {
    if step.as_encoded_bytes().contains(&b':') { Err(io::ErrorKind::NotFound.into()) } else { Ok(step) }
}

/// What this names itself; it keeps its name while this is open.
fn held(path: &Path) -> io::Result<File> {
    itself(OpenOptions::new().share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE), path)
}

fn opened(path: &Path) -> io::Result<File> {
    itself(&mut OpenOptions::new(), path)
}

fn itself(how: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let how = how.read(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
    let file = how.open(path).map_err(absent)?;
    no_link(&file)?;
    Ok(file)
}

fn no_link(file: &File) -> io::Result<()> {
    let is_link = file.metadata()?.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0;
    if is_link { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
}

/// A name that nothing can have, and a file where a directory should be.
fn absent(error: io::Error) -> io::Error {
    let none = [io::ErrorKind::InvalidFilename, io::ErrorKind::NotADirectory];
    if none.contains(&error.kind()) { io::ErrorKind::NotFound.into() } else { error }
}

pub(super) fn list(directory: &Path, most: usize) -> (Vec<Lying>, bool) {
    let mut found = Vec::new();
    let mut looked_at = 0;
    let top = directory.canonicalize().and_then(|top| Ok((held(&top)?, top)));
    // The nearest first, so that what lies on top is listed before a deep tree has taken all the room.
    let mut left: VecDeque<_> = top.into_iter().map(|(held, top)| (PathBuf::new(), top, held)).collect();
    while let Some((way, at, _held)) = left.pop_front() {
        let Ok(entries) = fs::read_dir(&at) else { continue };
        for entry in entries.flatten() {
            looked_at += 1;
            if found.len() >= most || looked_at > LOOKED_AT_MAX {
                return (found, true);
            }
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            // Of the entry itself, not of what it leads to.
            let Ok(about) = entry.metadata() else { continue };
            if about.file_attributes() & (FILE_ATTRIBUTE_REPARSE_POINT | FILE_ATTRIBUTE_HIDDEN) != 0 {
                continue;
            }
            let path = way.join(name);
            if about.is_file() {
                // As it is written everywhere.
                let Some(name) = path.to_str().map(|name| name.replace('\\', "/")) else { continue };
                found.push(Lying { name, bytes: about.len() });
            } else if about.is_dir() && path.components().count() < DEPTH_MAX {
                let below = entry.path();
                left.extend(held(&below).map(|held| (path, below, held)));
            }
        }
    }
    (found, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_down_has_plain_steps_and_holds_what_it_goes_through() {
        let base = std::env::temp_dir().join(format!("instep-below-{}", std::process::id()));
        let top = base.join("top");
        fs::create_dir_all(top.join("a\\b")).unwrap();
        fs::write(top.join("a\\b\\file"), b"file").unwrap();
        fs::write(top.join("z"), b"12345").unwrap();
        fs::write(top.join(".hidden"), b"").unwrap();
        let at = |steps: &[&str]| open(&top, &steps.iter().map(OsStr::new).collect::<Vec<_>>());
        assert_eq!(io::read_to_string(at(&["a", "b", "file"]).unwrap()).unwrap(), "file");
        for steps in [
            &["a", "b", "file", "x"][..],
            &["a", "b", "file:stream"],
            &["z:"],
            &["a:", "b", "file"],
            &["NUL"],
            &["none"],
        ] {
            assert_eq!(at(steps).unwrap_err().kind(), io::ErrorKind::NotFound, "{steps:?}");
        }
        for steps in [&[][..], &["a"], &["a", "b"]] {
            assert!(!at(steps).unwrap().metadata().unwrap().is_file(), "{steps:?}");
        }
        let (mut listed, more) = list(&top, 10);
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        let shown: Vec<_> = listed.iter().map(|file| (file.name.as_str(), file.bytes)).collect();
        assert_eq!((shown, more), (vec![("a/b/file", 4), ("z", 5)], false));
        let way = held(&top.join("a")).unwrap();
        assert!(fs::rename(top.join("a"), top.join("c")).is_err(), "what is gone through keeps its name");
        drop(way);
        fs::rename(top.join("a"), top.join("c")).unwrap();
        fs::remove_dir_all(base).unwrap();
    }
}
