//! The documents the server writes itself: triggers pulled over another protocol, headers of its own, and one-line copies.
//!
//! Owns how such a document looks; everything goes to the end of a buffer the caller lends. Must not know time or chance: the caller
//! brings identifiers and the time in a [`Stamp`]. A written document is one line and contains no newline.

use core::fmt;
use core::ops::Range;

use super::defect::Defect;
use super::kind::{Kind, Schema};
use super::letters::{is_allowed, is_blank, readable};
use super::state::Trigger;
use super::tokens::{Position, Token, TokenReader};
use crate::limits::C2SIM_PIECE_BYTES;
use crate::store::shared::SharedBytes;
use crate::time::Utc;

/// The sender of what the server says in its own name.
pub const SERVER: &str = "C2SIM_SERVER";

/// The header's Protocol.
pub const PROTOCOL: &str = "SISO-STD-C2SIM";

/// The header's ProtocolVersion; the same for both schemas.
pub const PROTOCOL_VERSION: &str = "1.0.2";

/// A UUID; its text is 8-4-4-4-12 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub u128);

impl Uuid {
    /// A UUID of random bits: version 4, variant 1.
    #[must_use]
    pub const fn from_random(bits: u128) -> Self {
        Self(bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32, digits: u32| (self.0 >> shift) & ((1 << (4 * digits)) - 1);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            part(96, 8),
            part(80, 4),
            part(64, 4),
            part(48, 4),
            part(0, 12)
        )
    }
}

/// A moment in whole seconds since 1970 (UTC), up to the end of the year 9999; its text is `YYYY-MM-DDThh:mm:ssZ`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IsoDateTime(pub u64);

/// The last second of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

impl fmt::Display for IsoDateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Utc { year, month, day, hour, minute, second, .. } = Utc::of(self.0.min(LAST_SECOND) * 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// What makes a header unlike every other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// A fresh identifier for the message.
    pub message_id: Uuid,
    /// A fresh identifier for the conversation it begins.
    pub conversation_id: Uuid,
    /// When it is sent.
    pub sending_time: IsoDateTime,
}

/// Writes the message that pulls `trigger`, sent by `sender` (any text; what XML forbids in it is replaced).
pub fn write_trigger(trigger: Trigger, schema: Schema, sender: &str, stamp: &Stamp, out: &mut Vec<u8>) {
    write_system((trigger.kind(), ""), schema, sender, stamp, out);
}

/// Writes a system message of this kind, with this in its element (XML), sent by `sender`.
pub fn write_system((kind, content): (Kind, &str), schema: Schema, sender: &str, stamp: &Stamp, out: &mut Vec<u8>) {
    let element = kind.element();
    write_beginning(schema, sender, stamp, out);
    push(out, &["<SystemMessageBody><", element]);
    if content.is_empty() {
        push(out, &["/>"]);
    } else {
        push(out, &[">", content, "</", element, ">"]);
    }
    push(out, &["</SystemMessageBody></MessageBody></Message>"]);
}

/// Writes an initialization in which nothing is defined, in the server's own name.
pub fn write_empty_initialization(schema: Schema, stamp: &Stamp, out: &mut Vec<u8>) {
    write_beginning(schema, SERVER, stamp, out);
    push(out, &["<C2SIMInitializationBody><ObjectDefinitions/></C2SIMInitializationBody></MessageBody></Message>"]);
}

fn write_beginning(schema: Schema, sender: &str, stamp: &Stamp, out: &mut Vec<u8>) {
    push(out, &["<Message xmlns=\"", schema.namespace(), "\">"]);
    write_header(Some(schema), None, sender, stamp, out);
    push(out, &["<MessageBody>"]);
}

/// Writes a `C2SIMHeader`; with `namespace` (raw) it brings its own declaration.
pub(super) fn write_header(
    schema: Option<Schema>,
    namespace: Option<&str>,
    sender: &str,
    stamp: &Stamp,
    out: &mut Vec<u8>,
) {
    // The older schema demands an act and one receiver.
    let old = schema == Some(Schema::V1_0_2);
    match namespace {
        None => push(out, &["<C2SIMHeader>"]),
        Some(namespace) => {
            push(out, &["<C2SIMHeader xmlns=\""]);
            push_quoted(out, namespace);
            push(out, &["\">"]);
        }
    }
    if old {
        push(out, &["<CommunicativeActTypeCode>Inform</CommunicativeActTypeCode>"]);
    }
    push(out, &["<ConversationID>", &stamp.conversation_id.to_string()]);
    push(out, &["</ConversationID><FromSendingSystem>"]);
    for letter in sender.chars() {
        push_character(out, if is_allowed(letter) { letter } else { char::REPLACEMENT_CHARACTER });
    }
    push(out, &["</FromSendingSystem><MessageID>", &stamp.message_id.to_string()]);
    push(out, &["</MessageID><Protocol>", PROTOCOL, "</Protocol><ProtocolVersion>"]);
    push(out, &[PROTOCOL_VERSION, "</ProtocolVersion><SendingTime><IsoDateTime>"]);
    push(out, &[&stamp.sending_time.to_string(), "</IsoDateTime></SendingTime>"]);
    if old {
        push(out, &["<ToReceivingSystem>ALL</ToReceivingSystem>"]);
    }
    push(out, &["</C2SIMHeader>"]);
}

/// Writes `document` on one line, for links that end a message with a newline.
///
/// Comments, processing instructions, the declaration and white space between tags are dropped. White space that is the whole content
/// of an element without children is kept if it holds no line end. A newline in text becomes `&#10;`, CDATA becomes plain text.
///
/// # Errors
/// The document is not well-formed; `out` is then as it was.
pub fn minify(document: &[u8], out: &mut Vec<u8>) -> Result<(), Defect> {
    let (text, defect) = readable(document);
    let mut writer = LineWriter { out: core::mem::take(out), ..LineWriter::default() };
    let before = writer.out.len();
    let result = defect.map_or(Ok(()), Err).and_then(|()| writer.go_on(text, usize::MAX).map(drop));
    *out = writer.into_line();
    if result.is_err() {
        out.truncate(before);
    }
    result
}

/// What lies behind a line that is kept: who hears lines as frames that end in a zero byte is given it without a copy.
pub const BEHIND_LINE: &[u8] = b"\0\n";

/// A line with its end, to be kept.
pub(super) fn kept_line(mut line: Vec<u8>) -> SharedBytes {
    line.push(b'\n');
    let bytes = line.len();
    line.extend_from_slice(BEHIND_LINE);
    let whole = SharedBytes::from(line);
    whole.part(whole.get(..bytes).unwrap_or_default())
}

/// The writing of a document on one line, as [`minify`] says, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct LineWriter {
    at: Position,
    /// White space not yet known to be content: it is, if only its element's end or other text follows. Where there is much of it, it is content.
    held: Range<usize>,
    in_leaf: bool,
    in_text: bool,
    out: Vec<u8>,
}

impl LineWriter {
    /// What was written.
    pub(super) fn into_line(self) -> Vec<u8> {
        self.out
    }

    /// Goes on for `cost` (see [`Position::cost`]), or to the end; answers whether that is reached. The text must be the same each time.
    ///
    /// # Errors
    /// The document is not well-formed.
    pub(super) fn go_on(&mut self, text: &str, cost: usize) -> Result<bool, Defect> {
        let mut document = TokenReader::resume(text, core::mem::take(&mut self.at));
        let until = document.position().cost().saturating_add(cost);
        let mut is_over = false;
        while !is_over && document.position().cost() < until {
            let token = document.next()?;
            is_over = matches!(token, Token::EndOfDocument);
            self.write(&document, token)?;
        }
        self.at = document.put_aside();
        Ok(is_over)
    }

    fn write(&mut self, document: &TokenReader<'_>, token: Token<'_>) -> Result<(), Defect> {
        let text = document.text();
        match token {
            Token::Start(tag) => {
                push(&mut self.out, &["<", tag.name]);
                for attribute in tag.attributes() {
                    let (name, value) = attribute?;
                    push(&mut self.out, &[" ", name, "=\""]);
                    push_quoted(&mut self.out, value);
                    push(&mut self.out, &["\""]);
                }
                push(&mut self.out, if tag.empty { &["/>"] } else { &[">"] });
                (self.held, self.in_leaf, self.in_text) = (0..0, true, false);
            }
            Token::End => {
                let held = text.get(self.held.clone()).unwrap_or_default();
                if self.in_leaf && !held.contains(['\n', '\r']) {
                    push(&mut self.out, &[held]);
                }
                // The end of `<name/>` is an empty range: its tag is written already.
                if let Some(name) = text.get(document.range()).and_then(end_name) {
                    push(&mut self.out, &["</", name, ">"]);
                }
                (self.held, self.in_leaf, self.in_text) = (0..0, false, false);
            }
            Token::Text(raw) if is_blank(raw) && !self.in_text => {
                let range = document.range();
                if self.held.is_empty() {
                    // A comment may part white space; the first piece stands for all.
                    self.held = range;
                } else if self.held.end == range.start {
                    self.held.end = range.end;
                }
                if self.held.len() > C2SIM_PIECE_BYTES {
                    self.write_held(text);
                }
            }
            Token::Text(raw) => {
                self.write_held(text);
                push_text(&mut self.out, raw);
            }
            Token::CData(raw) => {
                self.write_held(text);
                raw.replace("\r\n", "\n").chars().for_each(|letter| {
                    push_character(&mut self.out, if letter == '\r' { '\n' } else { letter });
                });
            }
            Token::Character(letter) => {
                self.write_held(text);
                push_character(&mut self.out, letter);
            }
            Token::Aside | Token::EndOfDocument => {}
        }
        Ok(())
    }

    /// What was held is content, and so is what follows.
    fn write_held(&mut self, text: &str) {
        push_text(&mut self.out, text.get(core::mem::take(&mut self.held)).unwrap_or_default());
        self.in_text = true;
    }
}

fn end_name(raw: &str) -> Option<&str> {
    raw.strip_prefix("</")?.strip_suffix('>').map(str::trim_end)
}

pub(super) fn push(out: &mut Vec<u8>, texts: &[&str]) {
    for text in texts {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Raw text, with its line ends (of any kind) as references.
pub(super) fn push_text(out: &mut Vec<u8>, raw: &str) {
    let mut lines = raw.split('\n');
    let mut line = lines.next().unwrap_or_default();
    for next in lines {
        push_piece(out, line.strip_suffix('\r').unwrap_or(line));
        push(out, &["&#10;"]);
        line = next;
    }
    push_piece(out, line);
}

fn push_piece(out: &mut Vec<u8>, line: &str) {
    for (at, piece) in line.split('\r').enumerate() {
        if at > 0 {
            push(out, &["&#10;"]);
        }
        push(out, &[piece]);
    }
}

/// A raw attribute value, for double quotes. XML reads white space in it as spaces.
pub(super) fn push_quoted(out: &mut Vec<u8>, raw: &str) {
    let mut previous = '\0';
    for letter in raw.chars() {
        match letter {
            '"' => push(out, &["&quot;"]),
            '\n' if previous == '\r' => {}
            '\t' | '\r' | '\n' => push(out, &[" "]),
            _ => push(out, &[letter.encode_utf8(&mut [0; 4])]),
        }
        previous = letter;
    }
}

/// One character of content.
fn push_character(out: &mut Vec<u8>, letter: char) {
    match letter {
        '&' => push(out, &["&amp;"]),
        '<' => push(out, &["&lt;"]),
        '>' => push(out, &["&gt;"]),
        '\n' => push(out, &["&#10;"]),
        '\r' => push(out, &["&#13;"]),
        _ => push(out, &[letter.encode_utf8(&mut [0; 4])]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::Field;
    use super::super::scan::scan;
    use super::*;

    const STAMP: Stamp = Stamp {
        message_id: Uuid::from_random(7),
        conversation_id: Uuid::from_random(u128::MAX),
        sending_time: IsoDateTime(1_767_225_599),
    };

    #[test]
    fn every_trigger_is_written_as_a_message_of_its_kind_in_both_schemas() {
        for trigger in Trigger::ALL {
            for schema in Schema::ALL {
                let mut out = b"before".to_vec();
                write_trigger(trigger, schema, "A & <B>\n\u{1}", &STAMP, &mut out);
                let document = out.strip_prefix(b"before").unwrap();
                assert!(!document.contains(&b'\n'));
                let message = scan(document).unwrap();
                assert_eq!(message.kind, trigger.kind());
                assert!(message.check_schema(schema).is_ok());
                let header = &message.header;
                assert_eq!(header.get(Field::FromSendingSystem), Some("A & <B>\n\u{fffd}"));
                assert_eq!(header.message_id(), "00000000-0000-4000-8000-000000000007");
                assert_eq!(header.conversation_id(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
                assert_eq!(header.get(Field::Protocol), Some(PROTOCOL));
                assert_eq!(header.get(Field::ProtocolVersion), Some(PROTOCOL_VERSION));
                assert_eq!(header.get(Field::SendingTime), Some("2025-12-31T23:59:59Z"));
                // What the older schema demands, the newer one forbids.
                let old = schema == Schema::V1_0_2;
                assert_eq!(header.get(Field::ToReceivingSystem), old.then_some("ALL"));
                assert_eq!(message.text.contains("CommunicativeActTypeCode"), old);
            }
        }
    }

    #[test]
    fn times_are_written_by_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (12_622_780_800, "2370-01-01T00:00:00Z"),
            (LAST_SECOND, "9999-12-31T23:59:59Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(IsoDateTime(seconds).to_string(), text);
        }
    }

    fn line(document: &str) -> String {
        let mut out = Vec::new();
        minify(document.as_bytes(), &mut out).expect(document);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_line_keeps_content_and_drops_layout() {
        for (document, minified) in [
            (
                "\u{feff}<?xml version='1.0'?>\n<!-- c -->\n<?p i?>\n<a>\n  <b/>\n\n  <c>x</c>\n</a >\n",
                "<a><b/><c>x</c></a>",
            ),
            ("<a>x\ny\r\nz\rw</a>", "<a>x&#10;y&#10;z&#10;w</a>"),
            ("<a>x&#10;y&#13;</a>", "<a>x&#10;y&#13;</a>"),
            ("<a><![CDATA[<\n&>\r\n]]></a>", "<a>&lt;&#10;&amp;&gt;&#10;</a>"),
            ("<a> </a>", "<a> </a>"),
            ("<a>\n </a>", "<a></a>"),
            ("<a> <!-- c --> </a>", "<a> </a>"),
            ("<a> &lt; x </a>", "<a> &lt; x </a>"),
            ("<a  b = 'x\n\"y'\n\tc=\"1\"/>", "<a b=\"x &quot;y\" c=\"1\"/>"),
            ("<a b='x\r\ny&#10;z'/>", "<a b=\"x y&#10;z\"/>"),
        ] {
            assert_eq!(line(document), minified, "{document}");
            assert_eq!(line(minified), minified, "again");
        }
    }

    #[test]
    fn a_broken_document_leaves_the_buffer_as_it_was() {
        let mut out = b"before".to_vec();
        assert_eq!(minify(b"<a><b></a>", &mut out), Err(Defect::Malformed));
        assert_eq!(minify(b"<a>\xff</a>", &mut out), Err(Defect::NotUtf8));
        assert_eq!(out, b"before");
    }
}
