//! The token that commands show to a Coordinator that asks: in a file, which `--token-file` or `INSTEP_TOKEN_FILE` names.

use std::fs;
use std::sync::OnceLock;

use instep::auth::is_token;

use super::failure::{Failure, in_words};

/// The variable that names the file.
pub(super) const VARIABLE: &str = "INSTEP_TOKEN_FILE";

static TOKEN: OnceLock<String> = OnceLock::new();

/// The token in this file is to be shown.
pub(super) fn use_file(path: &str) -> Result<(), Failure> {
    let token = read("--token-file", path)?;
    TOKEN.get_or_init(|| token);
    Ok(())
}

/// The token that is to be shown, if there is one.
pub(super) fn given() -> Result<Option<&'static str>, Failure> {
    if TOKEN.get().is_none()
        && let Some(path) = std::env::var(VARIABLE).ok().filter(|path| !path.is_empty())
    {
        let token = read(VARIABLE, &path)?;
        TOKEN.get_or_init(|| token);
    }
    Ok(TOKEN.get().map(String::as_str))
}

fn read(source: &str, path: &str) -> Result<String, Failure> {
    let told = |why: &str| Failure::usage(format!("{source} {path}: {why}"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path).map_err(|error| told(&in_words(&error)))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(told(&format!("others than its owner may read it: chmod 600 {path}")));
        }
    }
    let text = fs::read_to_string(path).map_err(|error| told(&in_words(&error)))?;
    let token = text.trim();
    if is_token(token) { Ok(token.to_owned()) } else { Err(told("there is no token in it (instep token new)")) }
}
