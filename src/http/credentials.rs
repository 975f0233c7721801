//! What a request says about who asks: `Authorization` with Bearer or Basic (RFC 9110, 11; RFC 7617), or, for a WebSocket that a page opens and that can
//! have no such field, a subprotocol.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::head::Head;
use crate::limits::HTTP_CREDENTIALS_BYTES_MAX;

/// What the subprotocol begins with that is a token.
const SUBPROTOCOL: &str = "instep.token.";
/// The subprotocol that is granted beside it.
pub const GRANTED: &str = "instep";

/// A name, if one was given, and a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Whose token it is said to be.
    pub name: Option<String>,
    /// The token.
    pub token: String,
}

impl core::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Credentials {
    /// What a head says; some of which nobody could be known by is still something.
    #[must_use]
    pub fn of(head: &Head<'_>) -> Option<Self> {
        let nobody = || Self { name: None, token: String::new() };
        let mut fields = head.all("Authorization");
        if let Some(field) = fields.next() {
            let is_one = fields.next().is_none();
            let read = core::str::from_utf8(field).ok().filter(|_| is_one).and_then(Self::read);
            return Some(read.unwrap_or_else(nobody));
        }
        let mut tokens = subprotocols(head).filter_map(|word| word.strip_prefix(SUBPROTOCOL));
        tokens.next().map(|token| Self { name: None, token: token.to_owned() })
    }

    fn read(field: &str) -> Option<Self> {
        let (scheme, rest) = field.split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("Bearer") {
            return Some(Self { name: None, token: rest.to_owned() });
        }
        if !scheme.eq_ignore_ascii_case("Basic") {
            return None;
        }
        let mut bytes = [0; HTTP_CREDENTIALS_BYTES_MAX];
        let len = STANDARD.decode_slice(rest, &mut bytes).ok()?;
        let (name, token) = core::str::from_utf8(bytes.get(..len)?).ok()?.split_once(':')?;
        Some(Self { name: (!name.is_empty()).then(|| name.to_owned()), token: token.to_owned() })
    }
}

fn subprotocols<'a>(head: &Head<'a>) -> impl Iterator<Item = &'a str> {
    let lists = head.all("Sec-WebSocket-Protocol").filter_map(|list| core::str::from_utf8(list).ok());
    lists.flat_map(|list| list.split(',').map(str::trim))
}

/// Whether a client offers the subprotocol that stands beside a token.
#[must_use]
pub fn offers_granted(head: &Head<'_>) -> bool {
    subprotocols(head).any(|word| word == GRANTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &str) -> Option<(Option<String>, String)> {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        Credentials::of(&Head::parse(text.as_bytes()).unwrap()).map(|found| (found.name, found.token))
    }

    #[test]
    fn credentials_are_bearer_basic_or_a_subprotocol() {
        let some = |name: Option<&str>, token: &str| Some((name.map(str::to_owned), token.to_owned()));
        assert_eq!(of(""), None);
        assert_eq!(of("Authorization: Bearer abc\r\n"), some(None, "abc"));
        assert_eq!(of("authorization: bearer  abc \r\n"), some(None, "abc"));
        // laser:secret, :secret
        assert_eq!(of("Authorization: Basic bGFzZXI6c2VjcmV0\r\n"), some(Some("laser"), "secret"));
        assert_eq!(of("Authorization: Basic OnNlY3JldA==\r\n"), some(None, "secret"));
        assert_eq!(of("Sec-WebSocket-Protocol: instep, instep.token.abc\r\n"), some(None, "abc"));
        assert_eq!(of("Sec-WebSocket-Protocol: chat\r\n"), None);
        // What cannot be read is nobody's, and not as good as nothing.
        for wrong in ["Digest abc", "Basic ?", "Basic bGFzZXI=", "Bearer", "Bearer a\r\nAuthorization: Bearer b"] {
            assert_eq!(of(&format!("Authorization: {wrong}\r\n")), some(None, ""), "{wrong}");
        }
        let long = "A".repeat(4 * HTTP_CREDENTIALS_BYTES_MAX);
        assert_eq!(of(&format!("Authorization: Basic {long}\r\n")), some(None, ""));
    }

    #[test]
    fn a_token_is_not_shown() {
        let shown = format!("{:?}", Credentials { name: None, token: "secret".to_owned() });
        assert!(!shown.contains("secret"));
    }
}
