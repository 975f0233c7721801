//! A result as a line of text, or of JSON.

use std::collections::BTreeMap;

use instep::control;
use instep::control::client::{Value as Whole, ViewerResult};
use instep::control::record::EntityType;
use instep::control::replay::{self, Record};
use instep::control::section::Section;
use instep::control::value::Reader;
use serde_json::json;

use super::super::framed;
use super::super::visible::visible;

/// The sections of a result that are there.
pub(super) struct Sections<'a>(Option<Record<'a>>);

impl<'a> Sections<'a> {
    pub(super) fn read(result: &ViewerResult<'a>) -> Result<Self, control::Error> {
        if result.record.is_empty() {
            Ok(Self(None))
        } else {
            Record::read(result.record).map(|record| Self(Some(record)))
        }
    }

    fn get(&self, section: Section) -> Option<&'a [u8]> {
        self.0?.section(section)
    }

    pub(super) fn any(&self) -> bool {
        Section::ALL.into_iter().any(|section| self.get(section).is_some())
    }
}

pub(super) fn as_json(result: &ViewerResult<'_>) -> Result<String, control::Error> {
    let record = if result.record.is_empty() { Whole::Nil } else { Whole::decode(result.record)? };
    let document = json!({
        "request": result.request.0, "message": result.message, "result": result.result, "time": result.time,
        "record": framed::json(&record),
    });
    Ok(document.to_string())
}

/// A result as a line: its time and what each section comes to.
pub(super) fn as_text(result: &ViewerResult<'_>, sections: &Sections<'_>) -> Result<String, control::Error> {
    let mut parts = Vec::new();
    for section in Section::ALL {
        let Some(value) = sections.get(section) else { continue };
        parts.push(match section {
            Section::Map => {
                let map = replay::map(value)?;
                let (areas, width, height) = (map.areas.len(), map.width / 1000.0, map.height / 1000.0);
                format!(
                    "map {width:.1} m x {height:.1} m, {areas} areas{}",
                    by_type(map.areas.iter().map(|area| area.kind.word()))
                )
            }
            Section::World => {
                let world = replay::entities(value)?;
                format!("world {}{}", world.len(), by_type(world.iter().map(|entity| kind_of(entity.kind))))
            }
            Section::Commands => {
                let actions = replay::actions(value)?;
                format!("commands {}{}", actions.len(), by_type(actions.iter().map(|action| action.kind.word())))
            }
            Section::Changes => {
                let changes = replay::entities(value)?;
                let created = changes.iter().filter(|change| change.created).count();
                let deleted = changes.iter().filter(|change| change.deleted).count();
                let changed = changes.iter().filter(|change| !change.created && !change.deleted).count();
                let kinds = by_type(changes.iter().map(|change| kind_of(change.kind)));
                format!("changed {changed}, created {created}, deleted {deleted}{kinds}")
            }
            Section::Config => format!("config {} keys", replay::config(value)?.len()),
            Section::Perceptions => format!("perceptions {}", Reader::new(value).map()?.unwrap_or(0)),
        });
    }
    if let Some(score) = sections.0.and_then(|record| record.score) {
        parts.push(format!("score {score:.3}"));
    }
    if !result.message.is_empty() {
        parts.push(visible(result.message).into_owned());
    }
    let text = if parts.is_empty() { "nothing to show".to_owned() } else { parts.join("; ") };
    Ok(format!("{:>5}  {text}", result.time))
}

/// The word of an entity's type, which an old recording may not tell.
pub(in crate::cli) fn kind_of(kind: Option<EntityType>) -> &'static str {
    kind.unwrap_or(EntityType::Unknown).word()
}

/// How many of each type, in brackets; nothing where there are none.
fn by_type(words: impl Iterator<Item = &'static str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
    if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) }
}
