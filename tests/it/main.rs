//! What the crate does as a whole, a module for each matter: rooms against bytes of others, hubs under a virtual clock, real servers over
//! sockets, the built program. `cargo test --test it session` runs what has `session` in its name.
//!
//! The modules share a process and its threads: folders and ports are each test's own, and nothing here changes the environment, the
//! working directory or a limit of the process.
#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;

#[cfg(feature = "daemon")]
mod audit;
mod auth;
#[cfg(feature = "daemon")]
mod auth_cli;
#[cfg(feature = "daemon")]
mod bench_cli;
mod c2sim_data;
mod c2sim_initialization;
mod c2sim_message;
mod c2sim_schema;
mod c2sim_slices;
mod c2sim_state;
mod channel;
#[cfg(feature = "daemon")]
mod channel_cli;
#[cfg(feature = "daemon")]
mod check_cli;
mod chunks;
mod client;
mod clock;
#[cfg(feature = "daemon")]
mod completions_cli;
mod connections;
mod context_cli;
mod control;
#[cfg(all(feature = "daemon", feature = "ledger"))]
mod copies_cli;
mod ctl_cli;
mod curve;
mod curve_hub;
mod examples;
mod face;
mod feed;
mod fuzz;
mod gmu;
#[cfg(feature = "daemon")]
mod jwt;
#[cfg(feature = "daemon")]
mod keys_cli;
mod large;
mod leco;
#[cfg(feature = "ledger")]
mod ledger;
mod manager;
#[cfg(feature = "daemon")]
mod manager_cli;
mod manager_data;
mod manager_kernel;
mod manager_memory;
mod manager_open;
mod manager_worlds;
#[cfg(feature = "daemon")]
mod mistakes;
mod mutated;
#[cfg(feature = "daemon")]
mod output_cli;
mod overload;
#[cfg(feature = "daemon")]
mod ports_cli;
#[cfg(feature = "daemon")]
mod protocol;
mod rcrs_data;
mod rcrs_kernel;
mod rcrs_log;
#[cfg(all(feature = "daemon", feature = "ledger"))]
mod readme;
mod recording;
#[cfg(all(feature = "daemon", target_os = "linux"))]
mod recording_cli;
#[cfg(feature = "daemon")]
mod serve_cli;
mod session;
mod session_away;
#[cfg(feature = "daemon")]
mod session_cli;
mod session_keep;
mod session_manager;
mod session_share;
mod session_slices;
#[cfg(all(feature = "daemon", feature = "ledger"))]
mod shares;
mod state_cli;
mod stomp;
#[cfg(feature = "daemon")]
mod supervised;
mod tidy;
#[cfg(all(feature = "daemon", feature = "tls"))]
mod tls;
mod view_cli;
mod walls;
#[cfg(feature = "daemon")]
mod web;
mod web_events;
mod web_rpc;
mod web_session;
mod web_viewer;
mod zmtp;
