//! A server in a thread, raw peers that misbehave, and good clients that must not notice.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use instep::client::{Client, Options};
use instep::config::Config;
use instep::net::{Server, Stopper};
use serde_json::Value;

use super::manager::{House, wait_until};
use super::wire::{self, Heard};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client that has just come in is told of the server's counters.
fn counters(address: SocketAddr, name: &str) -> Value {
    let mut good = Client::connect(&address.to_string(), name, Options::new()).expect("the server lets it in");
    good.ask("COORDINATOR", "send_counters", &Value::Null, PATIENCE).expect("the server answers")
}

/// A running server; ends with the test.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Live {
    /// Node N1 on a free port of loopback.
    pub(crate) fn start(config: Config) -> Self {
        let config = Config {
            namespace: "N1".into(),
            host: "n1".into(),
            bind: vec!["127.0.0.1:0".into()],
            return_ms: 0,
            hint_s: 0,
            ..config
        };
        let mut server = Server::bind(config).expect("a free port");
        let address = server.local_addresses().next().unwrap();
        let stopper = server.stopper();
        let thread = std::thread::spawn(move || server.run());
        Self { address, stopper, thread: Some(thread) }
    }

    pub(crate) fn plain() -> Self {
        Self::start(Config::default())
    }

    /// A new client comes in, signs in and is answered, all quickly; gives the server's counters.
    pub(crate) fn served(&self) -> Value {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let begun = Instant::now();
        let name = format!("good{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let counters = counters(self.address, &name);
        assert!(begun.elapsed() < Duration::from_secs(5), "a good client waited for {:?}", begun.elapsed());
        counters
    }

    /// A counter of the server.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let counters = self.served();
        counters[name].as_u64().unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// Waits until a counter has reached `at_least`.
    pub(crate) fn wait_for(&self, name: &str, at_least: u64) {
        let begun = Instant::now();
        loop {
            let now = self.count(name);
            if now >= at_least {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{name} is {now}, not {at_least}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stopper.stop();
        let outcome = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            outcome.expect("the server never panics").expect("the loop never fails");
        }
    }
}

/// A connection that sends what it likes.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    /// Bytes that came and have not been looked at.
    pub(crate) read: Vec<u8>,
    greeted: bool,
}

impl Raw {
    pub(crate) fn connect(live: &Live) -> Self {
        Self::connect_to(live.address)
    }

    fn connect_to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, read: Vec::new(), greeted: false }
    }

    /// A peer whose handshake is done.
    pub(crate) fn dealer(live: &Live) -> Self {
        let mut raw = Self::connect(live);
        raw.send(&wire::opening(1));
        raw
    }

    /// A signed-in component.
    pub(crate) fn component(live: &Live, name: &str) -> Self {
        Self::component_at(live.address, name)
    }

    /// A signed-in component of a server that runs elsewhere.
    pub(crate) fn component_at(address: SocketAddr, name: &str) -> Self {
        let mut raw = Self::connect_to(address);
        raw.send(&wire::opening(1));
        let answer = raw.call(name, "sign_in");
        assert_eq!(answer, Value::Null);
        raw
    }

    /// Sends, come what may: the server may have closed already.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Calls a method of the Coordinator and gives its result.
    pub(crate) fn call(&mut self, name: &str, method: &str) -> Value {
        let payload = wire::request(9, method);
        assert!(self.send(&wire::leco(b"COORDINATOR", name.as_bytes(), 1, &[payload.as_bytes()])));
        let answer = wire::json(&self.message().expect("an answer"));
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Reads more; `false` at the end of the stream, or when nothing comes.
    pub(crate) fn read_some(&mut self) -> bool {
        let mut buffer = [0; 65536];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(n) => {
                self.read.extend_from_slice(&buffer[..n]);
                true
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(_) => false,
        }
    }

    /// The next command or message.
    pub(crate) fn next(&mut self) -> Option<Heard> {
        loop {
            if !self.greeted && self.read.len() >= 64 {
                self.read.drain(..64);
                self.greeted = true;
            }
            if self.greeted
                && let Some(heard) = wire::take(&mut self.read)
            {
                return Some(heard);
            }
            if !self.read_some() {
                return None;
            }
        }
    }

    /// The next message.
    pub(crate) fn message(&mut self) -> Option<Vec<Vec<u8>>> {
        loop {
            match self.next()? {
                Heard::Message(frames) => return Some(frames),
                Heard::Command(_) => {}
            }
        }
    }

    /// The next command that is not READY.
    pub(crate) fn command(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.next()? {
                Heard::Command(body) if !body.starts_with(b"\x05READY") => return Some(body),
                Heard::Command(_) | Heard::Message(_) => {}
            }
        }
    }

    /// Waits for the server to end the connection, at most `patience`.
    pub(crate) fn ends_within(&mut self, patience: Duration) -> bool {
        let begun = Instant::now();
        loop {
            let left = patience.saturating_sub(begun.elapsed()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut buffer = [0; 65536];
            match self.stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(n) => self.read.extend_from_slice(&buffer[..n]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if begun.elapsed() >= patience {
                        return false;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return true,
            }
        }
    }

    pub(crate) fn ends(&mut self) -> bool {
        self.ends_within(PATIENCE)
    }
}

impl House {
    /// Waits until so many recordings have ended and all of them is in their files.
    pub(crate) fn wait_for_recordings(&self, count: u64) {
        let whole = || counters(self.leco, "asker")["recordings_whole"].as_u64().unwrap();
        wait_until(&format!("{count} recordings are whole"), || whole() >= count);
    }
}
