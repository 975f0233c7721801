//! What the owner of a client may choose, and what a client cannot know by itself.

use super::keys::Keys;
use super::line::Login;
use crate::time::{Span, Tick};

/// How a client behaves. The defaults are those of a Component that stays for months.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Longest time for a connection to be made, for the handshake, and for the answer to a sign-in, each; 5 s.
    pub timeout: Span,
    /// Silence of ours after which a sign of life is sent, and of the Coordinator after which it is asked for one; 10 s. A Coordinator
    /// asks after 15 s and takes a silent Component out after three times that. One that gives no answer within twice this time is lost.
    pub heartbeat: Span,
    /// Connect anew when the connection is lost, with pauses from a tenth of a second to ten seconds, and sign in again under the same
    /// name; sign in again, too, when the Coordinator does not know us any more. On.
    pub reconnect: bool,
    /// Take a free variation of a name that is taken when we first come in. Off: a taken name refuses the sign-in.
    pub vary_name: bool,
    /// Requests of others come as events and must be answered. Off: each is told that there is no such method. On. `pong` is always
    /// answered by the client itself.
    pub serve: bool,
    /// Where the user may not sign in: stay without a name, and ask what the user may look at. [`crate::client::Event::SignedIn`]
    /// comes all the same, with the name that was wished for; nobody can send to it. Who shows keys or a token asks for its rights first, so that
    /// no refusal is noted there. Off: the sign-in is refused (-32001).
    pub look_on: bool,
    /// Whose it is, where that is asked.
    pub(super) login: Option<Login>,
}

impl Options {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            timeout: Span::seconds(5),
            heartbeat: Span::seconds(10),
            reconnect: true,
            vary_name: false,
            serve: true,
            look_on: false,
            login: None,
        }
    }

    /// With another [`Options::timeout`].
    #[must_use]
    pub const fn timeout(mut self, timeout: Span) -> Self {
        self.timeout = timeout;
        self
    }

    /// With another [`Options::heartbeat`], of at least a millisecond.
    #[must_use]
    pub const fn heartbeat(mut self, heartbeat: Span) -> Self {
        self.heartbeat = if heartbeat.0 == 0 { Span(1) } else { heartbeat };
        self
    }

    /// With or without [`Options::reconnect`].
    #[must_use]
    pub const fn reconnect(mut self, reconnect: bool) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// With or without [`Options::vary_name`].
    #[must_use]
    pub const fn vary_name(mut self, vary_name: bool) -> Self {
        self.vary_name = vary_name;
        self
    }

    /// With or without [`Options::serve`].
    #[must_use]
    pub const fn serve(mut self, serve: bool) -> Self {
        self.serve = serve;
        self
    }

    /// With or without [`Options::look_on`].
    #[must_use]
    pub const fn look_on(mut self, look_on: bool) -> Self {
        self.look_on = look_on;
        self
    }
}

impl Options {
    /// As this user, or whoever has that token where `user` is `?`; each 255 bytes at most. It is shown by PLAIN, which anybody on the way can
    /// read: a server takes it over loopback, and from elsewhere if its `plain_remote` says so.
    #[must_use]
    pub fn login(mut self, user: &str, token: &str) -> Self {
        self.login = Some(Login::Token { user: user.to_owned(), token: token.to_owned() });
        self
    }

    /// With these keys: all is encrypted, by CURVE, with a server that has the key that they name, and the user is the one who has the
    /// client's key there. It takes the place of [`Options::login`]. A frame has 16 MiB at the most then.
    #[must_use]
    pub fn keys(mut self, keys: Keys) -> Self {
        self.login = Some(Login::Keys(keys));
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// What a machine cannot know by itself.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Feeds conversation ids and the jitter of pauses. Whoever knows it can forge answers: take it from a good source.
    pub seed: u64,
    /// The first moment.
    pub now: Tick,
    /// Milliseconds since 1970 at `now`, for the time stamps in conversation ids.
    pub unix_ms: u64,
}
