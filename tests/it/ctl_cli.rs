//! `instep ctl` as a person or a script meets it: the built program against a server in a thread, with a component that answers.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::common::live::Raw;
use crate::common::nobody::Nobody;
use crate::common::program::{self, Node, PROGRAM, Said, run};
use crate::common::wire;
use serde_json::{Value, json};

fn ctl(address: &str, words: &[&str]) -> Said {
    run(&[&["ctl", "-a", address], words].concat())
}

/// A component that answers `pong`, `add` and `rpc.discover`, sends a PING and strange messages before its answer to `rude`,
/// never answers `silent`, hangs up at `shut_down`, and refuses the rest.
struct Component {
    raw: Raw,
    /// Namespace, dot, name.
    name: Vec<u8>,
}

/// Sender, header and document of a message.
type Taken = (Vec<u8>, Vec<u8>, Value);

impl Component {
    fn start(node: &Node, name: &str) -> JoinHandle<()> {
        let mut component = Self::sign_in(node, name);
        thread::spawn(move || while component.serve().is_some() {})
    }

    fn sign_in(node: &Node, name: &str) -> Self {
        let raw = Raw::component_at(node.address, name);
        raw.stream.set_read_timeout(None).unwrap();
        Self { raw, name: format!("{}.{name}", node.namespace).into_bytes() }
    }

    /// Sends something in a conversation of its own.
    fn send(&mut self, receiver: &[u8], document: &Value) {
        self.reply(receiver, document, &wire::header(7, 1));
    }

    fn reply(&mut self, receiver: &[u8], document: &Value, header: &[u8]) {
        let document = document.to_string();
        assert!(self.raw.send(&wire::message(&[&[0], receiver, &self.name, header, document.as_bytes()])));
    }

    /// The next message; `None` when the Coordinator hangs up.
    fn next(&mut self) -> Option<Taken> {
        let frames = self.raw.message()?;
        Some((frames[2].clone(), frames[3].clone(), wire::json(&frames)))
    }

    fn serve(&mut self) -> Option<()> {
        let (sender, header, call) = self.next()?;
        let id = call["id"].clone();
        let result = |result: Value| json!({"jsonrpc": "2.0", "id": id, "result": result});
        let answer = match call["method"].as_str() {
            Some("pong") if !self.name.ends_with(b"Old") => result(Value::Null),
            Some("add") => {
                let numbers = call["params"].as_array().cloned().unwrap_or_default();
                result(json!({"sum": numbers.iter().filter_map(Value::as_i64).sum::<i64>(), "of": numbers}))
            }
            Some("keyed") => result(call["params"].clone()),
            Some("rpc.discover") => result(json!({"methods": [
                {"name": "add", "summary": "Adds.\nMore.", "params": [{"name": "a", "schema": {"type": "integer"}}]},
                {"name": "bare"},
            ]})),
            Some("rude") => {
                // Nobody asked for these; the one that asks for a pong gets it before the answer is sent.
                self.send(&sender, &json!("what?"));
                self.send(&sender, &json!({"jsonrpc": "2.0", "id": 9, "result": "another conversation"}));
                self.send(&sender, &json!({"jsonrpc": "2.0", "method": "a notification"}));
                self.send(&sender, &json!({"jsonrpc": "2.0", "id": 10, "method": "pong"}));
                let (_, _, first) = self.next()?;
                self.send(&sender, &json!({"jsonrpc": "2.0", "id": 11, "method": "dance"}));
                let (_, _, second) = self.next()?;
                result(json!([first, second]))
            }
            Some("silent") => return Some(()),
            Some("nonsense") => json!([1]),
            Some("fail") => {
                let error = json!({"code": -5, "message": "It failed.", "data": {"why": "\u{1b}[31m"}});
                json!({"jsonrpc": "2.0", "id": id, "error": error})
            }
            Some("shut_down") => {
                self.reply(&sender, &result(Value::Null), &header);
                return None;
            }
            Some(_) => json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "Method not found"}}),
            None => return Some(()),
        };
        self.reply(&sender, &answer, &header);
        Some(())
    }
}

#[test]
fn nodes_and_components_of_the_whole_network_are_listed() {
    let first = Node::new("N1", &[]);
    let second = Node::new("Second", &[&first]);
    let _ca = Component::start(&first, "CA");
    let _cb = Component::start(&second, "a longer name");
    let (a, b) = (first.address, second.address);
    let rows = |said: &str| {
        said.lines()
            .map(|row| row.split("  ").filter(|cell| !cell.is_empty()).map(|cell| cell.trim().to_owned()).collect())
            .collect()
    };
    let nodes = |node: &Node| -> Vec<Vec<String>> { rows(node.ctl_until(&["nodes"], "both ways").good()) };
    for (seen, mine) in [(nodes(&first), 1), (nodes(&second), 2)] {
        assert_eq!(seen[0], ["NAMESPACE", "ADDRESS", "LINK", "SINCE", "ROUND TRIP"]);
        assert_eq!([&seen[1][..2], &seen[2][..2]].concat(), ["N1", &a.to_string(), "Second", &b.to_string()]);
        assert_eq!(seen[mine][2], "this node");
        let other = &seen[3 - mine];
        assert!(other[2] == "both ways" && other[3].ends_with(" s"), "{other:?}");
    }
    assert_eq!(first.ctl(&["nodes", "--json"]).json(), json!({"N1": a.to_string(), "Second": b.to_string()}));

    // The client itself is not shown.
    let said = first.ctl_until(&["components"], "a longer name");
    assert_eq!(said.good(), "NAMESPACE  NAME\nN1         CA\nSecond     a longer name\n");
    let said = second.ctl_until(&["components", "--json"], "CA");
    assert_eq!(said.json(), json!({"N1": ["CA"], "Second": ["a longer name"]}));
    assert_eq!(first.ctl(&["components", "--local"]).good(), "NAMESPACE  NAME\nN1         CA\n");
    assert_eq!(first.ctl(&["--json", "components", "--local"]).json(), json!({"N1": ["CA"]}));

    let said = first.ctl(&["ping", "Second.a longer name", "-n", "3"]);
    let said = said.good();
    assert_eq!(said.lines().filter(|line| line.starts_with("Second.a longer name answered in ")).count(), 3, "{said}");
    assert!(said.lines().last().unwrap().starts_with("least "), "{said}");
    assert!(first.ctl(&["ping", "Second.COORDINATOR"]).good().starts_with("Second.COORDINATOR answered in "));
}

#[test]
fn a_ping_without_a_name_asks_the_coordinator() {
    let node = Node::new("N1", &[]);
    let said = node.ctl(&["ping"]);
    let said = said.good();
    assert!(said.starts_with("N1.COORDINATOR answered in ") && said.ends_with(" ms\n"), "{said}");
    let json = node.ctl(&["ping", "--count", "4", "--json"]).json();
    assert_eq!((&json["name"], json["ms"].as_array().unwrap().len()), (&json!("N1.COORDINATOR"), 4));
}

#[test]
fn a_call_prints_its_result() {
    let node = Node::new("N1", &[]);
    let _ca = Component::start(&node, "CA");
    assert_eq!(
        node.ctl(&["call", "CA", "add", "[1, 2]"]).good(),
        "{\n  \"of\": [\n    1,\n    2\n  ],\n  \"sum\": 3\n}\n"
    );
    assert_eq!(node.ctl(&["call", "N1.CA", "keyed", r#"{"a":[-1]}"#, "--json"]).good(), "{\"a\":[-1]}\n");
    assert_eq!(node.ctl(&["call", "N1.CA", "pong"]).good(), "null\n");
    assert_eq!(node.ctl(&["call", "COORDINATOR", "send_local_components", "--json"]).json()[0], "CA");
}

#[test]
fn an_answered_error_is_told_with_code_message_and_data() {
    let node = Node::new("N1", &[]);
    let _ca = Component::start(&node, "CA");
    let said = node.ctl(&["call", "CA", "fail"]);
    assert_eq!(said.out, "");
    assert_eq!(said.error(1), r#"N1.CA answered fail with error -5: It failed, data {"why":"\u001b[31m"}"#);
    let json = node.ctl(&["call", "CA", "fail", "--json"]).json();
    assert_eq!((&json["error"]["code"], &json["error"]["data"]["why"]), (&json!(-5), &json!("\u{1b}[31m")));
    let said = node.ctl(&["call", "COORDINATOR", "nosuch"]);
    assert_eq!(said.error(1), "N1.COORDINATOR answered nosuch with error -32601: Method not found, data \"nosuch\"");
    let said = node.ctl(&["call", "CA", "nonsense"]);
    assert_eq!(said.error(1), "N1.CA answered nonsense with something that is no JSON-RPC");
}

#[test]
fn who_is_not_there_is_named_and_has_its_own_exit_code() {
    let node = Node::new("N1", &[]);
    let _ca = Component::start(&node, "CA");
    let address = node.address;
    let said = node.ctl(&["ping", "CX"]);
    assert!(said.error(3).starts_with("N1.COORDINATOR knows no component N1.CX (error -32093: "), "{said:?}");
    let said = node.ctl(&["call", "N9.CA", "pong", "--json"]);
    assert!(said.error(3).starts_with("N1.COORDINATOR has no link to the node of N9.CA (error -32092: "), "{said:?}");
    assert_eq!(said.json()["error"]["code"], -32092);
    let said = node.ctl(&["call", "CA", "silent", "-t", "0.2"]);
    assert_eq!(
        said.error(3),
        format!("CA did not answer silent within 0.2 s (asked through {address}; to wait longer: -t SECONDS)")
    );
    // A component that has no pong is there all the same.
    let _old = Component::start(&node, "Old");
    assert_eq!(node.ctl(&["call", "Old", "pong"]).code, 1);
    assert_eq!(node.ctl(&["ping", "Old"]).code, 0);
}

#[test]
fn while_it_waits_the_client_answers_calls_and_passes_over_the_rest() {
    let node = Node::new("N1", &[]);
    let _ca = Component::start(&node, "CA");
    let said = node.ctl(&["call", "CA", "rude", "--json"]).json();
    assert_eq!(said[0], json!({"jsonrpc": "2.0", "id": 10, "result": null}));
    assert_eq!((&said[1]["id"], &said[1]["error"]["code"]), (&json!(11), &json!(-32601)));
}

#[test]
fn nobody_at_the_address_is_said_in_one_line() {
    let nobody = Nobody::new();
    let free = nobody.to_string();
    let said = ctl(&free, &["nodes"]);
    let (_, port) = free.rsplit_once(':').unwrap();
    let step = format!("(start one: instep -p {port}; or say where it is: -a HOST:PORT)");
    let wanted = format!("no Coordinator at {free}: connection refused {step}");
    assert_eq!(said.error(3), wanted);
    let said = ctl(&free, &["nodes", "--json"]);
    assert_eq!(said.json(), json!({"error": {"message": wanted}}));

    let speaking = |greeting: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(greeting).unwrap();
            thread::sleep(Duration::from_secs(2));
        });
        ctl(&address, &["nodes", "-t", "0.3"]).error(3).split_once(": ").unwrap().1.to_owned()
    };
    let step = " (is that its port? -a HOST:PORT)";
    assert_eq!(speaking(b""), format!("whatever is there does not speak ZMTP within 0.3 s{step}"));
    assert_eq!(speaking(b"SSH-2.0-x\r\n"), format!("not ZMTP: looks like an SSH banner{step}"));
}

#[test]
fn wrong_words_are_told_before_anybody_is_asked() {
    for (words, wanted) in [
        (
            &["call", "CA", "m", "3"][..],
            "call: '3' is neither a JSON array nor a JSON object, nor a pair like level=1.5",
        ),
        (&["call", "CA", "m", "{"], "call: '{' is neither a JSON array nor a JSON object, nor a pair like level=1.5"),
        (&["log-level", "loud"], "log-level: 'loud' is none of debug, info, warning, error, critical"),
        (&["nodes", "N1"], "nodes: 'N1' is one word too many (usage: instep ctl nodes)"),
        (&["log-level"], "log-level: LEVEL is missing (usage: instep ctl log-level LEVEL [NAME])"),
        (&["dance"], "ctl has no command 'dance' (try: instep ctl --help)"),
        (&["-t", "soon", "nodes"], "--timeout 'soon': a number of seconds from 0.001 to 86400 is wanted"),
    ] {
        // Port 1 of the loopback address: a connection would fail with another code.
        let said = ctl("127.0.0.1:1", words);
        assert_eq!(said.error(2), wanted);
        assert_eq!(said.out, "");
    }
    let wanted =
        "--address 'a b': a host and port like 127.0.0.1:12300 is wanted, a port alone, or the page's http://...";
    assert_eq!(ctl("a b", &["nodes"]).error(2), wanted);
}

#[test]
fn methods_are_listed_with_their_parameters() {
    let node = Node::new("N1", &[]);
    let _ca = Component::start(&node, "CA");
    let said = node.ctl(&["methods"]);
    let said = said.good();
    assert!(said.contains("sign_in([suggest: boolean]) -> null\n    Signs the sender in"), "{said}");
    assert_eq!(node.ctl(&["methods", "CA"]).good(), "add([a: integer])\n    Adds.\nbare(...)\n");
    assert_eq!(node.ctl(&["methods", "--json"]).json()["info"]["title"], "N1.COORDINATOR");
}

#[test]
fn counters_are_a_table_without_the_zeros() {
    let node = Node::new("N1", &[]);
    let said = node.ctl(&["counters"]);
    let said = said.good();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("COUNTER") && lines[0].contains("VALUE  MEANING"), "{said}");
    let sign_ins = lines.iter().find(|line| line.starts_with("sign_ins ")).unwrap();
    assert!(sign_ins.ends_with("1  components signed in"), "{said}");
    assert!(!said.contains("closed_takeover"), "{said}");
    assert!(node.ctl(&["counters", "--all"]).good().contains("closed_takeover"));
    assert_eq!(node.ctl(&["counters", "--json"]).json()["closed_takeover"], 0, "a script sees all");
}

#[test]
fn a_coordinator_is_told_what_to_log_and_when_to_end() {
    let mut node = Node::new("N1", &[]);
    assert_eq!(node.ctl(&["log-level", "Warn"]).good(), "N1.COORDINATOR logs from WARNING on\n");
    let json = node.ctl(&["log-level", "info", "--json"]).json();
    assert_eq!(json, json!({"name": "N1.COORDINATOR", "level": "INFO"}));
    assert_eq!(node.ctl(&["shutdown"]).good(), "N1.COORDINATOR shuts down\n");
    let thread = node.hand_over();
    assert!(thread.join().is_ok(), "the server has ended");
    assert_eq!(node.ctl(&["nodes"]).code, 3);
}

#[test]
fn a_component_is_shut_down_by_its_name() {
    let node = Node::new("N1", &[]);
    let ca = Component::start(&node, "CA");
    assert_eq!(node.ctl(&["shutdown", "CA"]).good(), "N1.CA shuts down\n");
    assert!(ca.join().is_ok());
    assert_eq!(node.ctl(&["ping", "CA"]).code, 3);
}

#[test]
fn clients_at_the_same_time_all_get_in_and_all_sign_out() {
    let node = Node::new("N1", &[]);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| node.ctl(&["ping", "-n", "5"]).good().to_owned());
        }
    });
    let counters = node.ctl(&["counters", "--json"]).json();
    assert_eq!((&counters["sign_ins"], &counters["sign_outs"]), (&json!(9), &json!(8)));
}

#[test]
fn a_taken_name_is_varied() {
    let node = Node::new("N1", &[]);
    // The shell keeps its process number when it becomes the program, so the name is known before it is wanted.
    let script = r#"echo $$; read go; exec "$0" "$@""#;
    let address = node.address.to_string();
    let mut child = Command::new("sh")
        .args(["-c", script, PROGRAM, "ctl", "-a", &address])
        .args(["call", "COORDINATOR", "send_local_components", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let name = format!("ctl-{}", child.id());
    let _owner = Component::sign_in(&node, &name);
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.lines().nth(1).unwrap(), format!("[\"{name}\",\"{name}_2\"]"));
    assert!(output.status.success());
}

#[test]
fn help_names_every_command_and_a_closed_pipe_is_no_error() {
    let said = ctl("127.0.0.1:1", &["--help"]);
    let said = said.good();
    for name in
        ["nodes", "components [--local]", "ping [NAME] [-n N]", "call NAME METHOD [JSON|K=V...]", "shutdown [NAME]"]
    {
        assert!(said.contains(&format!("  {name} ")), "{name}: {said}");
    }
    assert!(ctl("127.0.0.1:1", &["ping", "--help"]).good().contains("-n, --count N"));
    let mut child =
        program::program().args(["ctl", "--help"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}
