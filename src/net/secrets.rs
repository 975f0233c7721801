//! Secret keys: files that nobody but their owner may read, and chance from the operating system.

use std::path::Path;

use super::keys::private_text;
use crate::auth::secret_key;
use crate::config::Config;
use crate::hub::{Entropy, SecretKey, Secrets};

/// The secret keys that a configuration names.
///
/// # Errors
/// What is wrong with a file, in one line that names it and says what to do.
pub(super) fn read(config: &Config) -> Result<Secrets, String> {
    let key = |setting: &str, path: &str| {
        let wrong = |why: String| format!("{setting} {path}: {why}");
        if path.is_empty() { Ok(None) } else { secret_of(path).map(Some).map_err(wrong) }
    };
    Ok(Secrets { server: key("server_key", &config.server_key)?, client: key("client_key", &config.client_key)? })
}

fn secret_of(path: &str) -> Result<SecretKey, String> {
    let text = private_text(Path::new(path)).map_err(|error| error.to_string())?;
    let read = secret_key(&text);
    crate::auth::wipe(text);
    let (secret, public) = read?;
    Ok(SecretKey { secret, public: public.map(|key| key.0) })
}

/// Chance that nobody can guess.
pub(super) fn entropy() -> Entropy {
    Box::new(|place| {
        let filled = getrandom::fill(place);
        if let Err(error) = &filled {
            log::error!("the operating system has no chance to give: {error}");
        }
        filled.is_ok()
    })
}
