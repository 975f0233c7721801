//! The viewer door: requests `{request, time}` in, results `{request, message, result, time, record}` out.
//!
//! Owns the bits of a request and the framing of a result around sections. Must not know sessions or what a viewer was sent before.
//!
//! A result is never encoded per viewer. [`write_prelude`] makes its few first bytes, length header included, and the sections
//! follow as they are: the record is the last pair of the result and the sections are the last pairs of the record.
//!
//! What the document leaves open, as settled here: `time` in a request asks for one logged step when it is 1 or more; absent, nil, 0
//! and negative are no such wish. `record` is always there, and has no more than its `time` when nothing was selected or something
//! failed; but for the initial result of a provider that has ended by an error, which has `result` false, the reason, and what it showed
//! last. `time` of result and record are the same. `message` is empty text when all is well.

use core::ops::BitOr;

use super::Error;
use super::framing;
use super::pack::Pack;
use super::section::record_head;
use super::value::Reader;

/// The bits of a request: what a viewer wants to happen and to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits(pub u32);

impl Bits {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Join: an initial result is due.
    pub const OPEN: Self = Self(1);
    /// Leave the session.
    pub const CLOSE: Self = Self(1 << 1);
    /// Send commands.
    pub const ACTION: Self = Self(1 << 2);
    /// Send changes.
    pub const UPDATE: Self = Self(1 << 3);
    /// Send the world, each step while selected.
    pub const WORLD: Self = Self(1 << 4);
    /// Send perceptions.
    pub const PERCEPTION: Self = Self(1 << 5);
    /// Send the config, with the next result and each initial one.
    pub const CONFIG: Self = Self(1 << 6);
    /// Send the map, with the next result and each initial one.
    pub const MAP: Self = Self(1 << 7);

    /// Every bit, its name, and what it asks for.
    pub const NAMED: [(Self, &str, &str); 8] = [
        (Self::OPEN, "OPEN", "to join: an initial result is due"),
        (Self::CLOSE, "CLOSE", "to leave the session"),
        (Self::ACTION, "ACTION", "commands of each timestep"),
        (Self::UPDATE, "UPDATE", "changes of each timestep"),
        (Self::WORLD, "WORLD", "the world, with each timestep while it is selected"),
        (Self::PERCEPTION, "PERCEPTION", "what agents saw and heard in each timestep"),
        (Self::CONFIG, "CONFIG", "the configuration, with the next result and each initial one"),
        (Self::MAP, "MAP", "the map, with the next result and each initial one"),
    ];

    /// True when every bit of `other` is set here.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These bits without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Bits {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a viewer asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewerRequest {
    /// The bits. Without [`Bits::OPEN`] or [`Bits::CLOSE`] this is a new selection. Bits with no meaning are kept.
    pub request: Bits,
    /// The logged step that is asked for, 1 or more. It leaves the selection as it is.
    pub time: Option<i64>,
}

/// Reads the body of a viewer's request.
///
/// # Errors
/// [`Error::Malformed`] when it is not one map; [`Error::BadArgument`] when `request` or `time` is not a fitting integer.
pub fn decode(body: &[u8]) -> Result<ViewerRequest, Error> {
    let mut whole = Reader::new(body);
    whole.skip()?;
    if !whole.is_empty() {
        return Err(Error::Malformed("has bytes behind the request"));
    }
    let (mut request, mut time) = (0, 0);
    let is_map = Reader::new(body).fields(|key, value| match key {
        b"request" => value.int().map(|bits| request = bits.unwrap_or(0)).map_err(|error| error.in_argument("request")),
        b"time" => value.int().map(|step| time = step.unwrap_or(0)).map_err(|error| error.in_argument("time")),
        _ => value.skip(),
    })?;
    if !is_map {
        return Err(Error::Malformed("is not a map"));
    }
    let bits = u32::try_from(request)
        .map_err(|_| Error::BadArgument { argument: "request", problem: "has bits out of range" })?;
    Ok(ViewerRequest { request: Bits(bits), time: Some(time).filter(|time| *time >= 1) })
}

/// What a result says of itself, beside its sections.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The bits this result answers, OPEN and CLOSE included.
    pub request: Bits,
    /// Why it failed, or a remark; empty when there is nothing to say.
    pub message: &'a str,
    /// Whether the request succeeded.
    pub result: bool,
    /// The timestep of the record, or the one that was asked for in vain.
    pub time: i64,
}

/// Appends the length header and all of a result up to its sections, which must follow as they are. Empty sections are not
/// counted, so one that is not selected can be given as `&[]`. Says how many bytes the whole result takes.
pub fn write_prelude(out: &mut Vec<u8>, head: Head<'_>, sections: &[&[u8]]) -> usize {
    prelude(out, head, Beside::default(), sections)
}

/// What a result says beside the keys of the document.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// The flow state of the viewer's session, as `state`, unless it is empty.
    pub state: &'a str,
    /// The viewer's own id, as `viewer`: by it a controller connects it, and it has no other way to learn it where it cannot see its own address.
    pub viewer: Option<i64>,
}

fn prelude(out: &mut Vec<u8>, head: Head<'_>, beside: Beside<'_>, sections: &[&[u8]]) -> usize {
    let start = out.len();
    let Beside { state, viewer } = beside;
    // The header depends on the length of what comes behind it, and the prelude's own is known only once it is written.
    out.map(5 + usize::from(!state.is_empty()) + usize::from(viewer.is_some()));
    if !state.is_empty() {
        out.text("state");
        out.text(state);
    }
    if let Some(viewer) = viewer {
        out.text("viewer");
        out.int(viewer);
    }
    out.text("request");
    out.uint(u64::from(head.request.0));
    out.text("message");
    out.text(head.message);
    out.text("result");
    out.bool(head.result);
    out.text("time");
    out.int(head.time);
    out.text("record");
    record_head(out, head.time, sections.iter().filter(|section| !section.is_empty()).count());
    let shared: usize = sections.iter().map(|section| section.len()).sum();
    framing::insert_header(out, start, shared);
    out.len() - start + shared
}

/// Appends a whole result, sections copied in. Says how many bytes it takes.
pub fn write_result(out: &mut Vec<u8>, head: Head<'_>, sections: &[&[u8]]) -> usize {
    write_result_in(out, head, Beside::default(), sections)
}

/// The same with more than the document has.
pub fn write_result_in(out: &mut Vec<u8>, head: Head<'_>, beside: Beside<'_>, sections: &[&[u8]]) -> usize {
    let whole = prelude(out, head, beside, sections);
    for section in sections {
        out.extend_from_slice(section);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing::hex;

    fn read(body: &str) -> Result<ViewerRequest, Error> {
        decode(&hex(body))
    }

    #[test]
    fn bits_have_the_numbers_of_the_document() {
        let named = [
            Bits::OPEN,
            Bits::CLOSE,
            Bits::ACTION,
            Bits::UPDATE,
            Bits::WORLD,
            Bits::PERCEPTION,
            Bits::CONFIG,
            Bits::MAP,
        ];
        assert_eq!(named.map(|bit| bit.0), [1, 2, 4, 8, 16, 32, 64, 128]);
        assert_eq!(Bits::ACTION | Bits::UPDATE, Bits(12));
        assert!(Bits(13).has(Bits(12)) && !Bits(8).has(Bits(12)) && Bits(8).has(Bits::NONE));
        assert_eq!(Bits(13).without(Bits::OPEN), Bits(12));
    }

    #[test]
    fn requests_are_read_with_keys_in_any_order_and_unknown_ones_passed_over() {
        let wanted = ViewerRequest { request: Bits(12), time: Some(5) };
        assert_eq!(read("82 a772657175657374 0c a474696d65 05"), Ok(wanted));
        assert_eq!(read("82 a474696d65 cd0005 a772657175657374 cf000000000000000c"), Ok(wanted));
        assert_eq!(read("83 a474696d65 05 a178 9180 c40772657175657374 0c"), Ok(wanted));
    }

    #[test]
    fn a_time_that_is_absent_nil_zero_or_negative_asks_for_no_log() {
        let none = Ok(ViewerRequest { request: Bits::OPEN, time: None });
        assert_eq!(read("81 a772657175657374 01"), none);
        for time in ["c0", "00", "ff", "d38000000000000000"] {
            assert_eq!(read(&format!("82 a772657175657374 01 a474696d65 {time}")), none, "{time}");
        }
        assert_eq!(read("81 a474696d65 01"), Ok(ViewerRequest { request: Bits::NONE, time: Some(1) }));
        assert_eq!(read("80"), Ok(ViewerRequest { request: Bits::NONE, time: None }));
        assert_eq!(read("81 a772657175657374 c0"), Ok(ViewerRequest { request: Bits::NONE, time: None }));
    }

    #[test]
    fn what_is_no_request_is_malformed_and_a_wrong_value_is_named() {
        for body in ["", "c0", "90", "920180", "01", "81", "8080", "81a772657175657374", "81a178c1", "dfffffffff"] {
            assert!(matches!(read(body), Err(Error::Malformed(_))), "{body}");
        }
        for value in ["ff", "a131", "cb3ff0000000000000", "cf0000000100000000", "90", "c3"] {
            let refused = read(&format!("81 a772657175657374 {value}"));
            assert!(matches!(refused, Err(Error::BadArgument { argument: "request", .. })), "{value}");
        }
        for value in ["a131", "cb3ff0000000000000", "cfffffffffffffffff", "80"] {
            let refused = read(&format!("82 a772657175657374 01 a474696d65 {value}"));
            assert!(matches!(refused, Err(Error::BadArgument { argument: "time", .. })), "{value}");
        }
    }
}
