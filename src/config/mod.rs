//! What a user may choose: one table of keys that the TOML file, the environment and the command line share.
//!
//! Owns [`Config`], its defaults, the table [`SETTINGS`] and the check of relations among values. Must not read files, the
//! environment or the command line itself: `main` hands the words in. Precedence is flags over environment over file over
//! defaults, simply by the order in which the sources are applied.

mod channel;
mod lines;
mod live;
mod node;
mod predefined;
mod settings;
mod values;

pub use channel::{ChannelPort, Drops};
pub use lines::line_of;
pub use log::LevelFilter;
pub use node::NodeRule;
pub use predefined::Predefined;
pub use settings::{SETTINGS, Setting, Value};
pub(crate) use values::invalid;
pub use values::{Config, Invalid};

pub use crate::auth::{Access, JwtRule, Role, UserRule};
pub use crate::c2sim::kind::Schema;
pub use crate::c2sim::state::{InitMerge, Options as SessionOptions, PausedAllows, ShareGuard, UnknownBodies};
