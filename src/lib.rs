//! instep keeps every participant of a distributed experiment or simulation in step.
#![forbid(unsafe_code)]

pub mod c2sim;
pub mod limits;
pub mod time;
