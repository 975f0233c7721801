//! What a supervisor such as systemd is told of the process, by the protocol of `sd_notify(3)`: that it is ready, reads its settings anew, ends,
//! lives, and what it is busy with.
//!
//! Owns the socket, when the next sign of life and the next status are due, and what the supervisor had no room for. Must not know where its
//! address comes from. The signs of life come from the loop's own turns, so that a loop that is stuck gives none.

use std::ffi::OsStr;
use std::io;

use super::notify::{Notify, monotonic_us};
use crate::hub::vitals::Load;
use crate::time::{Span, Tick};

/// Between two of its status at least.
const STATUS_PAUSE: Span = Span(5000);
/// What it had no room for is said again after so long.
const AGAIN: Span = Span(100);
/// The shortest time between two signs of life.
const BEAT_MIN: Span = Span(10);
/// Letters of a reason at most: supervisors take datagrams of a page.
const REASON_MAX: usize = 1000;
/// Words that wait for room at most: those of a start, of a few reloads and of an end.
const OWED_MAX: usize = 8;

/// The other end of `NOTIFY_SOCKET`.
pub struct Supervisor {
    notify: Notify,
    /// Between two signs of life, if it wants any, and when the next is due.
    beat: Option<(Span, Tick)>,
    /// What its status says, and when it may say something else.
    load: Option<Load>,
    status_at: Tick,
    /// What it had no room for, and when that is said again.
    owed: Vec<String>,
    again_at: Tick,
    has_failed: bool,
}

impl core::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Supervisor").field("notify", &self.notify).field("beat", &self.beat).finish_non_exhaustive()
    }
}

impl Supervisor {
    /// One that listens at `place`, a path or an abstract name behind `@`, and wants a sign of life every `watchdog_us` microseconds: it gets
    /// one in half of that time.
    ///
    /// # Errors
    /// `place` is neither, or there is no socket to be had: on Windows there never is.
    pub fn new(place: &OsStr, watchdog_us: Option<u64>) -> io::Result<Self> {
        let beat = |us: u64| Span(us / 2000).max(BEAT_MIN);
        Ok(Self {
            notify: Notify::to(place)?,
            beat: watchdog_us.filter(|us| *us > 0).map(|us| (beat(us), Tick(0))),
            load: None,
            status_at: Tick(0),
            owed: Vec::new(),
            again_at: Tick(0),
            has_failed: false,
        })
    }

    /// It can be asked: all ports are open.
    pub(super) fn ready(&mut self, now: Tick) {
        self.say(now, "READY=1");
    }

    /// It begins to read its settings anew. [`Supervisor::ready`] says when it is done.
    pub(super) fn reloading(&mut self, now: Tick) {
        self.say(now, &format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_us()));
    }

    /// It says goodbye to everybody and ends.
    pub(super) fn stopping(&mut self, now: Tick) {
        self.say(now, "STOPPING=1");
    }

    /// The process cannot start, or cannot go on, and why: what its status says from then on.
    pub fn failed(&mut self, why: &str) {
        let line: String = why.chars().take(REASON_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.send(&format!("STATUS={line}"));
    }

    /// A turn has been taken: what is due is said.
    pub(super) fn turn(&mut self, now: Tick, load: Load) {
        if !self.owed.is_empty() && self.again_at <= now {
            for words in core::mem::take(&mut self.owed) {
                self.say(now, &words);
            }
        }
        if let Some((span, at)) = &mut self.beat
            && *at <= now
        {
            *at = now + *span;
            // One that there is no room for lies in front of others.
            self.send("WATCHDOG=1");
        }
        if self.load != Some(load) && self.status_at <= now {
            self.load = Some(load);
            self.status_at = now + STATUS_PAUSE;
            self.send(&format!("STATUS={load}"));
        }
    }

    /// When a turn is wanted, whatever happens, where things are as `load` says.
    pub(super) fn soonest(&self, load: Load) -> Option<Tick> {
        let status = (self.load != Some(load)).then_some(self.status_at);
        let owed = (!self.owed.is_empty()).then_some(self.again_at);
        [self.beat.map(|(_, at)| at), status, owed].into_iter().flatten().min()
    }

    /// Says what must arrive, in its order.
    fn say(&mut self, now: Tick, words: &str) {
        if !self.owed.is_empty() || !self.send(words) {
            self.again_at = now + AGAIN;
            if self.owed.len() < OWED_MAX {
                self.owed.push(words.to_owned());
            }
        }
    }

    /// Whether it was taken, or never will be.
    fn send(&mut self, words: &str) -> bool {
        match self.notify.send(words) {
            Ok(()) => self.has_failed = false,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => {
                if !core::mem::replace(&mut self.has_failed, true) {
                    log::warn!("the supervisor at {} cannot be told: {error}", self.notify.place());
                }
            }
        }
        true
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    const BUSY: Load = Load { components: 1, sessions: 2, waiting: 0 };

    /// A supervisor that looks for a sign of life every 2 s, and its ear.
    fn pair(name: &str) -> (Supervisor, UnixDatagram) {
        let path = std::env::temp_dir().join(format!("instep-supervisor-{}-{name}", std::process::id()));
        drop(std::fs::remove_file(&path));
        let ear = UnixDatagram::bind(&path).unwrap();
        ear.set_nonblocking(true).unwrap();
        (Supervisor::new(path.as_os_str(), Some(2_000_000)).unwrap(), ear)
    }

    fn heard(ear: &UnixDatagram) -> Vec<String> {
        let mut all = Vec::new();
        let mut bytes = [0; 500];
        while let Ok(n) = ear.recv(&mut bytes) {
            all.push(String::from_utf8(bytes[..n].to_vec()).unwrap());
        }
        all
    }

    #[test]
    fn a_sign_of_life_comes_in_half_the_time_and_a_status_only_where_it_is_another() {
        let (mut told, ear) = pair("beat");
        told.turn(Tick(0), BUSY);
        assert_eq!(heard(&ear), ["WATCHDOG=1", "STATUS=1 components, 2 sessions, 0 bytes wait"]);
        assert_eq!(told.soonest(BUSY), Some(Tick(1000)));
        told.turn(Tick(999), BUSY);
        assert!(heard(&ear).is_empty());
        told.turn(Tick(1000), BUSY);
        assert_eq!(heard(&ear), ["WATCHDOG=1"]);
        let more = Load { components: 2, ..BUSY };
        told.turn(Tick(1500), more);
        assert!(heard(&ear).is_empty(), "no more than one status in five seconds");
        told.turn(Tick(5000), more);
        assert_eq!(heard(&ear), ["WATCHDOG=1", "STATUS=2 components, 2 sessions, 0 bytes wait"]);
        assert_eq!(told.soonest(BUSY), Some(Tick(6000)));
    }

    #[test]
    fn a_reason_is_one_line_of_a_bounded_length() {
        let (mut told, ear) = pair("reason");
        told.failed("a port is in use\nREADY=1");
        assert_eq!(heard(&ear), ["STATUS=a port is in use READY=1"]);
        told.failed(&"\u{e4}".repeat(2 * REASON_MAX));
        let mut bytes = [0; 4096];
        assert_eq!(ear.recv(&mut bytes).unwrap(), "STATUS=".len() + 2 * REASON_MAX);
    }

    #[test]
    fn what_there_was_no_room_for_comes_later_and_in_its_order() {
        let (mut told, ear) = pair("full");
        while told.send("STATUS=x") {}
        told.reloading(Tick(0));
        told.ready(Tick(0));
        told.stopping(Tick(50));
        heard(&ear);
        told.turn(Tick(0), BUSY);
        told.turn(Tick(200), BUSY);
        let said = heard(&ear);
        let said: Vec<&str> = said.iter().filter_map(|words| words.split('=').next()).collect();
        assert_eq!(said, ["WATCHDOG", "STATUS", "RELOADING", "READY", "STOPPING"]);
    }

    #[test]
    fn an_address_is_a_path_or_an_abstract_name() {
        assert!(Supervisor::new(OsStr::new("run/notify"), None).is_err());
        assert!(Supervisor::new(OsStr::new(""), None).is_err());
        assert_eq!(Supervisor::new(OsStr::new("/nowhere"), Some(0)).unwrap().soonest(BUSY), Some(Tick(0)));
    }
}
