//! What proxies say about the request that they pass on: `X-Forwarded-*`, and `Forwarded` (RFC 7239) where there is none of these.
//!
//! Anybody can send these fields; they are believed only where the connection comes from a proxy that is trusted. One thing is believed of
//! everybody: that it asks for somebody else. A program of this machine that does is not this machine.

use core::net::{IpAddr, Ipv4Addr};

use super::head::Head;

/// Addresses with a beginning in common: `10.0.0.0/8`, or a single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads an address, or one with the number of bits that count behind a slash.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (base, bits) = text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
        let base = base.parse::<IpAddr>().ok()?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok()).filter(|bits| *bits <= most)?;
        Some(Self { base, bits })
    }

    /// How many bits its addresses have in common: the more, the fewer there are.
    #[must_use]
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// Whether an address is one of these. An IPv4 address that comes in the clothes of an IPv6 one is still that.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                (u32::from(base) ^ u32::from(address)).checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                (u128::from(base) ^ u128::from(address)).checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl core::fmt::Display for Network {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// Fields by which proxies tell who has asked for what, older than the one that is the standard; and these with that.
const OLDER: [&str; 3] = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"];
const OF_PROXIES: [&str; 4] = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"];

/// A request as its client has sent it, before any proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Who has sent it: the last hop that is not trusted.
    pub client: IpAddr,
    /// The host that the client has named, perhaps with a port; empty if it has named none.
    pub host: &'a str,
    /// The port that the client has come to, if a proxy says so.
    pub port: Option<u16>,
    /// It came by TLS.
    pub is_secure: bool,
    /// The path below which the proxy shows this server: empty, or `/a/b`.
    pub prefix: &'a str,
}

impl<'a> Seen<'a> {
    /// Where a client is of whom it is known only that it is not on this machine.
    pub const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

    /// What a connection from `peer` says in `head`, which came by TLS itself if `is_private`.
    #[must_use]
    pub fn of(head: &Head<'a>, (peer, is_private): (IpAddr, bool), trusted: &[Network]) -> Self {
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
        let plain = Self { client: peer, host: head.target.host, port: None, is_secure: is_private, prefix: "" };
        if !is_trusted(peer) {
            let is_for_others = peer.to_canonical().is_loopback() && head.has(&OF_PROXIES);
            return Self { client: if is_for_others { Self::ELSEWHERE } else { peer }, ..plain };
        }
        let mut seen = plain;
        let one = |name| head.field(name).map(first);
        seen.prefix = one("X-Forwarded-Prefix").and_then(path).unwrap_or("");
        seen.port = one("X-Forwarded-Port").and_then(|port| port.parse().ok());
        let is_old = head.has(&OLDER);
        if is_old {
            seen.is_secure = one("X-Forwarded-Proto").is_some_and(is_tls);
            seen.host = one("X-Forwarded-Host").and_then(authority).unwrap_or(plain.host);
            seen.client = walk(peer, words(head, "X-Forwarded-For", ','), is_trusted);
        } else {
            let hops = || words(head, "Forwarded", ',').map(|hop| move |name| pair(hop, name));
            // Who says nothing of any hop has come himself.
            let Some(outermost) = hops().next() else { return Self { client: peer.to_canonical(), ..seen } };
            seen.is_secure = outermost("proto").is_some_and(is_tls);
            seen.host = outermost("host").and_then(authority).unwrap_or(plain.host);
            seen.client = walk(peer, hops().map(|hop| hop("for").unwrap_or_default()), is_trusted);
        }
        seen
    }

    /// Host and port for a URL by which the client comes back. The ports 80 and 443 are left out, and 0.
    #[must_use]
    pub fn authority(&self) -> String {
        let (host, port) = split_port(self.host);
        if self.port.is_none()
            && let Some(1..=79 | 81..=442 | 444..) = port
            && self.host.get(host.len() + 1..).is_some_and(|digits| !digits.starts_with(['0', '+']))
        {
            // It is written so already.
            return self.host.to_owned();
        }
        match self.port.or(port) {
            None | Some(0 | 80 | 443) => host.to_owned(),
            Some(port) => format!("{host}:{port}"),
        }
    }
}

/// The first of a list: where several proxies have added to it, what the outermost has said.
fn first(list: &str) -> &str {
    list.split(',').next().unwrap_or_default().trim()
}

fn is_tls(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss")
}

fn authority(text: &str) -> Option<&str> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (!text.is_empty() && text.bytes().all(is_letter)).then_some(text)
}

fn path(text: &str) -> Option<&str> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_~%".contains(&byte);
    let path = text.trim_end_matches('/');
    (path.starts_with('/') && !path.starts_with("//") && path.bytes().all(is_letter)).then_some(path)
}

/// A host without its port, and that.
fn split_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, port.parse().ok()),
        _ => (host, None),
    }
}

/// The words of all fields of that name, without those within quotes being cut.
fn words<'a>(head: &Head<'a>, name: &'static str, mark: char) -> impl DoubleEndedIterator<Item = &'a str> {
    let values = head.all(name).filter_map(|value| core::str::from_utf8(value).ok());
    values.flat_map(|value| cut(value, mark)).collect::<Vec<_>>().into_iter()
}

/// Cuts a text at a mark that is not within quotes.
fn cut(text: &str, mark: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |letter| {
        is_quoted ^= letter == '"';
        letter == mark && !is_quoted
    })
    .map(str::trim)
}

/// The value of a name in one element of `Forwarded`.
fn pair<'a>(hop: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) =
        cut(hop, ';').filter_map(|pair| pair.split_once('=')).find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(value.trim_matches('"'))
}

/// Goes back from hop to hop while they are trusted. Who hides is not looked for beyond, and is not this machine; nor is one of whom nothing is said.
fn walk<'a>(
    peer: IpAddr,
    hops: impl DoubleEndedIterator<Item = &'a str>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let (mut at, mut is_told) = (peer, false);
    for hop in hops.rev() {
        if !is_trusted(at) {
            break;
        }
        let address = hop.parse().ok().or_else(|| split_port(hop).0.trim_matches(['[', ']']).parse().ok());
        is_told = address.is_some();
        match address {
            Some(address) => at = address,
            None => break,
        }
    }
    let at = at.to_canonical();
    if !is_told && at.is_loopback() { Seen::ELSEWHERE } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, fields: &str) -> (String, String, bool, String) {
        let text = format!("GET / HTTP/1.1\r\nHost: inner:7777\r\n{fields}\r\n");
        let head = Head::parse(text.as_bytes()).unwrap();
        let trusted = ["127.0.0.1", "10.0.0.0/8"].map(|text| Network::parse(text).unwrap());
        let seen = Seen::of(&head, (peer.parse().unwrap(), false), &trusted);
        (seen.client.to_string(), seen.authority(), seen.is_secure, seen.prefix.to_owned())
    }

    fn as_seen(client: &str, authority: &str, is_secure: bool, prefix: &str) -> (String, String, bool, String) {
        (client.to_owned(), authority.to_owned(), is_secure, prefix.to_owned())
    }

    #[test]
    fn networks_hold_their_addresses() {
        let holds = |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1") && holds("0.0.0.0/0", "9.9.9.9"));
        assert!(holds("10.0.0.1", "::ffff:10.0.0.1") && !holds("10.0.0.1", "10.0.0.2") && !holds("::/0", "1.2.3.4"));
        assert!(holds("fd00::/8", "fd12::1") && !holds("fd00::/8", "fe80::1") && holds("::1", "::1"));
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "localhost"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn strangers_are_not_believed() {
        let fields = "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: host=evil\r\n";
        assert_eq!(seen("9.8.7.6", fields), as_seen("9.8.7.6", "inner:7777", false, ""));
    }

    #[test]
    fn proxies_tell_who_has_asked_for_what() {
        let fields = "X-Forwarded-For: 1.1.1.1, 9.9.9.9\r\nx-forwarded-for: 10.1.1.1\r\nX-Forwarded-Proto: HTTPS, http\r\n\
                      X-Forwarded-Host: outer.example, inner\r\nX-Forwarded-Port: 8443\r\nX-Forwarded-Prefix: /c2sim/\r\n";
        assert_eq!(seen("127.0.0.1", fields), as_seen("9.9.9.9", "outer.example:8443", true, "/c2sim"));
        assert_eq!(seen("::ffff:10.0.0.1", ""), as_seen("10.0.0.1", "inner:7777", false, ""));
        assert_eq!(seen("127.0.0.1", "X-Forwarded-For: unknown, 10.0.0.7:80\r\n").0, "10.0.0.7");
        assert_eq!(seen("127.0.0.1", "X-Forwarded-Host: a\"b\r\nX-Forwarded-Prefix: //evil\r\n").1, "inner:7777");
        assert_eq!(seen("127.0.0.1", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: h:443\r\n").1, "h");
    }

    #[test]
    fn the_standard_field_says_the_same() {
        let fields = "Forwarded: for=9.9.9.9;proto=https;host=\"outer.example:8443\", For=\"[2001:db8::1]:4711\"\r\nForwarded: for=10.1.1.1\r\n";
        assert_eq!(seen("127.0.0.1", fields), as_seen("2001:db8::1", "outer.example:8443", true, ""));
        assert_eq!(
            seen("127.0.0.1", "Forwarded: for=_hidden;by=\"a,b;host=c\"\r\n"),
            as_seen("0.0.0.0", "inner:7777", false, "")
        );
    }

    #[test]
    fn who_asks_for_others_is_not_this_machine() {
        let client = |peer: &str, fields: &str| {
            let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
            let trusted = [Network::parse("127.0.0.2").unwrap()];
            Seen::of(&Head::parse(text.as_bytes()).unwrap(), (peer.parse().unwrap(), false), &trusted)
                .client
                .to_string()
        };
        for fields in ["X-Forwarded-For: 10.0.0.1\r\n", "x-forwarded-proto: https\r\n", "Forwarded: for=127.0.0.1\r\n"]
        {
            for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
                assert_eq!(client(peer, fields), "0.0.0.0", "{peer} {fields}");
            }
            assert_eq!(client("10.0.0.9", fields), "10.0.0.9");
        }
        assert_eq!(client("127.0.0.1", "X-Forwarded-Prefix: /x\r\nVia: 1.1 x\r\n"), "127.0.0.1");
        // A proxy that is trusted and does not say for whom, or for somebody who hides.
        for fields in ["X-Forwarded-Proto: https\r\n", "X-Forwarded-For: unknown\r\n", "Forwarded: proto=https\r\n"] {
            assert_eq!(client("127.0.0.2", fields), "0.0.0.0", "{fields}");
        }
        assert_eq!(client("127.0.0.2", "X-Forwarded-For: 127.0.0.1\r\n"), "127.0.0.1");
        assert_eq!(client("127.0.0.2", ""), "127.0.0.2");
    }

    #[test]
    fn an_authority_is_split_at_its_port_only() {
        assert_eq!(
            [split_port("h:1"), split_port("h"), split_port("[::1]:2")],
            [("h", Some(1)), ("h", None), ("[::1]", Some(2))]
        );
        assert_eq!(
            [split_port("::1"), split_port("[::1]"), split_port("h:")],
            [("::1", None), ("[::1]", None), ("h", None)]
        );
    }
}
