//! What `--check` finds out without starting anything: whether the state can be taken up, what may be read and written, which ports are free.

use std::io;
use std::path::Path;

use super::channels;
use super::door;
use super::passed::Passed;
use crate::config::Config;

/// A sentence for each thing that whoever starts the server should know.
///
/// # Errors
/// In a sentence that names the key: a state that cannot be taken up, a directory that cannot be used, an address that cannot be listened on.
pub(super) fn look(config: &Config) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    rights(config)?;
    #[cfg(feature = "ledger")]
    lines.extend(state(config)?);
    match door::open(config, &mut Passed::default()) {
        Ok((listeners, elsewhere)) => {
            lines.extend(elsewhere);
            lines.extend(channels::open(config, &listeners, &mut Passed::default())?.1);
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            // It may well be the one that is to be begun anew.
            lines.push(error.to_string());
            lines.extend(channels::off_besides(config)?);
        }
        Err(error) => return Err(error),
    }
    Ok(lines)
}

/// Whether this user may do with files and directories what the server does.
fn rights(config: &Config) -> io::Result<()> {
    let of_logs = [("log_file", &config.log_file), ("audit_log", &config.audit_log)];
    for (key, path) in of_logs.into_iter().filter(|(_, path)| !path.is_empty()) {
        let path = Path::new(path);
        if path.is_dir() {
            return Err(wrong(key, path, "it is a directory"));
        }
        // A file that is not there yet is made in its directory, which is not.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
            return Err(wrong(key, path, &format!("there is no directory {}", directory.display())));
        }
        let place = if path.exists() { path } else { directory.unwrap_or_else(|| Path::new(".")) };
        can(key, place, Use::Write)?;
    }
    if !config.state_dir.is_empty() {
        // It is made where it is not there, and what it lies in.
        let path = Path::new(&config.state_dir);
        let place = path.ancestors().find(|place| place.exists()).unwrap_or_else(|| Path::new("."));
        if !place.is_dir() {
            return Err(wrong("state_dir", path, &format!("{} is not a directory", place.display())));
        }
        can("state_dir", place, Use::Write)?;
    }
    if !config.record.is_empty() {
        can("record", Path::new(&config.record), Use::Write)?;
    }
    config.log_dir.iter().try_for_each(|path| can("log_dir", Path::new(path), Use::Read))
}

fn can(key: &str, path: &Path, wanted: Use) -> io::Result<()> {
    let what = if wanted == Use::Write { "written to" } else { "read" };
    may(path, wanted).map_err(|why| wrong(key, path, &format!("it cannot be {what}: {why}")))
}

fn wrong(key: &str, path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{key} {}: {why}", path.display()))
}

/// What the server does with a directory or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Read,
    Write,
}

#[cfg(unix)]
fn may(path: &Path, wanted: Use) -> io::Result<()> {
    use rustix::fs::{Access, access};
    let wanted = if wanted == Use::Write { Access::WRITE_OK } else { Access::READ_OK | Access::EXEC_OK };
    Ok(access(path, wanted)?)
}

/// Who may write to a directory is seen there only by writing.
#[cfg(windows)]
fn may(path: &Path, wanted: Use) -> io::Result<()> {
    if path.is_file() {
        return std::fs::OpenOptions::new().append(wanted == Use::Write).read(wanted == Use::Read).open(path).map(drop);
    }
    std::fs::read_dir(path).map(drop)
}

/// What is kept, and whether it can be taken up.
#[cfg(feature = "ledger")]
fn state(config: &Config) -> io::Result<Option<String>> {
    use super::clock::{self, Clock};
    use super::ledger_look::{self, Look, Told};
    use crate::hub::{Hub, Start};

    if config.state_dir.is_empty() {
        return Ok(None);
    }
    let shown = &config.state_dir;
    let told = |why: &str| Ok(Some(format!("state_dir {shown}: {why}")));
    let found = ledger_look::look(Path::new(shown))
        .map_err(|error| io::Error::new(error.kind(), format!("state_dir: {error}")))?;
    match found {
        Look::Nothing => Ok(None),
        Look::Taken => told("another process has it open, so it was not looked into"),
        Look::TooLarge(bytes) => told(&format!("its file has {bytes} bytes and was not looked into")),
        Look::Kept(entries, trouble) => {
            let start = Start { seed: clock::seed(), now: Clock::new().now(), unix_ms: clock::unix_ms() };
            let named = super::open::checked(config.clone())?;
            let mut hub = Hub::new(named, start).map_err(|wrong| super::open::invalid(wrong.to_string()))?;
            hub.set_ledger(Box::new(Told(entries)))
                .map_err(|why| io::Error::new(io::ErrorKind::InvalidData, format!("state_dir {shown}: {why}")))?;
            let sessions = hub.load().sessions;
            let trouble = trouble.map_or_else(String::new, |trouble| format!("; {trouble}"));
            told(&format!("{sessions} sessions, those of the settings included{trouble}"))
        }
    }
}
