//! Live kernels: connecting to each, handing what it sends to its machine, and what its machine then says.

use core::net::SocketAddr;

use crate::control::reply::Status;
use crate::leco::address;
use crate::rcrs::kernel::{Dialect, Event, KernelViewer, Poll};
use crate::time::Span;

use super::jobs::Job;
use super::world::{ProviderWorld, Raw};
use super::{Manager, Timer};
use crate::hub::cause::Cause;
use crate::hub::doors::Output;
use crate::hub::keys::{PeerKey, ProviderKey};
use crate::hub::peers::{Peers, Role};

impl Manager {
    // ---- Connecting ----

    /// `host:port` to connect to for an [`Output::DialKernel`].
    pub(in crate::hub) fn kernel_address(&self, key: ProviderKey) -> Option<String> {
        let (_, kernel) = self.providers.kernel(key)?;
        Some(address::join(&kernel.host, kernel.port))
    }

    /// Whether a provider was opened by somebody on this machine.
    pub(in crate::hub) fn is_asked_here(&self, key: ProviderKey) -> bool {
        self.providers.entry(key).is_some_and(|entry| entry.asked_by.far.is_none())
    }

    /// The connections to a provider's kernel: the one that it lives on, and that of a second look.
    pub(in crate::hub) fn kernel_links(&self, key: ProviderKey) -> impl Iterator<Item = PeerKey> {
        let kernel = self.providers.kernel(key).map(|(_, kernel)| kernel);
        let look = kernel.and_then(|kernel| kernel.second_look.as_ref()?.peer);
        kernel.and_then(|kernel| kernel.peer).into_iter().chain(look)
    }

    /// The connection to a provider's kernel that it lives on.
    pub(in crate::hub) fn kernel_link(&self, key: ProviderKey) -> Option<PeerKey> {
        self.providers.kernel(key)?.1.peer
    }

    /// Tries to connect to a kernel; or sees that one which is connected has not said a word.
    pub(super) fn dial_kernel(&mut self, peers: &mut Peers, key: ProviderKey) {
        let Some((provider, kernel)) = self.providers.kernel(key) else { return };
        if provider.status != Status::Online || peers.stopping {
            return;
        }
        let Some(link) = kernel.peer else {
            peers.outputs.push_back(Output::DialKernel(key));
            return;
        };
        // Minutes of silence are normal before the first timestep, but not before the world.
        if !kernel.has_world {
            let patience = Span::seconds(peers.config.kernel_connect_s.max(1));
            let heard = peers.get(link).map_or(peers.now, |peer| peer.last_heard);
            if peers.now.since(heard) < patience {
                self.timers.set(key.slot(), Timer::Dial as usize, heard + patience);
                return;
            }
            let reason = "the kernel is connected but does not send its world";
            self.give_up_kernel(peers, link, key, Status::Errored, reason);
        }
    }

    /// The attempt to connect to a kernel has ended: a connection, or the reason why there is none.
    pub(in crate::hub) fn kernel_dialed(
        &mut self,
        peers: &mut Peers,
        key: ProviderKey,
        outcome: Result<SocketAddr, &str>,
    ) -> Option<PeerKey> {
        let remote = match outcome {
            Ok(remote) => remote,
            Err(reason) => {
                // A connection made anew may be up already, and this the end of an attempt before it.
                match self.providers.kernel(key)?.1 {
                    kernel if kernel.peer.is_none() => self.kernel_lost(peers, key, reason),
                    kernel if kernel.second_look.as_ref().is_some_and(|look| look.peer.is_none()) => {
                        self.look_failed(peers, key, reason);
                    }
                    _ => {}
                }
                return None;
            }
        };
        let (provider, kernel) = self.providers.kernel_mut(key)?;
        if provider.status != Status::Online || peers.stopping {
            return None;
        }
        if kernel.peer.is_some() {
            return self.look_dialed(peers, key, remote);
        }
        let Some(link) = peers.add_plain(Role::Kernel(key), remote) else {
            self.kernel_lost(peers, key, "too many connections are open");
            return None;
        };
        // Each provider has a connection of its own, so one request number serves them all.
        let mut machine = KernelViewer::new(kernel.dialect, 1, "instep", peers.config.message_bytes_max);
        let frame = machine.poll_frame();
        kernel.machine = Some(Box::new(machine));
        kernel.peer = Some(link);
        (kernel.answered, kernel.has_world) = (false, false);
        kernel.looks = 0;
        log::debug!("connected to the kernel at {}", provider.ids);
        let patience = Span::seconds(peers.config.kernel_connect_s.max(1));
        self.timers.set(key.slot(), Timer::Dial as usize, peers.now + patience);
        send_frame(peers, link, frame);
        Some(link)
    }

    /// The connection to a kernel has ended.
    pub(in crate::hub) fn kernel_gone(&mut self, peers: &mut Peers, provider: ProviderKey, key: PeerKey, cause: Cause) {
        if self.kernel_link(provider) == Some(key) {
            self.kernel_lost(peers, provider, &cause.to_string());
        } else if self.providers.kernel(provider).is_some_and(|(_, kernel)| kernel.is_look(key)) {
            self.look_failed(peers, provider, &cause.to_string());
        }
    }

    /// A connection to a kernel could not be made or has ended: try again, or give up.
    fn kernel_lost(&mut self, peers: &mut Peers, key: ProviderKey, reason: &str) {
        let patience = Span::seconds(peers.config.kernel_connect_s);
        self.end_look(peers, key);
        let Some((provider, kernel)) = self.providers.kernel_mut(key) else { return };
        if peers.stopping {
            // Nobody is connected to any more, and whoever looked on has been told why it ends.
            kernel.forget_link();
            return;
        }
        if kernel.has_world && provider.status == Status::Online {
            let reason = format!("the connection was lost at time {}: {reason}", provider.time);
            self.end_run(peers, key, Status::Errored, &reason);
            return;
        }
        let answered = kernel.answered;
        kernel.forget_link();
        if provider.status != Status::Online {
            return;
        }
        if kernel.is_kept {
            provider.reason.clear();
        } else if peers.now.since(kernel.since) >= patience {
            let reason = format!("no kernel answers: {reason}");
            self.end_provider(peers, key, Status::Errored, &reason);
            return;
        }
        if !answered && reason == Cause::Peer.to_string() {
            // It hung up on our first frame: perhaps it speaks the other protocol.
            kernel.dialect = match kernel.dialect {
                Dialect::Current => Dialect::Legacy,
                Dialect::Legacy => Dialect::Current,
            };
        }
        self.dial_after_pause(peers, key);
    }

    fn dial_after_pause(&mut self, peers: &Peers, key: ProviderKey) {
        let Some((_, kernel)) = self.providers.kernel_mut(key) else { return };
        let at = peers.now + kernel.next_pause();
        self.timers.set(key.slot(), Timer::Dial as usize, at);
    }

    /// A run of a kernel has ended, or has not begun as it should: its provider ends with it, unless it waits for the next one.
    fn end_run(&mut self, peers: &mut Peers, key: ProviderKey, status: Status, reason: &str) {
        self.end_look(peers, key);
        let Some((provider, kernel)) = self.providers.kernel_mut(key) else { return };
        let had_world = kernel.has_world;
        kernel.forget_link();
        if !kernel.is_kept {
            return self.end_provider(peers, key, status, reason);
        }
        // While nobody answers there is nothing to say but that.
        let said = if had_world || status == Status::Closed { "" } else { reason };
        let is_news = had_world || provider.reason != said;
        said.clone_into(&mut provider.reason);
        if is_news {
            let line = format!("{}: {reason}; the next run is waited for", provider.ids);
            log::info!("provider {}: {line}", provider.id);
            if status == Status::Errored {
                peers.note_error(&line);
            }
            self.end_recording(peers, key);
            self.tell_viewers_of(peers, key, &format!("{reason}; the next run is waited for"));
        }
        self.answer_opener(peers, key);
        self.dial_after_pause(peers, key);
    }

    // ---- What it sends ----

    /// Bytes from a kernel: how many were taken, and whether decoding must go on before more are.
    pub(in crate::hub) fn take_kernel_bytes(
        &mut self,
        peers: &mut Peers,
        link: PeerKey,
        key: ProviderKey,
        bytes: &[u8],
    ) -> (usize, bool) {
        let mut used = 0;
        loop {
            if self.providers.get(key).is_none() {
                peers.close(link, Cause::Provider);
                return (bytes.len(), false);
            }
            let Some((provider, kernel)) = self.providers.kernel_mut(key) else { return (bytes.len(), false) };
            // No timestep before the world, and the timestep before it, have been shown.
            if provider.is_busy() || kernel.is_exchanging() {
                self.jobs.add(Job::Kernel(link));
                return (used, true);
            }
            if kernel.is_look(link) {
                return self.take_look_bytes(peers, link, key, bytes.get(used..).unwrap_or_default());
            }
            let ours = kernel.peer == Some(link);
            let Some(machine) = kernel.machine.as_mut().filter(|_| ours) else { return (bytes.len(), false) };
            let rest = bytes.get(used..).unwrap_or_default();
            let polled = machine.handle_bytes(rest).and_then(|taken| {
                used += taken;
                machine.poll_event()
            });
            let frame = machine.poll_frame();
            match polled {
                Ok(Poll::Working) => {
                    self.jobs.add(Job::Kernel(link));
                    return (used, true);
                }
                Ok(Poll::Idle) => {
                    send_frame(peers, link, frame);
                    if used == bytes.len() {
                        return (used, false);
                    }
                }
                Ok(Poll::Event(event)) => {
                    kernel.answered = true;
                    send_frame(peers, link, frame);
                    self.kernel_event(peers, link, key, event);
                    if peers.get(link).is_none() {
                        return (bytes.len(), false);
                    }
                    // One event a turn: viewers are sent each timestep of a burst before the next makes them look slow.
                    self.jobs.add(Job::Kernel(link));
                    return (used, true);
                }
                Err(error) => {
                    self.give_up_kernel(peers, link, key, Status::Errored, &error.to_string());
                    return (bytes.len(), false);
                }
            }
        }
    }

    fn kernel_event(&mut self, peers: &mut Peers, link: PeerKey, key: ProviderKey, event: Event) {
        match event {
            Event::Connected { entities, config, .. } => {
                let world = match ProviderWorld::coming(entities) {
                    Ok(world) => world,
                    Err(reason) => return self.give_up_kernel(peers, link, key, Status::Errored, &reason),
                };
                let Some((_, kernel)) = self.providers.kernel_mut(key) else { return };
                kernel.was_reached();
                kernel.has_world = true;
                // Where one is recorded still it was not shown as a whole.
                self.end_recording(peers, key);
                let Some(provider) = self.providers.get_mut(key) else { return };
                // What an earlier connection has brought was shown until now.
                provider.reset();
                provider.world = world;
                provider.statics.map = Vec::new();
                provider.file_config(&config);
                self.account(peers, key);
                self.jobs.add(Job::Load(key));
            }
            Event::Refused { reason } => {
                self.give_up_kernel(peers, link, key, Status::Errored, &format!("the kernel refused: {reason}"));
            }
            Event::Timestep { time, missed_from, commands, changes } => {
                if let Some(due) = missed_from {
                    let ids = self.providers.get(key).map_or("", |provider| &provider.ids);
                    peers.note_error(&format!("{ids}: {}", gap(due, time)));
                }
                self.keep_for_look(peers, key, &changes);
                if let Some((_, kernel)) = self.providers.kernel_mut(key) {
                    kernel.has_lost |= missed_from.is_some();
                }
                self.advance(peers, key, Raw::Kernel { time, commands, perceptions: Vec::new(), changes });
            }
            Event::Shutdown => self.give_up_kernel(peers, link, key, Status::Closed, "the simulation has ended"),
        }
    }

    /// Nothing more is wanted of a kernel on this connection: the run ends, and the connection with it.
    pub(super) fn give_up_kernel(
        &mut self,
        peers: &mut Peers,
        link: PeerKey,
        key: ProviderKey,
        status: Status,
        reason: &str,
    ) {
        self.end_run(peers, key, status, reason);
        peers.close(link, Cause::Provider);
    }
}

/// What was lost before the timestep of `time`, where that of `due` was expected.
fn gap(due: i32, time: i32) -> String {
    let last = time.saturating_sub(1);
    if due > time {
        format!("the kernel went back: timestep {time} came behind {}", due.saturating_sub(1))
    } else if due == 1 {
        // The world that a kernel gives does not say its time, and what came before it was never missing.
        format!("opened in the middle of a run: timesteps behind its first world, up to {last}, were not received")
    } else if due == last {
        format!("timestep {due} was not received")
    } else {
        format!("timesteps {due} to {last} were not received")
    }
}

/// Queues a frame for a kernel; it leaves in one write.
pub(super) fn send_frame(peers: &mut Peers, key: PeerKey, frame: Option<Vec<u8>>) {
    if let Some(frame) = frame
        && peers.queue_parts(key, &[&frame], peers.config.ring_bytes_max).is_err()
    {
        peers.close(key, Cause::Memory);
    }
}
