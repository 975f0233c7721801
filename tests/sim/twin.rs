//! The slow twin: what components and observers of the network can know, in plain vectors, and what follows from it.
//!
//! It never looks into a hub. It hears of every message that a component sends or receives, of every connection that is made or
//! troubled, and of the time. From that it knows for each name when it was *possibly* and when it was *certainly* signed in, for
//! each pair of nodes when the one could certainly send to the other, and so which ends a message may come to: delivered word
//! for word and once, refused with a code that was true at some moment between sending and answer, or lost with a
//! connection on its way. Anything else is a failure. Where two things happen in one moment, both orders are allowed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::swarm::MESSAGE_BYTES_MAX;
use crate::wire;

/// A moment: milliseconds, and the step within the millisecond.
pub(crate) type Moment = u64;
pub(crate) const STEPS: u32 = 24;
const FOREVER: Moment = u64::MAX;

pub(crate) const fn moment(ms: u64, step: u64) -> Moment {
    (ms << STEPS) | step
}

const fn ms(at: Moment) -> u64 {
    at >> STEPS
}

/// A hub that ends a link in order may stop using it so long before it closes it.
const FAREWELL_MS: u64 = 2_100;
/// A message whose fate is open for longer than this, jumps of the clock not counted, was lost at the latest by then.
const FATE_MS: u64 = 45_000;

const NOT_SIGNED_IN: i64 = -32090;
const NOT_YOURS: i64 = -32091;
const NODE_UNKNOWN: i64 = -32092;
const RECEIVER_UNKNOWN: i64 = -32093;
const OVERLOADED: i64 = -32094;
const TOO_LARGE: i64 = -32095;

/// A connection: of a component, or of one hub's DEALER to another hub.
#[derive(Debug)]
pub(crate) struct Cable {
    /// Sending and receiving hub, for a DEALER.
    mesh: Option<(usize, usize)>,
    /// Since when a DEALER has its sign-in answered.
    up_at: Option<Moment>,
    /// From when on nothing is certain about it.
    troubled_at: Moment,
    /// When the hub that accepted it knew that it had ended.
    gone_at: Moment,
    /// Times in which bytes waited and none left, for each direction.
    standstills: [Vec<(Moment, Moment)>; 2],
}

/// A component on one connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) name: Vec<u8>,
    pub(crate) hub: usize,
    pub(crate) cable: usize,
    /// Numbers of the sign-ins (`true`) and sign-outs sent.
    signs: Vec<(u64, bool)>,
    /// Highest number heard from each sending session.
    heard: BTreeMap<usize, u64>,
    /// What it sends is no longer what we know of.
    pub(crate) garbled: bool,
}

/// What a call to a Coordinator should be answered with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expect {
    /// A result, null.
    Null,
    /// A result of whatever content.
    Anything,
    /// An error of this code.
    Code(i64),
    /// A batch of so many answers.
    Batch(usize),
    /// Nothing at all.
    Silence,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum To {
    /// A component of a hub; the hub is `None` for a namespace that does not exist.
    Component { hub: Option<usize>, name: Vec<u8> },
    /// A hub's Coordinator.
    Coordinator { hub: usize, expect: Expect },
    /// A sign-in or sign-out.
    Sign { sign_in: bool },
}

#[derive(Clone, Debug)]
enum Fate {
    Delivered { session: usize },
    Answered(Value),
}

#[derive(Debug)]
pub(crate) struct Message {
    session: usize,
    sent: Moment,
    frames: Vec<Vec<u8>>,
    to: To,
    /// Sender frame names somebody else: a component name of the same hub, or a foreign full name.
    pretends: bool,
    /// Content is an answer, because of which no error may be sent.
    is_answer: bool,
    /// How many sign-ins and sign-outs the session had sent before.
    signs_before: usize,
    fate: Option<(Fate, Moment)>,
}

/// What a hub told a component of its own accord.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// A message or an answer, noted.
    Noted,
    /// An error, noted.
    Refused { code: i64, under_own_name: bool },
    /// A request for a sign of life, with its header and sender to answer to.
    Pong { sender: Vec<u8>, header: Vec<u8> },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Signed {
    Yes,
    No,
    Perhaps,
}

#[derive(Debug)]
pub(crate) struct Twin {
    pub(crate) namespaces: Vec<Vec<u8>>,
    stall_ms: u64,
    pub(crate) cables: Vec<Cable>,
    pub(crate) sessions: Vec<Session>,
    messages: Vec<Message>,
    /// Moments in which a hub had little memory left.
    short: Vec<(usize, Moment)>,
    /// Jumps of the clock, with their length in milliseconds.
    jumps: Vec<(Moment, u64)>,
    pub(crate) delivered: u64,
    pub(crate) refused: u64,
    pub(crate) excused: u64,
}

impl Twin {
    pub(crate) fn new(namespaces: Vec<Vec<u8>>, stall_ms: u64) -> Self {
        Self {
            namespaces,
            stall_ms,
            cables: Vec::new(),
            sessions: Vec::new(),
            messages: Vec::new(),
            short: Vec::new(),
            jumps: Vec::new(),
            delivered: 0,
            refused: 0,
            excused: 0,
        }
    }

    // ---- What it is told ----

    pub(crate) fn cable(&mut self, mesh: Option<(usize, usize)>) -> usize {
        self.cables.push(Cable {
            mesh,
            up_at: None,
            troubled_at: FOREVER,
            gone_at: FOREVER,
            standstills: [Vec::new(), Vec::new()],
        });
        self.cables.len() - 1
    }

    pub(crate) fn session(&mut self, name: &[u8], hub: usize, cable: usize) -> usize {
        self.sessions.push(Session {
            name: name.to_vec(),
            hub,
            cable,
            signs: Vec::new(),
            heard: BTreeMap::new(),
            garbled: false,
        });
        self.sessions.len() - 1
    }

    /// From now on nothing is certain about this connection.
    pub(crate) fn trouble(&mut self, cable: usize, at: Moment) {
        let cable = &mut self.cables[cable];
        cable.troubled_at = cable.troubled_at.min(at);
    }

    /// A hub has ended this connection in order: it has stopped using it a little before.
    pub(crate) fn given_up_before(&mut self, cable: usize, at: Moment) {
        self.trouble(cable, moment(ms(at).saturating_sub(FAREWELL_MS), 0));
    }

    /// The hub that accepted this connection holds nothing for it any more.
    pub(crate) fn gone(&mut self, cable: usize, at: Moment) {
        let cable = &mut self.cables[cable];
        cable.gone_at = cable.gone_at.min(at);
    }

    pub(crate) fn mesh_up(&mut self, cable: usize, at: Moment) {
        self.cables[cable].up_at.get_or_insert(at);
    }

    /// Bytes waited at this end from `from` to `to`, and none left.
    pub(crate) fn stood_still(&mut self, cable: usize, direction: usize, from: Moment, to: Moment) {
        if ms(to) - ms(from) >= self.stall_ms {
            self.cables[cable].standstills[direction].push((from, to));
        }
    }

    pub(crate) fn short_of_memory(&mut self, hub: usize, at: Moment) {
        if self.short.last().is_none_or(|(last, when)| *last != hub || ms(*when) != ms(at)) {
            self.short.push((hub, at));
        }
    }

    /// The clock is about to jump.
    pub(crate) fn jumps(&mut self, at: Moment, span_ms: u64) {
        self.jumps.push((at, span_ms));
    }

    /// The number that the next message will have.
    pub(crate) fn next_number(&self) -> u64 {
        self.messages.len() as u64
    }

    pub(crate) fn sent(&mut self, session: usize, frames: Vec<Vec<u8>>, to: To, is_answer: bool, at: Moment) -> u64 {
        let number = self.next_number();
        let (namespace, name) = wire::split(frames.get(2).map_or(&[], Vec::as_slice));
        let own = &mut self.sessions[session];
        let pretends = name != own.name || namespace.is_some_and(|namespace| namespace != self.namespaces[own.hub]);
        let signs_before = own.signs.len();
        if let To::Sign { sign_in } = to {
            own.signs.push((number, sign_in));
        }
        self.messages.push(Message { session, sent: at, frames, to, pretends, is_answer, signs_before, fate: None });
        number
    }

    /// Who sent a message.
    pub(crate) fn session_of(&self, number: u64) -> usize {
        self.messages[number as usize].session
    }

    /// The answer that a message got.
    pub(crate) fn answer(&self, number: u64) -> Option<&Value> {
        match &self.messages[number as usize].fate {
            Some((Fate::Answered(value), _)) => Some(value),
            Some((Fate::Delivered { .. }, _)) | None => None,
        }
    }

    pub(crate) fn is_delivered(&self, number: u64) -> bool {
        matches!(self.messages[number as usize].fate, Some((Fate::Delivered { .. }, _)))
    }

    /// Whether the session's last word about its name was a sign-in that has been accepted.
    pub(crate) fn signed_in(&self, session: usize) -> bool {
        self.signed(session, self.sessions[session].signs.len()) == Signed::Yes
    }

    /// Whether a sign-in or sign-out of the session is unanswered.
    pub(crate) fn signing(&self, session: usize) -> bool {
        self.signed(session, self.sessions[session].signs.len()) == Signed::Perhaps
    }

    // ---- What a component hears ----

    /// A session has received a message. Everything that must never happen at all is judged here.
    pub(crate) fn hears(&mut self, listener: usize, frames: &[Vec<u8>], at: Moment) -> Result<Heard, String> {
        let [version, receiver, sender, header, payload @ ..] = frames else {
            return Err(format!("session {listener} got a message of {} frames", frames.len()));
        };
        if version != &[0] || header.len() != 20 {
            return Err(format!("session {listener} got no LECO message: {frames:?}"));
        }
        let (_, name) = wire::split(sender);
        let number = wire::number(header).filter(|number| *number < self.next_number());
        if name == b"COORDINATOR" {
            let text = payload.first().map_or(&[][..], Vec::as_slice);
            let value: Value = serde_json::from_slice(text)
                .map_err(|error| format!("session {listener} got no JSON from {}: {error}", shown(sender)))?;
            return match number {
                Some(number) => {
                    let code = value["error"]["code"].as_i64();
                    self.hears_answer(listener, number, value, at)?;
                    let message = &self.messages[number as usize];
                    let under_own_name = !message.pretends && !self.is_bare(message);
                    Ok(code.map_or(Heard::Noted, |code| Heard::Refused { code, under_own_name }))
                }
                None if value["method"] == "pong" => Ok(Heard::Pong { sender: sender.clone(), header: header.clone() }),
                None if self.sessions[listener].garbled => Ok(Heard::Noted),
                None => Err(format!("session {listener} got what it never asked for: {value}")),
            };
        }
        let Some(number) = number else {
            return Err(format!("session {listener} got a message that nobody sent, from {}", shown(sender)));
        };
        let message = &mut self.messages[number as usize];
        let garbled = self.sessions[message.session].garbled;
        if message.frames != frames && !garbled {
            return Err(format!("message {number} was changed on its way to session {listener}"));
        }
        if let Some((fate, _)) = &message.fate
            && !garbled
        {
            return Err(format!("message {number} came to session {listener} after its end {fate:?}"));
        }
        let own = &self.sessions[listener];
        let meant = To::Component { hub: Some(own.hub), name: own.name.clone() };
        if message.to != meant {
            let name = shown(&own.name);
            return Err(format!("message {number} to {} came to {name} of hub {}", shown(receiver), own.hub));
        }
        let speaker = message.session;
        message.fate = Some((Fate::Delivered { session: listener }, at));
        let last = self.sessions[listener].heard.insert(speaker, number);
        if last.is_some_and(|last| last > number) && !garbled {
            return Err(format!("message {number} came to session {listener} after message {}", last.unwrap_or(0)));
        }
        Ok(Heard::Noted)
    }

    fn hears_answer(&mut self, listener: usize, number: u64, value: Value, at: Moment) -> Result<(), String> {
        let message = &mut self.messages[number as usize];
        // An answer finds its component by name: on a newer connection if there is one.
        let (asked, heard) = (&self.sessions[message.session], &self.sessions[listener]);
        if (asked.hub, &asked.name) != (heard.hub, &heard.name) {
            return Err(format!(
                "session {listener} got the answer to message {number} of session {}",
                message.session
            ));
        }
        if let Some((fate, _)) = &message.fate
            && !self.sessions[listener].garbled
        {
            return Err(format!("message {number} was answered with {value} after its end {fate:?}"));
        }
        if message.is_answer && !self.sessions[listener].garbled {
            return Err(format!("message {number} is an answer itself and was answered with {value}"));
        }
        message.fate = Some((Fate::Answered(value), at));
        Ok(())
    }

    // ---- What follows ----

    /// Judges the fate of every message; `end` is the moment in which the run ended.
    pub(crate) fn judge(&mut self, end: Moment) -> Result<(), (Moment, String)> {
        for number in 0..self.messages.len() {
            let message = &self.messages[number];
            let verdict = match &message.fate {
                Some((Fate::Delivered { session }, at)) => {
                    let verdict = self.may_be_delivered(message, *session, *at);
                    self.delivered += 1;
                    verdict
                }
                Some((Fate::Answered(value), at)) => {
                    let verdict = self.may_be_answered(message, value, *at);
                    self.refused += u64::from(value.get("error").is_some());
                    verdict
                }
                None => {
                    let until = self.fate_by(message.sent);
                    // What was sent shortly before the end is not judged: its fate may be open still.
                    let verdict = if until > end { Ok(()) } else { self.may_be_lost(message, until) };
                    self.excused += u64::from(self.owes_an_end(message));
                    verdict
                }
            };
            if let Err(reason) = verdict {
                let message = &self.messages[number];
                let at = message.fate.as_ref().map_or(message.sent, |(_, at)| *at);
                return Err((at, format!("{}: {reason}", self.describe(number))));
            }
        }
        Ok(())
    }

    /// When the fate of what was sent at `sent` must be known.
    fn fate_by(&self, sent: Moment) -> Moment {
        let mut until = moment(ms(sent) + FATE_MS, 0);
        for (at, span) in &self.jumps {
            if (sent..until).contains(at) {
                until += moment(*span, 0);
            }
        }
        until
    }

    fn describe(&self, number: usize) -> String {
        let message = &self.messages[number];
        let own = &self.sessions[message.session];
        let fate = match &message.fate {
            Some((Fate::Delivered { session }, at)) => format!("delivered to session {session} at {} ms", ms(*at)),
            Some((Fate::Answered(value), at)) => format!("answered at {} ms with {value}", ms(*at)),
            None => "without an end".to_owned(),
        };
        format!(
            "message {number}, sent at {} ms by session {} ({} of hub {}, as {}) to {:?}, {fate}",
            ms(message.sent),
            message.session,
            shown(&own.name),
            own.hub,
            message.frames.get(2).map_or_else(String::new, |name| shown(name)),
            message.to,
        )
    }

    fn may_be_delivered(&self, message: &Message, listener: usize, at: Moment) -> Result<(), String> {
        if self.sessions[message.session].garbled {
            return Ok(());
        }
        if message.pretends {
            return Err("its sender's name is not the session's own".to_owned());
        }
        if self.signed(message.session, message.signs_before) == Signed::No {
            return Err("its sender had not signed in".to_owned());
        }
        if self.is_bare(message) {
            return Err("its sender had no namespace for another node".to_owned());
        }
        if !self.possible_claims(listener).iter().any(|(from, to)| *from <= at && *to >= message.sent) {
            return Err("its receiver was not signed in at any moment in between".to_owned());
        }
        Ok(())
    }

    fn may_be_answered(&self, message: &Message, value: &Value, at: Moment) -> Result<(), String> {
        let code = value["error"]["code"].as_i64();
        if self.sessions[message.session].garbled {
            return Ok(());
        }
        if let To::Sign { sign_in } = message.to {
            return self.may_sign(message, sign_in, value, at);
        }
        // Judged before anything else: of such a message only the beginning is ever read.
        if message.frames.iter().any(|frame| frame.len() > MESSAGE_BYTES_MAX) {
            let is_so = code == Some(TOO_LARGE);
            return if is_so { Ok(()) } else { Err("it is too large".to_owned()) };
        }
        // The chart: first the sender, then the receiver.
        let signed = if message.pretends { Signed::No } else { self.signed(message.session, message.signs_before) };
        let own_troubled = self.troubled(self.sessions[message.session].cable, at);
        match code {
            Some(NOT_SIGNED_IN) => {
                let lost_by_node = self.far(message).is_some_and(|far| !self.mesh_certain(message, far, at));
                return if signed != Signed::Yes || lost_by_node || own_troubled || self.is_bare(message) {
                    Ok(())
                } else {
                    Err("its sender had certainly signed in".to_owned())
                };
            }
            Some(NOT_YOURS) => {
                let (_, name) = wire::split(&message.frames[2]);
                let owned = self.possibly_claimed(self.sessions[message.session].hub, name, message, at);
                return if (signed != Signed::Yes || own_troubled) && owned {
                    Ok(())
                } else {
                    Err("nobody else could have owned its sender's name".to_owned())
                };
            }
            _ if signed == Signed::No => return Err("its sender had not signed in".to_owned()),
            _ if self.is_bare(message) => return Err("its sender had no namespace for another node".to_owned()),
            _ => {}
        }
        match (&message.to, code) {
            (_, Some(NODE_UNKNOWN)) => match self.far(message) {
                None if matches!(message.to, To::Component { hub: None, .. }) => Ok(()),
                Some(far) if !self.mesh_certain(message, far, at) => Ok(()),
                _ => Err("its receiver's node was certainly linked".to_owned()),
            },
            (To::Component { hub: Some(hub), name }, Some(RECEIVER_UNKNOWN)) => {
                if self.certainly_claimed(*hub, name, message.sent, at) {
                    return Err("its receiver was certainly signed in".to_owned());
                }
                Ok(())
            }
            (To::Component { hub: Some(hub), name }, Some(OVERLOADED)) => {
                if self.receiver_suffered(*hub, name, message.sent, at) || self.way_suffered(message, at) {
                    return Ok(());
                }
                Err("neither its receiver nor the way there stood still or ended".to_owned())
            }
            (To::Coordinator { .. }, Some(OVERLOADED)) if self.way_suffered(message, at) => Ok(()),
            (To::Coordinator { expect, .. }, _) => {
                let good = match expect {
                    Expect::Null => value.get("result").is_some_and(Value::is_null),
                    Expect::Anything => value.get("result").is_some(),
                    Expect::Code(wanted) => code == Some(*wanted),
                    Expect::Batch(n) => value.as_array().is_some_and(|answers| answers.len() == *n),
                    Expect::Silence => false,
                };
                if good { Ok(()) } else { Err(format!("the answer should be {expect:?}")) }
            }
            (_, _) => Err("no such answer was due".to_owned()),
        }
    }

    fn may_sign(&self, message: &Message, sign_in: bool, value: &Value, at: Moment) -> Result<(), String> {
        let own = &self.sessions[message.session];
        let before = self.signed(message.session, message.signs_before);
        if value.get("result").is_some_and(Value::is_null) {
            let taken = self
                .others(message.session)
                .any(|other| self.certain_claims(other).iter().any(|(from, to)| *from <= message.sent && *to > at));
            return if sign_in && taken {
                Err("the name was certainly another's all the time".to_owned())
            } else {
                Ok(())
            };
        }
        match value["error"]["code"].as_i64() {
            Some(NOT_YOURS) if before != Signed::Yes && self.possibly_claimed(own.hub, &own.name, message, at) => {
                Ok(())
            }
            code => Err(format!("{} must not end with {code:?}", if sign_in { "sign_in" } else { "sign_out" })),
        }
    }

    /// Whether the message must end somewhere, as far as its sender knows.
    fn owes_an_end(&self, message: &Message) -> bool {
        !matches!(message.to, To::Coordinator { expect: Expect::Silence, .. })
    }

    fn may_be_lost(&self, message: &Message, until: Moment) -> Result<(), String> {
        let own = &self.sessions[message.session];
        if own.garbled || self.troubled(own.cable, until) || !self.owes_an_end(message) {
            return Ok(());
        }
        // What another node answers is a message to the sender, which must be there and take it.
        let signs_again =
            own.signs.get(message.signs_before).is_some_and(|(n, _)| self.messages[*n as usize].sent <= until);
        let deaf = self.far(message).is_some() && (signs_again || self.stood(own.cable, 1, message.sent, until));
        if self.way_suffered(message, until) || deaf {
            return Ok(());
        }
        let signed = !message.pretends && self.signed(message.session, message.signs_before) == Signed::Yes;
        if let To::Component { hub, name } = &message.to {
            let sure = hub.is_some_and(|hub| {
                self.certainly_claimed(hub, name, message.sent, until)
                    && !self.receiver_suffered(hub, name, message.sent, until)
            });
            // An answer that cannot be delivered is dropped in silence.
            if message.is_answer && !(sure && signed && !self.is_bare(message)) {
                return Ok(());
            }
            if signed && hub.is_some_and(|hub| self.receiver_was_lost(hub, name, message.sent, until)) {
                return Ok(());
            }
        } else if message.is_answer {
            return Ok(());
        }
        Err("it was lost without a reason".to_owned())
    }

    // ---- Names ----

    /// Whether the session is signed in after its first `signs` sign-ins and sign-outs.
    fn signed(&self, session: usize, signs: usize) -> Signed {
        let mut state = Signed::No;
        for (number, sign_in) in self.sessions[session].signs.iter().take(signs) {
            let accepted = self.answer(*number).map(|value| value.get("result").is_some());
            state = match (accepted, sign_in) {
                (Some(true), true) => Signed::Yes,
                (Some(true), false) => Signed::No,
                (Some(false), _) => Signed::No,
                (None, true) if state == Signed::Yes => Signed::Yes,
                (None, false) if state == Signed::No => Signed::No,
                (None, _) => Signed::Perhaps,
            };
        }
        state
    }

    /// Times in which the session's hub perhaps has its name for it.
    fn possible_claims(&self, session: usize) -> Vec<(Moment, Moment)> {
        let own = &self.sessions[session];
        let mut claims: Vec<(Moment, Moment)> = Vec::new();
        for (number, sign_in) in &own.signs {
            let message = &self.messages[*number as usize];
            match (&message.fate, sign_in) {
                (Some((Fate::Answered(value), _)), true) if value.get("result").is_none() => {}
                (_, true) => claims.push((message.sent, self.cables[own.cable].gone_at)),
                (Some((Fate::Answered(value), at)), false) if value.get("result").is_some() => {
                    for claim in &mut claims {
                        claim.1 = claim.1.min(*at);
                    }
                }
                (_, false) => {}
            }
        }
        claims
    }

    /// Times in which the session's hub has its name for it, beyond doubt.
    fn certain_claims(&self, session: usize) -> Vec<(Moment, Moment)> {
        let own = &self.sessions[session];
        let mut claims: Vec<(Moment, Moment)> = Vec::new();
        for (number, sign_in) in &own.signs {
            let message = &self.messages[*number as usize];
            if !sign_in {
                for claim in &mut claims {
                    claim.1 = claim.1.min(message.sent);
                }
            } else if let Some((Fate::Answered(value), at)) = &message.fate
                && value.get("result").is_some()
            {
                claims.push((*at, self.cables[own.cable].troubled_at));
            }
        }
        claims
    }

    fn named<'a>(&'a self, hub: usize, name: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let same = move |session: &usize| self.sessions[*session].hub == hub && self.sessions[*session].name == name;
        (0..self.sessions.len()).filter(same)
    }

    /// Other sessions of the same name at the same hub.
    fn others(&self, session: usize) -> impl Iterator<Item = usize> + '_ {
        let own = &self.sessions[session];
        self.named(own.hub, &own.name).filter(move |other| *other != session)
    }

    fn certainly_claimed(&self, hub: usize, name: &[u8], from: Moment, to: Moment) -> bool {
        self.named(hub, name)
            .any(|session| self.certain_claims(session).iter().any(|claim| claim.0 <= from && claim.1 > to))
    }

    /// Whether another session than the message's own perhaps had the name while the message was on its way.
    fn possibly_claimed(&self, hub: usize, name: &[u8], message: &Message, to: Moment) -> bool {
        self.named(hub, name)
            .filter(|session| *session != message.session)
            .any(|session| self.possible_claims(session).iter().any(|claim| claim.0 <= to && claim.1 >= message.sent))
    }

    // ---- Ways ----

    fn troubled(&self, cable: usize, to: Moment) -> bool {
        self.cables[cable].troubled_at <= to
    }

    fn stood(&self, cable: usize, direction: usize, from: Moment, to: Moment) -> bool {
        self.cables[cable].standstills[direction].iter().any(|still| still.0 <= to && still.1 >= from)
    }

    fn was_short(&self, hub: usize, from: Moment, to: Moment) -> bool {
        self.short.iter().any(|(at_hub, at)| *at_hub == hub && (ms(from)..=ms(to)).contains(&ms(*at)))
    }

    /// The other hub that a message must cross to.
    fn far(&self, message: &Message) -> Option<usize> {
        let hub = match &message.to {
            To::Component { hub, .. } => (*hub)?,
            To::Coordinator { hub, .. } => *hub,
            To::Sign { .. } => return None,
        };
        (hub != self.sessions[message.session].hub).then_some(hub)
    }

    /// Whether it goes abroad without the sender's namespace: nobody could answer it, so it is refused at once.
    fn is_bare(&self, message: &Message) -> bool {
        let abroad = self.far(message).is_some() || matches!(message.to, To::Component { hub: None, .. });
        abroad && wire::split(&message.frames[2]).0.is_none()
    }

    /// Whether both hubs could reach each other all the time since the message was sent.
    fn mesh_certain(&self, message: &Message, far: usize, to: Moment) -> bool {
        let near = self.sessions[message.session].hub;
        self.linked(near, far, message.sent, to) && self.linked(far, near, message.sent, to)
    }

    /// Whether `from_hub` could certainly send to `to_hub` all the time.
    pub(crate) fn linked(&self, from_hub: usize, to_hub: usize, from: Moment, to: Moment) -> bool {
        self.cables.iter().any(|cable| {
            cable.mesh == Some((from_hub, to_hub))
                && cable.up_at.is_some_and(|up_at| up_at <= from)
                && cable.troubled_at > to
        })
    }

    /// Whether a link between hubs ended, stood still, or memory was short somewhere on the way of the message or its answer.
    fn way_suffered(&self, message: &Message, to: Moment) -> bool {
        let own = &self.sessions[message.session];
        let near = own.hub;
        if self.was_short(near, message.sent, to) {
            return true;
        }
        let Some(far) = self.far(message) else { return false };
        !self.mesh_certain(message, far, to)
            || self.was_short(far, message.sent, to)
            || (self.cables.iter().enumerate()).any(|(n, cable)| {
                (cable.mesh == Some((near, far)) || cable.mesh == Some((far, near)))
                    && self.stood(n, 0, message.sent, to)
            })
    }

    /// Whether a receiver of that name stood still or ended.
    fn receiver_suffered(&self, hub: usize, name: &[u8], from: Moment, to: Moment) -> bool {
        self.was_short(hub, from, to)
            || self.receiver_was_lost(hub, name, from, to)
            || self.named(hub, name).any(|session| self.stood(self.sessions[session].cable, 1, from, to))
    }

    /// Whether a receiver of that name was, perhaps, and its connection ended.
    fn receiver_was_lost(&self, hub: usize, name: &[u8], from: Moment, to: Moment) -> bool {
        self.named(hub, name).any(|session| {
            self.troubled(self.sessions[session].cable, to)
                && self.possible_claims(session).iter().any(|claim| claim.0 <= to && claim.1 >= from)
        })
    }
}

pub(crate) fn shown(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}
