//! What is asked and not answered yet, with its deadlines.

use std::collections::{BTreeMap, BTreeSet};

use super::message::Conversation;
use crate::limits::CLIENT_QUESTIONS_MAX;
use crate::time::Tick;

/// Why an answer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The owner wants it.
    ByOwner,
    /// Any byte will do, as a sign of life. There is at most one such question.
    ForLife,
}

/// The open questions.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: BTreeMap<Conversation, (Tick, Asked)>,
    deadlines: BTreeSet<(Tick, Conversation)>,
    is_asked_for_life: bool,
}

impl Questions {
    /// Whether the owner may ask one more.
    pub(super) fn has_room(&self) -> bool {
        self.open.len() < CLIENT_QUESTIONS_MAX
    }

    /// Whether a sign of life is waited for.
    pub(super) const fn is_asked_for_life(&self) -> bool {
        self.is_asked_for_life
    }

    pub(super) fn open(&mut self, conversation: Conversation, until: Tick, asked: Asked) {
        self.open.insert(conversation, (until, asked));
        self.deadlines.insert((until, conversation));
        self.is_asked_for_life |= asked == Asked::ForLife;
    }

    /// There is an answer, or none is waited for any more; `None` if nobody has asked.
    pub(super) fn close(&mut self, conversation: Conversation) -> Option<Asked> {
        let (until, asked) = self.open.remove(&conversation)?;
        self.deadlines.remove(&(until, conversation));
        self.is_asked_for_life &= asked != Asked::ForLife;
        Some(asked)
    }

    /// Closes the question whose time is up first, if its time is up.
    pub(super) fn close_due(&mut self, now: Tick) -> Option<(Conversation, Asked)> {
        let (_, conversation) = self.deadlines.first().copied().filter(|(until, _)| *until <= now)?;
        self.close(conversation).map(|asked| (conversation, asked))
    }

    /// Closes any one.
    pub(super) fn close_first(&mut self) -> Option<(Conversation, Asked)> {
        let (conversation, _) = self.open.first_key_value()?;
        let conversation = *conversation;
        self.close(conversation).map(|asked| (conversation, asked))
    }

    /// The next deadline.
    pub(super) fn next_due(&self) -> Option<Tick> {
        self.deadlines.first().map(|(until, _)| *until)
    }
}
