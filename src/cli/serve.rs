//! `instep serve`: command line, environment and file become a [`Config`], and the server runs.

mod access;
mod passed;
mod supervisor;
pub(in crate::cli) mod topics;

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use instep::auth::{Key, Users};
use instep::config::{Config, SETTINGS, Setting, Value, line_of};
use instep::hub::{Channel, Door};
use instep::net::{Server, Turn, host, keys};
use instep::spelling::meant;
use lexopt::prelude::{Long, Short, Value as Word};
use log::LevelFilter;

use super::ending::end_server;
use super::failure::{Failure, in_words};
use super::flags::meant_flag;
use super::logger;
use super::print::say;

/// What is to be done with the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Run,
    Print,
    Check,
    Help,
    Version,
}

/// The command line, taken apart: what it sets is applied after file and environment.
#[derive(Debug)]
struct Words {
    task: Task,
    file: Option<String>,
    set: Vec<(String, String)>,
    louder: i32,
}

/// Runs the server until it is told to stop, and tells the supervisor why where that fails.
pub(super) fn run(words: Vec<OsString>) -> Result<(), Failure> {
    super::memory::give_back_large_blocks();
    carry_out(words).inspect_err(supervisor::tell)
}

fn carry_out(words: Vec<OsString>) -> Result<(), Failure> {
    let words = parse(words)?;
    match words.task {
        Task::Help => return say(&topics::help()),
        Task::Version => return say(concat!("instep ", env!("CARGO_PKG_VERSION"), "\n")),
        Task::Run | Task::Print | Task::Check => {}
    }
    let Words { file, set, louder, .. } = words;
    let (mut config, strangers) = configure(file.as_deref(), &set, louder)?;
    let stranger = |name: &String| {
        let keys: Vec<String> =
            SETTINGS.iter().map(|setting| format!("INSTEP_{}", setting.key.to_uppercase())).collect();
        let meant = meant(name, keys.iter().map(String::as_str));
        format!("{name}: there is no such setting{meant} (the variable is left alone)")
    };
    match words.task {
        Task::Print => return say(&config.to_toml()),
        Task::Check => {
            read_issuer(&mut config, file.as_deref())?;
            strangers.iter().try_for_each(|name| say(&format!("{}\n", stranger(name))))?;
            return check(&config);
        }
        Task::Run | Task::Help | Task::Version => {}
    }
    read_issuer(&mut config, file.as_deref())?;
    let passed = passed::of_environment()?;
    let reopen = logger::start(config.log_level, &config.log_file)?;
    for name in &strangers {
        log::warn!("{}", stranger(name));
    }
    let wide = Server::wide_files(&config);
    let (name, asked) = (config.name.clone(), access::Asked::of(&config));
    if asked.is_any() || config.has_secrets() {
        access::keep_to_oneself();
    }
    let mut server = Server::bind_passed(config, passed).map_err(|error| {
        let is_wrong = error.kind() == io::ErrorKind::InvalidInput;
        if is_wrong { Failure::usage(in_words(&error)) } else { Failure::other(in_words(&error)) }
    })?;
    for wide in wide {
        log::warn!("{wide}");
    }
    let mut reread = config_reader(file, set, louder);
    server.set_reload(Box::new(move || reread().map_err(|failure| failure.text)));
    end_server(&mut server, reopen).map_err(|error| Failure::other(in_words(&error)))?;
    for line in welcome(&server, &name) {
        log::info!("{line}");
    }
    let of_channel = |channel| [Door::Publisher(channel), Door::Subscriber(channel), Door::Distributor(channel)];
    let doors = [Door::Leco, Door::Control, Door::Viewer, Door::Http, Door::Stomp].into_iter();
    let doors = doors.chain(Channel::ALL.into_iter().flat_map(of_channel));
    let open = doors.flat_map(|door| server.addresses(door).map(move |address| (door, address)));
    for line in access::warnings(&asked, open) {
        log::warn!("{line}");
    }
    if host::is_root() {
        log::warn!("it runs as root, which it does not need: give it a user of its own (systemd: DynamicUser=yes)");
    }
    if let Some(supervisor) = supervisor::of_environment() {
        server.report_to(supervisor);
    }
    while server.turn(None).map_err(|error| Failure::other(in_words(&error)))? == Turn::Goes {
        if server.has_let_go() {
            super::memory::give_back_the_rest();
        }
    }
    let counted = server.hub().counters().iter().filter(|(_, _, value)| *value > 0);
    log::debug!(
        "counted: {}",
        counted.map(|(name, _, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    );
    let (turns, longest_us) = server.turns();
    log::info!(
        "{name} has ended after {turns} turns, the longest of {}.{:03} ms",
        longest_us / 1000,
        longest_us % 1000
    );
    Ok(())
}

/// Says what is to be known before a start, and whether anything is wrong.
fn check(config: &Config) -> Result<(), Failure> {
    let line = |line: &String| say(&format!("{line}\n"));
    let wrong = |error: io::Error| Failure::usage(in_words(&error));
    Server::check_files(config).map_err(wrong)?;
    Server::look(config).map_err(wrong)?.iter().try_for_each(line)?;
    Server::wide_files(config).iter().try_for_each(line)?;
    access::told(config)?.iter().try_for_each(line)?;
    say("the configuration is in order\n")
}

/// What reads the settings anew, as they were read at the start.
fn config_reader(
    file: Option<String>,
    set: Vec<(String, String)>,
    steps: i32,
) -> impl FnMut() -> Result<Config, Failure> + Send {
    move || {
        let (mut config, _) = configure(file.as_deref(), &set, steps)?;
        read_issuer(&mut config, file.as_deref())?;
        Ok(config)
    }
}

/// The users that a file, or the environment, describes, and the namespace of the node.
pub(super) fn users(file: Option<String>) -> Result<(Users, String), Failure> {
    let (mut config, _) = configure(file.as_deref(), &[], 0)?;
    read_issuer(&mut config, file.as_deref())?;
    access::users(&config)
}

/// The file of settings, and by what it is named.
fn settings_file(file: Option<&str>) -> Option<(&'static str, String)> {
    let variable = || std::env::var("INSTEP_CONFIG").ok().filter(|path| !path.is_empty());
    file.map(|path| ("--config", path.to_owned())).or_else(|| Some(("INSTEP_CONFIG", variable()?)))
}

/// Reads the key that JWTs are signed by, which stands in a file of its own; what is wrong is told with the line that names it.
fn read_issuer(config: &mut Config, file: Option<&str>) -> Result<(), Failure> {
    let Some(jwt) = &mut config.jwt else { return Ok(()) };
    keys::read_issuer(jwt).map_err(|why| {
        let path = settings_file(file).map_or_else(String::new, |(_, path)| path);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let line = line_of(&text, "[jwt]", 0, "public_key").unwrap_or_default();
        Failure::usage(format!("{path}: jwt: line {line}: {why}"))
    })
}

/// File, then environment, then flags, then the check of the whole. Says which variables look like settings and are none.
fn configure(file: Option<&str>, set: &[(String, String)], steps: i32) -> Result<(Config, Vec<String>), Failure> {
    let fresh = topics::fresh();
    let mut config = fresh.clone();
    if let Some((source, path)) = settings_file(file) {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Failure::usage(format!("{source} {path}: {}", in_words(&error))))?;
        config.apply_toml(&text).map_err(|error| {
            // What is no TOML has no key that could be named.
            let is_toml = error.key != "config file";
            Failure::usage(if is_toml { format!("{path}: {error}") } else { format!("{path}: {}", error.reason) })
        })?;
    }
    let mut strangers = Vec::new();
    for (name, word) in std::env::vars_os() {
        let Some((name, key)) = name.to_str().and_then(|name| Some((name, name.strip_prefix("INSTEP_")?))) else {
            continue;
        };
        if !SETTINGS.iter().any(|setting| setting.key.eq_ignore_ascii_case(key)) {
            if key != "CONFIG"
                && ![super::place::VARIABLE, super::context::VARIABLE].contains(&name)
                && !super::credentials::is_variable(name)
            {
                strangers.push(name.to_owned());
            }
            continue;
        }
        let word = word.to_str().ok_or_else(|| Failure::usage(format!("{name}: the value is not UTF-8")))?;
        config.apply_env(name, word).map_err(Failure::usage)?;
    }
    for (key, word) in set {
        config
            .set(key, word)
            .map_err(|error| Failure::usage(format!("--{}: {}", key.replace('_', "-"), error.reason)))?;
    }
    // Where only the memory was chosen, messages follow it.
    let sizes = |config: &Config| (config.frame_bytes_max, config.message_bytes_max);
    if config.memory_max != fresh.memory_max && sizes(&config) == sizes(&fresh) {
        config.fit_messages();
    }
    config.log_level = louder(config.log_level, steps);
    config.check().map_err(Failure::usage)?;
    Server::check_addresses(&config).map_err(Failure::usage)?;
    Ok((config, strangers))
}

/// What a person who starts the server wants to know: that it is there, and what to type next.
fn welcome(server: &Server, name: &str) -> Vec<String> {
    let all: Vec<SocketAddr> = server.local_addresses().collect();
    let addresses: Vec<String> = all.iter().map(SocketAddr::to_string).collect();
    let full_name = String::from_utf8_lossy(server.hub().full_name()).into_owned();
    let port = all.first().map_or(0, SocketAddr::port);
    let told = server.hub().address();
    let (host, told_port) = told.rsplit_once(':').unwrap_or((told, ""));
    let mut lines = vec![format!("{name} {} is {full_name} on {}", env!("CARGO_PKG_VERSION"), addresses.join(", "))];
    if all.iter().all(|address| address.ip().is_loopback()) {
        lines.push(format!("a pyleco program connects with port={port}; other machines cannot reach this address"));
    } else {
        lines.push(format!(
            "a pyleco program here connects with port={port}, elsewhere with host=\"{host}\", port={told_port}"
        ));
        lines.push(format!("another Coordinator joins with: instep -c {told}"));
    }
    if let Some(key) = server.hub().public_key() {
        lines.push(format!("the public key of this node is {key}"));
    }
    let doors = [(Door::Control, "controllers connect to"), (Door::Viewer, "viewers connect to")];
    let doors = doors.map(|(door, what)| (what, server.addresses(door).map(|a| a.to_string()).collect::<Vec<_>>()));
    let doors = doors.iter().filter(|(_, addresses)| !addresses.is_empty());
    let doors: Vec<String> = doors.map(|(what, addresses)| format!("{what} {}", addresses.join(", "))).collect();
    if !doors.is_empty() {
        lines.push(format!("of the Manager, {}", doors.join(", ")));
    }
    if let Some(address) = server.addresses(Door::Http).next() {
        lines.push(format!("open the page in a browser: http://{}/", seen_from_here(address)));
    }
    let stomp: Vec<String> = server.addresses(Door::Stomp).map(|address| address.to_string()).collect();
    if !stomp.is_empty() {
        lines.push(format!("clients of STOMP connect to {}", stomp.join(", ")));
    }
    for channel in Channel::ALL {
        let port = |door| server.addresses(door).next().map(|address| address.port());
        if let (Some(publishers), Some(subscribers)) = (port(Door::Publisher(channel)), port(Door::Subscriber(channel)))
        {
            lines.push(format!(
                "of the {channel} channel, publishers connect to {publishers}, subscribers to {subscribers}"
            ));
        }
    }
    lines
}

/// An address to listen on, as a program on this machine connects to it.
fn seen_from_here(address: SocketAddr) -> SocketAddr {
    let here = if address.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
    if address.ip().is_unspecified() { SocketAddr::new(here, address.port()) } else { address }
}

fn louder(level: LevelFilter, steps: i32) -> LevelFilter {
    let levels = [
        LevelFilter::Off,
        LevelFilter::Error,
        LevelFilter::Warn,
        LevelFilter::Info,
        LevelFilter::Debug,
        LevelFilter::Trace,
    ];
    let place =
        levels.iter().position(|other| *other == level).and_then(|place| i32::try_from(place).ok()).unwrap_or(0);
    let wanted = usize::try_from((place + steps).clamp(0, 5)).unwrap_or(0);
    levels.get(wanted).copied().unwrap_or(level)
}

fn parse(words: Vec<OsString>) -> Result<Words, Failure> {
    let mut parsed = Words { task: Task::Run, file: None, set: Vec::new(), louder: 0 };
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next()? {
        let key = match word {
            Short('h') | Long("help") => {
                parsed.task = Task::Help;
                continue;
            }
            Short('V') | Long("version") => {
                parsed.task = Task::Version;
                continue;
            }
            Long("print-config") => {
                parsed.task = Task::Print;
                continue;
            }
            Long("check") => {
                parsed.task = Task::Check;
                continue;
            }
            Short('q') | Long("quiet") => {
                parsed.louder -= 1;
                continue;
            }
            Short('v') | Long("verbose") => {
                parsed.louder += 1;
                continue;
            }
            Long("config") => {
                parsed.file = Some(text(&mut parser)?);
                continue;
            }
            Short('p') => "port".to_owned(),
            Short('n') => "name".to_owned(),
            Short('r') => "host".to_owned(),
            Short('c') => "coordinators".to_owned(),
            Long(flag) => of_pyleco(flag)?.replace('-', "_"),
            Short(letter) => {
                return Err(Failure::usage(format!("-{letter}: there is no such flag (try: instep serve --help)")));
            }
            Word(word) => {
                return Err(Failure::usage(format!(
                    "'{}' is not a flag (try: instep serve --help)",
                    word.to_string_lossy()
                )));
            }
        };
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            let flag = format!("--{}", key.replace('_', "-"));
            let flags: Vec<String> = SETTINGS.iter().map(Setting::flag).collect();
            let special = ["config", "print-config", "check", "quiet", "verbose", "help", "version"];
            let meant = meant_flag(&flag, flags.iter().map(String::as_str).chain(special));
            return Err(Failure::usage(format!("{flag}: there is no such flag{meant} (try: instep serve --help)")));
        };
        let value = if setting.is_switch {
            match parser.optional_value() {
                Some(value) => value.to_string_lossy().into_owned(),
                None => "true".to_owned(),
            }
        } else {
            text(&mut parser)?
        };
        is_no_secret(setting, &value)?;
        // A list may be given in several flags.
        let earlier = parsed.set.iter_mut().find(|(set, _)| *set == key);
        match (setting.value(&topics::fresh()), earlier) {
            (Value::List(_), Some((_, words))) => {
                words.push(',');
                words.push_str(&value);
            }
            _ => parsed.set.push((key, value)),
        }
    }
    Ok(parsed)
}

/// A secret key stands in a file, and nowhere where others see it.
fn is_no_secret(setting: &Setting, value: &str) -> Result<(), Failure> {
    if !["server_key", "client_key"].contains(&setting.key) || Key::parse(value).is_none() {
        return Ok(());
    }
    let flag = setting.flag();
    Err(Failure::usage(format!("--{flag}: everybody can see a key that stands here (ps): name its file")))
}

/// A flag by its own name, where pyleco's Coordinator has another one for it.
fn of_pyleco(flag: &str) -> Result<&str, Failure> {
    let why = match flag {
        "authorized-keys-dir" => return Ok("keys-dir"),
        "server-secret-key" => return Ok("server-key"),
        "client-secret-key" => return Ok("client-key"),
        "server-public-key" => return Ok("nodes-key"),
        "client-public-key" => "it follows from --client-secret-key, and is left out here",
        "curve-any-authenticated" => "here each key is a user's: --keys-dir, or [[users]] in the file of settings",
        _ => return Ok(flag),
    };
    Err(Failure::usage(format!("--{flag}: {why}")))
}

fn text(parser: &mut lexopt::Parser) -> Result<String, Failure> {
    let word = parser.value()?;
    word.into_string().map_err(|word| Failure::usage(format!("'{}' is not UTF-8", word.to_string_lossy())))
}
