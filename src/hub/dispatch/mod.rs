//! Where calls meet their owners: whichever protocol a call comes in, it is found in one table, its caller's right is looked at, and the
//! owner who deals with it is lent what it needs.

mod calls;
mod commands;
mod connections;
mod control;
mod guests;
mod manager;
mod rpc;
mod sessions;
mod topic;
mod viewer;
mod web;

use serde_json::Value;

use crate::control::function::Function;
use crate::leco::name::COORDINATOR;
use crate::leco::route::Place;
use crate::leco::rpc::{INVALID_REQUEST, MANAGER_FAILED, METHOD_NOT_FOUND, NOT_PERMITTED, Params};
use crate::time::Span;

use super::Hub;
use super::call::{Answer, Caller, Refused, none, plain_error};
use super::coordinator::Coordinator;
use super::front::Request;
use super::keys::PeerKey;
use super::methods::{At, Call, Method, OwnCall, Right, described};
use super::peers::{Peer, ProcessTimer};
use super::sessions::Said;

impl Hub {
    /// Makes one call. `fresh`: it has just come, and must not overtake those that wait.
    fn call(
        &mut self,
        request: &Request,
        method: Option<&'static Method>,
        name: &str,
        params: Params,
        fresh: bool,
    ) -> Said {
        let Some(method) = method else { return Said::now(Err((METHOD_NOT_FOUND, Value::from(name)))) };
        let caller = request.caller(&self.names.prefix);
        if let Err(refused) = self.has_right(caller, method) {
            return Said::now(Err(refused));
        }
        match method.call {
            Call::Own(call) => Said::now(self.own_call(caller, call, params)),
            Call::Manager(call) => Said::now(self.manager_call(caller, call, params)),
            Call::Sessions(call) => self.sessions_call(caller, call, params, fresh),
            Call::AtSession(call) => self.session_call(request, call, name, params),
        }
    }

    /// What the Coordinator does itself.
    fn own_call(&mut self, caller: Caller<'_>, call: OwnCall, params: Params) -> Answer {
        let Self { peers, names, coordinator, sessions, .. } = self;
        match call {
            OwnCall::Pong => none(params).map(|()| Value::Null),
            OwnCall::Discover => none(params).map(|()| described(&self.names.full_name, At::Coordinator)),
            OwnCall::SignIn => {
                let answer = coordinator.sign_in(peers, names, caller, params)?;
                if let Place::Here(name) = caller.sender {
                    sessions.component_came(names, name);
                }
                Ok(answer)
            }
            OwnCall::SignOut => {
                none(params)?;
                if let Some(name) = coordinator.sign_out(peers, names, caller)? {
                    sessions.component_signed_out(peers, names, name);
                }
                Ok(Value::Null)
            }
            OwnCall::CoordinatorSignIn => {
                none(params).and_then(|()| coordinator.coordinator_sign_in(peers, names, caller))
            }
            OwnCall::CoordinatorSignOut => {
                none(params).and_then(|()| coordinator.coordinator_sign_out(peers, names, caller))
            }
            OwnCall::AddNodes => coordinator.add_nodes(peers, names, caller, params),
            OwnCall::RecordComponents => Coordinator::record_components(peers, names, caller, params),
            OwnCall::ChangeComponents => Coordinator::change_components(peers, names, caller, params),
            OwnCall::CompareComponents => Coordinator::compare_components(peers, names, caller, params),
            OwnCall::RepeatComponents => {
                none(params).and_then(|()| coordinator.repeat_components(peers, names, caller))
            }
            OwnCall::SendNodes => none(params).map(|()| Coordinator::nodes_as_json(names)),
            OwnCall::SendLinks => none(params).map(|()| Coordinator::links_as_json(peers, names)),
            OwnCall::SendLocalComponents => none(params).map(|()| Coordinator::local_components(names)),
            OwnCall::SendGlobalComponents => none(params).map(|()| Coordinator::global_components(peers, names)),
            OwnCall::SendCounters => none(params).map(|()| self.counters_told()),
            OwnCall::SendConnections => self.connections(params),
            OwnCall::SetLogLevel => Coordinator::set_log_level(peers, caller, params),
            OwnCall::RemoveExpiredAddresses => coordinator.remove_expired_addresses(peers, names, params),
            OwnCall::ShutDown => none(params).and_then(|()| Coordinator::shut_down(peers)),
        }
    }

    /// Whether a caller is who it must be for a method, as far as that can be told without its owner.
    fn has_right(&self, caller: Caller<'_>, method: &Method) -> Result<(), Refused> {
        match method.right {
            Right::Admin if !self.may_administer(caller) => Err(not_permitted(method)),
            Right::Node if !self.is_node(caller) => {
                let why = format!("only a Coordinator that is signed in on this link calls {}", method.name);
                Err((INVALID_REQUEST, Value::from(why)))
            }
            Right::NodeOrAdmin if !self.is_node(caller) && !self.may_administer(caller) => {
                let why = format!(
                    "only a Coordinator that is signed in on this link calls {}, or a Component of this machine (remote_admin)",
                    method.name
                );
                Err((INVALID_REQUEST, Value::from(why)))
            }
            Right::Anybody | Right::Node | Right::NodeOrAdmin | Right::Member | Right::Admin | Right::AdminToForce => {
                Ok(())
            }
        }
    }

    /// Whether a caller is the Coordinator of another node, and not one of its Components.
    fn is_node(&self, caller: Caller<'_>) -> bool {
        matches!(caller.sender, Place::There { name: COORDINATOR, .. })
            && self.names.is_signed_in(&self.peers, caller.link, caller.sender)
    }

    /// Whether a caller is on this machine, or need not be.
    pub(super) fn may_administer(&self, caller: Caller<'_>) -> bool {
        self.peers.config.remote_admin || (!caller.is_far && self.may_administer_on(caller.link))
    }

    /// Whether whoever is at the other end of a connection is on this machine, or need not be.
    pub(super) fn may_administer_on(&self, link: PeerKey) -> bool {
        self.peers.config.remote_admin || self.peers.get(link).is_some_and(Peer::is_local)
    }

    /// Ends the process after this turn.
    pub(super) fn exit(&mut self) {
        log::info!("Exit was called");
        self.peers.set_timer(ProcessTimer::Goodbye, Span(0));
    }
}

/// What a caller is told whose right does not reach for a method.
fn not_permitted(method: &Method) -> Refused {
    match (method.call, method.function) {
        (Call::Manager(_), Some(function)) => (MANAGER_FAILED, Value::from(elsewhere(function))),
        (Call::Own(_) | Call::Manager(_) | Call::Sessions(_) | Call::AtSession(_), _) => plain_error(NOT_PERMITTED),
    }
}

/// The same in words, for a control function.
fn elsewhere(function: Function) -> String {
    format!("{} is not permitted from another machine (remote_admin)", function.name())
}

#[cfg(test)]
mod tests;
