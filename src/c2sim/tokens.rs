//! A well-formed XML document as a stream of tokens, in one bounded pass.
//!
//! quick-xml finds the tokens and matches end tags with start tags; on purpose it is lenient and expands nothing. Here is what a
//! document from an untrusted peer needs on top: allowed characters, names, attributes, declared prefixes, references limited to the five
//! entities and characters, one root with nothing but white space, comments and instructions around it, no DOCTYPE, and bounds on
//! everything. Must not know what any element means.

use core::ops::Range;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::attributes::{Attributes, check_declaration};
use super::defect::Defect;
use super::letters::{check_name, is_blank, is_space, resolve, split_name};
use crate::limits::{C2SIM_ATTRIBUTES_MAX, C2SIM_DEPTH_MAX, C2SIM_ELEMENTS_MAX, C2SIM_NAMESPACES_MAX};

/// The namespace every document may use under the prefix `xml` without declaring it.
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

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
        Attributes::new(self.attributes)
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
pub(super) struct TokenReader<'a> {
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

impl<'a> TokenReader<'a> {
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

#[cfg(test)]
mod tests {
    use super::super::letters::readable;
    use super::*;
    use crate::limits::C2SIM_NAME_BYTES_MAX;

    fn check(bytes: &[u8]) -> Result<usize, Defect> {
        let (text, defect) = readable(bytes);
        let mut document = TokenReader::new(text);
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
}
