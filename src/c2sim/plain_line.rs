//! The quick way to a document on one line: tags are copied as they stand, and only what lies between them is looked at.

use super::defect::Defect;
use super::letters::is_blank;
use super::notice::{minify, push_text};

/// The declaration of a document.
const DECLARATION: &str = "<?xml";

/// Writes a document that was judged on one line: the quick way where that is enough, or else as [`minify`] does.
///
/// # Errors
/// The document is not well-formed; `out` is then as it was.
pub fn write_line(document: &[u8], out: &mut Vec<u8>) -> Result<(), Defect> {
    match core::str::from_utf8(document) {
        Ok(text) if write_plain_line(text, out) => Ok(()),
        _ => minify(document, out),
    }
}

/// Writes a well-formed document on one line, as [`minify`] says, but with its tags as they stand. Answers `false`, with `out` as
/// it was, where that is not enough: there are comments, instructions, CDATA, or tags of several lines.
#[must_use]
pub fn write_plain_line(document: &str, out: &mut Vec<u8>) -> bool {
    let before = out.len();
    let is_written = write(document, out).is_some();
    if !is_written {
        out.truncate(before);
    }
    is_written
}

fn write(document: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut rest = document.trim_start();
    if rest.strip_prefix(DECLARATION).is_some_and(|more| more.starts_with(char::is_whitespace)) {
        rest = rest.get(rest.find("?>")? + 2..)?;
    }
    out.reserve(rest.len());
    // Behind the start of an element, whose only content white space may be.
    let mut in_leaf = false;
    loop {
        let Some(at) = rest.find('<') else { return is_blank(rest).then_some(()) };
        let (text, tags) = rest.split_at_checked(at)?;
        let kind = *tags.as_bytes().get(1)?;
        if kind == b'!' || kind == b'?' {
            return None;
        }
        let ends = kind == b'/';
        let is_one_line = !text.bytes().any(|byte| byte == b'\n' || byte == b'\r');
        match (is_blank(text), is_one_line) {
            (false, true) => out.extend_from_slice(text.as_bytes()),
            (false, false) => push_text(out, text),
            (true, true) if in_leaf && ends => out.extend_from_slice(text.as_bytes()),
            (true, _) => {}
        }
        let len = tag_len(tags.as_bytes())?;
        let (tag, more) = tags.split_at_checked(len)?;
        out.extend_from_slice(tag.as_bytes());
        in_leaf = !ends && !tag.ends_with("/>");
        rest = more;
    }
}

/// Bytes of the tag that these begin with; `None` for one of several lines, or with a tab.
fn tag_len(bytes: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, &byte) in bytes.iter().enumerate() {
        match (byte, quote) {
            (b'\n' | b'\r' | b'\t', _) => return None,
            (b'>', None) => return Some(at + 1),
            (b'"' | b'\'', None) => quote = Some(byte),
            (_, Some(mark)) if byte == mark => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick(document: &str) -> Option<String> {
        let mut out = b"x".to_vec();
        let is_written = write_plain_line(document, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!((text.starts_with('x'), is_written || text.len() == 1), (true, true));
        is_written.then(|| text[1..].to_owned())
    }

    fn slow(document: &str) -> String {
        let mut out = Vec::new();
        minify(document.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn both_ways_lead_to_the_same() {
        for document in [
            "<?xml version=\"1.0\"?>\n<a>\n <b c=\"1>2\">x</b>\n <d/>\n</a>\n",
            "<a> </a>",
            "<a>\n</a>",
            "<a> <b> </b> </a>",
            "<a>one\ntwo\r\nthree\rfour &amp; <b/> x </a>",
            "<a b=\"'\" c=\"&lt;\"> &#65; </a>",
            "  <a><b/> </a>  ",
        ] {
            let plain = quick(document).expect(document);
            assert!(!plain.contains(['\n', '\r']), "{plain}");
            assert_eq!(slow(&plain), slow(document), "{document}");
        }
        assert_eq!(
            quick("<?xml version='1.0'?>\n<a  b='1' >\n <c />\n</a >\n").as_deref(),
            Some("<a  b='1' ><c /></a >")
        );
    }

    #[test]
    fn what_needs_more_is_left_to_the_other_way() {
        for document in [
            "<a><!-- x --></a>",
            "<a><?x y?></a>",
            "<a><![CDATA[x]]></a>",
            "<a\nb=\"1\"/>",
            "<a b=\"x\ny\"/>",
            "<a",
            "x<a/>y",
        ] {
            assert_eq!(quick(document), None, "{document}");
        }
    }
}
