//! Files of backups and of exported sessions: lines of JSON. The first says what it is, then comes what the ledger has, a line for each entry,
//! and what has happened; the last line says how many there are, with a sum over all that stands before it, so that no damage goes unseen.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::PathBuf;

use instep::limits::{BACKUP_BYTES_MAX, BACKUP_LINE_BYTES_MAX};
use instep::net::modes::with_mode;
use serde_json::{Value, json};

use super::client::unix_ms;
use super::failure::{Failure, in_words};

/// How such files are written today. What a program of this version could not read takes the next number.
const VERSION: u64 = 1;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// All sessions of a node.
    Backup,
    /// One session, with what has happened in it.
    Session,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Session => "session",
        }
    }
}

/// A sum that differs where a byte does (FNV-1a, 64 bits): against damage, not against forgery.
#[derive(Clone, Copy, Debug)]
struct Sum(u64);

impl Sum {
    const NONE: Self = Self(0xcbf2_9ce4_8422_2325);

    fn add(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    }
}

/// A file that is being written: beside its place, until it is whole.
#[derive(Debug)]
pub(super) struct Writer {
    out: BufWriter<File>,
    path: PathBuf,
    partial: PathBuf,
    sum: Sum,
    lines: u64,
    bytes: u64,
}

impl Writer {
    /// Begins a file that is not there yet, for nobody else to read.
    pub(super) fn create(path: &str, kind: Kind, namespace: &str) -> Result<Self, Failure> {
        let told = |error: &io::Error| Failure::other(format!("{path}: {}", in_words(error)));
        if fs::symlink_metadata(path).is_ok() {
            return Err(Failure::other(format!("{path} is there already: nothing is written over")));
        }
        let partial = PathBuf::from(format!("{path}.{}.partial", std::process::id()));
        let file = with_mode(0o600).write(true).create_new(true).open(&partial).map_err(|error| told(&error))?;
        let out = BufWriter::new(file);
        let mut writer = Self { out, path: path.into(), partial, sum: Sum::NONE, lines: 0, bytes: 0 };
        writer.put(&json!({
            "instep": kind.word(), "version": VERSION, "namespace": namespace,
            "program": env!("CARGO_PKG_VERSION"), "made_ms": unix_ms(),
        }))?;
        Ok(writer)
    }

    /// Writes a line.
    pub(super) fn put(&mut self, line: &Value) -> Result<(), Failure> {
        let line = format!("{line}\n");
        self.sum.add(line.as_bytes());
        self.lines += 1;
        self.bytes += line.len() as u64;
        if self.bytes > BACKUP_BYTES_MAX {
            let why = format!("{}: it would have more than {BACKUP_BYTES_MAX} bytes", self.path.display());
            return Err(Failure::other(why));
        }
        self.out.write_all(line.as_bytes()).map_err(|error| self.failed(&error))
    }

    /// Writes an entry of the ledger.
    pub(super) fn entry(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        self.put(&json!({"key": key, "value": value}))
    }

    /// Ends the file, which is in its place then; answers how many bytes it has.
    pub(super) fn end(mut self) -> Result<u64, Failure> {
        let end = format!("{}\n", json!({"end": self.lines, "sum": format!("{:016x}", self.sum.0)}));
        let written = self.out.write_all(end.as_bytes()).and_then(|()| self.out.flush());
        let written = written.and_then(|()| self.out.get_ref().sync_all());
        let bytes = written.and_then(|()| self.out.get_ref().metadata()).map(|found| found.len());
        // Nothing is written over, whatever has come there meanwhile.
        let placed = bytes.and_then(|bytes| fs::hard_link(&self.partial, &self.path).map(|()| bytes));
        let placed = placed.map_err(|error| self.failed(&error));
        self.give_up();
        placed
    }

    /// Leaves nothing behind.
    pub(super) fn give_up(&self) {
        drop(fs::remove_file(&self.partial));
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::other(format!("{}: {}", self.path.display(), in_words(error)))
    }
}

/// What stands in a file.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) kind: Kind,
    /// Keys and values, as the ledger has them.
    pub(super) entries: Vec<(String, String)>,
}

/// Reads a file, all of which must be there.
pub(super) fn read(path: &str) -> Result<Contents, Failure> {
    let file = File::open(path).map_err(|error| Failure::other(format!("{path}: {}", in_words(&error))))?;
    contents(BufReader::new(file)).map_err(|why| Failure::other(format!("{path}: {why}")))
}

fn contents(mut from: impl io::BufRead) -> Result<Contents, String> {
    const DAMAGED: &str = "it is damaged, or not whole: take another copy of it";
    let (mut sum, mut lines, mut bytes) = (Sum::NONE, 0, 0);
    let mut found: Option<Contents> = None;
    loop {
        let mut line = Vec::new();
        let read = from.by_ref().take(BACKUP_LINE_BYTES_MAX).read_until(b'\n', &mut line);
        let read = read.map_err(|error| in_words(&error))? as u64;
        bytes += read;
        if bytes > BACKUP_BYTES_MAX {
            return Err(format!("it has more than {BACKUP_BYTES_MAX} bytes"));
        }
        let json: Value = match line.strip_suffix(b"\n").map(serde_json::from_slice) {
            Some(Ok(json)) => json,
            _ if found.is_none() => return Err("it is no backup, and no exported session".to_owned()),
            _ => return Err(DAMAGED.to_owned()),
        };
        let Some(contents) = &mut found else {
            found = Some(Contents { kind: kind_of(&json)?, entries: Vec::new() });
            sum.add(&line);
            lines += 1;
            continue;
        };
        if let Some(count) = json.get("end") {
            let told = json.get("sum").and_then(Value::as_str).unwrap_or_default();
            let is_whole = count.as_u64() == Some(lines) && told == format!("{:016x}", sum.0);
            let is_last = from.fill_buf().is_ok_and(<[u8]>::is_empty);
            return found.filter(|_| is_whole && is_last).ok_or_else(|| DAMAGED.to_owned());
        }
        let text = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
        if let (Some(key), Some(value)) = (text("key"), text("value")) {
            contents.entries.push((key, value));
        }
        sum.add(&line);
        lines += 1;
    }
}

fn kind_of(head: &Value) -> Result<Kind, String> {
    let word = head.get("instep").and_then(Value::as_str).unwrap_or_default();
    let kind = [Kind::Backup, Kind::Session].into_iter().find(|kind| kind.word() == word);
    let kind = kind.ok_or_else(|| "it is no backup, and no exported session".to_owned())?;
    match head.get("version").and_then(Value::as_u64) {
        Some(VERSION) => Ok(kind),
        Some(newer) if newer > VERSION => Err(format!(
            "it has version {newer}, and this program knows versions up to {VERSION}: read it with a newer instep"
        )),
        _ => Err("its version is missing or wrong".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: Kind, entries: &[(&str, &str)]) -> Vec<u8> {
        let path = std::env::temp_dir().join(format!("instep-backup-{}-{}", std::process::id(), entries.len()));
        drop(fs::remove_file(&path));
        let mut writer = Writer::create(path.to_str().unwrap(), kind, "N1").unwrap();
        for (key, value) in entries {
            writer.entry(key, value).unwrap();
        }
        writer.put(&json!({"event": {"seq": 1}})).unwrap();
        writer.end().unwrap();
        let bytes = fs::read(&path).unwrap();
        assert!(Writer::create(path.to_str().unwrap(), kind, "N1").is_err(), "nothing is written over");
        fs::remove_file(path).unwrap();
        bytes
    }

    #[test]
    fn what_was_written_is_read_again() {
        let bytes = text(Kind::Session, &[("session/a", "{\"x\": \"ü\\n\"}"), ("document/a/0", "<a/>")]);
        let found = contents(&bytes[..]).unwrap();
        assert_eq!(found.kind, Kind::Session);
        let entries = [("session/a", "{\"x\": \"ü\\n\"}"), ("document/a/0", "<a/>")];
        assert_eq!(found.entries, entries.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn every_damage_is_seen() {
        let bytes = text(Kind::Backup, &[("session/a", "{}"), ("session/b", "{}"), ("session/c", "{}")]);
        for cut in 0..bytes.len() {
            assert!(contents(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x15;
            assert!(contents(&damaged[..]).is_err(), "byte {at}");
        }
        assert!(contents(&[&bytes[..], b"more\n"].concat()[..]).is_err());
        let newer = String::from_utf8(bytes).unwrap().replace("\"version\":1", "\"version\":2");
        assert!(contents(newer.as_bytes()).unwrap_err().contains("with a newer instep"));
    }
}
