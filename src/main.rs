//! The `instep` program: `serve` (the default), `ctl`, `bench`.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
