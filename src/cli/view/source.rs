//! What `instep view` opens and connects by itself, as a controller would do it for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use instep::leco::name::of_visitor;
use serde_json::{Value, json};

use super::super::client::{Client, Trouble};
use super::super::ending::before_the_end;
use super::super::failure::Failure;
use super::super::print::complain;

/// Longest wait for a connection and for the first answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn failure(trouble: Trouble) -> Failure {
    let text = trouble.to_string();
    if trouble.is_absence() { Failure::nobody(text) } else { Failure::other(text) }
}

/// Where the timesteps are to come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A provider that is open.
    Provider(i64),
    /// A log, by its name as `ctl open` takes it.
    Log(String),
}

/// The ends of the names of logs: such a word is no host.
const LOG_ENDS: [&str; 8] = [".log", ".xz", ".7z", ".gz", ".lzma", ".vlog", ".jlog", ".zip"];

/// Whether a word of the command line names a log and no host.
pub(super) fn is_log(word: &str) -> bool {
    word.contains('/') || LOG_ENDS.iter().any(|end| word.len() > end.len() && word.ends_with(end))
}

/// How a provider is doing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// More may come of it.
    Well,
    /// It has ended in order, or was closed.
    Over,
    /// It has ended otherwise, in words.
    Failed(String),
}

/// The way to a source by a Coordinator.
#[derive(Debug)]
pub(super) struct Way {
    source: Source,
    /// `host:port`.
    coordinator: String,
    /// The provider, once it is known.
    provider: Option<i64>,
    opened: Opened,
}

/// The provider that was opened for this viewer, if one was: the number of none is 0. And whether the program is being ended by a signal.
#[derive(Clone, Debug, Default)]
struct Opened(Arc<(AtomicI64, AtomicBool)>);

impl Opened {
    /// Closes it. Who is not there any more has nothing open.
    fn close(&self, coordinator: &str) {
        let id = self.0.0.swap(0, Ordering::SeqCst);
        if id != 0 {
            drop(ask(coordinator, "close_provider", &json!({"provider": id})));
        }
    }
}

/// Calls a method of the Coordinator. Nobody is kept waiting by what it is: each call has a connection of its own.
fn ask(coordinator: &str, method: &str, params: &Value) -> Result<Value, Trouble> {
    let mut client = Client::connect(coordinator, &of_visitor(std::process::id()), TIMEOUT)?;
    let answer = client.ask("COORDINATOR", method, params);
    client.leave();
    answer.map_err(Trouble::in_words_of_manager)
}

impl Way {
    pub(super) fn new(source: Source, coordinator: String) -> Self {
        let opened = Opened::default();
        if matches!(source, Source::Log(_)) {
            let (opened, coordinator) = (opened.clone(), coordinator.clone());
            let watched = before_the_end(move || {
                opened.0.1.store(true, Ordering::SeqCst);
                opened.close(&coordinator);
            });
            if let Err(error) = watched {
                complain(&format!("what is opened here stays open when this is interrupted: {error}"));
            }
        }
        Self { source, coordinator, provider: None, opened }
    }

    fn ask(&self, method: &str, params: &Value) -> Result<Value, Trouble> {
        ask(&self.coordinator, method, params)
    }

    /// What the Manager says of a provider, if there is such a one.
    fn look(&self, id: i64) -> Result<Option<Value>, Trouble> {
        let told = self.ask("providers", &json!({"provider": [id]}))?;
        Ok(told.pointer("/providerinfo/0").cloned())
    }

    /// Brings the viewer of this id, which the Manager has told it, to the source, which is opened if it must be.
    pub(super) fn attach(&mut self, viewer: Option<i64>) -> Result<(), Failure> {
        let older = || {
            let which = "which viewer this is (it is older than this program)";
            Failure::other(format!("the Manager of {} does not say {which}", self.coordinator))
        };
        let viewer = viewer.ok_or_else(older)?;
        let provider = self.open().map_err(failure)?;
        let connected = self.ask("connect_viewer", &json!({"viewer": viewer, "provider": provider}));
        connected.map(|_| ()).map_err(failure)
    }

    /// The provider, opened anew where it is a log that is not open any more.
    fn open(&mut self) -> Result<i64, Trouble> {
        let name = match &self.source {
            Source::Provider(id) => return Ok(*self.provider.insert(*id)),
            Source::Log(name) => name.clone(),
        };
        if let Some(id) = self.provider
            && self.look(id)?.is_some_and(|row| word(&row, "ids") == name)
        {
            return Ok(id);
        }
        let answer = self.ask("open_provider", &json!({"logfilename": name}));
        let answer = answer.map_err(|trouble| self.in_words_of_log(&name, trouble))?;
        let id = answer.get("provider").and_then(Value::as_i64).unwrap_or_default();
        self.provider = Some(id);
        self.opened.0.0.store(id, Ordering::SeqCst);
        Ok(id)
    }

    /// What could not be opened stays listed with its reason, for its opener to look at: here nobody does, so it is closed, and the log is
    /// named instead of it.
    fn in_words_of_log(&self, log: &str, trouble: Trouble) -> Trouble {
        let Trouble::Denied(mut denial) = trouble else { return trouble };
        if let Some((id, reason)) = of_provider(&denial.message) {
            drop(self.ask("close_provider", &json!({"provider": id})));
            denial.message = format!("{log}: {reason}");
        }
        Trouble::Denied(denial)
    }

    /// How the provider is doing.
    pub(super) fn doing(&self) -> Result<Doing, Failure> {
        let Some(id) = self.provider else { return Ok(Doing::Well) };
        let Some(row) = self.look(id).map_err(failure)? else { return Ok(Doing::Over) };
        Ok(match word(&row, "status") {
            "closed" => Doing::Over,
            "errored" => Doing::Failed(word(&row, "message").to_owned()),
            _ => Doing::Well,
        })
    }

    /// Closes what was opened for this.
    pub(super) fn close(&self) {
        while self.opened.0.1.load(Ordering::SeqCst) {
            // Whoever does that has it ended as the signal wants it.
            std::thread::park();
        }
        self.opened.close(&self.coordinator);
    }
}

/// A text that is told; empty where it is not.
fn word<'a>(row: &'a Value, key: &str) -> &'a str {
    row.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The provider that a sentence of the Manager is about, and what it says of it.
fn of_provider(message: &str) -> Option<(i64, &str)> {
    let (id, reason) = message.strip_prefix("provider ")?.split_once(": ")?;
    Some((id.parse().ok()?, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_provider_is_told_from_what_is_said_of_none() {
        assert_eq!(of_provider("provider 12: cut at 3: no more"), Some((12, "cut at 3: no more")));
        for other in
            ["there is no log 'provider 1: x'", "provider 1 is a log", "provider x: y", "64 providers are open"]
        {
            assert_eq!(of_provider(other), None, "{other}");
        }
    }

    #[test]
    fn a_log_is_told_from_a_host_by_its_name() {
        for word in ["run.log", "rescue.log.7z", "a/b", "x.vlog", "./lab", "kobe.jlog.zip"] {
            assert!(is_log(word), "{word}");
        }
        for word in ["lab", "lab.example", "127.0.0.1", "lab:12311", ".log", "logs"] {
            assert!(!is_log(word), "{word}");
        }
    }
}
