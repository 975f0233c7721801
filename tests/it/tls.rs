//! HTTP, WebSocket and STOMP over TLS, against other programs' TLS: curl's and Python's, and that of the crate that the server uses.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::serve_cli::Running;
use crate::common::program::{Said, run};

/// Certificates of 127.0.0.1 and their keys, made for these tests and known to all the world.
const CERTIFICATES: [&str; 2] = [
    "MIIBbDCCARKgAwIBAgIBATAKBggqhkjOPQQDAjAYMRYwFAYDVQQDDA1pbnN0ZXAgdGVzdCBhMCAXDTI0MDEwMTAwMDAwMFoYDzIxMjMwMTAxMD\
     AwMDAwWjAYMRYwFAYDVQQDDA1pbnN0ZXAgdGVzdCBhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEdBb2h0gKBzyu4m8GjaenFqw5ECDei5aM\
     KyPZQc4+qw9PyeZHaDi5LXDsSHC5bbcnG1w3Xe27vRQ84QS/97PGPqNLMEkwGgYDVR0RBBMwEYcEfwAAAYIJbG9jYWxob3N0MAwGA1UdEwEB/w\
     QCMAAwHQYDVR0OBBYEFE7NX58y5O+xTIEnynW0qD21xqcnMAoGCCqGSM49BAMCA0gAMEUCIQD9EQkWBC2lDjqLtYrEmLwBepfcRljaVGNZ1HGT\
     Z9rnJAIgPb5XO5J2y7tVcYVdY2cIT0s1L8L5uS57pDxz84FcgbY=",
    "MIIBazCCARKgAwIBAgIBATAKBggqhkjOPQQDAjAYMRYwFAYDVQQDDA1pbnN0ZXAgdGVzdCBiMCAXDTI0MDEwMTAwMDAwMFoYDzIxMjMwMTAxMD\
     AwMDAwWjAYMRYwFAYDVQQDDA1pbnN0ZXAgdGVzdCBiMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/YjXR7z+QKTqi8oaH/jL4CuC6JYa91Eq\
     hOAhR0U8OoVjWN6bAufucbcUVOzvL25RoE+1tRGBLhxKeFIU0jR08aNLMEkwGgYDVR0RBBMwEYcEfwAAAYIJbG9jYWxob3N0MAwGA1UdEwEB/w\
     QCMAAwHQYDVR0OBBYEFFVrCnldUcCs2EZmJnXjkhy6GE4yMAoGCCqGSM49BAMCA0cAMEQCIEQShGzsBRBdT9iO1Ic23+G1TnWiuEjtA3XNjFRc\
     /MKBAiAXsUD+J9bP5Le6Nfh9tFFHo4bAidkLpzFI8gDQx2i8jw==",
];
const KEYS: [&str; 2] = [
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgP2qwKNUID0J2oc9dFDGi4jWm5BSr4xq2y1uUjgXKi7GhRANCAAR0FvaHSAoHPK\
     7ibwaNp6cWrDkQIN6LlowrI9lBzj6rD0/J5kdoOLktcOxIcLlttycbXDdd7bu9FDzhBL/3s8Y+",
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghrRoWki57N+luqQ5hSmJyyiuas6ZuaenSKxnqxnS2uKhRANCAAT9iNdHvP5ApO\
     qLyhof+MvgK4Lolhr3USqE4CFHRTw6hWNY3psC5+5xtxRU7O8vblGgT7W1EYEuHEp4UhTSNHTx",
];

fn pem(kind: &str, letters: &str) -> String {
    format!("-----BEGIN {kind}-----\n{letters}\n-----END {kind}-----\n")
}

fn certificate(n: usize) -> String {
    pem("CERTIFICATE", CERTIFICATES[n])
}

/// A folder with a certificate, its key, and settings.
struct Lab(PathBuf);

impl Lab {
    fn new(name: &str, more: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        let lab = Self(folder);
        lab.show(0);
        let (cert, key) = (lab.path("cert.pem"), lab.path("key.pem"));
        fs::write(lab.path("instep.toml"), format!("{more}\ntls_cert = '{cert}'\ntls_key = '{key}'\n")).unwrap();
        lab
    }

    /// Files the one or the other certificate.
    fn show(&self, n: usize) {
        fs::write(self.path("cert.pem"), certificate(n)).unwrap();
        let mut key = fs::OpenOptions::new();
        let mut key = key.write(true).create(true).truncate(true).mode(0o600).open(self.path("key.pem")).unwrap();
        key.write_all(pem("PRIVATE KEY", KEYS[n]).as_bytes()).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn words(&self) -> Vec<String> {
        let words =
            ["--config", &self.path("instep.toml"), "--http-bind", "127.0.0.1:0", "--stomp-bind", "127.0.0.1:0"];
        words.map(str::to_owned).to_vec()
    }

    /// A server, and where its HTTP and STOMP are.
    fn serve(&self) -> (Running, String, String) {
        let words = self.words();
        let server = Running::start(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let line = server.line("open the page in a browser: http://");
        let http = line.split("http://").nth(1).unwrap().split(['/', ' ']).next().unwrap().to_owned();
        let line = server.line("clients of STOMP connect to ");
        let stomp = line.rsplit(' ').next().unwrap().to_owned();
        (server, http, stomp)
    }

    /// What `--check` says.
    fn check(&self) -> Said {
        let words = [vec!["--check".to_owned()], self.words()].concat();
        run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A connection that believes this certificate alone.
fn dial(address: &str, believed: usize) -> Stream {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate(believed).as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}

fn get(stream: &mut Stream, path: &str, more: &str) -> std::io::Result<String> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nclientId: abcde\r\nConnection: close\r\n{more}\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8(answer).unwrap())
}

fn plain(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn http_and_stomp_are_spoken_over_tls_with_curl_python_and_rustls() {
    let token = instep::auth::token_of(&[7; 32]);
    let hash = instep::auth::hash_of(&token);
    let lab = Lab::new("doors", "auth = 'all'");
    let mut settings = fs::read_to_string(lab.path("instep.toml")).unwrap();
    settings.push_str(&format!("[[users]]\nname = 'boss'\nrole = 'admin'\ntoken = '{hash}'\n"));
    fs::write(lab.path("instep.toml"), settings).unwrap();
    assert_eq!(lab.check().code, 0);
    let (_server, http, stomp) = lab.serve();
    let bearer = format!("Authorization: Bearer {token}\r\n");

    // What is long comes whole, and is what it is without TLS.
    let page = get(&mut dial(&http, 0), "/openapi.yaml", "").unwrap();
    assert!(page.starts_with("HTTP/1.1 200 ") && body(&page).len() > 10_000);
    assert_eq!(body(&page), body(&plain(&http, "/openapi.yaml")), "this machine need not speak TLS");
    let list = get(&mut dial(&http, 0), "/api/c2sim/session/list", &bearer).unwrap();
    assert!(list.starts_with("HTTP/1.1 200 "), "{list}");
    let ends = get(&mut dial(&http, 0), "/api/c2sim/session/default/stream-endpoints", &bearer).unwrap();
    assert!(ends.contains("wss://127.0.0.1"), "{ends}");
    // A megabyte the other way.
    let mut stream = dial(&http, 0);
    let large = "x".repeat(1 << 20);
    let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"pong","params":{{"x":"{large}"}}}}"#);
    let length = call.len();
    write!(
        stream,
        "POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\n{bearer}Content-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{call}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 413 "), "{answer}");

    let mut topic = dial(&stomp, 0);
    write!(topic, "CONNECT\naccept-version:1.2\nhost:x\nlogin:boss\npasscode:{token}\n\n\0").unwrap();
    let mut heard = [0; 256];
    let n = topic.read(&mut heard).unwrap();
    assert!(heard[..n].starts_with(b"CONNECTED\n"), "{}", String::from_utf8_lossy(&heard[..n]));

    let script = format!(
        "import ssl, urllib.request as r\n\
         c = ssl.create_default_context(cafile={:?})\n\
         print(r.urlopen(r.Request('https://{http}/api/c2sim/session/list', headers={{'Authorization': 'Bearer {token}', 'clientId': 'abcde'}}), \
         context=c).status)\n",
        lab.path("cert.pem")
    );
    let said = Command::new("python3").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "200\n", "{said:?}");
    let cert = lab.path("cert.pem");
    let curl = Command::new("curl").args(["-sS", "--cacert", &cert, &format!("https://{http}/health")]).output();
    // Where there is one.
    if let Ok(said) = curl {
        assert!(said.status.success() && String::from_utf8_lossy(&said.stdout).contains("UP"), "{said:?}");
    }
}

#[test]
fn other_certificates_hold_at_once_and_wrong_ones_do_not() {
    let lab = Lab::new("reload", "");
    let (server, http, _) = lab.serve();
    let mut old = dial(&http, 0);
    write!(old, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut some = [0; 64];
    assert!(old.read(&mut some).unwrap() > 0);
    assert!(get(&mut dial(&http, 1), "/health", "").is_err(), "it is not believed");
    lab.show(1);
    server.signal("-HUP");
    server.line("were read anew");
    assert!(get(&mut dial(&http, 1), "/health", "").unwrap().starts_with("HTTP/1.1 200 "));
    assert!(get(&mut dial(&http, 0), "/health", "").is_err());
    write!(old, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    assert!(old.read(&mut some).unwrap() > 0, "who is there stays");
    fs::write(lab.path("cert.pem"), "nothing").unwrap();
    server.signal("-HUP");
    assert!(server.line("stay as they were").contains("tls_cert "));
    assert!(get(&mut dial(&http, 1), "/health", "").unwrap().starts_with("HTTP/1.1 200 "));
}

#[test]
fn what_does_not_fit_is_told_at_the_start() {
    let lab = Lab::new("wrong", "");
    assert_eq!(lab.check().code, 0);
    fs::write(lab.path("cert.pem"), certificate(1)).unwrap();
    assert!(lab.check().error(2).contains("key"), "another one's key");
    fs::write(lab.path("cert.pem"), "nothing").unwrap();
    assert!(lab.check().error(2).ends_with("it holds no -----BEGIN CERTIFICATE-----"));
    lab.show(0);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(lab.path("key.pem"), open).unwrap();
    assert!(lab.check().error(2).ends_with(&format!("chmod 600 {}", lab.path("key.pem"))));
    fs::write(lab.path("instep.toml"), "tls_cert = 'x'\n").unwrap();
    assert!(lab.check().error(2).contains("tls_key is wanted beside it"));
}

#[test]
fn handshakes_that_do_not_go_on_and_bytes_that_are_none_keep_nobody_else_waiting() {
    let lab = Lab::new("half", "");
    let (_server, http, _) = lab.serve();
    // A beginning of a ClientHello, and nothing more.
    let mut half = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(&http).unwrap();
        stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00").unwrap();
        half.push(stream);
    }
    let others: Vec<_> = (0..8)
        .map(|_| {
            let http = http.clone();
            thread::spawn(move || get(&mut dial(&http, 0), "/health", "").unwrap())
        })
        .collect();
    for other in others {
        assert!(other.join().unwrap().starts_with("HTTP/1.1 200 "));
    }
    // What begins as TLS and is none gets an alert, and the end.
    for junk in [&b"\x16\x03\x01\x00\x04abcd"[..], b"\x16GET / HTTP/1.1\r\n\r\n", &[0x16; 4096]] {
        let mut stream = TcpStream::connect(&http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(junk).unwrap();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        assert!(answer.is_empty() || answer[0] == 0x15, "{answer:?}");
    }
    assert!(get(&mut dial(&http, 0), "/health", "").unwrap().starts_with("HTTP/1.1 200 "));
}
