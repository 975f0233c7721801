//! The other end of both doors: what a controller and a viewer send, and how they read what comes back.
//!
//! Owns the encoding of requests and the decoding of results into small owned values made for printing. Must not know sockets: the
//! bytes come and go through the caller, framed by [`super::framing`].

use core::fmt;

use super::envelope::{Envelope, Shape};
use super::function::{Argument, Function};
use super::pack::Pack;
use super::value::{Reader, Token};
use super::viewer::Bits;
use super::{Error, PROTOCOL_VERSION, framing};
use crate::limits::PRINTED_VALUES_MAX;

/// A control request being written at the end of a vector. Each method adds one argument; none may be added twice.
#[derive(Debug)]
#[must_use = "a request is whole only after `finish`"]
pub struct ControlRequest<'o> {
    envelope: Envelope<'o>,
}

impl<'o> ControlRequest<'o> {
    /// Begins a request for `function`, laid out in `shape`.
    pub fn begin(out: &'o mut Vec<u8>, shape: Shape, function: Function) -> Self {
        let header = |out: &mut Vec<u8>| {
            out.text(PROTOCOL_VERSION);
            out.int(function.id());
        };
        Self { envelope: Envelope::begin(out, shape, header) }
    }

    /// Adds the server to open.
    pub fn address(mut self, host: &str, port: u16) -> Self {
        let out = self.envelope.key("address");
        out.map(2);
        out.text("host");
        out.text(host);
        out.text("port");
        out.uint(u64::from(port));
        self
    }

    /// Has the server's next run waited for, however one ends.
    pub fn keep(mut self) -> Self {
        self.envelope.key(Argument::Keep.key()).bool(true);
        self
    }

    /// Adds the file to open, named as the Manager finds it.
    pub fn logfilename(mut self, name: &str) -> Self {
        self.envelope.key("logfilename").text(name);
        self
    }

    /// Adds provider ids.
    pub fn provider(self, ids: &[i64]) -> Self {
        self.ids("provider", ids)
    }

    /// Adds session ids.
    pub fn session(self, ids: &[i64]) -> Self {
        self.ids("session", ids)
    }

    /// Adds viewer ids.
    pub fn viewer(self, ids: &[i64]) -> Self {
        self.ids("viewer", ids)
    }

    /// Adds a viewer and the provider to connect it to.
    pub fn connection(mut self, provider: i64, viewer: i64) -> Self {
        let out = self.envelope.key("connection");
        out.map(2);
        out.text("provider");
        out.int(provider);
        out.text("viewer");
        out.int(viewer);
        self
    }

    /// Adds a text under the key of `argument`.
    pub fn text(mut self, argument: Argument, text: &str) -> Self {
        self.envelope.key(argument.key()).text(text);
        self
    }

    /// Adds a document.
    pub fn document(mut self, document: &[u8]) -> Self {
        self.envelope.key(Argument::Document.key()).bytes(document);
        self
    }

    /// Adds a moment, in milliseconds since 1970.
    pub fn at(mut self, unix_ms: u64) -> Self {
        self.envelope.key(Argument::At.key()).uint(unix_ms);
        self
    }

    /// Ends the request and says how many bytes it takes, length header included.
    pub fn finish(self) -> usize {
        self.envelope.finish()
    }

    fn ids(mut self, key: &str, ids: &[i64]) -> Self {
        let out = self.envelope.key(key);
        out.array(ids.len());
        for id in ids {
            out.int(*id);
        }
        self
    }
}

/// What the Manager answered to a control request.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlResult {
    /// The CallMsgID of the request; 0 when the Manager could not read it.
    pub id: i64,
    /// Whether it succeeded.
    pub ok: bool,
    /// The data object; nil when there is none.
    pub data: Value,
}

/// Reads the body of a control result, in any shape.
///
/// # Errors
/// [`Error::Malformed`] when it is none, [`Error::BadField`] when it holds more than [`PRINTED_VALUES_MAX`] values.
pub fn decode_control(body: &[u8]) -> Result<ControlResult, Error> {
    let mut whole = Reader::new(body);
    while !whole.is_empty() {
        whole.skip()?;
    }
    let mut reader = Reader::new(body);
    // Whichever array heads there are, id, result and object come in this order.
    for _ in 0..2 {
        if let Token::Array(_) = reader.peek()? {
            reader.pull()?;
        }
    }
    let id = reader.int()?.ok_or(Error::Malformed("has no function id"))?;
    let ok = reader.bool()?.ok_or(Error::Malformed("has no result"))?;
    let data = if reader.is_empty() { Value::Nil } else { Value::read(&mut reader)? };
    Ok(ControlResult { id, ok, data })
}

/// Appends a viewer's request, length header included; without `time` no logged step is asked for.
pub fn encode_viewer(out: &mut Vec<u8>, request: Bits, time: Option<i64>) {
    let start = out.len();
    out.map(1 + usize::from(time.is_some()));
    out.text("request");
    out.uint(u64::from(request.0));
    if let Some(time) = time {
        out.text("time");
        out.int(time);
    }
    framing::insert_header(out, start, 0);
}

/// A result that a viewer was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewerResult<'a> {
    /// The bits it answers.
    pub request: Bits,
    /// A remark, or why it failed.
    pub message: &'a str,
    /// Whether the request succeeded.
    pub result: bool,
    /// The timestep.
    pub time: i64,
    /// The flow state of its session, where the result says it; else empty.
    pub state: &'a str,
    /// The viewer's own id, where it is in no session.
    pub viewer: Option<i64>,
    /// The record map, for [`super::replay::Record::read`] or [`Value::decode`]; empty when there is none.
    pub record: &'a [u8],
}

/// Reads the body of a result that a viewer was sent. Keys that are absent or nil count as 0, empty and false.
///
/// # Errors
/// [`Error::Malformed`] when it is not one map, [`Error::BadField`] when a value has the wrong type.
pub fn decode_viewer(body: &[u8]) -> Result<ViewerResult<'_>, Error> {
    let mut found =
        ViewerResult { request: Bits::NONE, message: "", result: false, time: 0, state: "", viewer: None, record: &[] };
    let mut reader = Reader::new(body);
    let is_map = reader.fields(|key, value| {
        match key {
            b"request" => {
                let bits = value.int().map_err(|error| error.in_field("request"))?.unwrap_or(0);
                let fits = u32::try_from(bits);
                found.request =
                    Bits(fits.map_err(|_| Error::BadField { field: "request", problem: "has bits out of range" })?);
            }
            b"message" => found.message = value.text().map_err(|error| error.in_field("message"))?.unwrap_or(""),
            b"result" => found.result = value.bool().map_err(|error| error.in_field("result"))?.unwrap_or(false),
            b"viewer" => found.viewer = value.int().map_err(|error| error.in_field("viewer"))?,
            b"state" => found.state = value.text().map_err(|error| error.in_field("state"))?.unwrap_or(""),
            b"time" => found.time = value.int().map_err(|error| error.in_field("time"))?.unwrap_or(0),
            b"record" => found.record = Some(value.span()?).filter(|span| *span != [0xc0]).unwrap_or(&[]),
            _ => value.skip()?,
        }
        Ok(())
    })?;
    if !is_map {
        return Err(Error::Malformed("is not a map"));
    }
    if reader.is_empty() { Ok(found) } else { Err(Error::Malformed("has bytes behind the result")) }
}

/// Any MsgPack value, owned. Its `Display` is JSON but for floats without a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Nil,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer above `i64::MAX`.
    Huge(u64),
    /// A float.
    Float(f64),
    /// Text; bytes that are not UTF-8 are replaced.
    Text(String),
    /// A list.
    Array(Vec<Self>),
    /// Pairs in the order they came.
    Map(Vec<(Self, Self)>),
}

impl Value {
    /// Decodes `bytes`, which must be one value.
    ///
    /// # Errors
    /// [`Error::Malformed`] when they are not, [`Error::BadField`] when there are more than [`PRINTED_VALUES_MAX`] values.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Self::read(&mut Reader::new(bytes))
    }

    /// The value of a key, when this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) => {
                pairs.iter().find(|(name, _)| matches!(name, Self::Text(text) if text == key)).map(|(_, value)| value)
            }
            Self::Nil
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Huge(_)
            | Self::Float(_)
            | Self::Text(_)
            | Self::Array(_) => None,
        }
    }

    /// Reads the last value `reader` has.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut whole = *reader;
        whole.skip()?;
        if !whole.is_empty() {
            return Err(Error::Malformed("has bytes behind the value"));
        }
        // The skip has held the depth to its bound, so the recursion is as bounded.
        let mut budget = PRINTED_VALUES_MAX;
        Self::nested(reader, &mut budget)
    }

    fn nested(reader: &mut Reader<'_>, budget: &mut usize) -> Result<Self, Error> {
        *budget = budget.checked_sub(1).ok_or(Error::BadField { field: "record", problem: "has too many values" })?;
        Ok(match reader.pull()? {
            Token::Nil => Self::Nil,
            Token::Bool(value) => Self::Bool(value),
            Token::Int(value) => Self::Int(value),
            Token::Huge(value) => Self::Huge(value),
            Token::Float(value) => Self::Float(value),
            Token::Text(bytes) | Token::Ext(bytes) => Self::Text(String::from_utf8_lossy(bytes).into_owned()),
            Token::Array(len) => {
                let mut items = Vec::new();
                for _ in 0..len {
                    items.push(Self::nested(reader, budget)?);
                }
                Self::Array(items)
            }
            Token::Map(len) => {
                let mut pairs = Vec::new();
                for _ in 0..len {
                    let key = Self::nested(reader, budget)?;
                    pairs.push((key, Self::nested(reader, budget)?));
                }
                Self::Map(pairs)
            }
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Huge(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(text) => quoted(f, text),
            Self::Array(items) => {
                f.write_str("[")?;
                for (nth, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if nth == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Map(pairs) => {
                f.write_str("{")?;
                for (nth, (key, value)) in pairs.iter().enumerate() {
                    f.write_str(if nth == 0 { "" } else { ", " })?;
                    // JSON has no keys but text.
                    if let Self::Text(text) = key {
                        quoted(f, text)?;
                    } else {
                        quoted(f, &key.to_string())?;
                    }
                    write!(f, ": {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing::hex;

    #[test]
    fn a_viewer_request_is_one_map_behind_a_long_header() {
        let mut out = Vec::new();
        encode_viewer(&mut out, Bits::ACTION | Bits::UPDATE, None);
        assert_eq!(out, hex("cd000a 81 a772657175657374 0c"));
        out.clear();
        encode_viewer(&mut out, Bits::NONE, Some(5));
        assert_eq!(out, hex("cd0010 82 a772657175657374 00 a474696d65 05"));
    }

    #[test]
    fn values_print_as_json_and_do_not_pass_control_characters_on() {
        let bytes =
            hex("86 a161 93c0c3ff a3220a1b cb3ff8000000000000 05 80 a162 c4024142 a163 cfffffffffffffffff a164 90");
        let value = Value::decode(&bytes).unwrap();
        let text = "{\"a\": [null, true, -1], \"\\\"\\n\\u001b\": 1.5, \"5\": {}, \"b\": \"AB\", \"c\": 18446744073709551615, \"d\": []}";
        assert_eq!(value.to_string(), text);
        assert_eq!(value.get("b"), Some(&Value::Text("AB".to_owned())));
        assert_eq!((value.get("e"), Value::Nil.get("a")), (None, None));
    }

    #[test]
    fn what_is_no_control_result_is_refused() {
        for body in
            ["", "80", "92c0c3", "9201c0", "9201", "92010180", "01c38080", "9201c380 80", "929292 01c380", "9201c3c1"]
        {
            assert!(decode_control(&hex(body)).is_err(), "{body}");
        }
        assert_eq!(decode_control(&hex("9201c2")), Ok(ControlResult { id: 1, ok: false, data: Value::Nil }));
    }

    #[test]
    fn what_is_no_viewer_result_is_refused_and_nil_counts_as_absent() {
        for body in [
            "",
            "c0",
            "90",
            "8080",
            "81a772657175657374ff",
            "81a474696d65a0",
            "81a6726573756c7400",
            "81a76d65737361676500",
        ] {
            assert!(decode_viewer(&hex(body)).is_err(), "{body}");
        }
        let empty = ViewerResult {
            request: Bits::NONE,
            message: "",
            result: false,
            time: 0,
            state: "",
            viewer: None,
            record: &[],
        };
        assert_eq!(decode_viewer(&hex("82 a67265636f7264 c0 a474696d65 c0")), Ok(empty));
    }
}
