//! What another loop watches of the server, where a poll is a descriptor.

use std::os::fd::{AsRawFd, RawFd};

use super::Server;

impl AsRawFd for Server {
    /// The descriptor of the poll: readable when a turn is due for other reasons than time.
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}
