//! Places in a document: what is remembered of it from one token to the next is remembered so, and not as a loan of its text.

use std::borrow::Cow;

use memchr::memchr;

/// Where something lies in the text of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// Where `part`, which is a part of `text`, lies in it; nothing lies nowhere.
    pub(super) fn within(text: &str, part: &str) -> Self {
        if part.is_empty() {
            return Self::default();
        }
        let start = part.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
        debug_assert!(start.checked_add(part.len()).is_some_and(|end| end <= text.len()), "it is a part of the text");
        Self { start, end: start.wrapping_add(part.len()) }
    }

    /// From one place to another.
    pub(super) const fn between(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The bytes that lie there.
    #[inline]
    pub(super) fn bytes_of(self, text: &str) -> &[u8] {
        text.as_bytes().get(self.start..self.end).unwrap_or_default()
    }

    /// What lies there.
    #[inline]
    pub(super) fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// The content of an element: a place in the document or, where it is not as it stands there, what it comes to.
#[derive(Debug)]
pub(super) enum Value {
    At(Span),
    Own(String),
}

impl Default for Value {
    fn default() -> Self {
        Self::At(Span::default())
    }
}

impl Value {
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::At(span) => span.end - span.start,
            Self::Own(own) => own.len(),
        }
    }

    /// What it is; `text` is the document.
    pub(super) fn of<'s>(&'s self, text: &'s str) -> &'s str {
        match self {
            Self::At(span) => span.of(text),
            Self::Own(own) => own,
        }
    }

    /// The same for as long as the document lasts.
    pub(super) fn into_cow(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::At(span) => Cow::Borrowed(span.of(text)),
            Self::Own(own) => Cow::Owned(own),
        }
    }

    /// More of it follows, as it stands in the document. XML reads every kind of line end as one newline.
    pub(super) fn add_raw(&mut self, text: &str, raw: &str) {
        if memchr(b'\r', raw.as_bytes()).is_some() {
            return self.add(text, &raw.replace("\r\n", "\n").replace('\r', "\n"));
        }
        let more = Span::within(text, raw);
        match self {
            Self::At(span) if span.start == span.end => *span = more,
            Self::At(span) if span.end == more.start => span.end = more.end,
            Self::At(_) | Self::Own(_) => self.add(text, raw),
        }
    }

    /// More of it follows, that is not as it stands in the document.
    pub(super) fn add(&mut self, text: &str, more: &str) {
        match self {
            Self::At(span) => *self = Self::Own([span.of(text), more].concat()),
            Self::Own(own) => own.push_str(more),
        }
    }
}
