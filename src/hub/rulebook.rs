//! Where settings, and the rules of users among them, come from when they are read anew, and how far everybody has been judged by them.

use core::fmt;

use crate::config::Config;

/// A configuration as it is now, read when the hub asks for it.
pub(crate) trait Rulebook: Send + fmt::Debug {
    /// Reads all of it, with the users of `keys_dir` among the others.
    ///
    /// # Errors
    /// What is wrong, in one line that names the file.
    fn read(&mut self) -> Result<Config, String>;

    /// What runs, in the words of what was read: that of the start, and of what was read since whatever could be taken. Without it, users alone are
    /// taken anew.
    fn held(&self) -> Option<&Config> {
        None
    }

    /// This runs from here on, and all that was read beside it.
    fn hold(&mut self, runs: Config);
}

/// Who is to be judged next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judging {
    /// Connections from this slot on: who they are now, if anybody.
    Links(usize),
    /// Names from this slot on.
    Names(usize),
    /// Other nodes.
    Nodes,
    /// Members of this node behind this name.
    Members(Box<[u8]>),
    /// Guests of the sessions from this slot on.
    Guests(usize),
    /// Those who are told by themselves, from this slot on.
    Streams(usize),
}
