//! What the integration tests share: the loop around a hub, bytes of the wire, a world of hubs and clients under a virtual clock, a
//! live server and Manager, the built program, what kernels send.
#![allow(dead_code, reason = "each crate of tests uses its own part of these helpers")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "helpers of tests: a failure here is a failed test, and the live part measures real time"
)]

pub(crate) mod c2sim;
pub(crate) mod curve;
pub(crate) mod disk;
pub(crate) mod driver;
pub(crate) mod gmu;
pub(crate) mod guest;
pub(crate) mod ledger;
pub(crate) mod live;
pub(crate) mod manager;
pub(crate) mod member;
pub(crate) mod nobody;
#[cfg(feature = "daemon")]
pub(crate) mod program;
pub(crate) mod rcrs;
pub(crate) mod web;
pub(crate) mod wire;
pub(crate) mod world;
