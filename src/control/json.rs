//! Records that come as JSON, for programs that have no MsgPack: the same map, value by value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::pack::Pack as _;

/// Appends a value of JSON as MsgPack. Whole numbers stay such, all others are doubles.
pub fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.nil(),
        Value::Bool(value) => out.bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => out.int(number),
            (None, Some(number)) => out.uint(number),
            (None, None) => out.double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => out.text(text),
        Value::Array(items) => {
            out.array(items.len());
            items.iter().for_each(|item| write(out, item));
        }
        Value::Object(members) => {
            out.map(members.len());
            for (key, value) in members {
                out.text(key);
                write(out, value);
            }
        }
    }
}

/// A record as it comes in a call: as JSON, or, where that would have too many values, as MsgPack in letters of base64.
#[must_use]
pub fn record(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Object(_) => {
            let mut out = Vec::new();
            write(&mut out, value);
            Some(out)
        }
        Value::String(letters) => {
            let mut out = vec![0; letters.len()];
            let len = STANDARD.decode_slice(letters, &mut out).ok()?;
            out.truncate(len);
            Some(out)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::control::replay::Record;
    use crate::control::section::Section;

    #[test]
    fn json_becomes_the_same_value() {
        let mut out = Vec::new();
        write(&mut out, &json!({"a": [1, -2, 1.5, null, true, "x"], "b": u64::MAX}));
        let wanted =
            b"\x82\xa1a\x96\x01\xfe\xcb\x3f\xf8\0\0\0\0\0\0\xc0\xc3\xa1x\xa1b\xcf\xff\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(out, wanted);
    }

    fn letters_of(bytes: &[u8]) -> String {
        let mut letters = vec![0; 2 * bytes.len() + 4];
        let len = STANDARD.encode_slice(bytes, &mut letters).unwrap();
        letters.truncate(len);
        String::from_utf8(letters).unwrap()
    }

    #[test]
    fn a_record_comes_as_json_or_in_letters() {
        let plain = record(&json!({"time": 3, "world": [{"id": 1, "type": "road"}]})).unwrap();
        let letters = record(&Value::from(letters_of(&plain))).unwrap();
        assert_eq!(plain, letters);
        let read = Record::read(&plain).unwrap();
        assert_eq!((read.time, read.section(Section::World).is_some()), (Some(3), true));
        assert_eq!((record(&json!([1])), record(&json!("~"))), (None, None));
    }
}
