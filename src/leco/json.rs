//! JSON that is written as it comes, for answers too long to be built first: a list of a thousand rows as a tree of values takes milliseconds,
//! most of it for memory that is asked for and given back.

use core::fmt::{self, Write as _};

use serde_json::Value;

/// Whether a JSON text has more values than `max`, those of objects and arrays counted with them. What is no JSON is counted somehow, and
/// looked at no further than that many.
#[must_use]
pub fn has_more_values(text: &[u8], max: usize) -> bool {
    let (mut values, mut rest) = (1, text);
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'"' => rest = behind_string(behind),
            // What begins an array or an object comes before its first value, unless that is empty.
            b',' => values += 1,
            b'[' | b'{' if has_values(behind) => values += 1,
            _ => {}
        }
        if values > max {
            return true;
        }
    }
    false
}

fn first_of(text: &[u8]) -> Option<u8> {
    text.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

/// Whether an array or object whose bracket `text` comes behind has anything in it.
fn has_values(text: &[u8]) -> bool {
    !matches!(first_of(text), Some(b']' | b'}'))
}

/// What comes behind the end of the string that `text` is in.
fn behind_string(mut text: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', text) {
        let is_end = text.get(at) == Some(&b'"');
        text = text.get(at + if is_end { 1 } else { 2 }..).unwrap_or_default();
        if is_end {
            return text;
        }
    }
    &[]
}

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

    /// Reads the next one, of those that there are; `None`: it is no string, or what is around it is no JSON.
    pub fn read(&mut self) -> Option<String> {
        self.left = self.left.checked_sub(1)?;
        let rest = self.text.get(self.at..)?.trim_ascii_start();
        let behind = behind_string(rest.strip_prefix(b"\"")?);
        let string = rest.get(..rest.len() - behind.len())?;
        let letters = string.get(1..string.len().checked_sub(1)?)?;
        let read = if letters.iter().all(|byte| *byte >= b' ' && *byte != b'\\') && string.ends_with(b"\"") {
            core::str::from_utf8(letters).ok()?.to_owned()
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
/// text with empty ones in their places; `None`: there are more than `rest_max` values besides, or `values_max` with theirs. What is no JSON
/// in the text stays none; what is none in a list shows when that is read.
#[must_use]
pub fn cut_lists(text: &[u8], name: &str, [rest_max, values_max]: [usize; 2]) -> Option<(Vec<u8>, Vec<Cut>)> {
    // Where the members of a call are, and where its parameters.
    let (members, params) = if first_of(text) == Some(b'[') { (2, 3) } else { (1, 2) };
    let (mut shorter, mut cuts, mut copied) = (Vec::new(), Vec::new(), 0);
    let (mut call, mut depth, mut values, mut in_lists) = (0, 0_usize, 1, 0);
    let (mut string, mut in_params, mut is_place, mut list) = (&[][..], false, false, None);
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'"' => {
                rest = behind_string(behind);
                string =
                    behind.get(..behind.len() - rest.len()).and_then(|it| it.strip_suffix(b"\"")).unwrap_or_default();
            }
            b':' if depth == members => in_params = string == b"params",
            b':' if depth == params => is_place = in_params && string == name.as_bytes(),
            b',' => {
                values += 1;
                match depth {
                    _ if depth + 1 == members => call += 1,
                    _ if depth == members => in_params = false,
                    _ if depth == params => is_place = false,
                    _ => {}
                }
            }
            b'[' | b'{' => {
                if *byte == b'[' && depth == params && is_place {
                    list = Some((text.len() - behind.len(), values));
                }
                depth += 1;
                values += usize::from(has_values(behind));
                if depth == params {
                    is_place = in_params && *byte == b'[';
                }
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == params
                    && let Some((start, before)) = list.take()
                {
                    let (end, left) = (text.len() - behind.len() - 1, values - before);
                    shorter.extend_from_slice(text.get(copied..start)?);
                    cuts.push(Cut { call, list: Strings { text: text.get(start..end)?.into(), at: 0, left } });
                    (copied, in_lists) = (end, in_lists + left);
                }
            }
            _ => {}
        }
        let own = if list.is_some() { 0 } else { values - in_lists };
        if values > values_max || own > rest_max {
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
            let (rest, cuts) = cut_lists(text.as_bytes(), "list", [1000, 1000]).unwrap();
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
    fn values_of_lists_that_are_cut_out_are_counted_apart() {
        let text = br#"{"method":"m","params":{"list":["CA","CB","CC"],"b":[1,2]}}"#;
        // The document, two members of it, two parameters less the list itself, and two in the other list.
        let most = [7, 10];
        assert!(!has_more_values(text, most[1]) && has_more_values(text, most[1] - 1));
        assert!(cut_lists(text, "list", most).is_some());
        assert_eq!(cut_lists(text, "list", [most[0] - 1, most[1]]), None);
        assert_eq!(cut_lists(text, "list", [most[0], most[1] - 1]), None);
        assert_eq!(cut_lists(text, "other", most), None);
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
