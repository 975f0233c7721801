//! Files below a directory, and nowhere else.
//!
//! Owns the way down: every step is taken from the directory before it and follows no link, so nobody who may write below can lead us out,
//! whatever is swapped for whatever meanwhile. Nothing here waits: a pipe is opened without its writer, to be seen for what it is. The
//! directory itself is the operator's, who may have it be a link.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};

/// Directories on the way to one file.
const DEPTH_MAX: usize = 32;
/// Names looked at for one list, whatever they are: a millisecond or two.
const LOOKED_AT_MAX: usize = 4096;

/// Opens a file below `directory` to be read. What is opened may be no file at all.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] as well where `name` leads out or over a link; whatever else keeps it from being opened.
pub(super) fn open(directory: &Path, name: &Path) -> io::Result<File> {
    let steps = steps(name).ok_or(io::ErrorKind::NotFound)?;
    let Some((last, way)) = steps.split_last() else {
        // The directory itself, for whoever opens it to see that it is one.
        return Ok(openat(CWD, directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?.into());
    };
    let mut at = openat(CWD, directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for step in way {
        at = openat(&at, *step, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
            .map_err(absent)?;
    }
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(&at, *last, how, Mode::empty()).map(File::from).map_err(absent)
}

/// The plain steps of a name; `None` where it has others.
fn steps(name: &Path) -> Option<Vec<&OsStr>> {
    let mut steps = Vec::new();
    for part in name.components() {
        match part {
            Component::Normal(step) if steps.len() < DEPTH_MAX => steps.push(step),
            Component::CurDir => {}
            Component::Normal(_) | Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(steps)
}

/// A link on the way is as good as nothing, and so is a file where a directory should be.
fn absent(error: rustix::io::Errno) -> io::Error {
    use rustix::io::Errno;
    match error {
        Errno::LOOP | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::INVAL => io::ErrorKind::NotFound.into(),
        error => error.into(),
    }
}

/// A file that lies below a directory.
#[derive(Debug)]
pub(super) struct Lying {
    /// The way from the directory to it.
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// The files below a directory, by name, at most `most`; and whether there are others. Hidden ones and names that are no text are not
/// among them, nor is what a link leads to.
pub(super) fn list(directory: &Path, most: usize) -> (Vec<Lying>, bool) {
    let mut found = Vec::new();
    let mut looked_at = 0;
    let opened = openat(CWD, directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    // The nearest first, so that what lies on top is listed before a deep tree has taken all the room.
    let mut left: VecDeque<(PathBuf, OwnedFd)> = opened.into_iter().map(|top| (PathBuf::new(), top)).collect();
    while let Some((way, at)) = left.pop_front() {
        let Ok(entries) = Dir::read_from(&at) else { continue };
        for entry in entries.flatten() {
            looked_at += 1;
            if found.len() >= most || looked_at > LOOKED_AT_MAX {
                found.sort_by(|one: &Lying, other| one.name.cmp(&other.name));
                return (found, true);
            }
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let Ok(about) = statat(&at, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let path = way.join(name);
            match FileType::from_raw_mode(about.st_mode) {
                FileType::RegularFile => {
                    let Some(name) = path.to_str().map(str::to_owned) else { continue };
                    found.push(Lying { name, bytes: u64::try_from(about.st_size).unwrap_or_default() });
                }
                FileType::Directory if path.components().count() < DEPTH_MAX => {
                    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    left.extend(openat(&at, name, how, Mode::empty()).map(|below| (path, below)));
                }
                FileType::Directory
                | FileType::Symlink
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown => {}
            }
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    (found, false)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn kind(opened: io::Result<File>) -> io::ErrorKind {
        opened.unwrap_err().kind()
    }

    #[test]
    fn a_way_down_has_no_links_and_leads_to_no_other_place() {
        let base = std::env::temp_dir().join(format!("instep-below-{}", std::process::id()));
        let top = base.join("top");
        std::fs::create_dir_all(top.join("a/b")).unwrap();
        std::fs::create_dir_all(base.join("other")).unwrap();
        std::fs::write(base.join("other/secret"), b"secret").unwrap();
        std::fs::write(top.join("a/b/file"), b"file").unwrap();
        std::fs::write(top.join(".hidden"), b"").unwrap();
        symlink(base.join("other"), top.join("out")).unwrap();
        symlink("file", top.join("a/b/link")).unwrap();
        symlink("a", top.join("same")).unwrap();
        for name in ["a/b/file", "./a/./b//file"] {
            assert_eq!(io::read_to_string(open(&top, Path::new(name)).unwrap()).unwrap(), "file", "{name}");
        }
        for name in
            ["out/secret", "a/b/link", "same/b/file", "../other/secret", "a/../a/b/file", "/etc/passwd", "a/b/file/x"]
        {
            assert_eq!(kind(open(&top, Path::new(name))), io::ErrorKind::NotFound, "{name}");
        }
        assert_eq!(kind(open(&top, Path::new(&"x/".repeat(2000)))), io::ErrorKind::NotFound);
        for directory in ["a/b", ".", ""] {
            assert!(!open(&top, Path::new(directory)).unwrap().metadata().unwrap().is_file(), "{directory}");
        }
        // The directory itself may be reached over a link.
        symlink(&top, base.join("alias")).unwrap();
        assert!(open(&base.join("alias"), Path::new("a/b/file")).is_ok());
        std::fs::write(top.join("z"), b"12345").unwrap();
        let (listed, more) = list(&top, 10);
        let shown: Vec<_> = listed.iter().map(|file| (file.name.as_str(), file.bytes)).collect();
        assert_eq!((shown, more), (vec![("a/b/file", 4), ("z", 5)], false));
        let (listed, more) = list(&top, 1);
        assert_eq!((listed.len(), listed[0].name.as_str(), more), (1, "z", true), "what lies on top comes first");
        assert!(list(&base.join("nowhere"), 10).0.is_empty());
        std::fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn a_pipe_is_opened_without_waiting() {
        let base = std::env::temp_dir().join(format!("instep-pipe-{}", std::process::id()));
        std::fs::create_dir_all(&base).unwrap();
        rustix::fs::mknodat(CWD, base.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(!open(&base, Path::new("pipe")).unwrap().metadata().unwrap().is_file());
        assert!(list(&base, 10).0.is_empty());
        std::fs::remove_dir_all(base).unwrap();
    }
}
