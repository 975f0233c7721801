//! A timestep goes to all viewers of a session: encoded once for each distinct selection, shared by all that want the same.

use std::sync::Arc;

use crate::control::viewer::{self, Bits, Head};

use super::Manager;
use super::answers::{charge, chosen_sections, no_memory, say};
use super::provider::Provider;
use super::world::Timestep;
use crate::hub::keys::ProviderKey;
use crate::hub::peers::{Peers, QueuedResult, ResultKind, Results};

/// Timesteps that may wait for one viewer before it counts as slow.
const RESULTS_MAX: usize = 4;

impl Manager {
    /// Sends a timestep to all viewers of a provider's session.
    pub(super) fn broadcast_step(&mut self, peers: &mut Peers, key: ProviderKey, step: &Timestep) {
        let Self { providers, shows, viewers, .. } = self;
        let Some(provider) = providers.get_mut(key) else { return };
        let Some(show) = provider.session.and_then(|session| shows.get(&session)) else { return };
        // Empty bytes: there is no memory for them.
        let mut built: Vec<(Bits, Arc<Vec<u8>>)> = Vec::new();
        for &key in &show.viewers {
            let Some(viewer) = viewers.get_mut(key) else { continue };
            let selection = viewer.selection;
            // A fresh start that it waits for comes behind this timestep.
            if !viewer.open || viewer.waits || viewer.behind || selection == Bits::NONE {
                continue;
            }
            if peers.results(key).is_some_and(|results| results.count(ResultKind::Step) >= RESULTS_MAX) {
                // One stays, so that there is a moment when everything has left.
                peers.drop_steps(key, true);
                viewer.behind = true;
                peers.counters.viewers_behind += 1;
                peers.note_drops(key, 1);
                continue;
            }
            let bytes = match built.iter().find(|(bits, _)| *bits == selection) {
                Some((_, bytes)) => Arc::clone(bytes),
                None => {
                    let mut bytes = encode_step(peers, provider, step, selection);
                    if !charge(peers, bytes.len()) {
                        bytes = Vec::new();
                    }
                    let bytes = Arc::new(bytes);
                    built.push((selection, Arc::clone(&bytes)));
                    bytes
                }
            };
            if bytes.is_empty() {
                // It starts anew once what waits for it has left.
                peers.counters.results_without_memory += 1;
                viewer.behind = true;
                if peers.results(key).is_some_and(Results::is_empty) {
                    say(peers, viewer, key, no_memory(Bits::NONE));
                }
                continue;
            }
            peers.counters.results_sent += 1;
            peers.queue_result(key, QueuedResult { bytes, kind: ResultKind::Step });
        }
        // What was made for viewers that all fell behind.
        let unused = built.iter().filter(|(_, bytes)| Arc::strong_count(bytes) == 1);
        peers.pool.refund(unused.map(|(_, bytes)| bytes.len()).sum());
        self.account(peers, key);
    }
}

fn encode_step(peers: &mut Peers, provider: &mut Provider, step: &Timestep, bits: Bits) -> Vec<u8> {
    peers.counters.results_encoded += 1;
    let mut out = Vec::new();
    if bits.has(Bits::WORLD) {
        provider.world_section();
    }
    let world = provider.encoded_world.as_deref().filter(|_| bits.has(Bits::WORLD)).unwrap_or_default();
    let head = Head { request: bits, message: "", result: true, time: i64::from(step.time) };
    // Map and config were sent before.
    let [score, _, _, commands, changes, perceptions] = chosen_sections(bits, &provider.statics, step);
    viewer::write_result(&mut out, head, &[score, world, commands, changes, perceptions]);
    out
}
