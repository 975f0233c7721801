//! In which formats members are told what happens: for each of them the tail of a notice, made once for all who hear it, and the head for
//! one of them.

use std::sync::Arc;

use crate::c2sim::kind::Schema;
use crate::c2sim::notice::{IsoDateTime, Stamp, Uuid, write_trigger};
use crate::c2sim::state::Trigger;
use crate::counters::count;
use crate::hub::keys::PeerKey;
use crate::hub::peers::{Loan, Peer, Peers};
use crate::leco::message::{HEADER_BYTES, TYPE_C2SIM, VERSION};
use crate::leco::multicast::{TYPE_MULTICAST, write_list};
use crate::leco::name::{COORDINATOR, FullName};
use crate::store::shared::{Place, SharedBytes};
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
    ) -> Vec<Tail> {
        let Note { header, text, .. } = note;
        match self {
            Self::Json => vec![notification_tail(header, sender, text, draft.document.as_ref())],
            Self::Xml => {
                let document = document_for_xml(peers, draft, schema);
                let document = document.map(|document| document_tail(header, sender, &document));
                let told = is_for_all_formats(draft).then(|| notification_tail(header, sender, text, None));
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

/// What of a notice is the same for all its receivers: sender, header and content, as frames.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    /// All but the document.
    front: Arc<[u8]>,
    /// The body of the last frame, where the notice ends in a document.
    document: Option<SharedBytes>,
}

impl Tail {
    /// One of these frames.
    #[cfg(test)]
    pub(super) fn of(front: Vec<u8>) -> Self {
        Self { front: front.into(), document: None }
    }

    /// The frames of a notice; where there is a `document`, its frame is the last of them.
    fn new(sender: &[u8], header: &[u8; HEADER_BYTES], call: Option<&[u8]>, document: Option<&SharedBytes>) -> Self {
        let mut front = Vec::with_capacity(sender.len() + HEADER_BYTES + 36 + call.map_or(0, <[u8]>::len));
        frame::push_frame(&mut front, true, sender);
        frame::push_frame(&mut front, true, header);
        if let Some(call) = call {
            frame::push_frame(&mut front, document.is_some(), call);
        }
        if let Some(document) = document {
            let mut head = [0; 9];
            let head_bytes = frame::write_head(&mut head, false, document.len());
            front.extend_from_slice(head.get(..head_bytes).unwrap_or_default());
        }
        Self { front: front.into(), document: document.cloned() }
    }

    /// A document with bytes in front of it that are no frames.
    pub(super) fn headed(front: &[u8], document: SharedBytes) -> Self {
        Self { front: front.into(), document: Some(document) }
    }

    pub(super) fn len(&self) -> usize {
        self.front.len() + self.document().len()
    }

    fn document(&self) -> &[u8] {
        self.document.as_deref().unwrap_or_default()
    }

    /// Where most of it lies. That is the document, which notices in other formats have too.
    pub(super) fn place(&self) -> Place {
        self.document.as_ref().map_or_else(|| (self.front.as_ptr().addr(), self.front.len()), SharedBytes::place)
    }

    /// Whether the other one is the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.front, &other.front)
    }
}

/// The tail of a JSON-RPC notification, with the document of the event in a frame of its own.
pub(super) fn notification_tail(
    header: &[u8; HEADER_BYTES],
    sender: &[u8],
    note: &str,
    document: Option<&SharedBytes>,
) -> Tail {
    let call = format!(r#"{{"jsonrpc":"2.0","method":"session_event","params":{note}}}"#);
    Tail::new(sender, header, Some(call.as_bytes()), document)
}

/// The tail of an answer with a document in a frame of its own.
pub(super) fn answer_tail(sender: &[u8], header: &[u8; HEADER_BYTES], text: &str, document: &SharedBytes) -> Tail {
    Tail::new(sender, header, Some(text.as_bytes()), Some(document))
}

/// The tail of a message with a C2SIM document.
pub(super) fn document_tail(header: &[u8; HEADER_BYTES], sender: &[u8], document: &SharedBytes) -> Tail {
    let mut header = *header;
    header[HEADER_BYTES - 1] = TYPE_C2SIM;
    Tail::new(sender, &header, None, Some(document))
}

/// What XML members get for an event: its document, or one of our own for a trigger that came without.
fn document_for_xml(peers: &mut Peers, draft: &Draft, schema: Schema) -> Option<SharedBytes> {
    if let Some(document) = &draft.document {
        return Some(document.clone());
    }
    let (trigger, system) = draft.written.as_ref()?;
    Some(written(peers, *trigger, schema, system))
}

/// A trigger as a document of our own.
pub(super) fn written(peers: &mut Peers, trigger: Trigger, schema: Schema, system: &str) -> SharedBytes {
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
    (head, tail): (&[u8], &Tail),
    bytes_max: usize,
) -> bool {
    let is_queued = match members {
        [] => peers.is_open(link) && peers.queue_parts(link, &[head, &tail.front, tail.document()], bytes_max).is_ok(),
        [member] => push(peers, link, member.as_ref(), tail, bytes_max),
        _ => Multicast::of(members, tail).is_some_and(|copy| {
            push_parts(peers, link, &copy.receiver, [copy.front, &copy.list, copy.behind, tail.document()], bytes_max)
        }),
    };
    count_notices(peers, members.len(), is_queued);
    is_queued
}

/// The same for a large one, which leaves beside the ring and is only lent for that.
pub(super) fn lend_for(
    peers: &mut Peers,
    link: PeerKey,
    members: &[impl AsRef<[u8]>],
    (head, tail): (&[u8], &Tail),
) -> bool {
    let is_stream = members.is_empty();
    if !peers.get(link).is_some_and(|peer| if is_stream { peer.is_open() } else { peer.takes_messages() }) {
        return false;
    }
    let front = match members {
        [] => [head, &tail.front].concat(),
        [member] => opened(member.as_ref(), [&tail.front, &[], &[]]),
        _ => match Multicast::of(members, tail) {
            Some(copy) => opened(&copy.receiver, [copy.front, &copy.list, copy.behind]),
            None => return false,
        },
    };
    let is_lent = peers.lend(link, &front, Loan { document: tail.document.clone(), chunked: None });
    count_notices(peers, members.len(), is_lent);
    is_lent
}

fn count_notices(peers: &mut Peers, members: usize, is_queued: bool) {
    if is_queued {
        peers.counters.session_notices += count(members.max(1));
        peers.counters.multicasts_sent += u64::from(members > 1);
    }
}

/// One copy of a notice for several members of another node, whose Coordinator spreads it among them.
struct Multicast<'a> {
    receiver: Vec<u8>,
    /// Up to the type in the header.
    front: &'a [u8],
    /// The type, and the frame with the list.
    list: Vec<u8>,
    /// What comes between the header and the document.
    behind: &'a [u8],
}

impl<'a> Multicast<'a> {
    fn of(members: &[impl AsRef<[u8]>], tail: &'a Tail) -> Option<Self> {
        // The tail begins with the sender, then comes the header, which ends in the type.
        let sender = frame::head(&tail.front).ok()?;
        let type_at = sender.bytes + usize::try_from(sender.body).ok()? + 2 + HEADER_BYTES - 1;
        let (front, rest) = tail.front.split_at_checked(type_at)?;
        let (&content_type, behind) = rest.split_first()?;
        let namespace = FullName::split(members.first()?.as_ref()).namespace;
        let names = write_list(content_type, members.iter().map(|member| FullName::split(member.as_ref()).name));
        let mut list = vec![TYPE_MULTICAST];
        frame::push_frame(&mut list, true, &names);
        Some(Self { receiver: [namespace, b".", COORDINATOR].concat(), front, list, behind })
    }
}

/// Queues a notice, its head for this receiver and its tail: whole or not at all.
pub(super) fn push(peers: &mut Peers, link: PeerKey, receiver: &[u8], tail: &Tail, bytes_max: usize) -> bool {
    push_parts(peers, link, receiver, [&tail.front, tail.document(), &[], &[]], bytes_max)
}

fn push_parts(peers: &mut Peers, link: PeerKey, receiver: &[u8], tail: [&[u8]; 4], bytes_max: usize) -> bool {
    if !peers.get(link).is_some_and(Peer::takes_messages) {
        return false;
    }
    let [(version, version_bytes), (head, head_bytes)] = [VERSION.len(), receiver.len()].map(|bytes| {
        let mut head = [0; 9];
        let head_bytes = frame::write_head(&mut head, true, bytes);
        (head, head_bytes)
    });
    let [a, b, c, d] = tail;
    let parts = [
        version.get(..version_bytes).unwrap_or_default(),
        VERSION,
        head.get(..head_bytes).unwrap_or_default(),
        receiver,
        a,
        b,
        c,
        d,
    ];
    peers.queue_parts(link, &parts, bytes_max).is_ok()
}

/// A notice for this receiver, as far as it stands in `tail`.
fn opened(receiver: &[u8], tail: [&[u8]; 3]) -> Vec<u8> {
    let mut front = Vec::new();
    frame::push_frame(&mut front, true, VERSION);
    frame::push_frame(&mut front, true, receiver);
    tail.iter().for_each(|part| front.extend_from_slice(part));
    front
}
