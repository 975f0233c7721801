//! What a Coordinator and its sessions can be asked: their methods, as `rpc.discover` shows them, and which of them are questions.

use serde_json::{Value, json};

/// Whether nothing can come of a call of this method but its answer.
#[must_use]
pub fn is_question(method: &str) -> bool {
    const QUESTIONS: [&str; 10] = [
        "providers",
        "viewers",
        "sessions",
        "manager",
        "errors",
        "info",
        "members",
        "initialization",
        "events",
        "rpc.discover",
    ];
    method.starts_with("send_") || QUESTIONS.contains(&method)
}

/// The batch that tells another Coordinator our nodes and components; with ids it asks for answers, without it does not.
#[must_use]
pub fn directory_update(nodes: &Value, components: &Value, answered: bool) -> String {
    let (a, b) = if answered { (r#""id":5,"#, r#""id":6,"#) } else { ("", "") };
    format!(
        r#"[{{{a}"jsonrpc":"2.0","method":"add_nodes","params":{{"nodes":{nodes}}}}},{{{b}"jsonrpc":"2.0","method":"record_components","params":{{"components":{components}}}}}]"#
    )
}

/// A method of the Coordinator, as `rpc.discover` shows it.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Name on the wire.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Parameters: name, JSON type, whether it must be given.
    pub params: &'static [(&'static str, &'static str, bool)],
    /// JSON type of the result.
    pub result: &'static str,
}

/// Every method of the Coordinator.
pub const METHODS: &[Method] = &[
    Method {
        name: "pong",
        summary: "Answers, so that the caller knows that the link works.",
        params: &[],
        result: "null",
    },
    Method {
        name: "set_log_level",
        summary: "Sets the level of the log: DEBUG, INFO, WARNING, ERROR or CRITICAL.",
        params: &[("level", "string", true)],
        result: "null",
    },
    Method {
        name: "shut_down",
        summary: "Signs out from all Coordinators and ends the program.",
        params: &[],
        result: "null",
    },
    Method {
        name: "sign_in",
        summary: "Signs the sender in under its component name; with suggest, a taken name is answered with a free variation.",
        params: &[("suggest", "boolean", false)],
        result: "null",
    },
    Method { name: "sign_out", summary: "Signs the sender out.", params: &[], result: "null" },
    Method { name: "coordinator_sign_in", summary: "Signs the sending Coordinator in.", params: &[], result: "null" },
    Method { name: "coordinator_sign_out", summary: "Signs the sending Coordinator out.", params: &[], result: "null" },
    Method {
        name: "add_nodes",
        summary: "Signs in at every node that is not known yet; maps namespace to host:port.",
        params: &[("nodes", "object", true)],
        result: "null",
    },
    Method { name: "send_nodes", summary: "Namespace and address of every known node.", params: &[], result: "object" },
    Method {
        name: "record_components",
        summary: "Stores the component names of the sending Coordinator's node.",
        params: &[("components", "array", true)],
        result: "null",
    },
    Method {
        name: "send_local_components",
        summary: "Names of the components of this node.",
        params: &[],
        result: "array",
    },
    Method {
        name: "send_global_components",
        summary: "Namespace and component names of every known node.",
        params: &[],
        result: "object",
    },
    Method {
        name: "remove_expired_addresses",
        summary: "Cleans the directory: asks components silent for expiration_time (s), removes those silent three times as long.",
        params: &[("expiration_time", "number", true)],
        result: "null",
    },
    Method {
        name: "open_provider",
        summary: "Opens a live kernel by address or a log file below log_dir as a provider.",
        params: &[("address", "object", false), ("logfilename", "string", false)],
        result: "object",
    },
    Method {
        name: "close_provider",
        summary: "Closes providers, and the sessions that Connect made for them; a named session stays, without a provider.",
        params: &[("provider", "array", true)],
        result: "null",
    },
    Method {
        name: "refresh_provider",
        summary: "Connects live kernels anew; all of them without a list.",
        params: &[("provider", "array", false)],
        result: "object",
    },
    Method {
        name: "connect_viewer",
        summary: "Brings a viewer into the session of a provider.",
        params: &[("viewer", "integer", true), ("provider", "integer", true)],
        result: "object",
    },
    Method {
        name: "disconnect_viewer",
        summary: "Takes viewers out of their sessions.",
        params: &[("viewer", "array", true)],
        result: "null",
    },
    Method {
        name: "providers",
        summary: "Describes providers.",
        params: &[("provider", "array", false)],
        result: "object",
    },
    Method { name: "viewers", summary: "Describes viewers.", params: &[("viewer", "array", false)], result: "object" },
    Method {
        name: "sessions",
        summary: "Describes sessions.",
        params: &[("session", "array", false)],
        result: "object",
    },
    Method { name: "manager", summary: "Describes the Manager.", params: &[], result: "object" },
    Method { name: "errors", summary: "The Manager's error list.", params: &[], result: "object" },
    Method { name: "exit", summary: "Ends the program, as shut_down does.", params: &[], result: "null" },
    Method {
        name: "create_session",
        summary: "Makes a shared session, or gives one other words, options or a provider.",
        params: &[
            ("name", "string", true),
            ("schema", "string", false),
            ("display_name", "string", false),
            ("description", "string", false),
            ("provider", "integer", false),
            ("paused_allows", "string", false),
            ("share_guard", "string", false),
            ("init_merge", "string", false),
            ("unknown_bodies", "string", false),
        ],
        result: "object",
    },
    Method {
        name: "delete_session",
        summary: "Ends a shared session; with force even if it is in use.",
        params: &[("name", "string", true), ("force", "boolean", false)],
        result: "null",
    },
    Method { name: "send_sessions", summary: "Describes every shared session.", params: &[], result: "array" },
    Method {
        name: "send_counters",
        summary: "Every counter of this process: connections, messages, refusals and their reasons.",
        params: &[],
        result: "object",
    },
];

/// Every method of a session. The triggers are those of the C2SIM flow control document.
pub const SESSION_METHODS: &[Method] = &[
    Method {
        name: "join",
        summary: "Joins the session for a C2SIM system; format is xml or json; with after, the events since then come along.",
        params: &[("system", "string", false), ("format", "string", false), ("after", "integer", false)],
        result: "object",
    },
    Method { name: "resign", summary: "Leaves the session.", params: &[], result: "null" },
    Method { name: "info", summary: "State, options and size of the session.", params: &[], result: "object" },
    Method {
        name: "initialization",
        summary: "The initialization that was shared, as a C2SIM document.",
        params: &[],
        result: "string",
    },
    Method { name: "members", summary: "Who has joined, and who has followed.", params: &[], result: "object" },
    Method {
        name: "ack",
        summary: "Says that the sender has followed the event of this number.",
        params: &[("seq", "integer", true)],
        result: "null",
    },
    Method {
        name: "events",
        summary: "The events behind this number, as far as they are kept.",
        params: &[("after", "integer", false)],
        result: "object",
    },
    trigger("submit_initialization", "Begins to collect initialization: to INITIALIZING."),
    trigger("initialization_complete", "Says that the sender's system is done with initialization."),
    trigger("share_scenario", "Shares the initialization with all members: to INITIALIZED."),
    trigger("start_scenario", "Starts: to RUNNING."),
    trigger("pause_scenario", "Pauses: to PAUSED."),
    trigger("resume_scenario", "Goes on after a pause: to RUNNING."),
    trigger("stop_scenario", "Stops, keeping the initialization: to INITIALIZED."),
    trigger("reset_scenario", "Discards the initialization: to UNINITIALIZED."),
    Method {
        name: "pong",
        summary: "Answers, so that the caller knows that the link works.",
        params: &[],
        result: "null",
    },
];

const fn trigger(name: &'static str, summary: &'static str) -> Method {
    Method { name, summary, params: &[("at", "integer", false)], result: "object" }
}

/// The OpenRPC document about these methods.
#[must_use]
pub fn discover(title: &str, methods: &[Method]) -> Value {
    let schema = |kind: &str| json!({"schema": {"type": kind}});
    let methods: Vec<Value> = methods
        .iter()
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
    fn every_method_is_discovered() {
        assert_eq!(discover("N1.COORDINATOR", METHODS)["methods"].as_array().unwrap().len(), METHODS.len());
    }
}
