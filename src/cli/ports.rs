//! Where the Manager of a Coordinator listens. The Coordinator says so; one that does not know has it at the usual distance, if anywhere.

use std::net::{IpAddr, SocketAddr};

use instep::leco::address;
use serde_json::Value;

use super::client::{Client, Trouble, is_method_unknown};

/// The control port is so much higher than that of the Coordinator, where nobody says otherwise.
pub(super) const CONTROL_OFFSET: u16 = 10;
/// The viewer port likewise.
const VIEWER_OFFSET: u16 = 11;

/// What the Coordinator says of its Manager; `None` from one that knows of none.
pub(super) fn ask(client: &mut Client) -> Result<Option<Value>, Trouble> {
    match client.ask("COORDINATOR", "manager", &Value::Null) {
        Ok(mut answer) => Ok(answer.get_mut("manager").map(Value::take)),
        Err(trouble) if is_method_unknown(&trouble) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// The control port of the Manager behind a Coordinator (`host:port`); `None` where there is no port so high.
///
/// # Errors
/// The Manager says that it has none.
pub(super) fn control(coordinator: &str, told: Option<&Value>) -> Result<Option<String>, Trouble> {
    let Some(list) = told.and_then(|told| told.get("control")).and_then(Value::as_array) else {
        return Ok(beside(coordinator, CONTROL_OFFSET));
    };
    let all: Vec<SocketAddr> = list.iter().filter_map(|one| one.as_str()?.parse().ok()).collect();
    let host = address::host_and_port(coordinator).map_or(coordinator, |(host, _)| host);
    match reached(host, &all) {
        Some(control) => Ok(Some(control)),
        None => Err(Trouble::Nobody(format!("the Manager at {coordinator} has no control port (control_bind)"))),
    }
}

/// The viewer port likewise.
pub(super) fn viewer(coordinator: &str, told: Option<&Value>) -> Option<String> {
    let port = told.and_then(|told| told.get("port")).and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    let (host, _) = address::host_and_port(coordinator)?;
    port.map_or_else(|| beside(coordinator, VIEWER_OFFSET), |port| Some(address::join(host, port)))
}

fn beside(coordinator: &str, offset: u16) -> Option<String> {
    let (host, port) = address::host_and_port(coordinator)?;
    Some(address::join(host, port.checked_add(offset)?))
}

/// One of the addresses that a server listens on, as it is reached by who reaches the server at `host`. What is loopback or all to the
/// server is the host by which we know it, unless that is our own loopback, too.
fn reached(host: &str, all: &[SocketAddr]) -> Option<String> {
    let ip: Option<IpAddr> = host.parse().ok();
    let is_near = address::is_loopback(host);
    let takes_host = |one: &&SocketAddr| one.ip().is_unspecified() || ip == Some(one.ip());
    let one = all.iter().find(takes_host).or_else(|| all.first())?;
    let is_as_told = !one.ip().is_unspecified() && (is_near || !one.ip().is_loopback());
    Some(if is_as_told { one.to_string() } else { address::join(host, one.port()) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_control_port_is_reached_as_its_coordinator_is() {
        for (coordinator, control, wanted) in [
            ("127.0.0.1:12300", json!(["127.0.0.1:5"]), "127.0.0.1:5"),
            ("localhost:12300", json!(["127.0.0.1:5"]), "127.0.0.1:5"),
            ("[::1]:12300", json!(["127.0.0.1:5"]), "127.0.0.1:5"),
            ("[::1]:12300", json!(["127.0.0.1:5", "[::1]:6"]), "[::1]:6"),
            ("127.0.0.1:12300", json!(["[::]:5"]), "127.0.0.1:5"),
            ("lab:12300", json!(["[::]:5"]), "lab:5"),
            ("lab:12300", json!(["10.0.0.1:5"]), "10.0.0.1:5"),
            // Our own loopback is another machine's.
            ("lab:12300", json!(["127.0.0.1:5"]), "lab:5"),
            ("[fe80::1%eth0]:12300", json!(["[::1]:5"]), "[fe80::1%eth0]:5"),
        ] {
            let told = json!({"control": control});
            assert_eq!(
                super::control(coordinator, Some(&told)).unwrap().as_deref(),
                Some(wanted),
                "{coordinator} {told}"
            );
        }
    }

    #[test]
    fn who_says_nothing_is_where_everybody_is() {
        assert_eq!(control("lab:12300", None).unwrap().as_deref(), Some("lab:12310"));
        assert_eq!(control("[::1]:5", Some(&json!({"port": 7}))).unwrap().as_deref(), Some("[::1]:15"));
        assert_eq!(control("lab:65530", None).unwrap(), None);
        assert!(control("lab:5", Some(&json!({"control": []}))).unwrap_err().to_string().contains("no control port"));
        assert_eq!(viewer("lab:12300", None).as_deref(), Some("lab:12311"));
        assert_eq!(viewer("[::1]:12300", Some(&json!({"port": 7}))).as_deref(), Some("[::1]:7"));
        assert_eq!(viewer("lab:65530", Some(&json!({"port": 700_000}))), None);
    }
}
