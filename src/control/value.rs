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
const ENDS_EARLY: &str = "ends in the middle of a value";

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
            Skim::new()
                .run(self.rest)?
                .ok_or(Error::Malformed(ENDS_EARLY))?
        };
        let (value, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(Error::Malformed(ENDS_EARLY))?;
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
            Token::Bool(_)
            | Token::Float(_)
            | Token::Text(_)
            | Token::Array(_)
            | Token::Map(_)
            | Token::Ext(_) => Err(Error::Malformed("is not an integer")),
        }
    }

    /// An integer of 32 bits, which every id and coordinate of a simulation is, or `None` for nil.
    ///
    /// # Errors
    /// [`Error::Malformed`] for any other value.
    pub fn int32(&mut self) -> Result<Option<i32>, Error> {
        let narrow =
            |wide| i32::try_from(wide).map_err(|_| Error::Malformed("does not fit 32 bits"));
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
            Token::Array(_) | Token::Map(_) | Token::Ext(_) => {
                Err(Error::Malformed("is neither true nor false"))
            }
        }
    }

    /// UTF-8 text, or `None` for nil.
    ///
    /// # Errors
    /// [`Error::Malformed`] for any other value and for text that is not UTF-8.
    pub fn text(&mut self) -> Result<Option<&'a str>, Error> {
        match self.pull()? {
            Token::Nil => Ok(None),
            Token::Text(bytes) => core::str::from_utf8(bytes)
                .map(Some)
                .map_err(|_| Error::Malformed("is not UTF-8")),
            Token::Bool(_) | Token::Int(_) | Token::Huge(_) | Token::Float(_) => {
                Err(Error::Malformed("is not text"))
            }
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
            Token::Bool(_) | Token::Int(_) | Token::Huge(_) | Token::Float(_) => {
                Err(Error::Malformed("is not a list"))
            }
            Token::Text(_) | Token::Map(_) | Token::Ext(_) => {
                Err(Error::Malformed("is not a list"))
            }
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
            Token::Bool(_) | Token::Int(_) | Token::Huge(_) | Token::Float(_) => {
                Err(Error::Malformed("is not a map"))
            }
            Token::Text(_) | Token::Array(_) | Token::Ext(_) => {
                Err(Error::Malformed("is not a map"))
            }
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
    pub fn fields(
        &mut self,
        mut each: impl FnMut(&'a [u8], &mut Self) -> Result<(), Error>,
    ) -> Result<bool, Error> {
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
                return Err(Error::Malformed(
                    "holds the byte c1, which MsgPack does not use",
                ));
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
            Marker::I8 => self
                .fixed()
                .map(|bytes| Token::Int(i64::from(i8::from_be_bytes(bytes)))),
            Marker::I16 => self
                .fixed()
                .map(|bytes| Token::Int(i64::from(i16::from_be_bytes(bytes)))),
            Marker::I32 => self
                .fixed()
                .map(|bytes| Token::Int(i64::from(i32::from_be_bytes(bytes)))),
            Marker::I64 => self
                .fixed()
                .map(|bytes| Token::Int(i64::from_be_bytes(bytes))),
            Marker::F32 => self
                .fixed()
                .map(|bytes| Token::Float(f64::from(f32::from_be_bytes(bytes)))),
            Marker::F64 => self
                .fixed()
                .map(|bytes| Token::Float(f64::from_be_bytes(bytes))),
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
        Self {
            open: [0; MSGPACK_DEPTH_MAX],
            depth: 0,
            at: 0,
        }
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
                let slot = self
                    .open
                    .get_mut(self.depth)
                    .ok_or(Error::Malformed("nests too deeply"))?;
                *slot = children;
                self.depth += 1;
            } else if self.close_one() {
                return Ok(Some(self.at));
            }
        }
    }

    /// Counts one finished value, and with it every array or map that it finishes. True when nothing is open any more.
    fn close_one(&mut self) -> bool {
        while let Some(left) = self
            .depth
            .checked_sub(1)
            .and_then(|top| self.open.get_mut(top))
        {
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
