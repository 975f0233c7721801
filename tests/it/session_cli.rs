//! Shared sessions as a person or a script meets them: `instep ctl session`, the built program against servers in threads.

#![expect(clippy::disallowed_methods, reason = "a test of the real program waits in real time")]

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::process::{Child, ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::c2sim;
use crate::common::nobody::Nobody;
use crate::common::program::{self, Node, Said, run};
use serde_json::{Value, json};

/// A running `instep ctl session watch`.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    /// One that has joined: its own joining is in the session's list of members.
    fn begin(node: &Node, session: &str, words: &[&str]) -> Self {
        let before = members(node, session).len();
        let mut child = program::program()
            .args(["ctl", "-a", &node.address.to_string(), "session", "watch", session])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        program::until("the watcher joins", || members(node, session).len() > before);
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a line").unwrap()
    }

    fn event(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Waits until it ends by itself.
    fn end(mut self) -> Said {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                panic!("the watcher does not end");
            }
            thread::sleep(Duration::from_millis(10));
        }
        let rest: Vec<String> = self.lines.map(Result::unwrap).collect();
        let said = Said::from(self.child.wait_with_output().unwrap());
        Said { out: rest.join("\n"), ..said }
    }
}

fn members(node: &Node, session: &str) -> Vec<Value> {
    node.json(&["session", "members", session])["members"].as_array().unwrap().clone()
}

/// Pulls a trigger and gives the state.
fn pull(node: &Node, trigger: &str, session: &str) -> String {
    let said = node.json(&["session", trigger, session]);
    said["state"].as_str().unwrap_or_else(|| panic!("{trigger}: {said}")).to_owned()
}

/// Event, trigger and state of an event.
fn told(event: &Value) -> (&str, &str, &str) {
    let word = |key: &str| event[key].as_str().unwrap_or_default();
    (word("event"), word("trigger"), word("state"))
}

#[test]
fn a_session_is_made_shown_changed_and_ended() {
    let node = Node::new("N1", &[]);
    let said = node.ctl(&["session", "list"]);
    let columns = "ID  NAME     STATE          SEQ  MEMBERS  VIEWERS  PROVIDER  SCHEDULED\n";
    let default = " 1  default  UNINITIALIZED    0        0  -        -         -\n";
    assert_eq!(said.good(), format!("{columns}{default}"));

    let wish = ["--title", "The drill", "--about", "a test", "--share-guard", "none", "--schema", "1.0.2"];
    let said = node.ctl(&[&["session", "create", "drill"], &wish[..]].concat());
    assert_eq!(said.good(), "drill is there: id 2, UNINITIALIZED, next SUBMIT_INITIALIZATION\n");
    let info = node.json(&["session", "info", "N1.drill"]);
    assert_eq!(
        info["info"],
        json!({"c2simSchemaVersion": "1.0.2", "displayName": "The drill", "description": "a test"})
    );
    assert_eq!(info["options"]["share_guard"], "none");
    let said = node.ctl(&["session", "info", "drill"]);
    assert!(said.good().contains("\nstate           UNINITIALIZED\n"), "{said:?}");
    assert!(said.good().contains("\nprovider        -\n"), "{said:?}");

    let said = node.ctl(&["session", "create", "drill", "--paused-allows", "all", "--json"]).json();
    assert_eq!((&said["creation"], &said["session"]["options"]["paused_allows"]), (&json!("UPDATED"), &json!("all")));
    assert_eq!(node.ctl(&["session", "delete", "drill"]).good(), "drill has ended\n");
    assert_eq!(node.json(&["session", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_watcher_hears_everything_that_others_do() {
    let node = Node::new("N1", &[]);
    node.ctl(&["session", "create", "drill", "--share-guard", "none"]).good();
    let mut people = Watch::begin(&node, "drill", &["-n", "4"]);
    assert!(people.line().starts_with("drill is UNINITIALIZED, seq 1; watching as N1.ctl-"));
    let mut script = Watch::begin(&node, "drill", &["--json"]);

    let states = ["submit", "share", "start", "pause", "resume", "stop"].map(|trigger| pull(&node, trigger, "drill"));
    assert_eq!(states, ["INITIALIZING", "INITIALIZED", "RUNNING", "PAUSED", "RUNNING", "INITIALIZED"]);
    // The other one resigns somewhere among them, as it ends.
    let heard: Vec<Value> = (0..7).map(|_| script.event()).collect();
    let seqs: Vec<u64> = heard.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    assert_eq!(told(&heard[2]), ("state", "START_SCENARIO", "RUNNING"));
    assert!(heard[2]["by"].as_str().unwrap().starts_with("controller 127.0.0.1:"), "{}", heard[2]);

    let said = people.end();
    let lines: Vec<&str> = said.good().lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].ends_with(" has joined") && lines[3].ends_with(": the session is RUNNING"), "{lines:?}");
    let (states, others): (Vec<&Value>, Vec<&Value>) = heard.iter().partition(|event| event["event"] == "state");
    assert_eq!((states.len(), told(others[0]).0), (6, "resigned"));
    program::until("every state is acknowledged", || members(&node, "drill")[0]["acked"] == states[5]["seq"]);

    // What was before is told to one that asks for it, and the end of the session ends the watching.
    let mut late = Watch::begin(&node, "drill", &["--after", "5", "--json"]);
    assert_eq!(late.event()["seq"], 6);
    node.ctl(&["session", "delete", "drill", "--force"]).good();
    assert_eq!(late.end().error(1), "the session N1.session:drill has ended");
    assert_eq!(script.end().error(1), "the session N1.session:drill has ended");
}

#[test]
fn a_trigger_for_later_is_told_at_once_and_pulled_then() {
    let node = Node::new("N1", &[]);
    node.ctl(&["session", "create", "drill", "--share-guard", "none"]).good();
    pull(&node, "submit", "drill");
    pull(&node, "share", "drill");
    let mut script = Watch::begin(&node, "drill", &["--json", "-n", "2"]);
    let said = node.json(&["session", "start", "drill", "--at", "+300ms"]);
    assert_eq!((&said["state"], &said["as"]), (&json!("INITIALIZED"), &json!("control")));
    let first = script.event();
    assert_eq!(told(&first), ("state", "START_SCENARIO", "INITIALIZED"));
    assert_eq!(first["effective_at"], said["effective_at"]);
    assert_eq!(told(&script.event()), ("state", "START_SCENARIO", "RUNNING"));
    script.end().good();

    pull(&node, "stop", "drill");
    let said = node.ctl(&["session", "start", "drill", "--at", "+10m"]);
    assert!(said.good().starts_with("drill stays INITIALIZED until START_SCENARIO at "), "{said:?}");
    assert!(node.ctl(&["session", "list"]).good().contains("START_SCENARIO at "));
    pull(&node, "stop", "drill");
    assert_eq!(node.json(&["session", "info", "drill"])["scheduled"], Value::Null, "the stop has cancelled it");
}

#[test]
fn documents_are_handed_in_and_shared() {
    let node = Node::new("N1", &[]);
    let file = std::env::temp_dir().join(format!("instep-session-{}.xml", std::process::id()));
    let path = file.to_str().unwrap();
    std::fs::write(&file, c2sim::initialization("PLANNER", &["PLANNER"])).unwrap();
    let said = node.ctl(&["session", "send", "default", path]);
    let why = "an initialization body is accepted in INITIALIZING only";
    assert!(said.error(1).starts_with(why), "{said:?}");
    pull(&node, "submit", "default");
    let said = node.json(&["session", "send", "default", path]);
    assert_eq!((&said["kind"], &said["state"]), (&json!("C2SIM_INITIALIZATION"), &json!("INITIALIZING")));
    std::fs::write(&file, "").unwrap();
    assert!(node.ctl(&["session", "send", "default", path]).error(1).ends_with(": it is empty"));

    let mut script = Watch::begin(&node, "default", &["--json", "-n", "2"]);
    pull(&node, "share", "default");
    assert_eq!(told(&script.event()), ("state", "SHARE_SCENARIO", "INITIALIZED"));
    let shared = script.event();
    let document = shared["document"].as_str().unwrap();
    assert!(document.contains("<SystemName>PLANNER</SystemName>"), "{document}");
    script.end().good();
    let said = node.ctl(&["session", "initialization", "default"]);
    assert_eq!(said.good().trim_end(), document.trim_end());

    // What an operator does is one event: nobody joins for it, nor resigns.
    pull(&node, "start", "default");
    std::fs::write(&file, c2sim::domain("PLANNER", "ReportBody", 100_000)).unwrap();
    let mut script = Watch::begin(&node, "default", &["--json", "-n", "1"]);
    let said = node.json(&["session", "send", "default", path]);
    let heard = script.event();
    assert_eq!((&heard["event"], &heard["seq"], &said["kind"]), (&json!("message"), &said["seq"], &json!("REPORT")));
    assert!(heard["by"].as_str().unwrap().starts_with("controller "), "{heard}");
    assert!(said["trackingId"].as_str().is_some_and(|id| id.len() == 5), "{said}");
    assert!(heard["document"].as_str().unwrap().len() > 100_000);
    script.end().good();
    std::fs::remove_file(&file).unwrap();
    assert!(node.ctl(&["session", "send", "default", path]).error(1).ends_with("no such file or directory"));
}

#[test]
fn sessions_of_another_node_are_driven_as_a_member() {
    let first = Node::new("N1", &[]);
    let second = Node::new("N2", &[&first]);
    first.ctl_until(&["nodes"], "N2");
    first.ctl(&["session", "create", "N2.a.b", "--share-guard", "none"]).good();
    assert_eq!(second.json(&["session", "list"])[1]["sessionName"], "a.b");
    assert_eq!(first.json(&["session", "list", "N2"])[1]["id"], 2);
    let mut script = Watch::begin(&first, "N2.a.b", &["--json", "-n", "3"]);
    let said = first.json(&["session", "submit", "N2.a.b"]);
    assert_eq!((&said["state"], &said["as"]), (&json!("INITIALIZING"), &json!("member")));
    let heard = [script.event(), script.event(), script.event()];
    assert_eq!(heard.each_ref().map(|event| told(event).0), ["joined", "state", "resigned"]);
    assert!(heard[1]["by"].as_str().unwrap().starts_with("N1.ctl-"), "{}", heard[1]);
    script.end().good();
    let said = first.ctl(&["session", "info", "N9.a"]);
    assert!(said.error(3).starts_with("N1.COORDINATOR has no link to the node of N9.session:a"), "{said:?}");
}

#[test]
fn without_a_control_port_triggers_are_pulled_as_a_member() {
    let node = Node::new("N1", &[]);
    let held = Nobody::new();
    let nobody = held.to_string();
    let said = node.ctl(&["--control", &nobody, "session", "submit", "default", "--json"]).json();
    assert_eq!((&said["state"], &said["as"]), (&json!("INITIALIZING"), &json!("member")));
    let said = node.ctl(&["--control", &nobody, "session", "start", "default"]);
    let why = "default is INITIALIZING. Possible now: ";
    assert!(said.error(1).starts_with(why) && said.err.contains("reset, complete (STATE_TRANSITION"), "{said:?}");
    let cure = "default has no initialization yet: instep ctl session send default FILE (INITIALIZATION_NOT_COMPLETED)";
    assert_eq!(node.ctl(&["--control", &nobody, "session", "share", "default"]).error(1), cure, "as a member");
    assert_eq!(node.ctl(&["session", "share", "default"]).error(1), cure, "by the control port");
    let said = node.ctl(&["--control", &nobody, "session", "start", "default", "--json"]).json();
    assert_eq!((&said["error"]["code"], &said["error"]["by"]), (&json!(-32030), &json!("N1.session:default")));
    assert_eq!(members(&node, "default").len(), 0, "whoever joined to pull has resigned");
}

#[test]
fn refusals_and_wrong_words_are_one_line_and_a_number() {
    let node = Node::new("N1", &[]);
    let error = |words: &[&str], code: i32, part: &str| {
        let said = node.ctl(&[&["session"], words].concat());
        assert!(said.error(code).contains(part), "{words:?}: {said:?}");
    };
    error(&["info", "nope"], 1, "the server knows no such session (SHARED_SESSION_NOT_FOUND: ACTIVE_SESSIONS default)");
    error(&["start", "nope"], 1, "there is no session 'nope'");
    let way_on = "default is UNINITIALIZED. Possible now: submit (STATE_TRANSITION_NOT_ALLOWED)";
    error(&["start", "default"], 1, way_on);
    error(&["delete", "default"], 1, "always exists");
    error(&["initialization", "default"], 1, "NO_C2SIM_INITIALIZATION_BODY");
    error(&["create", "a b"], 2, "'a b' is not a session");
    error(&["info", ".a"], 2, "'.a' is not a session");
    error(&["create", "a", "--provider", "x"], 2, "--provider 'x': the id of a provider is wanted");
    error(&["create", "a", "--provider", "9"], 1, "there is no provider 9");
    error(&["start", "default", "--at", "soon"], 2, "--at 'soon': a moment like +5s");
    error(&["watch", "default", "--after", "x"], 2, "--after 'x': the number of an event is wanted");
    error(&["complete", "default", "--at", "+1s"], 2, "session complete: there is no flag --at");
    let said = node.ctl(&["session", "start", "nope", "--json"]);
    assert_eq!((said.code, said.json()["error"]["message"].as_str()), (1, Some("there is no session 'nope'")));
}

#[test]
fn the_diagram_and_the_help_need_no_server() {
    let said = run(&["ctl", "session", "diagram"]);
    assert!(said.good().starts_with("stateDiagram-v2\n    [*] --> UNINITIALIZED\n"), "{said:?}");
    assert!(run(&["ctl", "session", "diagram", "--json"]).json().as_str().unwrap().starts_with("stateDiagram"));
    let said = run(&["ctl", "session", "--help"]);
    assert!(said.good().contains("\n  watch NAME [--after SEQ] [-n N] join, and print every event"), "{said:?}");
    assert!(run(&["ctl", "session", "create", "-h"]).good().contains("--share-guard W"));
}

#[test]
fn the_demonstration_goes_to_its_end_and_leaves_nothing_behind() {
    let child = program::program().arg("demo").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let folder = std::env::temp_dir().join(format!("instep-demo-{}-0", child.id()));
    let said = Said::from(child.wait_with_output().unwrap());
    for wanted in [
        "planner     pulls PauseScenario: the session is PAUSED",
        "simulator   hears PauseScenario of the planner: the session is PAUSED",
        "viewer      shows: the session is PAUSED",
        "            (nothing moved)",
        "simulator   hears StartScenario of the planner, as agreed: the session is RUNNING",
        "The end: ",
    ] {
        assert!(said.good().contains(wanted), "{wanted}: {said:?}");
    }
    assert!(!folder.exists(), "{}", folder.display());
    assert!(run(&["demo", "now"]).error(2).starts_with("demo: "));
    assert!(run(&["demo", "--help"]).good().starts_with("instep demo shows"));
}

#[test]
fn the_demonstration_with_a_page_goes_on_until_it_is_told_to_end() {
    let mut command = program::program();
    let mut child = command.args(["demo", "--page"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let folder = std::env::temp_dir().join(format!("instep-demo-{}-0", child.id()));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let link = loop {
        let line = lines.next().unwrap_or_else(|| panic!("it has ended: {:?}", child.wait())).unwrap();
        if let Some((_, rest)) = line.split_once("Open http://") {
            break rest.to_owned();
        }
    };
    let (address, place) = link.split_once('/').unwrap();
    assert!(place.starts_with("#map/1/live in a browser"), "{link}");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.contains("<title>instep</title>"), "{page}");
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(killed.success() && child.wait().unwrap().success(), "{rest:?}");
    assert!(rest.iter().any(|line| line.starts_with("The server has ended")), "{rest:?}");
    assert!(!folder.exists(), "{}", folder.display());
}
