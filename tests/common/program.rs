//! The built program as a person or a script meets it, and a server in a thread for it to meet.

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use instep::config::Config;
use instep::hub::Door;
use instep::net::{Server, Stopper};
use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_instep");

/// The program with nothing of our environment: whoever runs the tests may have settings in it.
pub(crate) fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear();
    command
}

/// A server in a thread with all its doors at free ports of loopback, stopped when it goes out of scope.
pub(crate) struct Node {
    pub(crate) namespace: String,
    pub(crate) address: SocketAddr,
    pub(crate) control: String,
    pub(crate) viewer: String,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    /// A node that links with others.
    pub(crate) fn new(namespace: &str, joins: &[&Self]) -> Self {
        let coordinators = joins.iter().map(|node| node.address.to_string()).collect();
        Self::start(namespace, Config { coordinators, ..Config::default() })
    }

    pub(crate) fn start(namespace: &str, config: Config) -> Self {
        Self::start_at(namespace, Config { viewer_bind: vec!["127.0.0.1:0".to_owned()], ..config })
    }

    /// A node with the viewer port that the configuration says.
    pub(crate) fn start_at(namespace: &str, config: Config) -> Self {
        let here = || vec!["127.0.0.1:0".to_owned()];
        let config = Config {
            namespace: namespace.to_owned(),
            host: "127.0.0.1".to_owned(),
            port: 0,
            bind: here(),
            control_bind: here(),
            http_bind: here(),
            ..config
        };
        let mut server = Server::bind(config).unwrap();
        let address = |door| server.addresses(door).next().unwrap().to_string();
        let (control, viewer) = (address(Door::Control), address(Door::Viewer));
        let address = server.local_addresses().next().unwrap();
        let stopper = server.stopper();
        let thread = thread::spawn(move || server.run().unwrap());
        Self { namespace: namespace.to_owned(), address, control, viewer, stopper, thread: Some(thread) }
    }

    /// Runs `instep ctl` against it.
    pub(crate) fn ctl(&self, words: &[&str]) -> Said {
        run(&[&["ctl", "-a", &self.address.to_string(), "--control", &self.control], words].concat())
    }

    /// Asks until the answer holds `wanted`: nodes tell one another their directories a moment later.
    pub(crate) fn ctl_until(&self, words: &[&str], wanted: &str) -> Said {
        let mut last = None;
        until(&format!("{words:?} says {wanted}"), || {
            last = Some(self.ctl(words)).filter(|said| said.out.contains(wanted));
            last.is_some()
        });
        last.unwrap()
    }

    /// The thread it runs in, for one who waits for the server to end by itself.
    pub(crate) fn hand_over(&mut self) -> JoinHandle<()> {
        self.thread.replace(thread::spawn(|| ())).unwrap()
    }

    pub(crate) fn json(&self, words: &[&str]) -> Value {
        self.ctl(&[words, &["--json"]].concat()).json()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stopper.stop();
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

/// What a run of the program left behind.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The error line, which must be the only one.
    pub(crate) fn error(&self, code: i32) -> &str {
        assert_eq!((self.code, self.err.lines().count()), (code, 1), "{self:?}");
        self.err.strip_prefix("instep: ").unwrap().trim_end()
    }

    pub(crate) fn good(&self) -> &str {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{self:?}");
        &self.out
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no signal"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the program to its end.
pub(crate) fn run(words: &[&str]) -> Said {
    program().args(words).output().unwrap().into()
}

/// Asks until the answer is as wanted.
pub(crate) fn until(what: &str, mut ask: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !ask() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
