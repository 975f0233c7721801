//! The 64-byte greeting: signature, version, mechanism, as-server flag, filler.
//!
//! It may arrive one byte at a time, so [`check`] judges any prefix and refuses at the first byte that cannot lead to a
//! ZMTP 3 greeting of the wanted mechanism. Our own is sent whole at once: libzmq drips its own and waits for ours.

use super::{Fault, Mechanism};
use crate::limits::GREETING_BYTES;

const SIGNATURE_FIRST: usize = 0;
const SIGNATURE_LAST: usize = 9;
const MAJOR: usize = 10;
const MINOR: usize = 11;
const MECHANISM: core::ops::Range<usize> = BEFORE_MECHANISM..BEFORE_MECHANISM + MECHANISM_BYTES;
/// Bytes in front of the mechanism: they say nothing of it, and may be sent before it is chosen.
pub const BEFORE_MECHANISM: usize = 12;
/// Bytes of its name, with zeros behind it.
pub const MECHANISM_BYTES: usize = 20;
const AS_SERVER: usize = 32;

/// Our greeting: version 3.1 with `mechanism`, whose name has at most 20 bytes.
#[must_use]
pub fn ours(mechanism: &str, as_server: bool) -> [u8; GREETING_BYTES] {
    let name = mechanism.as_bytes();
    core::array::from_fn(|at| match at {
        SIGNATURE_FIRST => 0xff,
        SIGNATURE_LAST => 0x7f,
        MAJOR => 3,
        MINOR => 1,
        AS_SERVER => u8::from(as_server),
        _ if MECHANISM.contains(&at) => name.get(at - MECHANISM.start).copied().unwrap_or(0),
        _ => 0,
    })
}

/// The name of a mechanism as it stands in a greeting.
#[must_use]
pub fn padded(mechanism: &str) -> [u8; MECHANISM_BYTES] {
    let name = mechanism.as_bytes();
    core::array::from_fn(|at| name.get(at).copied().unwrap_or(0))
}

/// The mechanism that is named in the first bytes of a connection, once it is whole.
#[must_use]
pub fn mechanism(bytes: &[u8]) -> Option<&[u8; MECHANISM_BYTES]> {
    bytes.get(MECHANISM)?.try_into().ok()
}

/// Judges the first bytes of a connection.
///
/// `Ok(None)`: a good beginning, more is needed. `Ok(Some(minor))`: a whole greeting, with the minor version to speak:
/// 0 for ZMTP 3.0, 1 for everything newer.
///
/// # Errors
/// The [`Fault`] that the bytes show, as early as one byte can show it.
pub fn check(bytes: &[u8], mechanism: &str) -> Result<Option<u8>, Fault> {
    let minor = check_version(bytes)?;
    let named = bytes.get(..MECHANISM.end).unwrap_or(bytes).get(MECHANISM.start..).unwrap_or_default();
    if padded(mechanism).starts_with(named) {
        return Ok(minor);
    }
    let of_name = |name: &[u8]| Mechanism::ALL.into_iter().find(|one| padded(one.name()) == *name);
    Err(match (of_name(named), of_name(&padded(mechanism))) {
        (Some(theirs), Some(ours)) => Fault::Wanted { theirs, ours },
        _ => Fault::Mechanism,
    })
}

/// The same, whatever mechanism is named.
///
/// # Errors
/// As for [`check`].
pub fn check_version(bytes: &[u8]) -> Result<Option<u8>, Fault> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    match first {
        0xff => {}
        0x16 => return Err(Fault::Tls),
        // "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", HTTP/2's "PRI".
        b'G' | b'P' | b'H' | b'D' | b'O' | b'C' | b'T' => return Err(Fault::Http),
        b'S' => return Err(Fault::Ssh),
        // The short header of ZMTP 1.0 is the length of an identity frame, flags included.
        1..=0x0f => return Err(Fault::Version1),
        _ => return Err(Fault::NotZmtp),
    }
    if let Some(&last) = bytes.get(SIGNATURE_LAST)
        && last & 1 == 0
    {
        return Err(Fault::Version1);
    }
    if let Some(&major) = bytes.get(MAJOR)
        && major < 3
    {
        return Err(Fault::Version2);
    }
    match (bytes.get(MAJOR), bytes.get(MINOR), bytes.len() >= GREETING_BYTES) {
        (Some(3), Some(0), true) => Ok(Some(0)),
        (_, _, true) => Ok(Some(1)),
        (_, _, false) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_of_a_good_greeting_asks_for_more() {
        let whole = ours("NULL", false);
        for n in 0..GREETING_BYTES {
            assert_eq!(check(&whole[..n], "NULL"), Ok(None), "{n} bytes");
        }
        assert_eq!(check(&whole, "NULL"), Ok(Some(1)));
    }

    #[test]
    fn minor_versions() {
        let mut whole = ours("NULL", true);
        whole[11] = 0;
        assert_eq!(check(&whole, "NULL"), Ok(Some(0)));
        whole[10] = 4;
        assert_eq!(check(&whole, "NULL"), Ok(Some(1)), "newer majors are spoken to as 3.1");
    }

    #[test]
    fn libzmq_padding_and_filler_are_not_checked() {
        let mut whole = ours("NULL", false);
        whole[8] = 4;
        whole[40] = 9;
        assert_eq!(check(&whole, "NULL"), Ok(Some(1)));
    }

    #[test]
    fn other_protocols_are_named_at_their_first_telling_byte() {
        assert_eq!(check(b"G", "NULL"), Err(Fault::Http));
        assert_eq!(check(b"SSH-2.0", "NULL"), Err(Fault::Ssh));
        assert_eq!(check(&[0x16, 3, 1], "NULL"), Err(Fault::Tls));
        assert_eq!(check(&[0x01, 0], "NULL"), Err(Fault::Version1));
        assert_eq!(check(&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0], "NULL"), Err(Fault::Version1));
        assert_eq!(check(&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1], "NULL"), Err(Fault::Version2));
        assert_eq!(check(&[0x80], "NULL"), Err(Fault::NotZmtp));
    }

    #[test]
    fn mechanisms_match_in_all_twenty_bytes() {
        let plain = Fault::Wanted { theirs: Mechanism::Plain, ours: Mechanism::Null };
        for (name, judged) in [("PLAIN", Err(plain)), ("null", Err(Fault::Mechanism))] {
            assert_eq!(check(&ours(name, false), "NULL"), judged);
        }
        let mut tail = ours("NULL", false);
        tail[17] = b'X';
        assert_eq!(check(&tail, "NULL"), Err(Fault::Mechanism));
    }
}
