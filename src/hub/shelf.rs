//! Where logs come from: the one thing that the heart asks for instead of being fed.
//!
//! The hub decides what is opened and when a bit more is read; files themselves belong to whoever implements [`Shelf`]: `net` for the
//! real ones, a test for logs in memory. Every call does a bounded amount of work. What is written goes another way: [`super::recorder`].

use core::fmt::Debug;

use crate::rcrs::log::Ending;
use crate::rcrs::message::Record;

/// An open log, or a recording that is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// What a file turned out to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A log of the simulation kernel; comes as records.
    Kernel,
    /// A recording of what viewers were sent; comes as bytes.
    Viewer,
}

/// What one bounded step of reading brought.
#[derive(Debug)]
pub enum Advance {
    /// A record of a kernel's log.
    Record(Record),
    /// Bytes of a viewer's recording.
    Bytes(Vec<u8>),
    /// Nothing yet; call again.
    Working,
    /// The file is at its end, in order or cut short.
    Ended(Ending),
    /// The file cannot be read on, and why.
    Failed(String),
}

/// What logs there are to be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logs {
    /// Their names, as [`Shelf::open`] takes them, and their sizes in bytes.
    pub files: Vec<(String, u64)>,
    /// There are others.
    pub more: bool,
}

/// Opens and reads files on behalf of the hub.
pub trait Shelf: Send + Debug {
    /// Opens a log by the name that a controller gave.
    ///
    /// # Errors
    /// A sentence for the controller: no such file, not a log, outside the permitted directories.
    fn open(&mut self, name: &str) -> Result<(FileId, Content), String>;

    /// Opens the file behind `id` once more, from its beginning.
    ///
    /// # Errors
    /// As [`Shelf::open`].
    fn again(&mut self, id: FileId) -> Result<FileId, String>;

    /// Reads a bounded piece.
    fn advance(&mut self, id: FileId) -> Advance;

    /// The last timestep of the log, where that is known already.
    fn time_max(&self, id: FileId) -> Option<i32>;

    /// Closes a file.
    fn close(&mut self, id: FileId);

    /// From here on logs are opened below these directories; those that are open stay so.
    fn set_directories(&mut self, _: &[String]) {}

    /// What there is to be opened, as far as a bounded look finds it.
    fn logs(&self) -> Logs {
        Logs::default()
    }
}

/// No files at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoShelf;

impl Shelf for NoShelf {
    fn open(&mut self, _: &str) -> Result<(FileId, Content), String> {
        Err("no directory of logs is configured (log_dir)".to_owned())
    }

    fn again(&mut self, _: FileId) -> Result<FileId, String> {
        Err("no directory of logs is configured (log_dir)".to_owned())
    }

    fn advance(&mut self, _: FileId) -> Advance {
        Advance::Failed("there is no such file".to_owned())
    }

    fn time_max(&self, _: FileId) -> Option<i32> {
        None
    }

    fn close(&mut self, _: FileId) {}
}
