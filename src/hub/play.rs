//! Making providers run: reading logs in bounded pieces, keeping their clock, feeding the machines of live kernels, recording.
//!
//! Work that does not fit one call is a job: the hub says that it is due at once ([`Hub::poll_timeout`]), and each
//! [`Hub::handle_timeout`] does one bounded piece of the job at the front, so that no message waits behind a log.

use core::net::SocketAddr;

use crate::c2sim::state::State;
use crate::control::reply::Status;
use crate::control::vlog;
use crate::rcrs::kernel::{Dialect, Event, KernelViewer, Poll};
use crate::rcrs::log::Ending;
use crate::rcrs::message::{Config, Record};
use crate::rcrs::world::World;
use crate::time::Span;

use super::Hub;
use super::cause::Cause;
use super::doors::Output;
use super::keys::{PeerKey, ProviderKey, SessionKey};
use super::peers::{Role, cut};
use super::provider::{Provider, Seek, Source, Track, Wanted};
use super::scene::{self, Raw, Scene};
use super::shelf::{Advance, Content, Shelf};

/// Shortest and longest pause between attempts to reach a kernel.
const KERNEL_PAUSE: Span = Span(100);
const KERNEL_PAUSE_MAX: Span = Span(2000);
/// The port on which kernels of the old protocol listen.
const LEGACY_PORT: u16 = 7000;
/// Kernel configuration: milliseconds that agents have to think in each step.
const THINK_TIME: &str = "kernel.agents.think-time";

/// A piece of work that waits for the next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Read on in a log that is played.
    Play(ProviderKey),
    /// Encode what a provider is shown with at first.
    Load(ProviderKey),
    /// Read on in a log for somebody who wants an old timestep.
    Seek(ProviderKey),
    /// Go on decoding what a kernel sent.
    Kernel(PeerKey),
    /// Deal with a request that has waited for its session.
    Session(SessionKey),
}

/// What one piece of reading brought.
enum Read {
    /// More can be read.
    More,
    /// The next timestep is whole.
    Step,
    /// No more will come.
    Ended(Result<Ending, String>),
}

impl Hub {
    pub(super) fn add_job(&mut self, job: Job) {
        if !self.jobs.contains(&job) {
            self.jobs.push_back(job);
        }
    }

    /// Does one bounded piece of the job at the front.
    pub(super) fn do_one_job(&mut self) {
        let Some(job) = self.jobs.pop_front() else { return };
        let of = match job {
            Job::Play(key) | Job::Load(key) | Job::Seek(key) => Some(key),
            Job::Kernel(_) | Job::Session(_) => None,
        };
        let goes_on = match job {
            Job::Play(key) => self.play_piece(key),
            Job::Load(key) => self.load_piece(key),
            Job::Seek(key) => self.seek_piece(key),
            Job::Kernel(key) => {
                self.peers.resume(key);
                false
            }
            Job::Session(key) => {
                // A controller whose turn it is comes before the line.
                self.feed_resumed();
                self.line_piece(key);
                false
            }
        };
        if goes_on {
            self.add_job(job);
        }
        if let Some(key) = of {
            self.account_provider(key);
        }
    }

    /// Counts what a provider holds now. One that holds more than there is memory for ends.
    pub(super) fn account_provider(&mut self, key: ProviderKey) {
        let Some(provider) = self.providers.get_mut(key) else { return };
        let (before, now) = (provider.accounted, provider.bytes());
        if now <= before {
            provider.accounted = now;
            self.peers.pool.refund(before - now);
        } else if self.peers.pool.charge(now - before) {
            provider.accounted = now;
        } else if provider.loaded && provider.forget_past() {
            // What can be made again, or was only kept for questions, goes first.
            self.account_provider(key);
        } else {
            self.exhaust(key);
        }
    }

    /// There is no memory for what a provider brings: it ends with what it had, and gives that back.
    fn exhaust(&mut self, key: ProviderKey) {
        self.end_provider(key, Status::Errored, "no memory is left for its data (memory_max)");
        self.provider_timers.cancel_all(key.slot());
        let Some(provider) = self.providers.get_mut(key) else { return };
        let link = match &mut provider.source {
            Source::Kernel(kernel) => kernel.peer,
            Source::Log(play) => {
                play.track.forget();
                None
            }
        };
        let (status, time, time_max) = (provider.status, provider.time, provider.time_max);
        provider.reset();
        provider.statics = scene::Statics::default();
        (provider.status, provider.time, provider.time_max) = (status, time, time_max);
        let refused = match &mut provider.source {
            Source::Log(play) => play.seek.take(),
            Source::Kernel(_) => None,
        };
        self.account_provider(key);
        if let Some(seek) = refused {
            self.shelf.close(seek.track.file);
            for wanted in seek.wanted {
                self.answer_old_step(key, wanted, Err("no memory is left for this provider (memory_max)"));
            }
        }
        if let Some(link) = link {
            self.peers.close(link, Cause::Provider);
        }
    }

    // ---- Logs ----

    /// Reads a piece of a log; answers whether there is more to read at once.
    fn play_piece(&mut self, key: ProviderKey) -> bool {
        let Some(provider) = self.providers.get_mut(key) else { return false };
        let Source::Log(play) = &mut provider.source else { return false };
        if !play.track.is_hungry() {
            return false;
        }
        let file = play.track.file;
        let advance = next_piece(self.shelf.as_mut(), &play.track);
        let known_max = self.shelf.time_max(file);
        let Some(provider) = self.providers.get_mut(key) else { return false };
        if let Some(time_max) = known_max {
            provider.time_max = time_max;
        }
        let Source::Log(play) = &mut provider.source else { return false };
        let (read, statics) = take(&mut play.track, &mut provider.scene, advance);
        let mut first = false;
        for item in statics {
            first |= settle(provider, item);
        }
        if first {
            self.add_job(Job::Load(key));
        }
        match read {
            Ok(Read::More) => true,
            Ok(Read::Step) => {
                self.step_ready(key);
                false
            }
            Ok(Read::Ended(ending)) => {
                self.log_read(key, ending);
                false
            }
            Err(reason) => {
                self.log_read(key, Err(reason));
                false
            }
        }
    }

    /// The world is there: encodes map and world, one in a turn as those of a city take milliseconds, then serves whoever waits in
    /// the session. Answers whether there is more to do.
    fn load_piece(&mut self, key: ProviderKey) -> bool {
        let Some(provider) = self.providers.get_mut(key) else { return false };
        if provider.loaded || matches!(provider.scene, Scene::Empty) {
            return false;
        }
        if provider.statics.map.is_empty() && matches!(provider.scene, Scene::Kernel(_)) {
            if provider.scene.encode_map(&mut provider.map_draft) {
                provider.statics.map = core::mem::take(&mut provider.map_draft).out;
            }
            return true;
        }
        if provider.world.is_none() && provider.session.is_some() {
            provider.world_section();
            return true;
        }
        provider.loaded = true;
        log::info!("provider {} ({}) has its world", provider.id, provider.ids);
        self.begin_recording(key);
        let session = self.providers.get(key).and_then(|found| found.session);
        let viewers = session.and_then(|session| self.sessions.get(session)).map(|session| session.viewers.clone());
        for viewer in viewers.unwrap_or_default() {
            self.send_initial(viewer, false);
        }
        self.wind_clock(key);
        false
    }

    /// The next timestep is whole: it is due when the clock says so.
    fn step_ready(&mut self, key: ProviderKey) {
        let Some(provider) = self.providers.get_mut(key) else { return };
        if matches!(provider.scene, Scene::Empty)
            && let Source::Log(play) = &mut provider.source
            && let Some(first) = play.track.next.take()
        {
            // The first record of a recording is its world, not a step of it.
            match provider.scene.apply(first) {
                Ok(step) => {
                    provider.time = step.time;
                    self.add_job(Job::Play(key));
                }
                Err(reason) => {
                    self.end_provider(key, Status::Errored, &reason);
                    return;
                }
            }
        }
        if self.providers.get(key).is_some_and(|found| !found.loaded) {
            self.add_job(Job::Load(key));
        }
        self.wind_clock(key);
    }

    /// The session of a provider has ended in `state`: a log stands, until another session takes it.
    pub(super) fn leave_provider(&mut self, key: ProviderKey, state: State) {
        self.provider_timers.cancel(key.slot(), 0);
        let Some(provider) = self.providers.get_mut(key) else { return };
        provider.session = None;
        // They say what state that session was in.
        provider.initials.clear();
        if let Source::Log(play) = &mut provider.source {
            play.due = None;
            play.is_used |= matches!(state, State::Running | State::Paused);
        }
    }

    /// A log that another session has played is put back to its beginning for the one that it is in now.
    pub(super) fn begin_again(&mut self, key: ProviderKey) {
        if let Some(provider) = self.providers.get_mut(key).filter(|found| found.session.is_some())
            && let Source::Log(play) = &mut provider.source
            && core::mem::take(&mut play.is_used)
        {
            self.rewind(key);
        }
    }

    /// Sets the time of the next timestep of a log, if its session runs.
    pub(super) fn wind_clock(&mut self, key: ProviderKey) {
        self.begin_again(key);
        let runs = self.session_runs(key);
        let pace = self.pace(key);
        let Some(provider) = self.providers.get_mut(key) else { return };
        let is_shown = provider.loaded;
        let Source::Log(play) = &mut provider.source else { return };
        if !runs || !is_shown || play.track.next.is_none() {
            return;
        }
        let pause = play.left.take().unwrap_or(pace);
        let due = *play.due.get_or_insert(self.peers.now + pause);
        self.provider_timers.set(key.slot(), 0, due);
    }

    fn session_runs(&self, key: ProviderKey) -> bool {
        let session = self.providers.get(key).and_then(|found| found.session);
        session.and_then(|session| self.sessions.get(session)).is_some_and(|session| session.state() == State::Running)
    }

    /// Time from one timestep of a log to the next: that of the recording, by the configured speed and the session's.
    pub(super) fn pace(&self, key: ProviderKey) -> Span {
        let Some(provider) = self.providers.get(key) else { return Span(0) };
        let Source::Log(play) = &provider.source else { return Span(0) };
        let plain = play.step.0 * 100 / self.peers.config.play_speed_percent.max(1);
        let multiple = provider.session.and_then(|session| self.sessions.get(session)).map_or(1.0, |s| s.flow.multiple);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a float that is too large for the integer becomes its largest"
        )]
        let pace = (plain as f64 / multiple).clamp(0.0, 86_400_000.0) as u64;
        Span(pace)
    }

    /// Puts a log back to its beginning: its viewers see it load anew.
    pub(super) fn rewind(&mut self, key: ProviderKey) {
        let Some(provider) = self.providers.get_mut(key) else { return };
        if provider.status == Status::Errored {
            return;
        }
        let Source::Log(play) = &mut provider.source else { return };
        let (file, content) = (play.track.file, play.track.content);
        let again = match self.shelf.again(file) {
            Ok(again) => again,
            Err(reason) => {
                self.end_provider(key, Status::Errored, &reason);
                return;
            }
        };
        self.shelf.close(file);
        play.track = Track::new(again, content);
        (play.due, play.left) = (None, None);
        provider.reset();
        self.end_recording(key);
        self.account_provider(key);
        self.add_job(Job::Play(key));
    }

    /// The clock of a log says that its next timestep is due.
    pub(super) fn play_due(&mut self, key: ProviderKey) {
        if !self.session_runs(key) {
            return;
        }
        let pace = self.pace(key);
        let Some(provider) = self.providers.get_mut(key) else { return };
        let Source::Log(play) = &mut provider.source else { return };
        let Some(raw) = play.track.next.take() else { return };
        // The recorded pace is kept without drift, unless reading was slower than it.
        let due = play.due.unwrap_or(self.peers.now) + pace;
        play.due = Some(due.max(self.peers.now));
        let ended = play.track.ended;
        self.advance_provider(key, raw);
        if ended {
            self.end_provider(key, Status::Closed, "the log has ended");
        } else {
            self.add_job(Job::Play(key));
        }
    }

    /// Applies a timestep and sends it to the session's viewers.
    fn advance_provider(&mut self, key: ProviderKey, raw: Raw) {
        let history_max = self.peers.config.history_bytes_max;
        let runs = self.session_runs(key);
        let Some(provider) = self.providers.get_mut(key) else { return };
        provider.forget_encoded();
        match provider.scene.apply(raw) {
            Ok(step) => {
                provider.time = step.time;
                provider.time_max = provider.time_max.max(step.time);
                self.peers.counters.timesteps += 1;
                self.record_step(key, &step);
                if runs {
                    self.publish_step(key, &step);
                }
                if let Some(provider) = self.providers.get_mut(key) {
                    provider.unseen |= !runs;
                }
                if let Some(provider) = self.providers.get_mut(key)
                    && matches!(provider.source, Source::Kernel(_))
                {
                    provider.remember(step, history_max);
                }
            }
            Err(reason) => self.end_provider(key, Status::Errored, &reason),
        }
        self.account_provider(key);
    }

    /// A log has been read to its end.
    fn log_read(&mut self, key: ProviderKey, ending: Result<Ending, String>) {
        let Some(provider) = self.providers.get_mut(key) else { return };
        let Source::Log(play) = &mut provider.source else { return };
        play.track.ended = true;
        let waits = play.track.next.is_some();
        if let Some(time_max) = self.shelf.time_max(play.track.file) {
            provider.time_max = time_max;
        }
        let ids = provider.ids.clone();
        match ending {
            Ok(Ending::Whole) => {}
            Ok(Ending::Truncated) => {
                self.peers.note_error(&format!("{ids}: the log is cut short, what is whole has been played"))
            }
            Err(reason) => {
                self.end_provider(key, Status::Errored, &reason);
                return;
            }
        }
        if !waits {
            self.end_provider(key, Status::Closed, "the log has ended");
        }
    }

    /// A provider has ended by itself: it stays listed until it is closed.
    pub(super) fn end_provider(&mut self, key: ProviderKey, status: Status, reason: &str) {
        let Some(provider) = self.providers.get_mut(key) else { return };
        if provider.status != Status::Online {
            return;
        }
        let reason = &*cut(reason);
        provider.status = status;
        provider.time_max = provider.time_max.max(provider.time);
        let line = format!("{}: {reason}", provider.ids);
        log::info!("provider {} {}: {line}", provider.id, status.word());
        if status == Status::Errored {
            self.peers.note_error(&line);
        }
        self.end_recording(key);
        self.tell_session(key, reason);
    }

    // ---- Old timesteps of logs ----

    /// Puts a question to the second reader of a log, which starts again where it has gone past.
    pub(super) fn begin_seek(&mut self, key: ProviderKey, wanted: Wanted) -> Result<(), &'static str> {
        let Some(provider) = self.providers.get_mut(key) else { return Err("the session has no provider") };
        let Source::Log(play) = &mut provider.source else { return Err("the session has no log") };
        let (file, content) = (play.track.file, play.track.content);
        if let Some(seek) = &mut play.seek {
            seek.wanted.push_back(wanted);
        } else {
            let again = self.shelf.again(file).map_err(|_| "the log cannot be opened once more")?;
            let track = Track::new(again, content);
            play.seek = Some(Box::new(Seek { track, scene: Scene::Empty, time: 0, wanted: [wanted].into() }));
        }
        self.add_job(Job::Seek(key));
        Ok(())
    }

    /// Reads a piece for the question at the front; answers whether there is more to do.
    fn seek_piece(&mut self, key: ProviderKey) -> bool {
        let Some(provider) = self.providers.get_mut(key) else { return false };
        let Source::Log(play) = &mut provider.source else { return false };
        let Some(mut seek) = play.seek.take() else { return false };
        let goes_on = self.seek_on(key, &mut seek);
        match self.providers.get_mut(key).map(|provider| &mut provider.source) {
            Some(Source::Log(play)) => play.seek = Some(seek),
            Some(Source::Kernel(_)) | None => self.shelf.close(seek.track.file),
        }
        goes_on
    }

    fn seek_on(&mut self, key: ProviderKey, seek: &mut Seek) -> bool {
        let Some(wanted) = seek.wanted.front().copied() else { return false };
        if i64::from(seek.time) >= wanted.time {
            // Gone past it: from the beginning.
            let content = seek.track.content;
            match self.shelf.again(seek.track.file) {
                Ok(file) => {
                    self.shelf.close(seek.track.file);
                    *seek = Seek {
                        track: Track::new(file, content),
                        scene: Scene::Empty,
                        time: 0,
                        wanted: core::mem::take(&mut seek.wanted),
                    };
                }
                Err(reason) => {
                    seek.wanted.pop_front();
                    self.answer_old_step(key, wanted, Err(&reason));
                    return !seek.wanted.is_empty();
                }
            }
        }
        let advance = next_piece(self.shelf.as_mut(), &seek.track);
        let (read, _) = take(&mut seek.track, &mut seek.scene, advance);
        match read {
            Ok(Read::More) => {}
            Ok(Read::Step) => {
                let applied = seek.track.next.take().map(|raw| {
                    seek.time = raw.time();
                    seek.scene.apply(raw)
                });
                match applied {
                    Some(Ok(step)) if i64::from(step.time) >= wanted.time => {
                        seek.wanted.pop_front();
                        if i64::from(step.time) == wanted.time {
                            let with_world = wanted.bits.has(crate::control::viewer::Bits::WORLD);
                            let world = if with_world { seek.scene.encode_world() } else { Vec::new() };
                            self.answer_old_step(key, wanted, Ok((&step, world)));
                        } else {
                            self.answer_old_step(key, wanted, Err("the log has no such timestep"));
                        }
                    }
                    Some(Ok(_)) | None => {}
                    Some(Err(reason)) => {
                        seek.wanted.pop_front();
                        seek.time = i32::MAX;
                        self.answer_old_step(key, wanted, Err(&reason));
                    }
                }
            }
            Ok(Read::Ended(_)) | Err(_) => {
                seek.wanted.pop_front();
                // Whatever is asked next starts from the beginning.
                seek.time = i32::MAX;
                self.answer_old_step(key, wanted, Err("the log ends before this timestep"));
            }
        }
        !seek.wanted.is_empty()
    }

    // ---- Live kernels ----

    /// Tries to connect to a kernel; or sees that one which is connected has not said a word.
    pub(super) fn dial_kernel(&mut self, key: ProviderKey) {
        let Some(provider) = self.providers.get_mut(key) else { return };
        let Source::Kernel(kernel) = &provider.source else { return };
        if provider.status != Status::Online {
            return;
        }
        let Some(link) = kernel.peer else {
            self.peers.outputs.push_back(Output::DialKernel(key));
            return;
        };
        // Minutes of silence are normal before the first timestep, but not before the world.
        if !provider.loaded {
            let patience = Span::seconds(self.peers.config.kernel_connect_s.max(1));
            let heard = self.peers.get(link).map_or(self.peers.now, |peer| peer.last_heard);
            if self.peers.now.since(heard) < patience {
                self.provider_timers.set(key.slot(), 1, heard + patience);
                return;
            }
            self.end_provider(key, Status::Errored, "the kernel is connected but does not send its world");
            self.peers.close(link, Cause::Provider);
        }
    }

    pub(super) fn kernel_dialed(&mut self, key: ProviderKey, outcome: Result<SocketAddr, &str>) -> Option<PeerKey> {
        let remote = match outcome {
            Ok(remote) => remote,
            Err(reason) => {
                // A connection made anew may be up already, and this the end of an attempt before it.
                if !self.is_connected(key) {
                    self.kernel_lost(key, reason);
                }
                return None;
            }
        };
        let provider = self.providers.get(key)?;
        let Source::Kernel(kernel) = &provider.source else { return None };
        if kernel.peer.is_some() || provider.status != Status::Online {
            return None;
        }
        let Some(link) = self.peers.add_plain(Role::Kernel(key), remote) else {
            self.kernel_lost(key, "too many connections are open");
            return None;
        };
        let frame_bytes_max = self.peers.config.message_bytes_max;
        let provider = self.providers.get_mut(key)?;
        let Source::Kernel(kernel) = &mut provider.source else { return None };
        // Each provider has a connection of its own, so one request number serves them all.
        let mut machine = KernelViewer::new(kernel.dialect, 1, "instep", frame_bytes_max);
        let frame = machine.poll_frame();
        kernel.machine = Some(Box::new(machine));
        kernel.peer = Some(link);
        kernel.answered = false;
        log::debug!("connected to the kernel at {}", provider.ids);
        let patience = Span::seconds(self.peers.config.kernel_connect_s.max(1));
        self.provider_timers.set(key.slot(), 1, self.peers.now + patience);
        self.send_frame(link, frame);
        Some(link)
    }

    fn is_connected(&self, key: ProviderKey) -> bool {
        let source = self.providers.get(key).map(|found| &found.source);
        matches!(source, Some(Source::Kernel(kernel)) if kernel.peer.is_some())
    }

    /// Queues a frame for a kernel; it leaves in one write.
    fn send_frame(&mut self, key: PeerKey, frame: Option<Vec<u8>>) {
        if let Some(frame) = frame
            && self.peers.queue_parts(key, &[&frame], self.peers.config.ring_bytes_max).is_err()
        {
            self.peers.close(key, Cause::Memory);
        }
    }

    /// The connection to a kernel has ended.
    pub(super) fn kernel_gone(&mut self, provider: ProviderKey, key: PeerKey, cause: Cause) {
        let ours = match self.providers.get(provider).map(|found| &found.source) {
            Some(Source::Kernel(kernel)) => kernel.peer == Some(key),
            Some(Source::Log(_)) | None => false,
        };
        if ours {
            self.kernel_lost(provider, &cause.to_string());
        }
    }

    /// A connection to a kernel could not be made or has ended: try again, or give up.
    pub(super) fn kernel_lost(&mut self, key: ProviderKey, reason: &str) {
        let patience = Span::seconds(self.peers.config.kernel_connect_s);
        let now = self.peers.now;
        let Some(provider) = self.providers.get_mut(key) else { return };
        let (time, loaded) = (provider.time, provider.loaded);
        let Source::Kernel(kernel) = &mut provider.source else { return };
        kernel.peer = None;
        kernel.machine = None;
        if provider.status != Status::Online {
            return;
        }
        if loaded {
            let reason = format!("the connection was lost at time {time}: {reason}");
            self.end_provider(key, Status::Errored, &reason);
            return;
        }
        if now.since(kernel.since) >= patience {
            let reason = format!("no kernel answers: {reason}");
            self.end_provider(key, Status::Errored, &reason);
            return;
        }
        if !kernel.answered && reason == Cause::Peer.to_string() {
            // It hung up on our first frame: perhaps it speaks the other protocol.
            kernel.dialect = match kernel.dialect {
                Dialect::Current => Dialect::Legacy,
                Dialect::Legacy => Dialect::Current,
            };
        }
        let pause = kernel.pause;
        kernel.pause = pause.times(2).min(KERNEL_PAUSE_MAX);
        self.provider_timers.set(key.slot(), 1, now + pause);
    }

    /// Bytes from a kernel: how many were taken, and whether decoding must go on before more are.
    pub(super) fn take_kernel_bytes(&mut self, key: PeerKey, provider: ProviderKey, bytes: &[u8]) -> (usize, bool) {
        let mut used = 0;
        loop {
            let Some(found) = self.providers.get_mut(provider) else {
                self.peers.close(key, Cause::Provider);
                return (bytes.len(), false);
            };
            // No timestep before the world has been shown.
            let loads = !found.loaded && !matches!(found.scene, Scene::Empty);
            let Source::Kernel(kernel) = &mut found.source else { return (bytes.len(), false) };
            if loads {
                self.add_job(Job::Kernel(key));
                return (used, true);
            }
            let ours = kernel.peer == Some(key);
            let Some(machine) = kernel.machine.as_mut().filter(|_| ours) else { return (bytes.len(), false) };
            let rest = bytes.get(used..).unwrap_or_default();
            let polled = machine.handle_bytes(rest).and_then(|taken| {
                used += taken;
                machine.poll_event()
            });
            let frame = machine.poll_frame();
            match polled {
                Ok(Poll::Working) => {
                    self.add_job(Job::Kernel(key));
                    return (used, true);
                }
                Ok(Poll::Idle) => {
                    self.send_frame(key, frame);
                    if used == bytes.len() {
                        return (used, false);
                    }
                }
                Ok(Poll::Event(event)) => {
                    kernel.answered = true;
                    self.send_frame(key, frame);
                    self.kernel_event(key, provider, event);
                    if self.peers.get(key).is_none() {
                        return (bytes.len(), false);
                    }
                    // One event a turn: viewers are sent each timestep of a burst before the next makes them look slow.
                    self.add_job(Job::Kernel(key));
                    return (used, true);
                }
                Err(error) => {
                    self.end_provider(provider, Status::Errored, &error.to_string());
                    self.peers.close(key, Cause::Provider);
                    return (bytes.len(), false);
                }
            }
        }
    }

    fn kernel_event(&mut self, link: PeerKey, key: ProviderKey, event: Event) {
        match event {
            Event::Connected { entities, config, .. } => {
                let world = match World::new(entities) {
                    Ok(world) => world,
                    Err(error) => {
                        self.end_provider(key, Status::Errored, &error.to_string());
                        self.peers.close(link, Cause::Provider);
                        return;
                    }
                };
                let Some(provider) = self.providers.get_mut(key) else { return };
                provider.scene = Scene::Kernel(world);
                provider.forget_encoded();
                provider.statics.map = Vec::new();
                settle(provider, Static::Config(config));
                if let Source::Kernel(kernel) = &mut provider.source {
                    kernel.pause = KERNEL_PAUSE;
                }
                self.account_provider(key);
                self.add_job(Job::Load(key));
            }
            Event::Refused { reason } => {
                self.end_provider(key, Status::Errored, &format!("the kernel refused: {reason}"));
                self.peers.close(link, Cause::Provider);
            }
            Event::Step { time, missed_from, commands, changes } => {
                if let Some(due) = missed_from {
                    let ids = self.providers.get(key).map(|found| found.ids.clone()).unwrap_or_default();
                    self.peers
                        .note_error(&format!("{ids}: timesteps {due} to {} were not received", time.saturating_sub(1)));
                }
                self.advance_provider(key, Raw::Kernel { time, commands, perceptions: Vec::new(), changes });
            }
            Event::Shutdown => {
                self.end_provider(key, Status::Closed, "the simulation has ended");
                self.peers.close(link, Cause::Provider);
            }
        }
    }

    pub(super) fn first_dialect(&self, port: u16) -> Dialect {
        if self.peers.config.rcrs_legacy || port == LEGACY_PORT { Dialect::Legacy } else { Dialect::Current }
    }
}

/// What does not change while a provider runs, as it comes.
enum Static {
    Config(Config),
    Section(crate::control::section::Section, Vec<u8>),
    TimeMax(i64),
    MapName(String),
}

/// Files a static part with its provider; answers whether the provider can be shown from here on.
fn settle(provider: &mut Provider, item: Static) -> bool {
    use crate::control::section::{Section, raw};
    match item {
        Static::Config(config) => {
            if let Some(steps) = config.timesteps()
                && provider.time_max == 0
            {
                provider.time_max = steps;
            }
            if let Source::Log(play) = &mut provider.source
                && let Some(think) = config.get(THINK_TIME).and_then(|text| text.trim().parse::<u64>().ok())
            {
                play.step = Span(think.clamp(1, 3_600_000));
            }
            config.map_name().unwrap_or_default().clone_into(&mut provider.statics.map_name);
            provider.statics.config = scene::encode_config(&config);
            !provider.loaded && !matches!(provider.scene, Scene::Empty)
        }
        Static::Section(section, value) => {
            let mut out = Vec::new();
            raw(&mut out, section, &value);
            match section {
                Section::Map => provider.statics.map = out,
                Section::Config => provider.statics.config = out,
                Section::World | Section::Commands | Section::Changes | Section::Perceptions => {}
            }
            false
        }
        Static::TimeMax(time) => {
            provider.time_max = i32::try_from(time).unwrap_or(0);
            false
        }
        Static::MapName(name) => {
            provider.statics.map_name = name;
            false
        }
    }
}

/// Takes what a piece of reading brought into the track.
fn take(track: &mut Track, scene: &mut Scene, advance: Advance) -> (Result<Read, String>, Vec<Static>) {
    let mut statics = Vec::new();
    let read = match advance {
        Advance::Working => Ok(Read::More),
        Advance::Ended(ending) if track.held.is_empty() || track.player.may_end(track.held.len()) => {
            Ok(Read::Ended(Ok(ending)))
        }
        Advance::Ended(_) => Ok(Read::Ended(Ok(Ending::Truncated))),
        Advance::Failed(reason) => Ok(Read::Ended(Err(reason))),
        Advance::Record(record) => take_record(track, scene, record, &mut statics),
        Advance::Bytes(bytes) => {
            track.held.extend_from_slice(&bytes);
            take_items(track, &mut statics)
        }
    };
    // A piece of a recording may hold several timesteps: what is left of it comes first next time.
    (read, statics)
}

fn take_record(
    track: &mut Track,
    scene: &mut Scene,
    record: Record,
    statics: &mut Vec<Static>,
) -> Result<Read, String> {
    match record {
        Record::Start => Ok(Read::More),
        Record::Initial(entities) => {
            *scene = Scene::Kernel(World::new(entities).map_err(|error| error.to_string())?);
            Ok(Read::More)
        }
        Record::Config(config) => {
            statics.push(Static::Config(config));
            Ok(Read::More)
        }
        Record::Perception(perception) => {
            track.add_perception(perception)?;
            Ok(Read::More)
        }
        Record::Commands { commands, .. } => {
            track.add_commands(commands);
            Ok(Read::More)
        }
        Record::Updates { time, changes } => {
            track.end_step(time, changes);
            Ok(Read::Step)
        }
        Record::End => Ok(Read::Ended(Ok(Ending::Whole))),
    }
}

/// Takes whole items out of the bytes of a recording, up to the next timestep.
fn take_items(track: &mut Track, statics: &mut Vec<Static>) -> Result<Read, String> {
    let mut used = 0;
    let mut outcome = Read::More;
    loop {
        let rest = track.held.get(used..).unwrap_or_default();
        match track.player.step(rest).map_err(|error| error.to_string())? {
            vlog::Progress::More => break,
            vlog::Progress::Took(n, item) => {
                used += n;
                match item {
                    vlog::Item::MaxTimeStep(time) => statics.push(Static::TimeMax(time)),
                    vlog::Item::MapName(name) => statics.push(Static::MapName(name.to_owned())),
                    vlog::Item::Static(section, value) => statics.push(Static::Section(section, value.to_vec())),
                    vlog::Item::Record { time, bytes } => {
                        let time = i32::try_from(time).map_err(|_| "a timestep is out of range".to_owned())?;
                        track.next = Some(Raw::Replay { time, bytes: bytes.to_vec() });
                        outcome = Read::Step;
                    }
                    vlog::Item::Nothing => {}
                }
                if track.next.is_some() {
                    break;
                }
            }
        }
    }
    track.held.drain(..used);
    track.starved = matches!(outcome, Read::More);
    Ok(outcome)
}

/// Reads on, unless what has been read already can hold the next timestep.
fn next_piece(shelf: &mut dyn Shelf, track: &Track) -> Advance {
    if track.content == Content::Viewer && !track.starved && !track.held.is_empty() {
        return Advance::Bytes(Vec::new());
    }
    shelf.advance(track.file)
}
