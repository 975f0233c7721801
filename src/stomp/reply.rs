//! The frames that we send.

use super::version::Version;

/// What ends a frame. Behind the zero byte stands a line end: the C++ client of the field looks one byte further before it goes on.
pub const END: &[u8] = b"\0\n";

/// A sign of life. Two line ends at once: after a single one the C# client of the field takes the next command for the end of something.
pub const BEAT: &[u8] = b"\n\n";

/// A sign of life for those who go by the book.
pub const PLAIN_BEAT: &[u8] = b"\n";

/// The head of a frame while it is being written. [`Reply::body`] or [`Reply::nothing`] ends it.
#[must_use = "a head has an end"]
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    version: Version,
}

impl<'a> Reply<'a> {
    /// Begins a frame behind what `out` has, for a client that speaks `version`.
    pub fn begin(out: &'a mut Vec<u8>, command: &str, version: Version) -> Self {
        out.extend_from_slice(command.as_bytes());
        out.push(b'\n');
        Self { out, version }
    }

    /// Goes on with a head that [pauses](Self::pause) elsewhere.
    pub const fn go_on(out: &'a mut Vec<u8>, version: Version) -> Self {
        Self { out, version }
    }

    /// Leaves a head as it is: the rest of it is written elsewhere.
    pub fn pause(self) {}

    /// One more header. Colons stay as they are, since the client that announces the newest version does not know escapes, and all split
    /// a line at its first colon. Line ends and zero bytes are left out. A value of `true` gets a blank behind it: the Java client takes the
    /// name of such a header for the message's selector.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b':');
        for byte in value.bytes() {
            match byte {
                b'\r' | b'\n' | 0 => {}
                b'\\' if self.version > Version::V1_0 => self.out.extend_from_slice(b"\\\\"),
                byte => self.out.push(byte),
            }
        }
        if value == "true" {
            self.out.push(b' ');
        }
        self.out.push(b'\n');
        self
    }

    /// The header with the length of the body, in bytes. At this place among the others, for those who read them in order.
    pub fn content_length(self, len: usize) -> Self {
        self.header("content-length", &len.to_string())
    }

    /// Ends the head of a frame. Its body comes next, and [`END`] behind that.
    pub fn body(self) {
        self.out.push(b'\n');
    }

    /// Ends a frame without a body.
    pub fn nothing(self) {
        self.out.push(b'\n');
        self.out.extend_from_slice(END);
    }
}

/// Writes ERROR: what is wrong in a few words, and in `text` whatever there is to say about it. The connection ends behind it.
pub fn error(out: &mut Vec<u8>, version: Version, message: &str, text: &str, receipt: Option<&str>) {
    let body = text.replace('\0', "") + "\n";
    let reply = Reply::begin(out, "ERROR", version).header("message", message).header("content-type", "text/plain");
    let reply = match receipt {
        Some(receipt) => reply.header("receipt-id", receipt),
        None => reply,
    };
    reply.content_length(body.len()).body();
    out.extend_from_slice(body.as_bytes());
    out.extend_from_slice(END);
}

/// Writes RECEIPT, the answer to a frame that asked for one by this id.
pub fn receipt(out: &mut Vec<u8>, version: Version, id: &str) {
    Reply::begin(out, "RECEIPT", version).header("receipt-id", id).nothing();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_message_has_its_headers_in_their_order() {
        let message = |version| {
            text(|out| {
                let reply =
                    Reply::begin(out, "MESSAGE", version).header("subscription", "Sun Nov 29 22:12:02 UTC 2026");
                let reply = reply.content_length(3).header("submitter", "a\\b\r\n\0c").header("sender", "true");
                reply.header("forwarders", "").body();
            })
        };
        assert_eq!(
            message(Version::V1_2),
            "MESSAGE\nsubscription:Sun Nov 29 22:12:02 UTC 2026\ncontent-length:3\nsubmitter:a\\\\bc\nsender:true \nforwarders:\n\n"
        );
        assert!(message(Version::V1_0).contains("\nsubmitter:a\\bc\n"));
    }

    #[test]
    fn errors_and_receipts_are_whole_frames() {
        assert_eq!(
            text(|out| error(out, Version::V1_2, "no: such", "line 1\nä\0", Some("r-1"))),
            "ERROR\nmessage:no: such\ncontent-type:text/plain\nreceipt-id:r-1\ncontent-length:10\n\nline 1\nä\n\0\n"
        );
        assert_eq!(text(|out| receipt(out, Version::V1_1, "7")), "RECEIPT\nreceipt-id:7\n\n\0\n");
    }
}
