//! What of calls is for the audit log, and how the event loop gets it.

use crate::hub::Hub;
use crate::hub::front::{Asked, Request};
use crate::hub::methods::{Method, Right};
use crate::hub::peers::{Deed, Peer};
use crate::hub::sessions::Said;
use crate::leco::name;
use crate::leco::rpc::FORBIDDEN;

impl Hub {
    /// From here on who did what is kept until it is taken.
    pub(crate) fn begin_audit(&mut self) {
        let node = name::shown(&self.names.full_name);
        self.peers.trail.begin(&node);
        self.peers.audit(&Deed { action: "START_AUDIT", category: "process", ..Deed::default() });
    }

    /// The process ends.
    pub(crate) fn end_audit(&mut self) {
        self.peers.audit(&Deed { action: "STOP_AUDIT", category: "process", ..Deed::default() });
    }

    /// All lines that there are, and how many.
    pub(crate) fn take_audit(&mut self) -> Option<(Vec<u8>, u64)> {
        self.peers.trail.take()
    }

    /// So many lines that were taken could not be written.
    pub(crate) fn note_audit_lost(&mut self, lines: u64) {
        self.peers.note_audit_lost(lines);
    }

    /// A call was made that is an administrator's, or makes or ends a session. What it was given is nobody's business. One that is made again later
    /// is kept then, and one that somebody may not make was.
    pub(super) fn audit_call(&mut self, request: &Request, method: &Method, said: &Said) {
        let is_told = matches!(method.right, Right::Admin | Right::AdminToForce | Right::MakeSession);
        if !self.peers.trail.is_kept() || !is_told {
            return;
        }
        let refused = match said {
            Said::Now(aftermath) => aftermath.answer.as_ref().err().map(|(error, _)| *error),
            Said::Later(_) => None,
            Said::Busy(_) => return,
        };
        if refused == Some(FORBIDDEN) {
            return;
        }
        let client = name::shown(&self.names.full_name_of(&request.sender));
        let target = match &request.asked {
            Asked::Coordinator => String::new(),
            Asked::Session(name) => name::shown(name),
            Asked::Channel(channel) => channel.name().to_owned(),
        };
        let user = self.peers.user_name(request.link).to_owned();
        let address = self.peers.get(request.link).map(Peer::seen_at);
        self.peers.audit(&Deed {
            action: method.name,
            category: "configuration",
            refused: refused.map(|error| error.message),
            user: &user,
            address,
            client: &client,
            target: &target,
            ..Deed::default()
        });
    }
}
