//! `instep ctl connections` and `instep ctl top`: who is connected, and who is slow; once, or live.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, stdout};
use std::time::Duration;

use instep::store::order;
use serde_json::{Value, json};

use super::super::client::now;
use super::super::print::{print, redraw};
use super::super::table::{Column, table, word};
use super::super::terminal::{Keys, size};
use super::super::visible::visible;
use super::command::{Connection, Given, Report, Stop};

/// A column of both: its title, its member in an answer, the key that puts it first, and whether it is shown as so much a second.
const COLUMNS: [(&str, &str, char, bool); 8] = [
    ("WAITING", "waiting_bytes", 'w', false),
    ("HELD", "held_ms", 'h', false),
    ("DROPS", "drops", 'd', false),
    ("MSG IN", "messages_in", 'm', true),
    ("MSG OUT", "messages_out", 'o', true),
    ("IN", "bytes_in", 'i', true),
    ("OUT", "bytes_out", 'b', true),
    ("HEARD", "heard_ms", 's', false),
];

/// How often the live list is renewed.
const PERIOD: Duration = Duration::from_secs(1);
/// Letters of a name that the live list shows.
const NAME_LETTERS: usize = 20;
/// Letters of an error on the one screen; `ctl errors` has the rest.
const ERROR_LETTERS: usize = 150;

/// The member of an answer that a word of the command line means.
fn column(word: &str) -> Result<&'static str, Stop> {
    let found = COLUMNS.iter().find(|(title, member, key, _)| {
        word == *member || word.eq_ignore_ascii_case(&title.replace(' ', "-")) || word == key.to_string()
    });
    found.map(|(_, member, _, _)| *member).ok_or_else(|| {
        let members: Vec<&str> = COLUMNS.iter().map(|(_, member, _, _)| *member).collect();
        Stop::Usage(format!("--by '{word}': there are {}", members.join(", ")))
    })
}

fn ask(connection: &mut Connection, by: &str, most: usize, name: &str) -> Result<Value, Stop> {
    let params = json!({"by": by, "most": most, "name": name});
    Ok(connection.ask("COORDINATOR", "send_connections", &params)?)
}

fn rows_of(answer: &Value) -> &[Value] {
    answer.get("connections").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn figure(row: &Value, member: &str) -> u64 {
    row.get(member).and_then(Value::as_u64).unwrap_or(0)
}

/// A number with at most four digits, and what it is a thousandfold of; the last may have more.
fn scaled(number: u64) -> (u64, &'static str) {
    let mut rest = number;
    for unit in ["", "k", "M", "G"] {
        if rest < 10_000 {
            return (rest, unit);
        }
        rest /= 1000;
    }
    (rest, "T")
}

/// A number in few letters.
fn short(number: u64) -> String {
    let (digits, unit) = scaled(number);
    format!("{digits}{unit}")
}

/// So many milliseconds, as people say it.
fn span(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms} ms"),
        1_000..=599_999 => format!("{} s", ms / 1000),
        600_000..=35_999_999 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

/// So many bytes in few letters, with their unit.
fn bytes(number: u64) -> String {
    let (digits, unit) = scaled(number);
    format!("{digits} {unit}B")
}

/// As much of an error as fits one line or two.
fn cut(text: &str) -> String {
    match text.char_indices().nth(ERROR_LETTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

fn shown(member: &str, figure: u64) -> String {
    if member.ends_with("_ms") { span(figure) } else { short(figure) }
}

pub(super) fn connections(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let by = given.text("by").map_or(Ok("waiting_bytes"), column)?;
    let most = given.number("most").map_or(100, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let json = ask(connection, by, most, given.word(0))?;
    let columns = [
        Column::Left("NAME"),
        Column::Left("DIALECT"),
        Column::Left("ADDRESS"),
        Column::Right("AGE"),
        Column::Right("HEARD"),
        Column::Right("MSG IN"),
        Column::Right("MSG OUT"),
        Column::Right("BYTES IN"),
        Column::Right("BYTES OUT"),
        Column::Right("WAITING"),
        Column::Right("HELD"),
        Column::Right("DROPS"),
    ];
    let cells = |row: &Value| {
        let text = |member: &str| row.get(member).map(word).unwrap_or_default();
        let number = |member: &str| shown(member, figure(row, member));
        let name = text("name");
        [
            if name.is_empty() { "-".to_owned() } else { name },
            text("dialect"),
            text("address"),
            span(figure(row, "age_s").saturating_mul(1000)),
            number("heard_ms"),
            number("messages_in"),
            number("messages_out"),
            number("bytes_in"),
            number("bytes_out"),
            number("waiting_bytes"),
            number("held_ms"),
            number("drops"),
        ]
    };
    let rows: Vec<_> = rows_of(&json).iter().map(cells).collect();
    let mut text = table(columns, &rows);
    let total = figure(&json, "total");
    if total > rows.len() as u64 {
        text.push_str(&format!("{} of {total} connections, those with most {by}\n", rows.len()));
    }
    Ok(Report { json, text })
}

// ---- Live ----

/// What connections had when they were looked at last.
type Before = BTreeMap<(u64, String), Value>;

pub(super) fn top(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let mut by = given.text("by").map_or(Ok("waiting_bytes"), column)?;
    let rounds = given.number("rounds");
    let is_live = stdout().is_terminal() && !connection.json;
    let keys = Keys::take();
    let mut before: Before = BTreeMap::new();
    let mut looked = now();
    for round in 1_u32.. {
        let begun = now();
        let (height, width) = size();
        let seconds = begun.duration_since(looked).as_secs_f64().max(0.001);
        let answer = ask(connection, by, height.saturating_sub(4).clamp(1, 1000), "")?;
        let counters = connection.ask("COORDINATOR", "send_counters", &Value::Null)?;
        looked = begun;
        let text = if connection.json {
            answer.to_string()
        } else {
            screen(&answer, &counters, by, &before, (seconds, width))
        };
        let put = if is_live { redraw } else { print };
        if !put(&text).map_err(Stop::Failed)? {
            break;
        }
        let place = |row: &Value| (figure(row, "key"), row.get("address").map(word).unwrap_or_default());
        before = order::filled(rows_of(&answer).iter().map(|row| (place(row), row.clone())));
        if rounds == Some(round) {
            break;
        }
        match keys.next(begun + PERIOD) {
            Some('q' | '\x1b') => break,
            Some(key) => {
                by = COLUMNS.iter().find(|(_, _, known, _)| *known == key).map_or(by, |(_, member, _, _)| *member);
            }
            None => {}
        }
    }
    Err(Stop::Said)
}

/// Messages that were refused, for whatever reason.
fn refused(counters: &Value) -> u64 {
    let counters = counters.as_object();
    let refused = counters.into_iter().flatten().filter(|(name, _)| name.starts_with("refused_"));
    refused.filter_map(|(_, count)| count.as_u64()).sum()
}

/// Answers and errors that could not be delivered.
fn lost(counters: &Value) -> u64 {
    figure(counters, "answers_dropped") + figure(counters, "errors_dropped")
}

/// One picture of the live list.
fn screen(answer: &Value, counters: &Value, by: &str, before: &Before, (seconds, width): (f64, usize)) -> String {
    let count = |name: &str| figure(counters, name);
    let mut text = format!(
        "{} connections, {} components; {} delivered, {} refused, {} dropped; by {by}",
        count("connections_now"),
        count("components_now"),
        short(count("messages_delivered")),
        short(refused(counters)),
        short(lost(counters)),
    );
    text = text.chars().take(width).collect();
    let keys: Vec<String> =
        COLUMNS.iter().map(|(title, _, key, _)| format!("{key} {}", title.to_lowercase())).collect();
    let keys: String = format!("first: {}, q ends", keys.join(", ")).chars().take(width).collect();
    text.push_str(&format!("\n{keys}\n"));
    let titles = COLUMNS.map(|(title, _, _, _)| Column::Right(title));
    let [a, b, c, d, e, f, g, h] = titles;
    let rows: Vec<[String; 9]> = rows_of(answer)
        .iter()
        .map(|row| {
            let name =
                [row.get("name"), row.get("address")].into_iter().flatten().map(word).find(|name| !name.is_empty());
            let place = (figure(row, "key"), row.get("address").map(word).unwrap_or_default());
            let old = before.get(&place);
            let cell = |(_, member, _, is_rate): (&str, &str, char, bool)| {
                let now = figure(row, member);
                if !is_rate {
                    return shown(member, now);
                }
                // The first time all that there was is shown as if it were new: nobody knows since when.
                let Some(old) = old else { return "-".to_owned() };
                let more = now.saturating_sub(figure(old, member));
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a rate is shown with four digits"
                )]
                let rate = (more as f64 / seconds).round() as u64;
                short(rate)
            };
            let [a, b, c, d, e, f, g, h] = COLUMNS.map(cell);
            [name.unwrap_or_default().chars().take(NAME_LETTERS).collect(), a, b, c, d, e, f, g, h]
        })
        .collect();
    text.push_str(&table([Column::Left("NAME"), a, b, c, d, e, f, g, h], &rows));
    text
}

/// One screen that says whether all is well.
pub(super) fn status(_: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let counters = connection.ask("COORDINATOR", "send_counters", &Value::Null)?;
    let links = connection.ask("COORDINATOR", "send_links", &Value::Null)?;
    let sessions = connection.ask("COORDINATOR", "send_sessions", &Value::Null)?;
    let providers = connection.ask("COORDINATOR", "providers", &Value::Null)?;
    let errors = connection.ask("COORDINATOR", "errors", &Value::Null)?;
    let slow = ask(connection, "waiting_bytes", 3, "")?;
    let full_name = format!("{}.COORDINATOR", connection.client()?.namespace());
    let count = |name: &str| figure(&counters, name);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let linked = list(&links).iter().filter(|link| link.get("state").map(word).as_deref() == Some("both")).count();
    let mut text = format!("{full_name} at {}\n", visible(&connection.address));
    let mut line = |title: &str, said: String| text.push_str(&format!("{title:<12}{}\n", visible(&said)));
    if counters.get("uptime_s_now").is_some() {
        let (up, memory) = (span(count("uptime_s_now").saturating_mul(1000)), bytes(count("memory_bytes_now")));
        line("process", format!("up {up}, {memory} in memory, {} of processor time", span(count("cpu_ms_now"))));
    }
    line("connections", format!("{}, {} components", count("connections_now"), count("components_now")));
    line("nodes", format!("{} of {} others linked both ways", linked, list(&links).len()));
    let refused = refused(&counters);
    line(
        "messages",
        format!(
            "{} in, {} delivered, {} forwarded, {refused} refused, {} returned, {} lost answers and errors",
            count("messages_in"),
            count("messages_delivered"),
            count("messages_forwarded"),
            count("returned_undelivered"),
            lost(&counters),
        ),
    );
    line(
        "memory",
        format!(
            "{} wait, {} of parts, {} of worlds, sessions and channels",
            bytes(count("ring_bytes_now")),
            bytes(count("partial_bytes_now")),
            bytes(count("data_bytes_now")),
        ),
    );
    for session in list(&sessions) {
        let of = |member: &str| session.get(member).map(word).unwrap_or_default();
        line("session", format!("{} {}, seq {}, {} members", of("sessionName"), of("state"), of("seq"), of("members")));
    }
    for provider in list(providers.get("providerinfo").unwrap_or(&Value::Null)) {
        let of = |member: &str| provider.get(member).map(word).unwrap_or_default();
        line(
            "provider",
            format!("{} {} {}, step {} {}", of("id"), of("type"), of("status"), of("time"), of("message"))
                .trim_end()
                .to_owned(),
        );
    }
    for row in rows_of(&slow).iter().filter(|row| figure(row, "waiting_bytes") > 0) {
        let of = |member: &str| row.get(member).map(word).unwrap_or_default();
        line("slow", format!("{} {}: {} wait for it", of("name"), of("address"), bytes(figure(row, "waiting_bytes"))));
    }
    for error in list(errors.get("errors").or(Some(&errors)).unwrap_or(&Value::Null)).iter().rev().take(3).rev() {
        line("error", cut(&word(error)));
    }
    let json = json!({"full_name": full_name, "counters": counters, "links": links, "sessions": sessions,
        "providers": providers, "errors": errors, "slow": slow});
    Ok(Report { json, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_say_what_they_are_a_multiple_of() {
        let told = [0, 9_999, 10_000, 123_456, 98_765_432, u64::MAX].map(short);
        assert_eq!(told, ["0", "9999", "10k", "123k", "98M", "18446744T"]);
        assert_eq!([0, 9_999, 123_456].map(bytes), ["0 B", "9999 B", "123 kB"]);
        assert_eq!([5, 2_999, 700_000, 36_000_000].map(span), ["5 ms", "2 s", "11 min", "10 h"]);
    }

    #[test]
    fn a_picture_shows_rates_since_the_last_and_fits_the_terminal() {
        let row = |messages: u64| {
            json!({"key": 3, "address": "127.0.0.1:5000", "name": "N1.a_component_with_a_long_name",
                "waiting_bytes": 70_000, "held_ms": 5, "messages_in": messages, "bytes_in": messages * 100})
        };
        let answer = |messages| json!({"total": 1, "connections": [row(messages)]});
        let before = Before::from_iter([((3, "127.0.0.1:5000".to_owned()), row(100))]);
        let first = screen(&answer(100), &json!({}), "drops", &Before::new(), (1.0, 80));
        assert!(first.lines().nth(3).unwrap().contains("  -  "), "{first}");
        let text = screen(&answer(300), &json!({"connections_now": 7}), "drops", &before, (2.0, 80));
        assert!(text.starts_with("7 connections") && text.contains("by drops"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let cells: Vec<_> = text.lines().nth(3).unwrap().split_whitespace().collect();
        assert_eq!(cells, ["N1.a_component_with_", "70k", "5", "ms", "0", "100", "0", "10k", "0", "0", "ms"]);
    }
}
