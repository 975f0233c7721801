//! What providers show goes to recordings: when one begins, what is written to it, when it ends.

use crate::control::reply::{ProviderType, Status};
use crate::control::vlog;

use super::Manager;
use super::provider::Provider;
use super::recordings::PieceOutcome;
use super::world::Timestep;
use crate::hub::keys::ProviderKey;
use crate::hub::ledger::Ticket;
use crate::hub::peers::{Peers, cut};
use crate::hub::recorder::{Deed, RecordingId};

impl Manager {
    /// Has a provider recorded from here on, if recordings are wanted.
    pub(super) fn begin_recording(&mut self, peers: &mut Peers, key: ProviderKey) {
        let unix_ms = peers.unix_ms();
        let is_due = self.is_to_be_recorded(key) && !peers.stopping;
        let Some(provider) = self.providers.get_mut(key).filter(|_| is_due) else { return };
        provider.unrecorded = String::new();
        let heading = heading(provider);
        let id = self.recordings.add(key);
        if let Some(reason) = self.recordings.refusal(id, heading.len()) {
            let line = format!("{}: no recording: {reason}", provider.ids);
            self.recordings.forget(id);
            self.recording_failed(peers, key, id, &line);
            return;
        }
        provider.recording = Some(id);
        let map_name = provider.statics.map_name.clone();
        peers.counters.recordings += 1;
        self.hand_over(peers, id, Deed::Begin { map_name, unix_ms });
        self.hand_over(peers, id, Deed::Append(heading));
    }

    /// Whether a provider is to be recorded, and is not.
    pub(super) fn is_to_be_recorded(&self, key: ProviderKey) -> bool {
        let is_one = |provider: &Provider| {
            provider.status == Status::Online
                && provider.kind != ProviderType::ViewerLog
                && provider.recording.is_none()
        };
        self.recordings.is_wanted() && self.providers.get(key).is_some_and(is_one)
    }

    pub(super) fn record_step(&mut self, peers: &mut Peers, key: ProviderKey, step: &Timestep) {
        if self.providers.get(key).and_then(|found| found.recording).is_none() {
            return;
        }
        let sections: [&[u8]; 4] = [&step.score, &step.commands, &step.changes, &step.perceptions];
        let mut out = Vec::with_capacity(step.bytes() + 32);
        vlog::write_prelude(&mut out, i64::from(step.time), &sections);
        for section in sections {
            out.extend_from_slice(section);
        }
        self.write_recording(peers, key, out);
    }

    fn write_recording(&mut self, peers: &mut Peers, key: ProviderKey, bytes: Vec<u8>) {
        let Some(provider) = self.providers.get(key) else { return };
        let Some(id) = provider.recording else { return };
        match self.recordings.refusal(id, bytes.len()) {
            None => self.hand_over(peers, id, Deed::Append(bytes)),
            Some(reason) => {
                let line = format!("{}: the recording has ended before time {}: {reason}", provider.ids, provider.time);
                self.recordings.fail(id);
                self.recording_failed(peers, key, id, &line);
            }
        }
    }

    fn hand_over(&mut self, peers: &mut Peers, id: RecordingId, deed: Deed) {
        let ticket = peers.last_ticket.draw();
        self.recordings.hand_over(ticket, id, deed);
    }

    /// Ends the recording of a provider, if there is one; not before what has come is in it.
    pub(super) fn end_recording(&mut self, peers: &mut Peers, key: ProviderKey) {
        if let Some(provider) = self.providers.get_mut(key) {
            provider.ends_recording = provider.making.is_some();
            if provider.ends_recording {
                return;
            }
        }
        if let Some(id) = self.providers.get_mut(key).and_then(|found| found.recording.take()) {
            if self.recordings.goes_on(id) {
                let mut end = Vec::new();
                vlog::write_end(&mut end);
                self.hand_over(peers, id, Deed::Append(end));
            }
            self.hand_over(peers, id, Deed::End);
        }
    }

    /// A piece was written, or could not be.
    ///
    /// # Errors
    /// Gives the outcome back: the ticket belongs to no recording.
    pub(in crate::hub) fn written(
        &mut self,
        peers: &mut Peers,
        ticket: Ticket,
        outcome: Result<(), String>,
    ) -> Result<(), Result<(), String>> {
        match self.recordings.written(ticket, outcome)? {
            PieceOutcome::On => {}
            PieceOutcome::Whole => peers.counters.recordings_whole += 1,
            PieceOutcome::Failed { recording, provider, reason } => {
                self.recording_failed(peers, provider, recording, &reason)
            }
        }
        Ok(())
    }

    /// A recording has ended before its provider did, which goes on.
    fn recording_failed(&mut self, peers: &mut Peers, key: ProviderKey, id: RecordingId, line: &str) {
        peers.counters.recordings_failed += 1;
        peers.note_error(line);
        let Some(provider) = self.providers.get_mut(key) else { return };
        // One that has begun anew is recorded in another file.
        if provider.recording.is_none_or(|own| own == id) {
            provider.unrecorded = cut(line).into_owned();
            self.end_recording(peers, key);
        }
    }
}

/// What a recording begins with: the parts that do not change, and the world.
fn heading(provider: &mut Provider) -> Vec<u8> {
    let mut out = Vec::new();
    let heading = vlog::Heading {
        max_time_step: i64::from(provider.time_max),
        map_name: &provider.statics.map_name,
        map: &provider.statics.map,
        config: &provider.statics.config,
    };
    vlog::write_heading(&mut out, heading);
    let time = i64::from(provider.time);
    let score = provider.world.encode_score();
    let sections = [&score, provider.world_section()];
    vlog::write_prelude(&mut out, time, &sections);
    for section in sections {
        out.extend_from_slice(section);
    }
    out
}
