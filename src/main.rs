//! The `instep` program: `serve` (the default), `ctl`, `view`, `log`, `bench`.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
