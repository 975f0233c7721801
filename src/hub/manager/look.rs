//! A second look at the world of a kernel of which timesteps were lost.
//!
//! Who connects to a simulation that runs is given its world at once and its timesteps some time later: those between are lost, and what was
//! deleted in them would be shown for ever. So the kernel is connected to once more. It sends the whole world that it has now, which takes the
//! place of ours, and is left without an acknowledgement: nobody waits for this viewer.
//!
//! The world that comes is no older than the moment at which it was asked for. What timesteps have changed since then is kept and applied
//! to it as well: twice is as good as once.

use core::net::SocketAddr;

use crate::control::reply::Status;
use crate::limits::{KERNEL_LOOKS_MAX, WORLD_PIECE};
use crate::rcrs::entity::Entity;
use crate::rcrs::kernel::{Event, KernelViewer, Poll};
use crate::rcrs::message::ChangeSet;
use crate::time::Span;

use super::jobs::Job;
use super::kernel::send_frame;
use super::making::Making;
use super::second_look::SecondLook;
use super::world::ProviderWorld;
use super::{Manager, Timer};
use crate::hub::cause::Cause;
use crate::hub::doors::Output;
use crate::hub::keys::{PeerKey, ProviderKey};
use crate::hub::peers::{Peers, Role};

/// Pieces that are done at once with a small world: it is taken in, two timesteps are merged into it, and it is compared.
const PIECES_AT_ONCE: usize = 7;

impl Manager {
    /// Timesteps were lost: the kernel is asked for its world once more.
    pub(super) fn look_again(&mut self, peers: &mut Peers, key: ProviderKey) {
        let Some((provider, kernel)) = self.providers.kernel_mut(key) else { return };
        if provider.status != Status::Online {
            return;
        }
        if let Some(look) = &mut kernel.second_look {
            look.is_late = true;
            return;
        }
        if kernel.looks >= KERNEL_LOOKS_MAX {
            return;
        }
        kernel.looks += 1;
        kernel.second_look = Some(Box::default());
        let patience = Span::seconds(peers.config.kernel_connect_s.max(1));
        self.timers.set(key.slot(), Timer::Look as usize, peers.now + patience);
        peers.outputs.push_back(Output::DialKernel(key));
    }

    /// Keeps what a timestep changes for a world that is on its way.
    pub(super) fn keep_for_look(&mut self, peers: &mut Peers, key: ProviderKey, changes: &ChangeSet) {
        let Some((_, kernel)) = self.providers.kernel_mut(key) else { return };
        if kernel.second_look.as_mut().is_some_and(|look| !look.keep(changes)) {
            self.look_failed(peers, key, "too much happens meanwhile");
        }
    }

    /// The connection for a second look is there.
    pub(super) fn look_dialed(&mut self, peers: &mut Peers, key: ProviderKey, remote: SocketAddr) -> Option<PeerKey> {
        let (_, kernel) = self.providers.kernel_mut(key)?;
        let dialect = kernel.dialect;
        let look = kernel.second_look.as_mut().filter(|look| look.peer.is_none())?;
        let Some(link) = peers.add_plain(Role::Kernel(key), remote) else {
            self.look_failed(peers, key, "too many connections are open");
            return None;
        };
        let mut machine = KernelViewer::new(dialect, 1, "instep", peers.config.message_bytes_max);
        let frame = machine.poll_frame();
        look.machine = Some(Box::new(machine));
        look.peer = Some(link);
        send_frame(peers, link, frame);
        Some(link)
    }

    /// Bytes for a second look: how many were taken, and whether decoding must go on before more are.
    pub(super) fn take_look_bytes(
        &mut self,
        peers: &mut Peers,
        link: PeerKey,
        key: ProviderKey,
        bytes: &[u8],
    ) -> (usize, bool) {
        let mut used = 0;
        loop {
            let found = self.providers.kernel_mut(key).and_then(|(_, kernel)| kernel.second_look.as_mut());
            let Some(machine) = found.and_then(|look| look.machine.as_mut()) else { return (bytes.len(), false) };
            let polled = machine.handle_bytes(bytes.get(used..).unwrap_or_default()).and_then(|taken| {
                used += taken;
                machine.poll_event()
            });
            match polled {
                Ok(Poll::Working) => {
                    self.jobs.add(Job::Kernel(link));
                    return (used, true);
                }
                Ok(Poll::Idle) if used < bytes.len() => {}
                Ok(Poll::Idle) => return (used, false),
                Ok(Poll::Event(Event::Connected { entities, .. })) => {
                    self.look_has_come(peers, key, entities);
                    return (bytes.len(), false);
                }
                Ok(Poll::Event(_)) => self.look_failed(peers, key, "the kernel does not send its world"),
                Err(error) => self.look_failed(peers, key, &error.to_string()),
            }
        }
    }

    /// The kernel's world has come, and its connection is of no use any more.
    fn look_has_come(&mut self, peers: &mut Peers, key: ProviderKey, entities: Vec<Entity>) {
        self.close_look(peers, key);
        let is_small = entities.len() <= WORLD_PIECE;
        let found = self.providers.kernel_mut(key).and_then(|(_, kernel)| kernel.second_look.as_mut());
        match found.map(|look| look.has_come(entities)) {
            // A small one is there before the kernel's next timestep.
            Some(Ok(())) if is_small && !(0..PIECES_AT_ONCE).all(|_| self.look_piece(peers, key)) => {}
            Some(Ok(())) => self.jobs.add(Job::Look(key)),
            Some(Err(error)) => self.look_failed(peers, key, &error.to_string()),
            None => {}
        }
        self.account(peers, key);
    }

    /// Does a piece of what the kernel's world takes; answers whether there is more to do.
    pub(super) fn look_piece(&mut self, peers: &mut Peers, key: ProviderKey) -> bool {
        let Some((provider, kernel)) = self.providers.kernel_mut(key) else { return false };
        let Some(look) = &mut kernel.second_look else { return false };
        let ProviderWorld::Kernel(ours) = &provider.world else { return false };
        match look.go_on(ours, provider.making.is_none()) {
            Ok(false) => return true,
            Ok(true) => self.adopt(peers, key),
            Err(error) => self.look_failed(peers, key, &error.to_string()),
        }
        false
    }

    /// The kernel's world takes the place of ours, and everybody is told what is different.
    fn adopt(&mut self, peers: &mut Peers, key: ProviderKey) {
        let Some(look) = self.take_look(peers, key) else { return };
        let Self { providers, remains, jobs, .. } = self;
        let Some(provider) = providers.get_mut(key) else { return };
        let ProviderWorld::Kernel(world) = &mut provider.world else { return };
        let is_late = look.is_late;
        let (difference, before) = look.take_place_of(world);
        remains.add(jobs, ProviderWorld::Kernel(before));
        provider.forget_encoded();
        provider.past.distrust();
        log::info!("provider {} ({}) has the world of its kernel again", provider.id, provider.ids);
        if difference.is_empty() {
            self.keep_world(peers, key);
            self.account(peers, key);
        } else {
            provider.making = Some(Box::new(Making::corrected(provider.time, difference)));
            if self.step_piece(peers, key) {
                self.jobs.add(Job::Step(key));
            }
        }
        if is_late {
            self.look_again(peers, key);
        }
    }

    /// There is no second look, and why.
    pub(super) fn look_failed(&mut self, peers: &mut Peers, key: ProviderKey, reason: &str) {
        self.end_look(peers, key);
        let Some(provider) = self.providers.get(key) else { return };
        let line = format!("{}: what was deleted in lost timesteps may still be shown: {reason}", provider.ids);
        peers.note_error(&line);
    }

    /// Closes the connection of a second look, if there is one.
    fn close_look(&mut self, peers: &mut Peers, key: ProviderKey) {
        self.timers.cancel(key.slot(), Timer::Look as usize);
        let found = self.providers.kernel_mut(key).and_then(|(_, kernel)| kernel.second_look.as_mut());
        let Some(look) = found else { return };
        look.machine = None;
        if let Some(link) = look.peer.take() {
            peers.close(link, Cause::Provider);
        }
    }

    /// Ends a second look, whatever it has come to, and the connection with it.
    pub(super) fn end_look(&mut self, peers: &mut Peers, key: ProviderKey) {
        if let Some(look) = self.take_look(peers, key) {
            self.remains.add(&mut self.jobs, look.into_world());
        }
    }

    /// Takes what a second look has come to, and closes its connection.
    fn take_look(&mut self, peers: &mut Peers, key: ProviderKey) -> Option<SecondLook> {
        let (_, kernel) = self.providers.kernel_mut(key)?;
        kernel.second_look.as_ref()?;
        self.close_look(peers, key);
        let (_, kernel) = self.providers.kernel_mut(key)?;
        let look = kernel.second_look.take()?;
        self.account(peers, key);
        Some(*look)
    }
}
