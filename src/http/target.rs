//! What a request is about: host, path and query (RFC 9112, 3.2; RFC 3986).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::borrow::Cow;

use super::method::Method;

/// The target of a request, not decoded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Where the client says that it is: of the URL if the whole of one is given, else of the field `Host`. Empty if there is neither.
    pub host: &'a str,
    /// From the first slash on. `*` for a question about the server as a whole.
    pub path: &'a str,
    /// What stands behind the question mark, without it.
    pub query: &'a str,
}

/// An escape in a path or query that is none, or text that is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadEscape;

impl<'a> Target<'a> {
    /// Takes apart a path, or an URL.
    pub(super) fn parse(text: &'a str, host: &'a str, method: Method) -> Option<Self> {
        if text.contains('#') {
            return None; // is for the browser alone
        }
        if text == "*" {
            return (method == Method::Options).then_some(Self { host, path: text, query: "" });
        }
        let (host, rest) = match after_scheme(text) {
            Some(rest) => {
                let (host, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
                (host.rsplit_once('@').map_or(host, |(_, host)| host), rest)
            }
            None if text.starts_with('/') => (host, text),
            None => return None,
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Some(Self { host, path: if path.is_empty() { "/" } else { path }, query })
    }

    /// The parts of the path between its slashes, decoded. A slash at the end makes no difference, and `/` has none.
    ///
    /// # Errors
    /// Of an item: [`BadEscape`], also for a NUL and for a slash that was escaped, since no name that stands in a path has either.
    pub fn segments(&self) -> impl Iterator<Item = Result<Cow<'a, str>, BadEscape>> {
        let path = self.path.strip_prefix('/').unwrap_or(self.path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let parts = (!path.is_empty()).then(|| path.split('/'));
        parts.into_iter().flatten().map(|part| {
            let text = decode(Cow::Borrowed(part))?;
            if text.bytes().any(|byte| matches!(byte, b'\0' | b'/')) { Err(BadEscape) } else { Ok(text) }
        })
    }

    /// The names and values of the query in their order, decoded; a plus is a blank, and a name alone has an empty value.
    ///
    /// # Errors
    /// Of an item: [`BadEscape`].
    pub fn pairs(&self) -> impl Iterator<Item = Result<(Cow<'a, str>, Cow<'a, str>), BadEscape>> {
        self.query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(with_blanks(name))?, decode(with_blanks(value))?))
        })
    }

    /// The value of the first pair of that name, which is case-sensitive.
    ///
    /// # Errors
    /// [`BadEscape`] anywhere before it.
    pub fn value(&self, name: &str) -> Result<Option<Cow<'a, str>>, BadEscape> {
        for pair in self.pairs() {
            let (known, value) = pair?;
            if known == name {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The same target without `prefix` (`/a/b`, no slash at its end), if its path lies below that; else as it is.
    #[must_use]
    pub fn without(self, prefix: &str) -> Self {
        match self.path.strip_prefix(prefix) {
            Some("") => Self { path: "/", ..self },
            Some(path) if path.starts_with('/') => Self { path, ..self },
            _ => self,
        }
    }
}

fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")).then_some(rest)
}

fn with_blanks(text: &str) -> Cow<'_, str> {
    if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) }
}

/// What stands as it is in a segment of a path and in a value of a query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one segment of a path, or as one value of a query.
#[must_use]
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// The text that a segment stands for.
///
/// # Errors
/// [`BadEscape`].
pub fn unescaped(segment: &str) -> Result<Cow<'_, str>, BadEscape> {
    decode(Cow::Borrowed(segment))
}

/// Replaces escapes, once. Where there are none the text is not copied.
fn decode(text: Cow<'_, str>) -> Result<Cow<'_, str>, BadEscape> {
    if !text.contains('%') {
        return Ok(text);
    }
    let is_whole = |after: &str| {
        let mut digits = after.bytes().take(2);
        (0..2).all(|_| digits.next().is_some_and(|digit| digit.is_ascii_hexdigit()))
    };
    if !text.split('%').skip(1).all(is_whole) {
        return Err(BadEscape);
    }
    let decoded = percent_decode_str(&text).decode_utf8().map_err(|_| BadEscape)?;
    Ok(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Option<Target<'_>> {
        Target::parse(text, "h:1", Method::Get)
    }

    fn segments(text: &str) -> Result<Vec<String>, BadEscape> {
        target(text).unwrap().segments().map(|part| part.map(Cow::into_owned)).collect()
    }

    #[test]
    fn a_target_is_a_path_or_an_url() {
        let parts = |text| target(text).map(|target| (target.host, target.path, target.query));
        assert_eq!(parts("/a/b?c=d?e"), Some(("h:1", "/a/b", "c=d?e")));
        assert_eq!(parts("HTTP://u@x:7/a?b"), Some(("x:7", "/a", "b")));
        assert_eq!(parts("https://x?b"), Some(("x", "/", "b")));
        assert_eq!(parts("//x/y"), Some(("h:1", "//x/y", "")));
        assert_eq!([parts("*"), parts("x:443"), parts(""), parts("/a#b"), parts("ftp://x/")], [None; 5]);
        assert_eq!(Target::parse("*", "h", Method::Options).unwrap().path, "*");
    }

    #[test]
    fn segments_are_decoded_once_each() {
        assert_eq!(segments("/api/ex%20a/%2541/"), Ok(vec!["api".into(), "ex a".into(), "%41".into()]));
        assert_eq!((segments("/"), segments("/a//b")), (Ok(vec![]), Ok(vec!["a".into(), "".into(), "b".into()])));
        assert_eq!(segments("/a+b/%C3%A4"), Ok(vec!["a+b".into(), "ä".into()]));
        for wrong in ["/%", "/%4", "/%4g", "/a%2Fb", "/%00", "/%ff", "/%%41"] {
            assert_eq!(segments(wrong), Err(BadEscape), "{wrong}");
        }
    }

    #[test]
    fn a_text_is_written_so_that_it_is_one_segment() {
        assert_eq!(encoded("ex a/ä~._-"), "ex%20a%2F%C3%A4~._-");
        assert_eq!(unescaped(&encoded("ex a/ä%")).as_deref(), Ok("ex a/ä%"));
    }

    #[test]
    fn a_query_has_pairs() {
        let target = target("/?submitterID=My+System%2B&a&b=1=2&&a=2&c=").unwrap();
        assert_eq!(target.value("submitterID").unwrap().as_deref(), Some("My System+"));
        assert_eq!(
            (target.value("a").unwrap().as_deref(), target.value("b").unwrap().as_deref()),
            (Some(""), Some("1=2"))
        );
        assert_eq!((target.value("submitterid"), target.pairs().count()), (Ok(None), 5));
        assert_eq!(Target { query: "a=%&b=1", ..target }.value("b"), Err(BadEscape));
    }

    #[test]
    fn a_prefix_may_be_there_or_not() {
        for (path, inside) in
            [("/p/q/api", "/api"), ("/p/q", "/"), ("/p/q/", "/"), ("/api", "/api"), ("/p/qr/a", "/p/qr/a")]
        {
            assert_eq!(target(path).unwrap().without("/p/q").path, inside);
        }
        assert_eq!(target("/api").unwrap().without("").path, "/api");
    }
}
