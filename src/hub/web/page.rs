//! What is read rather than asked: the first page, and every number in the words of Prometheus.

use core::fmt::Write as _;

use crate::counters::{Counters, Reading};

use super::reply::Reply;

/// The media type of [`metrics`] (the text format of Prometheus).
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The first page.
pub(in crate::hub) fn home(full_name: &str, readings: &[Reading]) -> Reply {
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{name}</title>\n<h1>{name}</h1>\n<table>\n",
        name = escaped(full_name)
    );
    for Reading { help, value, .. } in readings {
        text.push_str(&format!("<tr><td>{}<td>{value}\n", escaped(help)));
    }
    text.push_str("</table>\n<p><a href=\"health\">health</a> <a href=\"metrics\">metrics</a>\n</html>\n");
    Reply::of(200, "text/html; charset=utf-8", text.into())
}

/// The description of the interface of sessions.
pub(in crate::hub) fn openapi() -> Reply {
    let text = include_str!("openapi.yaml");
    Reply::of(200, "application/yaml", text.into()).with("Content-Disposition", "inline; filename=\"openapi.yaml\"")
}

/// Every counter, and what there is now.
pub(in crate::hub) fn metrics(counters: &Counters, readings: &[Reading]) -> Reply {
    let mut text = String::new();
    let mut line = |name: &str, kind: &str, help: &str, value: u64| {
        let written = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        debug_assert!(written.is_ok(), "a String takes everything");
    };
    for (name, help, value) in counters.iter() {
        line(&format!("instep_{name}_total"), "counter", help, value);
    }
    for Reading { name, help, value } in readings {
        line(&format!("instep_{name}"), "gauge", help, crate::counters::count(*value));
    }
    Reply::of(200, METRICS_TYPE, text.into())
}

/// Text as HTML has it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
