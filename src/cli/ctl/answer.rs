//! Answers taken apart, and shown as tables.

use serde_json::Value;

use super::super::table::{Column, grid, word};

/// What stands in a column: the value of a key, or what is made of the whole row.
pub(super) enum Cells<'f> {
    Key(&'static str),
    Made(&'f dyn Fn(&Value) -> String),
}

/// A part of an answer; null where it has no such part.
pub(super) fn part(data: &Value, key: &str) -> Value {
    data.get(key).cloned().unwrap_or(Value::Null)
}

/// A part that is a list, whatever is left out when there is nothing.
pub(super) fn list(data: &Value, key: &str) -> Value {
    Value::Array(data.get(key).and_then(Value::as_array).cloned().unwrap_or_default())
}

/// A value of an answer as a cell of a table.
pub(super) fn cell(row: &Value, key: &str) -> String {
    match row.get(key) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::Array(items)) if items.is_empty() => "-".to_owned(),
        Some(Value::Array(items)) => items.iter().map(word).collect::<Vec<_>>().join(","),
        Some(value) => word(value),
    }
}

/// A list as a table, a line for each of its rows.
pub(super) fn table_of(list: &Value, columns: &[(Column, Cells<'_>)]) -> String {
    let made = |row: &Value| {
        let cells = columns.iter().map(|(_, of)| match of {
            Cells::Key(key) => cell(row, key),
            Cells::Made(made) => made(row),
        });
        cells.collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = list.as_array().into_iter().flatten().map(made).collect();
    let columns: Vec<Column> = columns.iter().map(|(column, _)| *column).collect();
    grid(&columns, &rows)
}
