//! Guests: members that do not speak LECO. Each has an identity of its client's choosing, and is told what happens on a stream of its own, or
//! not at all.
//!
//! Knows nothing of sessions but that each has some.

use core::net::SocketAddr;
use core::num::NonZeroU64;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::auth::UserId;
use crate::hub::keys::PeerKey;
use crate::hub::peers::Doer;
use crate::leco::json::Json;
use crate::limits::{GUEST_NAME_BYTES_MAX, MEMBER_BYTES};
use crate::time::Tick;

use super::dialect::Dialect;
use super::ear::Ear;

/// By what a guest is known: which of the interfaces it uses, and the identity that it has there. It is kept twice for each stream, so that it is
/// short: a letter for the interface, and the identity behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::hub) struct GuestId(Arc<str>);

impl GuestId {
    fn of(dialect: Dialect, id: &str) -> Self {
        Self([dialect.letter(), id].concat().into())
    }

    /// A client that is told on a WebSocket. Whoever knows its identity can take its place, so nobody else is told it.
    pub(in crate::hub) fn streaming(id: &str) -> Self {
        Self::of(Dialect::Stream, id)
    }

    /// A client that hands things in by this name of its choosing, and is told nothing. Nobody takes its place: all who use the name are it.
    pub(in crate::hub) fn posting(id: &str) -> Self {
        Self::of(Dialect::Post, id)
    }

    /// A connection that hears on topics.
    pub(super) fn hearing(stream: PeerKey) -> Self {
        Self::of(Dialect::Topic, &format!("{stream:?}"))
    }

    /// Which of the interfaces it uses.
    pub(super) fn dialect(&self) -> Dialect {
        let has_letter = |dialect: &Dialect| self.0.starts_with(dialect.letter());
        Dialect::ALL.into_iter().find(has_letter).unwrap_or(Dialect::Stream)
    }

    /// The identity that it has there.
    pub(in crate::hub) fn id(&self) -> &str {
        self.0.get(1..).unwrap_or_default()
    }

    /// The same, by the name under which events have it.
    pub(super) fn of_submitter(name: &str) -> Option<Self> {
        name.strip_prefix(SUBMITTER).map(Self::posting)
    }
}

/// How whoever does something calls itself.
pub(super) fn submitter(by: &str) -> &str {
    by.strip_prefix(SUBMITTER).unwrap_or(by)
}

/// What the names of those begin with who are called by their identities.
pub(super) const SUBMITTER: &str = "submitter ";

/// Who comes.
#[derive(Clone, Copy, Debug)]
pub(in crate::hub) struct Arrival<'a> {
    /// How it calls itself.
    pub(in crate::hub) title: &'a str,
    /// The system that it speaks for.
    pub(in crate::hub) system: &'a str,
    /// Where it is.
    pub(in crate::hub) remote: SocketAddr,
    /// The user whose it is and nobody else's, where users are asked who they are.
    pub(in crate::hub) user: Option<UserId>,
    /// Whose doing it is that it comes.
    pub(in crate::hub) doer: Doer,
}

/// Subscriptions, which most have none of.
#[derive(Debug, Default)]
struct Ears(Vec<Ear>);

/// One of them.
#[derive(Debug)]
pub(super) struct Guest {
    /// Its name and, behind that, its system.
    words: Box<str>,
    name_bytes: u16,
    pub(super) remote: Option<SocketAddr>,
    /// The user whose it is, if it is one's.
    pub(super) user: Option<UserId>,
    /// Whose doing it was what it has asked for last.
    pub(super) doer: Doer,
    /// Where it is told what happens.
    pub(super) stream: Option<PeerKey>,
    /// What it subscribes to, if it hears on topics.
    ears: Option<Box<Ears>>,
    /// The number of the event by which it joined; `None` while it has a stream and nothing else.
    pub(super) joined: Option<NonZeroU64>,
    /// The last event that it was told.
    pub(super) told: u64,
    /// When it last asked for something, or its stream ended.
    pub(super) seen: Tick,
    /// The shared initialization that it has for certain, by the number of its event.
    has: Option<NonZeroU64>,
    /// The same of one that was sent, and when: whoever speaks later has it.
    sent: Option<Box<(NonZeroU64, Tick)>>,
}

const _: () = assert!(size_of::<Guest>() <= 152, "there may be thousands");

impl Guest {
    fn new(now: Tick) -> Self {
        Self {
            words: "".into(),
            name_bytes: 0,
            remote: None,
            user: None,
            doer: Doer::default(),
            stream: None,
            ears: None,
            joined: None,
            told: 0,
            seen: now,
            has: None,
            sent: None,
        }
    }

    /// As it is shown, and as its events have it; nobody else has the same.
    pub(super) fn name(&self) -> &str {
        self.words.get(..self.name_bytes.into()).unwrap_or_default()
    }

    /// The system that it speaks for.
    pub(super) fn system(&self) -> &str {
        self.words.get(self.name_bytes.into()..).unwrap_or_default()
    }

    /// It is called so, which is no long name, and speaks for this system.
    pub(super) fn is_called(&mut self, name: &str, system: &str) {
        debug_assert!(name.len() <= usize::from(u16::MAX), "names are cut");
        self.words = [name, system].concat().into();
        self.name_bytes = u16::try_from(name.len()).unwrap_or_default();
    }

    /// It has shown that it lives.
    pub(super) fn is_heard(&mut self, now: Tick) {
        self.seen = now;
        if let Some(sent) = self.sent.take_if(|sent| now > sent.1) {
            self.has = Some(sent.0);
        }
    }

    /// The event of this number is on its way to it.
    pub(super) fn is_told(&mut self, number: u64, is_initialization: bool, now: Tick) {
        self.told = number;
        if is_initialization {
            self.is_sent(number, now);
        }
    }

    /// The shared initialization is on its way to it.
    pub(super) fn is_sent(&mut self, number: u64, now: Tick) {
        self.sent = NonZeroU64::new(number).map(|number| Box::new((number, now)));
    }

    /// The initialization of this number has not reached it, whatever has been heard of it since.
    pub(super) fn is_not_sent(&mut self, number: u64) {
        self.sent.take_if(|sent| sent.0.get() == number);
        self.has.take_if(|has| has.get() == number);
    }

    /// Whether it has the initialization of this number for certain.
    pub(super) fn has(&self, number: u64) -> bool {
        self.has.is_some_and(|has| has.get() == number)
    }

    /// What it subscribes to.
    pub(super) fn ears(&self) -> &[Ear] {
        self.ears.as_ref().map_or(&[], |ears| &ears.0)
    }

    /// The same, to be changed.
    pub(super) fn ears_mut(&mut self) -> &mut Vec<Ear> {
        &mut self.ears.get_or_insert_default().0
    }

    fn ear_bytes(&self) -> usize {
        self.ears().iter().map(|ear| ear.bytes).sum()
    }

    /// Its system as it may be shown: clients that have no other name for it use their identity.
    fn shown_system(&self, id: &GuestId) -> String {
        if id.dialect() == Dialect::Stream { title(self.system(), id) } else { self.system().into() }
    }

    /// Writes its row of the table of members.
    fn write(&self, json: &mut Json, id: &GuestId, joined: u64) {
        json.object(|json| {
            json.key("acked").number(self.told);
            json.key("address").text(&self.remote.map_or_else(String::new, |remote| remote.to_string()));
            json.key("format").text(id.dialect().word());
            json.key("joined").number(joined);
            json.key("name").text(self.name());
            json.key("system").text(&self.shown_system(id));
        });
    }
}

/// The guests of one session.
#[derive(Debug, Default)]
pub(super) struct Guests {
    all: BTreeMap<GuestId, Box<Guest>>,
    /// How many of them have joined.
    joined: usize,
    /// How many of them have a stream.
    streams: usize,
    /// How many subscriptions they have together.
    ears: usize,
    /// Bytes that those keep.
    ear_bytes: usize,
}

impl Guests {
    /// How many members they are.
    pub(super) const fn members(&self) -> usize {
        self.joined
    }

    /// How many there are, with those that have not joined.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// How many of them are at this address.
    pub(super) fn from(&self, remote: SocketAddr) -> usize {
        self.all.values().filter(|guest| guest.remote.is_some_and(|known| known.ip() == remote.ip())).count()
    }

    /// How many streams they have together.
    pub(super) const fn streams(&self) -> usize {
        self.streams
    }

    /// How many subscriptions they have together.
    pub(super) const fn ears(&self) -> usize {
        self.ears
    }

    /// Bytes that all of them keep.
    pub(super) fn bytes(&self) -> usize {
        self.len() * MEMBER_BYTES + self.ear_bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&GuestId, &Guest)> {
        self.all.iter().map(|(id, guest)| (id, &**guest))
    }

    pub(super) fn get(&self, id: &GuestId) -> Option<&Guest> {
        self.all.get(id).map(|guest| &**guest)
    }

    /// This identity as it is kept: to hold it once more costs nothing.
    pub(super) fn held(&self, id: &GuestId) -> Option<&GuestId> {
        self.all.get_key_value(id).map(|(held, _)| held)
    }

    /// One of them, of which neither membership nor stream changes.
    pub(super) fn get_mut(&mut self, id: &GuestId) -> Option<&mut Guest> {
        self.all.get_mut(id).map(|guest| &mut **guest)
    }

    /// All of them.
    pub(super) fn into_all(self) -> BTreeMap<GuestId, Box<Guest>> {
        self.all
    }

    /// Those that are told what happens, and where.
    pub(super) fn told(&self) -> impl Iterator<Item = (&GuestId, &Guest, PeerKey)> {
        self.all
            .iter()
            .filter(|(_, guest)| guest.joined.is_some())
            .filter_map(|(id, guest)| Some((id, &**guest, guest.stream?)))
    }

    /// The same, of whom neither membership nor stream nor ears change.
    pub(super) fn told_mut(&mut self) -> impl Iterator<Item = (&GuestId, &mut Guest, PeerKey)> {
        self.all.iter_mut().filter_map(|(id, guest)| {
            let stream = guest.stream.filter(|_| guest.joined.is_some())?;
            Some((id, &mut **guest, stream))
        })
    }

    /// Changes a guest that there is.
    pub(super) fn change(&mut self, id: &GuestId, change: impl FnOnce(&mut Guest)) {
        let Some(guest) = self.all.get_mut(id) else { return };
        self.joined -= usize::from(guest.joined.is_some());
        self.streams -= usize::from(guest.stream.is_some());
        self.ears -= guest.ears().len();
        self.ear_bytes -= guest.ear_bytes();
        change(guest);
        if guest.joined.is_none() {
            guest.ears = None;
        }
        self.joined += usize::from(guest.joined.is_some());
        self.streams += usize::from(guest.stream.is_some());
        self.ears += guest.ears().len();
        self.ear_bytes += guest.ear_bytes();
        if guest.joined.is_none() && guest.stream.is_none() {
            self.all.remove(id);
        }
    }

    /// Enters one, unless there is one of that identity.
    pub(super) fn enter(&mut self, id: &GuestId, now: Tick) {
        self.all.entry(id.clone()).or_insert_with(|| Box::new(Guest::new(now)));
    }

    /// Writes the rows of those who have joined.
    pub(super) fn write(&self, json: &mut Json) {
        for (id, guest) in &self.all {
            if let Some(joined) = guest.joined {
                guest.write(json, id, joined.get());
            }
        }
    }

    /// Those who have no stream and have been silent since before `then`.
    pub(super) fn silent_since(&self, then: Option<Tick>) -> impl Iterator<Item = &GuestId> {
        let is_silent = move |guest: &Guest| guest.stream.is_none() && then.is_some_and(|then| guest.seen <= then);
        self.all.iter().filter(move |(_, guest)| is_silent(guest)).map(|(id, _)| id)
    }
}

/// How a guest calls itself; where that is its identity, which is the key to its stream, the beginning of it.
pub(super) fn title(text: &str, id: &GuestId) -> String {
    if text.contains(id.id()) {
        let beginning: String = id.id().chars().take(2).collect();
        return format!("{beginning}...");
    }
    shown(text, GUEST_NAME_BYTES_MAX)
}

/// What a client says of itself, as it may be shown: one line, not too long.
pub(super) fn shown(text: &str, bytes_max: usize) -> String {
    let line: String = text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    line.get(..line.floor_char_boundary(bytes_max)).unwrap_or_default().to_owned()
}
