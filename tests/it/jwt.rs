//! Clients of C2SIM that bring a JWT of their identity provider, as OpenSSL has signed it, to a server that runs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;

use super::serve_cli::Running;
use crate::common::program::{run, until};

/// A key that was made for this test, and is known to all the world.
const ISSUER: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA4S5fmHbh4patoAJapkyA3L+EfN/Yrm7eLuFa4k7CkAwPVgh0iS2+r8ed4RMZqvADIM\
     vs/fyFFywp10JpbiDZQsvsuQOVsD2TNAFnlwkFe6L4kh9eUVAtZzR3fJU2+Tty24XuQYrhpVUvXYA6DqduCnBtCVsv3KD33nzQ79iAska17AeB\
     snJNz7Od9DLqw13G4T0X5zJM4YGCjOAHioX2iApLZAck/ZEkOT3mCp9N2IkcXRVULlu0t3+9LLTGlbU+ZRu0HE+/j7KTX/c9IKVm1kMqJ4vCkt\
     7uWqAmPEh+FJ4C21H7gWM/K4GsT9v3HpjG63bJI480ww8t1ob/rNA5EwIDAQAB";
/// {"aud":["c2sim"],"scope":"openid c2sim","exp":4102444800,"fromSendingSystem":"CWIX","messageType":["DomainMessage","SystemMessage"],
/// "systemMessageType":["SIMAN"]}
const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJhdWQiOlsiYzJzaW0iXSwic2NvcGUiOiJvcGVuaWQgYzJzaW0iLCJleHAiOjQxMDI0NDQ4M\
     DAsImZyb21TZW5kaW5nU3lzdGVtIjoiQ1dJWCIsIm1lc3NhZ2VUeXBlIjpbIkRvbWFpbk1lc3NhZ2UiLCJTeXN0ZW1NZXNzYWdlIl0sInN5c3R\
     lbU1lc3NhZ2VUeXBlIjpbIlNJTUFOIl19.0hc4EIaYPi74d5_W6UoV7APdF7DCYrMK9xuxr3XCEu1nyxIjiP8iYz0Olh2pTN1d4DiaForxHjwV\
     cBYWFpDqdVJNS7pp1ayFRKNLiKtcFzd5ttjgRCSHvxYJxb3ZmNz0Ixy-ci9oITSSNljeG-JwrdF7uAhjDbDe13WnpMrqp-YHnc0Z4V3An4WFte\
     YFmayYdynjN6ytEZsD80X36BhRGn3Tir3LQWreC339u_DIeqkA6stDUhvE7k9a4hV1BncRAafGKgFnDz9MUFfICss2A1RHKZXinLsYTwrzUJIh\
     fF5Kn4yz5k6IZttN2ir0n3Ms5Ed25a-MPcucoBYcl4K8pg";
/// The same, with the issuer's public key as the secret of HS256.
const HS256: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhdWQiOlsiYzJzaW0iXSwic2NvcGUiOiJvcGVuaWQgYzJzaW0iLCJleHAiOjQxMDI0NDQ4M\
     DAsImZyb21TZW5kaW5nU3lzdGVtIjoiQ1dJWCIsIm1lc3NhZ2VUeXBlIjpbIkRvbWFpbk1lc3NhZ2UiLCJTeXN0ZW1NZXNzYWdlIl0sInN5c3R\
     lbU1lc3NhZ2VUeXBlIjpbIlNJTUFOIl19.cT6I59PwJPMIN4Q8EOtg3LdF5u1mONdTnHw3O0nbO4k";

fn ask(address: &str, line: &str, token: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let shown = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let length = body.len();
    write!(
        stream,
        "{line} HTTP/1.1\r\nHost: {address}\r\nclientId: abcde\r\nConnection: close\r\nContent-Type: application/json\r\n\
         {shown}Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer[9..12].parse().unwrap(), answer)
}

#[test]
fn a_client_with_a_jwt_may_what_it_grants_and_only_for_its_system() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("jwt-{}", std::process::id()));
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    let (file, pem) = (folder.join("instep.toml"), folder.join("issuer.pem"));
    let settings = |role: &str| {
        let jwt = format!("[jwt]\npublic_key = '{}'\nrole = '{role}'\n", pem.display());
        fs::write(&file, format!("auth = 'all'\n\n{jwt}sessions = ['default', 'drill*']\n")).unwrap();
    };
    let issuer = format!("-----BEGIN PUBLIC KEY-----\n{ISSUER}\n-----END PUBLIC KEY-----\n");
    fs::write(&pem, issuer).unwrap();
    settings("controller");
    let words = ["--config", file.to_str().unwrap(), "--http-bind", "127.0.0.1:0", "--stomp-bind", "127.0.0.1:0"];
    let told = run(&[&["--check"], &words[..]].concat());
    assert!(
        told.good().contains("jwt:* (controller) sessions default, drill*; known by a JWT of the key in "),
        "{told:?}"
    );
    let server = Running::start(&words);
    let line = server.line("open the page in a browser: http://");
    let address = line.split("http://").nth(1).unwrap().split(['/', ' ']).next().unwrap().to_owned();

    let list = "GET /api/c2sim/session/list";
    assert_eq!(ask(&address, list, TOKEN, "").0, 200);
    let (text, signature) = TOKEN.rsplit_once('.').unwrap();
    let none = format!("eyJhbGciOiJub25lIn0.{}.", text.split_once('.').unwrap().1);
    for wrong in ["", HS256, none.as_str(), text, &format!("{text}.{}A", &signature[..signature.len() - 1])] {
        assert_eq!(ask(&address, list, wrong, "").0, 401, "{wrong}");
    }
    // What it grants to hand in it grants to read.
    let refused = ask(&address, "GET /api/c2sim/session/default/initialization", TOKEN, "");
    assert!(refused.0 == 401 && refused.1.contains(r#""needs":"send""#), "{refused:?}");
    let line = server.line("clients of STOMP connect to ");
    let topic = line.rsplit(' ').next().unwrap();
    for (login, passcode, answer) in [
        ("CWIX", TOKEN, "CONNECTED"),
        ("jwt:CWIX", TOKEN, "CONNECTED"),
        ("?", TOKEN, "CONNECTED"),
        ("OTHER", TOKEN, "ERROR"),
        ("CWIX", HS256, "ERROR"),
    ] {
        let mut stream = TcpStream::connect(topic).unwrap();
        write!(stream, "CONNECT\naccept-version:1.2\nhost:h\nlogin:{login}\npasscode:{passcode}\n\n\0").unwrap();
        let mut heard = vec![0; answer.len()];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(String::from_utf8_lossy(&heard), answer, "{login}");
    }
    let join = "POST /api/c2sim/session/default/join";
    let body = |system: &str| format!(r#"{{"clientIdDisplayName":"x"{system}}}"#);
    let foreign = ask(&address, join, TOKEN, &body(r#","systemName":"OTHER""#));
    assert!(
        foreign.0 == 400
            && foreign.1.contains(
                r#"{"code":"AUTHORIZATION_FAILURE","message":"The token is not of system 'OTHER'","details":"#
            ),
        "{foreign:?}"
    );
    assert_eq!(ask(&address, join, TOKEN, &body("")).0, 200, "it is its own system where it names none");
    assert_eq!(ask(&address, "POST /api/c2sim/session/war/join", TOKEN, &body("")).0, 401);
    let create = r#"{"data":{"c2simSchemaVersion":"1.0.2","displayName":"d","description":"d"}}"#;
    assert_eq!(ask(&address, "PUT /api/c2sim/session/drill7/create", TOKEN, create).0, 200);

    // Other rules: less is granted; another key, and nothing is. A key that cannot be read changes nothing.
    let reloaded = |wanted: &str| {
        server.signal("-HUP");
        server.line(wanted);
    };
    settings("viewer");
    reloaded("were read anew");
    assert_eq!(ask(&address, join, TOKEN, &body("")).0, 401);
    assert_eq!(ask(&address, list, TOKEN, "").0, 200);
    fs::write(&pem, "nothing").unwrap();
    reloaded("instep.toml: jwt: line ");
    fs::remove_file(&pem).unwrap();
    reloaded("instep.toml: jwt: line ");
    let said = run(&[&["--check"], &words[..]].concat());
    let at = format!("jwt: line 4: public_key {}: ", pem.display());
    let cure = "name the file of the issuer's public key, which begins with -----BEGIN PUBLIC KEY-----";
    assert!(said.error(2).contains(&at) && said.error(2).ends_with(cure), "{said:?}");
    let said = run(&words);
    assert!(said.error(2).contains(&at) && said.error(2).ends_with(cure), "at a start too: {said:?}");
    until("who has one is somebody still", || ask(&address, list, TOKEN, "").0 == 200);
}
