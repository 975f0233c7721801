//! What CONNECT and CONNECTED agree upon: the version, and how often we give a sign of life.

use super::fault::Fault;
use super::frame::Frame;
use super::reply::{BEAT, PLAIN_BEAT, Reply};
use super::version::Version;
use crate::limits::STOMP_BEAT_MS_MIN;
use crate::time::Span;

/// What is agreed upon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// What is spoken.
    pub version: Version,
    /// How often we send a [sign of life](Self::beat_bytes) at least, if the client wants it. We ask for none: TCP finds out who is gone.
    pub beat: Option<Span>,
    /// The client names the host that it wants, as the newer versions demand: it follows them in other things too.
    pub names_host: bool,
}

impl Agreed {
    /// Judges a CONNECT frame. The host that it names, and that it names none, makes no difference; whether its login is good is not asked here.
    ///
    /// # Errors
    /// [`Fault::Version`] or [`Fault::HeartBeat`].
    pub fn upon(connect: &Frame<'_>) -> Result<Self, Fault> {
        let version = Version::best(connect.header("accept-version").as_deref()).ok_or(Fault::Version)?;
        let beat = match connect.header("heart-beat") {
            Some(text) => wanted(&text).ok_or(Fault::HeartBeat)?,
            None => 0,
        };
        let beat = (beat > 0).then(|| Span(beat.max(STOMP_BEAT_MS_MIN)));
        Ok(Self { version, beat, names_host: connect.header("host").is_some() })
    }

    /// A sign of life as the client knows it.
    #[must_use]
    pub const fn beat_bytes(&self) -> &'static [u8] {
        // There is a library that names no host and needs two, and one that names it and does not know two for what they are.
        if self.names_host { PLAIN_BEAT } else { BEAT }
    }

    /// Writes CONNECTED. `server` is our name and version (`instep/0.1.0`), `session` what the log calls the connection.
    pub fn answer(&self, out: &mut Vec<u8>, server: &str, session: &str) {
        let beat = format!("{},0", self.beat.unwrap_or_default().0);
        // Headers of CONNECTED are not escaped, in any version.
        let reply = Reply::begin(out, "CONNECTED", Version::V1_0).header("version", self.version.name());
        reply.header("heart-beat", &beat).header("server", server).header("session", session).nothing();
    }
}

/// The second of two numbers with a comma: how often a client wants to hear from us, in milliseconds.
fn wanted(text: &str) -> Option<u64> {
    let number = |text: &str| text.trim().parse::<u32>().ok().map(u64::from);
    let (gives, wants) = text.split_once(',')?;
    number(gives).and_then(|_| number(wants))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stomp::frame::{Frames, Step};

    fn agreed(headers: &str) -> Result<Agreed, Fault> {
        let text = format!("CONNECT\n{headers}\n\0");
        let mut frames = Frames::default();
        let Ok(Step::Frame { frame, .. }) = frames.next(text.as_bytes(), 0) else { panic!("a frame") };
        Agreed::upon(&frame)
    }

    #[test]
    fn what_clients_ask_for_is_agreed_upon() {
        for (headers, version, beat) in [
            ("", Version::V1_0, None),
            ("login:\npasscode:\n", Version::V1_0, None),
            ("heart-beat: 0,4000\naccept-version: 1.2\nlogin:\n", Version::V1_2, Some(Span(5000))),
            ("heart-beat:10000,10000\naccept-version:1.0,1.1\nhost:h\n", Version::V1_1, Some(Span(10_000))),
            ("heart-beat:1,0\n", Version::V1_0, None),
        ] {
            let names_host = headers.contains("host");
            assert_eq!(agreed(headers), Ok(Agreed { version, beat, names_host }), "{headers:?}");
            assert_eq!(agreed(headers).unwrap().beat_bytes().len(), if names_host { 1 } else { 2 });
        }
        assert_eq!(agreed("accept-version:2.0\n"), Err(Fault::Version));
        for wrong in ["", "0", "a,b", "-1,0", "0,-1", "0,5000000000", "0,1,2"] {
            assert_eq!(agreed(&format!("heart-beat:{wrong}\n")), Err(Fault::HeartBeat), "{wrong}");
        }
    }

    #[test]
    fn the_answer_says_it() {
        let mut out = Vec::new();
        Agreed { version: Version::V1_2, beat: Some(Span(5000)), names_host: false }.answer(
            &mut out,
            "instep/0.1",
            "s-1",
        );
        Agreed::default().answer(&mut out, "a\\b", "s:2");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "CONNECTED\nversion:1.2\nheart-beat:5000,0\nserver:instep/0.1\nsession:s-1\n\n\0\n\
             CONNECTED\nversion:1.0\nheart-beat:0,0\nserver:a\\b\nsession:s:2\n\n\0\n"
        );
    }
}
