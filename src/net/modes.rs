//! Who may read what the server writes: its user and nobody else what of sessions is kept, its group too what is recorded and logged.
//!
//! Files are made with these modes whatever the umask lets through. What is there already is left as it is, and told where it is wider.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;

use crate::config::Config;

/// The file of sessions, in their directory.
pub(super) const STATE_FILE: &str = "sessions.redb";

/// Of the directory of sessions.
const DIRECTORY: u32 = 0o700;
/// Of the file of sessions.
const STATE: u32 = 0o600;
/// Of recordings and of the log.
const SHOWN: u32 = 0o640;

/// Makes a directory, and those that it lies in, for nobody else.
///
/// # Errors
/// Those of the system, where it cannot be made.
pub fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, DIRECTORY);
    builder.create(path)
}

/// Opens files for sessions, for nobody else.
pub(super) fn of_state() -> OpenOptions {
    with_mode(STATE)
}

/// Opens files for recordings, for the group to read.
pub(super) fn of_recordings() -> OpenOptions {
    with_mode(SHOWN)
}

/// Opens the audit log, for the group to read.
pub(super) fn of_audit() -> OpenOptions {
    with_mode(SHOWN)
}

/// Opens files with that mode. Where files have none, they have the rights of the directory that they are made in.
#[must_use]
pub fn with_mode(mode: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    set_mode(&mut options, mode);
    options
}

#[cfg(unix)]
fn set_mode(options: &mut OpenOptions, mode: u32) {
    std::os::unix::fs::OpenOptionsExt::mode(options, mode);
}

#[cfg(not(unix))]
const fn set_mode(_: &mut OpenOptions, _: u32) {}

/// A sentence for each of the server's files and directories that more may read than should.
pub(super) fn too_wide(config: &Config) -> Vec<String> {
    let state = Path::new(&config.state_dir);
    let file = state.join(STATE_FILE);
    let all = [
        ("state_dir", state, DIRECTORY),
        ("state_dir", &*file, STATE),
        ("log_file", Path::new(&config.log_file), SHOWN),
        ("audit_log", Path::new(&config.audit_log), SHOWN),
    ];
    let of_user = all.into_iter().filter(|(key, ..)| match *key {
        "state_dir" => !config.state_dir.is_empty(),
        "audit_log" => !config.audit_log.is_empty(),
        _ => !config.log_file.is_empty(),
    });
    of_user.filter_map(|(key, path, mode)| wider(key, path, mode)).collect()
}

#[cfg(unix)]
fn wider(key: &str, path: &Path, mode: u32) -> Option<String> {
    let found = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).ok()?.permissions()) & 0o777;
    let shown = path.display();
    (found & !mode != 0).then(|| {
        format!("{key}: others than this program's user can use {shown} (mode {found:03o}): chmod {mode:03o} {shown}")
    })
}

#[cfg(not(unix))]
fn wider(_: &str, _: &Path, _: u32) -> Option<String> {
    None
}
