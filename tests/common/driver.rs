//! The one loop around a hub that tests, simulators and measurements have in place of the event loop: it takes outputs until the hub
//! wants nothing more, and has each carried out.
//!
//! Whoever has a network of its own around its hub is [`Outside`] and is driven by [`drive`]; for one hub whose bytes may all leave at
//! once there is [`drain`], which allocates nothing.
#![allow(dead_code, reason = "a measurement takes this file alone, and needs a part of it")]
#![allow(clippy::panic, reason = "helpers of tests fail by panic")]

use instep::hub::{Cause, GathererKey, Hub, NodeKey, Output, PeerKey, ProviderKey};
use instep::time::Tick;

/// No hub has reason for more outputs without new input.
const OUTPUTS_MAX: u32 = 200_000;

/// What stands around a hub: sockets that take bytes, are closed and dialled. What is not told otherwise is ignored, and bytes leave at once.
pub(crate) trait Outside {
    /// The hub, and what time it is.
    fn hub(&mut self) -> (&mut Hub, Tick);

    /// Sees every output before it is carried out; whether to go on.
    fn look(&mut self, _: Output) -> bool {
        true
    }

    /// Bytes wait for a peer; [`Hub::sent`] is to be told how many of them leave.
    fn flush(&mut self, key: PeerKey) {
        let (hub, now) = self.hub();
        take_all(hub, now, key);
    }

    fn read(&mut self, _: PeerKey) {}

    fn close(&mut self, _: PeerKey, _: Cause) {}

    fn dial(&mut self, _: NodeKey) {}

    fn dial_kernel(&mut self, _: ProviderKey) {}
    fn dial_gatherer(&mut self, _: GathererKey) {}

    fn stop(&mut self) {}

    /// The hub wants nothing at the moment; whether something was done that had been put off.
    fn catch_up(&mut self) -> bool {
        false
    }

    /// The hub always wants something done, this at last.
    fn spins(&mut self, last: Output) {
        panic!("the hub always wants something done: {last:?}");
    }
}

/// Does what a hub wants done until it wants no more; whether there was anything.
#[inline]
pub(crate) fn drive(outside: &mut impl Outside) -> bool {
    let mut count = 0;
    loop {
        let (hub, now) = outside.hub();
        let Some(output) = hub.poll_output(now) else {
            if outside.catch_up() {
                continue;
            }
            return count > 0;
        };
        count += 1;
        if count > OUTPUTS_MAX {
            outside.spins(output);
            return true;
        }
        if !outside.look(output) {
            return true;
        }
        match output {
            Output::Flush(key) => outside.flush(key),
            Output::Read(key) => outside.read(key),
            Output::Close(key, cause) => outside.close(key, cause),
            Output::Dial(node) => outside.dial(node),
            Output::DialKernel(provider) => outside.dial_kernel(provider),
            Output::DialGatherer(gatherer) => outside.dial_gatherer(gatherer),
            Output::LogLevel(_) => {}
            Output::Stop => outside.stop(),
        }
    }
}

/// One hub with nobody around it; `see` is told what was carried out, and how many bytes left by it.
struct Alone<'a, S> {
    hub: &'a mut Hub,
    now: Tick,
    see: S,
}

impl<S: FnMut(Output, usize)> Outside for Alone<'_, S> {
    #[inline]
    fn hub(&mut self) -> (&mut Hub, Tick) {
        (self.hub, self.now)
    }

    #[inline]
    fn look(&mut self, output: Output) -> bool {
        if !matches!(output, Output::Flush(_)) {
            (self.see)(output, 0);
        }
        true
    }

    #[inline]
    fn flush(&mut self, key: PeerKey) {
        let taken = take_all(self.hub, self.now, key);
        (self.see)(Output::Flush(key), taken);
    }
}

/// Drives one hub whose bytes leave at once; `see` is told each output, and how many bytes left by it.
#[inline]
pub(crate) fn drain(hub: &mut Hub, now: Tick, see: impl FnMut(Output, usize)) {
    drive(&mut Alone { hub, now, see });
}

/// What a hub wants done, without doing it: no bytes leave.
pub(crate) fn wishes(hub: &mut Hub, now: Tick) -> Vec<Output> {
    struct Wishes<'a>(&'a mut Hub, Tick, Vec<Output>);

    impl Outside for Wishes<'_> {
        fn hub(&mut self) -> (&mut Hub, Tick) {
            (self.0, self.1)
        }

        fn look(&mut self, output: Output) -> bool {
            self.2.push(output);
            true
        }

        fn flush(&mut self, _: PeerKey) {}
    }

    let mut wishes = Wishes(hub, now, Vec::new());
    drive(&mut wishes);
    wishes.2
}

/// All bytes that wait for a peer leave; how many.
#[inline]
fn take_all(hub: &mut Hub, now: Tick, key: PeerKey) -> usize {
    let [first, second] = hub.unsent(key);
    let waiting = first.len() + second.len();
    hub.sent(now, key, waiting);
    waiting
}

/// Up to `most` of the bytes that wait for a peer leave, the first of them.
pub(crate) fn take(hub: &mut Hub, now: Tick, key: PeerKey, most: usize) -> Vec<u8> {
    let mut bytes = hub.unsent(key).concat();
    bytes.truncate(most);
    hub.sent(now, key, bytes.len());
    bytes
}
