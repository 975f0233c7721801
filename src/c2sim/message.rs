//! Recognising a C2SIM message: one bounded pass over the XML gives its kind, its header and the few facts of its body that matter.
//!
//! Owns what a recognised message says; [`super::scan::scan`] makes one. Names count by local name *and* namespace: an element of another namespace decides nothing.
//! Stricter than the servers in use where those guess: the header stands at `/Message/C2SIMHeader` and nowhere else, a message has
//! exactly one body, and its sender is not blank. Everything given out borrows from the document.

use core::ops::Range;
use std::borrow::Cow;
use std::sync::Arc;

use super::defect::{Defect, Reject};
use super::field::Field;
use super::kind::{Category, Kind, Schema};
use super::notice::minify;
use super::schema::Quoted;
use crate::store::shared::SharedBytes;

/// The header of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header<'a> {
    values: [Option<Cow<'a, str>>; Field::ALL.len()],
    /// Where `C2SIMHeader` lies in the text.
    pub(super) range: Range<usize>,
}

impl<'a> Header<'a> {
    pub(super) const fn new(values: [Option<Cow<'a, str>>; Field::ALL.len()], range: Range<usize>) -> Self {
        Self { values, range }
    }

    /// The value of a field, references resolved; `None` where the header has no such field.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&str> {
        self.values.get(field as usize).and_then(|value| value.as_deref())
    }

    /// FromSendingSystem without white space around it; never empty.
    #[must_use]
    pub fn sender(&self) -> &str {
        self.get(Field::FromSendingSystem).unwrap_or_default().trim()
    }

    /// MessageID.
    #[must_use]
    pub fn message_id(&self) -> &str {
        self.get(Field::MessageId).unwrap_or_default()
    }

    /// ConversationID.
    #[must_use]
    pub fn conversation_id(&self) -> &str {
        self.get(Field::ConversationId).unwrap_or_default()
    }
}

/// What a part of an initialization is, in the order in which a merged body lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each variant is the element of the same name, which the C2SIM standard defines")]
pub enum Part {
    InitializationDataFile,
    AbstractObject,
    Action,
    Entity,
    PlanPhaseReference,
    ScenarioSetting,
    SystemEntityList,
}

/// How much an initialization defines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// `Entity` elements.
    pub units: usize,
    /// `Route` elements in them.
    pub routes: usize,
}

/// The password with which a system message comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password<'a> {
    /// It, without white space around it.
    pub text: Cow<'a, str>,
    /// Where its element lies in the text.
    pub range: Range<usize>,
}

/// Where the parts of an initialization lie in the text, and what they name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout<'a> {
    /// Runs of neighbouring elements of one sort, in document order.
    pub(super) runs: Vec<(Part, Range<usize>)>,
    /// Every `SystemEntityList/SystemName`, in document order, trimmed.
    pub systems: Vec<Cow<'a, str>>,
    /// The UUIDs of the entities.
    pub(super) entities: Vec<u128>,
    /// How much it defines.
    pub(super) census: Census,
    /// Prefix and namespace of every declaration in force for the parts.
    pub(super) bindings: Vec<(&'a str, &'a str)>,
}

/// A recognised message.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// The document, without byte order mark.
    pub text: &'a str,
    /// What it is.
    pub kind: Kind,
    /// Which body it carries; more than [`Kind::category`] says for [`Kind::Unknown`].
    pub category: Category,
    /// The local name of the element that decided the kind; empty for an empty `SystemMessageBody` or `DomainMessageBody`.
    pub element: &'a str,
    /// The namespace of the message, raw.
    pub namespace: &'a str,
    /// The schema with that namespace.
    pub schema: Option<Schema>,
    /// The header.
    pub header: Header<'a>,
    /// The value of SetSimulationRealtimeMultiple: finite and above zero. `None` for all other kinds.
    pub realtime_multiple: Option<f64>,
    /// The `ServerPassword` in the element of a system message, if there is one. It is for the server alone.
    pub password: Option<Password<'a>>,
    /// The parts of an initialization; `None` for all other kinds.
    pub layout: Option<Box<Layout<'a>>>,
    /// Whether unprefixed names right below the root are in the message's namespace.
    pub(super) default_namespace: bool,
    /// Whether it has processing instructions, which are not relayed.
    pub(super) has_instructions: bool,
    /// All of the document, where that is held already.
    pub(super) whole: Option<&'a Arc<String>>,
    /// What it was given as, where that may be kept.
    pub(super) given: Option<&'a SharedBytes>,
    /// It on one line with its end, where that is written already.
    pub(super) line: Option<SharedBytes>,
}

impl Message<'_> {
    /// What is relayed of it: without byte order mark, processing instructions and a password.
    #[must_use]
    pub fn relayed(&self) -> SharedBytes {
        if let Some(Password { range, .. }) = &self.password {
            let around = [self.text.get(..range.start), self.text.get(range.end..)].map(Option::unwrap_or_default);
            return self.without_instructions(&around.concat());
        }
        if let Some(line) = self.line.as_ref().filter(|_| self.has_instructions) {
            return line.part(line.strip_suffix(b"\n").unwrap_or(line));
        }
        match self.held() {
            Some(held) if !self.has_instructions => held.into(),
            None if !self.has_instructions => self.as_given().unwrap_or_else(|| self.text.as_bytes().into()),
            Some(_) | None => self.without_instructions(self.text),
        }
    }

    /// The text as it was given, unless much more than it is held for it.
    fn as_given(&self) -> Option<SharedBytes> {
        let given = self.given?;
        let is_tight = given.held_bytes() <= self.text.len() + self.text.len() / 8;
        is_tight.then(|| given.part(self.text.as_bytes()))
    }

    fn without_instructions(&self, text: &str) -> SharedBytes {
        let mut line = Vec::new();
        if self.has_instructions && minify(text.as_bytes(), &mut line).is_ok() {
            return line.into();
        }
        text.as_bytes().into()
    }

    /// The same on one line, with its end, where that is written already.
    #[must_use]
    pub fn one_line(&self) -> Option<SharedBytes> {
        self.line.clone().filter(|_| self.password.is_none())
    }

    /// All of the document, where it is held already.
    pub(super) fn held(&self) -> Option<Arc<String>> {
        self.whole.map(Arc::clone)
    }

    /// Whether the message is written in the session's schema.
    ///
    /// # Errors
    /// [`Defect::WrongNamespace`], as a reject of the document's first line.
    pub fn check_schema(&self, schema: Schema) -> Result<(), Reject> {
        if self.schema == Some(schema) {
            Ok(())
        } else {
            Err(Reject { defect: Defect::WrongNamespace, line: 1, header_seen: true })
        }
    }

    /// What is wrong with a message of another namespace than that of the session's schema, and what helps.
    #[must_use]
    pub fn other_namespace(&self, schema: Schema) -> String {
        let (is, wanted, version) = (Quoted(self.namespace), schema.namespace(), schema.name());
        let found = format!("Line 1: the namespace is {is}, that of the session's schema {version} is '{wanted}'");
        match self.schema {
            Some(own) => format!("{found}; a session made with schema {} takes the document", own.name()),
            None => format!("{found}; no session has a schema with the document's"),
        }
    }
}
