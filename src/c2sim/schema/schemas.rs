//! The schemas that the documents of sessions are checked against.

use std::sync::Arc;

use super::super::kind::Schema;
use super::rules::Rules;

/// At most one set of rules for each schema version that sessions can have.
#[derive(Debug, Default)]
pub struct Schemas(Vec<(Schema, Arc<Rules>)>);

impl Schemas {
    /// Adds the rules of an XSD's text, and gives them with the version that they are of.
    ///
    /// # Errors
    /// It is no schema that can be used, or of none that sessions can have, or of one that is there already; says why, and in which line.
    pub fn load(&mut self, xsd: &str) -> Result<(Schema, &Rules), String> {
        let rules = Rules::load(xsd).map_err(|error| error.to_string())?;
        let Some(schema) = rules.schema() else {
            return Err(format!("its namespace '{}' is that of no schema that sessions can have", rules.namespace()));
        };
        if self.of(schema).is_some() {
            return Err(format!("another file has schema {} already", schema.name()));
        }
        let (_, rules) = self.0.push_mut((schema, Arc::new(rules)));
        Ok((schema, rules))
    }

    /// The rules of a version; `None` where content is not checked.
    #[must_use]
    pub fn of(&self, schema: Schema) -> Option<&Arc<Rules>> {
        self.0.iter().find(|(of, _)| *of == schema).map(|(_, rules)| rules)
    }
}
