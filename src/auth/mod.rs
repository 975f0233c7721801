//! Who may do what: users, their roles and credentials, and the one question that all doors ask.
//!
//! Owns the rules that a configuration describes, judged as a whole before any of them holds, and [`may`], which is pure. A [`Users`] answers
//! who somebody is, by key, by token or by address, and who that is now if the rules have changed. It must not know connections, protocols or
//! files: whoever reads a file hands its text in.
//!
//! Nothing can be forbidden here: what no role and no list grants is refused, and the order of the rules means nothing.

mod jwt;
mod key;
mod may;
mod pattern;
mod role;
mod rsa;
mod rule;
#[cfg(test)]
mod tests;
mod token;
mod user;
mod users;

pub use jwt::JwtRule;
pub use key::{Key, KeyFile, public_key, secret_key, wipe};
pub use may::{Action, Target, may, wanted, why};
pub use pattern::{Pattern, Patterns};
pub use role::Role;
pub use rule::UserRule;
pub use token::{hash_of, is_token, token_of};
pub use user::{User, UserId};
pub use users::{Access, Credential, Login, Origin, Users, Wrong};
