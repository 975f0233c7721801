//! The shared initialization while it is made, in slices: put together from parts of the stored documents, and then, where it is large, written
//! on one line, so that nobody who hears lines has to wait for that.

use core::mem;
use core::ops::Range;
use std::collections::VecDeque;
use std::sync::Arc;

use super::notice::{LineWriter, kept_line};
use crate::limits::C2SIM_AT_ONCE_BYTES;
use crate::store::shared::SharedBytes;

/// So many bytes are copied in the time that one short token takes.
const COPIED_BYTES: usize = 64;
/// The least that is copied at a time: a letter.
const COPIED_BYTES_MIN: usize = 4;

/// A piece of it.
#[derive(Debug)]
enum Piece {
    Own(String),
    Part(Arc<String>, Range<usize>),
}

impl Piece {
    fn text(&self) -> &str {
        match self {
            Self::Own(text) => text,
            Self::Part(text, range) => text.get(range.clone()).unwrap_or_default(),
        }
    }
}

/// What is being made.
#[derive(Debug, Default)]
pub struct Sharing {
    /// What is still to be copied, and how much of the first piece of that is.
    pieces: VecDeque<Piece>,
    at: usize,
    len: usize,
    text: String,
    writer: LineWriter,
    line: Option<SharedBytes>,
}

impl Sharing {
    /// Bytes that the document will have.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Bytes that it holds in the end: of the document, and of what it comes to on one line.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        2 * self.len
    }

    /// Whether nothing is to be shared.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether it takes more than one slice, and is written on one line as well.
    #[must_use]
    pub const fn is_large(&self) -> bool {
        self.len > C2SIM_AT_ONCE_BYTES
    }

    fn push(&mut self, piece: Piece) {
        self.len += piece.text().len();
        self.pieces.push_back(piece);
    }

    /// Puts words of our own behind what there is.
    pub(super) fn push_own(&mut self, text: impl Into<String>) {
        self.push(Piece::Own(text.into()));
    }

    /// Puts a part of a document behind what there is.
    pub(super) fn push_part(&mut self, text: &Arc<String>, range: Range<usize>) {
        self.push(Piece::Part(Arc::clone(text), range));
    }

    /// Goes on for as long as `cost` short tokens take; answers whether it is over.
    pub fn go_on(&mut self, cost: usize) -> bool {
        if !self.pieces.is_empty() {
            self.copy(cost.saturating_mul(COPIED_BYTES).max(COPIED_BYTES_MIN));
            return self.pieces.is_empty() && !self.is_large();
        }
        // What was stored is well-formed.
        if self.is_large() && self.line.is_none() && self.writer.go_on(&self.text, cost.max(1)) != Ok(false) {
            self.line = Some(kept_line(mem::take(&mut self.writer).into_line()));
        }
        self.line.is_some() || !self.is_large()
    }

    fn copy(&mut self, mut most: usize) {
        if self.text.capacity() == 0 {
            self.text.reserve_exact(self.len);
        }
        while let Some(piece) = self.pieces.front() {
            let rest = piece.text().get(self.at..).unwrap_or_default();
            let now = rest.get(..rest.floor_char_boundary(most)).unwrap_or_default();
            self.text.push_str(now);
            most -= now.len();
            self.at += now.len();
            if now.len() < rest.len() {
                return;
            }
            self.pieces.pop_front();
            self.at = 0;
        }
    }

    /// The document, and it on one line with its end where it is large. It must be over.
    pub(super) fn into_document(self) -> (String, Option<SharedBytes>) {
        debug_assert_eq!(self.text.len(), self.len, "there is more to do");
        (self.text, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(cost: usize) -> (String, Option<SharedBytes>) {
        let text = Arc::new(format!("<a>\n{}</a>", "\u{e4}<b/>\n".repeat(20_000)));
        let mut sharing = Sharing::default();
        sharing.push_own("<x>\n");
        sharing.push_part(&text, 0..text.len());
        sharing.push_own("</x>");
        let mut slices = 1;
        while !sharing.go_on(cost) {
            slices += 1;
        }
        assert!(slices > 2 || cost == usize::MAX, "{slices}");
        sharing.into_document()
    }

    #[test]
    fn it_is_the_same_whatever_the_slices() {
        let (text, line) = made(usize::MAX);
        let line = line.expect("it is large");
        assert!(text.starts_with("<x>\n<a>\n\u{e4}<b/>\n") && text.ends_with("</a></x>"));
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        for cost in [0, 1, 1000] {
            let (other, other_line) = made(cost);
            assert!(other == text && other_line.as_ref() == Some(&line), "{cost}");
        }
    }

    #[test]
    fn what_is_small_is_made_at_once_and_not_written_on_a_line() {
        let mut sharing = Sharing::default();
        sharing.push_own("<x/>");
        assert!(sharing.go_on(1) && !sharing.is_large());
        assert_eq!(sharing.into_document(), ("<x/>".to_owned(), None));
    }
}
