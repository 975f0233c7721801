//! Named contexts: Coordinators that a person asks often, each under a name of his own, with the files of what is shown there.
//!
//! They stand in a small file of the user's, `instep/contexts.toml` in the directory of configurations. It names files of keys and tokens, and
//! has no secret in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use instep::net::modes::{make_directory, with_mode};
use instep::spelling::meant;
use serde_json::Value;

use super::failure::{Failure, in_words};

/// The variable that names one.
pub(super) const VARIABLE: &str = "INSTEP_CONTEXT";
/// The word that stands for none of them.
pub(super) const NONE: &str = "none";

/// Bytes that the file may have.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 64;
/// What a context may say beside its address: the flag, and its key in the file.
pub(super) const SHOWN: [(&str, &str); 3] =
    [("--token-file", "token_file"), ("--key", "key"), ("--server-key", "server_key")];

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) address: String,
    /// Files, by their keys of [`SHOWN`]; `server_key` may be the letters of the key.
    pub(super) shown: BTreeMap<String, String>,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contexts {
    /// The one that is asked where nothing else is said.
    pub(super) used: Option<String>,
    pub(super) all: BTreeMap<String, Context>,
}

/// The one that was chosen last.
static CHOSEN: Mutex<Option<Context>> = Mutex::new(None);

/// What the chosen one says is to be shown; `None` where none is chosen, or it shows nothing.
pub(super) fn shown() -> Option<BTreeMap<String, String>> {
    let chosen = CHOSEN.lock().unwrap_or_else(PoisonError::into_inner);
    chosen.as_ref().filter(|context| !context.shown.is_empty()).map(|context| context.shown.clone())
}

/// Chooses this one, or none.
pub(super) fn choose(context: Option<Context>) {
    *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) = context;
}

/// Whether it can be the name of one: an address has a dot or a colon, a port has digits alone.
pub(super) fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && !text.bytes().all(|byte| byte.is_ascii_digit())
        && text != NONE
}

/// Where they stand; `None` where this user has no directory of configurations.
fn file() -> Option<PathBuf> {
    if cfg!(test) {
        // Tests of one function are not to depend on who runs them.
        return None;
    }
    let directory = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    #[cfg(not(windows))]
    let usual = || directory("HOME").map(|home| home.join(".config"));
    #[cfg(windows)]
    let usual = || directory("APPDATA");
    Some(directory("XDG_CONFIG_HOME").or_else(usual)?.join("instep").join("contexts.toml"))
}

impl Contexts {
    /// Those of this user.
    pub(super) fn load() -> Result<Self, Failure> {
        let Some(file) = file() else { return Ok(Self::default()) };
        let told = |why: &str| Failure::usage(format!("{}: {why} (mend it, or remove it)", file.display()));
        let opened = match fs::File::open(&file) {
            Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
                return Ok(Self::default());
            }
            opened => opened.map_err(|error| told(&in_words(&error)))?,
        };
        let mut text = String::new();
        let read = opened.take(FILE_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|error| told(&in_words(&error)))?;
        Self::read(&text).map_err(|why| told(&why))
    }

    fn read(text: &str) -> Result<Self, String> {
        let document: Value = basic_toml::from_str(text).map_err(|error| error.to_string())?;
        let mut contexts = Self::default();
        let text_of = |key: &str, value: &Value| {
            value.as_str().map(str::to_owned).ok_or_else(|| format!("{key}: text is wanted"))
        };
        for (key, value) in document.as_object().into_iter().flatten() {
            match (key.as_str(), value) {
                ("use", value) => contexts.used = Some(text_of("use", value)?),
                ("contexts", Value::Object(all)) => {
                    for (name, entry) in all {
                        contexts.all.insert(name.clone(), Context::read(name, entry)?);
                    }
                }
                _ => return Err(format!("there is no key '{key}'")),
            }
        }
        Ok(contexts)
    }

    /// The one of this name.
    pub(super) fn find(&self, source: &str, name: &str) -> Result<Context, Failure> {
        self.all.get(name).cloned().ok_or_else(|| {
            let meant = meant(name, self.all.keys().map(String::as_str));
            Failure::usage(format!(
                "{source} '{name}': there is no such context{meant} (see: instep ctl context list, or make it: instep ctl context add NAME ADDRESS)"
            ))
        })
    }

    /// Writes them down: those who read see the old ones or the new ones, whole.
    pub(super) fn save(&self) -> Result<(), Failure> {
        let file = file().ok_or_else(|| {
            Failure::other("there is no place for contexts: set HOME, or XDG_CONFIG_HOME, to a directory of yours")
        })?;
        let directory = file.parent().unwrap_or(&file);
        let told =
            |path: &Path, error: &std::io::Error| Failure::other(format!("{}: {}", path.display(), in_words(error)));
        make_directory(directory).map_err(|error| told(directory, &error))?;
        let draft = directory.join(format!(".contexts.{}", std::process::id()));
        let written = write(&draft, &self.text()).and_then(|()| fs::rename(&draft, &file));
        written.map_err(|error| {
            drop(fs::remove_file(&draft));
            told(&file, &error)
        })
    }

    /// As TOML.
    fn text(&self) -> String {
        let mut text = String::from("# Coordinators by name; written by: instep ctl context\n");
        if let Some(used) = &self.used {
            put(&mut text, "use", used);
        }
        for (name, context) in &self.all {
            text.push_str(&format!("\n[contexts.{name}]\n"));
            put(&mut text, "address", &context.address);
            context.shown.iter().for_each(|(key, value)| put(&mut text, key, value));
        }
        text
    }
}

impl Context {
    fn read(name: &str, entry: &Value) -> Result<Self, String> {
        if !is_name(name) {
            return Err(format!("'{name}' is no name of a context"));
        }
        let mut context = Self::default();
        for (key, value) in entry.as_object().into_iter().flatten() {
            let value = value.as_str().ok_or_else(|| format!("contexts.{name}.{key}: text is wanted"))?.to_owned();
            if key == "address" {
                context.address = value;
            } else if SHOWN.iter().any(|(_, known)| known == key) {
                context.shown.insert(key.clone(), value);
            } else {
                return Err(format!("contexts.{name}: there is no key '{key}'"));
            }
        }
        if context.address.is_empty() { Err(format!("contexts.{name}: address is missing")) } else { Ok(context) }
    }
}

/// A line of TOML: what JSON puts between quotation marks is what that does, too.
fn put(text: &mut String, key: &str, value: &str) {
    text.push_str(&format!("{key} = {}\n", Value::from(value)));
}

/// Writes a file that is not there yet, for this user alone, and waits until the disk has it.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = with_mode(0o600).write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut contexts = Contexts { used: Some("lab".to_owned()), ..Contexts::default() };
        let shown = [("key", "/keys/boss \"1\".secret"), ("server_key", "/keys/\u{e4}.key")];
        let shown = shown.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        contexts.all.insert("lab".to_owned(), Context { address: "lab:12300".to_owned(), shown });
        contexts.all.insert("a-b_1".to_owned(), Context { address: "[::1]:7".to_owned(), ..Context::default() });
        assert_eq!(Contexts::read(&contexts.text()), Ok(contexts));
        assert_eq!(Contexts::read(""), Ok(Contexts::default()));
    }

    #[test]
    fn a_file_that_is_wrong_is_refused_with_what_is_wrong_in_it() {
        for (text, why) in [
            ("x = 1", "there is no key 'x'"),
            ("use = 1", "use: text is wanted"),
            ("contexts = 1", "there is no key 'contexts'"),
            ("[contexts.a]", "contexts.a: address is missing"),
            ("[contexts.a]\naddress = 1", "contexts.a.address: text is wanted"),
            ("[contexts.a]\naddress = \"x\"\ntoken = \"y\"", "contexts.a: there is no key 'token'"),
            ("[contexts.1]\naddress = \"x\"", "'1' is no name of a context"),
        ] {
            assert_eq!(Contexts::read(text), Err(why.to_owned()), "{text}");
        }
        assert!(Contexts::read("[").is_err());
    }

    #[test]
    fn a_name_is_no_address() {
        assert!(["lab", "lab-1", "a", "1a", "N_1"].into_iter().all(is_name));
        assert!(
            ["", "lab:1", "10.0.0.1", "12300", ":1", "http://lab", "none", "a b"]
                .into_iter()
                .all(|text| !is_name(text))
        );
        assert!(!is_name(&"x".repeat(65)));
    }
}
