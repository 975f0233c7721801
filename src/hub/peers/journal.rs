//! What is worth a line: the gate that keeps peers from filling the log, and the list of errors that controllers are shown.

use core::net::IpAddr;
use std::borrow::Cow;
use std::collections::VecDeque;

use crate::limits::{ERROR_LINE_BYTES_MAX, ERRORS_MAX, LOG_LINES_PER_SECOND, LOG_MACHINES_PER_MINUTE};
use crate::store::sorted::Sorted;
use crate::time::{Tick, Utc};

/// What a line that is told once is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::hub) enum About {
    /// A handshake that was broken, or that the peer left.
    Handshake,
    /// A name that nobody can have.
    Name,
    /// Two nodes of one namespace.
    Namesake,
}

/// The gate of the log and the error list.
#[derive(Debug, Default)]
pub(in crate::hub) struct Journal {
    minute: u64,
    /// What has been told within this minute, and of which machine.
    told: Sorted<(IpAddr, About), ()>,
    second: u64,
    lines: u32,
    errors: VecDeque<String>,
}

impl Journal {
    /// Whether one more line about a peer's misbehaviour is due within this second.
    pub(super) fn admits(&mut self, now: Tick) -> bool {
        let second = now.0 / 1000;
        if self.second != second {
            let spared = self.lines.saturating_sub(LOG_LINES_PER_SECOND);
            if spared > 0 {
                log::warn!("{spared} lines of this kind were left out");
            }
            (self.second, self.lines) = (second, 0);
        }
        self.lines = self.lines.saturating_add(1);
        self.lines <= LOG_LINES_PER_SECOND
    }

    /// Whether a line about this machine is due: one of each kind within a minute, and of so many machines.
    pub(super) fn admits_once(&mut self, now: Tick, address: IpAddr, about: About) -> bool {
        let minute = now.0 / 60_000;
        if self.minute != minute {
            self.minute = minute;
            self.told = Sorted::new();
        }
        self.told.len() < LOG_MACHINES_PER_MINUTE && self.told.insert((address, about), ()).is_none()
    }

    /// Adds a line to the error list, with the moment; the oldest line goes when the list is full.
    pub(super) fn note(&mut self, unix_ms: u64, text: &str) {
        if self.errors.len() >= ERRORS_MAX {
            self.errors.pop_front();
        }
        let Utc { year, month, day, hour, minute, second, .. } = Utc::of(unix_ms);
        self.errors.push_back(format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC {text}"));
    }

    /// The error list, oldest line first.
    pub(in crate::hub) fn errors(&self) -> impl ExactSizeIterator<Item = &str> {
        self.errors.iter().map(String::as_str)
    }
}

/// The beginning of a line that others may have made long.
pub(in crate::hub) fn cut(text: &str) -> Cow<'_, str> {
    match text.get(..text.floor_char_boundary(ERROR_LINE_BYTES_MAX)) {
        Some(front) if front.len() < text.len() => Cow::Owned(format!("{front} …")),
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_the_next_as_many_again() {
        let mut journal = Journal::default();
        let admitted = |journal: &mut Journal, at| (0..100).filter(|_| journal.admits(Tick(at))).count();
        assert_eq!(admitted(&mut journal, 5_000), LOG_LINES_PER_SECOND as usize);
        assert_eq!(admitted(&mut journal, 5_999), 0);
        assert_eq!(admitted(&mut journal, 6_000), LOG_LINES_PER_SECOND as usize);
    }

    #[test]
    fn a_minute_has_one_line_of_a_kind_about_a_machine_and_so_many_machines() {
        let mut journal = Journal::default();
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        let told = [
            (60_000, a, About::Name),
            (60_000, a, About::Name),
            (60_000, b, About::Name),
            (119_999, a, About::Handshake),
            (119_999, a, About::Name),
            (120_000, a, About::Name),
        ]
        .map(|(at, address, about)| journal.admits_once(Tick(at), address, about));
        assert_eq!(told, [true, false, true, true, false, true]);
        let machines = (0..1000_u32).map(|n| IpAddr::from(n.to_be_bytes()));
        let told = machines.filter(|address| journal.admits_once(Tick(180_000), *address, About::Name)).count();
        assert_eq!(told, LOG_MACHINES_PER_MINUTE);
    }

    #[test]
    fn the_error_list_keeps_the_newest_lines_with_their_time() {
        let mut journal = Journal::default();
        for n in 0..ERRORS_MAX + 1 {
            journal.note(1_700_000_000_000, &n.to_string());
        }
        assert_eq!(journal.errors().len(), ERRORS_MAX);
        assert_eq!(journal.errors().next(), Some("2023-11-14 22:13:20 UTC 1"));
    }

    #[test]
    fn long_lines_are_cut_between_letters() {
        assert_eq!(cut("short"), "short");
        let long = "ü".repeat(ERROR_LINE_BYTES_MAX);
        assert!(cut(&long).len() <= ERROR_LINE_BYTES_MAX + " …".len() && cut(&long).ends_with('…'));
    }
}
