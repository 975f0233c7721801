//! Users and their rights, as a running Coordinator has them.

use serde_json::Value;

use super::super::table::{Column, table, word};
use super::command::{Connection, Given, Report, Stop};

/// Who we are there, and what we may.
pub(super) fn whoami(_: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let json = connection.ask("COORDINATOR", "whoami", &Value::Null)?;
    let shown = |key: &str| json.get(key).filter(|value| !value.is_null()).map(word);
    let keys = ["user", "role", "by", "address", "names", "to", "sessions", "send", "publish", "subscribe", "auth"];
    let lines = keys.iter().filter_map(|key| Some(format!("{key:<9} {}\n", shown(key)?)));
    Ok(Report { text: lines.collect(), json })
}

/// Who was not let do what.
pub(super) fn denials(_: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let json = connection.ask("COORDINATOR", "denials", &Value::Null)?;
    let of = |row: &Value, key: &str| row.get(key).filter(|value| !value.is_null()).map_or_else(String::new, word);
    let rows = json.get("denials").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let rows: Vec<[String; 7]> = rows
        .iter()
        .map(|row| {
            let [count, user, address, action, target, needs, age] =
                ["count", "user", "address", "action", "target", "needs", "age_s"].map(|key| of(row, key));
            [count, user, address, action, target, needs, format!("{age} s")]
        })
        .collect();
    let columns = [
        Column::Right("COUNT"),
        Column::Left("USER"),
        Column::Left("ADDRESS"),
        Column::Left("ACTION"),
        Column::Left("TARGET"),
        Column::Left("NEEDS"),
        Column::Right("AGE"),
    ];
    Ok(Report { text: table(columns, &rows), json })
}

/// Has settings and users read anew.
pub(super) fn reload(_: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let json = connection.ask("COORDINATOR", "reload", &Value::Null)?;
    let users = json.get("users").map(word).unwrap_or_default();
    let mut text = format!("the rules of users were read anew: {users} users\n");
    for (key, matter) in [
        ("taken", "settings taken"),
        ("restart", "a new start is needed for"),
        ("sessions_made", "sessions made"),
        ("sessions_left", "sessions that the settings have no more, and that stay"),
        ("sessions_refused", "there is no room for sessions"),
    ] {
        let words = json.get(key).and_then(Value::as_array).into_iter().flatten().map(word).collect::<Vec<_>>();
        if !words.is_empty() {
            text.push_str(&format!("{matter}: {}\n", words.join(", ")));
        }
    }
    Ok(Report { text, json })
}
