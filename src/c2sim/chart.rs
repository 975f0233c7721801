//! The state machine drawn: as a diagram and as a table for the handbook, both read from the one table of [`super::state`].

use core::fmt;

use super::kind::Kind;
use super::state::{Cell, State, TABLE};
use Cell::{Go, No, OnlyAll, OnlyRelayed, Share, Stay, UnlessNothing};

/// The transitions as a Mermaid state diagram; its text is the diagram.
#[derive(Clone, Copy, Debug)]
pub struct Diagram;

impl fmt::Display for Diagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "stateDiagram-v2")?;
        writeln!(f, "    [*] --> {}", State::default())?;
        for from in State::ALL {
            for row in &TABLE {
                let label = row.kinds.first().map_or("", |kind| kind.element());
                match row.cell(from) {
                    Go(to) => writeln!(f, "    {from} --> {to}: {label}")?,
                    Share(to) => writeln!(f, "    {from} --> {to}: {label} [share_guard holds]")?,
                    Stay if !row.trigger.is_empty() => writeln!(f, "    {from} --> {from}: {label}")?,
                    No | Stay | UnlessNothing | OnlyAll | OnlyRelayed => {}
                }
            }
        }
        Ok(())
    }
}

/// The whole table as Markdown, for the handbook; its text is the table.
#[derive(Clone, Copy, Debug)]
pub struct Reference;

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("| message |")?;
        for state in State::ALL {
            write!(f, " {state} |")?;
        }
        writeln!(f, "\n| --- | --- | --- | --- | --- | --- |")?;
        for row in &TABLE {
            f.write_str("| ")?;
            for (at, kind) in row.kinds.iter().enumerate() {
                let separator = if at > 0 { ", " } else { "" };
                let words = if *kind == Kind::Unknown {
                    "bodies that no schema defines"
                } else if kind.element().is_empty() {
                    "other domain bodies"
                } else {
                    kind.element()
                };
                write!(f, "{separator}{words}")?;
            }
            f.write_str(" |")?;
            for state in State::ALL {
                match row.cell(state) {
                    No => f.write_str(" no |")?,
                    Go(to) => write!(f, " to {to} |")?,
                    Share(to) => write!(f, " to {to} when share_guard holds |")?,
                    Stay => f.write_str(" yes |")?,
                    UnlessNothing => f.write_str(" unless paused_allows is nothing |")?,
                    OnlyAll => f.write_str(" if paused_allows is all |")?,
                    OnlyRelayed => f.write_str(" if unknown_bodies is relay |")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
