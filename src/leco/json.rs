//! JSON that is written as it comes, for answers too long to be built first: a list of a thousand rows as a tree of values takes milliseconds,
//! most of it for memory that is asked for and given back.

use core::fmt::{self, Write as _};

use serde_json::Value;

#[cfg(doc)]
use crate::limits::JSON_WORK_MAX;
use crate::limits::NAME_BYTES_MAX;

/// What reading a byte outside of the strings of a text takes, beside [`JSON_WORK_MAX`].
const BYTE_WORK: usize = 2;
/// The same of an escape in a string.
const ESCAPE_WORK: usize = 8;
/// The same of a value.
const VALUE_WORK: usize = 32;
/// The same of a key, for its place among the others.
const KEY_WORK: usize = 96;
/// The same of an object, for the room of its first keys.
const OBJECT_WORK: usize = 160;

/// How much a JSON text may ask of who reads it.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// Values, those of objects and arrays counted with them.
    pub values: usize,
    /// What reading it takes, in halves of a byte outside of its strings.
    pub work: usize,
}

/// Whether a JSON text asks for more than that. What is no JSON is counted somehow.
#[must_use]
pub fn has_more(text: &[u8], most: Most) -> bool {
    let mut walk = Walk::new(text);
    while walk.next().is_some() {
        if walk.values > most.values || walk.work > most.work {
            return true;
        }
    }
    walk.work > most.work
}

/// What stands outside of the strings of a JSON text, and they.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark<'a> {
    /// A string, as it is written between its quotes; empty where it does not end.
    String(&'a [u8]),
    Colon,
    Comma,
    /// Of an array or an object begins.
    Open {
        is_array: bool,
    },
    Close,
}

/// A way through a JSON text from mark to mark, which counts what lies behind it.
struct Walk<'a> {
    rest: &'a [u8],
    values: usize,
    work: usize,
    /// Bytes of the last string, which is a key where a colon comes next.
    string: usize,
}

impl<'a> Walk<'a> {
    const fn new(text: &'a [u8]) -> Self {
        Self { rest: text, values: 1, work: 0, string: 0 }
    }

    fn next(&mut self) -> Option<Mark<'a>> {
        let is_mark = |byte: &u8| matches!(byte, b'"' | b',' | b':' | b'[' | b']' | b'{' | b'}');
        let Some(at) = self.rest.iter().position(is_mark) else {
            self.work += BYTE_WORK * self.rest.len();
            self.rest = &[];
            return None;
        };
        let (mark, rest) = self.rest.get(at..)?.split_first()?;
        self.rest = rest;
        self.work += BYTE_WORK * (at + 1);
        Some(match mark {
            b'"' => {
                self.rest = behind_string(rest, &mut self.work);
                let string = rest.get(..rest.len() - self.rest.len()).and_then(|it| it.strip_suffix(b"\""));
                let string = string.unwrap_or_default();
                self.string = string.len();
                Mark::String(string)
            }
            b':' => {
                // It is compared with others.
                self.work += KEY_WORK + BYTE_WORK * self.string;
                Mark::Colon
            }
            b',' => {
                self.count_value();
                Mark::Comma
            }
            b'[' | b'{' => {
                self.work += if *mark == b'{' { OBJECT_WORK } else { 0 };
                // What begins an array or an object comes before its first value, unless that is empty.
                if !matches!(first_of(rest), Some(b']' | b'}')) {
                    self.count_value();
                }
                Mark::Open { is_array: *mark == b'[' }
            }
            _ => Mark::Close,
        })
    }

    const fn count_value(&mut self) {
        self.values += 1;
        self.work += VALUE_WORK;
    }
}

fn first_of(text: &[u8]) -> Option<u8> {
    text.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

/// What comes behind the end of the string that `text` is in; what its escapes take is added to `work`.
fn behind_string<'a>(mut text: &'a [u8], work: &mut usize) -> &'a [u8] {
    loop {
        text = match text {
            [b'"', behind @ ..] => return behind,
            [b'\\', _, behind @ ..] => {
                *work += ESCAPE_WORK;
                behind
            }
            [b'\\'] => return &[],
            _ => match memchr::memchr2(b'"', b'\\', text) {
                Some(at) => text.get(at..).unwrap_or_default(),
                None => return &[],
            },
        };
    }
}

/// Bytes of a string with escapes in it that one of [`Strings`] may have: a name of the longest kind, all of it escaped.
const ESCAPED_BYTES_MAX: usize = 12 * NAME_BYTES_MAX;

/// An array of strings as the text between its brackets, to be read one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strings {
    text: Box<[u8]>,
    at: usize,
    left: usize,
}

impl Strings {
    /// The same of items that have been read.
    #[must_use]
    pub fn of(items: Vec<Value>) -> Self {
        let left = items.len();
        let text = Value::Array(items).to_string();
        let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or_default();
        Self { text: text.as_bytes().into(), at: 0, left }
    }

    /// How many there are still.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.left
    }

    /// Whether all have been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Bytes of its text.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Reads the next one, of those that there are; `None`: it is no string, or of more than `ESCAPED_BYTES_MAX` bytes with escapes among
    /// them, or what is around it is no JSON.
    pub fn read(&mut self) -> Option<String> {
        self.left = self.left.checked_sub(1)?;
        let rest = self.text.get(self.at..)?.trim_ascii_start();
        let behind = behind_string(rest.strip_prefix(b"\"")?, &mut 0);
        let string = rest.get(..rest.len() - behind.len())?;
        let letters = string.get(1..string.len().checked_sub(1)?)?;
        let read = if letters.iter().all(|byte| *byte >= b' ' && *byte != b'\\') && string.ends_with(b"\"") {
            core::str::from_utf8(letters).ok()?.to_owned()
        } else if letters.len() > ESCAPED_BYTES_MAX {
            return None;
        } else {
            let Value::String(read) = serde_json::from_slice(string).ok()? else { return None };
            read
        };
        let behind = match behind.trim_ascii_start() {
            [b',', next @ ..] if self.left > 0 => next,
            [] if self.left == 0 => &[],
            _ => return None,
        };
        self.at = self.text.len() - behind.len();
        Some(read)
    }
}

/// A list that has been cut out of the text of a JSON-RPC document.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut {
    /// Of which element of a batch it was a parameter; 0 where there is no batch.
    pub call: usize,
    /// What was in it.
    pub list: Strings,
}

/// Cuts lists out of the text of a JSON-RPC document: those that are the parameter `name` of a call, or its first by position. Answers the
/// text with empty ones in their places; `None`: there are more than `values_max` values, those of the lists counted too. What is no JSON in
/// the text stays none; what is none in a list shows when that is read.
#[must_use]
pub fn cut_lists(text: &[u8], name: &str, values_max: usize) -> Option<(Vec<u8>, Vec<Cut>)> {
    // Where the members of a call are, and where its parameters.
    let (members, params) = if first_of(text) == Some(b'[') { (2, 3) } else { (1, 2) };
    let (mut shorter, mut cuts, mut copied) = (Vec::new(), Vec::new(), 0);
    let (mut call, mut depth, mut before) = (0, 0_usize, 1);
    let (mut string, mut in_params, mut is_place, mut list) = (&[][..], false, false, None);
    let mut walk = Walk::new(text);
    while let Some(mark) = walk.next() {
        match mark {
            Mark::String(it) => string = it,
            Mark::Colon if depth == members => in_params = string == b"params",
            Mark::Colon if depth == params => is_place = in_params && string == name.as_bytes(),
            Mark::Comma => match depth {
                _ if depth + 1 == members => call += 1,
                _ if depth == members => in_params = false,
                _ if depth == params => is_place = false,
                _ => {}
            },
            Mark::Open { is_array } => {
                if is_array && depth == params && is_place {
                    list = Some((text.len() - walk.rest.len(), before));
                }
                depth += 1;
                if depth == params {
                    is_place = in_params && is_array;
                }
            }
            Mark::Close => {
                depth = depth.saturating_sub(1);
                if depth == params
                    && let Some((start, before)) = list.take()
                {
                    let end = text.len() - walk.rest.len() - 1;
                    let list = Strings { text: text.get(start..end)?.into(), at: 0, left: walk.values - before };
                    shorter.extend_from_slice(text.get(copied..start)?);
                    cuts.push(Cut { call, list });
                    copied = end;
                }
            }
            Mark::Colon => {}
        }
        before = walk.values;
        if before > values_max {
            return None;
        }
    }
    shorter.extend_from_slice(text.get(copied..)?);
    Some((shorter, cuts))
}

/// A JSON text on its way. Its commas are its own affair; that objects have keys, and each key one value, is the caller's. Where the text is
/// to be what a tree of values would give, keys come in the order of their letters.
#[derive(Debug, Default)]
pub struct Json {
    text: String,
}

impl Json {
    /// Nothing yet, with room for so many bytes.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes) }
    }

    /// What has been written.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// The value that has been written, for what is short and goes into others.
    #[must_use]
    pub fn into_value(self) -> Value {
        let value = serde_json::from_str(&self.text);
        debug_assert!(value.is_ok(), "what is written is JSON: {}", self.text);
        value.unwrap_or_default()
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether nothing has been written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Writes an object, whose members `fill` writes.
    pub fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.separate();
        self.text.push('{');
        fill(self);
        self.text.push('}');
    }

    /// Writes an array, whose elements `fill` writes.
    pub fn array(&mut self, fill: impl FnOnce(&mut Self)) {
        self.separate();
        self.text.push('[');
        fill(self);
        self.text.push(']');
    }

    /// Ends an object that was begun with [`Json::raw`].
    pub fn end(&mut self) {
        self.text.push('}');
    }

    /// Begins a member of an object; its value comes next.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.text(name);
        self.text.push(':');
        self
    }

    /// Writes a string.
    pub fn text(&mut self, text: &str) {
        self.separate();
        if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
            self.put(format_args!("{}", Value::from(text)));
        } else {
            self.text.push('"');
            self.text.push_str(text);
            self.text.push('"');
        }
    }

    /// Writes a whole number.
    pub fn number(&mut self, number: u64) {
        self.separate();
        self.put(format_args!("{number}"));
    }

    /// Writes a truth value.
    pub fn truth(&mut self, truth: bool) {
        self.separate();
        self.text.push_str(if truth { "true" } else { "false" });
    }

    /// Writes what is JSON already.
    pub fn raw(&mut self, json: &str) {
        self.separate();
        self.text.push_str(json);
    }

    /// Writes a value.
    pub fn value(&mut self, value: &Value) {
        self.separate();
        self.put(format_args!("{value}"));
    }

    /// Takes back what was written last: all but the first `len` bytes.
    pub fn cut(&mut self, len: usize) {
        self.text.truncate(len);
    }

    /// Puts a comma where something stands before what comes next.
    fn separate(&mut self) {
        // Every value ends with another byte.
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(',');
        }
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        let written = self.text.write_fmt(text);
        debug_assert!(written.is_ok(), "a String takes everything");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_what_a_tree_of_values_would_give() {
        let mut json = Json::default();
        json.object(|json| {
            json.key("a").array(|json| {
                for number in [0, 9, 10, u64::MAX] {
                    json.number(number);
                }
            });
            json.key("b").object(|_| {});
            json.key("c").array(|json| {
                json.object(|json| json.key("x").text("quo\"te [{:"));
                json.text("line\nend, ä\u{1}\\");
                json.text("");
                json.truth(true);
                json.truth(false);
                json.raw("[1]");
            });
            json.key("d:\n").value(&json!({"y": null}));
        });
        let wanted = json!({
            "a": [0, 9, 10, u64::MAX], "b": {},
            "c": [{"x": "quo\"te [{:"}, "line\nend, ä\u{1}\\", "", true, false, [1]],
            "d:\n": {"y": null},
        });
        assert_eq!(json.into_text(), wanted.to_string());
    }

    fn read_all(mut list: Strings) -> Vec<Option<String>> {
        (0..list.len()).map(|_| list.read()).collect()
    }

    #[test]
    fn lists_are_cut_out_where_they_are_a_parameter_and_nowhere_else() {
        let cut = |text: &str| {
            let (rest, cuts) = cut_lists(text.as_bytes(), "list", 1000).unwrap();
            let cuts =
                cuts.into_iter().map(|cut| (cut.call, read_all(cut.list).into_iter().collect::<Option<Vec<_>>>()));
            (String::from_utf8(rest).unwrap(), cuts.collect::<Vec<_>>())
        };
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            cut(r#"{"params":{"a":[1],"list": ["CA", "C\"]}\u0042" ],"b":["x"]},"list":["y"]}"#),
            (
                r#"{"params":{"a":[1],"list": [],"b":["x"]},"list":["y"]}"#.to_owned(),
                vec![(0, names(&["CA", "C\"]}B"]))]
            )
        );
        assert_eq!(
            cut(r#" [{"params":[["CA"],["CB"]]},{"params":{"list":[ ]}},{"params":{"list":[["CA"]]}}]"#),
            (
                r#" [{"params":[[],["CB"]]},{"params":{"list":[]}},{"params":{"list":[]}}]"#.to_owned(),
                vec![(0, names(&["CA"])), (1, names(&[])), (2, None)]
            )
        );
        for whole in [
            r#"{"a":{"list":["CA"]},"params":{"a":{"list":["CA"]},"list":"[","b":[["CA"]]}}"#,
            r#"{"params":{"a":1},"x":{"list":["CA"]},"params":[1,["CA"]]}"#,
            r#"["params",{"list":["CA"]},[{"params":{"list":["CA"]}}]]"#,
            r#"{"params":{"list":["CA""#,
            "]]}}",
            "",
        ] {
            assert_eq!(cut(whole), (whole.to_owned(), vec![]), "{whole}");
        }
    }

    #[test]
    fn values_are_counted_wherever_they_are() {
        let text = br#"{"method":"m","params":{"list":["CA","CB","CC"],"b":[1,2]}}"#;
        // The document, two members of it, two parameters, and what is in their lists.
        let most = |values| Most { values, work: usize::MAX };
        assert!(!has_more(text, most(10)) && has_more(text, most(9)));
        for name in ["list", "other"] {
            assert!(cut_lists(text, name, 10).is_some());
            assert_eq!(cut_lists(text, name, 9), None);
        }
    }

    #[test]
    fn what_reading_takes_is_counted_for_keys_for_all_that_is_not_in_a_string_and_for_escapes() {
        for (text, work) in [
            (r#""letters, [of] {no: matter}""#, 2),
            (r#""a\n\"b\\c\u0041\ud83d\ude00""#, 2 + 6 * ESCAPE_WORK),
            (r#"["a\n\"b", "\\", 123.25e-7  ]"#, 2 * 19 + 3 * VALUE_WORK + 3 * ESCAPE_WORK),
            (r#"{"a":1,"b":{}}"#, 2 * 12 + 2 * (VALUE_WORK + KEY_WORK + OBJECT_WORK)),
            ("[[],\n[ ]]", 2 * 9 + 2 * VALUE_WORK),
            (r#""no end, [1,2\"#, 2),
            ("     ", 10),
        ] {
            let most = |work| Most { values: 100, work };
            assert!(!has_more(text.as_bytes(), most(work)) && has_more(text.as_bytes(), most(work - 1)), "{text}");
        }
    }

    #[test]
    fn the_text_of_a_list_is_read_one_by_one_and_what_is_no_string_is_noticed() {
        let read = |text: &str, left| read_all(Strings { text: text.as_bytes().into(), at: 0, left });
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(read(" \"CA\" ,\n\"C\\n\" ", 2), [some("CA"), some("C\n")]);
        assert_eq!(read_all(Strings::of(vec![json!("CA"), json!("\","), json!(1)])), [some("CA"), some("\","), None]);
        for (wrong, left) in
            [("1", 1), ("\"CA", 1), ("\"CA\" 1", 1), ("\"CA\",", 1), ("\"CA\" \"CB\"", 2), ("\"\n\"", 1)]
        {
            assert!(read(wrong, left).contains(&None), "{wrong}");
        }
        assert_eq!(read("", 0), []);
    }

    #[test]
    fn what_did_not_fit_is_taken_back_with_its_comma() {
        let mut json = Json::default();
        json.array(|json| {
            json.text("kept");
            let before = json.len();
            json.text("not");
            json.cut(before);
            json.text("too");
        });
        assert_eq!(json.into_text(), r#"["kept","too"]"#);
    }
}
