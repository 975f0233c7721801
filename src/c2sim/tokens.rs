//! A well-formed XML document as a stream of tokens, in one bounded pass.
//!
//! What a document from an untrusted peer is held to: allowed characters, names, attributes, declared prefixes, references limited to the five
//! entities and characters, one root with nothing but white space, comments and instructions around it, no DOCTYPE, end tags that fit, and
//! bounds on everything. Nothing is expanded. Must not know what any element means.
//!
//! Each token costs a bounded amount of work: a tag has at most so many bytes, and whatever may be longer (text, CDATA, comments,
//! instructions) comes in pieces of [`C2SIM_PIECE_BYTES`]. What is remembered between two tokens is places in the text, so that a reader can be put
//! aside and go on later.

use core::ops::Range;

use memchr::{memchr, memchr2, memchr3, memmem};

use super::attributes::check_declaration;
use super::defect::Defect;
use super::letters::{ascii_name, check_name, first_mark, is_blank, is_space, resolve, split_name};
use super::span::Span;
use crate::limits::{
    C2SIM_ATTRIBUTES_MAX, C2SIM_DEPTH_MAX, C2SIM_ELEMENTS_MAX, C2SIM_NAME_BYTES_MAX, C2SIM_NAMESPACES_MAX,
    C2SIM_PIECE_BYTES, C2SIM_TAG_BYTES_MAX,
};
use crate::store::name::same;

mod plain;
mod token;

pub(super) use token::{Tag, Token};

/// The namespace every document may use under the prefix `xml` without declaring it.
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// A namespace declaration in force.
#[derive(Clone, Copy, Debug)]
struct Binding {
    /// Empty for the default namespace.
    prefix: Span,
    /// The namespace, raw; empty where the default namespace is taken away.
    namespace: Span,
    depth: usize,
}

/// What the last token was a piece of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Inside {
    /// Nothing that goes on.
    #[default]
    Nothing,
    /// The tag of an element that ends with it.
    EmptyTag,
    Text,
    CData,
    Comment,
    Instruction,
}

/// How far the reading of a document has come. Nothing in it is on loan from the text.
#[derive(Debug, Default)]
pub(super) struct Position {
    /// Where the last token lies.
    range: Range<usize>,
    inside: Inside,
    /// Where the text began of which the last token was a piece.
    text_start: usize,
    elements: usize,
    /// Open elements.
    depth: usize,
    has_instructions: bool,
    /// What was read so far has cost, in the time that the shortest tokens take.
    cost: usize,
    /// The names of the open elements.
    open: Vec<Span>,
    bindings: Vec<Binding>,
    /// Attribute names of the tag being read, kept for its capacity.
    names: Vec<Span>,
}

impl Position {
    /// The beginning, with room for as many open elements as most documents have.
    pub(super) fn new() -> Self {
        Self { open: Vec::with_capacity(16), ..Self::default() }
    }

    /// Where the last token lies.
    pub(super) const fn start(&self) -> usize {
        self.range.start
    }

    /// Whether there was a processing instruction.
    pub(super) const fn has_instructions(&self) -> bool {
        self.has_instructions
    }

    /// What the document has cost so far.
    pub(super) const fn cost(&self) -> usize {
        self.cost
    }
}

/// The token reader: a position in a text that has only allowed characters and no byte order mark.
#[derive(Debug)]
pub(super) struct TokenReader<'a> {
    text: &'a str,
    at: Position,
}

impl<'a> TokenReader<'a> {
    /// Reads `text` from its beginning.
    pub(super) fn new(text: &'a str) -> Self {
        Self::resume(text, Position::new())
    }

    /// Goes on in `text` where a reader of it was put aside. There may be more of the text than there was.
    pub(super) const fn resume(text: &'a str, at: Position) -> Self {
        Self { text, at }
    }

    /// Puts the reader aside.
    pub(super) fn put_aside(self) -> Position {
        self.at
    }

    pub(super) const fn text(&self) -> &'a str {
        self.text
    }

    pub(super) const fn position(&self) -> &Position {
        &self.at
    }

    /// Open elements: after a start token the element itself counts, after its end token no more.
    pub(super) const fn depth(&self) -> usize {
        self.at.depth
    }

    /// Where the last token lies in the text; empty for the end of `<name/>`.
    pub(super) fn range(&self) -> Range<usize> {
        self.at.range.clone()
    }

    /// The namespace that `prefix` (empty for none) stands for here; empty where it stands for none.
    pub(super) fn namespace(&self, prefix: &str) -> &'a str {
        let is_it = |binding: &&Binding| same(binding.prefix.bytes_of(self.text), prefix.as_bytes());
        match self.at.bindings.iter().rev().find(is_it) {
            Some(binding) => binding.namespace.of(self.text),
            None if prefix == "xml" => XML_NAMESPACE,
            None => "",
        }
    }

    /// Prefix and namespace of every declaration in force, the innermost last.
    pub(super) fn bindings(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.pairs(0)
    }

    /// Those of the tag that was read last.
    pub(super) fn own_bindings(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let own = self.at.bindings.iter().rev().take_while(|binding| binding.depth == self.at.depth).count();
        self.pairs(self.at.bindings.len() - own)
    }

    fn pairs(&self, from: usize) -> impl Iterator<Item = (&'a str, &'a str)> {
        let text = self.text;
        self.at.bindings.iter().skip(from).map(move |binding| (binding.prefix.of(text), binding.namespace.of(text)))
    }

    // ---- Reading ----

    /// The next token.
    ///
    /// # Errors
    /// The document is not well-formed or breaks a bound; the reader is of no use after that.
    pub(super) fn next(&mut self) -> Result<Token<'a>, Defect> {
        self.next_outside(usize::MAX, 0)
    }

    /// The same, but what lies at least so deep is passed over, until the document has cost so much.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub(super) fn next_outside(&mut self, depth: usize, until: usize) -> Result<Token<'a>, Defect> {
        loop {
            if self.at.depth >= depth {
                self.pass_over_plain(depth, until);
            }
            let read = self.read();
            if self.at.depth < depth || self.at.cost >= until || read.is_err() {
                return read;
            }
        }
    }

    #[inline]
    fn read(&mut self) -> Result<Token<'a>, Defect> {
        self.at.cost += 1;
        let start = self.at.range.end;
        self.at.range.start = start;
        match core::mem::take(&mut self.at.inside) {
            Inside::Nothing => self.at.text_start = start,
            // It ends where markup begins, or goes on.
            Inside::Text => {}
            Inside::EmptyTag => return Ok(self.leave()),
            Inside::CData => return self.cdata(start),
            Inside::Comment => return self.comment(start),
            Inside::Instruction => return self.instruction(start),
        }
        match self.text.as_bytes().get(start..).unwrap_or_default() {
            [b'<', b'/', rest @ ..] => self.end_tag(start, rest),
            [b'<', b'!', ..] => self.declared(start),
            [b'<', b'?', ..] => self.begin_instruction(start),
            [b'<', rest @ ..] => self.start_tag(start, rest),
            [b'&', ..] => self.reference(start),
            [] if self.at.depth > 0 || self.at.elements == 0 => Err(Defect::Malformed),
            [] => Ok(Token::EndOfDocument),
            rest => self.text_piece(start, rest),
        }
    }

    /// The last token ends here.
    #[inline]
    fn ends(&mut self, end: usize) {
        self.at.cost += (end - self.at.range.start) / COST_BYTES;
        self.at.range.end = end;
    }

    /// At most so many bytes from here on.
    #[inline]
    fn window(&self, start: usize, most: usize) -> &'a [u8] {
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        rest.get(..most).unwrap_or(rest)
    }

    /// Whether a window from here on is all that there is.
    fn is_all(&self, start: usize, window: &[u8]) -> bool {
        start + window.len() >= self.text.len()
    }

    /// Where a piece of characters that begins at `start` may end, not behind `end`: between two of them, and never inside a line end.
    fn piece_end(&self, start: usize, mut end: usize) -> usize {
        while end > start && !self.text.is_char_boundary(end) {
            end -= 1;
        }
        end - usize::from(end > start + 1 && self.text.as_bytes().get(end - 1) == Some(&b'\r'))
    }

    /// Text and references outside the root element are not well-formed.
    const fn inside(&self) -> Result<(), Defect> {
        if self.at.depth == 0 { Err(Defect::OutsideRoot) } else { Ok(()) }
    }

    fn text_piece(&mut self, start: usize, rest: &[u8]) -> Result<Token<'a>, Defect> {
        // Most texts are a few bytes, which are looked over for less than a search costs to begin.
        let begins = rest.get(..SHORT_BYTES).unwrap_or(rest);
        match first_mark(begins) {
            Some(n) if self.at.depth > 0 && begins.get(n) != Some(&b'>') => {
                self.at.range.end = start + n;
                self.text.get(start..start + n).map(Token::Text).ok_or(Defect::Malformed)
            }
            _ => self.long_text(start),
        }
    }

    fn long_text(&mut self, start: usize) -> Result<Token<'a>, Defect> {
        let window = self.window(start, C2SIM_PIECE_BYTES);
        let end = match memchr2(b'<', b'&', window) {
            Some(n) => start + n,
            None if self.is_all(start, window) => self.text.len(),
            None => {
                self.at.inside = Inside::Text;
                self.piece_end(start, start + window.len())
            }
        };
        let raw = self.text.get(start..end).ok_or(Defect::Malformed)?;
        if self.at.depth == 0 && !is_blank(raw) {
            return Err(Defect::OutsideRoot);
        }
        // The end of a CDATA section may not stand in text.
        if memchr(b'>', raw.as_bytes()).is_some() {
            let seen = start.saturating_sub(2).max(self.at.text_start);
            let bytes = self.text.as_bytes().get(seen..end).unwrap_or_default();
            if memmem::find(bytes, b"]]>").is_some() {
                return Err(Defect::Malformed);
            }
        }
        self.ends(end);
        Ok(Token::Text(raw))
    }

    fn reference(&mut self, start: usize) -> Result<Token<'a>, Defect> {
        let window = self.window(start + 1, C2SIM_TAG_BYTES_MAX);
        let n = memchr3(b';', b'<', b'&', window).ok_or(Defect::Malformed)?;
        let end = start + 1 + n;
        if self.text.as_bytes().get(end) != Some(&b';') {
            return Err(Defect::Malformed);
        }
        self.inside()?;
        let letter = self.text.get(start + 1..end).and_then(resolve).ok_or(Defect::UnknownEntity)?;
        self.ends(end + 1);
        Ok(Token::Character(letter))
    }

    // ---- Comments, sections, instructions ----

    /// What is wrong where something has begun and does not end: it is wrong where that began.
    const fn unended(&mut self) -> Defect {
        self.at.range = self.at.text_start..self.at.text_start;
        Defect::Malformed
    }

    /// What begins with `<!`.
    fn declared(&mut self, start: usize) -> Result<Token<'a>, Defect> {
        const DOCTYPE: &[u8] = b"<!DOCTYPE";
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        if rest.starts_with(b"<!--") {
            return self.comment(start + 4);
        }
        if rest.starts_with(b"<![CDATA[") {
            self.inside()?;
            return self.cdata(start + 9);
        }
        let is_doctype = rest.get(..DOCTYPE.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(DOCTYPE));
        Err(if is_doctype { Defect::Doctype } else { Defect::Malformed })
    }

    fn cdata(&mut self, from: usize) -> Result<Token<'a>, Defect> {
        const END: &[u8] = b"]]>";
        let window = self.window(from, C2SIM_PIECE_BYTES);
        let (end, next) = match memmem::find(window, END) {
            Some(n) => (from + n, from + n + END.len()),
            None if self.is_all(from, window) => return Err(self.unended()),
            None => {
                self.at.inside = Inside::CData;
                let end = self.piece_end(from, from + window.len() - (END.len() - 1));
                (end, end)
            }
        };
        self.ends(next);
        self.text.get(from..end).map(Token::CData).ok_or(Defect::Malformed)
    }

    fn comment(&mut self, from: usize) -> Result<Token<'a>, Defect> {
        let window = self.window(from, C2SIM_PIECE_BYTES);
        match memmem::find(window, b"--") {
            // Two hyphens end a comment, and do nothing else.
            Some(n) if self.text.as_bytes().get(from + n + 2) == Some(&b'>') => self.ends(from + n + 3),
            None if !self.is_all(from, window) => {
                self.at.inside = Inside::Comment;
                self.ends(from + window.len() - 1);
            }
            Some(_) => return Err(Defect::Malformed),
            None => return Err(self.unended()),
        }
        Ok(Token::Aside)
    }

    fn begin_instruction(&mut self, start: usize) -> Result<Token<'a>, Defect> {
        if start == 0 && self.text.starts_with(USUAL_DECLARATION) {
            self.ends(USUAL_DECLARATION.len());
            return Ok(Token::Aside);
        }
        let window = self.window(start + 2, C2SIM_PIECE_BYTES);
        let whole = memmem::find(window, b"?>");
        if whole.is_none() && self.is_all(start + 2, window) {
            return Err(Defect::Malformed);
        }
        let most = whole.unwrap_or(window.len());
        let named = window.iter().take(most).position(|&byte| is_space(char::from(byte))).unwrap_or(most);
        let end = self.piece_end(start + 2, start + 2 + named);
        let target = self.text.get(start + 2..end).unwrap_or_default();
        if target == "xml" {
            let raw = whole.and_then(|n| self.text.get(start..start + n + 4)).filter(|_| start == 0);
            check_declaration(raw.ok_or(Defect::Malformed)?)?;
            self.ends(start + 2 + most + 2);
            return Ok(Token::Aside);
        }
        check_name(target)?;
        if target.eq_ignore_ascii_case("xml") {
            return Err(Defect::Malformed);
        }
        self.at.has_instructions = true;
        self.instruction(start + 2)
    }

    fn instruction(&mut self, from: usize) -> Result<Token<'a>, Defect> {
        let window = self.window(from, C2SIM_PIECE_BYTES);
        match memmem::find(window, b"?>") {
            Some(n) => self.ends(from + n + 2),
            None if self.is_all(from, window) => return Err(self.unended()),
            None => {
                self.at.inside = Inside::Instruction;
                self.ends(from + window.len() - 1);
            }
        }
        Ok(Token::Aside)
    }

    // ---- Tags ----

    fn end_tag(&mut self, start: usize, rest: &[u8]) -> Result<Token<'a>, Defect> {
        // Nearly all are what was opened, and nothing else.
        if let Some(opened) = self.at.open.last().map(|open| open.bytes_of(self.text))
            && let Some((name, [b'>', ..])) = rest.split_at_checked(opened.len())
            && same(name, opened)
        {
            let end = start + 3 + opened.len();
            self.at.open.pop();
            self.ends(end);
            return Ok(self.leave());
        }
        let end = match memchr(b'>', self.window(start + 2, C2SIM_TAG_BYTES_MAX)) {
            Some(n) => start + 2 + n,
            None => return Err(self.unclosed(start)),
        };
        let name = self.text.get(start + 2..end).ok_or(Defect::Malformed)?;
        let open = self.at.open.pop().ok_or(Defect::Malformed)?;
        let opened = open.of(self.text);
        if name != opened && name.trim_end_matches(is_space) != opened {
            return Err(Defect::Malformed);
        }
        self.ends(end + 1);
        Ok(self.leave())
    }

    /// What is wrong with a tag that does not end where a tag has to.
    const fn unclosed(&self, start: usize) -> Defect {
        if self.text.len() - start > C2SIM_TAG_BYTES_MAX { Defect::TagTooLong } else { Defect::Malformed }
    }

    fn start_tag(&mut self, start: usize, rest: &[u8]) -> Result<Token<'a>, Defect> {
        // Nearly all are a name, and nothing else.
        let named = ascii_name(rest.get(..=C2SIM_NAME_BYTES_MAX).unwrap_or(rest));
        if rest.get(named) == Some(&b'>') && (1..=C2SIM_NAME_BYTES_MAX).contains(&named) {
            let span = Span::between(start + 1, start + 1 + named);
            self.ends(start + named + 2);
            self.count()?;
            self.at.cost += self.at.bindings.len() / COST_BINDINGS;
            self.at.open.push(span);
            let name = span.of(self.text);
            return Ok(Token::Start(Tag { name, prefix: "", local: name, attributes: "", empty: false }));
        }
        self.long_tag(start)
    }

    fn long_tag(&mut self, start: usize) -> Result<Token<'a>, Defect> {
        let window = self.window(start + 1, C2SIM_TAG_BYTES_MAX);
        let mut n = 0;
        loop {
            let rest = window.get(n..).unwrap_or_default();
            let Some(at) = memchr3(b'>', b'"', b'\'', rest) else { return Err(self.unclosed(start)) };
            match rest.get(at) {
                Some(b'>') | None => {
                    n += at;
                    break;
                }
                // The same quote ends what it has begun.
                Some(&quote) => match memchr(quote, rest.get(at + 1..).unwrap_or_default()) {
                    Some(end) => n += at + 1 + end + 1,
                    None => return Err(self.unclosed(start)),
                },
            }
        }
        let inner = self.text.get(start + 1..start + 1 + n).ok_or(Defect::Malformed)?;
        self.ends(start + n + 2);
        self.count()?;
        let (inner, empty) = inner.strip_suffix('/').map_or((inner, false), |inner| (inner, true));
        let named = inner.bytes().position(|byte| is_space(char::from(byte))).unwrap_or(inner.len());
        let (name, attributes) = inner.split_at_checked(named).ok_or(Defect::Malformed)?;
        let (prefix, local) = check_name(name)?;
        self.enter(Tag { name, prefix, local, attributes, empty })
    }

    /// One more element, if there may be one here.
    fn count(&mut self) -> Result<(), Defect> {
        if self.at.depth == 0 && self.at.elements > 0 {
            return Err(Defect::OutsideRoot);
        }
        if self.at.depth >= C2SIM_DEPTH_MAX {
            return Err(Defect::TooDeep);
        }
        if self.at.elements >= C2SIM_ELEMENTS_MAX {
            return Err(Defect::TooManyElements);
        }
        self.at.depth += 1;
        self.at.elements += 1;
        Ok(())
    }

    fn enter(&mut self, tag: Tag<'a>) -> Result<Token<'a>, Defect> {
        if !is_blank(tag.attributes) {
            self.read_attributes(&tag)?;
        }
        self.at.cost += self.at.bindings.len() / COST_BINDINGS;
        self.check_prefix(tag.prefix)?;
        if tag.empty {
            self.at.inside = Inside::EmptyTag;
        } else {
            self.at.open.push(Span::within(self.text, tag.name));
        }
        Ok(Token::Start(tag))
    }

    #[inline]
    fn leave(&mut self) -> Token<'a> {
        while self.at.bindings.last().is_some_and(|binding| binding.depth == self.at.depth) {
            self.at.bindings.pop();
        }
        self.at.depth = self.at.depth.saturating_sub(1);
        Token::End
    }

    /// Checks all attributes of a tag and takes up its namespace declarations.
    fn read_attributes(&mut self, tag: &Tag<'a>) -> Result<(), Defect> {
        let text = self.text;
        self.at.names.clear();
        for attribute in tag.attributes() {
            let (name, value) = attribute?;
            if self.at.names.iter().any(|other| other.of(text) == name) {
                return Err(Defect::DuplicateAttribute);
            }
            if self.at.names.len() >= C2SIM_ATTRIBUTES_MAX {
                return Err(Defect::TooManyAttributes);
            }
            self.at.names.push(Span::within(text, name));
            match split_name(name) {
                ("", "xmlns") => self.bind("", value)?,
                ("xmlns", prefix) if value.is_empty() || matches!(prefix, "xml" | "xmlns") => {
                    return Err(Defect::UndeclaredPrefix);
                }
                ("xmlns", prefix) => self.bind(prefix, value)?,
                _ => {}
            }
        }
        let attributes = self.at.names.len();
        self.at.cost += attributes * (attributes + self.at.bindings.len()) / COST_ATTRIBUTES
            + tag.attributes.len() / COST_ATTRIBUTE_BYTES;
        // Prefixes count once all declarations of the tag are in force.
        let mut prefixed: Vec<(&str, &str)> = Vec::new();
        for name in &self.at.names {
            let (prefix, local) = split_name(name.of(text));
            if prefix.is_empty() || prefix == "xmlns" {
                continue;
            }
            let namespace = self.namespace(prefix);
            if namespace.is_empty() {
                return Err(Defect::UndeclaredPrefix);
            }
            if prefixed.contains(&(local, namespace)) {
                return Err(Defect::DuplicateAttribute);
            }
            prefixed.push((local, namespace));
        }
        Ok(())
    }

    fn bind(&mut self, prefix: &'a str, namespace: &'a str) -> Result<(), Defect> {
        if self.at.bindings.len() >= C2SIM_NAMESPACES_MAX {
            return Err(Defect::TooManyNamespaces);
        }
        let [prefix, namespace] = [prefix, namespace].map(|part| Span::within(self.text, part));
        self.at.bindings.push(Binding { prefix, namespace, depth: self.at.depth });
        Ok(())
    }

    fn check_prefix(&self, prefix: &str) -> Result<(), Defect> {
        if prefix.is_empty() || !self.namespace(prefix).is_empty() { Ok(()) } else { Err(Defect::UndeclaredPrefix) }
    }
}

/// So many bytes of a token, bindings to look through, comparisons of attributes with others or with bindings, and bytes of attributes, take as
/// long as one short token.
const COST_BYTES: usize = 64;
const COST_BINDINGS: usize = 8;
const COST_ATTRIBUTES: usize = 16;
const COST_ATTRIBUTE_BYTES: usize = 16;
/// So many bytes of a text are looked over without a search: fewer than cost anything.
const SHORT_BYTES: usize = 48;
const _: () = assert!(SHORT_BYTES < COST_BYTES);
/// What nearly all documents begin with.
const USUAL_DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

#[cfg(test)]
mod tests;
