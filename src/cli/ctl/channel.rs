//! The data and the log channel on a terminal: who publishes and subscribes, what comes, and a message of one's own.

use std::collections::BTreeMap;
use std::time::Duration;

use instep::client::channel::{Plug, bodies};
use instep::client::{Options, now};
use instep::hub::Channel;
use instep::leco::address;
use instep::leco::message::new_header;
use instep::store::order;
use instep::time::Span;
use serde_json::{Value, json};

use super::super::client::{Trouble, dial, unix_ms};
use super::super::credentials;
use super::super::failure::in_words;
use super::super::print::print;
use super::super::table::{Column, table, word};
use super::super::visible::visible;
use super::command::{Connection, Given, Report, Stop};

/// Bytes of the header of a published message: its conversation, and what kind of content it has.
const HEADER_BYTES: usize = 17;
/// Content in JSON.
const JSON: u8 = 1;
/// Characters that are shown of what is not understood.
const ECHOED: usize = 60;
/// How long is waited for to see how much goes by in a second.
const RATED: Duration = Duration::from_secs(1);
/// The levels of log messages, from the least on.
const LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
/// How long it may take until an end that is asked for is seen.
pub(super) const TICK: Span = Span(200);

/// The name under which a channel is asked.
pub(super) fn channel(given: &Given) -> &'static str {
    if given.switch("log") { Channel::Log.name() } else { Channel::Data.name() }
}

/// `instep ctl data`.
pub(super) fn data(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let (begun, before) = (now(), connection.ask(channel(given), "send_traffic", &Value::Null)?);
    std::thread::sleep(RATED);
    let mut told = connection.ask(channel(given), "send_traffic", &Value::Null)?;
    rate(&mut told, &before, now().since(begun));
    Ok(Report { text: in_tables(&told), json: told })
}

/// Adds to each row that was told before what of it has gone by in a second since then.
fn rate(told: &mut Value, before: &Value, since: Span) {
    let since_ms = since.0.max(1);
    for (list, name) in
        [("publishers", "address"), ("subscribers", "address"), ("nodes", "address"), ("topics", "topic")]
    {
        let rows = |told: &Value| told.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
        let was: BTreeMap<String, Value> =
            order::filled(rows(before).into_iter().filter_map(|row| Some((row.get(name)?.as_str()?.to_owned(), row))));
        for row in
            told.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
        {
            let Some(was) = row.get(name).and_then(Value::as_str).and_then(|name| was.get(name)) else { continue };
            for (key, rate) in [("messages", "messages_per_s"), ("bytes", "bytes_per_s"), ("drops", "drops_per_s")] {
                if let (Some(now), Some(before)) =
                    (row.get(key).and_then(Value::as_u64), was.get(key).and_then(Value::as_u64))
                {
                    // One of that name may have come anew.
                    row.insert(rate.to_owned(), Value::from(now.saturating_sub(before) * 1000 / since_ms));
                }
            }
        }
    }
}

/// What a row says of something; nothing where it says nothing.
fn of(row: &Value, key: &str) -> String {
    row.get(key).map(word).unwrap_or_default()
}

fn in_tables(told: &Value) -> String {
    let rows = |key: &str| told.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let topics = |row: &Value| {
        let listed = row.get("topics").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let more = if of(row, "topics_in_all") == listed.len().to_string() { "" } else { " …" };
        let shown = |topic: &Value| {
            topic.as_str().map_or_else(String::new, |text| if text.is_empty() { "(all)" } else { text }.to_owned())
        };
        listed.iter().map(shown).collect::<Vec<_>>().join(" ") + more
    };
    let mut text = String::new();
    let publishers: Vec<[String; 6]> = rows("publishers")
        .iter()
        .map(|row| {
            let numbers = ["address", "messages_per_s", "bytes_per_s", "messages", "bytes", "topic"];
            numbers.map(|key| of(row, key))
        })
        .collect();
    text += &table(
        [
            Column::Left("PUBLISHER"),
            Column::Right("/S"),
            Column::Right("BYTES/S"),
            Column::Right("MESSAGES"),
            Column::Right("BYTES"),
            Column::Left("LAST TOPIC"),
        ],
        &publishers,
    );
    let subscriber = |row: &Value| {
        let [address, rate, messages, drops, waiting] =
            ["address", "messages_per_s", "messages", "drops", "waiting_bytes"].map(|key| of(row, key));
        [address, rate, messages, drops, waiting, topics(row)]
    };
    let subscribers: Vec<[String; 6]> = rows("subscribers").iter().map(subscriber).collect();
    text.push('\n');
    text += &table(
        [
            Column::Left("SUBSCRIBER"),
            Column::Right("/S"),
            Column::Right("MESSAGES"),
            Column::Right("DROPS"),
            Column::Right("WAITING"),
            Column::Left("TOPICS"),
        ],
        &subscribers,
    );
    text += &topics_table(told);
    let gatherers: Vec<[String; 2]> = rows("gatherers")
        .iter()
        .map(|row| {
            let state = if row.get("connected") == Some(&Value::Bool(true)) { "connected" } else { "not reached" };
            [of(row, "address"), state.to_owned()]
        })
        .collect();
    if let [Some(topics), Some(bytes)] = ["last_values", "last_values_bytes"].map(|key| told.get(key).map(word)) {
        text += &format!("\nlast values of {topics} topics, {bytes} bytes\n");
    }
    if !gatherers.is_empty() {
        text.push('\n');
        text += &table([Column::Left("OTHER NODE"), Column::Left("STATE")], &gatherers);
    }
    text
}

/// What comes of each topic that somebody wants, behind an empty line.
fn topics_table(told: &Value) -> String {
    let rows = told.get("topics").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let topic = |row: &Value| {
        let name = row.get("topic").and_then(Value::as_str).unwrap_or_default();
        let name = if name.is_empty() { "(all)" } else { name }.to_owned();
        let [rate, bytes, messages, subscribers] =
            ["messages_per_s", "bytes_per_s", "messages", "subscribers"].map(|key| of(row, key));
        [name, rate, bytes, messages, subscribers]
    };
    let topics: Vec<[String; 5]> = rows.iter().map(topic).collect();
    if topics.is_empty() {
        return String::new();
    }
    let mut text = "\n".to_owned();
    text += &table(
        [
            Column::Left("TOPIC"),
            Column::Right("/S"),
            Column::Right("BYTES/S"),
            Column::Right("MESSAGES"),
            Column::Right("SUBSCRIBERS"),
        ],
        &topics,
    );
    let all = of(told, "topics_in_all");
    if all != topics.len().to_string() {
        text += &format!("{} of {all} topics are shown\n", topics.len());
    }
    text
}

/// What is meant to be done on a channel.
#[derive(Clone, Copy)]
pub(super) enum Meant<'a> {
    /// To publish, under topics that are not known yet.
    Publish,
    /// To publish under this one.
    PublishUnder(&'a str),
    /// To subscribe to these; without any, to everything.
    Subscribe(&'a [String]),
}

/// Where a channel is; or that we may not do there what we mean to.
fn addresses(connection: &mut Connection, channel: &str, meant: Meant<'_>) -> Result<Value, Stop> {
    let mut ask = |params: &Value| connection.ask(channel, "send_data_addresses", params);
    let mut told = Value::Null;
    let (key, topics) = match meant {
        Meant::Publish => return Ok(ask(&Value::Null)?),
        Meant::PublishUnder(topic) => ("publish", vec![topic]),
        Meant::Subscribe([]) => ("subscribe", vec![""]),
        Meant::Subscribe(topics) => ("subscribe", topics.iter().map(String::as_str).collect()),
    };
    for topic in topics {
        told = match ask(&json!({key: topic})) {
            // An older node cannot say it beforehand.
            Err(trouble) if trouble.is_invalid() => return Ok(ask(&Value::Null)?),
            answer => answer?,
        };
    }
    Ok(told)
}

/// Connects to a port of a channel.
pub(super) fn plug(connection: &mut Connection, channel: &str, meant: Meant<'_>) -> Result<Plug, Stop> {
    let told = addresses(connection, channel, meant)?;
    let publishes = !matches!(meant, Meant::Subscribe(_));
    let key = if publishes { "gatherer_xsub" } else { "distributor_xpub" };
    let at = told.get(key).and_then(Value::as_str).and_then(address::host_and_port).map(|(_, port)| port);
    let (Some(port), Some((host, _))) = (at, address::host_and_port(&connection.address)) else {
        return Err(Trouble::Broken(format!("{channel} does not say where it is")).into());
    };
    // The host by which we know the Coordinator reaches its channels too.
    let at = address::join(host, port);
    let stream = dial("channel", &at, connection.timeout)?;
    let options = credentials::shown(Options::new()).map_err(Stop::Failed)?;
    let opened = Plug::open(stream, publishes, &options, connection.timeout);
    opened.map_err(|error| Trouble::Nobody(format!("the channel at {at}: {}", in_words(&error))).into())
}

/// Wants these topics; without any, everything.
pub(super) fn subscribe_to(plug: &mut Plug, topics: &[String]) -> Result<(), Stop> {
    let all = [String::new()];
    for topic in if topics.is_empty() { &all } else { topics } {
        plug.subscribe(topic.as_bytes()).map_err(|error| Stop::from(Trouble::Nobody(in_words(&error))))?;
    }
    Ok(())
}

/// Why it is not known whether all was taken that was published.
pub(super) fn not_taken(error: &std::io::Error) -> Stop {
    Trouble::Nobody(format!("the channel has not taken all of it: {}", in_words(error))).into()
}

/// `instep ctl publish`.
pub(super) fn publish(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let (topic, content) = (given.word(0), given.word(1));
    if let Err(error) = serde_json::from_str::<Value>(content) {
        let end = content.char_indices().nth(ECHOED).map_or(content.len(), |(at, _)| at);
        let (begins, goes_on) = content.split_at(end);
        let more = if goes_on.is_empty() { "" } else { "…" };
        let why = format!("'{begins}{more}' is not JSON: {error} (text is in quotation marks: '\"on\"')");
        return Err(Stop::Usage(why));
    }
    let mut plug = plug(connection, channel(given), Meant::PublishUnder(topic))?;
    let chance = u128::from(unix_ms()) << 32 | u128::from(std::process::id());
    let conversation = new_header(unix_ms(), chance);
    let header = [conversation.get(..HEADER_BYTES - 1).unwrap_or_default(), &[JSON]].concat();
    let sent = plug.publish(&[topic.as_bytes(), &header, content.as_bytes()]);
    sent.and_then(|()| plug.finish(connection.timeout)).map_err(|error| not_taken(&error))?;
    Ok(Report { json: json!({"published": topic}), text: format!("published under {topic}\n") })
}

/// `instep ctl subscribe`.
pub(super) fn subscribe(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let as_json = connection.json;
    watch(given, connection, channel(given), &mut |wire| {
        Some(if as_json { in_json(wire).to_string() } else { in_line(wire) })
    })
}

/// `instep ctl log-watch`.
pub(super) fn log_watch(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let asked = given.text("level").unwrap_or("DEBUG");
    let rank = |level: &str| LEVELS.iter().position(|one| *one == level);
    let Some(least) = rank(&asked.to_uppercase()) else {
        return Err(Stop::Usage(format!("--level '{asked}': there are {}", LEVELS.join(", "))));
    };
    let as_json = connection.json;
    watch(given, connection, Channel::Log.name(), &mut |wire| {
        let frames = bodies(wire);
        let content: Value = serde_json::from_slice(frames.get(2)?).ok()?;
        let part = |n: usize| content.get(n).and_then(Value::as_str).unwrap_or_default();
        // A level of one's own is above those that are known.
        if rank(part(1)).is_some_and(|rank| rank < least) {
            return None;
        }
        let topic = String::from_utf8_lossy(frames.first()?);
        // What is no log message is shown as it is.
        if !content.is_array() {
            return Some(if as_json { in_json(wire).to_string() } else { in_line(wire) });
        }
        Some(if as_json {
            json!({"time": part(0), "level": part(1), "component": topic, "logger": part(2), "text": part(3)})
                .to_string()
        } else {
            let text = part(3).replace('\n', "\n    ");
            format!("{} {:<8} {topic} {}: {text}", part(0), part(1), part(2))
        })
    })
}

/// Prints what comes, as `show` has it, until somebody wants an end.
fn watch(
    given: &Given,
    connection: &mut Connection,
    channel: &str,
    show: &mut dyn FnMut(&[u8]) -> Option<String>,
) -> Result<Report, Stop> {
    let mut plug = plug(connection, channel, Meant::Subscribe(&given.words))?;
    subscribe_to(&mut plug, &given.words)?;
    let mut left = given.number("messages");
    let mut failed = None;
    let mut take = |wire: &[u8]| {
        let Some(line) = show(wire) else { return true };
        match print(&line) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(failure) => {
                failed = Some(failure);
                return false;
            }
        }
        left = left.map(|left| left.saturating_sub(1));
        left != Some(0)
    };
    loop {
        match plug.hear(Some(now() + TICK), &mut take) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(Trouble::Nobody(format!("the channel has ended: {}", in_words(&error))).into()),
        }
    }
    failed.map_or(Err(Stop::Said), |failure| Err(Stop::Failed(failure)))
}

/// A message on one line.
fn in_line(wire: &[u8]) -> String {
    let frames = bodies(wire);
    let topic = frames.first().map(|topic| String::from_utf8_lossy(topic)).unwrap_or_default();
    let content = frames.get(2).map(|content| match core::str::from_utf8(content) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("({} bytes)", content.len()),
    });
    let more = frames.len().saturating_sub(3);
    let more = if more > 0 { format!(" and {more} frames") } else { String::new() };
    visible(&format!("{topic} {}{more}", content.unwrap_or_default())).into_owned()
}

/// A message as JSON: content that is JSON as such, text as text, other bytes by their number.
pub(super) fn in_json(wire: &[u8]) -> Value {
    let frames = bodies(wire);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let content = |bytes: &&[u8]| match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(_) => core::str::from_utf8(bytes).map_or_else(|_| json!({"bytes": bytes.len()}), Value::from),
    };
    let header = frames.get(1).copied().unwrap_or_default();
    let conversation =
        header.get(..HEADER_BYTES - 1).map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    json!({
        "topic": frames.first().map(|topic| text(topic)),
        "conversation": conversation,
        "type": header.get(HEADER_BYTES - 1),
        "data": frames.get(2).map(content),
        "more": frames.iter().skip(3).map(|frame| frame.len()).collect::<Vec<_>>(),
    })
}
