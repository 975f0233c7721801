//! The help of `instep serve`: what one needs first, and all settings by topic, from the table of settings.

use std::fmt::Write as _;

use instep::config::{Config, SETTINGS, Setting, Value};
use instep::net::host;

/// Settings that are about the same matter. They stand together in the table of settings: a topic goes from each of these keys to the next
/// topic's.
pub(in crate::cli) struct Topic {
    pub(in crate::cli) word: &'static str,
    pub(in crate::cli) about: &'static str,
    begins: &'static [&'static str],
}

pub(in crate::cli) const TOPICS: &[Topic] = &[
    Topic { word: "network", about: "names, ports, other Coordinators", begins: &["namespace", "control_bind"] },
    Topic { word: "users", about: "who is asked who he is, keys", begins: &["auth"] },
    Topic { word: "log", about: "what is logged, and where to", begins: &["log_level"] },
    Topic { word: "times", about: "silence, patience, handshakes", begins: &["expiration_s"] },
    Topic { word: "sizes", about: "connections, messages, memory", begins: &["connections_max"] },
    Topic { word: "manager", about: "logs, kernels, recordings", begins: &["log_dir", "rcrs_legacy"] },
    Topic { word: "sessions", about: "shared sessions, C2SIM", begins: &["state_dir", "document_bytes_max"] },
];

/// What nearly everybody sets.
const FIRST: &[&str] = &["namespace", "port", "coordinators", "log_dir", "state_dir", "auth", "c2sim"];

/// The flags that are no settings: as they are written, and what they do.
pub(in crate::cli) const FLAGS: &[(&str, &str)] = &[
    ("    --config FILE", "read settings from a TOML file (also: INSTEP_CONFIG)"),
    ("    --print-config", "print all settings as such a file, and end"),
    ("    --check", "check settings, files, state and ports, and end"),
    ("-q, --quiet", "log less; may be repeated"),
    ("-v, --verbose", "log more; may be repeated"),
];

impl Topic {
    pub(in crate::cli) fn find(word: &str) -> Option<&'static Self> {
        TOPICS.iter().find(|topic| topic.word == word)
    }

    /// Its settings, in the order of the table.
    pub(in crate::cli) fn settings(&self) -> impl Iterator<Item = &'static Setting> {
        let mut at = "";
        SETTINGS.iter().filter(move |setting| {
            let begins = TOPICS.iter().find(|topic| topic.begins.contains(&setting.key));
            at = begins.map_or(at, |topic| topic.word);
            at == self.word
        })
    }

    pub(in crate::cli) fn help(&self) -> String {
        let mut out = format!("Settings of instep serve, {}: {}.\n\n", self.word, self.about);
        self.settings().for_each(|setting| line(&mut out, setting));
        out + "\n" + EACH
    }
}

const EACH: &str =
    "Each setting is also a key of the file, with _ for -, and an environment variable: INSTEP_PORT is --port.\n";

/// The letter that stands for a setting.
pub(in crate::cli) fn letter(setting: &Setting) -> Option<char> {
    Some(match setting.key {
        "port" => 'p',
        "name" => 'n',
        "host" => 'r',
        "coordinators" => 'c',
        _ => return None,
    })
}

/// The defaults on this machine.
pub(in crate::cli) fn fresh() -> Config {
    host::memory_bytes().map_or_else(Config::default, Config::for_machine)
}

/// What a setting is where nobody sets it.
pub(in crate::cli) fn default_of(setting: &Setting) -> String {
    match setting.value(&fresh()) {
        Value::Number(n) => format!(" [{n}]"),
        Value::Text(text) if !text.is_empty() => format!(" [{text}]"),
        Value::Text(_) | Value::List(_) | Value::Switch(_) => String::new(),
    }
}

fn line(out: &mut String, setting: &Setting) {
    let short = letter(setting).map_or_else(|| "   ".to_owned(), |letter| format!("-{letter},"));
    let flag = if setting.is_switch { setting.flag() } else { format!("{} X", setting.flag()) };
    let written = writeln!(out, "  {short} --{flag:<22} {}{}", setting.help, default_of(setting));
    debug_assert!(written.is_ok(), "a String takes everything");
}

/// What one needs first, and where the rest is.
pub(in crate::cli) fn help() -> String {
    let mut out = String::from(
        "instep serve runs the Coordinator, the Manager and the sessions.\n\nUsage: instep [serve] [options]\n\n",
    );
    let mut put = |text: std::fmt::Arguments<'_>| {
        let written = out.write_fmt(text);
        debug_assert!(written.is_ok(), "a String takes everything");
    };
    for (flag, about) in FLAGS {
        put(format_args!("  {flag:<28} {about}\n"));
    }
    SETTINGS.iter().filter(|setting| FIRST.contains(&setting.key)).for_each(|setting| line(&mut out, setting));
    out.push_str("\nAll settings (instep help settings), and those of one matter (instep help WORD):\n\n");
    out.push_str(&words());
    out.push('\n');
    out.push_str(EACH);
    out.push_str(
        "\nSIGTERM and SIGINT end it, saying goodbye to all (a second one ends it at once); SIGHUP opens log_file anew,\n\
         and reads settings and users anew.\n\
         Exit codes: 0 it was told to end, 1 it cannot start or go on, 2 a setting is wrong.\n",
    );
    out
}

/// A line for each topic.
pub(in crate::cli) fn words() -> String {
    TOPICS.iter().map(|topic| format!("  {:<10} {}\n", topic.word, topic.about)).collect()
}

/// All settings, by topic.
pub(in crate::cli) fn all() -> String {
    let mut out = String::from("All settings of instep serve.\n");
    for topic in TOPICS {
        out.push_str(&format!("\n{}, {}:\n\n", topic.word, topic.about));
        topic.settings().for_each(|setting| line(&mut out, setting));
    }
    out + "\n" + EACH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_of_one_topic_and_every_topic_begins_somewhere() {
        let of_topics: usize = TOPICS.iter().map(|topic| topic.settings().count()).sum();
        assert_eq!(of_topics, SETTINGS.len());
        let keys = TOPICS.iter().flat_map(|topic| topic.begins).chain(FIRST);
        for key in keys {
            assert!(SETTINGS.iter().any(|setting| setting.key == *key), "{key}");
        }
        let all = all();
        assert!(SETTINGS.iter().all(|setting| all.contains(&format!("--{}", setting.flag()))));
        assert!(help().lines().chain(all.lines()).all(|line| line.len() <= 120), "{all}");
        assert!(help().lines().count() <= 40, "{}", help());
    }
}
