//! Text in aligned columns, for people.

use serde_json::Value;

use super::visible::visible;

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Words, from the left.
    Left(&'static str),
    /// Numbers, to the right.
    Right(&'static str),
}

impl Column {
    const fn title(self) -> &'static str {
        match self {
            Self::Left(title) | Self::Right(title) => title,
        }
    }
}

/// A line of titles and a line per row, columns two spaces apart. A row shorter than the columns is filled with nothing.
pub(super) fn table<const N: usize>(columns: [Column; N], rows: &[[String; N]]) -> String {
    grid(&columns, rows)
}

/// As [`table`], where the number of columns is known only when the program runs.
pub(super) fn grid<R: AsRef<[String]>>(columns: &[Column], rows: &[R]) -> String {
    let titles: Vec<String> = columns.iter().map(|column| column.title().to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(&titles[..])
        .chain(rows.iter().map(AsRef::as_ref))
        .map(|row| row.iter().map(|cell| visible(cell).into_owned()).collect())
        .collect();
    let width = |n: usize| lines.iter().filter_map(|line| line.get(n)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns.len()).map(|n| width(n).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .zip(columns)
            .map(|((cell, width), column)| match column {
                Column::Left(_) => format!("{cell:<width$}"),
                Column::Right(_) => format!("{cell:>width$}"),
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A value as a word: text without its quotes.
pub(super) fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "1"], ["long name", "1234567"]].map(|row| row.map(str::to_owned));
        assert_eq!(
            table([Column::Left("NAME"), Column::Right("COUNT")], &rows),
            "NAME         COUNT\na                1\nlong name  1234567\n"
        );
        assert_eq!(table([Column::Left("NAME")], &[]), "NAME\n", "titles stand alone");
        let last = table([Column::Left("A"), Column::Left("B")], &[["x".to_owned(), String::new()]]);
        assert_eq!(last, "A  B\nx\n", "no blanks at the end of a line");
    }
}
