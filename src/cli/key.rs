//! `instep key`: pairs of keys for CURVE, in files.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};

use instep::auth::{Key, secret_key, wipe};
use instep::net::modes::with_mode;
use instep::zmtp::mechanism::seal::{KeyPair, Secret};

use super::failure::{Failure, in_words};
use super::print::say;
use super::rules::{chance, plain_words};

pub(super) const HELP: &str = "\
instep key makes and shows keys of CURVE: with one of its own a node's links are encrypted, and a Component is known by its key.

Usage: instep key new FILE     writes FILE.secret, for its owner alone, and FILE.public; prints the public key
       instep key show FILE    prints the public key that belongs to the secret one in FILE

A file holds 40 letters of Z85. show reads certificates of pyzmq and CZMQ too (.key_secret).

Exit codes: 0 done; 1 a file cannot be read or written, or is there already; 2 the command line is wrong.
";

/// Makes or shows a key.
pub(super) fn run(words: Vec<OsString>) -> Result<(), Failure> {
    let Some(words) = plain_words(words, "key", HELP)? else { return Ok(()) };
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["new", file] => make(file),
        ["show", file] => say(&format!("{}\n", Key(pair_in(file)?.public))),
        _ => Err(Failure::usage("key: what and which file? (usage: instep key new FILE, instep key show FILE)")),
    }
}

fn make(file: &str) -> Result<(), Failure> {
    let mut secret = chance()?;
    let letters = Key(secret).to_string();
    let public = Key(KeyPair::of(Secret::of(&mut secret)).public).to_string();
    let names = [format!("{file}.secret"), format!("{file}.public")];
    if let Some(there) = names.iter().find(|name| fs::symlink_metadata(name).is_ok()) {
        return Err(Failure::other(format!("{there} is there already: nothing is written over")));
    }
    let [secret_file, public_file] = &names;
    let written = write(secret_file, 0o600, &letters).and_then(|()| write(public_file, 0o644, &public));
    wipe(letters);
    written?;
    say(&format!("{public}\n"))
}

fn write(file: &str, mode: u32, letters: &str) -> Result<(), Failure> {
    let told = |error: io::Error| Failure::other(format!("{file}: {}", in_words(&error)));
    let mut opened = with_mode(mode).write(true).create_new(true).open(file).map_err(told)?;
    opened.write_all(letters.as_bytes()).and_then(|()| opened.write_all(b"\n")).map_err(told)
}

fn pair_in(file: &str) -> Result<KeyPair, Failure> {
    let text = fs::read_to_string(file).map_err(|error| Failure::other(format!("{file}: {}", in_words(&error))))?;
    let read = secret_key(&text);
    wipe(text);
    let (mut secret, public) = read.map_err(|why| Failure::other(format!("{file}: {why}")))?;
    let pair = KeyPair::of(Secret::of(&mut secret));
    if public.is_some_and(|public| public.0 != pair.public) {
        return Err(Failure::other(format!("{file}: its public key does not belong to its secret one")));
    }
    Ok(pair)
}
