//! Changes of a session, from the document that is judged and the plan to the moment they are durable, and what the ledger knows of it then.

use std::collections::BTreeSet;

use crate::c2sim::judging::Judging;
use crate::c2sim::kind::Kind;
use crate::c2sim::sharing::Sharing;
use crate::hub::call::ReplyTo;
use crate::hub::keys::{ProviderKey, SessionKey};
use crate::store::order;
use crate::time::Tick;

use super::entry::{Author, Flow, SessionInfo};
use super::history::Draft;
use super::said::Reading;

/// What an admitted trigger or message would do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    pub(super) author: Author,
    /// The event by which its author had come, if that is a member: one that has been away since did not ask for this.
    pub(super) came: Option<u64>,
    /// The flow as it will be; `None` when nothing of it changes.
    pub(super) flow: Option<Box<Flow>>,
    pub(super) drafts: Vec<Draft>,
    pub(super) effective_at: Option<u64>,
    /// The ProtocolVersion of the document that it is for.
    pub(super) version: Option<Box<str>>,
    /// The initialization that is to be shared, while it is made; the last of the drafts tells it.
    pub(super) sharing: Option<Box<Sharing>>,
    /// It was scheduled, and with the schedule all of this became durable.
    pub(super) is_due: bool,
}

impl Plan {
    pub(super) const fn new(kind: Kind, author: Author, flow: Option<Box<Flow>>, drafts: Vec<Draft>) -> Self {
        let (came, effective_at, version, sharing) = (None, None, None, None);
        Self { kind, author, came, flow, drafts, effective_at, version, sharing, is_due: false }
    }

    /// What is shared is made: the flow and the event that tells it get it.
    pub(super) fn end_share(&mut self) {
        if let (Some(sharing), Some(flow)) = (self.sharing.take(), &mut self.flow) {
            flow.initialization.end_share(*sharing);
            if let Some(draft) = self.drafts.last_mut() {
                draft.document = flow.initialization.shared_bytes();
                draft.line = flow.initialization.shared_line();
            }
        }
    }
}

/// What the ledger knows of a session.
#[derive(Debug, Default)]
pub(super) struct Durable {
    pub(super) known: Written,
    /// What is being written while the session goes on. Until it is known how that ends, no other change is written.
    pub(super) background: Option<Written>,
    /// A write has failed, and who knows how far it came: the next one writes everything.
    pub(super) doubt: Option<Doubt>,
}

/// What a write brings.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// Events up to this number may happen without a word to the ledger.
    pub(super) reserved: u64,
    /// The numbers under which the stored documents of the session's initialization are kept, in their order.
    pub(super) papers: Vec<u64>,
    pub(super) next_paper: u64,
}

/// What a write that failed leaves behind.
#[derive(Debug)]
pub(super) struct Doubt {
    /// Documents that may be in the ledger, and belong to nothing.
    pub(super) strays: Vec<u64>,
    pub(super) retry_at: Tick,
}

impl Durable {
    pub(super) const fn is_writing(&self) -> bool {
        self.background.is_some()
    }

    pub(super) fn succeed(&mut self, written: Written) {
        let reserved = self.known.reserved.max(written.reserved);
        self.known = Written { reserved, ..written };
        self.doubt = None;
    }

    pub(super) fn fail(&mut self, written: Written, retry_at: Tick) {
        let mut strays = self.doubt.take().map_or_else(Vec::new, |doubt| doubt.strays);
        strays.extend(written.papers.into_iter().filter(|n| !self.known.papers.contains(n)));
        order::sort(&mut strays);
        strays.dedup();
        self.known.next_paper = self.known.next_paper.max(written.next_paper);
        self.doubt = Some(Doubt { strays, retry_at });
    }

    /// The numbers of all documents that may be in the ledger.
    pub(super) fn papers(&self) -> impl Iterator<Item = u64> {
        let strays = self.doubt.iter().flat_map(|doubt| &doubt.strays);
        self.known.papers.iter().chain(strays).copied()
    }
}

/// What of the members of a session the ledger does not know.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// Those that have changed since they were written.
    pub(super) changed: BTreeSet<Box<[u8]>>,
    /// Those that are being written.
    pub(super) writing: BTreeSet<Box<[u8]>>,
    /// A write has failed, and is not tried again before.
    pub(super) retry_at: Option<Tick>,
}

impl Roster {
    /// The names that the ledger may have, whether they are members or not.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.changed.iter().chain(&self.writing).map(|name| &**name)
    }
}

/// A change that is being made durable.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) change: Change,
    /// Who waits for it.
    pub(super) reply_to: ReplyTo,
    /// Bytes that it and who waits for it hold, and that are counted as the session's.
    pub(super) charged: usize,
    pub(super) written: Written,
}

/// What is being done in slices, and who waits for that.
#[derive(Debug)]
pub(super) struct Sliced {
    pub(super) work: Work,
    pub(super) reply_to: ReplyTo,
    /// Bytes that it and who waits for it hold, and that are counted as the session's.
    pub(super) charged: usize,
    /// Those of who waits.
    pub(super) waiter_bytes: usize,
}

/// What is done in slices.
#[derive(Debug)]
pub(super) enum Work {
    /// A document is judged.
    Judging(Box<Judged>),
    /// What this plan shares is made.
    Sharing(Box<Plan>),
}

/// A document that is being judged.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) judging: Box<Judging>,
    pub(super) author: Author,
    /// The event by which its author had come, if that is a member.
    pub(super) came: Option<u64>,
    /// As it was asked for, but for the password.
    pub(super) reading: Reading<'static>,
    pub(super) password: Box<str>,
}

/// A change of a session.
#[derive(Debug)]
pub(super) enum Change {
    /// It was made just now, and may have this provider.
    Made(Option<ProviderKey>),
    /// Other words or options were chosen for it, or a provider.
    Info(Box<SessionInfo>, Option<ProviderKey>),
    /// Flow control has changed it, or wants numbers for its events.
    Flow(Box<Plan>),
    /// It is to end.
    Gone,
}

/// What a ticket was drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The session's pending change.
    Change(SessionKey),
    /// What is written of the session in the background.
    Background(SessionKey),
    /// Members of the session, as they have changed.
    Members(SessionKey),
    /// Nobody asks how it ends.
    Other,
}
