//! What must be true between the owners, each of which checks itself. Tests and the simulator ask after each of their calls.

use crate::leco::nodes::Dealer;

use super::manager::Manager;
use super::names::Names;
use super::peers::{Peers, Role};
use super::sessions::Sessions;
use super::topic::Topic;
use super::web::Web;

/// Checks that all tables agree with each other; a sentence about the first thing that does not hold.
pub(super) fn check(
    peers: &Peers,
    names: &Names,
    (sessions, manager, web, topic): (&Sessions, &Manager, &Web, &Topic),
    of_channels: usize,
) -> Result<(), String> {
    peers.check()?;
    sessions.check()?;
    manager.check(peers)?;
    web.check(peers)?;
    topic.check(peers)?;
    links_are_known(peers, names, manager)?;
    nodes_are_linked(peers, names)?;
    shows_follow(sessions, manager)?;
    let data = sessions.bytes() + manager.bytes(peers) + web.bytes() + of_channels;
    if data != peers.pool.data_in_use() {
        return Err(format!("data has {data} bytes, counted are {}", peers.pool.data_in_use()));
    }
    Ok(())
}

/// What a link is for is known where it is used.
fn links_are_known(peers: &Peers, names: &Names, manager: &Manager) -> Result<(), String> {
    let mut held = 0;
    for (key, peer) in peers.iter() {
        held += peer.names.len();
        for name in &peer.names {
            if names.directory.get(*name).is_none_or(|component| component.link != key) {
                return Err(format!("{key:?} holds a name that the directory does not give it"));
            }
        }
        if let Some(node) = peer.node
            && names.nodes.get(node).is_none_or(|node| node.inbound != Some(key))
        {
            return Err(format!("{key:?} is no node's inbound link"));
        }
        match peer.role {
            Role::Kernel(provider) if peer.is_open() && manager.kernel_links(provider).all(|link| link != key) => {
                return Err(format!("{key:?} is no provider's kernel"));
            }
            Role::Dialled(node)
                if peer.is_open() && names.nodes.get(node).is_none_or(|node| node.dealer.link() != Some(key)) =>
            {
                return Err(format!("{key:?} is no node's DEALER"));
            }
            Role::Accepted
            | Role::Dialled(_)
            | Role::Controller
            | Role::Viewer
            | Role::Web
            | Role::Topic
            | Role::Channel(..)
            | Role::Kernel(_) => {}
        }
    }
    if held != names.directory.len() {
        return Err(format!("links hold {held} names, the directory {}", names.directory.len()));
    }
    Ok(())
}

/// The links of a node are there.
fn nodes_are_linked(peers: &Peers, names: &Names) -> Result<(), String> {
    let living = |link| peers.get(link).is_some();
    for (key, node) in names.nodes.iter() {
        if node.inbound.is_some_and(|link| !living(link)) || node.dealer.link().is_some_and(|link| !living(link)) {
            return Err(format!("node {key:?} has a link that has left"));
        }
        if matches!(node.dealer, Dealer::Up(_)) && node.namespace.is_none() {
            return Err(format!("node {key:?} is signed in without a namespace"));
        }
    }
    Ok(())
}

/// What the Manager shows is where its session is.
fn shows_follow(sessions: &Sessions, manager: &Manager) -> Result<(), String> {
    for (session, state, multiple) in manager.sessions() {
        let Some(flow) = sessions.get(session).map(|session| &session.flow) else {
            return Err(format!("{session:?} has ended and is still shown"));
        };
        if flow.state != state || flow.multiple.total_cmp(&multiple).is_ne() {
            return Err(format!("{session:?} is {}, the Manager takes it to be {state}", flow.state));
        }
    }
    Ok(())
}
