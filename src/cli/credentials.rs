//! What commands show to a Coordinator that asks who they are: a token, or keys, in files that flags or variables name.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::OnceLock;

use instep::auth::{Key, is_token, wipe};
use instep::client::{Fault, Keys, Loss, Mechanism, Options};
use instep::net::keys::{private_text, text_of};

use super::context;
use super::failure::{Failure, in_words};

/// A flag and the variable that takes its place.
#[derive(Debug)]
pub(super) struct Source {
    flag: &'static str,
    variable: &'static str,
    /// Its key in a context.
    key: &'static str,
    given: OnceLock<String>,
}

static TOKEN_FILE: Source = Source::new("--token-file", "INSTEP_TOKEN_FILE", "token_file");
static KEY: Source = Source::new("--key", "INSTEP_KEY", "key");
/// Its variable is that of a setting of the server, too.
static SERVER_KEY: Source = Source::new("--server-key", "INSTEP_SERVER_KEY", "server_key");

/// The one whose flag this is, without the dashes in front; one of the three.
pub(super) fn of_flag(long: &str) -> &'static Source {
    match long {
        "token-file" => &TOKEN_FILE,
        "key" => &KEY,
        _ => &SERVER_KEY,
    }
}

/// Whether a variable is one of these, and no setting of the server.
pub(super) fn is_variable(name: &str) -> bool {
    [&TOKEN_FILE, &KEY].iter().any(|source| source.variable == name)
}

impl Source {
    const fn new(flag: &'static str, variable: &'static str, key: &'static str) -> Self {
        Self { flag, variable, key, given: OnceLock::new() }
    }

    /// The flag has this value. The last one holds that is the first.
    pub(super) fn take(&self, value: OsString) -> Result<(), Failure> {
        let wrong = |value: OsString| Failure::usage(format!("{} '{}': not UTF-8", self.flag, value.display()));
        let value = value.into_string().map_err(wrong)?;
        self.given.set(value).map_err(|_| Failure::usage(format!("{}: once is enough", self.flag)))
    }

    /// Where it was named, and what: by the flag; else by the context that was chosen, if that names anything; else by the variable.
    fn named(&self) -> Option<(&'static str, String)> {
        if let Some(value) = self.given.get() {
            return Some((self.flag, value.clone()));
        }
        match context::shown() {
            Some(mut shown) => Some((self.key, shown.remove(self.key)?)),
            None => Some((self.variable, std::env::var(self.variable).ok().filter(|value| !value.is_empty())?)),
        }
    }
}

/// What flags have named, as a context keeps it: files by their whole paths, so that it is the same wherever one stands.
pub(super) fn flags() -> Result<BTreeMap<String, String>, Failure> {
    let mut flags = BTreeMap::new();
    for source in [&TOKEN_FILE, &KEY, &SERVER_KEY] {
        let Some(value) = source.given.get() else { continue };
        let is_letters = source.key == SERVER_KEY.key && Key::parse(value).is_some();
        let whole = if is_letters { Ok(value.into()) } else { std::path::absolute(value) };
        let whole = whole.map_err(|error| Failure::usage(format!("{} {value}: {}", source.flag, in_words(&error))))?;
        flags.insert(source.key.to_owned(), whole.display().to_string());
    }
    Ok(flags)
}

/// Reads what is named, so that what is wrong with it is said before anybody is asked.
pub(super) fn check() -> Result<(), Failure> {
    token().map(drop)?;
    keys().map(drop)
}

/// The token that is to be shown, if there is one.
pub(super) fn token() -> Result<Option<&'static str>, Failure> {
    static TOKEN: OnceLock<Option<String>> = OnceLock::new();
    if TOKEN.get().is_none() {
        let read = TOKEN_FILE.named().map(|(source, path)| read_token(source, &path)).transpose()?;
        return Ok(TOKEN.get_or_init(|| read).as_deref());
    }
    Ok(TOKEN.get().and_then(Option::as_deref))
}

/// The keys that are to be used, if there are any.
pub(super) fn keys() -> Result<Option<&'static Keys>, Failure> {
    static KEYS: OnceLock<Option<Keys>> = OnceLock::new();
    if KEYS.get().is_none() {
        let read = read_keys()?;
        return Ok(KEYS.get_or_init(|| read).as_ref());
    }
    Ok(KEYS.get().and_then(Option::as_ref))
}

/// A client with what there is to be shown: keys before a token.
pub(super) fn shown(options: Options) -> Result<Options, Failure> {
    Ok(match (keys()?, token()?) {
        (Some(keys), _) => options.keys(keys.clone()),
        (None, Some(token)) => options.login("?", token),
        (None, None) => options,
    })
}

fn read_token(source: &str, path: &str) -> Result<String, Failure> {
    let told = |why: &str| Failure::usage(format!("{source} {path}: {why}"));
    let text = private_text(Path::new(path)).map_err(|error| told(&in_words(&error)))?;
    let token = text.trim();
    if is_token(token) { Ok(token.to_owned()) } else { Err(told("there is no token in it (instep token new)")) }
}

fn read_keys() -> Result<Option<Keys>, Failure> {
    let Some((source, path)) = KEY.named() else {
        let alone = SERVER_KEY.given.get().is_some();
        let wrong = || Failure::usage("--server-key: our own key is wanted beside it (--key FILE; see: instep key)");
        return if alone { Err(wrong()) } else { Ok(None) };
    };
    let Some((server_source, server)) = SERVER_KEY.named() else {
        return Err(Failure::usage(format!(
            "{source}: the Coordinator's public key is wanted beside it (--server-key KEY|FILE; there: instep key show)"
        )));
    };
    let server = server_key(server_source, &server)?;
    let told = |why: &str| Failure::usage(format!("{source} {path}: {why}"));
    let secret = private_text(Path::new(&path)).map_err(|error| told(&in_words(&error)))?;
    let keys = Keys::read(&server, &secret).map_err(|error| told(&error.to_string()));
    wipe(secret);
    keys.map(Some)
}

/// The letters of a public key, or what is in a file.
fn server_key(source: &str, text: &str) -> Result<String, Failure> {
    if Key::parse(text).is_some() {
        return Ok(text.to_owned());
    }
    let told = |why: &str| Failure::usage(format!("{source} {text}: {why}"));
    if Path::new(text).file_name().is_some_and(|name| name.to_string_lossy().contains("secret")) {
        return Err(told("that is the file of a secret key; the public one is wanted (instep key show FILE)"));
    }
    let text = text_of(Path::new(text))
        .map_err(|error| told(&format!("no 40 letters of a key, and as a file: {}", in_words(&error))))?;
    instep::auth::public_key(&text).map(|key| key.to_string()).map_err(|why| told(&why))
}

/// What is to be done where the handshake has failed because of what was shown, or was not.
pub(super) fn cure(loss: &Loss) -> Option<String> {
    let (keys, token) = (keys().ok().flatten(), token().ok().flatten());
    match (loss, keys, token) {
        (Loss::Fault(Fault::RefusedByPeer(_)), Some(keys), _) => {
            Some(format!("give a user there our public key, {}, and reload its rules", keys.public()))
        }
        (Loss::Fault(Fault::RefusedByPeer(_)), None, Some(_)) => {
            Some("no user there has that token (--token-file), or it takes none from here (plain_remote)".to_owned())
        }
        (Loss::Fault(Fault::RefusedByPeer(_)), None, None) => {
            Some("show a key (--key FILE, --server-key KEY) or a token (--token-file FILE)".to_owned())
        }
        (Loss::Fault(Fault::CurveWelcome) | Loss::Closed | Loss::Reading(_), Some(keys), _) => Some(format!(
            "does it speak CURVE (server_key), and with the key of --server-key, {}? (there: instep key show FILE)",
            keys.server()
        )),
        (Loss::Fault(Fault::Wanted { ours: _, theirs }), ..) => Some(match theirs {
            Mechanism::Curve => "show a key (--key FILE, --server-key KEY)".to_owned(),
            Mechanism::Plain => "show a token (--token-file FILE)".to_owned(),
            Mechanism::Null => "it asks nobody who he is: without --key and --token-file".to_owned(),
        }),
        _ => None,
    }
}
