//! `instep serve` as a person meets it: flags, file, environment, log, signals. Whatever is wrong is one line that names the culprit,
//! with exit code 2 for what was written wrong and 1 for what went wrong.

#![expect(clippy::disallowed_methods, reason = "a test of the real program waits in real time")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use instep::client::{Client, Options, encode};
use instep::leco::message::new_header;

const PATIENCE: Duration = Duration::from_secs(10);

/// The program with nothing of our environment.
fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_instep"));
    command.env_clear().args(words).stdin(Stdio::null());
    command
}

/// Runs to the end: exit code, standard output, standard error.
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

/// The one line with which the program ends, which must have this exit code.
fn complaint(command: &mut Command, code: i32) -> String {
    let said = run(command);
    assert_eq!((said.0, said.1.as_str(), said.2.lines().count()), (code, "", 1), "{command:?}: {said:?}");
    said.2.trim_end().strip_prefix("instep: ").unwrap().to_owned()
}

/// A new file with this content.
fn file(name: &str, content: &[u8]) -> String {
    let path = folder(name).join("instep.toml");
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A new empty folder.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("serve-{}-{name}", std::process::id()));
    drop(fs::remove_dir_all(&path));
    fs::create_dir_all(&path).unwrap();
    path
}

/// A running server and the lines that it logs to standard error.
pub(super) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub(super) fn start(words: &[&str]) -> Self {
        Self::start_in(words, &[])
    }

    /// With this environment and nothing of ours.
    pub(super) fn start_in(words: &[&str], environment: &[(&str, &Path)]) -> Self {
        Self::start_with(&[words, &["--bind", "127.0.0.1:0", "--namespace", "N1"]].concat(), environment)
    }

    /// By these words alone.
    fn start_with(words: &[&str], environment: &[(&str, &Path)]) -> Self {
        let mut program = program(words);
        let mut child = program.envs(environment.iter().copied()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = child.stderr.take().unwrap();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        Self { child, lines }
    }

    /// The next line that holds `wanted`.
    pub(super) fn line(&self, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("no line with '{wanted}'"));
            if line.contains(wanted) {
                return line;
            }
        }
    }

    /// All lines up to the next one that holds `wanted`.
    pub(super) fn lines_to(&self, wanted: &str) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut lines: Vec<String> = Vec::new();
        while !lines.last().is_some_and(|line| line.contains(wanted)) {
            let line = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            lines.push(line.unwrap_or_else(|_| panic!("no line with '{wanted}': {lines:?}")));
        }
        lines
    }

    pub(super) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end; says the exit code.
    pub(super) fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn help_and_version_need_nothing() {
    let (code, out, err) = run(&mut program(&["--help"]));
    assert_eq!((code, err.as_str()), (0, ""));
    for wanted in ["ctl COMMAND", "-p, --port X", "12300", "--print-config", "INSTEP_PORT"] {
        assert!(out.contains(wanted), "{wanted}: {out}");
    }
    assert!(out.lines().all(|line| line.len() <= 120), "{out}");
    let version = format!("instep {}\n", env!("CARGO_PKG_VERSION"));
    for words in [&["--version"][..], &["-V"], &["serve", "--version"]] {
        assert_eq!(run(&mut program(words)), (0, version.clone(), String::new()));
    }
}

#[test]
fn a_wrong_flag_is_named() {
    for (words, wanted) in [
        (&["--prot", "1"][..], "--prot: there is no such flag, did you mean --port? (try: instep serve --help)"),
        (&["-z"], "-z: there is no such flag (try: instep serve --help)"),
        (&["serve", "foo"], "'foo' is not a flag (try: instep serve --help)"),
        (&["foo"], "there is no command 'foo' (try: instep --help)"),
        (&["--port"], "--port: a value is wanted behind it (try: instep serve --help)"),
        (&["--port", "x"], "--port: 'x' is not a whole number"),
        (&["-p", "70000"], "--port: 70000 is too large"),
        (&["--remote-admin=maybe"], "--remote-admin: 'maybe' is neither true nor false"),
        (&["--log-level", "loud"], "--log-level: 'loud' is not a log level: off, error, warn, info, debug or trace"),
        (&["--namespace", "a.b"], "namespace: printable ASCII without '.', 1 to 255 bytes, is wanted"),
        (&["--expiration-s", "0"], "expiration_s: 0 is not between 1 and 86400"),
        (&["--bind", "here"], "bind: 'here' is not an address like 127.0.0.1:12300"),
        (&["--check", "--bind", "here"], "bind: 'here' is not an address like 127.0.0.1:12300"),
        (&["-c", "good,not so good"], "coordinators: 'not so good' is not an address like host:12300"),
    ] {
        assert_eq!(complaint(&mut program(words), 2), wanted, "{words:?}");
    }
}

#[test]
fn a_wrong_file_and_its_wrong_key_are_named() {
    for (name, content, wanted) in [
        ("key", &b"prot = 1"[..], "prot: there is no such setting, did you mean port?"),
        ("value", b"port = \"x\"", "port: 'x' is not a whole number"),
        ("section", b"[leco]\nport = 1", "leco: there is no such section"),
        ("toml", b"port = ", "unexpected eof encountered at line 1 column 8"),
        ("twice", b"port = 1\nport = 2", "duplicate key: `port` at line 2 column 1"),
    ] {
        let path = file(name, content);
        assert_eq!(complaint(&mut program(&["--config", &path]), 2), format!("{path}: {wanted}"));
    }
    let path = file("bytes", b"name = \"\xff\"");
    let said = complaint(&mut program(&["--config", &path]), 2);
    assert!(said.starts_with(&format!("--config {path}: ")) && said.contains("UTF-8"), "{said}");
    let missing = folder("missing").join("none.toml");
    let missing = missing.to_str().unwrap();
    let said = complaint(&mut program(&["--config", missing]), 2);
    assert_eq!(said, format!("--config {missing}: no such file or directory"));
    let said = complaint(program(&[]).env("INSTEP_CONFIG", missing), 2);
    assert_eq!(said, format!("INSTEP_CONFIG {missing}: no such file or directory"));
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let path = file("order", b"port = 1\nname = \"file\"\nnamespace = \"F\"\n");
    let mut command = program(&["--print-config", "--port", "3", "-c", "a:1", "-c", "b:2,c:3", "--remote-admin"]);
    command.env("INSTEP_CONFIG", &path).env("INSTEP_PORT", "2").env("INSTEP_NAME", "environment");
    let (code, out, err) = run(&mut command);
    assert_eq!((code, err.as_str()), (0, ""));
    for line in [
        "port = 3",
        "name = \"environment\"",
        "namespace = \"F\"",
        "coordinators = [\"a:1\", \"b:2\", \"c:3\"]",
        "remote_admin = true",
    ] {
        assert!(out.lines().any(|other| other == line), "{line}: {out}");
    }
    // What is printed is a file that says the same.
    let again = file("again", out.as_bytes());
    assert_eq!(run(&mut program(&["--print-config", "--config", &again])), (0, out, String::new()));
}

#[test]
fn a_check_looks_at_the_files_that_the_settings_name() {
    let here = file("directory", b"");
    for (flag, path, said) in [
        ("--log-dir", "/nowhere/logs", "log_dir /nowhere/logs: no such directory".to_owned()),
        ("--record", here.as_str(), format!("record {here}: no such directory")),
        ("--state-dir", here.as_str(), format!("state_dir {here}: not a directory")),
        ("--c2sim-schema", "/nowhere.xsd", "c2sim_schema /nowhere.xsd: No such file or directory".to_owned()),
    ] {
        assert_eq!(complaint(&mut program(&["--check", flag, path]), 2), said);
    }
    let good = std::env::temp_dir();
    let good = good.to_str().unwrap();
    assert_eq!(run(&mut program(&["--check", "--log-dir", good, "--state-dir", "/nowhere/yet"])).0, 0);
}

#[test]
fn the_environment_is_judged_like_the_flags() {
    let said = complaint(program(&["--check"]).env("INSTEP_PORT", "x"), 2);
    assert_eq!(said, "INSTEP_PORT: 'x' is not a whole number");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let bytes = std::ffi::OsStr::from_bytes(b"\xff");
        assert_eq!(
            complaint(program(&["--check"]).env("INSTEP_NAME", bytes), 2),
            "INSTEP_NAME: the value is not UTF-8"
        );
        assert_eq!(run(program(&["--check"]).env("ANYTHING", bytes)).0, 0, "what is not ours is not looked at");
    }
    // Other programs may have variables of that kind, so it is said but no error.
    // Ports that are near to one that the system gives may be somebody's.
    let ports = ["--bind", "127.0.0.1:0", "--control-bind", "off", "--viewer-bind", "off", "--http-bind", "off"];
    let words = [&["--check", "--data-port", "off", "--log-channel-port", "off"][..], &ports].concat();
    let (code, out, err) = run(program(&words).env("INSTEP_PROT", "1"));
    assert_eq!((code, err.as_str()), (0, ""));
    let stranger = "INSTEP_PROT: there is no such setting, did you mean INSTEP_PORT? (the variable is left alone)";
    assert_eq!(out, format!("{stranger}\nthe configuration is in order\n"));
}

#[test]
fn a_port_in_use_is_told_with_its_holder() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let said = complaint(&mut program(&["-q", "--bind", &address.to_string()]), 1);
    assert!(said.starts_with(&format!("cannot listen on port {}: it is in use", address.port())), "{said}");
    if cfg!(target_os = "linux") {
        assert!(said.ends_with(&format!("(pid {})", std::process::id())), "{said}");
    }
    let said = complaint(&mut program(&["--bind", "192.0.2.1:5"]), 1);
    assert!(said.starts_with("cannot listen on 192.0.2.1:5: ") && !said.contains("os error"), "{said}");
}

#[test]
fn a_log_file_that_cannot_be_opened_is_named() {
    let here = folder("log");
    let here = here.to_str().unwrap();
    assert_eq!(complaint(&mut program(&["--log-file", here]), 1), format!("log_file {here}: is a directory"));
    let nowhere = format!("{here}/none/instep.log");
    let said = complaint(&mut program(&["--log-file", &nowhere]), 1);
    assert_eq!(said, format!("log_file {nowhere}: no such file or directory"));
}

#[test]
fn the_first_lines_say_what_to_type_next() {
    let server = Running::start(&["--name", "lab"]);
    let line = server.line(" is N1.COORDINATOR on 127.0.0.1:");
    let port = line.rsplit_once(':').unwrap().1;
    assert!(line.contains(&format!("lab {}", env!("CARGO_PKG_VERSION"))), "{line}");
    // Bound to the loopback address, no line promises anything to other machines.
    let line = server.line("a pyleco program connects with");
    assert!(line.ends_with(&format!("port={port}; other machines cannot reach this address")), "{line}");

    let loopback = "127.0.0.1:0";
    let server = Running::start(&["--control-bind", loopback, "--viewer-bind", loopback]);
    let line = server.line("of the Manager, controllers connect to 127.0.0.1:");
    assert!(line.contains(", viewers connect to 127.0.0.1:"), "{line}");

    let server = Running::start(&["--bind", "0.0.0.0:0", "--host", "lab.example"]);
    let line = server.line("elsewhere with host=\"lab.example\", port=");
    let port = line.rsplit_once('=').unwrap().1.to_owned();
    let line = server.line("another Coordinator joins with");
    // The first listener's port is the one that is told.
    assert!(line.ends_with(&format!("instep -c lab.example:{port}")), "{line}");
}

#[test]
fn sighup_reopens_the_log_file() {
    let folder = folder("reopen");
    let path = folder.join("instep.log");
    let moved = folder.join("instep.log.1");
    let mut server = Running::start(&["--log-file", path.to_str().unwrap()]);
    let holds = |path: &PathBuf, text: &str| fs::read_to_string(path).is_ok_and(|all| all.contains(text));
    wait_for("the start is logged", || holds(&path, "a pyleco program"));
    fs::rename(&path, &moved).unwrap();
    server.signal("-HUP");
    wait_for("the new file is there", || holds(&path, "log file reopened"));
    assert!(!holds(&moved, "log file reopened"));

    // A place where no file can be made: the open file goes on.
    let elsewhere = folder.with_extension("moved");
    drop(fs::remove_dir_all(&elsewhere));
    fs::rename(&folder, &elsewhere).unwrap();
    server.signal("-HUP");
    let kept = elsewhere.join("instep.log");
    wait_for("the old file goes on", || holds(&kept, "no such file or directory, the old file stays"));
    server.signal("-TERM");
    assert_eq!(server.end(), Some(0));
    assert!(holds(&kept, "instep has ended"));
}

#[test]
fn sighup_without_a_log_file_changes_nothing() {
    let mut server = Running::start(&[]);
    server.line("is N1.COORDINATOR");
    server.signal("-HUP");
    server.line("there is no file to reopen");
    server.signal("-INT");
    server.line("instep has ended");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn the_second_sigterm_ends_at_once() {
    let mut server = Running::start(&[]);
    let line = server.line("is N1.COORDINATOR on ");
    let _stuck = stuck_component(line.rsplit_once(' ').unwrap().1);
    server.signal("-TERM");
    server.line("stopping");
    assert_eq!(server.child.try_wait().unwrap(), None, "it waits for the component to take what is queued");
    server.signal("-TERM");
    server.line("stopped at once");
    assert_eq!(server.end(), Some(0));
}

/// A component that sends to itself and never reads, until nothing more can be written.
fn stuck_component(address: &str) -> TcpStream {
    let client = Client::connect(address, "CA", Options::new()).unwrap();
    let (mut stream, _) = client.into_parts().unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut large = Vec::new();
    encode(&mut large, b"CA", b"CA", &new_header(1, 1), &[&[b' '; 100_000]]);
    while stream.write_all(&large).is_ok() {}
    stream
}

#[test]
fn a_quiet_server_logs_less_and_a_verbose_one_more() {
    let mut server = Running::start(&["-q", "-q"]);
    thread::sleep(Duration::from_millis(100));
    server.signal("-TERM");
    assert_eq!(server.end(), Some(0));
    assert_eq!(server.lines.iter().count(), 0);
    let server = Running::start(&["-v"]);
    let line = server.line("is N1.COORDINATOR on ");
    drop(TcpStream::connect(line.rsplit_once(' ').unwrap().1).unwrap());
    server.line("[DEBUG] connection from");
}

#[test]
fn who_is_named_to_itself_is_told_so_once() {
    // A port that nobody has at the moment.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (own, other) = (format!("127.0.0.1:{port}"), format!("localhost:{port}"));
    let words = ["--namespace", "N1", "--bind", &own, "--port", &port.to_string(), "--host", "127.0.0.1", "-c", &other];
    let mut server = Running::start_with(&words, &[]);
    let line = server.line("--namespace");
    assert!(line.contains(&format!("{other} is this Coordinator itself")), "{line}");
    thread::sleep(Duration::from_millis(800));
    server.signal("-TERM");
    assert_eq!(server.end(), Some(0));
    assert!(server.lines.iter().all(|line| !line.contains("--namespace")));
}

/// The first words tell all of it; after them it goes on trying and says no more.
#[test]
fn two_nodes_of_one_namespace_are_both_told_what_to_do_and_once() {
    let mut first = Running::start(&[]);
    let line = first.line(" is N1.COORDINATOR on 127.0.0.1:");
    let address = line.rsplit(' ').next().unwrap();
    let mut second = Running::start(&["-c", address]);
    let told = "give one of the two another --namespace";
    assert!(first.line(told).contains("has our namespace N1, too"));
    let line = second.line(told);
    assert!(
        line.contains(&format!("{address} is this Coordinator itself, and need not be named to it, or another")),
        "{line}"
    );
    thread::sleep(Duration::from_millis(800));
    for server in [&mut first, &mut second] {
        server.signal("-TERM");
        assert_eq!(server.end(), Some(0));
        assert!(server.lines.iter().all(|line| !line.contains(told)));
    }
}
