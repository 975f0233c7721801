//! Files below a directory, and nowhere else.
//!
//! Owns the way down: every step is taken from the directory before it and follows no link, so nobody who may write below can lead us out,
//! whatever is swapped for whatever meanwhile. Nothing here waits: a pipe is opened without its writer, to be seen for what it is. The
//! directory itself is the operator's, who may have it be a link. How a step is taken is each system's own: `unix.rs`, `windows.rs`.

mod lying;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Component, Path};

use lying::DEPTH_MAX;
pub(super) use lying::Lying;
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

use crate::store::order;

/// Opens a file below `directory` to be read. What is opened may be no file at all.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] as well where `name` leads out or over a link; whatever else keeps it from being opened.
pub(super) fn open(directory: &Path, name: &Path) -> io::Result<File> {
    let steps = steps(name).ok_or(io::ErrorKind::NotFound)?;
    system::open(directory, &steps)
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

/// The files below a directory, by name, at most `most`; and whether there are others. Hidden ones and names that are no text are not
/// among them, nor is what a link leads to.
pub(super) fn list(directory: &Path, most: usize) -> (Vec<Lying>, bool) {
    let (mut found, more) = system::list(directory, most);
    order::sort_by(&mut found, |one, other| one.name.cmp(&other.name));
    (found, more)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode};

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
