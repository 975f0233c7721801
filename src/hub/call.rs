//! A call, whoever makes it and in whatever protocol: who calls, what is asked, what becomes of it.

use serde_json::Value;

use crate::leco::message::HEADER_BYTES;
use crate::leco::route::Place;
use crate::leco::rpc::{Params, RpcError};

use super::keys::{PeerKey, RequestKey};
use crate::control::request::ReplyTo as Envelope;

/// A refused request: error and data.
pub(super) type Refused = (RpcError, Value);

/// What a method answers: a result, or an error with data.
pub(super) type Answer = Result<Value, Refused>;

/// A part of an answer that is written already.
#[derive(Debug)]
pub(super) enum Written {
    /// All of the result.
    Result(String),
    /// Further members of the result, which is an object: what stands between its braces.
    Members(String),
}

/// Who calls: the link, and the names in the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'a> {
    pub(super) link: PeerKey,
    pub(super) sender: Place<'a>,
    /// Of the message it asks with.
    pub(super) header: &'a [u8; HEADER_BYTES],
    /// It is known to ask from another machine, wherever its link comes from.
    pub(super) is_far: bool,
}

/// Who waits for an answer, by key: its words are kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyTo {
    /// Nobody, or nobody yet.
    Nobody,
    /// A request that is half answered.
    Request(RequestKey),
    /// A controller, held until it has its answer.
    Control { peer: PeerKey, envelope: Envelope },
    /// A client of HTTP, likewise.
    Web { peer: PeerKey },
    /// A client of STOMP, likewise.
    Topic { peer: PeerKey },
}

/// An error without data.
pub(super) const fn plain_error(error: RpcError) -> Refused {
    (error, Value::Null)
}

/// The call takes no parameters.
pub(super) fn none(params: Params) -> Result<(), Refused> {
    let [] = params.take([])?;
    Ok(())
}
