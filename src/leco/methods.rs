//! How Coordinators tell what they know: their directories to each other, their methods to whoever asks.

use serde_json::{Value, json};

/// The batch that tells another Coordinator our nodes and components; with ids it asks for answers, without it does not.
#[must_use]
pub fn directory_update(nodes: &Value, components: &Value, answered: bool) -> String {
    let (a, b) = if answered { (r#""id":5,"#, r#""id":6,"#) } else { ("", "") };
    format!(
        r#"[{{{a}"jsonrpc":"2.0","method":"add_nodes","params":{{"nodes":{nodes}}}}},{{{b}"jsonrpc":"2.0","method":"record_components","params":{{"components":{components}}}}}]"#
    )
}

/// A call that asks for no answer.
#[must_use]
pub fn notification(method: &str, params: &Value) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
}

/// A method, as `rpc.discover` shows it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// Name on the wire.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Parameters: name, JSON type, whether it must be given.
    pub params: &'static [(&'static str, &'static str, bool)],
    /// JSON type of the result.
    pub result: &'static str,
}

/// The OpenRPC document about these methods.
#[must_use]
pub fn discover(title: &str, methods: impl Iterator<Item = Described>) -> Value {
    let schema = |kind: &str| json!({"schema": {"type": kind}});
    let methods: Vec<Value> = methods
        .map(|method| {
            let params: Vec<Value> = method
                .params
                .iter()
                .map(|(name, kind, required)| json!({"name": name, "required": required, "schema": {"type": kind}}))
                .collect();
            let mut result = schema(method.result);
            if let Some(object) = result.as_object_mut() {
                object.insert("name".to_owned(), Value::from("result"));
            }
            json!({"name": method.name, "summary": method.summary, "params": params, "result": result})
        })
        .collect();
    json!({
        "openrpc": "1.2.6",
        "info": {"title": title, "version": env!("CARGO_PKG_VERSION")},
        "methods": methods,
    })
}

#[cfg(test)]
mod tests {
    use super::super::rpc::{Call, Document, Item};
    use super::*;

    #[test]
    fn an_update_of_the_directory_asks_for_answers_or_does_not() {
        let update = directory_update(&json!({"N1":"h:1"}), &json!(["CA"]), true);
        let Document::Batch(items) = Document::parse(update.as_bytes()).unwrap() else { panic!() };
        assert!(items.iter().all(|item| matches!(item, Item::Call(Call { id: Some(_), .. }))));
        let update = directory_update(&json!({}), &json!([]), false);
        let Document::Batch(items) = Document::parse(update.as_bytes()).unwrap() else { panic!() };
        assert!(items.iter().all(|item| matches!(item, Item::Call(Call { id: None, .. }))));
    }

    #[test]
    fn methods_are_described_with_their_parameters() {
        let described = Described { name: "m", summary: "s", params: &[("p", "string", true)], result: "null" };
        let told = discover("N1.COORDINATOR", [described; 2].into_iter());
        assert_eq!(told["methods"].as_array().unwrap().len(), 2);
        assert_eq!(told["methods"][0]["params"][0], json!({"name":"p","required":true,"schema":{"type":"string"}}));
    }
}
