//! The log: to standard error, or to a file that can be opened anew while the program runs.
//!
//! An entry is one line in one write: the time in UTC, the level, the text. The journal of systemd has a time of its own for each line, so
//! that there it has none here, but in front the number by which the journal knows how much it matters (`journalctl -p warning`).

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use instep::net::modes::with_mode;
use instep::time::Utc;
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::client::unix_ms;
use super::failure::{Failure, in_words};
use super::visible::visible;

/// A log file behind a lock, so that the signal's handler can replace it.
#[derive(Clone, Debug)]
struct LogFile {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

fn open(path: &PathBuf) -> io::Result<File> {
    // For the group to read, and nobody else, whatever the umask lets through.
    with_mode(0o640).create(true).append(true).open(path)
}

/// Where lines go.
#[derive(Debug)]
enum Sink {
    StandardError,
    File(LogFile),
}

#[derive(Debug)]
struct Logger {
    sink: Sink,
    is_journal: bool,
}

impl Log for Logger {
    /// `log` looks at the level.
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = record.level();
        let before = if self.is_journal { format!("<{}>", priority(level)) } else { format!("{} ", stamp(unix_ms())) };
        let line = format!("{before}[{level}] {}\n", visible(&record.args().to_string()));
        // There is nobody left to tell when the log takes nothing.
        drop(match &self.sink {
            Sink::StandardError => io::stderr().lock().write_all(line.as_bytes()),
            Sink::File(log) => log.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes()),
        });
    }

    /// Nothing is kept back.
    fn flush(&self) {}
}

/// What the journal, and syslog before it, calls a level.
const fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// A moment, always of the same width.
fn stamp(unix_ms: u64) -> String {
    let Utc { year, month, day, hour, minute, second, millisecond } = Utc::of(unix_ms);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// Whether standard error goes to the journal, which says in the environment which file that would be.
#[cfg(target_os = "linux")]
fn is_journal() -> bool {
    use std::os::linux::fs::MetadataExt as _;
    let told = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let is_told = |file: std::fs::Metadata| told == format!("{}:{}", file.st_dev(), file.st_ino());
    !told.is_empty() && std::fs::metadata("/proc/self/fd/2").is_ok_and(is_told)
}

#[cfg(not(target_os = "linux"))]
const fn is_journal() -> bool {
    false
}

/// Starts logging. Returns what opens the log file anew.
pub(super) fn start(level: LevelFilter, path: &str) -> Result<Box<dyn FnMut() + Send>, Failure> {
    let (logger, reopen): (Logger, Box<dyn FnMut() + Send>) = if path.is_empty() {
        (
            Logger { sink: Sink::StandardError, is_journal: is_journal() },
            Box::new(|| log::info!("SIGHUP: the log is standard error, there is no file to reopen")),
        )
    } else {
        let path = PathBuf::from(path);
        let file = open(&path)
            .map_err(|error| Failure::other(format!("log_file {}: {}", path.display(), in_words(&error))))?;
        let log = LogFile { path, file: Arc::new(Mutex::new(file)) };
        (Logger { sink: Sink::File(log.clone()), is_journal: false }, Box::new(move || reopen(&log)))
    };
    log::set_boxed_logger(Box::new(logger)).map_err(Failure::other)?;
    log::set_max_level(level);
    Ok(reopen)
}

fn reopen(log: &LogFile) {
    match open(&log.path) {
        Ok(file) => {
            *log.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
            log::info!("log file reopened");
        }
        // The old file still takes the line.
        Err(error) => log::error!("log_file {}: {}, the old file stays", log.path.display(), in_words(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_one_width() {
        assert_eq!(stamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(stamp(1_764_150_003_045), "2025-11-26T09:40:03.045Z");
        assert_eq!(stamp(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
    }
}
