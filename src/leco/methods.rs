//! How Coordinators tell what they know: their directories to each other, their methods to whoever asks.

use core::fmt::Display;

use super::json::Json;

/// The batch that tells another Coordinator our nodes and components; with ids it asks for answers, without it does not.
#[must_use]
pub fn directory_update(nodes: &impl Display, components: &impl Display, answered: bool) -> String {
    let (a, b) = if answered { (r#""id":5,"#, r#""id":6,"#) } else { ("", "") };
    format!(
        r#"[{{{a}"jsonrpc":"2.0","method":"add_nodes","params":{{"nodes":{nodes}}}}},{{{b}"jsonrpc":"2.0","method":"record_components","params":{{"components":{components}}}}}]"#
    )
}

/// A call that asks for no answer.
#[must_use]
pub fn notification(method: &str, params: &impl Display) -> String {
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

/// The OpenRPC document about these methods, which are to be called at the server of this name and address, where that must be said.
#[must_use]
pub fn discover(title: &str, methods: impl Iterator<Item = Described>, server: Option<(&str, &str)>) -> String {
    let mut json = Json::default();
    json.object(|json| {
        json.key("info").object(|json| {
            json.key("title").text(title);
            json.key("version").text(env!("CARGO_PKG_VERSION"));
        });
        json.key("methods").array(|json| {
            for method in methods {
                describe(json, &method);
            }
        });
        json.key("openrpc").text("1.2.6");
        if let Some((name, url)) = server {
            json.key("servers").array(|json| {
                json.object(|json| {
                    json.key("name").text(name);
                    json.key("url").text(url);
                });
            });
        }
    });
    json.into_text()
}

fn describe(json: &mut Json, method: &Described) {
    let schema = |json: &mut Json, kind| json.key("schema").object(|json| json.key("type").text(kind));
    json.object(|json| {
        json.key("name").text(method.name);
        json.key("params").array(|json| {
            for (name, kind, required) in method.params {
                json.object(|json| {
                    json.key("name").text(name);
                    json.key("required").truth(*required);
                    schema(json, kind);
                });
            }
        });
        json.key("result").object(|json| {
            json.key("name").text("result");
            schema(json, method.result);
        });
        json.key("summary").text(method.summary);
    });
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
        let told = discover("N1.COORDINATOR", [described; 2].into_iter(), Some(("HTTP", "rpc")));
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["servers"], json!([{"name": "HTTP", "url": "rpc"}]));
        assert_eq!(told["methods"].as_array().unwrap().len(), 2);
        assert_eq!(told["methods"][0]["params"][0], json!({"name":"p","required":true,"schema":{"type":"string"}}));
    }
}
