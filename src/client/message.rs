//! What a Component sends and what comes to it: LECO messages, and the JSON-RPC in them.

use serde_json::{Value, json};

use super::error::{Error, ErrorObject};
use crate::leco::message::{HEADER_BYTES, Malformed, TYPE_JSON, VERSION, View, answer_header};
use crate::leco::rpc::weight;
use crate::zmtp::frame::{self, push_frame};

/// What ties an answer to its question: a UUID of version 7 (RFC 9562), big endian, in the header of both (LECO's message layer, "Header").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conversation(pub [u8; 16]);

impl Conversation {
    /// The conversation that a header names.
    #[must_use]
    pub fn of(header: &[u8; HEADER_BYTES]) -> Self {
        Self(core::array::from_fn(|at| header.get(at).copied().unwrap_or_default()))
    }
}

/// Appends a whole message to `out`, as it goes over the wire.
pub fn encode(out: &mut Vec<u8>, receiver: &[u8], sender: &[u8], header: &[u8; HEADER_BYTES], payload: &[&[u8]]) {
    for body in [VERSION, receiver, sender] {
        push_frame(out, true, body);
    }
    push_frame(out, !payload.is_empty(), header);
    for (n, body) in payload.iter().enumerate() {
        push_frame(out, n + 1 < payload.len(), body);
    }
}

/// A message that came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message {
    /// Full name of the sender.
    pub sender: String,
    /// Conversation (16 bytes), message id (3) and content type (1), as LECO's message layer has them.
    pub header: [u8; HEADER_BYTES],
    /// The payload, frame by frame: C2SIM documents, binary data, anything.
    pub payload: Vec<Vec<u8>>,
    /// The first payload frame taken apart; `None` where the content type is another than JSON, or the frame is not JSON.
    pub document: Option<Value>,
}

impl Message {
    /// Copies a message out of the bytes that it was found in.
    ///
    /// # Errors
    /// [`Malformed`] if it is not a LECO message.
    pub(super) fn read(found: &frame::Message, wire: &[u8]) -> Result<Self, Malformed> {
        let part = |n| found.part(wire, n);
        let view = View::new(part(0), part(1), part(2), part(3), part(4))?;
        let is_json = view.content_type() == TYPE_JSON;
        let mut payload: Vec<Vec<u8>> = view.payload.map(<[u8]>::to_vec).into_iter().collect();
        let mut rest = found.rest().and_then(|at| wire.get(at..found.len)).unwrap_or_default();
        while let Some((body, behind)) = first_frame(rest) {
            payload.push(body.to_vec());
            rest = behind;
        }
        let document = payload.first().filter(|_| is_json).and_then(|body| serde_json::from_slice(body).ok());
        let sender = String::from_utf8_lossy(view.sender).into_owned();
        Ok(Self { sender, header: *view.header, payload, document })
    }

    /// Its conversation.
    #[must_use]
    pub fn conversation(&self) -> Conversation {
        Conversation::of(&self.header)
    }

    /// The type of its content: [`TYPE_JSON`], [`crate::leco::message::TYPE_C2SIM`], or any other number.
    #[must_use]
    pub const fn content_type(&self) -> u8 {
        self.header[HEADER_BYTES - 1]
    }

    /// The error that it answers, if it is a JSON-RPC error.
    #[must_use]
    pub fn error(&self) -> Option<ErrorObject> {
        self.document.as_ref()?.get("error").and_then(ErrorObject::read)
    }

    /// The result that it answers.
    ///
    /// # Errors
    /// [`Error::Rpc`] if it answers an error, [`Error::Nonsense`] if it is no JSON-RPC answer.
    pub fn into_result(self) -> Result<Value, Error> {
        let by = self.sender;
        let Some(Value::Object(mut answer)) = self.document else { return Err(Error::Nonsense { by }) };
        match answer.remove("error") {
            None | Some(Value::Null) => answer.remove("result").ok_or(Error::Nonsense { by }),
            Some(error) => match ErrorObject::read(&error) {
                Some(error) => Err(Error::Rpc { by, error }),
                None => Err(Error::Nonsense { by }),
            },
        }
    }

    /// Whether it is an answer, be it a result or an error.
    pub(super) fn is_answer(&self) -> bool {
        let has = |key| self.document.as_ref().is_some_and(|document| document.get(key).is_some());
        has("result") || has("error")
    }

    /// Takes the call out of it, and what an answer needs if one is wanted; gives the message back if it is none.
    pub(super) fn into_call(self) -> Result<(Call, Option<Reply>), Self> {
        let Self { sender, header, payload, document } = self;
        let mut document = match document {
            Some(Value::Object(document)) if document.contains_key("method") => document,
            document => return Err(Self { sender, header, payload, document }),
        };
        let method = document.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        let params = document.remove("params").unwrap_or_default();
        let id = document.remove("id");
        let reply = id.map(|id| Reply { to: sender.clone(), header: answer_header(&header), id });
        let attached = payload.into_iter().skip(1).collect();
        Ok((Call { sender, method, params, attached }, reply))
    }

    /// Bytes that it takes in memory, about.
    pub(super) fn weight(&self) -> usize {
        self.document.as_ref().map_or(0, weight) + frames_weight(&self.payload)
    }
}

/// Somebody's call of a method of ours.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Call {
    /// Full name of the caller.
    pub sender: String,
    /// What is called; empty if the method's name is no text.
    pub method: String,
    /// The parameters, an array or an object; null if there are none.
    pub params: Value,
    /// Payload frames behind the call, such as the document that an event of a session is about.
    pub attached: Vec<Vec<u8>>,
}

impl Call {
    /// Bytes that it takes in memory, about.
    pub(super) fn weight(&self) -> usize {
        self.method.len() + weight(&self.params) + frames_weight(&self.attached)
    }
}

fn frames_weight(frames: &[Vec<u8>]) -> usize {
    frames.iter().map(|frame| size_of::<Vec<u8>>() + frame.len()).sum()
}

/// Where the answer to a request goes. A caller waits for it: hand it back with the result, or with an error.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "whoever has asked waits for an answer"]
pub struct Reply {
    pub(super) to: String,
    pub(super) header: [u8; HEADER_BYTES],
    id: Value,
}

impl Reply {
    /// The document of the answer.
    pub(super) fn document(&self, outcome: Result<&Value, &ErrorObject>) -> Value {
        match outcome {
            Ok(result) => json!({"jsonrpc": "2.0", "id": self.id, "result": result}),
            Err(ErrorObject { code, message, data }) => {
                let mut error = json!({"code": code, "message": message});
                if let (Some(error), false) = (error.as_object_mut(), data.is_null()) {
                    error.insert("data".to_owned(), data.clone());
                }
                json!({"jsonrpc": "2.0", "id": self.id, "error": error})
            }
        }
    }
}

/// The document of a call; without an id it is a notification. Null `params` are none.
pub(super) fn call(id: Option<u64>, method: &str, params: &Value) -> Value {
    let mut call = json!({"jsonrpc": "2.0", "method": method});
    if let Some(call) = call.as_object_mut() {
        if let Some(id) = id {
            call.insert("id".to_owned(), Value::from(id));
        }
        if !params.is_null() {
            call.insert("params".to_owned(), params.clone());
        }
    }
    call
}

/// The body of the frame that `bytes` begin with, and what comes behind it.
fn first_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = frame::head(bytes).ok()?;
    bytes.get(head.bytes..)?.split_at_checked(usize::try_from(head.body).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(document: Value) -> Result<Value, Error> {
        let sender = "N1.CB".to_owned();
        Message { sender, header: [0; 20], payload: Vec::new(), document: Some(document) }.into_result()
    }

    #[test]
    fn an_answer_is_a_result_an_error_or_nonsense() {
        assert_eq!(answer(json!({"id": 1, "result": [1]})).unwrap(), json!([1]));
        assert_eq!(answer(json!({"id": 1, "result": null, "error": null})).unwrap(), Value::Null);
        let error = json!({"id": 1, "error": {"code": -3, "message": "A sentence.", "data": "x"}});
        let said = answer(error).unwrap_err().to_string();
        assert_eq!(said, r#"N1.CB answered with error -3: A sentence., data "x""#);
        for nonsense in [json!({"id": 1}), json!([]), json!({"error": "text"})] {
            assert!(matches!(answer(nonsense.clone()), Err(Error::Nonsense { by }) if by == "N1.CB"), "{nonsense}");
        }
    }

    #[test]
    fn a_message_comes_out_as_it_went_in_with_any_number_of_frames() {
        use crate::zmtp::frame::{Bounds, Found, Scan};
        let bounds = Bounds { frame_bytes_max: 1 << 20, message_bytes_max: 1 << 20 };
        let frames: [&[u8]; 4] = [b"{\"method\":\"m\"}", b"", &[7; 300], b"end"];
        for n in 0..=frames.len() {
            let header: [u8; 20] = core::array::from_fn(|at| if at == 19 { TYPE_JSON } else { 9 });
            let mut wire = Vec::new();
            encode(&mut wire, b"N1.CB", b"N1.CA", &header, &frames[..n]);
            let Ok(Found::Message(found)) = Scan::default().next(&wire, &bounds) else { panic!("{n} frames") };
            assert_eq!(found.len, wire.len());
            wire.extend_from_slice(b"\0\x01the next message");
            let message = Message::read(&found, &wire).unwrap();
            assert_eq!(message.payload, &frames[..n]);
            assert_eq!((message.sender.as_str(), message.header), ("N1.CA", header));
            assert_eq!(message.into_call().is_ok(), n > 0, "without a payload there is no call");
        }
    }
}
