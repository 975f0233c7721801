//! Lists of ids in a control request, and pairs of them, read straight from its bytes.

use super::Error;
use super::value::{Reader, Token};
use crate::limits::CONTROL_IDS_MAX;

/// What ids are said to be that are not given.
pub(super) const MISSING_IDS: Error = Error::Malformed("is missing: an id or a list of ids");

/// A list of ids, at most [`CONTROL_IDS_MAX`], read straight from the request. An id may come twice, or never have been given.
#[derive(Clone, Copy, Debug)]
pub struct Ids<'a> {
    reader: Reader<'a>,
    left: u32,
}

impl<'a> Ids<'a> {
    /// Reads one id or a list of them; `None` for nil and a bare 0.
    pub(super) fn read(value: &mut Reader<'a>) -> Result<Option<Self>, Error> {
        let single = Self { reader: *value, left: 1 };
        let left = match value.pull()? {
            Token::Nil | Token::Int(0) => return Ok(None),
            Token::Int(_) => return Ok(Some(single)),
            Token::Array(left) => left,
            Token::Huge(_) => return Err(Error::Malformed("has an id that is too large")),
            Token::Bool(_) | Token::Float(_) | Token::Text(_) | Token::Map(_) | Token::Ext(_) => {
                return Err(Error::Malformed("is neither an id nor a list of ids"));
            }
        };
        if usize::try_from(left).is_ok_and(|left| left > CONTROL_IDS_MAX) {
            return Err(Error::Malformed("names too many ids"));
        }
        let list = Self { reader: *value, left };
        for _ in 0..left {
            value.int().ok().flatten().ok_or(Error::Malformed("holds something that is not an id"))?;
        }
        Ok(Some(list))
    }
}

impl Iterator for Ids<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        self.left = self.left.checked_sub(1)?;
        // Every value was checked to be an integer when the list was made.
        self.reader.int().ok().flatten()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Ids<'_> {}

/// Pairs of provider id and viewer id, in the order they were given, at most [`CONTROL_IDS_MAX`] and never none.
#[derive(Clone, Copy, Debug)]
pub struct Connections<'a> {
    reader: Reader<'a>,
    left: u32,
    now: Option<Pairs<'a>>,
    total: usize,
}

impl<'a> Connections<'a> {
    /// How many pairs there are in all.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.total
    }

    /// Whether several connections were asked for, so that the result's `session` is a list: with one it is an integer, however many
    /// viewers that connects.
    #[must_use]
    pub fn are_several(&self) -> bool {
        self.left > 1 || self.now.is_some_and(|pairs| !pairs.one_provider)
    }

    /// Reads one connection or a list of them; `None` when none is given.
    pub(super) fn read(mut reader: Reader<'a>) -> Result<Option<Self>, Error> {
        let unchecked = if let Token::Array(left) = reader.peek()? {
            reader.pull()?;
            (left > 0).then_some(Self { reader, left, now: None, total: 0 })
        } else if reader.peek()? == Token::Int(0) {
            None
        } else {
            pairs(&mut reader)?.map(Self::from)
        };
        unchecked.map(Self::checked).transpose()
    }

    /// Reads a pair of viewer and provider, in this order, or what [`Self::read`] does.
    pub(super) fn read_bare(mut value: Reader<'a>) -> Result<Option<Self>, Error> {
        let whole = value;
        if value.pull()? != Token::Array(2) || matches!(value.peek()?, Token::Map(_)) {
            return Self::read(whole);
        }
        let viewers = ids_in("connection.viewer", &mut value)?;
        let providers = ids_in("connection.provider", &mut value)?;
        both(providers, viewers)?.map(Self::from).map(Self::checked).transpose()
    }

    /// Those among these.
    pub(super) fn of(providers: Ids<'a>, viewers: Ids<'a>) -> Result<Self, Error> {
        Self::checked(Self::from(Pairs::of(providers, viewers)?))
    }

    /// Checks and counts what `unchecked` will give.
    fn checked(unchecked: Self) -> Result<Self, Error> {
        let mut total = 0;
        let mut walk = unchecked;
        while walk.step()?.is_some() {
            total += 1;
            if total > CONTROL_IDS_MAX {
                return Err(Error::Malformed("names too many connections"));
            }
        }
        Ok(Self { total, ..unchecked })
    }

    fn step(&mut self) -> Result<Option<(i64, i64)>, Error> {
        loop {
            if let Some(pair) = self.now.as_mut().and_then(Pairs::next) {
                return Ok(Some(pair));
            }
            let Some(left) = self.left.checked_sub(1) else {
                return Ok(None);
            };
            self.left = left;
            self.now = Some(pairs(&mut self.reader)?.ok_or(Error::Malformed("has an empty connection"))?);
        }
    }
}

impl Iterator for Connections<'_> {
    type Item = (i64, i64);

    fn next(&mut self) -> Option<(i64, i64)> {
        // Every step was tried when the list was made.
        self.step().ok().flatten()
    }
}

/// One provider with any number of viewers, or as many providers as viewers, in pairs.
#[derive(Clone, Copy, Debug)]
struct Pairs<'a> {
    providers: Ids<'a>,
    viewers: Ids<'a>,
    one_provider: bool,
}

impl<'a> Pairs<'a> {
    fn of(providers: Ids<'a>, viewers: Ids<'a>) -> Result<Self, Error> {
        let one_provider = providers.len() == 1;
        if !one_provider && providers.len() != viewers.len() {
            return Err(Error::Malformed("has several providers but not one viewer for each"));
        }
        Ok(Self { providers, viewers, one_provider })
    }
}

impl Iterator for Pairs<'_> {
    type Item = (i64, i64);

    fn next(&mut self) -> Option<(i64, i64)> {
        let viewer = self.viewers.next()?;
        let provider = if self.one_provider { self.providers.clone().next() } else { self.providers.next() };
        Some((provider?, viewer))
    }
}

impl<'a> From<Pairs<'a>> for Connections<'a> {
    fn from(pairs: Pairs<'a>) -> Self {
        Self { reader: Reader::new(&[]), left: 0, now: Some(pairs), total: 0 }
    }
}

/// Reads one connection; `None` when it names nothing.
fn pairs<'a>(reader: &mut Reader<'a>) -> Result<Option<Pairs<'a>>, Error> {
    if !matches!(reader.peek()?, Token::Map(_) | Token::Nil) {
        return Err(Error::Malformed("is not {provider, viewer}"));
    }
    let (mut providers, mut viewers) = (None, None);
    reader.fields(|key, value| {
        let mut at = *value;
        match key {
            b"provider" => providers = ids_in("connection.provider", &mut at)?,
            b"viewer" => viewers = ids_in("connection.viewer", &mut at)?,
            _ => {}
        }
        value.skip()
    })?;
    both(providers, viewers)
}

/// Reads a list of ids that is not empty; `None` when none is given.
fn ids_in<'a>(key: &'static str, value: &mut Reader<'a>) -> Result<Option<Ids<'a>>, Error> {
    let whole = *value;
    value.skip()?;
    let ids = Ids::read(&mut { whole }).map_err(|error| error.in_argument(key))?;
    Ok(ids.filter(|ids| ids.left > 0))
}

fn both<'a>(providers: Option<Ids<'a>>, viewers: Option<Ids<'a>>) -> Result<Option<Pairs<'a>>, Error> {
    match (providers, viewers) {
        (Some(providers), Some(viewers)) => Pairs::of(providers, viewers).map(Some),
        (Some(_), None) => Err(MISSING_IDS.in_argument("connection.viewer")),
        (None, Some(_)) => Err(MISSING_IDS.in_argument("connection.provider")),
        (None, None) => Ok(None),
    }
}
