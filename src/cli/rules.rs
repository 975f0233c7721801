//! `instep token` and `instep may`: what goes into the rules of users, and what comes of them.

use std::ffi::OsString;

use instep::auth::{hash_of, token_of};
use instep::hub::judge;
use instep::leco::name::of_visitor;
use lexopt::prelude::{Long, Short, Value as Word};
use serde_json::{Value, json};

use super::client::Client;
use super::credentials;
use super::failure::Failure;
use super::flags::no_flag;
use super::print::say;
use super::serve;

pub(super) const TOKEN_HELP: &str = "\
instep token makes a token: who has it is that user, over HTTP (Authorization: Bearer), as passcode over STOMP, and at the control port
(function 6).

Usage: instep token new USER

It is printed once, and is kept nowhere: the file of settings has its hash alone, in the line that is printed below it.

Exit codes: 0 it is printed; 2 the command line is wrong.
";

pub(super) const MAY_HELP: &str = "\
instep may says whether a user may do something, and which line of the rules decides.

Usage: instep may [options] USER|KEY ACTION [TARGET]

  USER    the name of a user, or a public key
  ACTION  the name of a method, as instep ctl methods has them; send; or a kind of document: initialization, orders,
          reports, other
  TARGET  a name to sign in under or to send to, a namespace, or a session

      --config FILE        by the rules in this file (also: INSTEP_CONFIG)
  -a, --address HOST:PORT  by the rules of the Coordinator that runs there, or of a context
      --context NAME       by those of the Coordinator of that name (see: instep ctl context)
      --token-file FILE    there, as the administrator whose token is in this file (also: INSTEP_TOKEN_FILE)
      --key FILE           there, as the administrator whose secret key is in this file (also: INSTEP_KEY)
      --server-key KEY     and the public key that is there, or a file with it (also: INSTEP_SERVER_KEY)

Exit codes: 0 yes; 1 no, or it cannot be told; 2 there is no such user or action, or the command line is wrong; 3 nobody is
there or answers in time.
";

/// Makes a token.
pub(super) fn token(words: Vec<OsString>) -> Result<(), Failure> {
    let words = plain_words(words, "token", TOKEN_HELP)?;
    let Some(words) = words else { return Ok(()) };
    let [what, user] = words.as_slice() else {
        return Err(Failure::usage("token: a user is wanted (usage: instep token new USER)"));
    };
    if what != "new" {
        return Err(Failure::usage(format!("token: there is no '{what}' (usage: instep token new USER)")));
    }
    let token = token_of(&chance()?);
    say(&format!(
        "{token}\n\nThis is the only time that it is shown. In the file of settings, below [[users]] with name = {}:\ntoken = \"{}\"\n",
        Value::from(user.as_str()),
        hash_of(&token)
    ))
}

/// 32 bytes that nobody can guess.
pub(super) fn chance() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    let filled = getrandom::fill(&mut bytes);
    filled.map_err(|error| Failure::other(format!("the operating system has no chance to give: {error}")))?;
    Ok(bytes)
}

/// Words without a flag; `None` when help was asked for, and given.
pub(super) fn plain_words(words: Vec<OsString>, command: &str, help: &str) -> Result<Option<Vec<String>>, Failure> {
    let mut plain = Vec::new();
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next()? {
        match word {
            Short('h') | Long("help") => return say(help).map(|()| None),
            Word(word) => plain.push(utf8(word)?),
            Short(letter) => return Err(no_flag(command, &format!("-{letter}"), help)),
            Long(long) => return Err(no_flag(command, &format!("--{long}"), help)),
        }
    }
    Ok(Some(plain))
}

/// Says whether a user may do something.
pub(super) fn may(words: Vec<OsString>) -> Result<(), Failure> {
    let (mut asked, mut file, mut place) = (Vec::new(), None, None);
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next()? {
        match word {
            Short('h') | Long("help") => return say(MAY_HELP),
            Long("config") => file = Some(utf8(parser.value()?)?),
            Short('a') | Long("address") => {
                place = Some(super::place::named("--address", &utf8(parser.value()?)?)?);
            }
            Long("context") => place = Some(super::place::of_context("--context", &utf8(parser.value()?)?)?),
            Long(long @ ("token-file" | "key" | "server-key")) => credentials::of_flag(long).take(parser.value()?)?,
            Word(word) => asked.push(utf8(word)?),
            Short(letter) => return Err(no_flag("may", &format!("-{letter}"), MAY_HELP)),
            Long(long) => return Err(no_flag("may", &format!("--{long}"), MAY_HELP)),
        }
    }
    let (user, action, target) = match asked.as_slice() {
        [user, action] => (user.as_str(), action.as_str(), ""),
        [user, action, target] => (user.as_str(), action.as_str(), target.as_str()),
        _ => return Err(Failure::usage("may: USER ACTION [TARGET] are wanted (try: instep may --help)")),
    };
    credentials::check()?;
    let (may, line) = match place {
        Some(place) => ask(&place, [user, action, target])?,
        None => {
            let (users, namespace) = serve::users(file)?;
            judge(&users, &namespace, [user, action, target]).map_err(Failure::usage)?
        }
    };
    say(&format!("{}: {line}\n", if may { "yes" } else { "no" }))?;
    // What was asked is answered: a script sees it by the code.
    if may { Ok(()) } else { Err(Failure::silent(1)) }
}

/// Asks a Coordinator that runs.
fn ask(place: &str, [user, action, target]: [&str; 3]) -> Result<(bool, String), Failure> {
    let timeout = std::time::Duration::from_secs(5);
    let mut client = Client::connect(place, &of_visitor(std::process::id()), timeout)
        .map_err(|trouble| if trouble.is_absence() { Failure::nobody(trouble) } else { Failure::other(trouble) })?;
    let params = json!({"user": user, "action": action, "target": target});
    let answer = client.ask("COORDINATOR", "may", &params);
    client.leave();
    let answer = answer.map_err(|trouble| match trouble {
        invalid if invalid.is_invalid() => Failure::usage(invalid),
        absence if absence.is_absence() => Failure::nobody(absence),
        other => Failure::other(other),
    })?;
    let line = answer.get("line").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok((answer.get("may").and_then(Value::as_bool).unwrap_or(false), line))
}

fn utf8(word: OsString) -> Result<String, Failure> {
    word.into_string().map_err(|word| Failure::usage(format!("'{}' is not UTF-8", word.to_string_lossy())))
}
