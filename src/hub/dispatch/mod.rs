//! Where calls meet their owners: whichever protocol a call comes in, it is found in one table, its caller's right is looked at, and the
//! owner who deals with it is lent what it needs.

mod access;
mod calls;
mod channel;
mod commands;
mod connections;
mod control;
mod feeds;
mod guarded;
mod guests;
mod judging;
mod link;
mod manager;
mod onlooker;
mod reload;
mod renew;
mod rpc;
mod sessions;
mod topic;
mod trail;
mod viewer;
mod web;

use serde_json::Value;

use crate::auth::{Action, Target};
use crate::control::function::Function;
use crate::leco::name::COORDINATOR;
use crate::leco::route::Place;
use crate::leco::rpc::{INVALID_REQUEST, MANAGER_FAILED, METHOD_NOT_FOUND, NOT_PERMITTED, Params};
use crate::time::Span;

use super::Hub;
use super::call::{Answer, Caller, Refused, none, plain_error};
use super::coordinator::Coordinator;
use super::front::{Asked, Request};
use super::keys::PeerKey;
use super::methods::{At, Call, ChannelListing, ListingCall, Method, OwnCall, Right, described};
use super::peers::{Peer, ProcessTimer};
use super::sessions::Said;

impl Hub {
    /// Makes one call. `fresh`: it has just come, and must not overtake those that wait. `None`: there is more to do for it than one piece of work,
    /// and it is to be made again, without parameters.
    fn call(
        &mut self,
        request: &Request,
        method: Option<&'static Method>,
        name: &str,
        params: Params,
        fresh: bool,
    ) -> Option<Said> {
        let told = method.and_then(|method| self.told_of_call(request, method, &params));
        let said = self.make_call(request, method, name, params, fresh);
        if let (Some(told), Some(said)) = (told, &said) {
            self.audit_said(told, said);
        }
        said
    }

    fn make_call(
        &mut self,
        request: &Request,
        method: Option<&'static Method>,
        name: &str,
        params: Params,
        fresh: bool,
    ) -> Option<Said> {
        let Some(method) = method else { return Some(Said::now(Err((METHOD_NOT_FOUND, Value::from(name))))) };
        if let Err(refused) = self.has_right(request, method) {
            return Some(Said::now(Err(refused)));
        }
        let caller = request.caller(&self.names.prefix);
        Some(match method.call {
            Call::Record => {
                let Self { peers, names, .. } = self;
                Said::now(Coordinator::record_components(peers, names, caller, params)?)
            }
            Call::Own(call) => Said::now(self.own_call(caller, call, params)),
            Call::Listing(call) => Said::written(self.listing(call, params)),
            Call::Manager(call) => Said::now(self.manager_call(caller, call, params)),
            Call::Sessions(call) => self.sessions_call(caller, call, params, fresh),
            Call::AtSession(call) => self.session_call(request, call, name, params),
            Call::Channel(_) | Call::ChannelListing(_) => self.call_of_channel(request, caller, method.call, params),
        })
    }

    /// What a channel does, or tells.
    fn call_of_channel(&mut self, request: &Request, caller: Caller<'_>, call: Call, params: Params) -> Said {
        match (call, &request.asked) {
            (Call::Channel(call), Asked::Channel(channel)) => {
                Said::now(self.channel_call(caller, *channel, call, params))
            }
            (Call::ChannelListing(listing), Asked::Channel(channel)) => {
                Said::written(self.channel_listing(*channel, listing == ChannelListing::Discover, params))
            }
            _ => Said::now(Err(plain_error(METHOD_NOT_FOUND))),
        }
    }

    /// What the Coordinator does itself.
    fn own_call(&mut self, caller: Caller<'_>, call: OwnCall, params: Params) -> Answer {
        let Self { peers, names, coordinator, sessions, .. } = self;
        match call {
            OwnCall::Pong => none(params).map(|()| Value::Null),
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
                    let doer = peers.doer(caller.link);
                    sessions.component_signed_out(peers, names, name, doer);
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
            OwnCall::ChangeComponents => Coordinator::change_components(peers, names, caller, params),
            OwnCall::CompareComponents => Coordinator::compare_components(peers, names, caller, params),
            OwnCall::RepeatComponents => {
                none(params).and_then(|()| coordinator.repeat_components(peers, names, caller))
            }
            OwnCall::SendNodes => none(params).map(|()| Coordinator::nodes_as_json(names)),
            OwnCall::SendLinks => none(params).map(|()| Coordinator::links_as_json(peers, names)),
            OwnCall::WhoAmI => none(params).map(|()| self.whoami(caller)),
            OwnCall::May => self.may_of(params),
            OwnCall::Denials => none(params).and_then(|()| self.denials()),
            OwnCall::Reload => none(params).and_then(|()| self.reload_by_call()),
            OwnCall::SetLogLevel => Coordinator::set_log_level(peers, caller, params),
            OwnCall::RemoveExpiredAddresses => coordinator.remove_expired_addresses(peers, names, params),
            OwnCall::ShutDown => none(params).and_then(|()| Coordinator::shut_down(peers)),
        }
    }

    /// What there may be much of.
    fn listing(&self, call: ListingCall, params: Params) -> Result<String, Refused> {
        match call {
            ListingCall::Discover => none(params).map(|()| described(&self.names.full_name, At::Coordinator)),
            ListingCall::LocalComponents => none(params).map(|()| Coordinator::local_components(&self.names)),
            ListingCall::GlobalComponents => {
                none(params).map(|()| Coordinator::global_components(&self.peers, &self.names))
            }
            ListingCall::Connections => self.connections(params),
            ListingCall::Counters => none(params).map(|()| self.counters_told()),
            ListingCall::Sessions => none(params).map(|()| self.sessions_text()),
            ListingCall::ShownSessions => self.shown_sessions_text(params),
        }
    }

    /// Whether a caller is who it must be for a method, as far as that can be told without its owner.
    fn has_right(&mut self, request: &Request, method: &Method) -> Result<(), Refused> {
        if self.peers.users.is_off() {
            self.is_rightly_placed(request.caller(&self.names.prefix), method)
        } else {
            self.permit(request, method)
        }
    }

    /// Whether the user at the other end may call a method.
    fn permit(&mut self, request: &Request, method: &Method) -> Result<(), Refused> {
        let caller = request.caller(&self.names.prefix);
        if matches!(method.right, Right::Node | Right::NodeOrAdmin) {
            match self.is_node(caller) {
                true => return Ok(()),
                false if method.right == Right::Node => return Err(not_a_node(method)),
                false => {}
            }
        }
        let Some(action) = method.right.action() else { return Ok(()) };
        let full_name = self.names.full_name_of(&request.sender);
        let session = self.session_asked(&request.asked);
        let target = match (action, caller.sender, &session) {
            (Action::SignIn, ..) => Target::Name(&full_name),
            (Action::BeNode, Place::There { namespace, .. }, _) => Target::Namespace(namespace),
            (_, _, Some(session)) => Target::Session(session),
            (..) => Target::Nothing,
        };
        self.peers.permit(request.link, method.name, action, target)
    }

    /// The name of the session that is asked, if there is one.
    fn session_asked(&self, asked: &Asked) -> Option<String> {
        let Asked::Session(name) = asked else { return None };
        let session = self.sessions.at(name).and_then(|key| self.sessions.get(key));
        session.map(|session| session.name.clone())
    }

    /// The same where nobody is asked who he is: rights go by where somebody is.
    fn is_rightly_placed(&self, caller: Caller<'_>, method: &Method) -> Result<(), Refused> {
        if method.right == Right::Admin && !self.may_administer(caller) {
            return Err(not_permitted(method));
        }
        if method.right == Right::Node && !self.is_node(caller) {
            return Err(not_a_node(method));
        }
        if method.right == Right::NodeOrAdmin && !self.is_node(caller) && !self.may_administer(caller) {
            let why = format!(
                "only a Coordinator that is signed in on this link calls {}, or a Component of this machine (remote_admin)",
                method.name
            );
            return Err((INVALID_REQUEST, Value::from(why)));
        }
        Ok(())
    }

    /// Whether a caller is the Coordinator of another node, and not one of its Components.
    fn is_node(&self, caller: Caller<'_>) -> bool {
        matches!(caller.sender, Place::There { name: COORDINATOR, .. })
            && self.names.is_signed_in(&self.peers, caller.link, caller.sender)
    }

    /// Whether a caller may administer: by its role or, where nobody is asked, because it is on this machine or need not be.
    pub(super) fn may_administer(&self, caller: Caller<'_>) -> bool {
        if !self.peers.users.is_off() {
            return self.may_administer_on(caller.link);
        }
        self.peers.config.remote_admin || (!caller.is_far && self.may_administer_on(caller.link))
    }

    /// The same of whoever is at the other end of a connection.
    pub(super) fn may_administer_on(&self, link: PeerKey) -> bool {
        if !self.peers.users.is_off() {
            return self.peers.lacks(link, Action::Administer, Target::Nothing).is_none();
        }
        self.peers.config.remote_admin || self.peers.get(link).is_some_and(Peer::is_local)
    }

    /// Ends the process after this turn.
    pub(super) fn exit(&mut self) {
        log::info!("Exit was called");
        self.peers.set_timer(ProcessTimer::Goodbye, Span(0));
    }
}

/// What a caller is told who is no node.
fn not_a_node(method: &Method) -> Refused {
    let why = format!("only a Coordinator that is signed in on this link calls {}", method.name);
    (INVALID_REQUEST, Value::from(why))
}

/// What a caller is told whose right does not reach for a method.
fn not_permitted(method: &Method) -> Refused {
    match (method.call, method.function) {
        (Call::Manager(_), Some(function)) => (MANAGER_FAILED, Value::from(elsewhere(function))),
        (
            Call::Own(_)
            | Call::Record
            | Call::Listing(_)
            | Call::Manager(_)
            | Call::Sessions(_)
            | Call::AtSession(_)
            | Call::Channel(_)
            | Call::ChannelListing(_),
            _,
        ) => plain_error(NOT_PERMITTED),
    }
}

/// The same in words, for a control function.
fn elsewhere(function: Function) -> String {
    format!("{} is not permitted from another machine (remote_admin)", function.name())
}

#[cfg(test)]
mod tests;
