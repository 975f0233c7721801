//! The fields of a message's header.

/// The header fields that are read. Credentials and classification are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant is the header element of the same name, which the C2SIM standard defines")]
pub enum Field {
    /// May be missing, and is in no schema but the older one.
    CommunicativeActTypeCode,
    ConversationId,
    FromSendingSystem,
    InReplyToMessageId,
    MessageId,
    Protocol,
    ProtocolVersion,
    ReplyToSystem,
    SendingTime,
    /// May stand several times in the header; the first counts.
    ToReceivingSystem,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 10] = [
        Self::CommunicativeActTypeCode,
        Self::ConversationId,
        Self::FromSendingSystem,
        Self::InReplyToMessageId,
        Self::MessageId,
        Self::Protocol,
        Self::ProtocolVersion,
        Self::ReplyToSystem,
        Self::SendingTime,
        Self::ToReceivingSystem,
    ];

    /// The fields both schemas demand.
    pub const MANDATORY: [Self; 5] =
        [Self::ConversationId, Self::FromSendingSystem, Self::MessageId, Self::Protocol, Self::ProtocolVersion];

    /// The element.
    #[must_use]
    pub const fn element(self) -> &'static str {
        match self {
            Self::CommunicativeActTypeCode => "CommunicativeActTypeCode",
            Self::ConversationId => "ConversationID",
            Self::FromSendingSystem => "FromSendingSystem",
            Self::InReplyToMessageId => "InReplyToMessageID",
            Self::MessageId => "MessageID",
            Self::Protocol => "Protocol",
            Self::ProtocolVersion => "ProtocolVersion",
            Self::ReplyToSystem => "ReplyToSystem",
            Self::SendingTime => "SendingTime",
            Self::ToReceivingSystem => "ToReceivingSystem",
        }
    }
}
