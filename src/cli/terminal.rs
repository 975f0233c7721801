//! The terminal: its size, and keys as they are pressed. On Windows a key counts once Enter follows it, and the size is the usual one.

#[cfg(unix)]
use std::io::{IsTerminal as _, Read as _, stdin, stdout};
use std::time::Instant;

#[cfg(unix)]
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::client::now;

/// Rows and columns where nobody says how large the terminal is.
const SIZE: (usize, usize) = (24, 80);

/// Rows and columns of the terminal.
#[cfg(unix)]
pub(super) fn size() -> (usize, usize) {
    let size = tcgetwinsize(stdout()).ok().filter(|size| size.ws_row > 3 && size.ws_col > 20);
    size.map_or(SIZE, |size| (size.ws_row.into(), size.ws_col.into()))
}

#[cfg(windows)]
pub(super) const fn size() -> (usize, usize) {
    SIZE
}

/// The terminal, which gives each key as it is pressed; it is as it was again when this goes.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Keys(Option<Termios>);

#[cfg(unix)]
impl Keys {
    pub(super) fn take() -> Self {
        let Ok(before) = tcgetattr(stdin()) else { return Self(None) };
        let mut now = before.clone();
        now.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        // A read waits for a tenth of a second at the most.
        now.special_codes[SpecialCodeIndex::VMIN] = 0;
        now.special_codes[SpecialCodeIndex::VTIME] = 1;
        let is_taken = stdin().is_terminal() && tcsetattr(stdin(), OptionalActions::Now, &now).is_ok();
        Self(is_taken.then_some(before))
    }

    /// The next key, if one is pressed before `until`.
    pub(super) fn next(&self, until: Instant) -> Option<char> {
        while now() < until {
            if self.0.is_none() {
                std::thread::sleep(until.saturating_duration_since(now()));
                return None;
            }
            let mut key = [0];
            if let Ok(1) = stdin().read(&mut key) {
                return key.first().copied().map(char::from);
            }
        }
        None
    }
}

#[cfg(unix)]
impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let restored = tcsetattr(stdin(), OptionalActions::Now, before);
            debug_assert!(restored.is_ok(), "what was taken can be given back");
        }
    }
}

/// The first letters of the lines that are typed.
#[cfg(windows)]
#[derive(Debug)]
pub(super) struct Keys(instep::net::queue::Receiver<char>);

#[cfg(windows)]
impl Keys {
    pub(super) fn take() -> Self {
        let (pressed, keys) = instep::net::queue::channel();
        let listen = move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                let Some(key) = line.chars().next() else { continue };
                if pressed.send(key).is_err() {
                    return;
                }
            }
        };
        // Without a thread there are no keys, as without a terminal.
        drop(std::thread::Builder::new().name("keys".to_owned()).spawn(listen));
        Self(keys)
    }

    /// The next key, if one is pressed before `until`.
    pub(super) fn next(&self, until: Instant) -> Option<char> {
        use std::sync::mpsc::RecvTimeoutError;
        match self.0.recv_timeout(until.saturating_duration_since(now())) {
            Ok(key) => Some(key),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(until.saturating_duration_since(now()));
                None
            }
        }
    }
}
