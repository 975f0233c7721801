//! The judging of a document in slices: each does a bounded amount of work, and what comes of it is the same whatever their size.
//!
//! A small document is judged in one go where it lies, see [`Judging::begin`]. Of a large one each slice reads some more into text, then goes on
//! with the pass over that text, and last, where the document has processing instructions, writes some more of the line that is relayed.

use std::sync::Arc;

use super::defect::{Defect, Reject};
use super::letters::{BYTE_ORDER_MARK, first_forbidden, readable};
use super::message::Message;
use super::notice::{LineWriter, kept_line};
use super::scan::{Pass, TOO_LARGE};
use super::schema::{Extent, Rules, Violation};
use crate::limits::{C2SIM_AT_ONCE_BYTES, C2SIM_MESSAGE_BYTES_MAX};
use crate::store::shared::SharedBytes;

/// The rules that a document is held to, and how much of it.
pub type Held = (Arc<Rules>, Extent);

/// What a document is found to be: a message, and what of its content is not as the rules say; or none.
pub type Finding<'a> = Result<(Message<'a>, Vec<Violation>), Reject>;

/// So many bytes are read as text in the time that one short token takes.
const READ_BYTES: usize = 32;
/// The least that is read at a time: a byte order mark in one piece.
const READ_BYTES_MIN: usize = 64;

/// A document that is being judged.
#[derive(Debug)]
pub struct Judging {
    rules: Option<Held>,
    stage: Stage,
    text: String,
    /// What is wrong behind the text.
    unreadable: Option<Defect>,
    pass: Pass,
    /// It is to be written on one line, whatever is in it.
    is_line_wanted: bool,
    line: Option<SharedBytes>,
}

#[derive(Debug)]
enum Stage {
    /// So many bytes are text.
    Reading(SharedBytes, usize),
    Scanning,
    Writing(LineWriter),
    Judged,
}

/// What became of a document that was given to be judged.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub enum Begun<'a> {
    /// It is judged.
    Judged(Finding<'a>),
    /// It needs more than one slice.
    Goes(Box<Judging>),
}

impl Judging {
    /// Judges a document that is small at once, unless it is so dense that it costs more than `cost`. One that is large is kept to be judged
    /// from its beginning, and to be written on one line where that is wanted.
    pub fn begin<'a>(bytes: &'a Document<'_>, rules: Option<Held>, is_line_wanted: bool, cost: usize) -> Begun<'a> {
        if bytes.len() > C2SIM_MESSAGE_BYTES_MAX {
            return Begun::Judged(Err(TOO_LARGE));
        }
        if bytes.len() > C2SIM_AT_ONCE_BYTES {
            return Begun::Goes(Box::new(Self::new(bytes.hold(), rules, is_line_wanted)));
        }
        let (text, unreadable) = readable(bytes);
        let mut pass = Pass::new(rules.as_ref().map(|(_, extent)| *extent));
        if pass.go_on(text, rules.as_ref().map(|(rules, _)| &**rules), cost) {
            let mut finding = pass.finish(text, unreadable);
            if let (Ok((message, _)), Document::Given(given)) = (&mut finding, bytes) {
                message.given = Some(given);
            }
            return Begun::Judged(finding);
        }
        let text = text.to_owned();
        Begun::Goes(Box::new(Self {
            rules,
            stage: Stage::Scanning,
            text,
            unreadable,
            pass,
            is_line_wanted,
            line: None,
        }))
    }

    /// One of which nothing has been looked at.
    #[must_use]
    pub fn new(document: SharedBytes, rules: Option<Held>, is_line_wanted: bool) -> Self {
        let pass = Pass::new(rules.as_ref().map(|(_, extent)| *extent));
        let text = String::with_capacity(document.len());
        Self { rules, stage: Stage::Reading(document, 0), text, unreadable: None, pass, is_line_wanted, line: None }
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let source = if let Stage::Reading(document, _) = &self.stage { document.held_bytes() } else { 0 };
        source + self.text.capacity()
    }

    /// Bytes of the document that have been read as text.
    #[must_use]
    pub const fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Goes on for as long as `cost` short tokens take; answers whether it is over.
    pub fn go_on(&mut self, cost: usize) -> bool {
        match &mut self.stage {
            Stage::Reading(document, at) => {
                let more = (cost.saturating_mul(READ_BYTES)).max(READ_BYTES_MIN);
                if let Some(unreadable) = read(document, at, more, &mut self.text) {
                    self.unreadable = unreadable;
                    self.stage = Stage::Scanning;
                }
            }
            Stage::Scanning => {
                let rules = self.rules.as_ref().map(|(rules, _)| &**rules);
                if self.pass.go_on(&self.text, rules, cost) {
                    self.stage =
                        if self.is_to_be_written() { Stage::Writing(LineWriter::default()) } else { Stage::Judged };
                }
            }
            Stage::Writing(writer) => {
                // What was read once is well-formed.
                if writer.go_on(&self.text, cost) != Ok(false) {
                    self.line = Some(kept_line(core::mem::take(writer).into_line()));
                    self.stage = Stage::Judged;
                }
            }
            Stage::Judged => {}
        }
        matches!(self.stage, Stage::Judged)
    }

    /// It is to be written on one line, also where it has been judged before that was known.
    pub fn want_line(&mut self) {
        self.is_line_wanted = true;
        if matches!(self.stage, Stage::Judged) && self.line.is_none() && self.is_to_be_written() {
            self.stage = Stage::Writing(LineWriter::default());
        }
    }

    fn is_to_be_written(&self) -> bool {
        self.unreadable.is_none() && self.pass.is_to_be_written(self.is_line_wanted)
    }

    /// Gives what it was found to be to `with`. It must be over.
    pub fn conclude<T>(self, with: impl FnOnce(Finding<'_>) -> T) -> T {
        debug_assert!(matches!(self.stage, Stage::Judged), "there is more to do");
        let whole = Arc::new(self.text);
        let finding = self.pass.finish(&whole, self.unreadable);
        with(
            finding
                .map(|(message, violations)| (Message { whole: Some(&whole), line: self.line, ..message }, violations)),
        )
    }
}

/// Reads up to `most` more bytes of a document into `text`; when that is over, answers what is wrong behind the text, if anything is.
#[expect(clippy::option_option, reason = "over or not, and then something wrong or not")]
fn read(document: &[u8], at: &mut usize, most: usize, text: &mut String) -> Option<Option<Defect>> {
    let rest = document.get(*at..).unwrap_or_default();
    let piece = rest.get(..most).unwrap_or(rest);
    let is_last = piece.len() == rest.len();
    let (good, broken) = match core::str::from_utf8(piece) {
        Ok(good) => (good, false),
        Err(error) => {
            let good = piece.get(..error.valid_up_to()).unwrap_or_default();
            // A letter that is cut off goes on in the next piece.
            (core::str::from_utf8(good).unwrap_or_default(), is_last || error.error_len().is_some())
        }
    };
    let shown = if *at == 0 { good.strip_prefix(BYTE_ORDER_MARK).unwrap_or(good) } else { good };
    *at += good.len();
    if let Some(forbidden) = first_forbidden(shown) {
        text.push_str(shown.get(..forbidden).unwrap_or_default());
        return Some(Some(Defect::ForbiddenCharacter));
    }
    text.push_str(shown);
    if broken {
        return Some(Some(Defect::NotUtf8));
    }
    is_last.then_some(None)
}

/// A document as it is handed in.
#[derive(Debug)]
pub enum Document<'a> {
    /// Whoever has it needs it back.
    Lent(&'a [u8]),
    /// It may be kept as it is.
    Given(SharedBytes),
}

impl Document<'_> {
    /// The document for longer.
    fn hold(&self) -> SharedBytes {
        match self {
            Self::Lent(bytes) => (*bytes).into(),
            Self::Given(bytes) => bytes.clone(),
        }
    }
}

impl core::ops::Deref for Document<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Given(bytes) => bytes,
        }
    }
}

impl<'a> From<&'a [u8]> for Document<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Lent(bytes)
    }
}

impl From<SharedBytes> for Document<'_> {
    fn from(bytes: SharedBytes) -> Self {
        Self::Given(bytes)
    }
}
