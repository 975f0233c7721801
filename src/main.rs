//! The `instep` program.
fn main() {}
