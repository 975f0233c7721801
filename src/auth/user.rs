//! A user, judged: what the rules grant him.

use super::pattern::Patterns;
use super::role::Role;

/// The user that comes over loopback and is not asked who he is.
pub(super) const LOCAL: &str = "local";

/// The number of a user, which it keeps as long as the process runs, whatever becomes of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserId(pub(super) u32);

/// A user, judged.
#[derive(Clone, Debug)]
pub struct User {
    /// Its name.
    pub name: Box<str>,
    /// What it is here for.
    pub role: Role,
    /// Full names under which it may sign in, or of a node its namespaces.
    pub names: Patterns,
    /// Full names that it may send to.
    pub to: Patterns,
    /// Sessions that it may take part in.
    pub sessions: Patterns,
    /// Kinds of documents that it may send.
    pub send: Patterns,
    /// The system of C2SIM that it speaks for, where it may speak for one alone.
    pub system: Option<Box<str>>,
    /// Topics that it may publish.
    pub publish: Patterns,
    /// Topics that it may subscribe to.
    pub subscribe: Patterns,
    /// It has not been taken out of the rules.
    pub(super) is_there: bool,
}

impl User {
    /// Whether it goes by this name; whoever has a JWT by that of its system, too.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        *self.name == *name || self.system.as_deref() == Some(name)
    }
}
