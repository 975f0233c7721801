//! One subscription of a guest that hears on topics.

use crate::stomp::reply::Reply;
use crate::stomp::selector::Selector;
use crate::stomp::version::Version;

/// A subscription.
#[derive(Debug)]
pub(in crate::hub) struct Ear {
    pub(in crate::hub) id: Box<str>,
    pub(in crate::hub) destination: Box<str>,
    pub(in crate::hub) selector: Option<Selector>,
    pub(in crate::hub) version: Version,
    /// Bytes that it keeps.
    pub(in crate::hub) bytes: usize,
}

impl Ear {
    /// Whether it is for what has these headers.
    pub(super) fn wants<'h>(&'h self, header: impl Fn(&str) -> Option<&'h str>) -> bool {
        let of_mine = |name: &str| if name == "destination" { Some(&*self.destination) } else { header(name) };
        self.selector.as_ref().is_none_or(|selector| selector.wants(of_mine))
    }

    /// What a message begins with for this one alone. `n` tells those of one event apart.
    pub(super) fn head(&self, seq: u64, n: usize) -> Vec<u8> {
        let mut head = Vec::new();
        let id = format!("{seq}-{n}");
        Reply::begin(&mut head, "MESSAGE", self.version)
            .header("subscription", &self.id)
            .header("message-id", &id)
            .header("destination", &self.destination)
            .pause();
        head
    }
}
