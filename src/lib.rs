//! instep keeps every participant of a distributed experiment or simulation in step.
#![forbid(unsafe_code)]

pub mod limits;
pub mod store;
pub mod time;
pub mod zmtp;
