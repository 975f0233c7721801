//! Forms with files (`multipart/form-data`, RFC 7578 and RFC 2046, 5.1): parts between lines that no part contains.
//!
//! One part is wanted; it is looked for while the body grows, so that no single call has to look through all of it.

use core::fmt;
use core::ops::Range;

use super::media;
use crate::limits::{HTTP_BOUNDARY_BYTES_MAX, HTTP_PART_HEAD_BYTES_MAX, HTTP_PARTS_MAX};

/// Why a form cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The media type names no boundary, or one that is too long or has letters that it must not have.
    Boundary,
    /// A part does not begin with fields and an empty line, or these are too long.
    PartHead,
    /// More parts than [`HTTP_PARTS_MAX`].
    TooManyParts,
    /// The form ends without its last line.
    Unfinished,
    /// It has no part of the wanted name.
    Missing,
    /// It has two of them.
    Twice,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boundary => "the multipart boundary is missing or malformed",
            Self::PartHead => "a part of the form has a malformed head",
            Self::TooManyParts => "the form has too many parts",
            Self::Unfinished => "the form does not end with its boundary",
            Self::Missing => "the form lacks the part that is wanted",
            Self::Twice => "the form has the part that is wanted twice",
        })
    }
}

impl core::error::Error for Malformed {}

/// `\r\n--` before the boundary.
const BEFORE: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing is read yet: the first delimiter needs no line before it.
    Start,
    /// In what precedes the first part, or in a part.
    Content,
    /// In the fields of a part.
    Head,
    /// Behind the last delimiter: what follows is ignored.
    End,
}

/// A form, as far as its body has come.
#[derive(Clone, Copy, Debug)]
pub struct Form<'n> {
    name: &'n str,
    delimiter: [u8; BEFORE + HTTP_BOUNDARY_BYTES_MAX],
    delimiter_len: usize,
    place: Place,
    /// Everything before this is read.
    at: usize,
    parts: usize,
    /// Where the part at hand began, if it is wanted.
    begun: Option<usize>,
    /// Where the wanted part began and ended.
    wanted: Option<(usize, usize)>,
}

impl<'n> Form<'n> {
    /// A form of which the part called `name` is wanted, by the `Content-Type` of its request.
    ///
    /// # Errors
    /// [`Malformed::Boundary`].
    pub fn new(content_type: &str, name: &'n str) -> Result<Self, Malformed> {
        let boundary = media::parameter(content_type, "boundary").ok_or(Malformed::Boundary)?;
        let is_letter = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if boundary.is_empty() || boundary.len() > HTTP_BOUNDARY_BYTES_MAX || !boundary.bytes().all(is_letter) {
            return Err(Malformed::Boundary);
        }
        let mut delimiter = [0; BEFORE + HTTP_BOUNDARY_BYTES_MAX];
        let letters = b"\r\n--".iter().chain(boundary.as_bytes());
        delimiter.iter_mut().zip(letters).for_each(|(place, byte)| *place = *byte);
        let delimiter_len = BEFORE + boundary.len();
        Ok(Self { name, delimiter, delimiter_len, place: Place::Start, at: 0, parts: 0, begun: None, wanted: None })
    }

    /// Reads on: `body` is all that has come of it, from its beginning. To be called whenever it has grown, or once when it is whole; what was
    /// read before is not looked at again.
    ///
    /// # Errors
    /// [`Malformed`]: no more of it helps.
    pub fn read(&mut self, body: &[u8]) -> Result<(), Malformed> {
        loop {
            let is_further = match self.place {
                Place::Start => self.start(body)?,
                Place::Content => self.content(body)?,
                Place::Head => self.head(body)?,
                Place::End => false,
            };
            if !is_further {
                return Ok(());
            }
        }
    }

    /// Where in the whole body, which has been read, the wanted part lies.
    ///
    /// # Errors
    /// [`Malformed::Unfinished`] or [`Malformed::Missing`].
    pub fn part(&self) -> Result<Range<usize>, Malformed> {
        if self.place != Place::End {
            return Err(Malformed::Unfinished);
        }
        self.wanted.map(|(start, end)| start..end).ok_or(Malformed::Missing)
    }

    fn delimiter(&self) -> &[u8] {
        self.delimiter.get(..self.delimiter_len).unwrap_or_default()
    }

    fn start(&mut self, body: &[u8]) -> Result<bool, Malformed> {
        let first = self.delimiter().get(2..).unwrap_or_default();
        if body.len() < first.len() && first.starts_with(body) {
            return Ok(false);
        }
        if body.starts_with(first) {
            let Some(is_further) = self.end_of_delimiter(body, first.len(), None)? else {
                return Ok(false);
            };
            if is_further {
                return Ok(true);
            }
        }
        self.place = Place::Content;
        Ok(true)
    }

    fn content(&mut self, body: &[u8]) -> Result<bool, Malformed> {
        let rest = body.get(self.at..).unwrap_or_default();
        let Some(more) = rest.iter().position(|byte| *byte == b'\r') else {
            self.at = body.len();
            return Ok(false);
        };
        self.at += more;
        let (rest, delimiter) = (rest.get(more..).unwrap_or_default(), self.delimiter());
        if rest.len() < delimiter.len() && delimiter.starts_with(rest) {
            return Ok(false);
        }
        if rest.starts_with(delimiter) {
            match self.end_of_delimiter(body, self.at + self.delimiter_len, Some(self.at))? {
                None => return Ok(false),
                Some(true) => return Ok(true),
                Some(false) => {}
            }
        }
        self.at += 1;
        Ok(true)
    }

    /// What stands behind a boundary: an end of line, blanks before it, or two dashes. With anything else it was no delimiter (`false`), and
    /// nothing is known yet while that has not come. `end` is where the part before it ends.
    fn end_of_delimiter(&mut self, body: &[u8], from: usize, end: Option<usize>) -> Result<Option<bool>, Malformed> {
        let behind = body.get(from..).unwrap_or_default();
        let blanks = behind.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let (place, len) = match behind.get(blanks..).unwrap_or_default() {
            [b'-', b'-', ..] if blanks == 0 => (Place::End, 2),
            [b'\r', b'\n', ..] if blanks < HTTP_PART_HEAD_BYTES_MAX => (Place::Head, blanks + 2),
            [] | [b'\r'] if blanks < HTTP_PART_HEAD_BYTES_MAX => return Ok(None),
            [b'-'] if blanks == 0 => return Ok(None),
            _ => return Ok(Some(false)),
        };
        if let (Some(start), Some(end)) = (self.begun.take(), end)
            && self.wanted.replace((start, end.max(start))).is_some()
        {
            return Err(Malformed::Twice);
        }
        (self.place, self.at) = (place, from + len);
        Ok(Some(true))
    }

    fn head(&mut self, body: &[u8]) -> Result<bool, Malformed> {
        let rest = body.get(self.at..).unwrap_or_default();
        let within = rest.get(..HTTP_PART_HEAD_BYTES_MAX).unwrap_or(rest);
        // The line end before the fields belongs to the delimiter, but may be the first half of the empty line too.
        let len = if within.starts_with(b"\r\n") {
            2
        } else if let Some(end) = within.windows(4).position(|four| four == b"\r\n\r\n") {
            end + 4
        } else if within.len() == HTTP_PART_HEAD_BYTES_MAX {
            return Err(Malformed::PartHead);
        } else {
            return Ok(false);
        };
        let head = core::str::from_utf8(within.get(..len).unwrap_or_default()).map_err(|_| Malformed::PartHead)?;
        self.parts += 1;
        if self.parts > HTTP_PARTS_MAX {
            return Err(Malformed::TooManyParts);
        }
        self.at += len;
        self.begun = is_called(head, self.name).then_some(self.at);
        // A part may be empty: then the line end before its delimiter is that of its head.
        self.at -= 2;
        self.place = Place::Content;
        Ok(true)
    }
}

fn is_called(head: &str, name: &str) -> bool {
    let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut dispositions = fields.filter(|(field, _)| field.trim().eq_ignore_ascii_case("content-disposition"));
    dispositions.next().and_then(|(_, value)| media::parameter(value, "name")).is_some_and(|known| known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wanted part, the same however the body grows.
    fn part(content_type: &str, body: &str) -> Result<String, Malformed> {
        let read = |step: usize| {
            let mut form = Form::new(content_type, "file")?;
            for end in (0..body.len()).step_by(step).skip(1) {
                form.read(&body.as_bytes()[..end])?;
            }
            form.read(body.as_bytes())?;
            form.part().map(|range| body[range].to_owned())
        };
        let whole = read(body.len() + 1);
        for step in 1..body.len().min(300) {
            assert_eq!(read(step), whole, "{step} bytes at a time");
        }
        whole
    }

    const TYPE: &str = "multipart/form-data; boundary=b-1";

    #[test]
    fn the_wanted_part_is_found() {
        let okhttp = "--b-1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.xml\"\r\nContent-Type: application/xml\r\n\
                      Content-Length: 9\r\n\r\n<Message>\r\n--b-1--\r\n";
        assert_eq!(part(TYPE, okhttp).as_deref(), Ok("<Message>"));
        let others = "preamble\r\n--b-1 \t\r\ncontent-disposition:form-data;name=other\r\n\r\nx\r\n--b-1\r\n\
                      Content-Disposition: form-data; name=file\r\n\r\n\r\n--b-12\r\r\n--b-\r\n\r\n--b-1--epilogue\r\n--b-1\r\n";
        assert_eq!(
            part("Multipart/Form-Data; charset=x; boundary=\"b-1\"", others).as_deref(),
            Ok("\r\n--b-12\r\r\n--b-\r\n")
        );
        let empty = "--b-1\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n\r\n--b-1--";
        assert_eq!(part(TYPE, empty).as_deref(), Ok(""));
        let at_once = "--b-1\r\nContent-Disposition: form-data; name=file\r\n\r\n--b-1--";
        assert!(part(TYPE, at_once).is_ok_and(|part| part.is_empty()));
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let wanted = "--b-1\r\nContent-Disposition: form-data; name=file\r\n\r\nx\r\n";
        for (body, malformed) in [
            (String::new(), Malformed::Unfinished),
            ("--b-1--".to_owned(), Malformed::Missing),
            (wanted.to_owned(), Malformed::Unfinished),
            (format!("{wanted}--b-1-"), Malformed::Unfinished),
            (format!("--b-1\r\n\r\nx\r\n--b-1--{wanted}"), Malformed::Missing),
            (format!("{wanted}{wanted}--b-1--"), Malformed::Twice),
            (format!("--b-1\r\n{}", "x".repeat(HTTP_PART_HEAD_BYTES_MAX)), Malformed::PartHead),
            ("--b-1\r\n\r\n\r\n".repeat(HTTP_PARTS_MAX + 1), Malformed::TooManyParts),
        ] {
            assert_eq!(part(TYPE, &body), Err(malformed), "{}", &body[..body.len().min(80)]);
        }
    }

    #[test]
    fn a_boundary_has_up_to_seventy_letters() {
        let form = |boundary: &str| Form::new(&format!("multipart/form-data; boundary={boundary}"), "file").map(drop);
        assert_eq!((form(&"x".repeat(70)), form(&"x".repeat(71))), (Ok(()), Err(Malformed::Boundary)));
        assert_eq!([form(""), form("\"\""), form("\u{e4}"), form("\"a\tb\"")], [Err(Malformed::Boundary); 4]);
        assert_eq!(Form::new("multipart/form-data", "file").map(drop), Err(Malformed::Boundary));
    }
}
