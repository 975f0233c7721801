//! Named contexts: Coordinators under names of a person's own, in a file of his, chosen alike by every client command.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::manager::Directory;
use crate::common::program::{Node, Said, program};
use serde_json::{Value, json};

/// Somebody with a directory of configurations.
struct Person(Directory);

impl Person {
    fn new() -> Self {
        Self(Directory::new())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn types(&self, line: &str) -> Said {
        self.types_with(line, &[])
    }

    fn types_with(&self, line: &str, variables: &[(&str, &str)]) -> Said {
        let mut command = program();
        command.args(line.split(' ')).env("XDG_CONFIG_HOME", self.0.path()).envs(variables.iter().copied());
        command.output().unwrap().into()
    }

    /// Who answers.
    fn asks(&self, line: &str, variables: &[(&str, &str)]) -> String {
        let said = self.types_with(line, variables);
        let nodes: Value = serde_json::from_str(said.good()).unwrap();
        nodes.as_object().unwrap().keys().next().unwrap().clone()
    }
}

#[test]
fn a_coordinator_is_asked_by_the_name_that_a_person_gave_it() {
    let (one, two) = (Node::new("N1", &[]), Node::new("N2", &[]));
    let who = Person::new();
    assert!(who.types("ctl context").good().contains("add NAME ADDRESS"), "its help");
    assert_eq!(
        who.types("ctl context list").good(),
        "there are none (make one: instep ctl context add NAME ADDRESS)\n"
    );
    let add = |name: &str, node: &Node| who.types(&format!("ctl context add {name} {}", node.address));
    assert!(add("one", &one).good().starts_with(&format!("one is {} (ask it: instep ctl -a one status", one.address)));
    add("two", &two).good();
    let file = who.0.path().join("instep/contexts.toml");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "no drafts are left");

    // By flag, by variable, by use; and each goes before those behind it.
    assert_eq!(who.asks("ctl --json -a one nodes", &[]), "N1");
    assert_eq!(who.asks("ctl --json --context two nodes", &[]), "N2");
    assert_eq!(who.asks("ctl --json nodes", &[("INSTEP_ADDRESS", "two")]), "N2");
    assert_eq!(who.asks("ctl --json nodes", &[("INSTEP_CONTEXT", "two")]), "N2");
    who.types("ctl context use two").good();
    assert_eq!(who.asks("ctl --json nodes", &[]), "N2");
    assert_eq!(who.asks("ctl --json nodes", &[("INSTEP_CONTEXT", "one")]), "N1");
    let address = one.address.to_string();
    assert_eq!(who.asks("ctl --json nodes", &[("INSTEP_ADDRESS", &address), ("INSTEP_CONTEXT", "two")]), "N1");
    assert_eq!(who.asks("ctl --json -a one nodes", &[("INSTEP_ADDRESS", "two")]), "N1");
    let listed = who.types("ctl context list");
    assert!(listed.good().contains("\n* two") && listed.good().contains("\n  one"), "{listed:?}");
    let listed = who.types("ctl context list --json").json();
    let wanted = json!({"name": "two", "address": two.address.to_string(), "used": true});
    assert_eq!((listed.as_array().unwrap().len(), &listed[1]), (2, &wanted));

    // The other commands go by the same rules.
    let bench = who.types("bench throughput --seconds 0.1 --context one --json").json();
    assert!(bench["messages"].as_u64().is_some_and(|messages| messages > 0), "{bench}");
    assert!(who.types("bench latency one --seconds 0.1 --json").good().contains("latency"));
    let viewer = who.types("view -a one --provider 7").err;
    assert!(viewer.contains("there is no provider 7"), "{viewer}");
    assert!(
        who.types("may x send").err.contains("there is no user 'x', and none"),
        "by the settings, not by the context in use"
    );
    // It is asked, and has no channel.
    let recorded = who.types(&format!("record {} -a one", who.path("published")));
    assert!(recorded.err.contains("the data channel of N1.COORDINATOR is off"), "{recorded:?}");

    who.types(&format!("ctl context set two {address}")).good();
    assert_eq!(who.asks("ctl --json nodes", &[]), "N1");
    assert!(who.types("ctl context remove two").good().contains("127.0.0.1:12300 is asked from now on"));
    assert!(who.types("ctl context use none").good().contains("127.0.0.1:12300"));
    assert_eq!(who.types("ctl context list --json").json().as_array().unwrap().len(), 1);
}

#[test]
fn its_keys_are_shown_there_and_nowhere_else() {
    let who = Person::new();
    who.types(&format!("key new {}", who.path("boss"))).good();
    let [public, secret] = ["boss.public", "boss.secret"].map(|name| who.path(name));
    let node = Node::new("N1", &[]);
    let line = format!("ctl context add lab {} --key {secret} --server-key {public}", node.address);
    who.types(&line).good();
    let row = &who.types("ctl context list --json").json()[0];
    assert_eq!((&row["key"], row["token_file"].is_null()), (&json!(secret), true));
    let text = fs::read_to_string(who.0.path().join("instep/contexts.toml")).unwrap();
    let letters = fs::read_to_string(&secret).unwrap();
    assert!(!text.contains(letters.trim()) && text.contains(&secret), "{text}");
    // It speaks no CURVE: with the context's keys it is not understood, by its address alone it is.
    assert_eq!(who.types("ctl -a lab nodes").code, 1);
    assert_eq!(who.asks(&format!("ctl --json -a {} nodes", node.address), &[]), "N1");
    // What the context shows goes before what a variable says.
    let said = who.types_with("ctl -a lab nodes", &[("INSTEP_KEY", "/nowhere")]);
    assert!(!said.err.contains("/nowhere"), "{said:?}");
    fs::remove_file(&secret).unwrap();
    let missing = format!("key {secret}: no such file or directory");
    assert_eq!(who.types("ctl -a lab nodes").error(2), missing);
    // Where members of a bench sign in changes nothing about it, before the Coordinator is named and behind.
    let address = node.address;
    for line in [format!("--context lab --nodes {address}"), format!("--nodes {address} --context lab")] {
        assert_eq!(who.types(&format!("bench session -m 1 -n 1 {line}")).error(2), missing, "{line}");
    }
    for line in [format!("-a {address} --nodes lab"), format!("--nodes lab -a {address}")] {
        assert_eq!(who.types(&format!("bench session -m 1 -n 1 --json {line}")).json()["nodes"], 1, "{line}");
    }
}

#[test]
fn a_mistake_with_a_context_is_answered_by_what_to_do() {
    let who = Person::new();
    who.types("ctl context add lab 127.0.0.1:1").good();
    for (line, code, wanted) in [
        ("ctl context lst", 2, "ctl context has no command 'lst', did you mean list? (try: instep ctl context --help)"),
        (
            "ctl context add lab 127.0.0.1:2",
            2,
            "context add: there is a context 'lab' (to change it: instep ctl context set lab 127.0.0.1:2)",
        ),
        ("ctl context add", 2, "context add: NAME is missing (usage: instep ctl context add NAME ADDRESS)"),
        ("ctl context add x", 2, "context add: ADDRESS is missing (usage: instep ctl context add NAME ADDRESS)"),
        (
            "ctl context add 12300 lab",
            2,
            "context: '12300' is no name: 1 to 64 letters, digits, - and _ are wanted, not digits alone",
        ),
        ("ctl context add x lab:y", 2, "context: ADDRESS 'lab:y': a host and port like 127.0.0.1:12300 is wanted"),
        ("ctl context add x lab --key /nowhere", 2, "--key: the Coordinator's public key is wanted beside it"),
        ("ctl context add x lab --token-file /nowhere", 2, "--token-file /nowhere: no such file or directory"),
        (
            "ctl context use lob",
            2,
            "context use 'lob': there is no such context, did you mean lab? (see: instep ctl context list",
        ),
        ("ctl context remove x", 2, "context remove 'x': there is no such context (see: instep ctl context list"),
        ("ctl --context lob nodes", 2, "--context 'lob': there is no such context, did you mean lab? (see:"),
        ("view --context lob", 2, "view: --context 'lob': there is no such context, did you mean lab? (see:"),
        ("bench latency --context lob", 2, "bench: --context 'lob': there is no such context, did you mean lab? (see:"),
        (
            "bench latency --context lab 127.0.0.1:1",
            2,
            "bench: '127.0.0.1:1' and --address or --context name one each: one is enough",
        ),
        ("may x y --context lob", 2, "--context 'lob': there is no such context, did you mean lab? (see:"),
        ("record x --context lob", 2, "--context 'lob': there is no such context, did you mean lab? (see:"),
    ] {
        let said = who.types(line);
        assert!(said.error(code).starts_with(wanted), "{line}: {said:?}");
    }
    let said = who.types_with("ctl nodes", &[("INSTEP_CONTEXT", "x")]);
    assert!(said.error(2).starts_with("INSTEP_CONTEXT 'x': there is no such context (see:"), "{said:?}");
    let file = who.0.path().join("instep/contexts.toml");
    fs::write(&file, "use = \"gone\"\n").unwrap();
    assert!(who.types("ctl nodes").error(2).starts_with("the context in use, 'gone': there is no such context"));
    assert_eq!(who.types("ctl context use none").code, 0, "the way out of that");
    fs::write(&file, "[contexts.lab]\nadress = \"x\"\n").unwrap();
    let wanted = format!("{}: contexts.lab: there is no key 'adress' (mend it, or remove it)", file.display());
    assert_eq!(who.types("ctl nodes").error(2), wanted);
    assert_eq!(who.types("ctl -a lab nodes").error(2), wanted);
    assert_eq!(who.types("ctl -a 127.0.0.1:1 nodes").code, 3, "an address needs no file");
    // Where it cannot be kept.
    let nowhere = program().args(["ctl", "context", "add", "lab", "lab"]).output().unwrap();
    assert_eq!(
        Said::from(nowhere).error(1),
        "there is no place for contexts: set HOME, or XDG_CONFIG_HOME, to a directory of yours"
    );
}
