//! Why a link ended: one variant, one sentence for the log, one counter.

use core::fmt;

use crate::counters::Counters;
use crate::zmtp::Fault;

/// Why a link ended. Displays as a sentence for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The peer closed its end: it says no more, and may still read.
    Peer,
    /// The peer has hung up: it neither says nor reads anything more.
    Gone,
    /// The operating system reported an error.
    Io,
    /// The peer broke ZMTP or asked for what we do not speak.
    Zmtp(Fault),
    /// The handshake was not finished in time.
    HandshakeTime,
    /// A controller or viewer that has asked for nothing since it came.
    NoRequest,
    /// Too many connections are in their handshake, and this was the oldest.
    HandshakePushedOut,
    /// Too many connections.
    Refused,
    /// It is not known who that is, or not any more, and everybody is asked.
    Stranger,
    /// The receiver took nothing for `slow_ms` although bytes were waiting.
    Slow,
    /// A half-sent message did not go on for `slow_ms`.
    HalfMessage,
    /// No sign of life, although asked.
    Silent,
    /// A newcomer claimed the name and this owner did not answer.
    Takeover,
    /// The process has no memory left for the peer's half-sent message, or for what it is to be sent.
    Memory,
    /// The other Coordinator signed out, or was removed.
    SignedOut,
    /// There already is a link to that Coordinator, or to that gatherer, or it is this process itself.
    Superfluous,
    /// What came over the control or viewer port cannot be read.
    Undecodable,
    /// The provider behind the link has ended, was closed, or is connected anew.
    Provider,
    /// A client of HTTP has its answer and wanted no other, or can have none.
    Answered,
    /// A client of HTTP has asked for nothing more for a long time, or others need its place.
    Idle,
    /// An event of a session that it has joined found no room: it would have fallen out of step.
    Notice,
    /// The sender of a large message ended when a part of it had left for this receiver: nothing else can follow on its link.
    Torn,
    /// This process stops.
    Stopping,
}

impl Cause {
    /// Whether the other end has ended the connection, or broken it.
    #[must_use]
    pub const fn is_theirs(self) -> bool {
        matches!(self, Self::Peer | Self::Gone | Self::Io)
    }

    /// Whether bytes still waiting for the peer are returned to their senders as undelivered: on a superfluous link nobody has sent any.
    #[must_use]
    pub(super) const fn returns_messages(self) -> bool {
        !matches!(self, Self::Superfluous)
    }

    /// The cause's counter.
    pub(super) const fn counter(self, counters: &mut Counters) -> &mut u64 {
        match self {
            Self::Peer | Self::Gone => &mut counters.closed_by_peer,
            Self::Io => &mut counters.closed_by_io,
            Self::Zmtp(fault) => match fault {
                Fault::Http | Fault::Tls | Fault::Ssh | Fault::Version1 | Fault::Version2 | Fault::NotZmtp => {
                    &mut counters.closed_not_zmtp
                }
                Fault::Mechanism | Fault::Wanted { .. } => &mut counters.closed_mechanism,
                Fault::Handshake | Fault::Metadata | Fault::Identity | Fault::PlainCommand | Fault::CurveCommand => {
                    &mut counters.closed_handshake
                }
                Fault::CurveHello
                | Fault::CurveInitiate
                | Fault::CurveCookie
                | Fault::CurveNumber
                | Fault::CurveVouch
                | Fault::CurveWelcome
                | Fault::NoChance => &mut counters.closed_keys,
                Fault::NotSealed | Fault::SealNumber | Fault::Seal | Fault::InnerFlags => &mut counters.closed_seal,
                Fault::PeerError | Fault::RefusedByPeer(_) => &mut counters.closed_by_error,
                Fault::SocketType(_) | Fault::Port { .. } => &mut counters.closed_socket_type,
                Fault::Topic | Fault::Subscriptions => &mut counters.closed_subscriptions,
                Fault::Flags | Fault::Command | Fault::CommandTooLarge => &mut counters.closed_frame,
                Fault::FrameTooLarge | Fault::MessageTooLarge | Fault::TooManyFrames => &mut counters.closed_too_large,
                Fault::CommandRate => &mut counters.closed_commands,
            },
            Self::HandshakeTime | Self::NoRequest | Self::HandshakePushedOut => &mut counters.closed_handshake_time,
            Self::Refused => &mut counters.connections_refused,
            Self::Stranger => &mut counters.closed_stranger,
            Self::Slow => &mut counters.closed_slow,
            Self::HalfMessage => &mut counters.closed_half_message,
            Self::Silent => &mut counters.closed_silent,
            Self::Takeover => &mut counters.closed_takeover,
            Self::Memory => &mut counters.closed_memory,
            Self::Undecodable => &mut counters.closed_undecodable,
            Self::Notice => &mut counters.closed_notice,
            Self::Torn => &mut counters.closed_torn,
            Self::SignedOut | Self::Superfluous | Self::Provider | Self::Answered | Self::Idle | Self::Stopping => {
                &mut counters.closed_by_us
            }
        }
    }

    /// Whether an operator should read of it without asking for details.
    #[must_use]
    pub const fn is_warning(self) -> bool {
        !matches!(
            self,
            Self::Peer
                | Self::Gone
                | Self::SignedOut
                | Self::Superfluous
                | Self::Provider
                | Self::Answered
                | Self::Idle
                | Self::Stopping
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer | Self::Gone => f.write_str("closed by the peer"),
            Self::Io => f.write_str("connection broken"),
            Self::Zmtp(fault) => fault.fmt(f),
            Self::HandshakeTime => f.write_str("handshake not finished within handshake_s"),
            Self::NoRequest => f.write_str("no request within a minute"),
            Self::HandshakePushedOut => f.write_str("oldest of too many unfinished handshakes"),
            Self::Refused => f.write_str("too many connections"),
            Self::Stranger => f.write_str("nobody knows who it is (auth)"),
            Self::Slow => f.write_str("receiver took nothing for slow_ms"),
            Self::HalfMessage => f.write_str("half-sent message stood still for slow_ms"),
            Self::Silent => f.write_str("no sign of life"),
            Self::Takeover => f.write_str("silent, and a newcomer claims its name"),
            Self::Memory => f.write_str("no memory left for its half-sent message or for its answer"),
            Self::SignedOut => f.write_str("signed out"),
            Self::Superfluous => f.write_str("there is a link to there already"),
            Self::Undecodable => f.write_str("its request cannot be decoded"),
            Self::Provider => f.write_str("the provider has ended"),
            Self::Answered => f.write_str("answered"),
            Self::Idle => f.write_str("without a request for too long"),
            Self::Notice => f.write_str("an event of its session found no room"),
            Self::Torn => f.write_str("the sender of a message that was partly through to it has ended or stood still"),
            Self::Stopping => f.write_str("stopping"),
        }
    }
}
