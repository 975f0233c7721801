//! What an end sends where all on its connection is sealed: each copy of its message under a number of its own.

use std::io::{self, Write};

use instep::client::Machine;

use super::outbox::Outbox;

/// Sealed bytes that wait at most before more is sealed.
const WAITING_BYTES: usize = 256 << 10;

/// What is sealed and has not left.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    bytes: Vec<u8>,
    sent: usize,
}

/// Takes whole frames and seals them, until enough of them wait.
struct Taker<'a>(&'a mut Machine, &'a mut Vec<u8>);

impl Write for Taker<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1.len() > WAITING_BYTES {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.seal_frames(bytes, self.1).map_err(|fault| io::Error::other(fault.to_string()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sealed {
    /// Writes until nothing is due or the socket is full.
    pub(super) fn flush(&mut self, outbox: &mut Outbox, machine: &mut Machine, to: &mut impl Write) -> io::Result<()> {
        loop {
            self.push(to)?;
            outbox.writable = self.bytes.is_empty();
            if !outbox.writable {
                return Ok(());
            }
            outbox.flush(&mut Taker(machine, &mut self.bytes))?;
            if self.bytes.is_empty() {
                outbox.writable = true;
                return Ok(());
            }
        }
    }

    fn push(&mut self, to: &mut impl Write) -> io::Result<()> {
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match to.write(rest) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.clear();
        self.sent = 0;
        Ok(())
    }
}
