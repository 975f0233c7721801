//! A blocking connection to the control or the viewer port of a Manager: bytes out, whole message bodies in, with deadlines.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use instep::control;
use instep::control::framing::{self, Frame};
use instep::limits::CONTROL_RESULT_BYTES_MAX;
use instep::store::order;

use super::client::{Trouble, dial, is_wait, now};
use super::failure::in_words;

/// Why no further body comes.
#[derive(Debug)]
pub(super) enum Silence {
    /// The deadline has passed.
    Late,
    /// The other side has closed, between two messages.
    Closed,
    /// The other side has closed within a message.
    Torn,
    /// The connection has failed.
    Failed(String),
    /// What comes is not of this protocol.
    Broken(control::Error),
}

/// The connection and what has come of the next message.
#[derive(Debug)]
pub(super) struct Framed {
    stream: TcpStream,
    address: String,
    buffer: Vec<u8>,
    chunk: Box<[u8]>,
}

impl Framed {
    /// Connects to `address` (`host:port`) within `timeout`, which is also the longest wait for bytes to leave.
    pub(super) fn connect(address: &str, timeout: Duration) -> Result<Self, Trouble> {
        let stream = dial("Manager", address, timeout)?;
        let told = stream.set_write_timeout(Some(timeout));
        told.map_err(|error| Trouble::Nobody(format!("{address}: {}", in_words(&error))))?;
        let chunk = vec![0; 64 << 10].into_boxed_slice();
        Ok(Self { stream, address: address.to_owned(), buffer: Vec::new(), chunk })
    }

    /// Where it is connected to.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Our own address, by which the Manager lists us.
    pub(super) fn own_address(&self) -> String {
        self.stream.local_addr().map_or_else(|_| "an unknown address".to_owned(), |address| address.to_string())
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let sent = self.stream.write_all(bytes);
        sent.map_err(|error| Trouble::Nobody(format!("{} takes nothing: {}", self.address, in_words(&error))))
    }

    /// The body of the next message; without a deadline it may take for ever.
    pub(super) fn next(&mut self, deadline: Option<Instant>) -> Result<Vec<u8>, Silence> {
        loop {
            if let Frame::Whole { header_len, body_len } =
                framing::scan(&self.buffer, CONTROL_RESULT_BYTES_MAX).map_err(Silence::Broken)?
            {
                let rest = self.buffer.split_off(header_len + body_len);
                let mut body = core::mem::replace(&mut self.buffer, rest);
                body.drain(..header_len);
                return Ok(body);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Silence::Late);
            }
            match self.stream.set_read_timeout(left).and_then(|()| self.stream.read(&mut self.chunk)) {
                Ok(0) if self.buffer.is_empty() => return Err(Silence::Closed),
                Ok(0) => return Err(Silence::Torn),
                Ok(n) => self.buffer.extend_from_slice(self.chunk.get(..n).unwrap_or_default()),
                // The loop finds out whether the deadline has passed.
                Err(error) if is_wait(&error) => {}
                Err(error) => return Err(Silence::Failed(in_words(&error))),
            }
        }
    }
}

/// A MsgPack value as JSON, where keys are text and a float without a value is null.
pub(super) fn json(value: &control::client::Value) -> serde_json::Value {
    use control::client::Value;
    match value {
        Value::Nil => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Huge(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Map(pairs) => {
            let key = |key: &Value| if let Value::Text(text) = key { text.clone() } else { key.to_string() };
            serde_json::Value::Object(order::filled(pairs.iter().map(|(name, value)| (key(name), json(value)))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::client::Value;

    #[test]
    fn values_become_json_that_can_be_read_again() {
        let pairs = vec![
            (Value::Text("a\n".to_owned()), Value::Array(vec![Value::Nil, Value::Bool(true), Value::Float(f64::NAN)])),
            (Value::Int(5), Value::Huge(u64::MAX)),
        ];
        let wanted = serde_json::json!({"a\n": [null, true, null], "5": u64::MAX});
        assert_eq!(json(&Value::Map(pairs)), wanted);
    }
}
