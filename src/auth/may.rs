//! The question that all doors ask, and the line that decides it.

use super::pattern::Patterns;
use super::role::Role;
use super::rule::UserRule;
use super::user::User;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To look on: lists, counters, what happens in a session, the data of viewers.
    Look,
    /// To sign in under a name.
    SignIn,
    /// To send to a receiver.
    Send,
    /// To publish messages of a topic.
    Publish,
    /// To subscribe to a topic.
    Subscribe,
    /// To join a session, to follow it, to leave it.
    Join,
    /// To hand a document in to a session.
    Document,
    /// To pull a trigger of a session.
    Trigger,
    /// To have providers opened, played and shown.
    Control,
    /// To make a session, or to end one that is not in use.
    MakeSession,
    /// To be the Coordinator of a node.
    BeNode,
    /// To end the process, and all that may hurt everybody.
    Administer,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Look,
        Self::SignIn,
        Self::Send,
        Self::Publish,
        Self::Subscribe,
        Self::Join,
        Self::Document,
        Self::Trigger,
        Self::Control,
        Self::MakeSession,
        Self::BeNode,
        Self::Administer,
    ];

    /// The role that it takes at the least.
    #[must_use]
    pub const fn needs(self) -> Role {
        match self {
            Self::Look | Self::Subscribe => Role::Viewer,
            Self::SignIn | Self::Send | Self::Publish | Self::Join | Self::Document => Role::Component,
            Self::Trigger | Self::Control | Self::MakeSession => Role::Controller,
            Self::BeNode => Role::Node,
            Self::Administer => Role::Admin,
        }
    }

    /// Whether a role may it at all. A node looks on and takes part in sessions for the Components behind it.
    const fn is_of(self, role: Role) -> bool {
        role.covers(self.needs())
            || (matches!(role, Role::Node)
                && matches!(self, Self::Look | Self::Subscribe | Self::Join | Self::Document))
    }
}

/// With what it is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// Nothing in particular.
    Nothing,
    /// A full name, to sign in under or to send to.
    Name(&'a [u8]),
    /// A namespace.
    Namespace(&'a [u8]),
    /// The first frame of published messages, or the beginning of it.
    Topic(&'a [u8]),
    /// A session, by its name.
    Session(&'a str),
    /// A document of this kind, one of [`super::UserRule::KINDS`], for a session.
    Document {
        /// The session's name.
        session: &'a str,
        /// The kind of document.
        kind: &'a str,
    },
}

/// A list of a user that rules a target, by the key that it has in the file, and what of the target must be in it.
fn lists<'u, 't>(
    user: &'u User,
    action: Action,
    target: Target<'t>,
) -> [Option<(&'static str, &'u Patterns, &'t [u8])>; 2] {
    match (action, target) {
        (Action::SignIn, Target::Name(name)) => [Some(("names", &user.names, name)), None],
        (Action::Send, Target::Name(name)) => [Some(("to", &user.to, name)), None],
        (Action::Publish, Target::Topic(topic)) => [Some(("publish", &user.publish, topic)), None],
        (Action::Subscribe, Target::Topic(topic)) => [Some(("subscribe", &user.subscribe, topic)), None],
        (Action::BeNode, Target::Namespace(name)) => [Some(("names", &user.names, name)), None],
        (_, Target::Session(session)) => [Some(("sessions", &user.sessions, session.as_bytes())), None],
        (_, Target::Document { session, kind }) => {
            [Some(("sessions", &user.sessions, session.as_bytes())), Some(("send", &user.send, kind.as_bytes()))]
        }
        (_, Target::Nothing | Target::Name(_) | Target::Namespace(_) | Target::Topic(_)) => [None, None],
    }
}

/// What a user lacks for an action: a role, or a list that has its target. Nothing, if it may.
pub(super) fn lacks(user: &User, action: Action, target: Target<'_>) -> Option<&'static str> {
    if user.role == Role::Admin {
        return None;
    }
    if !action.is_of(user.role) {
        return Some(action.needs().word());
    }
    let missing = lists(user, action, target).into_iter().flatten().find(|(_, list, name)| list.find(name).is_none());
    missing.map(|(key, ..)| key)
}

/// Whether a user may do this with that.
#[must_use]
pub fn may(user: &User, action: Action, target: Target<'_>) -> bool {
    lacks(user, action, target).is_none()
}

/// What somebody who may not lacks, in words: `needs` is a list of a user by its key, or else what would be needed.
#[must_use]
pub fn wanted(needs: &str) -> String {
    if UserRule::LISTS.contains(&needs) {
        format!("it is not in the list {needs}")
    } else {
        format!("it needs {needs}")
    }
}

/// The line that decides whether it may, in words.
#[must_use]
pub fn why(user: &User, action: Action, target: Target<'_>) -> String {
    let role = user.role;
    match lacks(user, action, target) {
        None if role == Role::Admin => "role = admin may everything".to_owned(),
        None => {
            let found = lists(user, action, target)
                .into_iter()
                .flatten()
                .filter_map(|(key, list, name)| Some(format!("{key} has {}", list.find(name)?)));
            let found: Vec<String> = core::iter::once(format!("role = {role} may that")).chain(found).collect();
            found.join(", ")
        }
        Some(lack) => match lists(user, action, target).into_iter().flatten().find(|(key, ..)| *key == lack) {
            Some((key, list, name)) => format!("{key} = {list} has no {}", String::from_utf8_lossy(name)),
            None => format!("role = {role}, and it needs {lack}"),
        },
    }
}
