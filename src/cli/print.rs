//! Printing: to standard output what was asked for, to standard error what went wrong. What is printed has gone through the filter of
//! [`super::visible`]; no other file prints anything but digits and words of its own.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

#[cfg(unix)]
use rustix::event::{PollFd, PollFlags, Timespec, poll};

#[cfg(unix)]
use super::client::now;
use super::failure::{Failure, in_words};
use super::visible::{visible, visible_lines};

/// Writes all at once; false when nobody reads any more.
fn put(mut out: impl Write, text: &str) -> io::Result<bool> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true),
    }
}

/// Prints to standard output; a closed pipe is the reader's wish to stop.
pub(in crate::cli) fn say(text: &str) -> Result<(), Failure> {
    put(io::stdout().lock(), &visible_lines(text)).map(|_| ()).map_err(Failure::other)
}

/// Prints a line, all at once; false when nobody reads any more.
pub(in crate::cli) fn print(text: &str) -> Result<bool, Failure> {
    let line = format!("{}\n", visible_lines(text));
    put(io::stdout().lock(), &line).map_err(|error| Failure::other(in_words(&error)))
}

/// Prints a picture in the place of the last one, on a terminal; false when nobody reads any more.
pub(in crate::cli) fn redraw(text: &str) -> Result<bool, Failure> {
    put(io::stdout().lock(), &picture(text)).map_err(|error| Failure::other(in_words(&error)))
}

/// The one place that may tell a terminal what to do: the text behind it may not.
fn picture(text: &str) -> String {
    format!("\x1b[H\x1b[J{}\n", visible_lines(text))
}

/// Says a line on standard error, as the program.
pub(in crate::cli) fn complain(text: &str) {
    let written = put(io::stderr().lock(), &format!("instep: {}\n", visible(text)));
    debug_assert!(written.is_ok(), "standard error takes a line");
}

/// Waits so long; answers whether somebody still reads what is printed.
#[cfg(unix)]
pub(super) fn is_read(pause: Duration) -> bool {
    let out = io::stdout();
    let mut watched = [PollFd::new(&out, PollFlags::empty())];
    let end = now() + pause;
    loop {
        let left = end.saturating_duration_since(now());
        let Ok(left) = Timespec::try_from(left) else { return true };
        match poll(&mut watched, Some(&left)) {
            Ok(0) => return true,
            Ok(_) => return false,
            // A signal that does not end us.
            Err(_) => {}
        }
        if now() >= end {
            return true;
        }
    }
}

/// Waits so long. Whether somebody still reads what is printed is seen where that is written.
#[cfg(windows)]
pub(super) fn is_read(pause: Duration) -> bool {
    std::thread::sleep(pause);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_clears_the_terminal_and_its_text_cannot() {
        assert_eq!(picture("N1.CA\nN1.\x1b[J"), "\x1b[H\x1b[JN1.CA\nN1.\\u001b[J\n");
    }
}
