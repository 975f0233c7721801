//! Media types and other values with parameters: `multipart/form-data; boundary="x"` (RFC 9110, 5.6.6 and 8.3).

use std::borrow::Cow;

/// What stands before the parameters.
#[must_use]
pub fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// Whether a value is of this type, whatever its parameters: types are written in any case.
#[must_use]
pub fn is(value: &str, media_type: &str) -> bool {
    essence(value).eq_ignore_ascii_case(media_type)
}

/// The value of the first parameter of that name, which may be written in any case. It is copied only where a quoted one has escapes.
#[must_use]
pub fn parameter<'a>(value: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut rest = value.get(value.find(';')? + 1..)?;
    loop {
        let (known, behind) = rest.split_once('=')?;
        let behind = behind.trim_start();
        let (found, next) = match behind.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let (found, next) = behind.split_once(';').unwrap_or((behind, ""));
                (Cow::Borrowed(found.trim_end()), next)
            }
        };
        // Something without a value may stand before it.
        if known.rsplit(';').next()?.trim().eq_ignore_ascii_case(name) {
            return Some(found);
        }
        rest = next;
    }
}

/// What is in quotes, up to the closing one; and what is behind that.
fn unquote(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (mut has_escapes, mut is_escaped) = (false, false);
    let end = text.find(|letter| {
        let ends = letter == '"' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        has_escapes |= is_escaped;
        ends
    })?;
    let (inside, behind) = (text.get(..end)?, text.get(end + 1..)?);
    if !has_escapes {
        return Some((Cow::Borrowed(inside), behind));
    }
    let mut letters = inside.chars();
    let plain = core::iter::from_fn(|| {
        letters.next().and_then(|letter| if letter == '\\' { letters.next() } else { Some(letter) })
    });
    Some((Cow::Owned(plain.collect()), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared_without_parameters() {
        assert!(
            is(" Application/XML ; charset=utf-8", "application/xml") && !is("application/xmlx", "application/xml")
        );
        assert_eq!((essence("a/b;c"), essence("")), ("a/b", ""));
    }

    #[test]
    fn parameters_are_found_quoted_or_not() {
        let find = |value, name| parameter(value, name).map(Cow::into_owned);
        let disposition = r#"form-data; filename="a;name=\"x\\y\".xml" ; x; NAME = file; name=b"#;
        assert_eq!(find(disposition, "name").as_deref(), Some("file"));
        assert_eq!(find(disposition, "filename").as_deref(), Some(r#"a;name="x\y".xml"#));
        assert_eq!(find("a/b; boundary=\"c d\"", "Boundary").as_deref(), Some("c d"));
        assert_eq!(find("a/b;boundary=c=d ", "boundary").as_deref(), Some("c=d"));
        assert_eq!(find("a/b; boundary=", "boundary").as_deref(), Some(""));
        for none in ["a/b", "a/b; c", "a/b; c=\"d", "a/b; c=\"\\\"", "boundary=x"] {
            assert_eq!((find(none, "boundary"), find(none, "c")), (None, None), "{none}");
        }
    }
}
