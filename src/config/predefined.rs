//! The shared sessions that a configuration describes.

use crate::c2sim::kind::Schema;
use crate::c2sim::state::Options;
use crate::limits;
use crate::spelling::meant;

/// A shared session that is there from the start. In the file it is a table `[[sessions]]`; as a flag, only its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Predefined {
    /// Its name; `default` describes the session that is always there.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// What it is for.
    pub about: String,
    /// The schema of its C2SIM documents.
    pub schema: Schema,
    /// How flow control is to be in it.
    pub options: Options,
}

impl Predefined {
    /// Reads one table of the file; whoever writes a setting into it is told where that stands.
    pub(super) fn from_table(
        table: &serde_json::Map<String, serde_json::Value>,
        is_setting: impl Fn(&str) -> bool,
    ) -> Result<Self, String> {
        let mut one = Self::default();
        for (key, value) in table {
            let keys = ["name", "display_name", "description", "schema"].into_iter().chain(Options::KEYS);
            if !keys.clone().any(|known| known == key) {
                let before = "; a setting stands in front of the first [[sessions]]".to_owned();
                let hint = if is_setting(key) { before } else { meant(key, keys) };
                return Err(format!("a session has no '{key}'{hint}"));
            }
            let word = value.as_str().ok_or_else(|| format!("{key} of a session is a string"))?;
            match key.as_str() {
                "name" => word.clone_into(&mut one.name),
                "display_name" => word.clone_into(&mut one.title),
                "description" => word.clone_into(&mut one.about),
                "schema" => {
                    one.schema = Schema::from_name(word).ok_or_else(|| format!("'{word}' is not a schema version"))?;
                }
                _ => one.options.set(key, word)?,
            }
        }
        one.check().map(|()| one)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if !crate::c2sim::is_session_name(&self.name) {
            return Err(format!("'{}' is not a name for a session", self.name));
        }
        if self.title.len() > limits::SESSION_TITLE_BYTES_MAX || self.about.len() > limits::SESSION_TEXT_BYTES_MAX {
            return Err(format!("display_name or description of session {} is too long", self.name));
        }
        Ok(())
    }

    /// The table as the file has it.
    pub(super) fn to_table(&self) -> String {
        let mut text = "\n[[sessions]]\n".to_owned();
        let mut line = |key: &str, word: &str, words: &str| {
            let hint = if words.is_empty() { String::new() } else { format!(" # {words}") };
            text.push_str(&format!("{key} = {}{hint}\n", serde_json::Value::from(word)));
        };
        line("name", &self.name, "");
        line("display_name", &self.title, "");
        line("description", &self.about, "");
        let schemas: Vec<&str> = Schema::ALL.iter().map(|schema| schema.name()).collect();
        line("schema", self.schema.name(), &schemas.join(" or "));
        for key in Options::KEYS {
            line(key, self.options.word(key), Options::words(key));
        }
        text
    }
}
