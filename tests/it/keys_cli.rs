//! Commands and the library's client with keys of CURVE, against a server that asks for them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use instep::client::{Client, Error, Event, Keys, Loss, Options, TYPE_UNDEFINED};
use instep::time::Span;
use serde_json::{Value, json};

use super::serve_cli::Running;
use crate::common::program::{Said, program, run, until};

const SOON: Duration = Duration::from_secs(10);

/// A folder with pairs of keys and a file of settings.
struct Lab(PathBuf);

impl Lab {
    fn new(name: &str, pairs: &[&str]) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("keys-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        let lab = Self(folder);
        for pair in pairs {
            run(&["key", "new", &lab.path(pair)]).good();
        }
        lab
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap().trim().to_owned()
    }

    fn settings(&self, more: &str) {
        let server = self.path("server.secret");
        fs::write(self.path("instep.toml"), format!("auth = 'all'\nserver_key = '{server}'\n{more}")).unwrap();
    }

    /// A server of which these are admins; and where it listens.
    fn serve(&self, admins: &[&str]) -> (Running, String) {
        let user = |name: &&str| {
            let key = self.text(&format!("{name}.public"));
            format!("[[users]]\nname = '{name}'\nrole = 'admin'\nkey = '{key}'\nnames = ['*']\n")
        };
        self.settings(&admins.iter().map(user).collect::<String>());
        let server = Running::start(&["--config", &self.path("instep.toml"), "--http-bind", "off"]);
        let line = server.line("is N1.COORDINATOR on ");
        let address = line.rsplit(' ').next().unwrap().to_owned();
        (server, address)
    }

    fn keys(&self, name: &str) -> Keys {
        Keys::read(&self.text("server.public"), &self.text(&format!("{name}.secret"))).unwrap()
    }

    /// A command with keys as flags.
    fn run(&self, words: &[&str], name: &str, server: &str) -> Said {
        let (key, server) = (self.path(&format!("{name}.secret")), self.path(&format!("{server}.public")));
        run(&[words, &["--key", &key, "--server-key", &server]].concat())
    }
}

#[test]
fn every_command_that_talks_to_a_coordinator_takes_keys() {
    let lab = Lab::new("commands", &["server", "boss"]);
    let (_server, address) = lab.serve(&["boss"]);
    let told = lab.run(&["ctl", "-a", &address, "whoami", "--json"], "boss", "server").json();
    assert_eq!((&told["user"], &told["by"]), (&json!("boss"), &json!(format!("key {}", lab.text("boss.public")))));
    assert!(lab.run(&["may", "-a", &address, "boss", "exit"], "boss", "server").good().starts_with("yes: "));
    assert!(lab.run(&["ctl", "-a", &address, "methods"], "boss", "server").good().contains("whoami"));
    // Keys in letters, and in the environment.
    let public = lab.text("server.public");
    let mut command = program();
    command.args(["ctl", "-a", &address, "whoami"]).env("INSTEP_KEY", lab.path("boss.secret"));
    let said = command.env("INSTEP_SERVER_KEY", &public).output().unwrap();
    assert!(said.status.success() && String::from_utf8_lossy(&said.stdout).contains("boss"), "{said:?}");
    // Under load, with messages in one frame and in many.
    for words in [
        &["bench", "throughput", &address, "--pairs", "2", "--seconds", "0.3", "--json"][..],
        &["bench", "throughput", &address, "--payload", "300000", "--window", "4", "--seconds", "0.3", "--json"],
        &["bench", "latency", &address, "--seconds", "0.3", "--json"],
        &["bench", "session", &address, "-m", "3", "-n", "5", "--json"],
    ] {
        lab.run(words, "boss", "server").json();
    }
}

#[test]
fn what_does_not_fit_is_said_with_its_cure() {
    let lab = Lab::new("wrong", &["server", "boss", "stranger", "other"]);
    let (server, address) = lab.serve(&["boss"]);
    let whoami = ["ctl", "-a", &address, "whoami"];
    let public = lab.text("stranger.public");
    let said = lab.run(&whoami, "stranger", "server");
    assert!(said.error(1).contains(&format!("give a user there our public key, {public}, and reload")), "{said:?}");
    let said = lab.run(&whoami, "boss", "other");
    assert!(
        said.error(1).contains(&format!("with the key of --server-key, {}?", lab.text("other.public"))),
        "{said:?}"
    );
    let line = server.line("has another public key for this server");
    assert!(line.ends_with(&format!("; give it this node's key, {}", lab.text("server.public"))), "{line}");
    let said = run(&whoami);
    assert!(
        said.error(1)
            .ends_with("the peer speaks CURVE, and NULL is to be spoken: show a key (--key FILE, --server-key KEY)")
    );
    let (secret, server) = (lab.path("boss.secret"), lab.path("server.public"));
    let error = |words: &[&str]| run(&[&whoami[..], words].concat()).error(2).to_owned();
    assert!(error(&["--key", &secret]).starts_with("--key: the Coordinator's public key is wanted beside it"));
    assert!(error(&["--server-key", &server]).starts_with("--server-key: our own key is wanted beside it"));
    assert!(
        error(&["--key", &secret, "--server-key", "x"])
            .contains("--server-key x: no 40 letters of a key, and as a file")
    );
    assert!(error(&["--key", &secret, "--server-key", &secret]).contains("that is the file of a secret key"));
    assert!(error(&["--key", &server, "--server-key", &server]).ends_with(&format!("chmod 600 {server}")));
    // One that asks nobody.
    let server = Running::start(&["--http-bind", "off"]);
    let line = server.line("is N1.COORDINATOR on ");
    let said = lab.run(&["ctl", "-a", line.rsplit(' ').next().unwrap(), "whoami"], "boss", "server");
    // It may have closed the connection before its greeting was seen.
    let cures = ["does it speak CURVE (server_key)", "it asks nobody who he is: without --key and --token-file"];
    assert!(cures.into_iter().any(|cure| said.error(1).contains(cure)), "{said:?}");
    let may = |words: &[&str]| run(&[&["may", "-a", &address, "boss", "shut_down"], words].concat());
    let said = may(&[]);
    assert!(said.error(1).ends_with("show a key (--key FILE, --server-key KEY)"), "{said:?}");
    let said = lab.run(&["may", "-a", "127.0.0.1:1", "boss", "shut_down"], "boss", "server");
    assert!(said.error(3).contains("connection refused"), "{said:?}");
}

#[test]
fn a_program_with_keys_talks_and_comes_back() {
    let lab = Lab::new("program", &["server", "adder", "asker"]);
    let (server, address) = lab.serve(&["adder", "asker"]);
    let options = |name: &str| Options::new().keys(lab.keys(name)).timeout(Span::seconds(10));
    let mut adder = Client::connect(&address, "adder", options("adder")).unwrap();
    let mut asker = Client::connect(&address, "asker", options("asker")).unwrap();
    assert_eq!(asker.full_name(), "N1.asker");
    // Of no byte, of many in one frame, and of many frames.
    let large = vec![7; 3 << 20];
    for payload in [&[][..], &[&b""[..]], &[&large], &[b"a", &large, b"", &large]] {
        asker.send("adder", TYPE_UNDEFINED, payload).unwrap();
        let Some(Event::Message(message)) = adder.receive(SOON).unwrap() else { panic!("a message") };
        assert_eq!((message.sender.as_str(), message.payload.len()), ("N1.asker", payload.len()));
        assert!(message.payload.iter().zip(payload).all(|(is, was)| is == was));
        adder.reply(&message, TYPE_UNDEFINED, &[b"got it"]).unwrap();
        let Some(Event::Message(answer)) = asker.receive(SOON).unwrap() else { panic!("an answer") };
        assert_eq!(answer.payload, [b"got it"]);
    }
    // What can be in no sealed frame is not sent at all.
    let too_large = vec![0; 17 << 20];
    assert!(matches!(asker.send("adder", TYPE_UNDEFINED, &[&too_large]), Err(Error::Full)));
    assert_eq!(
        asker.ask("COORDINATOR", "send_local_components", &Value::Null, SOON).unwrap(),
        json!(["adder", "asker"])
    );
    drop(adder);
    // A key that is taken away ends the link, and keeps its owner out.
    lab.settings("");
    server.signal("-HUP");
    until("the client is not let in any more", || match asker.receive(Duration::from_millis(50)) {
        Ok(Some(Event::Lost { loss: Loss::Fault(fault), .. })) => fault.to_string().contains("(code 400)"),
        Ok(_) => false,
        Err(error) => panic!("it tries again: {error}"),
    });
    let error = Client::connect(&address, "asker", options("asker")).unwrap_err();
    assert_eq!(error.to_string(), "no Coordinator: the server does not let us in (code 400)");
}

#[test]
fn the_flags_of_pylecos_coordinator_mean_the_same_here() {
    let lab = Lab::new("synonyms", &["server", "client"]);
    let (server, client, public) = (lab.path("server.secret"), lab.path("client.secret"), lab.text("server.public"));
    let folder = lab.0.to_str().unwrap();
    let words = ["--server-secret-key", &server, "--client-secret-key", &client, "--server-public-key", &public];
    let said = run(&[&["--print-config", "--authorized-keys-dir", folder], &words[..]].concat());
    for (key, word) in [("server_key", &*server), ("client_key", &client), ("nodes_key", &public), ("keys_dir", folder)]
    {
        let line = format!("{key} = {}", Value::from(word));
        assert!(said.good().lines().any(|one| one == line), "{line}: {said:?}");
    }
    for flag in ["--server-secret-key", "--server-key"] {
        let said = run(&["--check", flag, &lab.text("server.secret")]);
        assert!(said.error(2).contains("everybody can see a key that stands here (ps): name its file"), "{said:?}");
        assert!(!said.err.contains(&lab.text("server.secret")), "it is not repeated");
    }
    assert!(run(&["--check", "--curve-any-authenticated"]).error(2).contains("here each key is a user's"));
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_program_without_tls_says_so() {
    let said = run(&["--check", "--tls-cert", "x", "--tls-key", "y"]);
    assert!(
        said.error(2).contains("tls_cert: this program was built without TLS: build it with --features tls"),
        "{said:?}"
    );
}

#[test]
fn keys_are_judged_when_they_are_read() {
    let lab = Lab::new("read", &["a", "b"]);
    let (public, secret) = (lab.text("a.public"), lab.text("a.secret"));
    let keys = Keys::read(&public, &secret).unwrap();
    assert_eq!((keys.public(), keys.server()), (public.clone(), public.clone()));
    assert!(!format!("{keys:?} {:?}", Options::new().keys(keys.clone())).contains(&secret), "no secret is shown");
    let certificate = format!("metadata\ncurve\n    public-key = \"{public}\"\n    secret-key = \"{secret}\"\n");
    assert_eq!(Keys::read(&public, &certificate).unwrap(), keys);
    let mixed = certificate.replace(&public, &lab.text("b.public"));
    for (server, own, wanted) in [
        ("x", &*secret, "the server's public key: it holds no public key"),
        (&*certificate, &*secret, "the server's public key: it holds a secret key"),
        (&*public, "x", "the client's secret key: it holds no secret key"),
        (&*public, &*mixed, "the client's secret key: the public key beside it is another one's"),
    ] {
        let error = Keys::read(server, own).unwrap_err();
        assert!(matches!(error, Error::Key(_)) && error.to_string().starts_with(wanted), "{error}");
    }
}
