//! instep keeps every participant of a distributed experiment or simulation in step.
#![forbid(unsafe_code)]

pub mod control;
pub mod limits;
pub mod time;
