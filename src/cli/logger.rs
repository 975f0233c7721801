//! The log: to standard error, or to a file that can be opened anew while the program runs.

use std::fs::{File, OpenOptions};
use std::io::{self, LineWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use simplelog::{Config, ConfigBuilder, LevelFilter, WriteLogger};

use super::failure::{Failure, in_words};

/// A log file behind a lock, so that the signal's handler can replace it.
#[derive(Clone, Debug)]
struct LogFile {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

fn layout() -> Config {
    ConfigBuilder::new()
        .set_time_format_rfc3339()
        .set_thread_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .build()
}

/// Whatever the log goes to: one type, so that the logger is compiled once.
type Sink = Box<dyn Write + Send>;

/// Each line in one write: the layout comes in pieces, and another program may write to the same place.
fn install(sink: Sink) -> Result<(), Failure> {
    WriteLogger::init(LevelFilter::Trace, layout(), LineWriter::new(sink)).map_err(Failure::other)
}

/// Starts logging. Returns what opens the log file anew.
pub(super) fn start(level: LevelFilter, path: &str) -> Result<Box<dyn FnMut() + Send>, Failure> {
    let reopen: Box<dyn FnMut() + Send> = if path.is_empty() {
        install(Box::new(io::stderr()))?;
        Box::new(|| log::info!("SIGHUP: the log is standard error, there is no file to reopen"))
    } else {
        let path = PathBuf::from(path);
        let file = open(&path)
            .map_err(|error| Failure::other(format!("log_file {}: {}", path.display(), in_words(&error))))?;
        let log = LogFile { path, file: Arc::new(Mutex::new(file)) };
        install(Box::new(log.clone()))?;
        Box::new(move || match open(&log.path) {
            Ok(file) => {
                *log.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
                log::info!("log file reopened");
            }
            // The old file still takes the line.
            Err(error) => log::error!("log_file {}: {}, the old file stays", log.path.display(), in_words(&error)),
        })
    };
    log::set_max_level(level);
    Ok(reopen)
}
