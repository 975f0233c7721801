//! instep keeps every participant of a distributed experiment or simulation in step.
#![forbid(unsafe_code)]

pub mod c2sim;
pub mod config;
pub mod control;
pub mod counters;
pub mod hub;
pub mod leco;
pub mod limits;
pub mod net;
pub mod rcrs;
pub mod store;
pub mod time;
pub mod zmtp;
