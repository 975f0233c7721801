//! Opening a server, step by step: the configuration with the machine's names, the listeners, the hub with the files it reads, and the
//! threads that write for it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use mio::{Registry, Token, Waker};

use super::channels;
use super::clock::{self, Clock};
use super::door::{self, Listener};
use super::file::Files;
use super::host;
#[cfg(feature = "ledger")]
use super::ledger_thread::LedgerThread;
use super::passed::Passed;
use super::recordings::Recordings;
use super::token::{FIRST_LISTENER, LISTENERS_MAX};
use super::writer::{Outcomes, Wake};
use crate::c2sim::schema::Schemas;
use crate::config::Config;
use crate::hub::{Channel, Door, Hub, Start};
use crate::leco::DEFAULT_PORT;

pub(super) fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text.into())
}

/// The configuration with the machine's names in it, if its values fit together.
pub(super) fn checked(config: Config) -> io::Result<Config> {
    let config = super::keys::with_keys(named(config)).map_err(invalid)?;
    config.check().map_err(|wrong| invalid(wrong.to_string()))?;
    Ok(config)
}

/// Opens the listeners. A port chosen by the system, or only named in `bind`, becomes that of the configuration: it is the one that others
/// must be told.
pub(super) fn listen(config: &mut Config, registry: &Registry, mut passed: Passed) -> io::Result<Vec<Listener>> {
    let (mut listeners, elsewhere) = door::open(config, &mut passed)?;
    if !elsewhere.is_empty() {
        log::warn!("{}", elsewhere.join("; "));
    }
    let (of_channels, off) = channels::open(config, &listeners, &mut passed)?;
    off.iter().for_each(|why| log::warn!("{why}"));
    listeners.extend(of_channels);
    if listeners.len() > LISTENERS_MAX {
        return Err(invalid(format!("bind: more than {LISTENERS_MAX} addresses")));
    }
    for (n, listener) in listeners.iter_mut().enumerate() {
        listener.register(registry, Token(FIRST_LISTENER + n))?;
    }
    let is_unsaid = config.port == 0 || (config.port == DEFAULT_PORT && !config.bind.is_empty());
    if let Some(leco) = listeners.first().filter(|leco| is_unsaid || leco.is_passed()) {
        config.port = leco.address().port();
    }
    host::warn_about_descriptors(config.connections_max);
    Ok(listeners)
}

/// The hub with all that it reads and writes by, and where the outcomes of its writing arrive.
pub(super) fn hub(
    config: Config,
    clock: Clock,
    waker: &Arc<Waker>,
    listeners: &[Listener],
) -> io::Result<(Hub, Vec<Outcomes>)> {
    let start = Start { seed: clock::seed(), now: clock.now(), unix_ms: clock::unix_ms() };
    for missing in missing_directories(&config) {
        log::warn!("{missing}");
    }
    let files = Files::new(&config.log_dir);
    let recordings = open_recordings(&config.record, waker)?;
    let (state_dir, schemas) = (config.state_dir.clone(), config.c2sim_schema.clone());
    let secrets = config.has_keys().then(|| super::secrets::read(&config).map_err(invalid)).transpose()?;
    let mut hub = Hub::new(config, start).map_err(|wrong| invalid(wrong.to_string()))?;
    if let Some(secrets) = secrets {
        hub.set_keys(secrets, super::secrets::entropy()).map_err(invalid)?;
    }
    hub.put_shelf(Box::new(files));
    hub.set_vitals(super::vitals::read);
    load_schemas(&schemas, |xsd| hub.load_schema(xsd))?;
    let mut outcomes = Vec::new();
    if let Some((recordings, told)) = recordings {
        hub.set_recorder(Box::new(recordings));
        outcomes.push(told);
    }
    if !state_dir.is_empty() {
        outcomes.push(set_ledger(&mut hub, &state_dir, waker)?);
    }
    for channel in Channel::ALL {
        if let Some(ports) = channels::ports(listeners, channel) {
            hub.set_channel(channel, ports);
        }
    }
    if let Some(viewers) = listeners.iter().find(|listener| listener.door() == Door::Viewer) {
        hub.set_viewer_port(viewers.address().port());
    }
    let control = listeners.iter().filter(|listener| listener.door() == Door::Control);
    hub.set_control_addresses(control.map(Listener::address).collect());
    Ok((hub, outcomes))
}

/// Whether what the configuration names is there, without starting anything.
pub(super) fn check_files(config: &Config) -> io::Result<()> {
    let with_keys = super::keys::with_keys(named(config.clone())).map_err(invalid)?;
    with_keys.check().map_err(|wrong| invalid(wrong.to_string()))?;
    super::secrets::read(config).map_err(invalid)?;
    #[cfg(feature = "tls")]
    super::tls::Certificates::of(config).map_err(invalid)?;
    let mut schemas = Schemas::default();
    load_schemas(&config.c2sim_schema, |xsd| schemas.load(xsd).map(drop))?;
    let state_dir = Path::new(&config.state_dir);
    if !config.state_dir.is_empty() && state_dir.exists() && !state_dir.is_dir() {
        return Err(invalid(format!("state_dir {}: not a directory", config.state_dir)));
    }
    missing_directories(config).next().map_or(Ok(()), |missing| Err(invalid(missing)))
}

/// An empty namespace or host becomes the machine's name.
fn named(mut config: Config) -> Config {
    if config.host.is_empty() {
        config.host = host::name();
    }
    if config.namespace.is_empty() {
        config.namespace = host::default_namespace();
    }
    config
}

fn load_schemas(paths: &[String], mut load: impl FnMut(&str) -> Result<(), String>) -> io::Result<()> {
    for path in paths {
        let told = |why: String| invalid(format!("c2sim_schema {path}: {why}"));
        let text = std::fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
        load(&text).map_err(told)?;
    }
    Ok(())
}

/// A sentence for each directory of logs and recordings that is not there.
fn missing_directories(config: &Config) -> impl Iterator<Item = String> {
    let record = (!config.record.is_empty()).then_some(("record", &config.record));
    let all = config.log_dir.iter().map(|path| ("log_dir", path)).chain(record);
    all.filter(|(_, path)| !Path::new(path).is_dir()).map(|(key, path)| format!("{key} {path}: no such directory"))
}

/// What helpers call from their threads.
fn wake_by(waker: &Arc<Waker>) -> Wake {
    let waker = Arc::clone(waker);
    Arc::new(move || {
        if let Err(error) = waker.wake() {
            log::error!("cannot wake the server: {error}");
        }
    })
}

/// What writes recordings to `directory`; `None` without one: then there is no thread either.
fn open_recordings(directory: &str, waker: &Arc<Waker>) -> io::Result<Option<(Recordings, Outcomes)>> {
    if directory.is_empty() {
        return Ok(None);
    }
    Recordings::open(Path::new(directory), wake_by(waker)).map(Some)
}

/// Has sessions kept in `directory`.
#[cfg(feature = "ledger")]
fn set_ledger(hub: &mut Hub, directory: &str, waker: &Arc<Waker>) -> io::Result<Outcomes> {
    let wake = wake_by(waker);
    let opened = LedgerThread::open(Path::new(directory), move || wake());
    let (ledger, outcomes) = opened.map_err(|error| io::Error::new(error.kind(), format!("state_dir: {error}")))?;
    let wrong = |reason| io::Error::new(io::ErrorKind::InvalidData, format!("state_dir {directory}: {reason}"));
    hub.set_ledger(Box::new(ledger)).map_err(wrong)?;
    Ok(outcomes)
}

#[cfg(not(feature = "ledger"))]
fn set_ledger(_: &mut Hub, _: &str, _: &Arc<Waker>) -> io::Result<Outcomes> {
    Err(invalid("state_dir: this program was built without the feature `ledger`"))
}
