//! A pull reader over MsgPack bytes: one token at a time, borrowed, with no allocation and no recursion.
//!
//! Owns the reading of single values and the skipping of whole ones. Must not know what any message means.
//!
//! MsgPack in short: a marker byte gives the type and, for small values, the value or length; the rest follows in
//! big-endian order. An array of n is followed by n values, a map of n by n keys each with its value. Old writers used
//! `str` for raw bytes and some bindings write text as `bin`, so both are one kind of token here.

use rmp::Marker;

use super::Error;
use crate::limits::MSGPACK_DEPTH_MAX;

/// What a value that ends before its own end is reported as.
pub(super) const ENDS_EARLY: &str = "ends in the middle of a value";

/// One step of reading: a scalar with its content, or the head of an array or map whose items come next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// Nothing.
    Nil,
    /// True or false.
    Bool(bool),
    /// Any integer that fits, whatever width it was written in.
    Int(i64),
    /// An integer above `i64::MAX`.
    Huge(u64),
    /// A float of either width.
    Float(f64),
    /// The bytes of a `str` or a `bin`; not checked to be UTF-8.
    Text(&'a [u8]),
    /// The head of an array: this many values follow.
    Array(u32),
    /// The head of a map: this many pairs follow.
    Map(u32),
    /// The content of an extension value, whose meaning no message of ours gives.
    Ext(&'a [u8]),
}

impl Token<'_> {
    /// How many values follow that belong to this one.
    fn children(self) -> u64 {
        match self {
            Self::Array(n) => u64::from(n),
            Self::Map(n) => 2 * u64::from(n),
            Self::Nil
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Huge(_)
            | Self::Float(_)
            | Self::Text(_)
            | Self::Ext(_) => 0,
        }
    }
}

/// A cursor over MsgPack bytes. Copying it is cheap and gives an independent cursor.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// True when everything has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next token, or `None` while the bytes do not hold all of it; then nothing is consumed.
    ///
    /// # Errors
    /// [`Error::Malformed`] for the one marker byte that MsgPack reserves.
    pub fn token(&mut self) -> Result<Option<Token<'a>>, Error> {
        let mut bytes = Cursor { rest: self.rest };
        let token = bytes.token()?;
        if token.is_some() {
            self.rest = bytes.rest;
        }
        Ok(token)
    }

    /// The next token.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the bytes end first or hold the reserved marker.
    pub fn pull(&mut self) -> Result<Token<'a>, Error> {
        self.token()?.ok_or(Error::Malformed(ENDS_EARLY))
    }

    /// The next token, which stays to be read.
    ///
    /// # Errors
    /// As [`Reader::pull`].
    pub fn peek(&self) -> Result<Token<'a>, Error> {
        let mut ahead = *self;
        ahead.pull()
    }

    /// Skips one whole value, whatever it holds.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it ends early, nests deeper than [`MSGPACK_DEPTH_MAX`] or is no MsgPack.
    pub fn skip(&mut self) -> Result<(), Error> {
        self.span().map(|_| ())
    }

    /// Skips one whole value and gives its bytes.
    ///
    /// # Errors
    /// As [`Reader::skip`].
    pub fn span(&mut self) -> Result<&'a [u8], Error> {
        let mut ahead = *self;
        let len = if ahead.pull()?.children() == 0 {
            self.rest.len() - ahead.rest.len()
        } else {
            Skim::new().run(self.rest)?.ok_or(Error::Malformed(ENDS_EARLY))?
        };
        let (value, rest) = self.rest.split_at_checked(len).ok_or(Error::Malformed(ENDS_EARLY))?;
        self.rest = rest;
        Ok(value)
    }

    /// An integer, or `None` for nil.
    ///
    /// # Errors
    /// [`Error::Malformed`] for any other value, which is consumed only up to its head.
    pub fn int(&mut self) -> Result<Option<i64>, Error> {
        match self.pull()? {
            Token::Nil => Ok(None),
            Token::Int(value) => Ok(Some(value)),
            Token::Huge(_) => Err(Error::Malformed("is too large")),
            Token::Bool(_) | Token::Float(_) | Token::Text(_) | Token::Array(_) | Token::Map(_) | Token::Ext(_) => {
                Err(Error::Malformed("is not an integer"))
            }
        }
    }

    /// An integer of 32 bits, which every id and coordinate of a simulation is, or `None` for nil.
    ///
    /// # Errors
    /// [`Error::Malformed`] for any other value.
    pub fn int32(&mut self) -> Result<Option<i32>, Error> {
        let narrow = |wide| i32::try_from(wide).map_err(|_| Error::Malformed("does not fit 32 bits"));
        self.int()?.map(narrow).transpose()
    }

    /// A float, or an integer of 32 bits taken as one, or `None` for nil.
    ///
    /// # Errors
    /// [`Error::Malformed`] for any other value.
    pub fn number(&mut self) -> Result<Option<f64>, Error> {
        if let Token::Float(value) = self.peek()? {
            self.pull()?;
            return Ok(Some(value));
        }
        Ok(self.int32()?.map(f64::from))
    }

    /// A boolean, or `None` for nil.
    ///
    /// # Errors
    /// [`Error::Malformed`] for any other value.
    pub fn bool(&mut self) -> Result<Option<bool>, Error> {
        match self.pull()? {
            Token::Nil => Ok(None),
            Token::Bool(value) => Ok(Some(value)),
            Token::Int(_) | Token::Huge(_) | Token::Float(_) | Token::Text(_) => {
                Err(Error::Malformed("is neither true nor false"))
            }
            Token::Array(_) | Token::Map(_) | Token::Ext(_) => Err(Error::Malformed("is neither true nor false")),
        }
    }

    /// UTF-8 text, or `None` for nil.
    ///
    /// # Errors
    /// [`Error::Malformed`] for any other value and for text that is not UTF-8.
    pub fn text(&mut self) -> Result<Option<&'a str>, Error> {
        match self.pull()? {
            Token::Nil => Ok(None),
            Token::Text(bytes) => core::str::from_utf8(bytes).map(Some).map_err(|_| Error::Malformed("is not UTF-8")),
            Token::Bool(_) | Token::Int(_) | Token::Huge(_) | Token::Float(_) => Err(Error::Malformed("is not text")),
            Token::Array(_) | Token::Map(_) | Token::Ext(_) => Err(Error::Malformed("is not text")),
        }
    }

    /// The length of an array, or `None` for nil. The items come next.
    ///
    /// # Errors
    /// [`Error::Malformed`] for any other value.
    pub fn array(&mut self) -> Result<Option<u32>, Error> {
        match self.pull()? {
            Token::Nil => Ok(None),
            Token::Array(len) => Ok(Some(len)),
            Token::Bool(_) | Token::Int(_) | Token::Huge(_) | Token::Float(_) => Err(Error::Malformed("is not a list")),
            Token::Text(_) | Token::Map(_) | Token::Ext(_) => Err(Error::Malformed("is not a list")),
        }
    }

    /// The number of pairs of a map, or `None` for nil. The keys and values come next, in turn.
    ///
    /// # Errors
    /// [`Error::Malformed`] for any other value.
    pub fn map(&mut self) -> Result<Option<u32>, Error> {
        match self.pull()? {
            Token::Nil => Ok(None),
            Token::Map(len) => Ok(Some(len)),
            Token::Bool(_) | Token::Int(_) | Token::Huge(_) | Token::Float(_) => Err(Error::Malformed("is not a map")),
            Token::Text(_) | Token::Array(_) | Token::Ext(_) => Err(Error::Malformed("is not a map")),
        }
    }

    /// The key of the next pair. A key that is not text is consumed and given as `None`: no message of ours has such.
    ///
    /// # Errors
    /// As [`Reader::skip`].
    pub fn key(&mut self) -> Result<Option<&'a [u8]>, Error> {
        if let Token::Text(key) = self.peek()? {
            self.pull()?;
            return Ok(Some(key));
        }
        self.skip()?;
        Ok(None)
    }

    /// Calls `each` for every pair of a map with the cursor at the value, of which it must read exactly one. Pairs whose key
    /// is not text are skipped. False when there was nil in place of a map.
    ///
    /// # Errors
    /// What `each` says, and [`Error::Malformed`] when there is no map.
    pub fn fields(&mut self, mut each: impl FnMut(&'a [u8], &mut Self) -> Result<(), Error>) -> Result<bool, Error> {
        let Some(pairs) = self.map()? else {
            return Ok(false);
        };
        for _ in 0..pairs {
            match self.key()? {
                Some(key) => each(key, self)?,
                None => self.skip()?,
            }
        }
        Ok(true)
    }
}

/// The bytes of one token being taken apart.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn token(&mut self) -> Result<Option<Token<'a>>, Error> {
        let Some([marker]) = self.fixed() else {
            return Ok(None);
        };
        Ok(match Marker::from_u8(marker) {
            Marker::Reserved => {
                return Err(Error::Malformed("holds the byte c1, which MsgPack does not use"));
            }
            Marker::Null => Some(Token::Nil),
            Marker::False => Some(Token::Bool(false)),
            Marker::True => Some(Token::Bool(true)),
            Marker::FixPos(value) => Some(Token::Int(i64::from(value))),
            Marker::FixNeg(value) => Some(Token::Int(i64::from(value))),
            Marker::U8 => self.u8().map(|value| Token::Int(i64::from(value))),
            Marker::U16 => self.u16().map(|value| Token::Int(i64::from(value))),
            Marker::U32 => self.u32().map(|value| Token::Int(i64::from(value))),
            Marker::U64 => self
                .fixed()
                .map(u64::from_be_bytes)
                .map(|wide| i64::try_from(wide).map_or(Token::Huge(wide), Token::Int)),
            Marker::I8 => self.fixed().map(|bytes| Token::Int(i64::from(i8::from_be_bytes(bytes)))),
            Marker::I16 => self.fixed().map(|bytes| Token::Int(i64::from(i16::from_be_bytes(bytes)))),
            Marker::I32 => self.fixed().map(|bytes| Token::Int(i64::from(i32::from_be_bytes(bytes)))),
            Marker::I64 => self.fixed().map(|bytes| Token::Int(i64::from_be_bytes(bytes))),
            Marker::F32 => self.fixed().map(|bytes| Token::Float(f64::from(f32::from_be_bytes(bytes)))),
            Marker::F64 => self.fixed().map(|bytes| Token::Float(f64::from_be_bytes(bytes))),
            Marker::FixStr(len) => self.payload(Some(u32::from(len))).map(Token::Text),
            Marker::Str8 | Marker::Bin8 => {
                let len = self.u8().map(u32::from);
                self.payload(len).map(Token::Text)
            }
            Marker::Str16 | Marker::Bin16 => {
                let len = self.u16().map(u32::from);
                self.payload(len).map(Token::Text)
            }
            Marker::Str32 | Marker::Bin32 => {
                let len = self.u32();
                self.payload(len).map(Token::Text)
            }
            Marker::FixArray(len) => Some(Token::Array(u32::from(len))),
            Marker::Array16 => self.u16().map(|len| Token::Array(u32::from(len))),
            Marker::Array32 => self.u32().map(Token::Array),
            Marker::FixMap(len) => Some(Token::Map(u32::from(len))),
            Marker::Map16 => self.u16().map(|len| Token::Map(u32::from(len))),
            Marker::Map32 => self.u32().map(Token::Map),
            Marker::FixExt1 => self.extension(Some(1)),
            Marker::FixExt2 => self.extension(Some(2)),
            Marker::FixExt4 => self.extension(Some(4)),
            Marker::FixExt8 => self.extension(Some(8)),
            Marker::FixExt16 => self.extension(Some(16)),
            Marker::Ext8 => {
                let len = self.u8().map(u32::from);
                self.extension(len)
            }
            Marker::Ext16 => {
                let len = self.u16().map(u32::from);
                self.extension(len)
            }
            Marker::Ext32 => {
                let len = self.u32();
                self.extension(len)
            }
        })
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.fixed().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.fixed().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.fixed().map(u32::from_be_bytes)
    }

    fn payload(&mut self, len: Option<u32>) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(usize::try_from(len?).ok()?)?;
        self.rest = rest;
        Some(bytes)
    }

    fn extension(&mut self, len: Option<u32>) -> Option<Token<'a>> {
        let len = len?;
        let [_kind] = self.fixed()?;
        self.payload(Some(len)).map(Token::Ext)
    }
}

/// Finds where one value ends, going on from where it stopped when more bytes have come.
#[derive(Clone, Debug)]
pub struct Skim {
    /// For each open array or map, the values of it still to come.
    open: [u64; MSGPACK_DEPTH_MAX],
    depth: usize,
    at: usize,
}

impl Skim {
    /// A skim at the first byte of a value.
    #[must_use]
    pub const fn new() -> Self {
        Self { open: [0; MSGPACK_DEPTH_MAX], depth: 0, at: 0 }
    }

    /// The length of the value that starts at the first byte of `buf`, or `None` while it has not all come. Each call must
    /// bring the same bytes again with more behind them; bytes already seen are not looked at twice.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it nests deeper than [`MSGPACK_DEPTH_MAX`] or is no MsgPack.
    pub fn run(&mut self, buf: &[u8]) -> Result<Option<usize>, Error> {
        let mut reader = Reader::new(buf.get(self.at..).unwrap_or_default());
        loop {
            let Some(token) = reader.token()? else {
                return Ok(None);
            };
            self.at = buf.len() - reader.rest().len();
            let children = token.children();
            if children > 0 {
                let slot = self.open.get_mut(self.depth).ok_or(Error::Malformed("nests too deeply"))?;
                *slot = children;
                self.depth += 1;
            } else if self.close_one() {
                return Ok(Some(self.at));
            }
        }
    }

    /// Counts one finished value, and with it every array or map that it finishes. True when nothing is open any more.
    fn close_one(&mut self) -> bool {
        while let Some(left) = self.depth.checked_sub(1).and_then(|top| self.open.get_mut(top)) {
            *left -= 1;
            if *left > 0 {
                return false;
            }
            self.depth -= 1;
        }
        true
    }
}

impl Default for Skim {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing::hex;

    #[test]
    fn every_marker_is_read_as_its_token_and_waits_for_all_of_its_bytes() {
        let cases: [(&str, Token<'_>); 36] = [
            ("c0", Token::Nil),
            ("c2", Token::Bool(false)),
            ("c3", Token::Bool(true)),
            ("00", Token::Int(0)),
            ("7f", Token::Int(127)),
            ("e0", Token::Int(-32)),
            ("ff", Token::Int(-1)),
            ("ccff", Token::Int(255)),
            ("cdffff", Token::Int(65535)),
            ("ceffffffff", Token::Int(4_294_967_295)),
            ("cf7fffffffffffffff", Token::Int(i64::MAX)),
            ("cf8000000000000000", Token::Huge(1 << 63)),
            ("d080", Token::Int(-128)),
            ("d18000", Token::Int(-32768)),
            ("d280000000", Token::Int(-2_147_483_648)),
            ("d38000000000000000", Token::Int(i64::MIN)),
            ("ca3fc00000", Token::Float(1.5)),
            ("cbbff8000000000000", Token::Float(-1.5)),
            ("a0", Token::Text(b"")),
            ("a26869", Token::Text(b"hi")),
            ("d9026869", Token::Text(b"hi")),
            ("da00026869", Token::Text(b"hi")),
            ("db000000026869", Token::Text(b"hi")),
            ("c4026869", Token::Text(b"hi")),
            ("c500026869", Token::Text(b"hi")),
            ("c6000000026869", Token::Text(b"hi")),
            ("93", Token::Array(3)),
            ("dc0100", Token::Array(256)),
            ("ddffffffff", Token::Array(u32::MAX)),
            ("8f", Token::Map(15)),
            ("de0100", Token::Map(256)),
            ("dfffffffff", Token::Map(u32::MAX)),
            ("d4056a", Token::Ext(b"j")),
            ("d5056a6b", Token::Ext(b"jk")),
            ("c701056a", Token::Ext(b"j")),
            ("c90000000205abcd", Token::Ext(b"\xab\xcd")),
        ];
        for (bytes, token) in cases {
            let bytes = hex(bytes);
            for cut in 0..bytes.len() {
                let mut reader = Reader::new(&bytes[..cut]);
                assert_eq!((reader.token(), reader.rest().len()), (Ok(None), cut), "{token:?} cut at {cut}");
                assert_eq!(reader.pull(), Err(Error::Malformed(ENDS_EARLY)));
            }
            let mut reader = Reader::new(&bytes);
            assert_eq!((reader.peek(), reader.pull(), reader.is_empty()), (Ok(token), Ok(token), true));
        }
        for bytes in ["d60501020304", "d7050102030405060708", "d80500112233445566778899aabbccddeeff", "c8000105aa"] {
            let bytes = hex(bytes);
            assert_eq!(Reader::new(&bytes).span(), Ok(bytes.as_slice()));
        }
        assert!(Reader::new(&[0xc1]).pull().is_err());
    }

    #[test]
    fn a_skim_fed_byte_by_byte_finds_the_same_end_as_one_fed_at_once() {
        for bytes in [
            "c0",
            "93c091a16182a161c3a16290",
            "80",
            "90",
            "82a16193010203a162cb3ff8000000000000",
            "d9026869",
            "9191919190",
        ] {
            let value = hex(bytes);
            let more = [value.clone(), vec![0xc1; 4]].concat();
            assert_eq!(Skim::new().run(&more), Ok(Some(value.len())), "{bytes}");
            let mut skim = Skim::new();
            for come in 0..value.len() {
                assert_eq!(skim.run(&value[..come]), Ok(None), "{bytes} up to {come}");
            }
            assert_eq!(skim.run(&more), Ok(Some(value.len())), "{bytes}");
        }
    }

    #[test]
    fn depth_is_held_to_its_bound_for_arrays_maps_and_both() {
        for (opener, levels) in [("91", 1), ("81a178", 1), ("9181a178", 2)] {
            let fits = [hex(opener).repeat(MSGPACK_DEPTH_MAX / levels), vec![0xc0]].concat();
            assert!(Reader::new(&fits).skip().is_ok(), "{opener}");
            let over = [hex(opener).repeat(MSGPACK_DEPTH_MAX / levels + 1), vec![0xc0]].concat();
            assert_eq!(Reader::new(&over).skip(), Err(Error::Malformed("nests too deeply")), "{opener}");
        }
        let wide = [vec![0xdc, 0x10, 0x00], hex("9190").repeat(0x1000)].concat();
        assert!(Skim::new().run(&wide).is_ok(), "many shallow values are not deep");
    }

    #[test]
    fn typed_reads_take_nil_for_nothing_and_refuse_other_types() {
        let read = |bytes: &str| hex(bytes);
        assert_eq!(Reader::new(&read("c0")).int(), Ok(None));
        assert_eq!(Reader::new(&read("d3ffffffffffffffff")).int32(), Ok(Some(-1)), "width does not matter");
        assert_eq!(Reader::new(&read("ce80000000")).int32(), Err(Error::Malformed("does not fit 32 bits")));
        assert_eq!(Reader::new(&read("05")).number(), Ok(Some(5.0)));
        assert_eq!(Reader::new(&read("ca3fc00000")).number(), Ok(Some(1.5)));
        assert_eq!(Reader::new(&read("c4026869")).text(), Ok(Some("hi")));
        assert_eq!(Reader::new(&read("a1ff")).text(), Err(Error::Malformed("is not UTF-8")));
        assert_eq!(Reader::new(&read("c0")).bool(), Ok(None));
        let others = ["00", "a161", "90", "80", "ca00000000", "cfffffffffffffffff", "d40000", "c2"];
        let refusals = |read: &dyn Fn(&mut Reader<'_>) -> bool| {
            others.iter().filter(|other| read(&mut Reader::new(&hex(other)))).count()
        };
        assert_eq!(refusals(&|r| r.int().is_err()), 7);
        assert_eq!(refusals(&|r| r.text().is_err()), 7);
        assert_eq!(refusals(&|r| r.bool().is_err()), 7);
        assert_eq!(refusals(&|r| r.array().is_err()), 7);
        assert_eq!(refusals(&|r| r.map().is_err()), 7);
        assert_eq!(refusals(&|r| r.number().is_err()), 6);
    }

    #[test]
    fn fields_come_in_their_order_and_keys_that_are_not_text_are_passed_over() {
        let map = hex("85a16101 9101c0 05a16e c40162a2686a a163 9103");
        let mut keys = Vec::new();
        let all = Reader::new(&map).fields(|key, value| {
            keys.push(key.to_vec());
            value.skip()
        });
        assert_eq!((all, keys), (Ok(true), vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]));
        assert_eq!(Reader::new(&[0xc0]).fields(|_, _| unreachable!()), Ok(false));
    }
}
