//! A client of CURVE that is written down by hand, upon another crate's cryptography: a second opinion, and one that can be made to misbehave.

use crypto_box::aead::Aead as _;
use crypto_box::{PublicKey, SalsaBox, SecretKey as Secret};
use instep::auth::Key;
use instep::config::{Access, Config, Role, UserRule};
use instep::hub::{Hub, PeerKey, SecretKey, Secrets};
use instep::time::Tick;

/// Chance that comes out the same each time.
pub(crate) fn chance(seed: u64) -> impl FnMut(&mut [u8]) {
    let mut state = seed;
    move |out: &mut [u8]| {
        for byte in out {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
    }
}

/// A secret key of this name.
pub(crate) fn secret(name: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    let seed = name.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    chance(seed)(&mut bytes);
    bytes
}

pub(crate) fn public(secret: &[u8; 32]) -> [u8; 32] {
    *Secret::from(*secret).public_key().as_bytes()
}

pub(crate) fn nonce(parts: &[&[u8]]) -> [u8; 24] {
    parts.concat().try_into().unwrap()
}

/// Boxes that two keys have in common.
pub(crate) struct Boxes(SalsaBox);

impl Boxes {
    pub(crate) fn new(theirs: &[u8; 32], ours: &[u8; 32]) -> Self {
        Self(SalsaBox::new(&PublicKey::from(*theirs), &Secret::from(*ours)))
    }

    pub(crate) fn seal(&self, nonce: [u8; 24], text: &[u8]) -> Vec<u8> {
        self.0.encrypt(&nonce.into(), text).unwrap()
    }

    pub(crate) fn open(&self, nonce: [u8; 24], sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(&nonce.into(), sealed).ok()
    }
}

/// A frame.
pub(crate) fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if body.len() <= 255 {
        out.extend_from_slice(&[flags, body.len() as u8]);
    } else {
        out.push(flags | 2);
        out.extend_from_slice(&(body.len() as u64).to_be_bytes());
    }
    out.extend_from_slice(body);
    out
}

/// What is in the frame at the front, and what is behind it.
pub(crate) fn unframe(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let flags = *bytes.first()?;
    let (len, rest) = if flags & 2 == 0 {
        (usize::from(*bytes.get(1)?), bytes.get(2..)?)
    } else {
        (u64::from_be_bytes(bytes.get(1..9)?.try_into().unwrap()) as usize, bytes.get(9..)?)
    };
    Some((flags, rest.get(..len)?, rest.get(len..)?))
}

/// Properties of a DEALER.
pub(crate) const DEALER: &[u8] = b"\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x02me";

/// How a client is to misbehave, and with what.
#[derive(Clone)]
pub(crate) struct Manner {
    pub(crate) server: [u8; 32],
    pub(crate) secret: [u8; 32],
    pub(crate) short: [u8; 32],
    pub(crate) version: [u8; 2],
    pub(crate) padding: u8,
    pub(crate) nothing: u8,
    pub(crate) hello_flags: u8,
    pub(crate) hello_end: Vec<u8>,
    /// What it says its short-term key is.
    pub(crate) shown_short: Option<[u8; 32]>,
    pub(crate) initiate_number: u64,
    /// Whose key it vouches to, and for which short-term key.
    pub(crate) vouched_server: Option<[u8; 32]>,
    pub(crate) vouched_short: Option<[u8; 32]>,
    pub(crate) cookie: Option<Vec<u8>>,
    pub(crate) shown: Option<[u8; 32]>,
    pub(crate) properties: Vec<u8>,
}

impl Manner {
    /// One that does all as it should.
    pub(crate) fn good(server: [u8; 32], name: &str) -> Self {
        Self {
            server,
            secret: secret(name),
            short: secret(&format!("{name}, for a while")),
            version: [1, 0],
            padding: 0,
            nothing: 0,
            hello_flags: 4,
            hello_end: Vec::new(),
            shown_short: None,
            initiate_number: 2,
            vouched_server: None,
            vouched_short: None,
            cookie: None,
            shown: None,
            properties: DEALER.to_vec(),
        }
    }

    pub(crate) fn greeting() -> [u8; 64] {
        let mut greeting = [0; 64];
        (greeting[0], greeting[9], greeting[10], greeting[11]) = (0xff, 0x7f, 3, 1);
        greeting[12..17].copy_from_slice(b"CURVE");
        greeting
    }

    pub(crate) fn hello(&self) -> Vec<u8> {
        let counter = 1_u64.to_be_bytes();
        let boxes = Boxes::new(&self.server, &self.short);
        let sealed = boxes.seal(nonce(&[b"CurveZMQHELLO---", &counter]), &[self.nothing; 64]);
        let shown = self.shown_short.unwrap_or_else(|| public(&self.short));
        let parts: [&[u8]; 7] =
            [b"\x05HELLO", &self.version, &[self.padding; 72], &shown, &counter, &sealed, &self.hello_end];
        frame(self.hello_flags, &parts.concat())
    }

    /// The answer to a WELCOME, and what messages go by.
    pub(crate) fn initiate(&self, welcome: &[u8]) -> (Vec<u8>, Talk) {
        let (flags, body, rest) = unframe(welcome).unwrap();
        assert!((flags, body.len(), rest.len()) == (4, 168, 0) && body.starts_with(b"\x07WELCOME"));
        let boxes = Boxes::new(&self.server, &self.short);
        let text = boxes.open(nonce(&[b"WELCOME-", &body[8..24]]), &body[24..]).expect("a WELCOME from that server");
        let theirs: [u8; 32] = text[..32].try_into().unwrap();
        let cookie = self.cookie.clone().unwrap_or_else(|| text[32..].to_vec());
        let vouched =
            [self.vouched_short.unwrap_or_else(|| public(&self.short)), self.vouched_server.unwrap_or(self.server)];
        let chanced = [9; 16];
        let vouch = Boxes::new(&theirs, &self.secret).seal(nonce(&[b"VOUCH---", &chanced]), &vouched.concat());
        let shown = self.shown.unwrap_or_else(|| public(&self.secret));
        let plain = [&shown[..], &chanced, &vouch, &self.properties].concat();
        let counter = self.initiate_number.to_be_bytes();
        let key = Boxes::new(&theirs, &self.short);
        let sealed = key.seal(nonce(&[b"CurveZMQINITIATE", &counter]), &plain);
        let initiate = frame(4, &[&b"\x08INITIATE"[..], &cookie, &counter, &sealed].concat());
        (initiate, Talk { key, said: self.initiate_number, heard: 0 })
    }
}

/// Messages of a client, once it is let in.
pub(crate) struct Talk {
    pub(crate) key: Boxes,
    pub(crate) said: u64,
    pub(crate) heard: u64,
}

impl Talk {
    /// What a READY says.
    pub(crate) fn ready(&mut self, ready: &[u8]) -> Vec<u8> {
        let (flags, body, rest) = unframe(ready).unwrap();
        assert!(flags == 4 && rest.is_empty() && body.starts_with(b"\x05READY"));
        self.heard = u64::from_be_bytes(body[6..14].try_into().unwrap());
        self.key.open(nonce(&[b"CurveZMQREADY---", &body[6..14]]), &body[14..]).expect("a READY for this client")
    }

    /// A sealed frame under this number.
    pub(crate) fn seal_as(&self, n: u64, outer: u8, inner: &[u8]) -> Vec<u8> {
        let counter = n.to_be_bytes();
        let sealed = self.key.seal(nonce(&[b"CurveZMQMESSAGEC", &counter]), inner);
        frame(outer, &[&b"\x07MESSAGE"[..], &counter, &sealed].concat())
    }

    /// The next sealed frame, with these flags in the box.
    pub(crate) fn seal(&mut self, flags: u8, body: &[u8]) -> Vec<u8> {
        self.said += 1;
        self.seal_as(self.said, 0, &[&[flags], body].concat())
    }

    /// A message of these frames.
    pub(crate) fn message(&mut self, frames: &[&[u8]]) -> Vec<u8> {
        let last = frames.len() - 1;
        frames.iter().enumerate().flat_map(|(n, body)| self.seal(u8::from(n < last), body)).collect()
    }

    /// What is in the sealed frames, flags first; all of them must be whole.
    pub(crate) fn open(&mut self, mut sealed: &[u8]) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while !sealed.is_empty() {
            let (flags, body, rest) = unframe(sealed).expect("a whole frame");
            assert!(flags & !2 == 0 && body.starts_with(b"\x07MESSAGE"), "{flags} {body:?}");
            let n = u64::from_be_bytes(body[8..16].try_into().unwrap());
            assert_eq!(n, self.heard + 1, "the next number");
            self.heard = n;
            frames.push(self.key.open(nonce(&[b"CurveZMQMESSAGES", &body[8..16]]), &body[16..]).expect("for us"));
            sealed = rest;
        }
        frames
    }
}

/// A component of a hub that asks who it is, on a sealed link.
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) key: PeerKey,
    pub(crate) talk: Talk,
}

/// The secret key of hubs in tests.
pub(crate) const NODE: &str = "a node of tests";

/// Gives a hub keys, with chance that comes out the same each time.
pub(crate) fn give_keys(hub: &mut Hub) {
    give(hub, secrets());
}

/// What begins the chance of hubs in tests.
pub(crate) const SEED: u64 = 99;

/// The secret keys of hubs in tests.
pub(crate) fn secrets() -> Secrets {
    let server = Some(SecretKey { secret: secret(NODE), public: Some(public(&secret(NODE))) });
    Secrets { server, client: None }
}

/// Gives a hub these keys.
pub(crate) fn give(hub: &mut Hub, secrets: Secrets) {
    let mut chance = chance(SEED);
    let entropy = Box::new(move |place: &mut [u8]| {
        chance(place);
        true
    });
    hub.set_keys(secrets, entropy).unwrap();
}

/// The key of this name as a user's rule has it.
pub(crate) fn letters(name: &str) -> String {
    Key(public(&secret(name))).to_string()
}

/// A configuration that asks everybody; these components may come.
pub(crate) fn guarded(mut config: Config, components: &[&str]) -> Config {
    config.auth = Access::All;
    config.users = components
        .iter()
        .map(|name| UserRule {
            name: (*name).to_owned(),
            role: Role::Component,
            key: vec![letters(name)],
            ..UserRule::default()
        })
        .collect();
    config
}

/// All that waits for a peer leaves; it.
pub(crate) fn take(hub: &mut Hub, now: Tick, key: PeerKey) -> Vec<u8> {
    let mut taken = Vec::new();
    super::driver::drive(&mut Taking { hub, now, key, taken: &mut taken });
    taken
}

struct Taking<'a> {
    hub: &'a mut Hub,
    now: Tick,
    key: PeerKey,
    taken: &'a mut Vec<u8>,
}

impl super::driver::Outside for Taking<'_> {
    fn hub(&mut self) -> (&mut Hub, Tick) {
        (self.hub, self.now)
    }

    fn flush(&mut self, key: PeerKey) {
        let [first, second] = self.hub.unsent(key);
        let waiting = first.len() + second.len();
        if key == self.key {
            self.taken.extend_from_slice(first);
            self.taken.extend_from_slice(second);
            self.hub.sent(self.now, key, waiting);
        } else {
            self.hub.sent(self.now, key, 0);
        }
    }
}

impl Component {
    /// Comes, is let in, and has signed in.
    pub(crate) fn come(hub: &mut Hub, now: Tick, name: &str, remote: &str) -> Self {
        let key = hub.open(now, remote.parse().unwrap()).unwrap();
        let manner = Manner::good(public(&secret(NODE)), name);
        let mut ask = |bytes: &[u8]| {
            hub.handle_bytes(now, key, bytes);
            hub.check_invariants().unwrap();
            let said = take(hub, now, key);
            hub.check_invariants().unwrap();
            said
        };
        assert_eq!(ask(&Manner::greeting()).len(), 64);
        let welcome = ask(&manner.hello());
        let (initiate, mut talk) = manner.initiate(&welcome);
        talk.ready(&ask(&initiate));
        let sign_in = super::wire::request(1, "sign_in");
        let header = [[1; 16].as_slice(), &[0, 0, 0, 1]].concat();
        let answer = ask(&talk.message(&[b"\0", b"COORDINATOR", name.as_bytes(), &header, sign_in.as_bytes()]));
        let frames = talk.open(&answer);
        assert!(frames.len() == 5 && frames[4].ends_with(b"\"result\":null}"), "{frames:?}");
        Self { name: name.to_owned(), key, talk }
    }
}
