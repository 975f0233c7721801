//! What a command is: its row in a table, the arguments of one run, the connection it asks through, and what comes of it.

use std::time::Duration;

use instep::leco::name::of_visitor;
use serde_json::Value;

use super::super::client::{Client, Trouble};
use super::super::failure::Failure;

/// One command: all that there is to know about it.
pub(super) struct Command {
    /// One word, or two where the first names a family of commands.
    pub(super) name: &'static str,
    pub(super) arguments: &'static [Argument],
    pub(super) help: &'static str,
    pub(super) run: fn(&Given, &mut Connection) -> Result<Report, Stop>,
}

/// All commands: those of one word, and those of families, whose first word is the family's.
#[derive(Clone, Copy)]
pub(super) struct Commands {
    pub(super) plain: &'static [Command],
    pub(super) families: &'static [Family],
}

/// Commands that begin with the same word.
#[derive(Clone, Copy)]
pub(super) struct Family {
    pub(super) word: &'static str,
    /// What they do, as the help of all commands has it.
    pub(super) about: &'static str,
    /// The same as a sentence.
    pub(super) sentence: &'static str,
    pub(super) commands: &'static [Command],
    /// What the help of the family says below its commands.
    pub(super) help: &'static str,
    /// They ask a Coordinator.
    pub(super) asks: bool,
}

impl Family {
    /// Whether it has a command of that name.
    pub(super) fn has(&self, word: &str) -> bool {
        self.commands.iter().any(|command| command.name.split(' ').next_back() == Some(word))
    }
}

/// What may stand behind a command's name.
#[derive(Clone, Copy)]
pub(super) enum Argument {
    /// A word that must be given.
    Must(&'static str),
    /// A word that may be left out; stands behind all that must be given.
    May(&'static str),
    /// Any number of words, none included; the last of the words.
    Many(&'static str),
    /// A flag without value.
    Switch { long: &'static str, help: &'static str },
    /// A flag with a number of at least one.
    Number { short: char, long: &'static str, help: &'static str },
    /// A flag with a word.
    Text { long: &'static str, word: &'static str, help: &'static str },
}

impl Argument {
    /// The name of a word, and whether it must be given.
    pub(super) const fn word(&self) -> Option<(&'static str, bool)> {
        match self {
            Self::Must(name) => Some((name, true)),
            Self::May(name) => Some((name, false)),
            Self::Many(_) | Self::Switch { .. } | Self::Number { .. } | Self::Text { .. } => None,
        }
    }
}

/// The arguments of one run of a command, checked against its row of the table.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) words: Vec<String>,
    pub(super) switches: Vec<&'static str>,
    pub(super) numbers: Vec<(&'static str, u32)>,
    pub(super) texts: Vec<(&'static str, String)>,
}

impl Given {
    /// Word `n` behind the command; empty if it was left out.
    pub(super) fn word(&self, n: usize) -> &str {
        self.words.get(n).map_or("", String::as_str)
    }

    /// Word `n` as a name; without it, the Coordinator.
    pub(super) fn name(&self, n: usize) -> &str {
        self.words.get(n).map_or("COORDINATOR", String::as_str)
    }

    pub(super) fn switch(&self, long: &str) -> bool {
        self.switches.contains(&long)
    }

    pub(super) fn number(&self, long: &str) -> Option<u32> {
        self.numbers.iter().rev().find(|(flag, _)| *flag == long).map(|(_, number)| *number)
    }

    pub(super) fn text(&self, long: &str) -> Option<&str> {
        self.texts.iter().rev().find(|(flag, _)| *flag == long).map(|(_, text)| text.as_str())
    }
}

/// The same answer twice: for a script, and for a person.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) json: Value,
    pub(super) text: String,
}

/// Why a command has nothing to report.
#[derive(Debug)]
pub(super) enum Stop {
    /// It has said all that there is to say.
    Said,
    /// It cannot go on; says why.
    Failed(Failure),
    /// An argument makes no sense.
    Usage(String),
    /// The Coordinator, or whoever was asked, gave no result.
    Trouble(Trouble),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// The connection, made at the first question.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) address: String,
    /// The control port, where it is not found by the Coordinator's address.
    pub(super) control: Option<String>,
    pub(super) timeout: Duration,
    /// What is said is for a script.
    pub(super) json: bool,
    pub(super) client: Option<Client>,
}

impl Connection {
    pub(super) fn client(&mut self) -> Result<&mut Client, Trouble> {
        let client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(&self.address, &of_visitor(std::process::id()), self.timeout)?,
        };
        Ok(self.client.insert(client))
    }

    pub(super) fn ask(&mut self, receiver: &str, method: &str, params: &Value) -> Result<Value, Trouble> {
        self.client()?.ask(receiver, method, params)
    }

    /// The same where the answer may come with a document in a frame of its own.
    pub(super) fn ask_for_document(
        &mut self,
        receiver: &str,
        method: &str,
        params: &Value,
    ) -> Result<(Value, Option<Vec<u8>>), Trouble> {
        self.client()?.ask_for_document(receiver, method, params)
    }

    /// `name` with the node's namespace where it has none.
    pub(super) fn full(&mut self, name: &str) -> Result<String, Trouble> {
        let client = self.client()?;
        Ok(if name.contains('.') { name.to_owned() } else { format!("{}.{name}", client.namespace()) })
    }
}
