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
            b'[' | b'{' if !matches!(first_of(behind), Some(b']' | b'}')) => values += 1,
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
