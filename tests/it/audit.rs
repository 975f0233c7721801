//! The audit log of the program as who has to answer for it reads it: who joined, pulled, administered and was not let in; nothing secret;
//! a file that is moved away and one that cannot be written.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::program::{Said, run, until};
use crate::serve_cli::Running;

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("instep-audit-cli-{}-{name}", std::process::id()));
    drop(fs::remove_dir_all(&path));
    fs::create_dir_all(&path).unwrap();
    path
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn find(path: &Path, action: &str) -> Value {
    let mut found = None;
    until(&format!("a line {action} in {}", path.display()), || {
        found = lines(path).into_iter().find(|line| line["event.action"] == action);
        found.is_some()
    });
    found.unwrap()
}

/// A token and the line of settings for it.
fn token(user: &str) -> (String, String) {
    let said = run(&["token", "new", user]);
    let text = said.good();
    let line = text.lines().find(|line| line.starts_with("token = ")).unwrap();
    (text.lines().next().unwrap().to_owned(), line.to_owned())
}

#[test]
fn who_did_what_is_there_to_be_read_and_nothing_that_lets_anybody_in() {
    let folder = folder("lines");
    let (audit, config) = (folder.join("audit.json"), folder.join("instep.toml"));
    let ((admin, admin_line), (guest, guest_line)) = (token("chief"), token("guest"));
    let (nobodys, _) = token("nobody");
    let users = format!(
        "auth = \"all\"\n[[users]]\nname = \"chief\"\nrole = \"admin\"\n{admin_line}\n[[users]]\nname = \"guest\"\nrole = \"component\"\n{guest_line}\n"
    );
    fs::write(&config, users).unwrap();
    let files =
        [("chief", admin.as_str()), ("guest", guest.as_str()), ("stranger", nobodys.as_str())].map(|(name, token)| {
            let path = folder.join(name);
            fs::write(&path, token).unwrap();
            #[cfg(unix)]
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            path.to_str().unwrap().to_owned()
        });
    let here = ["--config", config.to_str().unwrap(), "--audit-log", audit.to_str().unwrap()];
    let mut server = Running::start(&[&here[..], &["--control-bind", "off", "--http-bind", "off"]].concat());
    let address = server.line("COORDINATOR on").rsplit(' ').next().unwrap().to_owned();
    let ctl =
        |file: &str, words: &[&str]| -> Said { run(&[&["ctl", "-a", &address, "--token-file", file], words].concat()) };
    let [chief, guest, stranger] = &files;
    ctl(chief, &["session", "create", "drill"]).good();
    // As a member, since there is no control port.
    ctl(chief, &["session", "submit", "drill"]).good();
    ctl(chief, &["log-level", "info"]).good();
    assert_eq!(ctl(guest, &["shutdown"]).code, 1);
    assert_ne!(ctl(stranger, &["session", "list"]).code, 0);
    let join = find(&audit, "JOIN");
    assert_eq!(
        (&join["c2sim.sharedSession"], &join["event.outcome"]),
        (&Value::from("drill"), &Value::from("success"))
    );
    assert_eq!((&join["user.name"], &join["source.ip"]), (&Value::from("chief"), &Value::from("127.0.0.1")));
    assert!(join["event.sequence"].is_u64() && join["c2sim.systemName"] == "instep-ctl", "{join}");
    for action in ["START_AUDIT", "CREATE_SESSION", "RESIGN"] {
        find(&audit, action);
    }
    let trigger = lines(&audit).into_iter().find(|line| line["message"] == "INITIALIZING");
    assert!(trigger.is_some_and(|line| line["user.name"] == "chief"), "{:?}", lines(&audit));
    let call = find(&audit, "set_log_level");
    assert_eq!((&call["user.name"], &call["source.ip"]), (&Value::from("chief"), &Value::from("127.0.0.1")));
    let is_denied = |user: Option<&str>| {
        let is_it = |line: &Value| line["event.action"] == "AUTH_FAILURE" && line["event.outcome"] == "failure";
        lines(&audit).iter().any(|line| is_it(line) && line["user.name"].as_str() == user)
    };
    until("a user is denied", || is_denied(Some("guest")));
    until("a stranger, who has no name, is denied", || is_denied(None));
    // Moved away as logrotate does.
    let moved = folder.join("audit.1");
    fs::rename(&audit, &moved).unwrap();
    server.signal("-HUP");
    server.line("were read anew");
    assert_eq!(find(&audit, "reload")["c2sim.clientId"], "SIGHUP");
    ctl(chief, &["session", "delete", "drill"]).good();
    find(&audit, "END_SESSION");
    ctl(chief, &["shutdown"]).good();
    assert_eq!(server.end(), Some(0));
    assert_eq!(find(&audit, "shut_down")["user.name"], "chief");
    find(&audit, "STOP_AUDIT");
    let all = fs::read_to_string(&audit).unwrap() + &fs::read_to_string(&moved).unwrap();
    for secret in [admin.as_str(), nobodys.as_str(), "sha256"] {
        assert!(!all.contains(secret), "{all}");
    }
    fs::remove_dir_all(folder).unwrap();
}

/// Asks over HTTP as a proxy of this machine does, for somebody at an address of documentation; answers the code.
fn ask_for(address: &str, line: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{line} HTTP/1.1\r\nHost: {address}\r\nX-Forwarded-For: 192.0.2.7\r\nclientId: abcde\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer[9..12].parse().unwrap()
}

#[test]
fn who_asks_through_a_proxy_is_told_apart_from_it_where_nobody_is_asked_who_he_is() {
    let folder = folder("proxy");
    let audit = folder.join("audit.json");
    let words = ["--audit-log", audit.to_str().unwrap(), "--http-bind", "127.0.0.1:0", "--control-bind", "127.0.0.1:0"];
    let viewers = ["--viewer-bind", "127.0.0.1:0", "--trusted-proxies", "127.0.0.1"];
    let mut server = Running::start(&[&words[..], &viewers[..]].concat());
    let leco = server.line("COORDINATOR on").rsplit(' ').next().unwrap().to_owned();
    let viewers = server.line("viewers connect to ").rsplit(' ').next().unwrap().to_owned();
    let line = server.line("open the page in a browser: http://");
    let web = line.split("http://").nth(1).unwrap().split(['/', ' ']).next().unwrap();
    let path = "/api/c2sim/session/default";
    assert_eq!(ask_for(web, &format!("POST {path}/join"), r#"{"clientIdDisplayName":"x"}"#), 200);
    assert_eq!(ask_for(web, &format!("POST {path}/resign"), "{}"), 200);
    assert_ne!(ask_for(web, &format!("DELETE {path}"), ""), 200, "only from this machine");
    for action in ["JOIN", "RESIGN", "delete_session"] {
        assert_eq!(find(&audit, action)["source.ip"], "192.0.2.7", "{action}");
    }
    // A session that a viewer brings about is made before it ends.
    let kernel = TcpListener::bind("127.0.0.1:0").unwrap();
    let ctl = |words: &[&str]| run(&[&["ctl", "-a", &leco], words].concat());
    ctl(&["open", "127.0.0.1", &kernel.local_addr().unwrap().port().to_string(), "--keep"]).good();
    let _viewer = TcpStream::connect(viewers).unwrap();
    until("the viewer is there", || ctl(&["connect", "1", "1"]).code == 0);
    assert_eq!(find(&audit, "CREATE_SESSION")["c2sim.sharedSession"], "provider-1");
    ctl(&["close", "1"]).good();
    assert_eq!(find(&audit, "END_SESSION")["c2sim.sharedSession"], "provider-1");
    server.signal("-TERM");
    assert_eq!(server.end(), Some(0));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_cannot_be_written_stops_nobody_and_is_counted() {
    let folder = folder("full");
    // Every write to it fails, as on a full disk.
    let full = "/dev/full";
    if !Path::new(full).exists() {
        return;
    }
    let here = ["--audit-log", full, "--control-bind", "off", "--http-bind", "off"];
    let mut server = Running::start(&here);
    let address = server.line("COORDINATOR on").rsplit(' ').next().unwrap().to_owned();
    run(&["ctl", "-a", &address, "session", "create", "drill"]).good();
    until("what was lost is counted", || {
        let said = run(&["ctl", "-a", &address, "counters", "--json"]);
        said.json()["audit_dropped"].as_u64() > Some(0)
    });
    server.signal("-TERM");
    assert_eq!(server.end(), Some(0));
    let said = run(&["serve", "--bind", "127.0.0.1:0", "--audit-log", folder.to_str().unwrap()]);
    assert!(said.error(1).starts_with("audit_log "), "{said:?}");
    fs::remove_dir_all(folder).unwrap();
}
