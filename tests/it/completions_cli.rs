//! Completions as the shells themselves make them: what a person has typed, and what the real bash, zsh or fish puts behind it. Where a shell is
//! not installed that is said, and the others are tried.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::manager::Directory;
use crate::common::program::{PROGRAM, run};

/// What is typed, and its last word once it is completed.
const TYPED: [(&str, &str); 10] = [
    ("instep compl", "completions"),
    ("instep --names", "--namespace"),
    ("instep ctl nod", "nodes"),
    ("instep ctl session memb", "members"),
    ("instep ctl context rem", "remove"),
    ("instep ctl --jso", "--json"),
    ("instep bench thr", "throughput"),
    ("instep bench latency --perc", "--percentiles"),
    ("instep view --prov", "--provider"),
    ("instep view --server", "--server-key"),
];

/// Whether a program is there; where it is not, that is said.
fn is_there(name: &str) -> bool {
    let is_there = ["/bin", "/usr/bin", "/usr/local/bin"].iter().any(|folder| Path::new(folder).join(name).is_file());
    if !is_there {
        eprintln!(
            "SKIPPED: there is no {name} on this machine: its completions are not tried (apt-get install {name})"
        );
    }
    is_there
}

/// A program with a home of its own.
fn shell(name: &str, home: &Directory) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("TERM", "dumb").env("HOME", home.path());
    command.current_dir(home.path());
    command
}

fn script(home: &Directory, name: &str, shell: &str) -> String {
    home.put(name, run(&["completions", shell]).good().as_bytes());
    home.path().join(name).display().to_string()
}

#[test]
fn bash_completes_words() {
    if !is_there("bash") {
        return;
    }
    let home = Directory::new();
    let script = script(&home, "instep.bash", "bash");
    for (typed, wanted) in TYPED {
        let line = format!(
            "source {script}; COMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); _instep; echo ${{COMPREPLY[@]}}"
        );
        let ran = shell("bash", &home).args(["--norc", "-c", &line]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), wanted, "{typed}: {ran:?}");
    }
}

#[test]
fn fish_completes_words() {
    if !is_there("fish") {
        return;
    }
    let home = Directory::new();
    let script = script(&home, "instep.fish", "fish");
    let complete = |typed: &str| {
        let line = format!("source {script}; complete -C '{typed}'");
        let ran = shell("fish", &home).args(["--no-config", "-c", &line]).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        said.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (typed, wanted) in TYPED {
        assert_eq!(complete(typed), [wanted], "{typed}");
    }
    // Words alone, and those that belong there.
    assert_eq!(complete("instep bench "), ["c2sim", "latency", "session", "throughput"]);
    let words = complete("instep ctl context ");
    assert_eq!(words, ["add", "list", "remove", "set", "use"]);
}

#[test]
fn zsh_completes_words() {
    // A shell completes at a terminal, which `script` is for it.
    if !is_there("zsh") || !is_there("script") {
        return;
    }
    let home = Directory::new();
    script(&home, "_instep", "zsh");
    home.put("rc", b"PS1='> '\nfpath=($HOME $fpath)\nautoload -Uz compinit\ncompinit -u -D\ninstep() { print -r \"GOT instep $*\" }\n");
    let mut zsh = shell("script", &home);
    zsh.args(["-qec", "zsh -f -i", "/dev/null"]).env("SHELL", "/bin/sh");
    let mut ran = zsh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut keys = ran.stdin.take().unwrap();
    writeln!(keys, ". $HOME/rc").unwrap();
    for (typed, _) in TYPED {
        writeln!(keys, "{typed}\t").unwrap();
    }
    writeln!(keys, "exit").unwrap();
    let output = ran.wait_with_output().unwrap();
    drop(keys);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let got: Vec<&str> = said.lines().filter_map(|line| Some(line.trim_end().split_once("GOT ")?.1)).collect();
    let wanted = TYPED.map(|(typed, word)| {
        let (front, _) = typed.rsplit_once(' ').unwrap();
        format!("{front} {word}")
    });
    assert_eq!(got, wanted, "{PROGRAM}: {said}");
}
