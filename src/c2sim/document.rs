//! A well-formed XML document as a stream of tokens, in one bounded pass.
//!
//! quick-xml finds the tokens and matches end tags with start tags; on purpose it is lenient and expands nothing. Here is what a
//! document from an untrusted peer needs on top: allowed characters, names, attributes, declared prefixes, references limited to the five
//! entities and characters, one root with nothing but white space, comments and instructions around it, no DOCTYPE, and bounds on
//! everything. Must not know what any element means.

use core::ops::Range;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::defect::Defect;
use crate::limits::{
    C2SIM_ATTRIBUTES_MAX, C2SIM_DEPTH_MAX, C2SIM_ELEMENTS_MAX, C2SIM_NAME_BYTES_MAX, C2SIM_NAMESPACES_MAX,
};

/// The namespace every document may use under the prefix `xml` without declaring it.
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The four characters XML calls white space.
pub(super) const fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

/// Whether `text` is nothing but white space.
pub(super) fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// The part of `bytes` that is UTF-8 text of allowed characters, without a byte order mark, and what is wrong behind it.
pub(super) fn readable(bytes: &[u8]) -> (&str, Option<Defect>) {
    let (text, defect) = match core::str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            (core::str::from_utf8(good).unwrap_or_default(), Some(Defect::NotUtf8))
        }
    };
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    match first_forbidden(text) {
        None => (text, defect),
        Some(at) => (text.get(..at).unwrap_or_default(), Some(Defect::ForbiddenCharacter)),
    }
}

/// Where the first character stands that XML forbids. Whole blocks are looked over first: nearly all have no candidate.
fn first_forbidden(text: &str) -> Option<usize> {
    const BLOCK: usize = 64;
    let mut at = 0;
    for block in text.as_bytes().chunks(BLOCK) {
        // No short circuit: the compiler turns this into a few wide instructions.
        if block.iter().fold(false, |found, &byte| found | is_suspect(byte)) {
            for (n, &byte) in block.iter().enumerate() {
                let noncharacter = |rest: &str| rest.starts_with(['\u{fffe}', '\u{ffff}']);
                let forbidden = byte < b' ' || text.get(at + n..).is_some_and(noncharacter);
                if is_suspect(byte) && forbidden {
                    return Some(at + n);
                }
            }
        }
        at += block.len();
    }
    None
}

/// Whether a forbidden character may start with this byte: a control character, or 0xEF, which U+FFFE and U+FFFF start with.
const fn is_suspect(byte: u8) -> bool {
    ((byte < b' ') & (byte != b'\t') & (byte != b'\n') & (byte != b'\r')) | (byte == 0xef)
}

/// Whether XML allows the character.
pub(super) const fn is_allowed(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// The character that `&name;` stands for: one of the five entities or a character reference.
pub(super) fn resolve(name: &str) -> Option<char> {
    match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "apos" => return Some('\''),
        "quot" => return Some('"'),
        _ => {}
    }
    let digits = name.strip_prefix('#')?;
    let (digits, radix) = match digits.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (digits, 10),
    };
    // from_str_radix would take a sign.
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let letter = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)?;
    is_allowed(letter).then_some(letter)
}

/// Splits a qualified name into prefix (empty without one) and local name.
pub(super) fn split_name(name: &str) -> (&str, &str) {
    let colon = name.bytes().position(|byte| byte == b':');
    let parts = colon.and_then(|at| Some((name.get(..at)?, name.get(at + 1..)?)));
    parts.unwrap_or(("", name))
}

const fn starts_name(letter: char) -> bool {
    matches!(letter,
        'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

const fn continues_name(letter: char) -> bool {
    matches!(letter, '0'..='9' | '-' | '.' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
        || starts_name(letter)
}

/// Checks a qualified name (at most one colon, between two proper names) and splits it into prefix (empty without one) and local name.
fn check_name(name: &str) -> Result<(&str, &str), Defect> {
    if name.len() > C2SIM_NAME_BYTES_MAX {
        return Err(Defect::NameTooLong);
    }
    let (prefix, local) = split_name(name);
    let prefixed = local.len() < name.len();
    if is_plain_name(local) && (!prefixed || is_plain_name(prefix)) {
        Ok((prefix, local))
    } else {
        Err(Defect::Malformed)
    }
}

/// Whether `name` is a name without colon. Nearly all are ASCII, which is decided by the byte.
fn is_plain_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if starts && bytes.all(plain) {
        return true;
    }
    let mut letters = name.chars();
    letters.next().is_some_and(starts_name) && letters.all(continues_name)
}

/// The attributes of a tag (or of an XML declaration), raw, in order.
#[derive(Clone, Debug)]
pub(super) struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Attributes<'a> {
    fn parse(&mut self) -> Result<Option<(&'a str, &'a str)>, Defect> {
        let trimmed = self.rest.trim_start_matches(is_space);
        if trimmed.is_empty() {
            return Ok(None);
        }
        // White space parts every attribute from what stands before it.
        if trimmed.len() == self.rest.len() {
            return Err(Defect::Malformed);
        }
        let (name, value) = trimmed.split_once('=').ok_or(Defect::Malformed)?;
        let name = name.trim_end_matches(is_space);
        check_name(name)?;
        let value = value.trim_start_matches(is_space);
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''));
        let quote = quote.ok_or(Defect::Malformed)?;
        let (value, rest) = value.get(1..).and_then(|value| value.split_once(quote)).ok_or(Defect::Malformed)?;
        check_value(value)?;
        self.rest = rest;
        Ok(Some((name, value)))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(&'a str, &'a str), Defect>;

    fn next(&mut self) -> Option<Self::Item> {
        let taken = self.parse();
        if taken.is_err() {
            self.rest = "";
        }
        taken.transpose()
    }
}

/// An attribute's value as it is meant: references resolved, white space as blanks.
pub(super) fn attribute_value(raw: &str) -> String {
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    loop {
        let (text, reference) = rest.split_once('&').unwrap_or((rest, ""));
        value.extend(text.chars().map(|letter| if is_space(letter) { ' ' } else { letter }));
        let Some((name, after)) = reference.split_once(';') else {
            return value;
        };
        value.extend(resolve(name));
        rest = after;
    }
}

fn check_value(value: &str) -> Result<(), Defect> {
    if value.contains('<') {
        return Err(Defect::Malformed);
    }
    let mut rest = value;
    while let Some((_, reference)) = rest.split_once('&') {
        let (name, after) = reference.split_once(';').ok_or(Defect::Malformed)?;
        resolve(name).ok_or(Defect::UnknownEntity)?;
        rest = after;
    }
    Ok(())
}

/// A start tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag<'a> {
    /// The qualified name.
    pub(super) name: &'a str,
    /// The part of the name before the colon; empty without one.
    pub(super) prefix: &'a str,
    /// The part of the name after the colon.
    pub(super) local: &'a str,
    /// The attributes, raw and checked.
    pub(super) attributes: &'a str,
    /// `<name/>`; the end token follows all the same.
    pub(super) empty: bool,
}

impl<'a> Tag<'a> {
    pub(super) const fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: self.attributes }
    }
}

/// One piece of a document.
#[derive(Clone, Copy, Debug)]
pub(super) enum Token<'a> {
    Start(Tag<'a>),
    End,
    /// Raw text; references come as tokens of their own.
    Text(&'a str),
    /// The text of a CDATA section.
    CData(&'a str),
    /// What a reference stands for.
    Character(char),
    /// A comment, a processing instruction or the XML declaration.
    Aside,
    /// The document was well-formed to its end.
    EndOfDocument,
}

/// A namespace declaration in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binding<'a> {
    /// Empty for the default namespace.
    pub(super) prefix: &'a str,
    /// The namespace, raw; empty where the default namespace is taken away.
    pub(super) namespace: &'a str,
    depth: usize,
}

/// The token reader.
#[derive(Debug)]
pub(super) struct Document<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// Where the last token lies.
    range: Range<usize>,
    /// Open elements.
    depth: usize,
    elements: usize,
    /// The last token was the start of an element that ends with the same tag.
    closing: bool,
    bindings: Vec<Binding<'a>>,
    /// Attribute names of the tag being read, kept for its capacity.
    names: Vec<&'a str>,
}

impl<'a> Document<'a> {
    /// Reads `text`, which has only allowed characters and no byte order mark.
    pub(super) fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = true;
        Self {
            text,
            reader,
            range: 0..0,
            depth: 0,
            elements: 0,
            closing: false,
            bindings: Vec::new(),
            names: Vec::new(),
        }
    }

    /// Open elements: after a start token the element itself counts, after its end token no more.
    pub(super) const fn depth(&self) -> usize {
        self.depth
    }

    /// Where the last token lies in the text; empty for the end of `<name/>`.
    pub(super) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The namespace that `prefix` (empty for none) stands for here; empty where it stands for none.
    pub(super) fn namespace(&self, prefix: &str) -> &'a str {
        match self.bindings.iter().rev().find(|binding| binding.prefix == prefix) {
            Some(binding) => binding.namespace,
            None if prefix == "xml" => XML_NAMESPACE,
            None => "",
        }
    }

    /// Every declaration in force, the innermost last.
    pub(super) fn bindings(&self) -> &[Binding<'a>] {
        &self.bindings
    }

    /// The declarations of the tag that was read last.
    pub(super) fn own_bindings(&self) -> &[Binding<'a>] {
        let own = self.bindings.iter().rev().take_while(|binding| binding.depth == self.depth).count();
        self.bindings.get(self.bindings.len() - own..).unwrap_or_default()
    }

    /// The next token.
    ///
    /// # Errors
    /// The document is not well-formed or breaks a bound; the reader is of no use after that.
    pub(super) fn next(&mut self) -> Result<Token<'a>, Defect> {
        if self.closing {
            self.closing = false;
            self.range = self.range.end..self.range.end;
            return Ok(self.leave());
        }
        let start = self.range.end;
        self.range = start..start;
        let event = self.reader.read_event();
        let end = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let raw = self.text.get(start..end).ok_or(Defect::Malformed)?;
        self.range = start..end;
        match event.map_err(|_| Defect::Malformed)? {
            Event::Start(tag) => self.enter(raw, tag.name().0.len(), false),
            Event::Empty(tag) => self.enter(raw, tag.name().0.len(), true),
            Event::End(_) => Ok(self.leave()),
            Event::Text(_) => self.text_token(raw),
            Event::CData(_) => {
                let inner = raw.strip_prefix("<![CDATA[").and_then(|raw| raw.strip_suffix("]]>"));
                self.inside()?;
                inner.map(Token::CData).ok_or(Defect::Malformed)
            }
            Event::GeneralRef(_) => {
                let name = raw.strip_prefix('&').and_then(|raw| raw.strip_suffix(';'));
                self.inside()?;
                name.and_then(resolve).map(Token::Character).ok_or(Defect::UnknownEntity)
            }
            Event::Comment(_) => Ok(Token::Aside),
            Event::Decl(_) => {
                if start > 0 {
                    return Err(Defect::Malformed);
                }
                check_declaration(raw)?;
                Ok(Token::Aside)
            }
            Event::PI(_) => {
                let target = raw.strip_prefix("<?").and_then(|raw| raw.strip_suffix("?>"));
                let target = target.ok_or(Defect::Malformed)?.split(is_space).next();
                let target = target.unwrap_or_default();
                check_name(target)?;
                if target.eq_ignore_ascii_case("xml") {
                    return Err(Defect::Malformed);
                }
                Ok(Token::Aside)
            }
            Event::DocType(_) => Err(Defect::Doctype),
            Event::Eof if self.depth > 0 || self.elements == 0 => Err(Defect::Malformed),
            Event::Eof => Ok(Token::EndOfDocument),
        }
    }

    /// Text and references outside the root element are not well-formed.
    const fn inside(&self) -> Result<(), Defect> {
        if self.depth == 0 { Err(Defect::OutsideRoot) } else { Ok(()) }
    }

    fn text_token(&self, raw: &'a str) -> Result<Token<'a>, Defect> {
        if self.depth == 0 && !is_blank(raw) {
            return Err(Defect::OutsideRoot);
        }
        // The end of a CDATA section may not stand in text.
        if raw.as_bytes().contains(&b']') && raw.contains("]]>") {
            return Err(Defect::Malformed);
        }
        Ok(Token::Text(raw))
    }

    fn enter(&mut self, raw: &'a str, name_bytes: usize, empty: bool) -> Result<Token<'a>, Defect> {
        if self.depth == 0 && self.elements > 0 {
            return Err(Defect::OutsideRoot);
        }
        if self.depth >= C2SIM_DEPTH_MAX {
            return Err(Defect::TooDeep);
        }
        if self.elements >= C2SIM_ELEMENTS_MAX {
            return Err(Defect::TooManyElements);
        }
        self.depth += 1;
        self.elements += 1;
        self.closing = empty;
        let inner =
            raw.strip_prefix('<').and_then(|raw| if empty { raw.strip_suffix("/>") } else { raw.strip_suffix('>') });
        let (name, attributes) = inner.and_then(|inner| inner.split_at_checked(name_bytes)).ok_or(Defect::Malformed)?;
        let (prefix, local) = check_name(name)?;
        let tag = Tag { name, prefix, local, attributes, empty };
        if !is_blank(attributes) {
            self.read_attributes(&tag)?;
        }
        self.check_prefix(prefix)?;
        Ok(Token::Start(tag))
    }

    fn leave(&mut self) -> Token<'a> {
        while self.bindings.last().is_some_and(|binding| binding.depth == self.depth) {
            self.bindings.pop();
        }
        self.depth = self.depth.saturating_sub(1);
        Token::End
    }

    /// Checks all attributes of a tag and takes up its namespace declarations.
    fn read_attributes(&mut self, tag: &Tag<'a>) -> Result<(), Defect> {
        self.names.clear();
        for attribute in tag.attributes() {
            let (name, value) = attribute?;
            if self.names.contains(&name) {
                return Err(Defect::DuplicateAttribute);
            }
            if self.names.len() >= C2SIM_ATTRIBUTES_MAX {
                return Err(Defect::TooManyAttributes);
            }
            self.names.push(name);
            match split_name(name) {
                ("", "xmlns") => self.bind("", value)?,
                ("xmlns", prefix) if value.is_empty() || matches!(prefix, "xml" | "xmlns") => {
                    return Err(Defect::UndeclaredPrefix);
                }
                ("xmlns", prefix) => self.bind(prefix, value)?,
                _ => {}
            }
        }
        // Prefixes count once all declarations of the tag are in force.
        for (at, name) in self.names.iter().enumerate() {
            let (prefix, local) = split_name(name);
            if prefix.is_empty() || prefix == "xmlns" {
                continue;
            }
            self.check_prefix(prefix)?;
            let namespace = self.namespace(prefix);
            let twice = self.names.iter().skip(at + 1).any(|other| {
                let (prefix, other) = split_name(other);
                other == local && !prefix.is_empty() && self.namespace(prefix) == namespace
            });
            if twice {
                return Err(Defect::DuplicateAttribute);
            }
        }
        Ok(())
    }

    fn bind(&mut self, prefix: &'a str, namespace: &'a str) -> Result<(), Defect> {
        if self.bindings.len() >= C2SIM_NAMESPACES_MAX {
            return Err(Defect::TooManyNamespaces);
        }
        self.bindings.push(Binding { prefix, namespace, depth: self.depth });
        Ok(())
    }

    fn check_prefix(&self, prefix: &str) -> Result<(), Defect> {
        if prefix.is_empty() || !self.namespace(prefix).is_empty() { Ok(()) } else { Err(Defect::UndeclaredPrefix) }
    }
}

/// Checks `<?xml version="1.x" encoding="UTF-8" standalone="…"?>`; the last two may be missing.
fn check_declaration(raw: &str) -> Result<(), Defect> {
    let inner = raw.strip_prefix("<?xml").and_then(|raw| raw.strip_suffix("?>"));
    let mut attributes = Attributes { rest: inner.ok_or(Defect::Malformed)? };
    let Some(("version", version)) = attributes.parse()? else {
        return Err(Defect::Malformed);
    };
    let minor = version.strip_prefix("1.").ok_or(Defect::Malformed)?;
    if minor.is_empty() || !minor.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Defect::Malformed);
    }
    let mut next = attributes.parse()?;
    if let Some(("encoding", encoding)) = next {
        if !encoding.eq_ignore_ascii_case("UTF-8") {
            return Err(Defect::WrongEncoding);
        }
        next = attributes.parse()?;
    }
    if let Some(("standalone", "yes" | "no")) = next {
        next = attributes.parse()?;
    }
    if next.is_none() { Ok(()) } else { Err(Defect::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8]) -> Result<usize, Defect> {
        let (text, defect) = readable(bytes);
        let mut document = Document::new(text);
        let mut tokens = 0;
        loop {
            match document.next() {
                Ok(Token::EndOfDocument) => return defect.map_or(Ok(tokens), Err),
                Ok(_) => tokens += 1,
                Err(found) => return Err(defect.unwrap_or(found)),
            }
        }
    }

    #[test]
    fn well_formed_documents_are_read_to_their_end() {
        for good in [
            "<a/>",
            "<?xml version='1.0'?><a></a >",
            "<?xml version=\"1.0\" encoding='utf-8' standalone='yes' ?>\n<!-- x --><a b = '1'\n c=\"&lt;&#9;>\"/>\n<?p q?>\n",
            "<p:a xmlns:p='u' p:x='1' x='2'><p:b/></p:a>",
            "<a xml:lang='en'>]] > &amp;&apos;&quot;&gt;&#x41; <![CDATA[<&]]></a>",
            "<\u{e9}l\u{e9}ment/>",
            "\u{feff}<a/>",
        ] {
            assert!(check(good.as_bytes()).is_ok(), "{good}: {:?}", check(good.as_bytes()));
        }
    }

    #[test]
    fn every_way_to_be_malformed_is_found() {
        for (bad, defect) in [
            ("", Defect::Malformed),
            (" \n", Defect::Malformed),
            ("{\"json\": 1}", Defect::OutsideRoot),
            ("<a>", Defect::Malformed),
            ("<a></b>", Defect::Malformed),
            ("</a>", Defect::Malformed),
            ("<a/><b/>", Defect::OutsideRoot),
            ("<a/>x", Defect::OutsideRoot),
            ("<a/>&lt;", Defect::OutsideRoot),
            ("<a/><![CDATA[x]]>", Defect::OutsideRoot),
            ("<!DOCTYPE a><a/>", Defect::Doctype),
            ("<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><a>&e;</a>", Defect::Doctype),
            ("<a>&e;</a>", Defect::UnknownEntity),
            ("<a b='&e;'/>", Defect::UnknownEntity),
            ("<a>&#0;</a>", Defect::UnknownEntity),
            ("<a>&#+65;</a>", Defect::UnknownEntity),
            ("<a>&#xD800;</a>", Defect::UnknownEntity),
            ("<a>& b</a>", Defect::Malformed),
            ("<a>]]></a>", Defect::Malformed),
            ("<a><![cdata[x]]></a>", Defect::Malformed),
            ("<a><!-- -- --></a>", Defect::Malformed),
            ("<a b='1' b='2'/>", Defect::DuplicateAttribute),
            ("<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>", Defect::DuplicateAttribute),
            ("<a b='1'c='2'/>", Defect::Malformed),
            ("<a b/>", Defect::Malformed),
            ("<a b=1/>", Defect::Malformed),
            ("<a b='<'/>", Defect::Malformed),
            ("<p:a/>", Defect::UndeclaredPrefix),
            ("<a p:b='1'/>", Defect::UndeclaredPrefix),
            ("<a><p:b xmlns:p='u'/><p:c/></a>", Defect::UndeclaredPrefix),
            ("<a xmlns:p=''/>", Defect::UndeclaredPrefix),
            ("<a:b:c xmlns:a='u'/>", Defect::Malformed),
            ("<:a/>", Defect::Malformed),
            ("<1a/>", Defect::Malformed),
            ("<a <b/>", Defect::Malformed),
            ("< a/>", Defect::Malformed),
            ("<>", Defect::Malformed),
            ("<a><?xml version='1.0'?></a>", Defect::Malformed),
            (" <?xml version='1.0'?><a/>", Defect::Malformed),
            ("<?xml?><a/>", Defect::Malformed),
            ("<?xml version='2.0'?><a/>", Defect::Malformed),
            ("<?xml version='1.0' encoding='ISO-8859-1'?><a/>", Defect::WrongEncoding),
            ("<?XML version='1.0'?><a/>", Defect::Malformed),
            ("<a>\u{1}</a>", Defect::ForbiddenCharacter),
            ("<a>\0</a>", Defect::ForbiddenCharacter),
            ("<a>\u{ffff}</a>", Defect::ForbiddenCharacter),
        ] {
            assert_eq!(check(bad.as_bytes()), Err(defect), "{bad}");
        }
    }

    #[test]
    fn other_encodings_are_refused() {
        let utf16: Vec<u8> = "\u{feff}<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(check(&utf16), Err(Defect::NotUtf8));
        assert_eq!(check(b"<a>\xe9</a>"), Err(Defect::NotUtf8));
        // Overlong encodings and surrogates are no UTF-8 either.
        assert_eq!(check(b"<a>\xc0\xbc</a>"), Err(Defect::NotUtf8));
        assert_eq!(check(b"<a>\xed\xa0\x80</a>"), Err(Defect::NotUtf8));
    }

    #[test]
    fn every_bound_is_kept() {
        let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(check(nested(C2SIM_DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(check(nested(C2SIM_DEPTH_MAX + 1).as_bytes()), Err(Defect::TooDeep));
        assert_eq!(check(nested(20_000).as_bytes()), Err(Defect::TooDeep));
        let many = |n: usize| format!("<a>{}</a>", "<b/>".repeat(n));
        assert!(check(many(C2SIM_ELEMENTS_MAX - 1).as_bytes()).is_ok());
        assert_eq!(check(many(C2SIM_ELEMENTS_MAX).as_bytes()), Err(Defect::TooManyElements));
        let named = |n: usize| format!("<{}/>", "n".repeat(n));
        assert!(check(named(C2SIM_NAME_BYTES_MAX).as_bytes()).is_ok());
        assert_eq!(check(named(C2SIM_NAME_BYTES_MAX + 1).as_bytes()), Err(Defect::NameTooLong));
        let dressed = |n: usize| {
            let attributes: String = (0..n).map(|n| format!(" a{n}=''")).collect();
            format!("<a{attributes}/>")
        };
        assert!(check(dressed(C2SIM_ATTRIBUTES_MAX).as_bytes()).is_ok());
        assert_eq!(check(dressed(C2SIM_ATTRIBUTES_MAX + 1).as_bytes()), Err(Defect::TooManyAttributes));
        let bound = |n: usize| {
            let open: String = (0..n).map(|n| format!("<a xmlns:p{n}='u' xmlns:q{n}='u'>")).collect();
            open + &"</a>".repeat(n)
        };
        assert!(check(bound(C2SIM_NAMESPACES_MAX / 2).as_bytes()).is_ok());
        assert_eq!(check(bound(C2SIM_NAMESPACES_MAX / 2 + 1).as_bytes()), Err(Defect::TooManyNamespaces));
    }

    #[test]
    fn forbidden_characters_are_found_in_every_place_of_a_block() {
        for before in 0..140 {
            let text = format!("{}\u{b}", "x".repeat(before));
            assert_eq!(first_forbidden(&text), Some(before));
            let text = format!("{}\u{fffe}", "\u{ef}".repeat(before));
            assert_eq!(first_forbidden(&text), Some(2 * before));
            assert_eq!(first_forbidden(&"\u{fffd}\t\r\n".repeat(before)), None);
        }
    }
}
