//! What is kept in a state directory: whole commits, in order, through every kind of end.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use instep::config::Config;
use instep::hub::ledger::{Entry, Ledger as _, Ticket, Write};
use instep::limits::COMMIT_BYTES_MAX;
use instep::net::ledger_thread::LedgerThread;
use instep::net::{Outcome, Outcomes, Server};

/// A directory of the test's own, gone at its end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("instep-ledger-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).unwrap_or_default();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("sessions.redb")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

/// A ledger's thread with its outcomes, to be waited for.
struct Fixture {
    ledger: LedgerThread,
    outcomes: Outcomes,
    woken: Receiver<()>,
}

impl Fixture {
    fn open(path: &Path) -> Self {
        let (wake, woken) = channel();
        let (ledger, outcomes) = LedgerThread::open(path, move || wake.send(()).unwrap_or_default()).unwrap();
        Self { ledger, outcomes, woken }
    }

    /// Waits until `count` outcomes are there.
    fn wait(&self, count: usize) -> Vec<Outcome> {
        let mut found = Vec::new();
        while found.len() < count {
            self.woken.recv_timeout(Duration::from_secs(60)).expect("an outcome comes");
            found.extend(self.outcomes.take());
        }
        found
    }

    fn commit(&mut self, ticket: u64, writes: Vec<Write>) -> Result<(), String> {
        self.ledger.commit(Ticket(ticket), writes);
        let [(answered, outcome)] = self.wait(1).try_into().unwrap();
        assert_eq!(answered, Ticket(ticket));
        outcome
    }
}

fn put(key: &str, value: impl Into<Vec<u8>>) -> Write {
    Write { key: key.into(), value: Some(value.into().into()) }
}

fn gone(key: &str) -> Write {
    Write { key: key.into(), value: None }
}

fn kept(path: &Path) -> Vec<Entry> {
    Fixture::open(path).ledger.load().unwrap()
}

fn refusal(path: &Path) -> String {
    LedgerThread::open(path, || {}).expect_err("it is refused").to_string()
}

fn entry(key: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (key.into(), value.into())
}

#[test]
fn what_was_committed_is_there_again_in_key_order() {
    let place = Place::new("again");
    let mut fixture = Fixture::open(&place.0.join("made/on/the/way"));
    assert_eq!(fixture.ledger.load(), Ok(vec![]));
    fixture.commit(1, vec![put("b", "1"), put("a", "2"), put("empty", ""), put("", "no key")]).unwrap();
    fixture.commit(2, vec![gone("b"), put("c", "3"), gone("never there")]).unwrap();
    drop(fixture);
    let wanted = vec![entry("", "no key"), entry("a", "2"), entry("c", "3"), entry("empty", "")];
    for _ in 0..3 {
        assert_eq!(kept(&place.0.join("made/on/the/way")), wanted);
    }
}

#[test]
fn outcomes_come_in_the_order_of_the_commits_and_a_drop_writes_what_waits() {
    let place = Place::new("order");
    let mut fixture = Fixture::open(&place.0);
    for n in 0..300_u64 {
        fixture.ledger.commit(Ticket(n), vec![put("last", n.to_string()), put(&format!("{n:04}"), "x")]);
    }
    let tickets: Vec<u64> =
        fixture.wait(300).into_iter().map(|(ticket, outcome)| outcome.map(|()| ticket.0).unwrap()).collect();
    assert_eq!(tickets, (0..300).collect::<Vec<_>>());
    for n in 300..400_u64 {
        fixture.ledger.commit(Ticket(n), vec![put("last", n.to_string())]);
    }
    drop(fixture);
    let kept = kept(&place.0);
    assert_eq!((kept.len(), kept.last().unwrap()), (301, &entry("last", "399")));
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let place = Place::new("second");
    let first = Fixture::open(&place.0);
    assert!(refusal(&place.0).ends_with("another process has it open"));
    drop(first);
    assert_eq!(kept(&place.0), []);
}

#[test]
fn outdated_values_do_not_make_the_file_grow() {
    let place = Place::new("anew");
    let mut fixture = Fixture::open(&place.0);
    fixture.commit(0, vec![put("first", "kept"), put("large", vec![7; 3 << 20])]).unwrap();
    for n in 1..=60_u8 {
        fixture.commit(n.into(), vec![put("again", vec![n; 1 << 20])]).unwrap();
    }
    drop(fixture);
    assert!(fs::metadata(place.file()).unwrap().len() < 40 << 20, "60 MiB were committed, 4 MiB hold");
    let kept = kept(&place.0);
    assert_eq!(kept[0], (b"again".to_vec(), vec![60; 1 << 20]));
    assert_eq!((&kept[1], kept[2].1.len()), (&entry("first", "kept"), 3 << 20));
}

#[test]
fn a_commit_beyond_the_bounds_fails_and_changes_nothing() {
    let place = Place::new("bounds");
    let mut fixture = Fixture::open(&place.0);
    let said = fixture.commit(1, vec![put("a", "1"), put("b", vec![0; COMMIT_BYTES_MAX])]).unwrap_err();
    assert!(said.contains("bytes in one commit"), "{said}");
    fixture.commit(2, vec![put("c", "1")]).unwrap();
    drop(fixture);
    assert_eq!(kept(&place.0), [entry("c", "1")]);
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_of_the_server() {
    let place = Place::new("no-directory");
    fs::create_dir_all(&place.0).unwrap();
    fs::write(place.0.join("file"), b"").unwrap();
    let bind = |state_dir: &str| {
        let state_dir = place.0.join(state_dir).to_string_lossy().into_owned();
        let off = || vec!["off".to_owned()];
        Server::bind(Config {
            namespace: "N1".into(),
            bind: vec!["127.0.0.1:0".into()],
            control_bind: off(),
            viewer_bind: off(),
            http_bind: off(),
            state_dir,
            ..Config::default()
        })
    };
    let said = bind("file/below").unwrap_err().to_string();
    assert!(said.starts_with("state_dir: ") && said.contains("file/below"), "{said}");
    // Nobody, not even root, writes below this one; elsewhere it is missing.
    if Path::new("/proc/self").exists() {
        let said = bind("/proc/self/state").unwrap_err().to_string();
        assert!(said.starts_with("state_dir: /proc/self/state: "), "{said}");
    }
    // For others than root a directory without the right to write.
    let locked = place.0.join("locked");
    fs::create_dir(&locked).unwrap();
    let mut rights = fs::metadata(&locked).unwrap().permissions();
    rights.set_readonly(true);
    fs::set_permissions(&locked, rights).unwrap();
    if fs::write(locked.join("probe"), b"").is_err() {
        let said = bind("locked").unwrap_err().to_string();
        assert!(said.starts_with("state_dir: ") && said.contains("locked"), "{said}");
    }
    let server = bind("good").unwrap();
    let said = bind("good").unwrap_err().to_string();
    assert!(said.contains("another process"), "{said}");
    drop(server);
    assert!(bind("good").is_ok());
}

/// Names the directory in which the process is to commit until it is killed.
const CHILD: &str = "INSTEP_VAULT_CHILD";
/// Keys that each commit of the child writes with its own number.
const KEYS: u64 = 5;

/// Not a test of its own: the process that [`nothing_confirmed_is_lost_when_the_process_is_killed`] kills.
#[test]
fn child_commits_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let mut fixture = Fixture::open(Path::new(&path));
    let before: u64 = fixture
        .ledger
        .load()
        .unwrap()
        .iter()
        .find(|(key, _)| key == b"number")
        .map_or(0, |(_, value)| String::from_utf8_lossy(value).parse().unwrap());
    let (mut asked, mut told) = (before, before);
    loop {
        // A few at a time, so that some are written together.
        while asked < told + 8 {
            asked += 1;
            let large = vec![b'x'; usize::try_from(asked * 7919 % 60_000).unwrap()];
            let mut changes = vec![put("number", asked.to_string()), put("large", large)];
            changes.extend((0..KEYS).map(|key| put(&format!("key{key}"), asked.to_string())));
            changes.push(put(&format!("since{}", asked % 100), asked.to_string()));
            changes.push(gone(&format!("since{}", (asked + 50) % 100)));
            fixture.ledger.commit(Ticket(asked), changes);
        }
        for (ticket, outcome) in fixture.wait(1) {
            outcome.unwrap();
            assert_eq!(ticket.0, told + 1);
            told = ticket.0;
            let mut out = std::io::stdout().lock();
            writeln!(out, "\nkept {told}").unwrap();
            out.flush().unwrap();
        }
    }
}

/// `INSTEP_VAULT_ROUNDS` sets how often; without it 50 times.
#[test]
fn nothing_confirmed_is_lost_when_the_process_is_killed() {
    let rounds = std::env::var("INSTEP_VAULT_ROUNDS").map_or(50, |word| word.parse().unwrap());
    let place = Place::new("killed");
    let mut random = u64::from(std::process::id()) | 1;
    let mut confirmed = 0;
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ledger::child_commits_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(CHILD, &place.0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Killed between two of its writes or within one, after a number of confirmations that differs from round to round.
        let wanted = random % 40;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let number = |line: String| line.strip_prefix("kept ").map(|number| number.parse::<u64>().unwrap());
        let mut seen = 0;
        while seen < wanted {
            confirmed = match number(lines.next().expect("the child goes on").unwrap()) {
                Some(number) => number,
                None => continue,
            };
            seen += 1;
        }
        std::thread::sleep(Duration::from_micros(random >> 32 & 0xfff));
        child.kill().unwrap();
        // What it could still say before it died counts too.
        confirmed = lines.map_while(Result::ok).filter_map(number).last().unwrap_or(confirmed);
        child.wait().unwrap();

        let kept = kept(&place.0);
        let text = |name: &str| {
            let found = kept.iter().find(|(key, _)| key == name.as_bytes());
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        let last: u64 = text("number").map_or(0, |word| word.parse().unwrap());
        assert!(last >= confirmed, "round {round}: {confirmed} was confirmed, {last} is there");
        for key in 0..KEYS {
            let found = text(&format!("key{key}"));
            assert_eq!(found, (last > 0).then(|| last.to_string()), "round {round}: commit {last} is half there");
        }
        let large = text("large").map(|text| u64::try_from(text.len()).unwrap());
        assert_eq!(large, (last > 0).then_some(last * 7919 % 60_000), "round {round}");
        let since: Vec<u64> = (1..=last).rev().take(50).collect();
        let held = kept.iter().filter(|(key, _)| key.starts_with(b"since")).count();
        assert_eq!(held, since.len(), "round {round}: what went is gone");
        for number in since {
            assert_eq!(text(&format!("since{}", number % 100)), Some(number.to_string()), "round {round}");
        }
    }
    assert!(confirmed > 0);
}
