//! Users as a person sets them up: tokens, `--check`, `may`, and other rules for a server that runs.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use instep::auth::{hash_of, is_token};
use instep::client::{Client, Options};
use serde_json::{Value, json};

use super::serve_cli::Running;
use crate::common::program::{run, until};

/// A file of settings of its own, and where a directory of keys may be.
struct Settings(PathBuf);

impl Settings {
    fn new(name: &str, text: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("auth-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(folder.join("keys")).unwrap();
        let settings = Self(folder);
        settings.write(text);
        settings
    }

    fn write(&self, text: &str) {
        fs::write(self.0.join("instep.toml"), text).unwrap();
    }

    fn path(&self) -> String {
        self.0.join("instep.toml").to_str().unwrap().to_owned()
    }
}

const USERS: &str = "auth = 'remote'\n\n[[users]]\nname = 'chief'\nrole = 'controller'\nsessions = ['drill*']\n";

#[test]
fn a_token_is_printed_once_with_the_line_for_the_file() {
    let said = run(&["token", "new", "chief"]);
    let lines: Vec<&str> = said.good().lines().collect();
    assert!(is_token(lines[0]), "{said:?}");
    assert_eq!(lines.last(), Some(&&*format!("token = \"{}\"", hash_of(lines[0]))));
    assert_ne!(run(&["token", "new", "chief"]).good(), said.good());
    for words in [&["token"][..], &["token", "old", "x"], &["token", "new"], &["token", "--x"]] {
        assert!(run(words).error(2).starts_with("token: "), "{words:?}");
    }
}

#[test]
fn may_answers_by_its_code_and_names_the_line() {
    let settings = Settings::new("may", USERS);
    let file = settings.path();
    let may = |words: &[&str]| run(&[&["may", "--config", &file], words].concat());
    let yes = may(&["chief", "start_scenario", "drill7"]);
    assert_eq!((yes.code, yes.out.as_str()), (0, "yes: chief: role = controller may that, sessions has drill*\n"));
    let no = may(&["chief", "start_scenario", "war"]);
    assert_eq!((no.code, no.out.as_str(), no.err.as_str()), (1, "no: chief: sessions = drill* has no war\n", ""));
    assert_eq!(may(&["boss", "exit"]).error(2), "there is no user 'boss', and none with that key");
    assert!(may(&["chief", "dance"]).error(2).starts_with("there is no action 'dance'"));
    assert!(may(&["chief"]).error(2).starts_with("may: "));
}

#[test]
fn check_tells_who_may_what_and_a_wrong_rule_with_its_line() {
    let settings = Settings::new("check", USERS);
    let check = |text: &str| {
        settings.write(text);
        run(&["--check", "--bind", "127.0.0.1:0", "--namespace", "N1", "--config", &settings.path()])
    };
    let said = check(USERS);
    for wanted in [
        "who is asked who he is (auth): remote",
        "local (admin) may everything; known by loopback",
        "chief (controller) signs in as N1.chief, N1.ctl-*, to *, sessions drill*, sends *; known by nothing: nobody can be this user",
    ] {
        assert!(said.good().lines().any(|line| line == wanted), "{wanted}: {said:?}");
    }
    assert!(!said.out.contains("NULL"));
    let placed =
        check("auth = 'all'\n[[users]]\nname = 'x'\nrole = 'viewer'\naddress = ['10.1.0.0/16', '192.0.2.7']\n");
    let wanted =
        "nobody is asked for a key or a token (address): NULL is spoken with whoever sits there, with auth = all too";
    assert!(placed.good().contains(wanted) && placed.out.contains("from 192.0.2.7/32, 10.1.0.0/16"), "{placed:?}");
    for (more, wanted) in [
        ("[[users]]\nname = 'x'\nrole = 'king'\n", "line 10: there is no role 'king' (viewer,"),
        ("[[users]]\nname = 'x'\n", "line 8: role is missing"),
        ("[[users]]\nname = 'chief'\nrole = 'viewer'\n", "line 9: chief: two users have this name"),
        ("[[users]]\nname = 'x'\nrole = 'viewer'\nto = []\n", "line 11: to is empty: leave it out for its default"),
        ("[[users]]\nname = 'x'\nrole = 'viewer'\nfrom = 'y'\n", "line 11: a user has no 'from'"),
        (
            "[[users]]\nname = 'x'\nrole = 'viewer'\n\nkey = [\n  'short',\n]\n",
            "line 12: x: key: 'short' is no public key",
        ),
    ] {
        let said = check(&format!("{USERS}\n{more}"));
        assert!(said.error(2).contains(&format!("users: {wanted}")), "{more}: {said:?}");
    }
}

#[test]
fn commands_show_the_token_of_a_file_that_is_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let made = run(&["token", "new", "chief"]);
    let (token, line) = (made.good().lines().next().unwrap(), made.good().lines().last().unwrap());
    let settings =
        Settings::new("token", &format!("auth = 'all'\n\n[[users]]\nname = 'chief'\nrole = 'controller'\n{line}\n"));
    let server = Running::start(&["--config", &settings.path(), "--http-bind", "off"]);
    let line = server.line("is N1.COORDINATOR on ");
    let address = line.rsplit(' ').next().unwrap().to_owned();
    let file = settings.0.join("chief.token");
    let ctl = |words: &[&str]| run(&[&["ctl", "-a", &address, "--token-file", file.to_str().unwrap()], words].concat());
    fs::write(&file, format!("{token}\n")).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(ctl(&["whoami"]).error(2).ends_with(&format!("chmod 600 {}", file.display())));
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let told = ctl(&["whoami", "--json"]).json();
    assert_eq!((&told["user"], &told["by"]), (&json!("chief"), &json!("token")));
    assert_eq!((&told["publish"], &told["subscribe"]), (&json!("*"), &json!("*")));
    assert!(ctl(&["whoami"]).good().contains("\nsubscribe *\n"));
    // Over the control port too.
    assert!(ctl(&["session", "submit", "default"]).good().contains("INITIALIZING"));
    assert!(ctl(&["shutdown"]).error(1).contains("does not let chief shut_down: it needs admin"));
    assert_eq!(run(&["ctl", "-a", &address, "whoami"]).code, 1, "nobody asks without one");
    fs::write(&file, instep::auth::token_of(&[1; 32])).unwrap();
    assert_ne!(ctl(&["whoami"]).code, 0);
    fs::write(&file, "nothing").unwrap();
    assert!(ctl(&["whoami"]).error(2).ends_with("there is no token in it (instep token new)"));
}

#[test]
fn a_viewer_looks_on_by_ctl_and_reads_what_it_lacks() {
    use std::os::unix::fs::PermissionsExt;

    let made = run(&["token", "new", "wall"]);
    let (token, line) = (made.good().lines().next().unwrap(), made.good().lines().last().unwrap());
    let users = format!("auth = 'all'\n\n[[users]]\nname = 'wall'\nrole = 'viewer'\n{line}\n");
    let settings = Settings::new("viewer", &users);
    let server = Running::start(&["--config", &settings.path(), "--http-bind", "off"]);
    let line = server.line("is N1.COORDINATOR on ");
    let address = line.rsplit(' ').next().unwrap().to_owned();
    let file = settings.0.join("wall.token");
    fs::write(&file, token).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let ctl = |words: &[&str]| run(&[&["ctl", "-a", &address, "--token-file", file.to_str().unwrap()], words].concat());
    assert_eq!(ctl(&["whoami", "--json"]).json()["role"], "viewer");
    for words in [&["nodes"][..], &["components"], &["counters"], &["session", "list"], &["session", "info", "default"]]
    {
        let said = ctl(words);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{words:?}: {said:?}");
    }
    for (words, why) in [
        (&["session", "submit", "default"][..], "Trigger needs the role component; this is wall"),
        (&["shutdown"], "does not let wall shut_down: it needs admin"),
    ] {
        let said = ctl(words);
        assert!(said.error(1).contains(why), "{words:?}: {said:?}");
    }
    // It has tried nothing else: no name, either.
    server.signal("-TERM");
    let log = server.lines_to("has ended after");
    let denied = log.iter().filter(|line| line.contains(" may not ")).collect::<Vec<_>>();
    assert!(denied.len() == 2 && denied[0].contains("Trigger") && denied[1].contains("shut_down"), "{log:?}");
}

#[test]
fn a_node_with_a_key_says_what_others_must_know_of_it() {
    let settings = Settings::new("key", "auth = 'remote'\n");
    let key = settings.0.join("server");
    run(&["key", "new", key.to_str().unwrap()]).good();
    let public = fs::read_to_string(settings.0.join("server.public")).unwrap();
    let secret = settings.0.join("server.secret");
    let server = Running::start(&["--config", &settings.path(), "--server-key", secret.to_str().unwrap()]);
    assert!(server.line("the public key of this node is ").ends_with(&format!(" {}", public.trim())));
}

#[test]
fn other_rules_hold_in_one_step_while_messages_flow_and_wrong_ones_do_not() {
    let local = |rest: &str| format!("auth = 'remote'\n\n[[users]]\nname = 'local'\n{rest}\n");
    let all = local("role = 'admin'");
    let settings = Settings::new("reload", &all);
    let server = Running::start(&["--config", &settings.path(), "--http-bind", "off", "--control-bind", "off"]);
    let line = server.line("is N1.COORDINATOR on ");
    let address = line.rsplit(' ').next().unwrap().to_owned();
    let ctl = |words: &[&str]| run(&[&["ctl", "-a", &address, "--json"], words].concat());
    let count = |name: &str| ctl(&["counters", "--all"]).json()[name].as_u64().unwrap();

    let (stopped, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let traffic = scope.spawn(|| {
            let echo = Client::connect(&address, "echo", Options::new()).unwrap();
            let mut asker = Client::connect(&address, "asker", Options::new()).unwrap();
            while !stopped.load(Ordering::Acquire) {
                let answer = asker.ask("COORDINATOR", "send_local_components", &Value::Null, Duration::from_secs(5));
                assert!(answer.unwrap().as_array().unwrap().contains(&json!("echo")));
                asked.fetch_add(1, Ordering::AcqRel);
            }
            drop(echo);
        });
        until("messages flow", || asked.load(Ordering::Acquire) > 20);
        // What is wrong changes nothing, and is told with its line.
        for wrong in ["role = 'king'", "role = 'admin'\nnames = ['a*b']", "role ="] {
            settings.write(&local(wrong));
            let said = ctl(&["reload"]);
            assert_eq!(said.code, 1, "{said:?}");
            assert!(said.err.contains("instep.toml"), "{said:?}");
        }
        assert_eq!((count("reloads"), count("reloads_failed")), (0, 3));
        settings.write(&all);
        server.signal("-HUP");
        until("SIGHUP reads the rules", || count("reloads") == 1);
        settings.write(&local("role = 'controller'"));
        assert_eq!(ctl(&["reload"]).json()["users"], 1);
        let before = asked.load(Ordering::Acquire);
        until("messages still flow", || asked.load(Ordering::Acquire) > before + 20);
        stopped.store(true, Ordering::Release);
        traffic.join().unwrap();
    });
    let whoami = ctl(&["whoami"]).json();
    assert_eq!((&whoami["user"], &whoami["role"]), (&json!("local"), &json!("controller")));
    // It has given away the right to take it back.
    let refused = ctl(&["reload"]);
    assert!(refused.error(1).contains("does not let local reload: it needs admin"), "{refused:?}");
    settings.write(&local("role = 'component'\nnames = ['none*']"));
    server.signal("-HUP");
    let comes_in = || Client::connect(&address, "somebody", Options::new().reconnect(false)).is_ok();
    until("names are taken away", || !comes_in());
    settings.write(&all);
    server.signal("-HUP");
    until("and given back", || ctl(&["denials"]).code == 0);
    let denials = ctl(&["denials"]).json();
    assert!(denials["denials"].as_array().unwrap().iter().any(|row| row["action"] == "sign_in"), "{denials}");
}
