//! Component names, namespaces and full names.

use crate::limits::{FULL_NAME_BYTES_MAX, NAME_BYTES_MAX};

/// The component name of every Coordinator.
pub const COORDINATOR: &[u8] = b"COORDINATOR";

/// A full name taken apart: the namespace is empty where the name has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullName<'a> {
    /// Name of the node.
    pub namespace: &'a [u8],
    /// Name of the component within its node.
    pub name: &'a [u8],
}

impl<'a> FullName<'a> {
    /// Splits at the last dot; what is before it is the namespace.
    #[must_use]
    #[inline]
    pub fn split(bytes: &'a [u8]) -> Self {
        match bytes.iter().rposition(|byte| *byte == b'.') {
            Some(dot) => {
                Self { namespace: bytes.get(..dot).unwrap_or_default(), name: bytes.get(dot + 1..).unwrap_or_default() }
            }
            None => Self { namespace: &[], name: bytes },
        }
    }
}

/// Whether `name` may be signed in or be a namespace: 1 to 255 bytes of printable ASCII without a dot.
#[must_use]
pub fn is_legal(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.iter().all(|byte| matches!(byte, 0x20..=0x7e) && *byte != b'.')
}

/// The name under which `instep ctl` signs in for a moment.
#[must_use]
pub fn of_visitor(process: u32) -> String {
    format!("ctl-{process}")
}

/// Whether a name is made by [`of_visitor`], or a free variation of one. Who comes only to ask something is not news.
#[must_use]
pub fn is_visitor(name: &[u8]) -> bool {
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    name.strip_prefix(b"ctl-").is_some_and(|rest| rest.splitn(2, |byte| *byte == b'_').all(is_number))
}

/// The name for people and for JSON: printable ASCII as it is, anything else escaped, never longer than a legal full name.
#[must_use]
pub fn shown(name: &[u8]) -> String {
    let cut = name.get(..FULL_NAME_BYTES_MAX).unwrap_or(name);
    let mut shown = String::with_capacity(cut.len());
    for byte in cut {
        match byte {
            0x20..=0x7e => shown.push(char::from(*byte)),
            _ => shown.extend(byte.escape_ascii().map(char::from)),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_last_dot() {
        assert_eq!(FullName::split(b"CA"), FullName { namespace: b"", name: b"CA" });
        assert_eq!(FullName::split(b"N1.CA"), FullName { namespace: b"N1", name: b"CA" });
        assert_eq!(FullName::split(b"a.b.c"), FullName { namespace: b"a.b", name: b"c" });
        assert_eq!(FullName::split(b"."), FullName { namespace: b"", name: b"" });
    }

    #[test]
    fn visitors_are_told_from_components() {
        assert!(is_visitor(of_visitor(1).as_bytes()) && is_visitor(b"ctl-30895_2"));
        for name in ["ctl-", "ctl-a", "ctl-1_", "ctl-1_2_3", "ctl-1 ", "xctl-1", "Ctl-1", "control"] {
            assert!(!is_visitor(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn legal_names() {
        assert!(is_legal(b"COORDINATOR") && is_legal(b"a b~") && is_legal(&[b'x'; 255]));
        for name in [&b""[..], b"a.b", b"\x7f", b"\n", "ü".as_bytes(), &[b'x'; 256]] {
            assert!(!is_legal(name), "{name:?}");
        }
        assert_eq!(shown(b"\xffa\n"), "\\xffa\\n");
        assert_eq!(shown(br#"it's "\" here"#), r#"it's "\" here"#, "legal names stay themselves");
    }
}
