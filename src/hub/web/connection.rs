//! One connection: its machine, and the request that it is in the middle of.

use core::net::SocketAddr;
use core::ops::Range;
use std::sync::Arc;

use crate::auth::Origin;
use crate::http::answer::Answer;
use crate::http::credentials::Credentials;
use crate::http::forwarded::Seen;
use crate::http::head::{Head, Terms};
use crate::http::media;
use crate::http::method::Method;
use crate::http::multipart::{Form, Malformed};
use crate::http::origin::Access;
use crate::http::requests::{Phase, Requests};
use crate::http::websocket::handshake::{Accept, Denial};
use crate::hub::keys::PeerKey;
use crate::hub::peers::Peers;
use crate::limits::{HTTP_BODY_MS, HTTP_STALL_MS};
use crate::store::pool::Pool;
use crate::store::shared::SharedBytes;
use crate::time::Tick;

use super::command::{BUSY, Standing};
use super::reply::Reply;
use super::route::Route;

/// The part of a form that has the document.
const DOCUMENT_PART: &str = "file";

/// A request, from its head to its answer.
#[derive(Debug)]
pub(in crate::hub) struct Asked {
    pub(in crate::hub) route: Route,
    /// A document in it may be kept, without being copied.
    pub(in crate::hub) body: Arc<Vec<u8>>,
    /// Whoever asks, by its own account: the field `clientId`.
    pub(in crate::hub) client: Option<Box<str>>,
    pub(in crate::hub) query: Box<str>,
    /// The number of the event that it has heard last: the field `Last-Event-ID`.
    pub(in crate::hub) heard: Option<u64>,
    /// Why what it says about who asks is not believed, if it is not.
    pub(in crate::hub) denied: Option<&'static str>,
    /// Where it asks from, as proxies say that are believed.
    pub(in crate::hub) remote: SocketAddr,
    /// `HOST:PORT` by which it has come, and the path below which it has found this server.
    pub(in crate::hub) authority: Box<str>,
    pub(in crate::hub) prefix: Box<str>,
    pub(in crate::hub) is_secure: bool,
    /// What comes of its wish for a WebSocket.
    pub(in crate::hub) upgrade: Result<Accept, Denial>,
    /// It takes an answer as gzip has it.
    pub(super) takes_gzip: bool,
    /// The tags of what it has already, as it lists them.
    pub(super) has: Box<str>,
    /// Where in the body the document is, if that is a form.
    form: Option<Result<Box<Form<'static>>, Malformed>>,
    pub(super) method: Method,
    /// When its head had come.
    pub(super) since: Tick,
    /// Its body is longer than it may be, and is not here.
    pub(in crate::hub) is_too_long: bool,
    pub(super) terms: Terms,
    /// The fields by which a page of another server may read the answer, or ask at all.
    pub(super) fields: Vec<u8>,
    /// All of it has come.
    pub(super) is_whole: bool,
}

impl Asked {
    pub(super) fn new(
        route: Route,
        head: &Head<'_>,
        access: Access<'_>,
        seen: &Seen<'_>,
        (remote, since): (SocketAddr, Tick),
    ) -> Self {
        let is_of_page = matches!(route, Route::Home | Route::File(_));
        let mut fields = Vec::new();
        Answer::aside(&mut fields, |answer| access.tell(head, answer));
        let content_type = head.field("Content-Type").filter(|_| route.brings_document());
        let form = content_type
            .filter(|content_type| media::is(content_type, "multipart/form-data"))
            .map(|content_type| Form::new(content_type, DOCUMENT_PART).map(Box::new));
        Self {
            body: Arc::default(),
            client: head.sole("clientId").map(Box::from),
            query: head.target.query.into(),
            heard: head.field("Last-Event-ID").filter(|_| route == Route::Events).and_then(|text| text.parse().ok()),
            denied: None,
            remote: SocketAddr::new(seen.client, remote.port()),
            authority: seen.authority().into(),
            prefix: seen.prefix.trim_end_matches('/').into(),
            is_secure: seen.is_secure,
            upgrade: if route.is_stream() { Accept::judge(head) } else { Err(Denial::NotAsked) },
            takes_gzip: is_of_page && head.takes("gzip"),
            has: head.field("If-None-Match").filter(|_| is_of_page).unwrap_or_default().into(),
            form,
            method: head.method,
            since,
            is_too_long: false,
            terms: head.terms,
            fields,
            is_whole: false,
            route,
        }
    }

    /// The document that it brings: the wanted part of a form, or the whole body.
    pub(in crate::hub) fn document(&self) -> Result<SharedBytes, Malformed> {
        let range: Range<usize> = match &self.form {
            None => 0..self.body.len(),
            Some(Ok(form)) => form.part()?,
            Some(Err(malformed)) => return Err(*malformed),
        };
        let body = SharedBytes::from(Arc::clone(&self.body));
        Ok(body.part(self.body.get(range).unwrap_or_default()))
    }

    /// One more piece of the body has come.
    fn read_on(&mut self) {
        if let Some(Ok(form)) = &mut self.form
            && let Err(malformed) = form.read(&self.body)
        {
            self.form = Some(Err(malformed));
        }
    }

    /// All of it is here that will be: the rest is passed over, and the connection ends.
    pub(super) const fn cut_short(&mut self) {
        (self.is_too_long, self.is_whole, self.terms.keeps_alive) = (true, true, false);
    }

    /// The value of a name in the query; one that cannot be read is none.
    pub(in crate::hub) fn value(&self, name: &str) -> Option<String> {
        let target = crate::http::target::Target { host: "", path: "", query: &self.query };
        target.value(name).ok().flatten().map(Into::into)
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) requests: Requests,
    pub(super) at_hand: Option<Box<Asked>>,
    /// What it is being sent beside its ring.
    pub(super) lent: Option<Box<SharedBytes>>,
    /// When it came, or was last answered.
    pub(super) since: Tick,
    /// What its deadline is for.
    pub(super) waits_for: Option<Phase>,
    /// When the head of the request at hand had come.
    pub(super) body_since: Tick,
}

impl Connection {
    pub(super) const fn new(now: Tick) -> Self {
        Self { requests: Requests::new(), at_hand: None, lent: None, since: now, waits_for: None, body_since: now }
    }

    /// How long more of its body may be waited for: less the longer it takes, with room for each byte that has come.
    pub(super) fn body_pause(&self, now: Tick) -> u64 {
        let come = self.at_hand.as_ref().map_or(0, |asked| asked.body.len()) as u64;
        (HTTP_BODY_MS + come).saturating_sub(now.since(self.body_since).0).min(HTTP_STALL_MS)
    }

    /// How far its request has come.
    pub(super) fn phase(&self) -> Phase {
        match self.requests.phase() {
            Phase::Idle if self.at_hand.is_some() => Phase::Body,
            phase @ (Phase::Idle | Phase::Head | Phase::Body | Phase::PassingOver) => phase,
        }
    }

    /// Whether nothing is being asked on it.
    pub(super) fn is_idle(&self) -> bool {
        self.lent.is_none() && self.phase() == Phase::Idle
    }

    /// Whether it waits for us.
    pub(super) fn is_answering(&self) -> bool {
        self.at_hand.as_ref().is_some_and(|asked| asked.is_whole)
    }

    /// One more piece of the body. Whether there is room for it.
    pub(super) fn add(&mut self, piece: &[u8], is_last: bool, pool: &mut Pool) -> bool {
        let Some(asked) = &mut self.at_hand else { return true };
        // Bodies leave room for sessions and worlds.
        if !pool.charge_leaving_room(piece.len()) {
            return false;
        }
        // Nobody else has it before it is whole.
        Arc::make_mut(&mut asked.body).extend_from_slice(piece);
        asked.read_on();
        asked.is_whole = is_last;
        true
    }

    /// Whether the request at hand, which is too long, is answered all the same; without its body, which is not read.
    pub(super) fn cuts_short(&mut self) -> bool {
        match &mut self.at_hand {
            Some(asked) if asked.route.answers_too_long() => {
                asked.cut_short();
                true
            }
            _ => false,
        }
    }

    /// The answer where there is no memory for the body of the request at hand.
    pub(super) fn no_memory(&self) -> Reply {
        match self.at_hand.as_ref().map(|asked| &asked.route) {
            Some(Route::Task(task)) => Standing::NOWHERE.failed(task.failure(), BUSY, ""),
            _ => Reply::text(503, "no memory left for the request"),
        }
    }

    /// Forgets what has come of the body; answers how many bytes that was.
    pub(super) fn drop_body(&mut self) -> usize {
        self.at_hand.as_mut().map_or(0, |asked| core::mem::take(&mut asked.body).len())
    }

    /// Its request, which is answered or given up, so its body is held no longer.
    pub(super) fn take(&mut self, pool: &mut Pool) -> Option<Box<Asked>> {
        let asked = self.at_hand.take()?;
        pool.refund(asked.body.len());
        Some(asked)
    }

    /// Bytes that it keeps.
    pub(super) fn bytes(&self) -> usize {
        self.at_hand.as_ref().map_or(0, |asked| asked.body.len())
    }
}

/// Finds out who asks. What is said about that must be true, though it may stay away.
pub(super) fn log_in(peers: &mut Peers, key: PeerKey, head: &Head<'_>, seen: &Seen<'_>) -> Result<(), &'static str> {
    if peers.users.is_off() {
        return Ok(());
    }
    let origin = Origin { address: seen.client.to_canonical(), is_private: seen.is_secure };
    let outcome = match Credentials::of(head) {
        None => Ok(peers.users.by_address(origin.address)),
        Some(Credentials { name, token }) => peers.judge_token(name.as_deref(), &token, origin).map(Some),
    };
    peers.log_in(key, outcome.ok().flatten(), origin);
    outcome.map(drop)
}
