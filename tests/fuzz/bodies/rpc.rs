//! JSON-RPC documents as the Coordinator takes them.

use instep::leco::rpc::{Document, INTERNAL_ERROR, Id, Item, Params, write_error, write_result};
use instep::limits::BATCH_MAX;
use serde_json::{Value, json};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(document) = Document::parse(bytes) else { return };
    let items = match &document {
        Document::Single(item) => core::slice::from_ref(item),
        Document::Batch(items) => {
            assert!(!items.is_empty(), "an empty batch is refused");
            let asks = items.iter().any(|item| matches!(item, Item::Call(_) | Item::Invalid));
            assert!(!asks || items.len() <= BATCH_MAX, "an oversized batch is refused");
            items
        }
    };
    assert_eq!(document.first(), items.first());
    let weight: usize = items.iter().map(Item::weight).sum();
    // The dearest is an object in an object in an object: a node of a map for each six bytes.
    assert!(weight <= 1024 + 256 * bytes.len(), "{weight} bytes of {}", bytes.len());
    items.iter().for_each(check);
}

/// What is written of an element is read as the same.
fn check(item: &Item) {
    let Item::Call(call) = item else { return };
    if let Some(id) = &call.id {
        check_answers(id);
    }
    let params = match &call.params {
        Params::None => Value::Null,
        Params::Positions(items) => Value::from(items.clone()),
        Params::Names(names) => Value::from(names.clone()),
    };
    let mut text = json!({"jsonrpc": "2.0", "method": call.method, "params": params});
    if let Some(id) = &call.id {
        let mut answer = String::new();
        write_result(&mut answer, id, &Value::Null);
        let answer: Value = serde_json::from_str(&answer).expect("a result is JSON");
        text["id"] = answer["id"].clone();
    }
    let written = text.to_string();
    let read = Document::parse(written.as_bytes()).expect("a written call is a document");
    // The parser may miss the last digit of a number with a fraction.
    if !has_fraction(&text) {
        assert_eq!(read, Document::Single(item.clone()), "{written}");
    }
    let named = call.params.clone().take(["nodes", "suggest"]);
    if let (Params::None, Err(error)) = (&call.params, named) {
        panic!("no parameters are never too many: {error:?}");
    }
}

fn check_answers(id: &Id) {
    let (mut result, mut error) = (String::new(), String::new());
    write_result(&mut result, id, &Value::Null);
    assert_eq!(Document::parse(result.as_bytes()), Ok(Document::Single(Item::Result { is_null: true })));
    write_error(&mut error, id, INTERNAL_ERROR, &json!("why"));
    let code = Some(i64::from(INTERNAL_ERROR.code));
    assert_eq!(Document::parse(error.as_bytes()), Ok(Document::Single(Item::Error { code, data: Some("why".into()) })));
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => false,
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(names) => names.values().any(has_fraction),
    }
}
