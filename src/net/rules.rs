//! The rules of users read anew, and what is read with them.

use std::fmt;

use super::keys::with_keys;
use crate::config::Config;
use crate::hub::rulebook::Rulebook;

/// Reads a configuration when it is asked for.
pub(super) type Reader = Box<dyn FnMut() -> Result<Config, String> + Send>;

/// What the hub reads the rules of users from, and the certificates that are read with them.
pub(super) struct Rules {
    pub(super) read: Reader,
    #[cfg(feature = "tls")]
    pub(super) tls: super::tls::Certificates,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rules")
    }
}

impl Rulebook for Rules {
    fn read(&mut self) -> Result<Config, String> {
        let config = (self.read)().and_then(with_keys)?;
        #[cfg(feature = "tls")]
        self.tls.read(&config)?;
        Ok(config)
    }

    fn hold(&mut self) {
        #[cfg(feature = "tls")]
        self.tls.hold();
    }
}
