//! Files with keys, and the directory of public ones.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use crate::auth::{Access, JwtRule, KeyFile, UserRule, Users};
use crate::config::Config;
use crate::limits::{KEY_FILE_BYTES_MAX, USERS_MAX};
use crate::store::order;

/// The configuration with the users of `keys_dir` behind its own, and the key that JWTs are signed by.
///
/// # Errors
/// What is wrong with the directory or one of its files, in one line that names it.
pub fn with_keys(mut config: Config) -> Result<Config, String> {
    if let Some(jwt) = config.jwt.as_mut().filter(|jwt| jwt.pem.is_empty()) {
        read_issuer(jwt).map_err(|why| format!("jwt: {why}"))?;
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
    order::sort(&mut paths);
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

/// Reads the key that JWTs are signed by, and judges it.
///
/// # Errors
/// It cannot be read, or is none: says what to do.
pub fn read_issuer(jwt: &mut JwtRule) -> Result<(), String> {
    let told = |why: String| {
        let cure = "name the file of the issuer's public key, which begins with -----BEGIN PUBLIC KEY-----";
        format!("public_key {}: {why}: {cure}", jwt.public_key)
    };
    let pem = text_of(Path::new(&jwt.public_key)).map_err(|error| told(error.to_string()))?;
    let rule = JwtRule { pem, ..jwt.clone() };
    let mut nobody = Users::judge(Access::Off, false, "", &[], None).map_err(|wrong| wrong.to_string())?;
    nobody.believe(&rule, None).map_err(|why| format!("{why}: name the file of the issuer's public key"))?;
    *jwt = rule;
    Ok(())
}

/// The text of a small file.
///
/// # Errors
/// It cannot be read, or is too long to hold a key.
pub fn text_of(path: &Path) -> io::Result<String> {
    bounded(opened(path, false)?, KEY_FILE_BYTES_MAX)
}

/// The text of a small file with a secret in it, which nobody but its owner may read.
///
/// # Errors
/// As for [`text_of`], or others may read it: says what to do then.
pub fn private_text(path: &Path) -> io::Result<String> {
    private_within(path, KEY_FILE_BYTES_MAX)
}

/// The same of at most so many bytes.
pub(super) fn private_within(path: &Path, most: usize) -> io::Result<String> {
    let file = opened(path, true)?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions()) & 0o077 != 0 {
        let shown = path.display();
        return Err(io::Error::other(format!("others than its owner may read it: chmod 600 {shown}")));
    }
    bounded(file, most)
}

/// Opens a file to read it; where it is another user's, the error says what to do.
fn opened(path: &Path, is_secret: bool) -> io::Result<fs::File> {
    fs::File::open(path).map_err(|error| of_another(path, is_secret, &error).unwrap_or(error))
}

#[cfg(unix)]
fn of_another(path: &Path, is_secret: bool, error: &io::Error) -> Option<io::Error> {
    let found = fs::metadata(path).ok().filter(|_| error.kind() == io::ErrorKind::PermissionDenied)?;
    let (owner, me) = (std::os::unix::fs::MetadataExt::uid(&found), rustix::process::geteuid().as_raw());
    let shown = path.display();
    // What everybody may know is not taken from who has it.
    let cure = if is_secret { format!("chown {me} {shown}") } else { format!("chmod a+r {shown}") };
    let why = || format!("it belongs to user {owner}, and this is user {me}: {cure}");
    (owner != me).then(|| io::Error::other(why()))
}

/// There nobody is known by a number.
#[cfg(not(unix))]
const fn of_another(_: &Path, _: bool, _: &io::Error) -> Option<io::Error> {
    None
}

/// The text of an open file of at most so many bytes.
pub(super) fn bounded(file: fs::File, most: usize) -> io::Result<String> {
    let mut text = String::new();
    file.take(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1)).read_to_string(&mut text)?;
    if text.len() > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too long for a key"));
    }
    Ok(text)
}
