//! The Manager's functions, whoever calls them and in whatever protocol.

use core::net::SocketAddr;

use crate::control::PROTOCOL_VERSION;
use crate::control::reply::{ManagerInfo, ProviderType, Status};
use crate::control::request::Wanted;
use crate::counters::count;
use crate::leco::address;
use crate::rcrs::kernel::Dialect;
use crate::store::order;
use crate::time::Span;

use super::jobs::Job;
use super::provider::{Kernel, NotOpened, Play, ProviderEntry, Source};
use super::rows::{Batch, Chosen, ProviderRow, ViewerRow, is_chosen, no_such};
use super::{Manager, Timer, tell};
use crate::hub::call::ReplyTo;
use crate::hub::cause::Cause;
use crate::hub::doors::is_near;
use crate::hub::events::Event;
use crate::hub::keys::{PeerKey, ProviderKey, SessionKey};
use crate::hub::peers::{Asker, Peers, share_of};
use crate::hub::shelf::{Content, Logs};

/// How long whoever opens a provider waits at most for its first record.
const OPEN_WAIT: Span = Span(900);

/// The port on which kernels of the old protocol listen.
const LEGACY_PORT: u16 = 7000;

/// Whether a host is this machine by its very name. What others resolve to is seen when they are connected to.
fn is_named_near(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_localhost = host.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost"));
    is_localhost || address::numeric(host).is_some_and(is_near)
}

impl Manager {
    // ---- Providers ----

    /// Opens a provider for whoever asks, who is `asked_by`; what cannot be seen at once (a kernel that does not answer) shows in its status later. Answers its id.
    ///
    /// # Errors
    /// Says why there is none.
    pub(in crate::hub) fn open_provider(
        &mut self,
        peers: &mut Peers,
        wanted: Wanted<'_>,
        asked_by: Asker,
    ) -> Result<i64, NotOpened> {
        self.make_room(peers, asked_by)?;
        let (kind, ids, source) = match wanted {
            Wanted::Address { host, port, keep } => {
                if asked_by.far.is_some() && !peers.config.dial_local && is_named_near(host) {
                    return Err(format!("{host} is not connected to for another machine (dial_local)").into());
                }
                let is_legacy = peers.config.rcrs_legacy || port == LEGACY_PORT;
                let dialect = if is_legacy { Dialect::Legacy } else { Dialect::Current };
                let kernel = Kernel::new(host, port, dialect, keep, peers.now);
                (ProviderType::Rcrs, format!("{host}/{port}"), Source::Kernel(Box::new(kernel)))
            }
            Wanted::File(name) => {
                let (file, content) = self.shelf.open(name)?;
                let kind = match content {
                    Content::Kernel => ProviderType::RcrsLog,
                    Content::Viewer => ProviderType::ViewerLog,
                };
                (kind, name.to_owned(), Source::Log(Box::new(Play::new(file, content))))
            }
        };
        let is_log = matches!(source, Source::Log(_));
        let (word, shown) = (kind.word(), ids.clone());
        let (key, id) = self.providers.open(kind, ids, source, asked_by)?;
        log::info!("provider {id} opened: {word} {shown}");
        tell(peers, id, &shown, "opened");
        if is_log {
            self.jobs.add(Job::Play(key));
        } else {
            self.dial_kernel(peers, key);
        }
        Ok(id)
    }

    /// Whether one more provider may be opened for somebody. What could not be opened before goes, where it takes the place of what may be.
    ///
    /// # Errors
    /// Why there may be no more, in words.
    pub(super) fn make_room(&mut self, peers: &mut Peers, asked_by: Asker) -> Result<(), NotOpened> {
        let all = |_: &ProviderEntry| true;
        if self.providers.len() >= peers.config.providers_max && !self.push_out(peers, all) {
            let why = format!("{} providers are open, more are not allowed (providers_max)", self.providers.len());
            return Err(NotOpened::Full(why));
        }
        let is_askers = |entry: &ProviderEntry| asked_by.share.is_some() && entry.asked_by.share == asked_by.share;
        let has = self.providers.entries().filter(|(_, entry)| is_askers(entry)).count();
        if has >= share_of(peers.config.providers_max) && !self.push_out(peers, is_askers) {
            return Err(NotOpened::Full(format!(
                "{has} providers of one machine or user are open, more are not allowed (a quarter of providers_max)"
            )));
        }
        if peers.pool.data_room() == 0 {
            return Err(NotOpened::Full("no memory is left for a provider (memory_max)".to_owned()));
        }
        Ok(())
    }

    /// Closes the oldest provider among `these` of which nothing ever came and nobody looks at. Whether there was one.
    fn push_out(&mut self, peers: &mut Peers, these: impl Fn(&ProviderEntry) -> bool) -> bool {
        let failed = self.providers.entries().filter(|(_, entry)| these(entry) && entry.provider.is_a_failure());
        let Some((key, _)) = failed.min_by_key(|(_, entry)| entry.provider.id) else { return false };
        self.close_provider(peers, key);
        true
    }

    /// Has whoever asked for a provider answered once there is something to say of it, at the latest after [`OPEN_WAIT`].
    pub(in crate::hub) fn answer_later(&mut self, peers: &mut Peers, id: i64, opener: ReplyTo) {
        let Some((key, provider)) = self.providers.key_of(id).and_then(|key| Some((key, self.providers.get_mut(key)?)))
        else {
            return;
        };
        provider.opener = opener;
        self.timers.set(key.slot(), Timer::Answer as usize, peers.now + OPEN_WAIT);
        self.answer_opener_of_what_is_there(peers, key);
    }

    /// A provider can be shown, or cannot any more: that is what its opener waits for.
    pub(super) fn answer_opener_of_what_is_there(&mut self, peers: &mut Peers, key: ProviderKey) {
        if self.providers.entry(key).is_some_and(|entry| !entry.waits()) {
            self.answer_opener(peers, key);
        }
    }

    /// Whoever had a provider opened is answered now.
    pub(super) fn answer_opener(&mut self, peers: &mut Peers, key: ProviderKey) {
        let Some(provider) = self.providers.get_mut(key) else { return };
        let opener = core::mem::replace(&mut provider.opener, ReplyTo::Nobody);
        if opener != ReplyTo::Nobody {
            peers.events.push_back(Event::ProviderOpened { provider: provider.id, opener });
            self.timers.cancel(key.slot(), Timer::Answer as usize);
        }
    }

    /// The process ends in order: nobody waits any longer for what was opened, and recordings end here.
    pub(in crate::hub) fn prepare_to_end(&mut self, peers: &mut Peers) {
        let keys: Vec<ProviderKey> = self.providers.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.answer_opener(peers, key);
            self.finish_step(peers, key);
            self.end_recording(peers, key);
        }
    }

    /// Closes providers; one that is closed already is fine.
    pub(in crate::hub) fn close_providers(&mut self, peers: &mut Peers, ids: &[i64]) -> Batch {
        let mut batch = Batch::default();
        for &id in ids {
            match self.providers.key_of(id) {
                Some(key) => {
                    self.close_provider(peers, key);
                    batch.done.push(id);
                }
                None if self.providers.had(id) => batch.done.push(id),
                None => batch.fail(format!("there is no provider {id}")),
            }
        }
        batch
    }

    fn close_provider(&mut self, peers: &mut Peers, key: ProviderKey) {
        if let Some(provider) = self.providers.get_mut(key) {
            provider.give_up_making();
        }
        self.end_recording(peers, key);
        self.answer_opener(peers, key);
        self.end_look(peers, key);
        let Some(ProviderEntry { mut provider, source, .. }) = self.providers.remove(key) else { return };
        peers.pool.refund(provider.accounted);
        provider.reset();
        self.timers.cancel_all(key.slot());
        log::info!("provider {} closed: {}", provider.id, provider.ids);
        tell(peers, provider.id, &provider.ids, "closed");
        match source {
            Source::Kernel(kernel) => {
                if let Some(peer) = kernel.peer {
                    peers.close(peer, Cause::Provider);
                }
            }
            Source::Feed => {}
            Source::Log(play) => {
                self.shelf.close(play.track.file);
                if let Some(seek) = play.seek {
                    self.end_seek(peers, *seek, "the provider was closed");
                }
            }
        }
        provider.take_unused().for_each(|world| self.remains.add(&mut self.jobs, world));
        Self::end_past(peers, provider.past, "the provider was closed");
        if let Some(session) = provider.session {
            self.provider_left(peers, session);
        }
        for latecomer in provider.latecomers {
            self.serve_latecomer(peers, None, latecomer);
        }
    }

    /// Connects live kernels anew: those that are named, or all that have not ended in good order. Logs have nothing to renew: passed over
    /// when all are meant, an error when named.
    pub(in crate::hub) fn refresh_providers(&mut self, peers: &mut Peers, which: &Chosen) -> Batch {
        let mut batch = Batch::default();
        let ids: Vec<i64> = match which {
            Some(ids) => ids.clone(),
            None => {
                let living = self.providers.iter().filter(|(_, provider)| provider.status != Status::Closed);
                living.map(|(_, provider)| provider.id).collect()
            }
        };
        for id in ids {
            let Some(key) = self.providers.key_of(id) else {
                batch.fail(self.no_such_provider(id));
                continue;
            };
            if self.refresh_provider(peers, key) {
                batch.done.push(id);
            } else if which.is_some() {
                batch.fail(format!("provider {id} is a log and has no connection to renew"));
            }
        }
        batch
    }

    /// Connects a live kernel anew; answers whether it is one. What it has shown stays until there is another world.
    fn refresh_provider(&mut self, peers: &mut Peers, key: ProviderKey) -> bool {
        self.end_look(peers, key);
        let Some((provider, kernel)) = self.providers.kernel_mut(key) else { return false };
        kernel.since = peers.now;
        let old = kernel.forget_link();
        provider.come_online();
        self.end_recording(peers, key);
        if let Some(peer) = old {
            peers.close(peer, Cause::Provider);
        }
        self.timers.cancel(key.slot(), Timer::Dial as usize);
        self.dial_kernel(peers, key);
        true
    }

    pub(super) fn no_such_provider(&self, id: i64) -> String {
        no_such("provider", id, self.providers.had(id))
    }

    // ---- Viewers ----

    /// The provider and the viewer that are to be brought together.
    ///
    /// # Errors
    /// One of them is not there.
    pub(in crate::hub) fn pair(&self, provider: i64, viewer: i64) -> Result<(ProviderKey, PeerKey), String> {
        let key = self.providers.key_of(provider).ok_or_else(|| self.no_such_provider(provider))?;
        let peer = self.viewers.key_of(viewer).ok_or_else(|| no_such("viewer", viewer, self.viewers.had(viewer)))?;
        Ok((key, peer))
    }

    /// Where a provider comes from: `host/port`, or the name of a file.
    pub(in crate::hub) fn source_of(&self, key: ProviderKey) -> &str {
        self.providers.get(key).map_or("", |provider| &provider.ids)
    }

    /// The session that a provider is in.
    pub(in crate::hub) fn session_of(&self, key: ProviderKey) -> Option<SessionKey> {
        self.providers.get(key)?.session
    }

    /// Brings a viewer into the session of a provider.
    pub(in crate::hub) fn connect_viewer(
        &mut self,
        peers: &mut Peers,
        (provider, viewer): (ProviderKey, PeerKey),
        session: SessionKey,
    ) {
        self.enter_session(peers, viewer, session);
        self.wind_clock(peers, provider);
    }

    /// Takes viewers out of their sessions; one that has left is fine.
    pub(in crate::hub) fn disconnect_viewers(&mut self, peers: &Peers, ids: &[i64]) -> Batch {
        let mut batch = Batch::default();
        for &id in ids {
            match self.viewers.key_of(id) {
                Some(key) => {
                    self.leave_session(peers, key);
                    batch.done.push(id);
                }
                None if self.viewers.had(id) => batch.done.push(id),
                None => batch.fail(format!("there is no viewer {id}")),
            }
        }
        batch
    }

    // ---- Information ----

    /// Providers, by id.
    pub(in crate::hub) fn provider_rows(&self, peers: &Peers, which: &Chosen) -> Vec<ProviderRow> {
        let chosen = self.providers.entries().filter(|(_, entry)| is_chosen(which, entry.provider.id));
        let mut rows: Vec<_> = chosen.map(|(_, entry)| ProviderRow::new(entry, peers.now)).collect();
        order::sort_by_key(&mut rows, ProviderRow::id);
        rows
    }

    /// The logs that can be opened.
    pub(in crate::hub) fn logs(&self) -> Logs {
        self.shelf.logs()
    }

    /// Viewers, by id, those that have left among them.
    pub(in crate::hub) fn viewer_rows(&self, which: &Chosen) -> Vec<ViewerRow> {
        let living = self.viewers.iter().map(|(_, viewer)| ViewerRow::new(viewer));
        let departed = self.viewers.departed().map(ViewerRow::of_departed);
        let mut rows: Vec<_> = departed.chain(living).filter(|row| is_chosen(which, row.id())).collect();
        order::sort_by_key(&mut rows, ViewerRow::id);
        rows
    }

    /// Version of the protocol, and of this program.
    pub(in crate::hub) fn version() -> String {
        format!("{PROTOCOL_VERSION} (instep {})", env!("CARGO_PKG_VERSION"))
    }

    /// Where controllers are heard.
    pub(in crate::hub) fn control_addresses(&self) -> &[SocketAddr] {
        &self.control_addresses
    }

    /// The Manager itself, which knows not all of the sessions.
    pub(in crate::hub) fn info<'a>(&self, peers: &Peers, sessions: usize, version: &'a str) -> ManagerInfo<'a> {
        ManagerInfo {
            port: self.viewer_port,
            providers: count(self.providers.len()),
            viewers: count(self.viewers.len()),
            sessions: count(sessions),
            errors: peers.counters.manager_errors,
            status: Status::Online,
            version,
        }
    }
}
