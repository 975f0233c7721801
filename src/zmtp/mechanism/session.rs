//! Messages of a CURVE link: frames are sealed and opened one by one, each under the next number.
//!
//! What is not sealed looks like the frames of a link without security: the same flags, the same sizes. So all else that is done with
//! messages knows nothing of this.

use super::seal::{MAC_BYTES, Mac, Shared, Stream};
use crate::limits::SEALED_LENT_BYTES_MIN;
use crate::zmtp::Fault;
use crate::zmtp::frame::{self, COMMAND, LONG, LONG_HEAD, MORE};

const MESSAGE: &[u8; 8] = b"\x07MESSAGE";
/// Bytes before what is sealed, in the body of a frame: the name of the command, the number, and what tells whether the box is whole.
const FRONT_BYTES: usize = MESSAGE.len() + 8 + MAC_BYTES;
/// Bytes that the body of a sealed frame is longer than that of the frame in it, whose flags are the last of these.
pub const OVERHEAD: usize = FRONT_BYTES + 1;
/// Flags inside a box.
const INNER_MORE: u8 = 1;
const INNER_COMMAND: u8 = 2;
/// Numbers that may be left out: none, or else whoever is in between could take frames out unseen.
const SKIPPED_MAX: u64 = 0;
/// No number comes behind this one.
const LAST_NUMBER: u64 = u64::MAX - 1;

/// Both directions of a link.
#[derive(Debug)]
pub struct Session {
    /// What we say.
    pub sealer: Sealer,
    /// What we hear.
    pub opener: Opener,
}

impl Session {
    fn new(key: &Shared, said: (&'static [u8; 16], u64), heard: (&'static [u8; 16], u64)) -> Self {
        Self {
            sealer: Sealer { stream: key.stream(said.0), last: said.1 },
            opener: Opener { stream: key.stream(heard.0), last: heard.1 },
        }
    }

    /// That of a server. `said` and `heard` are the last numbers of the handshake.
    pub(super) fn of_server(key: &Shared, said: u64, heard: u64) -> Self {
        Self::new(key, (b"CurveZMQMESSAGES", said), (b"CurveZMQMESSAGEC", heard))
    }

    /// That of a client.
    pub(super) fn of_client(key: &Shared, said: u64, heard: u64) -> Self {
        Self::new(key, (b"CurveZMQMESSAGEC", said), (b"CurveZMQMESSAGES", heard))
    }
}

/// Bytes of a sealed frame with its header, by those of the body of the frame in it.
#[must_use]
pub const fn sealed_bytes(body: usize) -> usize {
    let sealed = body.saturating_add(OVERHEAD);
    sealed.saturating_add(if sealed <= 255 { frame::SHORT_HEAD } else { LONG_HEAD })
}

/// The same the other way round: bytes of a frame in the box, by those of the body of a sealed one.
#[must_use]
pub const fn opened_bytes(sealed: usize) -> usize {
    let body = sealed.saturating_sub(OVERHEAD);
    body.saturating_add(if body <= 255 { frame::SHORT_HEAD } else { LONG_HEAD })
}

/// What seals.
#[derive(Debug)]
pub struct Sealer {
    stream: Stream,
    last: u64,
}

/// What became of an attempt to seal a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// `clear` bytes were taken from the front, and `sealed` bytes were put out.
    Frame {
        /// Bytes of the frame.
        clear: usize,
        /// Bytes of the sealed one.
        sealed: usize,
    },
    /// There is no whole frame at the front, or not so many bytes of room for it as this.
    NoRoom(usize),
    /// There is no number left for it.
    OutOfNumbers,
}

impl Sealer {
    /// Seals the frame at the front of `clear`, which lies in two pieces, and puts it at the front of `out`.
    #[inline]
    pub fn seal(&mut self, clear: [&[u8]; 2], out: &mut [u8]) -> Sealed {
        let [first, second] = clear;
        // Most frames lie in one piece; a header that does not is put together.
        let mut turned = [0; LONG_HEAD];
        let head = match frame::head(first) {
            Ok(head) => head,
            Err(_) => {
                let bytes = first.iter().chain(second).copied();
                turned.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
                let Some(head) = turned
                    .get(..(first.len() + second.len()).min(LONG_HEAD))
                    .and_then(|turned| frame::head(turned).ok())
                else {
                    return Sealed::NoRoom(0);
                };
                head
            }
        };
        self.seal_copied(head, clear, out)
    }

    /// The same of a frame with this header.
    #[inline(always)]
    fn seal_copied(&mut self, head: frame::Head, [first, second]: [&[u8]; 2], out: &mut [u8]) -> Sealed {
        let place = match self.place(head, first.len() + second.len(), out) {
            Ok(place) => place,
            Err(why) => return why,
        };
        if let Some((flags, body)) = place.text.split_first_mut() {
            *flags = inner_flags(head.flags);
            copy(first, second, head.bytes, body);
        }
        place.mac.copy_from_slice(&self.stream.seal(self.last, place.text));
        Sealed::Frame { clear: place.clear, sealed: place.sealed }
    }

    /// The same where what is sealed may be written to, so that a large frame need not be copied first. It is left as it was.
    #[inline]
    pub fn seal_lent(&mut self, clear: [&mut [u8]; 2], out: &mut [u8]) -> Sealed {
        let [first, second] = clear;
        let Ok(head) = frame::head(first) else { return self.seal([first, second], out) };
        if head.body < SEALED_LENT_BYTES_MIN as u64 {
            return self.seal_copied(head, [first, second], out);
        }
        // The flags that are sealed belong before the body, where the last byte of the header lies.
        let whole = usize::try_from(head.body).unwrap_or(usize::MAX).saturating_add(head.bytes);
        let Some(text) = first.get_mut(head.bytes - 1..whole) else { return self.seal([first, second], out) };
        let place = match self.place(head, whole, out) {
            Ok(place) => place,
            Err(why) => return why,
        };
        let last = text.first_mut().map(|last| core::mem::replace(last, inner_flags(head.flags)));
        place.mac.copy_from_slice(&self.stream.seal_from(self.last, text, place.text));
        if let Some((place, last)) = text.first_mut().zip(last) {
            *place = last;
        }
        Sealed::Frame { clear: place.clear, sealed: place.sealed }
    }

    /// Takes a number for a frame with this header, of which so many bytes are there, and writes at the front of `out` what comes before the box.
    #[inline(always)]
    fn place<'a>(&mut self, head: frame::Head, there: usize, out: &'a mut [u8]) -> Result<Place<'a>, Sealed> {
        let body = usize::try_from(head.body).map_err(|_| Sealed::NoRoom(0))?;
        let clear = head.bytes.saturating_add(body);
        if clear > there {
            return Err(Sealed::NoRoom(0));
        }
        let sealed = sealed_bytes(body);
        let place = out.get_mut(..sealed).ok_or(Sealed::NoRoom(sealed))?;
        if self.last >= LAST_NUMBER {
            return Err(Sealed::OutOfNumbers);
        }
        self.last += 1;
        let outer = frame::write_head_at(place, body + OVERHEAD);
        let (front, text) = place
            .get_mut(outer..)
            .and_then(|rest| rest.split_at_mut_checked(FRONT_BYTES))
            .ok_or(Sealed::NoRoom(sealed))?;
        let (name, rest) = front.split_at_mut(MESSAGE.len());
        let (number, mac) = rest.split_at_mut(8);
        name.copy_from_slice(MESSAGE);
        number.copy_from_slice(&self.last.to_be_bytes());
        Ok(Place { clear, sealed, mac, text })
    }
}

/// Where a sealed frame comes to lie.
struct Place<'a> {
    /// Bytes of the frame.
    clear: usize,
    /// Bytes of the sealed one.
    sealed: usize,
    mac: &'a mut [u8],
    /// Of what is in the box.
    text: &'a mut [u8],
}

/// The flags inside a box, by those of the frame in it.
#[inline(always)]
const fn inner_flags(flags: u8) -> u8 {
    let command = if flags & COMMAND == 0 { 0 } else { INNER_COMMAND };
    command | if flags & MORE == 0 { 0 } else { INNER_MORE }
}

/// Copies what lies `at` bytes behind the front of two slices.
#[inline(always)]
fn copy(first: &[u8], second: &[u8], at: usize, place: &mut [u8]) {
    if let Some(bytes) = first.get(at..at + place.len()) {
        place.copy_from_slice(bytes);
        return;
    }
    let (front, rest) = match first.get(at..) {
        Some(front) => (front, second),
        None => (&[][..], second.get(at - first.len()..).unwrap_or_default()),
    };
    let (a, b) = place.split_at_mut(front.len().min(place.len()));
    a.copy_from_slice(front);
    if let Some(rest) = rest.get(..b.len()) {
        b.copy_from_slice(rest);
    }
}

/// What opens.
#[derive(Debug)]
pub struct Opener {
    stream: Stream,
    last: u64,
}

/// A sealed frame at the front of what has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// At least so many bytes are missing.
    Need(usize),
    /// A whole one of so many bytes, header and body.
    Whole {
        /// Bytes of its header.
        head: usize,
        /// Bytes of its body.
        body: usize,
    },
}

/// Judges the sealed frame at the front of `raw`, before a byte of its body is there. What is in it may have so many bytes.
///
/// # Errors
/// The flags are not those of a message, or there would be too much in it, or nothing.
#[inline]
pub fn heard(raw: &[u8], frame_bytes_max: u64) -> Result<Heard, Fault> {
    if raw.first().is_some_and(|flags| flags & !LONG != 0) {
        return Err(Fault::NotSealed);
    }
    let head = match frame::head(raw) {
        Ok(head) => head,
        Err(missing) => return Ok(Heard::Need(missing)),
    };
    if head.body < OVERHEAD as u64 {
        return Err(Fault::NotSealed);
    }
    if head.body > frame_bytes_max.saturating_add(OVERHEAD as u64) {
        return Err(Fault::FrameTooLarge);
    }
    let body = usize::try_from(head.body).map_err(|_| Fault::FrameTooLarge)?;
    let whole = head.bytes.saturating_add(body);
    if raw.len() < whole {
        // Even a part of it shows what it is.
        let name = raw.get(head.bytes..).unwrap_or_default();
        let is_message = MESSAGE.starts_with(name.get(..MESSAGE.len()).unwrap_or(name));
        return if is_message { Ok(Heard::Need(whole - raw.len())) } else { Err(Fault::NotSealed) };
    }
    Ok(Heard::Whole { head: head.bytes, body })
}

impl Opener {
    /// The parts of a sealed frame's body, if its number is the next one.
    #[inline(always)]
    fn parts<'a>(&self, body: &'a [u8]) -> Result<(u64, &'a Mac, &'a [u8]), Fault> {
        let parts = (|| {
            let (number, rest) = body.strip_prefix(MESSAGE)?.split_first_chunk::<8>()?;
            let (mac, sealed) = rest.split_first_chunk::<MAC_BYTES>()?;
            Some((u64::from_be_bytes(*number), mac, sealed))
        })();
        let (n, mac, sealed) = parts.ok_or(Fault::NotSealed)?;
        if n <= self.last || n - self.last > SKIPPED_MAX + 1 || n > LAST_NUMBER {
            return Err(Fault::SealNumber);
        }
        Ok((n, mac, sealed))
    }

    /// Opens the body of a sealed frame and puts the frame that was in it at the front of `out`; answers how many bytes that has, and nothing
    /// where there is no room for it.
    ///
    /// # Errors
    /// It has not been sealed for us, or is not the next one, or what is in it is no frame.
    #[inline]
    pub fn open(&mut self, body: &[u8], out: &mut [u8]) -> Result<Option<usize>, Fault> {
        let (n, mac, sealed) = self.parts(body)?;
        let len = opened_bytes(body.len());
        let Some(place) = out.get_mut(..len) else { return Ok(None) };
        let head = len + 1 - sealed.len();
        // The flags come to lie on the last byte of the header, which is written over them.
        let Some(text) = place.get_mut(head - 1..) else { return Ok(None) };
        if !self.stream.open(n, mac, sealed, text) {
            return Err(Fault::Seal);
        }
        self.last = n;
        write_opened_head(place)?;
        Ok(Some(len))
    }

    /// The same where it lies: `raw` is a whole sealed frame, header and body. Answers where in it the frame lies that was sealed.
    ///
    /// # Errors
    /// As for [`Opener::open`].
    pub fn open_in_place(&mut self, raw: &mut [u8], head: usize) -> Result<core::ops::Range<usize>, Fault> {
        let (n, mac, sealed) = self.parts(raw.get(head..).unwrap_or_default())?;
        let (mac, sealed) = (*mac, raw.len() - sealed.len());
        let text = raw.get_mut(sealed..).unwrap_or_default();
        if !self.stream.open_in_place(n, &mac, text) {
            return Err(Fault::Seal);
        }
        self.last = n;
        let start = raw.len() - opened_bytes(raw.len() - head);
        write_opened_head(raw.get_mut(start..).unwrap_or_default())?;
        Ok(start..raw.len())
    }
}

/// Writes the header of a frame of which all is there but that, and whose flags, as they were sealed, lie on the header's last byte.
#[inline(always)]
fn write_opened_head(place: &mut [u8]) -> Result<(), Fault> {
    let head = if place.len() <= 255 + frame::SHORT_HEAD { frame::SHORT_HEAD } else { LONG_HEAD };
    let inner = place.get(head - 1).copied().ok_or(Fault::InnerFlags)?;
    let flags = match inner {
        0 => 0,
        INNER_MORE => MORE,
        INNER_COMMAND => COMMAND,
        _ => return Err(Fault::InnerFlags),
    };
    let body = place.len() - head;
    frame::write_head_at(place, body);
    if let Some(first) = place.first_mut() {
        *first |= flags;
    }
    Ok(())
}
