//! The quick way to a document on one line: all is copied as it stands, but for the white space between tags.

use memchr::{memchr_iter, memchr2, memchr2_iter, memchr3, memrchr2};

use super::defect::Defect;
use super::letters::is_space_byte;
use super::notice::minify;

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
/// it was, where that is not enough: there are comments, instructions, CDATA, or tags or texts of several lines.
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
    let bytes = rest.as_bytes().trim_ascii();
    let is_more = |at: usize| at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'<');
    if !bytes.starts_with(b"<") || !bytes.ends_with(b">") || memchr2_iter(b'!', b'?', bytes).any(is_more) {
        return None;
    }
    let before = out.len();
    out.reserve(bytes.len());
    // All before is written or left out.
    let mut done = 0;
    for end in memchr_iter(b'>', bytes) {
        let blank = blank_len(bytes.get(end + 1..)?);
        let at = end + 1 + blank;
        if blank == 0 || bytes.get(at) != Some(&b'<') {
            continue;
        }
        let start = memrchr2(b'<', b'>', bytes.get(..end)?)?;
        if bytes.get(start) != Some(&b'<') {
            // What ends here is no tag, or has such a letter in a value.
            return None;
        }
        let starts = bytes.get(start + 1) != Some(&b'/') && bytes.get(end - 1) != Some(&b'/');
        let in_leaf = starts && bytes.get(at + 1) == Some(&b'/');
        // White space may be the only content of an element.
        if !in_leaf || memchr2(b'\n', b'\r', bytes.get(end..at)?).is_some() {
            out.extend_from_slice(bytes.get(done..=end)?);
            done = at;
        }
    }
    out.extend_from_slice(bytes.get(done..)?);
    memchr3(b'\n', b'\r', b'\t', out.get(before..)?).is_none().then_some(())
}

/// How many of the bytes are white space, up to the first that is not.
fn blank_len(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| is_space_byte(**byte)).count()
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
            "<a>one two  three &amp; <b/> x </a>",
            "<a>\n<b>\r\n</b>one > two<c/> three</a>",
            "<a b=\"'\" c=\"&lt;\"> &#65; </a>",
            "  <a><b/> </a>  ",
            "<a>\n<b> x > y</b>\r\n\t<c d='\"' e=\"'\"> </c>y</a>",
            "<a>\n<b c='> '\u{20}>x</b>\n</a>",
            "<a/>",
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
            "<a>one\ntwo\r\nthree\rfour &amp; <b/> x </a>",
            "<a>\tone</a>",
            "<a> <b>\t</b> </a>",
            "<a>one> <b/></a>",
            "<a b='>'>\n<c/></a>",
            "<a b=\"x\ny\"/>",
            "<a>\n<b\tc='1'/></a>",
            "<a></a",
            "<a><",
            "<a",
            "x<a/>y",
        ] {
            assert_eq!(quick(document), None, "{document}");
        }
    }
}
