//! The six roles, in words.

use core::fmt;

/// What a user is here for. Each of the first three may what those before it may; an administrator may everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May look on.
    Viewer,
    /// May sign in under its names, send to its receivers, and take part in its sessions.
    #[default]
    Component,
    /// May control its sessions and the Manager.
    Controller,
    /// Is the Coordinator of another node.
    Node,
    /// Nothing but a source that is dialled.
    Provider,
    /// May everything.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Viewer, Self::Component, Self::Controller, Self::Node, Self::Provider, Self::Admin];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Component => "component",
            Self::Controller => "controller",
            Self::Node => "node",
            Self::Provider => "provider",
            Self::Admin => "admin",
        }
    }

    /// The role of this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// Whether it may what `needed` may.
    #[must_use]
    pub(crate) const fn covers(self, needed: Self) -> bool {
        match (self, needed) {
            (Self::Admin, _)
            | (Self::Controller, Self::Controller | Self::Component | Self::Viewer)
            | (Self::Component, Self::Component | Self::Viewer)
            | (Self::Node, Self::Node)
            | (Self::Provider, Self::Provider)
            | (Self::Viewer, Self::Viewer) => true,
            (Self::Viewer | Self::Component | Self::Controller | Self::Node | Self::Provider, _) => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
