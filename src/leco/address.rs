//! Addresses as people and other Coordinators write them: `host:port`, a bare IPv6 address, brackets, `tcp://`, a scope behind `%`.
//!
//! Owns the one way to take them apart and to put them together. Must not know what a name stands for: that is looked up elsewhere.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::DEFAULT_PORT;
use crate::limits::ADDRESS_BYTES_MAX;

/// `host:port` from what a user or another Coordinator wrote; the port of LECO where none is given.
///
/// `None` for an empty host, an impossible port, brackets around anything but an IPv6 address, or a text longer than any host name.
#[must_use]
pub fn with_port(text: &str) -> Option<String> {
    with_port_or(text, DEFAULT_PORT)
}

/// As [`with_port`], with another port where none is given.
#[must_use]
pub fn with_port_or(text: &str, port_default: u16) -> Option<String> {
    let (host, port) = split(text)?;
    let port = match port {
        Some(port) => port.parse::<u16>().ok().filter(|port| *port != 0)?,
        None => port_default,
    };
    Some(join(host, port))
}

/// Takes a text apart: the host without brackets, and what stands for its port, if anything. Colons that make an IPv6 address have no port
/// behind them.
///
/// `None` where there is no host.
#[must_use]
pub fn split(text: &str) -> Option<(&str, Option<&str>)> {
    let text = text.trim();
    let text = text.strip_prefix("tcp://").unwrap_or(text);
    if text.len() > ADDRESS_BYTES_MAX || text.bytes().any(|byte| !(0x21..=0x7e).contains(&byte)) {
        return None;
    }
    if let Some(inside) = text.strip_prefix('[') {
        let (host, rest) = inside.split_once(']')?;
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
        return is_ipv6(host).then_some((host, port));
    }
    if is_ipv6(text) {
        return Some((text, None));
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    (!host.is_empty() && !host.contains(['[', ']', '%'])).then_some((host, port))
}

/// Puts an address together, with brackets where the host has colons.
#[must_use]
pub fn join(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Host, without brackets, and port of an address that has both.
#[must_use]
pub fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = split(address)?;
    Some((host, port?.parse().ok()?))
}

/// Whether the host holds only on one network of one machine: `fe80::1%eth0`.
#[must_use]
pub fn has_scope(host: &str) -> bool {
    host.contains('%')
}

/// The address that the host is, if it is one and no name.
fn ip(address: &str) -> Option<IpAddr> {
    split(address)?.0.parse().ok()
}

/// The address that a host is without being looked up: as it is written, or of IPv4 as resolvers take it, too, in one to four numbers, of which
/// the last stands for the bytes that are left, each also octal behind a 0 and hexadecimal behind 0x.
#[must_use]
pub fn numeric(host: &str) -> Option<IpAddr> {
    host.parse().ok().or_else(|| in_few_numbers(host).map(IpAddr::V4))
}

fn in_few_numbers(host: &str) -> Option<Ipv4Addr> {
    let (mut address, mut bits) = (0_u64, 32);
    let mut parts = host.split('.').peekable();
    while let Some(part) = parts.next() {
        let number = match part.strip_prefix('0') {
            Some(hex) if hex.starts_with(['x', 'X']) => u64::from_str_radix(hex.get(1..)?, 16),
            Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8),
            _ => part.parse(),
        };
        let takes = if parts.peek().is_some() { 8 } else { bits };
        let number = number.ok().filter(|number| takes > 0 && *number < 1 << takes)?;
        bits = u32::checked_sub(bits, takes)?;
        address |= number << bits;
    }
    u32::try_from(address).ok().map(Ipv4Addr::from)
}

/// Whether a host is this machine to whoever is on it, by its very name: `localhost`, or a loopback address.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether the host is no address of one machine: `0.0.0.0` or `::`, where a program listens on all that it has.
#[must_use]
pub fn is_everywhere(address: &str) -> bool {
    ip(address).is_some_and(|ip| ip.to_canonical().is_unspecified())
}

/// Whether the host is a link-local IPv6 address, which nobody reaches without a scope.
#[must_use]
pub fn wants_scope(address: &str) -> bool {
    matches!(ip(address), Some(IpAddr::V6(ip)) if ip.is_unicast_link_local())
}

/// Whether it is an IPv6 address, with or without a scope.
fn is_ipv6(host: &str) -> bool {
    let (ip, scope) = host.split_once('%').map_or((host, None), |(ip, scope)| (ip, Some(scope)));
    let is_name = |scope: &str| {
        !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte))
    };
    ip.parse::<Ipv6Addr>().is_ok() && scope.is_none_or(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_get_a_port_and_nonsense_is_refused() {
        for (text, wanted) in [
            ("localhost", Some("localhost:12300")),
            (" lab.example:99 ", Some("lab.example:99")),
            ("127.0.0.1", Some("127.0.0.1:12300")),
            ("[::1]:5", Some("[::1]:5")),
            ("[::1]", Some("[::1]:12300")),
            ("::1", Some("[::1]:12300")),
            ("::1:5", Some("[::1:5]:12300")),
            ("tcp://h:1", Some("h:1")),
            ("tcp://[2001:db8::1]:1", Some("[2001:db8::1]:1")),
            ("fe80::1%eth0", Some("[fe80::1%eth0]:12300")),
            ("[fe80::1%2]:7", Some("[fe80::1%2]:7")),
            ("", None),
            (":5", None),
            ("h:0", None),
            ("h:70000", None),
            ("h:x", None),
            ("h:1:2", None),
            ("a b:1", None),
            ("[::1", None),
            ("[::1]5", None),
            ("[::1]:", None),
            ("[[::1]]:5", None),
            ("[lab]:5", None),
            ("[127.0.0.1]:5", None),
            ("fe80::1%", None),
            ("fe80::1%a]b", None),
            ("lab%eth0:5", None),
        ] {
            assert_eq!(with_port(text).as_deref(), wanted, "{text}");
        }
        assert_eq!(with_port(&"h".repeat(400)), None);
    }

    #[test]
    fn what_was_put_together_comes_apart_again() {
        for (host, port, text) in [("lab", 1, "lab:1"), ("::1", 2, "[::1]:2"), ("fe80::1%eth0", 3, "[fe80::1%eth0]:3")]
        {
            assert_eq!(join(host, port), text);
            assert_eq!(host_and_port(text), Some((host, port)));
        }
        assert_eq!(join("[::1]", 4), "[::1]:4", "once in brackets is enough");
        assert_eq!((host_and_port("lab"), host_and_port("lab:x")), (None, None));
        assert!(has_scope("fe80::1%eth0") && !has_scope("fe80::1"));
        assert!(["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1"].into_iter().all(is_loopback));
        assert!(!["", "localhost.", "0.0.0.0", "::", "lab", "128.0.0.1"].into_iter().any(is_loopback));
        for (address, everywhere, scoped) in [
            ("0.0.0.0", true, false),
            ("::", true, false),
            ("[::]:5", true, false),
            ("::ffff:0.0.0.0", true, false),
            ("fe80::1", false, true),
            ("[fe80::1]:5", false, true),
            ("fe80::1%eth0", false, false),
            ("169.254.0.1", false, false),
            ("::1", false, false),
            ("lab:5", false, false),
        ] {
            assert_eq!((is_everywhere(address), wants_scope(address)), (everywhere, scoped), "{address}");
        }
    }
}
