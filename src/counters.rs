//! One number per observable event, by name. Tests and `send_counters` read them; nothing in the program decides by them.

/// A number that goes up and down.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Its name, as those of counters are written.
    pub name: &'static str,
    /// What it is the number of.
    pub help: &'static str,
    /// What it is now.
    pub value: usize,
}

impl Reading {
    /// A reading that has just been taken.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, value: usize) -> Self {
        Self { name, help, value }
    }
}

macro_rules! counters {
    ($($name:ident: $help:literal,)*) => {
        /// What happened since the process started. Each field counts one kind of event.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $(#[doc = $help] pub $name: u64,)*
        }

        impl Counters {
            /// Name, meaning and value of every counter, in a fixed order.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($name), $help, self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    connections_opened: "connections accepted or dialled",
    connections_closed: "connections ended, for whatever reason",
    connections_refused: "connections refused because too many are open or in their handshake",
    connections_held: "refused connections held for a moment so that their clients come back less often",
    handshakes_done: "ZMTP handshakes completed",
    handshakes_left: "connections whose peer left before the handshake was over, as one of another version or mechanism does",
    closed_by_peer: "links ended by the peer",
    closed_by_io: "links ended by an error of the operating system",
    closed_not_zmtp: "links closed because the first bytes were another protocol or an old ZMTP",
    closed_mechanism: "links closed because the greeting named another security mechanism",
    closed_handshake: "links closed because the handshake was broken",
    closed_keys: "links closed because a key was not the one that was expected, or the handshake was another's",
    closed_seal: "links closed because something was not sealed as it had to be, or is missing",
    closed_handshake_time: "links closed because the handshake took too long",
    closed_stranger: "links closed because it is not known who is at their other end",
    closed_socket_type: "links closed because the peer's socket type cannot talk to ours",
    closed_subscriptions: "links closed because of a topic that is too long, or more subscriptions than there is room for",
    closed_frame: "links closed because of broken frame flags or commands",
    closed_too_large: "links closed because a frame or message exceeded its bound",
    closed_commands: "links closed because of too many commands within a second",
    closed_by_error: "links closed because the peer sent an ERROR command",
    closed_slow: "links closed because their receiver made no progress",
    closed_half_message: "links closed because a half-sent message made no progress",
    closed_silent: "links closed because the peer gave no sign of life",
    closed_takeover: "links closed because a newcomer took the name of a silent owner",
    closed_memory: "links closed because the process had no memory left for their half-sent message or for an answer",
    closed_undecodable: "links of controllers and viewers closed because a request could not be decoded",
    closed_torn: "links closed because the sender of a message that was partly through to them ended or stood still",
    closed_notice: "links closed because an event of a joined session found no room",
    ends_unknown: "links that we ended and whose peer did not confirm the end: what was in its socket may not have arrived",
    ends_reset: "links that their peers broke off: what was in its socket may not have been read",
    hints: "newcomers that said nothing and were told that they have not signed in",
    pauses: "times the process or its machine stood still for more than a second while deadlines were due",
    closed_by_us: "links closed for a reason of our own: signed out, superfluous, shutting down",
    bytes_in: "bytes received",
    bytes_out: "bytes sent",
    published: "messages that publishers of both channels have sent",
    published_copies: "copies of these that were put on their way to subscribers",
    published_drops: "copies that a subscriber went without, as it does not keep up",
    published_unwanted: "messages of publishers that nobody had subscribed to",
    published_forbidden: "messages of publishers that their user may not publish",
    last_values_lost: "topics whose last value was not kept: too large, or no room for it beside others",
    subscriptions: "subscriptions to topics of both channels",
    subscriptions_refused: "subscriptions refused: too long, too many, or not permitted",
    subscriptions_revoked: "subscriptions taken away, as other rules do not permit them",
    messages_in: "multipart messages received",
    messages_delivered: "messages queued for a component of this node",
    messages_forwarded: "messages queued for another Coordinator",
    messages_own: "messages for this Coordinator itself",
    messages_malformed: "messages that are not LECO and were dropped",
    messages_unanswerable: "messages for this Coordinator that are no JSON and were dropped",
    senders_held: "times a sender was held back because its receiver had no room",
    refused_not_signed_in: "messages refused because their sender has not signed in",
    refused_not_yours: "messages refused because their sender's name belongs to another link",
    refused_node_unknown: "messages refused because the receiver's node is not linked",
    refused_receiver_unknown: "messages refused because this node has no such component",
    refused_overload: "messages refused because their receiver does not take them",
    refused_too_large: "messages refused because they are larger than message_bytes_max or frame_bytes_max",
    messages_torn: "messages whose sender ended when a part of them had left for their receiver",
    returned_undelivered: "queued messages returned to their senders because the receiver's link ended",
    errors_dropped: "errors that could not be sent because their receiver has left or has no room",
    answers_dropped: "answers that could not be sent because their receiver has left or has no room",
    answers_without_way: "answers to another node left out because there is no link to it yet; usual while nodes sign in",
    requests_abandoned: "requests whose link ended while they waited",
    rpc_errors: "JSON-RPC calls answered with an error",
    sign_ins: "components signed in",
    sign_outs: "components signed out",
    names_freed: "names freed because their link ended",
    names_expired: "names removed because their owner was silent too long",
    names_taken_over: "names freed because their silent owner did not answer when they were claimed",
    probes: "silent owners asked for a sign of life because their name was claimed",
    http_requests: "requests over HTTP that were answered, or refused",
    http_refusals: "requests over HTTP that were refused, or could not be read",
    stomp_sends: "documents that clients of STOMP have sent",
    stomp_sends_refused: "documents of clients of STOMP that were not taken",
    stomp_unreadable: "events that clients of STOMP were not told, as they could not read them",
    stomp_errors: "connections of STOMP that were ended with ERROR for what the client had sent",
    pings_sent: "ZMTP PINGs sent",
    pongs_sent: "ZMTP PONGs sent",
    nodes_joined: "Coordinators signed in, either way",
    nodes_displaced: "links of Coordinators closed because another link turned out to be that node's, or nobody could tell",
    nodes_asked: "nodes asked which of two links is their own",
    nodes_left: "Coordinators signed out or removed",
    dials: "connections to other Coordinators begun",
    dials_failed: "connections to other Coordinators that could not be made",
    updates_published: "directory updates sent to other Coordinators",
    directories_asked: "whole directories asked of other nodes because something of theirs was missing here",
    directories_repeated: "whole directories sent to other nodes because they asked for them",
    multicasts_sent: "events sent once to another node for several members there",
    multicasts_spread: "messages of other nodes spread among several components of this one",
    auth_unknown: "times somebody was not let in because nobody knows who he is",
    auth_forbidden: "times a user was not let do what he may not",
    audit_lines: "lines for the audit log",
    audit_dropped: "lines of the audit log that were left out, as there were too many, or its disk failed or did not keep up",
    reloads: "times settings and users were read anew and hold since",
    reloads_failed: "times settings and users were read anew and did not hold: the old ones stay",
    control_requests: "requests of controllers",
    manager_errors: "lines put on the Manager's error list",
    timesteps: "timesteps of providers applied",
    results_encoded: "results for viewers encoded: one for each timestep and distinct selection",
    results_sent: "timesteps queued for viewers",
    initials: "initial results sent to viewers",
    initials_encoded: "initial results encoded: viewers that begin together share them",
    results_without_memory: "results for viewers left out because memory_max was reached",
    viewers_behind: "times a viewer lost timesteps because it did not keep up",
    sessions_made: "shared sessions made, predefined ones included",
    session_joins: "members that joined a session",
    session_absences: "times a member was away, because its component left or took no more events",
    session_returns: "times a member that was away came back",
    session_members_lost: "members taken out of a session because they were away for too long",
    session_events: "events of sessions",
    session_notices: "events queued for members",
    session_changes: "changes of a session's flow state",
    session_documents: "C2SIM documents read",
    session_refusals: "triggers, documents and other requests that a session refused",
    session_requests_queued: "requests that waited for a change of their session to become durable",
    session_farewells_dropped: "words to members taken out of a session that could not be kept until their nodes take messages",
    commits: "changes of sessions handed to the ledger",
    commits_failed: "changes of sessions that could not be made durable",
    recordings: "recordings of providers begun",
    recordings_whole: "recordings that ended in order: all that was to be recorded is in their files",
    recordings_failed: "recordings that could not be made, or ended because their disk failed or did not keep up",
    log_lines_spared: "log lines left out because too many of their kind came within a second",
    accept_pauses: "times accepting paused for want of file descriptors or memory",
}

/// A size as the counters have it.
pub(crate) fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_name_and_a_meaning() {
        let counters = Counters { bytes_in: 7, ..Counters::default() };
        assert!(counters.iter().all(|(name, help, _)| !name.is_empty() && help.len() > 8));
        assert_eq!(counters.iter().find(|(name, _, _)| *name == "bytes_in").map(|(_, _, value)| value), Some(7));
    }
}
