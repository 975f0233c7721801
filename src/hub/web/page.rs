//! What is read rather than asked: the files of the page, and every number in the words of Prometheus.

use core::fmt::Write as _;

use crate::counters::{Counters, Reading};
use crate::hub::vitals::{TURN_STEPS_US, Turns, Vitals};
use crate::web::File;

use super::connection::Asked;
use super::reply::Reply;

/// The media type of [`metrics`] (the text format of Prometheus).
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a page may load: itself. Nobody may put it into a frame.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The first file of the page.
const INDEX: &str = "index.html";

/// The page.
pub(in crate::hub) fn home(asked: &Asked) -> Reply {
    if !asked.prefix.is_empty() {
        return home_below(&asked.prefix);
    }
    File::find(INDEX)
        .map_or_else(|| Reply::bare(404), |index| file(asked, index).with("Content-Security-Policy", POLICY))
}

/// The page below a path: it may have been asked for without the slash behind that, so its files are named from the root on.
fn home_below(prefix: &str) -> Reply {
    let prefix = prefix.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let index = File::find(INDEX).map(File::plain).unwrap_or_default();
    let index = String::from_utf8_lossy(&index).replace("=\"page/", &format!("=\"{prefix}/page/"));
    Reply::of(200, "text/html; charset=utf-8", index.into())
        .with("Cache-Control", "no-cache")
        .with("Content-Security-Policy", POLICY)
}

/// A file of the page. It is asked for anew each time, and sent if it is another one than the browser has.
pub(in crate::hub) fn file(asked: &Asked, file: &'static File) -> Reply {
    let is_known =
        asked.has.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == file.tag);
    let reply = match is_known {
        true => Reply::bare(304),
        false if asked.takes_gzip => Reply::of(200, file.media_type, file.gzip.into()).with("Content-Encoding", "gzip"),
        false => Reply::of(200, file.media_type, file.plain()),
    };
    reply
        .with("ETag", file.tag)
        .with("Cache-Control", "no-cache")
        .with("Vary", "Accept-Encoding")
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
}

/// The description of the interface of sessions.
pub(in crate::hub) fn openapi() -> Reply {
    let text = include_str!("openapi.yaml");
    Reply::of(200, "application/yaml", text.into()).with("Content-Disposition", "inline; filename=\"openapi.yaml\"")
}

/// What there is to tell of the process beside its counters.
#[derive(Debug)]
pub(in crate::hub) struct Pulse {
    pub(in crate::hub) turns: Turns,
    pub(in crate::hub) vitals: Option<Vitals>,
    /// Milliseconds since 1970 when it began.
    pub(in crate::hub) began_unix_ms: u64,
    /// How many sessions are in each state.
    pub(in crate::hub) sessions: Vec<(&'static str, usize)>,
}

/// The text of Prometheus as it is written.
struct Sheet(String);

impl Sheet {
    fn line(&mut self, line: core::fmt::Arguments<'_>) {
        let written = writeln!(self.0, "{line}");
        debug_assert!(written.is_ok(), "a String takes everything");
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl core::fmt::Display) {
        self.head(name, kind, help);
        self.line(format_args!("{name} {value}"));
    }
}

/// A number of milliseconds in seconds.
struct Seconds(u64);

impl core::fmt::Display for Seconds {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// The same of microseconds.
struct Micros(u64);

impl core::fmt::Display for Micros {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Every counter, and what there is now.
pub(in crate::hub) fn metrics(counters: &Counters, readings: &[Reading], pulse: &Pulse) -> Reply {
    let mut sheet = Sheet(String::new());
    for (name, help, value) in counters.iter() {
        sheet.one(&format!("instep_{name}_total"), "counter", help, value);
    }
    for Reading { name, help, value } in readings {
        sheet.one(&format!("instep_{name}"), "gauge", help, value);
    }
    sheet.head("instep_sessions_in_state", "gauge", "shared sessions by their state");
    for (state, count) in &pulse.sessions {
        sheet.line(format_args!("instep_sessions_in_state{{state=\"{state}\"}} {count}"));
    }
    sheet.head("instep_turn_seconds", "histogram", "what turns of the loop take, waiting not counted");
    let mut turns = 0;
    for (n, count) in pulse.turns.counts.iter().enumerate() {
        turns += count;
        match TURN_STEPS_US.get(n) {
            Some(bound) => {
                sheet.line(format_args!("instep_turn_seconds_bucket{{le=\"{}\"}} {turns}", Micros(*bound)));
            }
            None => sheet.line(format_args!("instep_turn_seconds_bucket{{le=\"+Inf\"}} {turns}")),
        }
    }
    let sum = Micros(pulse.turns.micros);
    sheet.line(format_args!("instep_turn_seconds_sum {sum}\ninstep_turn_seconds_count {turns}"));
    let began = Seconds(pulse.began_unix_ms);
    sheet.one("process_start_time_seconds", "gauge", "when the process began, in seconds since 1970", began);
    if let Some(vitals) = pulse.vitals {
        let Vitals { resident_bytes, cpu_ms, descriptors } = vitals;
        sheet.one("process_resident_memory_bytes", "gauge", "bytes of the process that are in memory", resident_bytes);
        sheet.one("process_cpu_seconds_total", "counter", "time of the process on a processor", Seconds(cpu_ms));
        if let Some(descriptors) = descriptors {
            sheet.one("process_open_fds", "gauge", "open file descriptors", descriptors);
        }
    }
    sheet.head("c2sim_client_msg_valid_count_total", "counter", "C2SIM documents that were read");
    let documents = counters.session_documents;
    sheet.line(format_args!("c2sim_client_msg_valid_count_total{{c2sim_app=\"c2sim-server\"}} {documents}"));
    Reply::of(200, METRICS_TYPE, sheet.0.into())
}
