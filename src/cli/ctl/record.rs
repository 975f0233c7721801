//! Recordings of a channel: what was published, with its times.
//!
//! A file begins with [`MAGIC`]. Each message follows as microseconds since 1970 (8 bytes), its length (4 bytes), both with the highest byte first,
//! and its frames as they were on the wire. What a recorder that was killed has not finished is the end of the file, and is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use instep::client::now;
use instep::limits::CLIENT_MESSAGE_BYTES_MAX;
use instep::store::order;
use instep::time::Span;
use serde_json::{Value, json};

use super::super::client::Trouble;
use super::super::ending::Ending;
use super::super::failure::{Failure, in_words};
use super::super::print::print;
use super::channel::{Meant, TICK, channel, in_json, not_taken, plug, subscribe_to};
use super::command::{Connection, Given, Report, Stop};

/// What a recording begins with.
const MAGIC: &[u8; 16] = b"instep channel 1";
/// Columns of a table at the most.
const COLUMNS_MAX: usize = 256;

fn failed(path: &str, error: &std::io::Error) -> Stop {
    Stop::Failed(Failure::other(format!("{path}: {}", in_words(error))))
}

#[expect(clippy::disallowed_methods, reason = "the time of day stands in the file")]
fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A recording that is being written: whole messages at a time, so that a reader of the file finds all but the last of them whenever that ends.
struct Recorder {
    file: File,
    record: Vec<u8>,
    messages: u64,
    bytes: u64,
    broken: Option<std::io::Error>,
}

impl Recorder {
    fn make(path: &str) -> std::io::Result<Self> {
        let mut file = File::options().write(true).create_new(true).open(path)?;
        file.write_all(MAGIC)?;
        Ok(Self { file, record: Vec::new(), messages: 0, bytes: 0, broken: None })
    }

    /// Writes a message; answers whether that went well.
    fn take(&mut self, wire: &[u8]) -> bool {
        self.record.clear();
        self.record.extend_from_slice(&unix_micros().to_be_bytes());
        self.record.extend_from_slice(&u32::try_from(wire.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.record.extend_from_slice(wire);
        self.broken = self.file.write_all(&self.record).err();
        self.messages += 1;
        self.bytes += u64::try_from(wire.len()).unwrap_or(u64::MAX);
        self.broken.is_none()
    }
}

/// `instep record`.
pub(super) fn record(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let path = given.word(0).to_owned();
    let topics = given.words.get(1..).unwrap_or_default();
    let mut plug = plug(connection, channel(given), Meant::Subscribe(topics))?;
    let mut recorder = Recorder::make(&path).map_err(|error| failed(&path, &error))?;
    subscribe_to(&mut plug, topics)?;
    if !connection.json && !print(&format!("recording into {path}, until Ctrl-C")).map_err(Stop::Failed)? {
        return Err(Stop::Said);
    }
    // From here on Ctrl-C is a wish to end in good order.
    let mut ending = Ending::begin().map_err(|error| Stop::Failed(Failure::other(in_words(&error))))?;
    let most = given.number("messages").map_or(u64::MAX, u64::from);
    let mut lost = None;
    while !ending.is_wanted() {
        match plug.hear(Some(now() + TICK), &mut |wire| recorder.take(wire) && recorder.messages < most) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                lost = Some(in_words(&error));
                break;
            }
        }
    }
    if let Some(error) = recorder.broken {
        return Err(failed(&path, &error));
    }
    let Recorder { messages, bytes, .. } = recorder;
    if let Some(lost) = lost {
        return Err(Trouble::Nobody(format!("the channel has ended after {messages} messages: {lost}")).into());
    }
    Ok(Report {
        json: json!({"file": path, "messages": messages, "bytes": bytes}),
        text: format!("{messages} messages, {bytes} bytes in {path}\n"),
    })
}

/// A recording that is being read.
struct Reader {
    file: BufReader<File>,
    path: String,
}

impl Reader {
    fn open(path: &str) -> Result<Self, Stop> {
        let file = File::open(Path::new(path)).map_err(|error| failed(path, &error))?;
        let mut file = BufReader::new(file);
        let mut magic = [0; MAGIC.len()];
        match file.read_exact(&mut magic) {
            Ok(()) if magic == *MAGIC => Ok(Self { file, path: path.to_owned() }),
            Ok(()) => Err(Stop::Failed(Failure::other(format!("{path}: not a recording of a channel")))),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Err(Stop::Failed(Failure::other(format!("{path}: not a recording of a channel"))))
            }
            Err(error) => Err(failed(path, &error)),
        }
    }

    /// The next message and when it came, in microseconds since 1970; nothing at the end, or at one that is not whole.
    fn next(&mut self, wire: &mut Vec<u8>) -> Result<Option<u64>, Stop> {
        let (mut at, mut len) = ([0; 8], [0; 4]);
        let read = self.file.read_exact(&mut at).and_then(|()| self.file.read_exact(&mut len));
        let read = read.and_then(|()| {
            let len = u32::from_be_bytes(len);
            if u64::from(len) > CLIENT_MESSAGE_BYTES_MAX {
                return Err(ErrorKind::InvalidData.into());
            }
            wire.resize(usize::try_from(len).unwrap_or(0), 0);
            self.file.read_exact(wire)
        });
        match read {
            Ok(()) => Ok(Some(u64::from_be_bytes(at))),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(failed(&self.path, &error)),
        }
    }
}

/// `instep replay`.
pub(super) fn replay(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let path = given.word(0).to_owned();
    let speed = given.text("speed").unwrap_or("1");
    let speed = speed.parse::<f64>().ok().filter(|speed| (0.0..=1e6).contains(speed));
    let speed = speed.ok_or_else(|| Stop::Usage("--speed: a number from 0 to 1000000 is wanted".to_owned()))?;
    let form = given.text("as");
    if let Some(other) = form.filter(|form| !["json", "csv"].contains(form)) {
        return Err(Stop::Usage(format!("--as '{other}': there are json and csv")));
    }
    let mut reader = Reader::open(&path)?;
    if form == Some("csv") {
        return in_table(&path, reader);
    }
    let mut wire = Vec::new();
    if form.is_some() {
        while let Some(at) = reader.next(&mut wire)? {
            let mut line = in_json(&wire);
            if let Some(line) = line.as_object_mut() {
                line.insert("time".to_owned(), seconds(at));
            }
            if !print(&line.to_string()).map_err(Stop::Failed)? {
                break;
            }
        }
        return Err(Stop::Said);
    }
    let mut plug = plug(connection, channel(given), Meant::Publish)?;
    let (begun, mut first, mut messages) = (now(), None, 0_u64);
    while let Some(at) = reader.next(&mut wire)? {
        let since = at.saturating_sub(*first.get_or_insert(at));
        // What asks for a sign of life is heard meanwhile.
        let due = if speed > 0.0 { begun + pause(since, speed) } else { begun };
        if speed > 0.0 || messages.is_multiple_of(256) {
            let heard = plug.hear(Some(due), &mut |_| true);
            heard.map_err(|error| not_taken(&error))?;
        }
        plug.publish_wire(&wire).map_err(|error| not_taken(&error))?;
        messages += 1;
    }
    plug.finish(connection.timeout).map_err(|error| not_taken(&error))?;
    Ok(Report {
        json: json!({"file": path, "messages": messages}),
        text: format!("{messages} messages of {path} published\n"),
    })
}

/// So many microseconds, at another speed.
fn pause(micros: u64, speed: f64) -> Span {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a length of time, to the millisecond"
    )]
    let ms = (micros as f64 / 1e3 / speed) as u64;
    Span(ms)
}

/// A moment as a number of seconds.
fn seconds(micros: u64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of this century fit")]
    let seconds = micros as f64 / 1e6;
    Value::from(seconds)
}

/// The values of a message, by the names of their columns: those of an object by their own, one by itself by its topic.
fn values(wire: &[u8]) -> BTreeMap<String, Value> {
    let message = in_json(wire);
    let topic = message.get("topic").and_then(Value::as_str).unwrap_or_default();
    match message.get("data") {
        Some(Value::Object(members)) => {
            order::filled(members.iter().map(|(key, value)| (format!("{topic}.{key}"), value.clone())))
        }
        Some(value) => order::filled([(topic.to_owned(), value.clone())]),
        None => BTreeMap::new(),
    }
}

/// A cell of a table.
fn cell(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Prints a recording as a table: its columns are known when it has been read once.
fn in_table(path: &str, mut reader: Reader) -> Result<Report, Stop> {
    let mut columns = BTreeSet::new();
    let mut wire = Vec::new();
    while reader.next(&mut wire)?.is_some() {
        columns.extend(values(&wire).into_keys());
        if columns.len() > COLUMNS_MAX {
            let why = format!("{path}: more than {COLUMNS_MAX} columns; record fewer topics, or use --as json");
            return Err(Stop::Failed(Failure::other(why)));
        }
    }
    let titles = columns.iter().map(|name| cell(&Value::from(name.as_str())));
    let mut goes_on = print(&core::iter::once("time".to_owned()).chain(titles).collect::<Vec<_>>().join(","));
    let mut reader = Reader::open(path)?;
    while goes_on.map_err(Stop::Failed)?
        && let Some(at) = reader.next(&mut wire)?
    {
        let row = values(&wire);
        let cells = columns.iter().map(|name| row.get(name).map(cell).unwrap_or_default());
        goes_on = print(&core::iter::once(seconds(at).to_string()).chain(cells).collect::<Vec<_>>().join(","));
    }
    Err(Stop::Said)
}
