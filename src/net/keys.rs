//! Files with keys, the directory of public ones, and the rules of users read anew.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use crate::auth::{KeyFile, UserRule};
use crate::config::Config;
use crate::hub::rulebook::Rulebook;
use crate::limits::{KEY_FILE_BYTES_MAX, USERS_MAX};

/// The configuration with the users of `keys_dir` behind its own, and the key that JWTs are signed by.
///
/// # Errors
/// What is wrong with the directory or one of its files, in one line that names it.
pub fn with_keys(mut config: Config) -> Result<Config, String> {
    if let Some(jwt) = config.jwt.as_mut().filter(|jwt| jwt.pem.is_empty()) {
        let path = Path::new(&jwt.public_key);
        jwt.pem = text_of(path).map_err(|error| format!("jwt: public_key {}: {error}", path.display()))?;
    }
    if config.keys_dir.is_empty() {
        return Ok(config);
    }
    let directory = Path::new(&config.keys_dir);
    let told = |error: io::Error| format!("keys_dir {}: {error}", directory.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(told)? {
        let path = entry.map_err(told)?.path();
        if path.is_file() {
            paths.push(path);
        }
        if paths.len() > USERS_MAX {
            return Err(format!("keys_dir {}: there are more than {USERS_MAX} files", directory.display()));
        }
    }
    paths.sort();
    for path in paths {
        let told = |why: String| format!("keys_dir {}: {why}", directory.display());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = text_of(&path).map_err(|error| told(format!("{name}: {error}")))?;
        if let Some(file) = KeyFile::judge(&name, &text).map_err(told)? {
            config.users.push(UserRule::of_file(file));
        }
    }
    Ok(config)
}

/// The text of a small file.
///
/// # Errors
/// It cannot be read, or is too long to hold a key.
pub fn text_of(path: &Path) -> io::Result<String> {
    bounded(fs::File::open(path)?)
}

/// The text of a small file with a secret in it, which nobody but its owner may read.
///
/// # Errors
/// As for [`text_of`], or others may read it: says what to do then.
pub fn private_text(path: &Path) -> io::Result<String> {
    let file = fs::File::open(path)?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions()) & 0o077 != 0 {
        let shown = path.display();
        return Err(io::Error::other(format!("others than its owner may read it: chmod 600 {shown}")));
    }
    bounded(file)
}

fn bounded(file: fs::File) -> io::Result<String> {
    let mut text = String::new();
    let most = u64::try_from(KEY_FILE_BYTES_MAX).unwrap_or(u64::MAX);
    file.take(most + 1).read_to_string(&mut text)?;
    if text.len() > KEY_FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too long for a key"));
    }
    Ok(text)
}

/// Reads a configuration when it is asked for.
pub(super) type Reader = Box<dyn FnMut() -> Result<Config, String> + Send>;

/// What the hub reads the rules of users from.
pub(super) struct Rules(pub(super) Reader);

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rules")
    }
}

impl Rulebook for Rules {
    fn read(&mut self) -> Result<Config, String> {
        (self.0)().and_then(with_keys)
    }
}
