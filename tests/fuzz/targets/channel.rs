#![no_main]

#[path = "../bodies/mod.rs"]
mod bodies;
mod common;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::channel::run(bytes));
