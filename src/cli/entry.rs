//! What a sub-command of the program is: a row of the table in [`super::commands`].

use std::ffi::OsString;

use super::failure::Failure;

/// A sub-command.
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// What stands behind the name.
    pub(super) words: &'static str,
    pub(super) about: &'static str,
    pub(super) help: fn() -> String,
    pub(super) run: fn(Vec<OsString>) -> Result<(), Failure>,
}
