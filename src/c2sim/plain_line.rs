//! The quick way to a document on one line: tags are copied as they stand, and only what lies between them is looked at.

use memchr::{memchr, memchr2, memchr3};

use super::defect::Defect;
use super::letters::{first_of, is_blank};
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
    let bytes = rest.as_bytes();
    let mut controls = Controls { bytes, next: 0 };
    // All before the first of them is written or left out, all before the second is looked at.
    let (mut done, mut at) = (0, 0);
    // Behind the start of an element, whose only content white space may be.
    let mut in_leaf = false;
    loop {
        let Some(len) = first_of([b'<'; 3], bytes.get(at..)?) else {
            out.extend_from_slice(bytes.get(done..at)?);
            return is_blank(rest.get(at..)?).then_some(());
        };
        let tag = at + len;
        let kind = *bytes.get(tag + 1)?;
        if kind == b'!' || kind == b'?' {
            return None;
        }
        let ends = kind == b'/';
        if len > 0 {
            let text = rest.get(at..tag)?;
            let is_one_line = controls.from(at) >= tag || memchr2(b'\n', b'\r', text.as_bytes()).is_none();
            let is_blank = is_blank(text);
            if !is_one_line || (is_blank && !(in_leaf && ends)) {
                out.extend_from_slice(bytes.get(done..at)?);
                if !is_blank {
                    push_text(out, text);
                }
                done = tag;
            }
        }
        at = tag_end(bytes, tag)?;
        if controls.from(tag) < at {
            return None;
        }
        in_leaf = !ends && bytes.get(at - 2) != Some(&b'/');
    }
}

/// Where the tag ends that begins at `at`.
fn tag_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let rest = bytes.get(at..)?;
        let found = first_of([b'>', b'"', b'\''], rest)?;
        at += found + 1;
        match rest.get(found) {
            Some(b'>') => return Some(at),
            Some(&quote) => at += memchr(quote, bytes.get(at..)?)? + 1,
            None => return None,
        }
    }
}

/// Where line ends and tabs stand, which are few, asked for from the front to the back.
struct Controls<'a> {
    bytes: &'a [u8],
    /// The first of them that is not before what was asked for last.
    next: usize,
}

impl Controls<'_> {
    /// Where the first of them stands that is not before `at`; the end of all bytes where there is none.
    fn from(&mut self, at: usize) -> usize {
        if self.next <= at {
            let found = self.bytes.get(at..).and_then(|rest| memchr3(b'\n', b'\r', b'\t', rest));
            self.next = found.map_or(self.bytes.len(), |found| at + found);
        }
        self.next
    }
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
            "<a>\n<b>\tx\n</b>\r\n\t<c d='>\"' e=\"'\">\t</c>y</a>",
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
            "<a b=\"x\ny\"/>",
            "<a>\n<b\tc='1'/></a>",
            "<a b='1></a>",
            "<a></a",
            "<a><",
            "<a",
            "x<a/>y",
        ] {
            assert_eq!(quick(document), None, "{document}");
        }
    }
}
