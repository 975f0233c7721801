//! Where the rules of users come from when they are read anew.

use core::fmt;

use crate::config::Config;

/// A configuration as it is now, read when the hub asks for it.
pub(crate) trait Rulebook: Send + fmt::Debug {
    /// Reads all of it, with the users of `keys_dir` among the others.
    ///
    /// # Errors
    /// What is wrong, in one line that names the file.
    fn read(&mut self) -> Result<Config, String>;

    /// What was read last holds from here on.
    fn hold(&mut self);
}
