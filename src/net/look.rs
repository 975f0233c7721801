//! What `--check` finds out without starting anything: whether the state can be taken up, what may be read and written, which ports are free.

use std::io;
use std::path::Path;

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
        Ok(_) => {}
        // It may well be the one that is to be begun anew.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => lines.push(error.to_string()),
        Err(error) => return Err(error),
    }
    Ok(lines)
}

/// Whether this user may do with files and directories what the server does.
fn rights(config: &Config) -> io::Result<()> {
    // A file that is not there yet is made in its directory.
    let of_log = |key, path| {
        let path = Some(Path::new(path)).filter(|path| !path.as_os_str().is_empty())?;
        let place = if path.exists() { path } else { path.parent()? };
        Some((key, place)).filter(|(_, place)| !place.as_os_str().is_empty())
    };
    let of_logs = [of_log("log_file", &config.log_file), of_log("audit_log", &config.audit_log)].into_iter().flatten();
    let written = [("state_dir", &config.state_dir), ("record", &config.record)];
    let written = written.into_iter().map(|(key, path)| (key, Path::new(path))).chain(of_logs);
    let written = written.map(|(key, path)| (key, path, Use::Write));
    let read = config.log_dir.iter().map(|path| ("log_dir", Path::new(path), Use::Read));
    for (key, path, wanted) in written.chain(read) {
        if path.exists()
            && let Err(why) = may(path, wanted)
        {
            let what = if wanted == Use::Write { "written to" } else { "read" };
            return Err(io::Error::new(why.kind(), format!("{key} {}: it cannot be {what}: {why}", path.display())));
        }
    }
    Ok(())
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
