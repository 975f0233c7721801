//! Which numbers of the poll are whose.

use mio::Token;

use crate::limits::{CONNECTIONS_CEILING, GATHERERS_MAX, NODES_MAX, PROVIDERS_CEILING, TARPIT_MAX};

pub(super) const WAKE: Token = Token(0);
pub(super) const SIGNALS: Token = Token(1);
pub(super) const FIRST_LISTENER: usize = 2;
/// Listeners a server can have.
pub(super) const LISTENERS_MAX: usize = 62;
pub(super) const FIRST_DIAL: usize = FIRST_LISTENER + LISTENERS_MAX;
pub(super) const FIRST_WIRE: usize = FIRST_DIAL + NODES_MAX + GATHERERS_MAX + PROVIDERS_CEILING;
pub(super) const FIRST_LINGER: usize = FIRST_WIRE + CONNECTIONS_CEILING + TARPIT_MAX;
