//! Every number in the words of Prometheus (its text format): ours, those of the process, and those that other servers of C2SIM have, under their names.

use core::fmt::Write as _;

use crate::counters::{Counters, Reading};
use crate::hub::tally::{DocumentTally, Documents};
use crate::hub::vitals::{TURN_STEPS_US, Turns, Vitals};

use super::reply::Reply;
use super::tally::{Requests, STEPS_MS};

/// The media type of what is told.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

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

/// Every counter, what there is now, the documents that were taken and refused, and what was asked; `active` requests are not answered yet.
pub(super) fn metrics(
    (counters, readings, pulse): (&Counters, &[Reading], &Pulse),
    documents: &DocumentTally,
    (requests, active): (&Requests, usize),
) -> Reply {
    let mut sheet = Sheet(String::new());
    of_instep(&mut sheet, counters, readings, pulse);
    of_process(&mut sheet, pulse);
    of_documents(&mut sheet, documents);
    of_requests(&mut sheet, requests, active);
    Reply::of(200, METRICS_TYPE, sheet.0.into())
}

/// What was asked, in the words of other servers of C2SIM.
fn of_requests(sheet: &mut Sheet, requests: &Requests, active: usize) {
    sheet.head("c2sim_request_duration_seconds", "histogram", "what requests over HTTP take until they are answered");
    for (labels, times) in requests.times.iter() {
        let of = labelled(&["c2sim_request_endpoint", "c2sim_request_method", "c2sim_request_status"], &labels);
        let mut count = 0;
        for (n, times) in times.counts.iter().enumerate() {
            count += times;
            match STEPS_MS.get(n) {
                Some(bound) => sheet.line(format_args!(
                    "c2sim_request_duration_seconds_bucket{{{of},le=\"{}\"}} {count}",
                    Seconds(*bound)
                )),
                None => {
                    sheet.line(format_args!("c2sim_request_duration_seconds_bucket{{{of},le=\"+Inf\"}} {count}"));
                }
            }
        }
        let sum = Seconds(times.sum_ms);
        sheet.line(format_args!("c2sim_request_duration_seconds_sum{{{of}}} {sum}"));
        sheet.line(format_args!("c2sim_request_duration_seconds_count{{{of}}} {count}"));
    }
    let help = "requests refused as it was not known who asked";
    sheet.head("c2sim_request_auth_failed_count_total", "counter", help);
    for (labels, count) in requests.unknown.iter() {
        let of = labelled(&["c2sim_ip"], &labels);
        sheet.line(format_args!("c2sim_request_auth_failed_count_total{{{of}}} {count}"));
    }
    sheet.head("c2sim_server_active_requests", "gauge", "requests that are being read or answered");
    sheet.line(format_args!("c2sim_server_active_requests{{{}}} {active}", labelled(&[], &[])));
}

/// Labels as they are written, with the one that all of these have.
fn labelled(names: &[&str], values: &[&str]) -> String {
    let mut out = "c2sim_app=\"c2sim-server\"".to_owned();
    for (name, value) in names.iter().zip(values) {
        out.push(',');
        out.push_str(name);
        out.push_str("=\"");
        for letter in value.chars() {
            match letter {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                _ => out.push(letter),
            }
        }
        out.push('"');
    }
    out
}

/// Documents, in the words of other servers of C2SIM.
fn of_documents(sheet: &mut Sheet, documents: &DocumentTally) {
    const LABELS: [&str; 4] = ["c2sim_shared_session", "c2sim_system_name", "c2sim_msg_kind", "c2sim_error_kind"];
    for (name, help, rows) in [
        ("c2sim_client_msg_valid_count_total", "C2SIM documents that were taken", &documents.valid),
        ("c2sim_client_msg_invalid_count_total", "C2SIM documents that were refused", &documents.invalid),
    ] {
        sheet.head(name, "counter", help);
        for (labels, Documents { count, .. }) in rows.iter() {
            sheet.line(format_args!("{name}{{{}}} {count}", labelled(&LABELS, &labels)));
        }
    }
    let name = "c2sim_client_msg_bytes_sent_total";
    sheet.head(name, "counter", "bytes of the C2SIM documents that were taken");
    for (labels, Documents { bytes, .. }) in documents.valid.iter() {
        sheet.line(format_args!("{name}{{{}}} {bytes}", labelled(&LABELS, &labels)));
    }
}

fn of_instep(sheet: &mut Sheet, counters: &Counters, readings: &[Reading], pulse: &Pulse) {
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
}

fn of_process(sheet: &mut Sheet, pulse: &Pulse) {
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
}
