//! As Unix takes it: each step is relative to the descriptor of the directory before it.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};

use super::lying::{DEPTH_MAX, LOOKED_AT_MAX, Lying};

/// A directory that is only gone through.
const WAY: OFlags = through().union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Where a system can hold a directory without a right to read it, that is enough.
const fn through() -> OFlags {
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    return OFlags::PATH;
    #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
    return OFlags::RDONLY;
}

/// A directory whose names are read.
const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

pub(super) fn open(directory: &Path, steps: &[&OsStr]) -> io::Result<File> {
    let Some((last, way)) = steps.split_last() else {
        // The directory itself, for whoever opens it to see that it is one.
        return Ok(openat(CWD, directory, READ, Mode::empty())?.into());
    };
    let mut at = openat(CWD, directory, WAY, Mode::empty())?;
    for step in way {
        at = openat(&at, *step, WAY | OFlags::NOFOLLOW, Mode::empty()).map_err(absent)?;
    }
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(&at, *last, how, Mode::empty()).map(File::from).map_err(absent)
}

/// A link on the way is as good as nothing, and so is a file where a directory should be.
fn absent(error: rustix::io::Errno) -> io::Error {
    use rustix::io::Errno;
    match error {
        Errno::LOOP | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::INVAL => io::ErrorKind::NotFound.into(),
        error => error.into(),
    }
}

pub(super) fn list(directory: &Path, most: usize) -> (Vec<Lying>, bool) {
    let mut found = Vec::new();
    let mut looked_at = 0;
    let opened = openat(CWD, directory, READ, Mode::empty());
    // The nearest first, so that what lies on top is listed before a deep tree has taken all the room.
    let mut left: VecDeque<(PathBuf, OwnedFd)> = opened.into_iter().map(|top| (PathBuf::new(), top)).collect();
    while let Some((way, at)) = left.pop_front() {
        let Ok(entries) = Dir::read_from(&at) else { continue };
        for entry in entries.flatten() {
            looked_at += 1;
            if found.len() >= most || looked_at > LOOKED_AT_MAX {
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
                    let how = READ | OFlags::NOFOLLOW;
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
    (found, false)
}
