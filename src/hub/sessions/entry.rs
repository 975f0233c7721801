//! What a session is made of before it is one: what was chosen for it, its flow, who does something in it; and the words of a refusal.

use serde_json::{Map, Value, json};

use crate::c2sim::code::Code;
use crate::c2sim::initialization::Initialization;
use crate::c2sim::is_session_name;
use crate::c2sim::kind::Schema;
use crate::c2sim::state::{InitFacts, Options, State, Trigger};
use crate::config::Predefined;
use crate::hub::call::Refused;
use crate::hub::peers::{Doer, Share};
use crate::leco::rpc::{INVALID_PARAMS, Params, SESSION_REFUSED};
use crate::limits::{SESSION_SYSTEM_BYTES_MAX, SESSION_TEXT_BYTES_MAX, SESSION_TITLE_BYTES_MAX};
use crate::store::order;

/// What was chosen when the session was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SessionInfo {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) schema: Schema,
    pub(super) options: Options,
    /// Milliseconds since 1970.
    pub(super) created_ms: u64,
}

impl SessionInfo {
    /// What the session has that is always there, unless the configuration says otherwise. Clients of other servers show these words.
    pub(super) fn of_default() -> Self {
        Self { title: "default".to_owned(), text: "Default shared session".to_owned(), ..Self::default() }
    }

    /// That of a session which the configuration describes.
    pub(super) fn described(one: &Predefined, created_ms: u64) -> Self {
        Self { title: one.title.clone(), text: one.about.clone(), schema: one.schema, options: one.options, created_ms }
    }

    /// All that can be chosen, as one text: two that are alike have the same.
    pub(super) fn text_of_all(&self) -> String {
        let options = Options::KEYS.map(|key| self.options.word(key));
        json!([self.title, self.text, self.schema.name(), options]).to_string()
    }
}

/// Who pulled a trigger or sent a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hub) struct Author {
    /// Full name of a member, `controller HOST:PORT`, or the session's own name.
    pub(in crate::hub) by: Box<str>,
    /// The C2SIM system it speaks for.
    pub(in crate::hub) system: Box<str>,
    /// Whose doing it is, as far as that is known: not of what was scheduled by another process.
    pub(in crate::hub) doer: Doer,
}

impl Author {
    /// A controller at an address.
    pub(in crate::hub) fn of_controller(remote: &str, system: Option<&str>, doer: Doer) -> Self {
        Self { by: format!("controller {remote}").into(), system: system.unwrap_or("CONTROLLER").into(), doer }
    }
}

/// Whether this can be the name of a C2SIM system that somebody speaks for.
pub(in crate::hub) fn is_system(system: &str) -> Result<(), &'static str> {
    if system.is_empty() {
        return Err("is empty; leave it out, or name the system that the member speaks for");
    }
    if system.len() > SESSION_SYSTEM_BYTES_MAX || system.chars().any(char::is_control) {
        return Err("is a name of at most 256 bytes");
    }
    Ok(())
}

/// A trigger that is to be pulled at a moment to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scheduled {
    pub(super) trigger: Trigger,
    /// Milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) author: Author,
}

/// All that flow control changes. A change is made on a copy, which takes the place of the original once it is durable.
#[derive(Clone, Debug)]
pub(in crate::hub) struct Flow {
    pub(in crate::hub) state: State,
    pub(super) initialization: Initialization,
    /// The last SetSimulationRealtimeMultiple, and the speed of a log.
    pub(in crate::hub) multiple: f64,
    pub(super) scheduled: Option<Scheduled>,
}

impl Flow {
    pub(super) fn new(state: State) -> Self {
        Self { state, initialization: Initialization::new(), multiple: 1.0, scheduled: None }
    }

    pub(super) const fn facts(&self) -> InitFacts {
        self.initialization.facts()
    }
}

/// A refusal by flow control.
pub(super) fn refusal(code: Code, details: Map<String, Value>) -> Refused {
    (SESSION_REFUSED, json!({"code": code.name(), "reason": code.to_string(), "details": details}))
}

/// A refusal with one detail.
pub(super) fn refused(code: Code, key: &str, value: impl Into<Value>) -> Refused {
    refusal(code, order::filled([(key.to_owned(), value.into())]))
}

/// What is asked of a session that is to be made, whoever asks.
#[derive(Clone, Debug, Default)]
pub(in crate::hub) struct Wish {
    pub(in crate::hub) name: String,
    pub(in crate::hub) schema: Option<String>,
    pub(in crate::hub) title: Option<String>,
    pub(in crate::hub) text: Option<String>,
    pub(in crate::hub) provider: Option<i64>,
    /// Key and word of each option that is given.
    pub(in crate::hub) options: Vec<(&'static str, String)>,
    /// Whose share it counts for, if for anybody's.
    pub(in crate::hub) asked_by: Option<Share>,
}

impl Wish {
    /// Takes the parameters of `create_session`.
    pub(in crate::hub) fn read(params: Params) -> Result<Self, Refused> {
        let [name, schema, title, text, provider, a, b, c, d] = params.take([
            "name",
            "schema",
            "display_name",
            "description",
            "provider",
            "paused_allows",
            "share_guard",
            "init_merge",
            "unknown_bodies",
        ])?;
        let word = |value: Option<Value>, key: &str| match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(word)) => Ok(Some(word)),
            Some(_) => Err((INVALID_PARAMS, Value::from(format!("{key} is a string")))),
        };
        let mut options = Vec::new();
        for (key, value) in Options::KEYS.into_iter().zip([a, b, c, d]) {
            if let Some(value) = word(value, key)? {
                options.push((key, value));
            }
        }
        let provider = match provider {
            None | Some(Value::Null) => None,
            Some(id) => Some(id.as_i64().ok_or_else(|| (INVALID_PARAMS, Value::from("provider is an id")))?),
        };
        Ok(Self {
            name: word(name, "name")?.unwrap_or_default(),
            schema: word(schema, "schema")?,
            title: word(title, "display_name")?,
            text: word(text, "description")?,
            provider,
            options,
            asked_by: None,
        })
    }

    /// Whether name and schema can be those of a session; answers the schema.
    pub(in crate::hub) fn check(&self) -> Result<Option<Schema>, Refused> {
        if !is_session_name(&self.name) {
            let why = "name is 1 to 64 letters, digits, '.', '_', '~', '-' or %XX";
            return Err((INVALID_PARAMS, Value::from(why)));
        }
        let Some(name) = &self.schema else { return Ok(None) };
        let schema = Schema::from_name(name).ok_or_else(|| {
            let known: Vec<&str> = Schema::ALL.iter().map(|schema| schema.name()).collect();
            refused(Code::C2simSchemaNotSupported, "SUPPORTED_SCHEMA_VERSIONS", known.join(";"))
        })?;
        Ok(Some(schema))
    }

    /// What it comes to on top of what there is.
    pub(super) fn info(&self, base: &SessionInfo) -> Result<SessionInfo, String> {
        let mut info = base.clone();
        if let Some(title) = &self.title {
            title.clone_into(&mut info.title);
        }
        if let Some(text) = &self.text {
            text.clone_into(&mut info.text);
        }
        if info.title.len() > SESSION_TITLE_BYTES_MAX || info.text.len() > SESSION_TEXT_BYTES_MAX {
            return Err("display_name or description is too long".to_owned());
        }
        for (key, word) in &self.options {
            info.options.set(key, word)?;
        }
        Ok(info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leco::name;
    use crate::leco::route::session_name;
    use crate::limits::SESSION_NAME_BYTES_MAX;

    #[test]
    fn names_of_sessions_are_those_of_the_interface() {
        for good in ["default", "a.b", "A_~-9", "%2E", "x%aF"] {
            assert!(is_session_name(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "%", "%2", "%zz", "ü", "a:b", &"x".repeat(SESSION_NAME_BYTES_MAX + 1)] {
            assert!(!is_session_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_name_is_written_so_that_no_other_name_is_written_alike() {
        assert_eq!(session_name("a.b"), b"session:a%2Eb");
        assert_eq!(session_name("a%2Eb"), b"session:a%252Eb");
        assert!(name::is_legal(&session_name(&".".repeat(SESSION_NAME_BYTES_MAX))));
    }
}
