//! A log in numbers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::census::{Census, History};

/// How many of each kind, in the order of the kinds.
pub(super) type Counts = Vec<(&'static str, usize)>;

/// A log in numbers.
#[derive(Debug, Default)]
pub(super) struct Digest {
    pub(super) kind: &'static str,
    /// The log ends with its last record.
    pub(super) whole: bool,
    /// Bytes of the file, and of what was packed into it.
    pub(super) bytes: u64,
    pub(super) unpacked: Option<u64>,
    pub(super) records: Counts,
    /// The last timestep that has updates, and the one that was planned.
    pub(super) time_max: i64,
    pub(super) timesteps_planned: Option<i64>,
    pub(super) config_keys: usize,
    pub(super) map_name: Option<String>,
    pub(super) areas: usize,
    /// Corners of the map in millimetres: west, south, east, north.
    pub(super) bounds: Option<[f64; 4]>,
    /// Moves that end at an area rather than at a point.
    pub(super) moves_without_point: usize,
    /// Properties that updates mark as having no value.
    pub(super) undefined: Counts,
    /// What was passed over as not known.
    pub(super) skipped: usize,
    pub(super) steps: BTreeMap<i64, Box<Timestep>>,
    /// What was asked of entities, as it stands after the last timestep; `None` where there is no such entity.
    pub(super) entities: Vec<(i32, Option<Map<String, Value>>)>,
    /// All is of one timestep: so are the entities.
    pub(super) is_of_one_time: bool,
    /// What changed of them, by id, in the order of time.
    pub(super) history: History,
    /// How the run stood, by time, where that is wanted.
    pub(super) scores: BTreeMap<i64, Box<Census>>,
}

impl Digest {
    /// Leaves no timestep but this.
    ///
    /// # Errors
    /// There is none of this time; says which there are, as the end of a sentence about the file.
    pub(super) fn keep_alone(&mut self, time: i64) -> Result<(), String> {
        if !self.steps.contains_key(&time) {
            let (first, last) = (self.steps.keys().next(), self.steps.keys().next_back());
            let range = first.zip(last).map_or_else(String::new, |(first, last)| format!(": it has {first} to {last}"));
            return Err(format!("has no timestep {time}{range}"));
        }
        self.is_of_one_time = true;
        self.steps.retain(|step, _| *step == time);
        self.scores.retain(|step, _| *step == time);
        self.history.values_mut().for_each(|changes| changes.retain(|(step, _)| *step == time));
        self.history.retain(|_, changes| !changes.is_empty());
        Ok(())
    }
}

impl Timestep {
    /// Whether the log was cut off in it: there is no world of it.
    pub(super) fn is_cut(&self) -> bool {
        self.entities.is_empty()
    }
}

/// The counts of one timestep; 0 is the world before the first.
#[derive(Debug, Default)]
pub(super) struct Timestep {
    pub(super) entities: Counts,
    pub(super) commands: Counts,
    pub(super) changed: usize,
    pub(super) deleted: usize,
    pub(super) perceptions: usize,
}
