//! Viewers, at their port or on a WebSocket: what they ask for goes to the Manager.
//!
//! The WebSocket is a framing under their dialect and no more: what its messages carry is the bytes that would come at the port, and each result
//! goes back as a message of its own.

use core::net::SocketAddr;

use crate::auth::{Action, Target};
use crate::control;
use crate::control::framing::{self, Frame};
use crate::control::viewer;
use crate::hub::Hub;
use crate::hub::cause::Cause;
use crate::hub::halt::Halt;
use crate::hub::keys::PeerKey;
use crate::hub::manager::Manager;
use crate::hub::peers::{Outcome, Peer};
use crate::hub::web::Farewell;
use crate::limits::CONTROL_REQUEST_BYTES_MAX;
use crate::store::ring::NoRoom;

impl Hub {
    /// Deals with the requests at the front of `buffer` of a viewer at its port.
    pub(in crate::hub) fn walk_viewer(&mut self, key: PeerKey, buffer: &[u8]) -> (usize, Halt) {
        let (used, outcome) = self.viewer_requests(key, buffer);
        let halt = outcome.unwrap_or_else(|_| {
            self.peers.finish(key, Cause::Undecodable);
            Halt::Gone
        });
        (used, halt)
    }

    /// A WebSocket was granted to a viewer at `remote`.
    pub(super) fn viewer_begins(&mut self, key: PeerKey, remote: SocketAddr) {
        self.peers.begin_results(key);
        self.manager.viewer_came(&self.peers, key, remote);
    }

    /// Deals with what a viewer has said on its WebSocket, if that is anything new. Answers why it is not read on, if it is not.
    pub(super) fn hear_viewer(&mut self, key: PeerKey) -> Option<Halt> {
        let said = self.web.lend_said(key)?;
        let (used, outcome) = self.viewer_requests(key, &said);
        let waits = matches!(outcome, Ok(Halt::Held));
        self.web.give_back(&mut self.peers, key, said, used, waits);
        match outcome {
            Ok(Halt::Need(_)) => None,
            Ok(halt) => Some(halt),
            Err(error) => {
                let is_too_long = matches!(error, control::Error::TooLong { .. });
                let reason = error.to_string();
                self.web.break_off(&mut self.peers, key, Farewell::unreadable(&reason, is_too_long));
                Some(Halt::Gone)
            }
        }
    }

    /// Deals with the requests at the front of `buffer`; an error, which the viewer is told, is one behind which nothing can be read.
    fn viewer_requests(&mut self, key: PeerKey, buffer: &[u8]) -> (usize, Result<Halt, control::Error>) {
        let mut used = 0;
        loop {
            if !self.peers.get(key).is_some_and(Peer::is_open) {
                return (used, Ok(Halt::Gone));
            }
            if self.peers.get(key).is_some_and(Manager::is_behind_with_answers)
                && self.peers.hold_for_answer(key, key, NoRoom::Full) == Outcome::Held
            {
                return (used, Ok(Halt::Held));
            }
            let rest = buffer.get(used..).unwrap_or_default();
            let decoded = match framing::scan(rest, CONTROL_REQUEST_BYTES_MAX) {
                Ok(Frame::Need(n)) => return (used, Ok(Halt::Need(n))),
                Ok(Frame::Whole { header_len, body_len }) => {
                    used += header_len + body_len;
                    self.peers.first_request(key);
                    viewer::decode(rest.get(header_len..header_len + body_len).unwrap_or_default())
                }
                Err(error) => Err(error),
            };
            if let Some(needs) = self.peers.lacks(key, Action::Look, Target::Nothing) {
                let why = if self.peers.user(key).is_none() {
                    self.peers.note_stranger(key, "view", "no user has this address");
                    "this address may not view: no user has it".to_owned()
                } else {
                    let user = self.peers.user_name(key).to_owned();
                    self.peers.forbid(key, "view", needs, Target::Nothing);
                    format!("to view needs the role {needs}; this is {user}")
                };
                Manager::refuse_request(&mut self.peers, key, &why);
                self.web.end_stream(&mut self.peers, key, Farewell::FORBIDDEN);
                self.peers.finish(key, Cause::Stranger);
                return (used, Ok(Halt::Gone));
            }
            match decoded {
                Ok(request) => self.manager.viewer_request(&mut self.peers, key, request),
                Err(error) => {
                    Manager::refuse_request(&mut self.peers, key, &error.to_string());
                    self.peers.note_error(&format!("a viewer's request was refused: {error}"));
                    if error.is_fatal() {
                        return (used, Err(error));
                    }
                }
            }
        }
    }
}
