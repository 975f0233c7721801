//! What the header of a document says that hearers on topics are told apart from it.

use crate::c2sim::field::Field;
use crate::c2sim::kind::Schema;
use crate::c2sim::message::Message;
use crate::c2sim::notice::{PROTOCOL_VERSION, SERVER, Stamp};

/// The version of what the server writes until a document of somebody has come.
pub(super) const FIRST_VERSION: &str = PROTOCOL_VERSION;

/// What the header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heading {
    pub(super) schema: Option<Schema>,
    pub(super) sender: Box<str>,
    pub(super) receiver: Box<str>,
    pub(super) act: Box<str>,
    pub(super) conversation: Box<str>,
    /// The ProtocolVersion; none where the server has written the document.
    pub(super) version: Option<Box<str>>,
}

impl Heading {
    /// That of a document.
    pub(super) fn of(message: &Message<'_>) -> Self {
        let field = |field| message.header.get(field).unwrap_or_default().trim().into();
        Self {
            schema: message.schema,
            sender: field(Field::FromSendingSystem),
            receiver: field(Field::ToReceivingSystem),
            act: field(Field::CommunicativeActTypeCode),
            conversation: field(Field::ConversationId),
            version: Some(field(Field::ProtocolVersion)),
        }
    }

    /// That of a document that the server has made.
    pub(super) fn of_server(schema: Option<Schema>, sender: &str, stamp: &Stamp) -> Self {
        Self {
            schema,
            sender: sender.into(),
            receiver: "ALL".into(),
            act: "Inform".into(),
            conversation: stamp.conversation_id.to_string().into(),
            version: None,
        }
    }

    /// That of the initialization that everybody gets.
    pub(super) fn of_shared(schema: Option<Schema>, stamp: &Stamp) -> Self {
        Self::of_server(schema, SERVER, stamp)
    }
}
