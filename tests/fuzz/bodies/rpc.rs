//! JSON-RPC documents as the Coordinator takes them.

use instep::leco::rpc::{Document, INTERNAL_ERROR, Id, Item, LISTED, Params, write_error, write_result};
use instep::limits::{BATCH_MAX, LIST_AT_ONCE_BYTES};
use serde_json::{Value, json};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(document) = Document::parse(bytes) else { return };
    check_lists(bytes, &document);
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

/// What another node says is the same, whether its lists are read at once or by and by.
fn check_lists(bytes: &[u8], document: &Document) {
    let long = [bytes, &vec![b' '; LIST_AT_ONCE_BYTES]].concat();
    let mut by_and_by = Document::parse_of_node(&long).expect("it is one");
    let items = match &mut by_and_by {
        Document::Single(item) => core::slice::from_mut(item),
        Document::Batch(items) => items,
    };
    for item in items {
        let Item::Call(call) = item else { continue };
        let (mut params, list) = core::mem::replace(&mut call.params, Params::None).take_list();
        if let Some(mut list) = list {
            let Some(read) = (0..list.len()).map(|_| list.read().map(Value::from)).collect() else { return };
            match &mut params {
                Params::Positions(items) => items[0] = Value::Array(read),
                Params::Names(names) => names[LISTED] = Value::Array(read),
                Params::None | Params::Listing(..) => unreachable!("there is an empty one in its place"),
            }
        }
        call.params = params;
    }
    assert_eq!(by_and_by, *document);
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
        Params::Listing(..) => unreachable!("what nobody has signed in to say is read at once"),
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
