//! In which formats members are told what happens: for each of them the tail of a notice, made once for all who hear it, and the head for
//! one of them.

use std::sync::Arc;

use crate::c2sim::kind::Schema;
use crate::c2sim::notice::{IsoDateTime, Stamp, Uuid, write_trigger};
use crate::c2sim::state::Trigger;
use crate::counters::count;
use crate::hub::keys::PeerKey;
use crate::hub::peers::{Peer, Peers};
use crate::leco::message::{HEADER_BYTES, TYPE_C2SIM, VERSION};
use crate::leco::multicast::{TYPE_MULTICAST, write_list};
use crate::leco::name::{COORDINATOR, FullName};
use crate::zmtp::frame;

use super::history::{Draft, Note, What};

/// How a member is told what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    /// C2SIM documents, and nothing but them.
    Xml,
    /// JSON-RPC notifications.
    Json,
}

impl Voice {
    /// In the order in which tails are made.
    pub(super) const ALL: [Self; 2] = [Self::Json, Self::Xml];

    /// The voice of this word.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|voice| voice.word() == word)
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Xml => "xml",
            Self::Json => "json",
        }
    }

    /// What of the notice of an event is the same for all who are told in this format: nothing, a message, or two of them.
    pub(super) fn tail(
        self,
        peers: &mut Peers,
        sender: &[u8],
        schema: Schema,
        draft: &Draft,
        note: &Note,
    ) -> Vec<Arc<[u8]>> {
        let Note { header, text, .. } = note;
        match self {
            Self::Json => vec![notification_tail(header, sender, text, draft.document.as_deref()).into()],
            Self::Xml => {
                let document = document_for_xml(peers, draft, schema);
                let document = document.map(|document| document_tail(header, sender, &document).into());
                let told = is_for_all_formats(draft).then(|| notification_tail(header, sender, text, None).into());
                document.into_iter().chain(told).collect()
            }
        }
    }
}

/// Whether even those who hear documents are told an event as the others are: C2SIM has no document for a schedule that is no more, nor for
/// the end of a session.
fn is_for_all_formats(draft: &Draft) -> bool {
    draft.cancelled.is_some() || draft.what == What::Ended
}

/// The tail of a JSON-RPC notification, with the document of the event in a frame of its own.
pub(super) fn notification_tail(
    header: &[u8; HEADER_BYTES],
    sender: &[u8],
    note: &str,
    document: Option<&[u8]>,
) -> Vec<u8> {
    let call = format!(r#"{{"jsonrpc":"2.0","method":"session_event","params":{note}}}"#);
    let payload: [&[u8]; 2] = [call.as_bytes(), document.unwrap_or_default()];
    frames(sender, header, payload.get(..1 + usize::from(document.is_some())).unwrap_or_default())
}

/// The tail of a message with a C2SIM document.
pub(super) fn document_tail(header: &[u8; HEADER_BYTES], sender: &[u8], document: &[u8]) -> Vec<u8> {
    let mut header = *header;
    header[HEADER_BYTES - 1] = TYPE_C2SIM;
    frames(sender, &header, &[document])
}

/// What XML members get for an event: its document, or one of our own for a trigger that came without.
fn document_for_xml(peers: &mut Peers, draft: &Draft, schema: Schema) -> Option<Arc<[u8]>> {
    if let Some(document) = &draft.document {
        return Some(Arc::clone(document));
    }
    let (trigger, system) = draft.written.as_ref()?;
    Some(written(peers, *trigger, schema, system))
}

/// A trigger as a document of our own.
pub(super) fn written(peers: &mut Peers, trigger: Trigger, schema: Schema, system: &str) -> Arc<[u8]> {
    let stamp = stamp(peers);
    let mut out = Vec::new();
    write_trigger(trigger, schema, system, &stamp, &mut out);
    out.into()
}

/// A fresh header for a document of our own.
pub(in crate::hub) fn stamp(peers: &mut Peers) -> Stamp {
    Stamp {
        message_id: Uuid::from_random(peers.wide_random()),
        conversation_id: Uuid::from_random(peers.wide_random()),
        sending_time: IsoDateTime(peers.unix_ms() / 1000),
    }
}

/// Queues a notice for those who share a copy of it or, where there are none, for the guest whose stream it is: whole or not at all.
pub(super) fn push_for(
    peers: &mut Peers,
    link: PeerKey,
    members: &[impl AsRef<[u8]>],
    tail: &[u8],
    bytes_max: usize,
) -> bool {
    let is_queued = match members {
        [] => peers.is_open(link) && peers.queue_parts(link, &[tail], bytes_max).is_ok(),
        [member] => push(peers, link, member.as_ref(), tail, bytes_max),
        _ => push_multicast(peers, link, members, tail, bytes_max).is_some(),
    };
    if is_queued {
        peers.counters.session_notices += count(members.len().max(1));
        peers.counters.multicasts_sent += u64::from(members.len() > 1);
    }
    is_queued
}

/// Queues one copy of a notice for several members of another node, whose Coordinator spreads it among them.
fn push_multicast(
    peers: &mut Peers,
    link: PeerKey,
    members: &[impl AsRef<[u8]>],
    tail: &[u8],
    bytes_max: usize,
) -> Option<()> {
    // The tail begins with the sender, then comes the header, which ends in the type.
    let sender = frame::head(tail).ok()?;
    let type_at = sender.bytes + usize::try_from(sender.body).ok()? + 2 + HEADER_BYTES - 1;
    let (front, rest) = tail.split_at_checked(type_at)?;
    let (&content_type, content) = rest.split_first()?;
    let namespace = FullName::split(members.first()?.as_ref()).namespace;
    let list = write_list(content_type, members.iter().map(|member| FullName::split(member.as_ref()).name));
    let mut head = [0; 9];
    let head_bytes = frame::write_head(&mut head, true, list.len());
    let receiver = [namespace, b".", COORDINATOR].concat();
    let list_head = head.get(..head_bytes).unwrap_or_default();
    push_parts(peers, link, &receiver, [front, &[TYPE_MULTICAST], list_head, &list, content], bytes_max).then_some(())
}

/// Queues a notice, its head for this receiver and its tail: whole or not at all.
pub(super) fn push(peers: &mut Peers, link: PeerKey, receiver: &[u8], tail: &[u8], bytes_max: usize) -> bool {
    push_parts(peers, link, receiver, [tail, &[], &[], &[], &[]], bytes_max)
}

fn push_parts(peers: &mut Peers, link: PeerKey, receiver: &[u8], tail: [&[u8]; 5], bytes_max: usize) -> bool {
    if !peers.get(link).is_some_and(Peer::takes_messages) {
        return false;
    }
    let mut version = [0; 9];
    let version_bytes = frame::write_head(&mut version, true, VERSION.len());
    let mut head = [0; 9];
    let head_bytes = frame::write_head(&mut head, true, receiver.len());
    let [a, b, c, d, e] = tail;
    let parts = [
        version.get(..version_bytes).unwrap_or_default(),
        VERSION,
        head.get(..head_bytes).unwrap_or_default(),
        receiver,
        a,
        b,
        c,
        d,
        e,
    ];
    peers.queue_parts(link, &parts, bytes_max).is_ok()
}

/// What of a notice is the same for all its receivers: sender, header and payload, as frames.
fn frames(sender: &[u8], header: &[u8; HEADER_BYTES], payload: &[&[u8]]) -> Vec<u8> {
    let bytes: usize = payload.iter().map(|part| part.len() + 9).sum();
    let mut out = Vec::with_capacity(sender.len() + HEADER_BYTES + 18 + bytes);
    frame::push_frame(&mut out, true, sender);
    frame::push_frame(&mut out, true, header);
    for (n, part) in payload.iter().enumerate() {
        frame::push_frame(&mut out, n + 1 < payload.len(), part);
    }
    out
}
