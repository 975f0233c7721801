//! A log in numbers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

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
    pub(super) steps: BTreeMap<i64, Timestep>,
    /// What was asked of entities, as it stands after the last timestep; `None` where there is no such entity.
    pub(super) entities: Vec<(i32, Option<Map<String, Value>>)>,
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
