//! Time to check and recognise C2SIM messages, and to write them on one line, in nanoseconds per document.
//!
//! `cargo bench --bench c2sim` makes its own documents; `INSTEP_C2SIM_DATA` adds the recorded ones. `benches/count` counts the
//! instructions of the smaller ones.
#![expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "what the measurements share fails where it stands"
)]

mod common;

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use common::{count, counting, now};
use instep::c2sim::kind::Schema;
use instep::c2sim::notice::minify;
use instep::c2sim::scan::{scan, scan_with};
use instep::c2sim::schema::Rules;

/// The median of several rounds, each long enough for the clock.
fn median_ns(mut work: impl FnMut()) -> u128 {
    let mut rounds = Vec::new();
    for _ in 0..15 {
        let (start, mut calls) = (now(), 0);
        while start.elapsed() < Duration::from_millis(20) {
            work();
            calls += 1;
        }
        rounds.push(start.elapsed().as_nanos() / calls);
    }
    rounds.sort_unstable();
    rounds.get(rounds.len() / 2).copied().unwrap_or_default()
}

fn report(name: &str, document: &[u8]) {
    let accepted = scan(document).is_ok();
    let scanned = median_ns(|| drop(black_box(scan(black_box(document)))));
    let mut out = Vec::new();
    let written = median_ns(|| {
        out.clear();
        black_box(minify(black_box(document), &mut out)).unwrap_or_default();
    });
    let bytes = document.len();
    println!("{name:<28} {bytes:>7} B  accepted {accepted}  scan {scanned:>8} ns  one line {written:>8} ns");
}

/// The same with the content checked against a schema.
fn report_checked(name: &str, document: &[u8], rules: &Rules) {
    let accepted = scan_with(document, Some(rules)).is_ok();
    let scanned = median_ns(|| drop(black_box(scan_with(black_box(document), Some(rules)))));
    let bytes = document.len();
    println!("{name:<28} {bytes:>7} B  accepted {accepted}  scan with schema {scanned:>8} ns");
}

/// A schema of the documents made here; all occurrences of an element have one type, as in C2SIM.
fn schema() -> String {
    let mut text = format!(
        "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns=\"{0}\" targetNamespace=\"{0}\">",
        Schema::V2_0_0.namespace()
    );
    text += "<xs:simpleType name=\"Uuid\"><xs:restriction base=\"xs:string\"><xs:pattern \
             value=\"[0-9a-f]{8}\\-[0-9a-f]{4}\\-[0-9a-f]{4}\\-[0-9a-f]{4}\\-[0-9a-f]{12}\"/></xs:restriction></xs:simpleType>";
    text += "<xs:simpleType name=\"Degrees\"><xs:restriction base=\"xs:double\"><xs:minInclusive value=\"-90\"/><xs:maxInclusive \
             value=\"90\"/></xs:restriction></xs:simpleType>";
    let values: Vec<_> = (0..20).map(|n| format!("Value{n}")).collect();
    for (name, parts) in [
        ("Message", "C2SIMHeader MessageBody"),
        ("C2SIMHeader", "ConversationID FromSendingSystem MessageID Protocol ProtocolVersion"),
        ("MessageBody", "C2SIMInitializationBody? SystemMessageBody? DomainMessageBody?"),
        ("SystemMessageBody", "StartScenario"),
        ("DomainMessageBody", "ReportBody"),
        ("ReportBody", &values.join(" ")),
        ("StartScenario", ""),
        ("C2SIMInitializationBody", "ObjectDefinitions ScenarioSetting SystemEntityList"),
        ("ObjectDefinitions", "Entity*"),
        ("Entity", "ActorEntity"),
        ("ActorEntity", "Unit"),
        ("Unit", "CurrentState Name UUID"),
        ("CurrentState", "Latitude Longitude"),
        ("ScenarioSetting", ""),
        ("SystemEntityList", "SystemName"),
    ] {
        text +=
            &format!("<xs:element name=\"{name}\" type=\"{name}T\"/><xs:complexType name=\"{name}T\"><xs:sequence>");
        for part in parts.split_whitespace() {
            let times = match part.as_bytes().last() {
                Some(b'*') => " minOccurs=\"0\" maxOccurs=\"unbounded\"",
                Some(b'?') => " minOccurs=\"0\"",
                _ => "",
            };
            text += &format!("<xs:element ref=\"{}\"{times}/>", part.trim_end_matches(['*', '?']));
        }
        text += "</xs:sequence></xs:complexType>";
    }
    for (of, names) in [
        ("Uuid", vec!["ConversationID", "MessageID", "UUID"]),
        ("Degrees", vec!["Latitude", "Longitude"]),
        ("xs:string", vec!["FromSendingSystem", "Protocol", "ProtocolVersion", "Name", "SystemName"]),
        ("xs:double", values.iter().map(String::as_str).collect()),
    ] {
        names.iter().for_each(|name| text += &format!("<xs:element name=\"{name}\" type=\"{of}\"/>"));
    }
    text + "</xs:schema>"
}

fn message(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Message xmlns=\"{}\">\n  <C2SIMHeader>\n    \
         <ConversationID>11111111-2222-4333-8444-555555555555</ConversationID>\n    <FromSendingSystem>ALPHA</FromSendingSystem>\n    \
         <MessageID>aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee</MessageID>\n    <Protocol>SISO-STD-C2SIM</Protocol>\n    \
         <ProtocolVersion>1.0.2</ProtocolVersion>\n  </C2SIMHeader>\n  <MessageBody>\n{body}\n  </MessageBody>\n</Message>\n",
        Schema::V2_0_0.namespace()
    )
}

fn initialization(bytes: usize) -> String {
    let mut body = String::from("<C2SIMInitializationBody>\n<ObjectDefinitions>\n");
    for n in 0_u32.. {
        if body.len() > bytes {
            break;
        }
        let written = write!(
            body,
            "        <Entity>\n          <ActorEntity>\n            <Unit>\n              <CurrentState>\n                <Latitude>52.{n}</Latitude>\n                \
             <Longitude>4.{n}</Longitude>\n              </CurrentState>\n              <Name>Unit {n}</Name>\n              \
             <UUID>00000000-0000-4000-8000-{n:012}</UUID>\n            </Unit>\n          </ActorEntity>\n        </Entity>\n"
        );
        if written.is_err() {
            break;
        }
    }
    body += "</ObjectDefinitions>\n<ScenarioSetting/>\n<SystemEntityList><SystemName>A</SystemName></SystemEntityList>\n</C2SIMInitializationBody>";
    message(&body)
}

/// A report of twenty values.
fn report_of_values() -> String {
    let content: String = (0..20).map(|n| format!("      <Value{n}>{n}.5</Value{n}>\n")).collect();
    message(&format!("<DomainMessageBody>\n<ReportBody>\n{content}</ReportBody>\n</DomainMessageBody>"))
}

/// One line for each case of `benches/count`.
fn count_all() {
    let rules = Rules::load(&schema()).expect("the bench's own schema is one");
    for (name, document, times) in [
        ("StartScenario", message("<SystemMessageBody><StartScenario/></SystemMessageBody>"), 100),
        ("report", report_of_values(), 100),
        ("initialization", initialization(136 * 1024), 2),
    ] {
        let document = document.as_bytes();
        assert!(scan_with(document, Some(&rules)).is_ok(), "{name} is what its schema says");
        let each = |label: &str, work: &mut dyn FnMut()| {
            count(&format!("c2sim, {label} {name}"), times, || (0..times).for_each(|_| work()));
        };
        each("scan", &mut || drop(black_box(scan(black_box(document)))));
        each("scan with schema", &mut || drop(black_box(scan_with(black_box(document), Some(&rules)))));
        let mut out = Vec::new();
        each("one line of", &mut || {
            out.clear();
            black_box(minify(black_box(document), &mut out)).expect("it is well-formed");
        });
    }
}

fn main() {
    if counting() {
        return count_all();
    }
    let start = message("<SystemMessageBody><StartScenario/></SystemMessageBody>");
    report("StartScenario", start.as_bytes());
    let position = report_of_values();
    report("report", position.as_bytes());
    report("initialization", initialization(136 * 1024).as_bytes());
    report("initialization, 10 MB", initialization(10_000_000).as_bytes());
    let many = message(&format!("<Other>{}</Other>", "<a/>".repeat(990_000)));
    report("990,000 elements", many.as_bytes());
    match Rules::load(&schema()) {
        Ok(rules) => {
            report_checked("StartScenario", start.as_bytes(), &rules);
            report_checked("report", position.as_bytes(), &rules);
            report_checked("initialization", initialization(136 * 1024).as_bytes(), &rules);
        }
        Err(error) => println!("the bench's own schema: {error}"),
    }
    let Some(folder) = std::env::var_os("INSTEP_C2SIM_DATA").map(std::path::PathBuf::from) else {
        return;
    };
    for file in ["position-report.xml", "c2simheader-auth.xml", "Order.xml", "MessageWithC2SimInit.xml"] {
        if let Ok(document) = std::fs::read(folder.join("tno-original").join(file)) {
            report(file, &document);
        }
    }
    for schema in std::fs::read_dir(folder.join("xsd")).into_iter().flatten().flatten() {
        let Ok(text) = std::fs::read_to_string(schema.path()) else { continue };
        let loaded = median_ns(|| drop(black_box(Rules::load(black_box(&text)))));
        println!("{:<28} {:>7} B  load {loaded} ns", schema.file_name().display(), text.len());
        let Some(rules) = Rules::load(&text).ok().filter(|rules| rules.schema() == Some(Schema::V2_0_0)) else {
            continue;
        };
        for file in ["position-report.xml", "c2simheader-auth.xml", "Order.xml", "MessageWithC2SimInit.xml"] {
            if let Ok(document) = std::fs::read(folder.join("tno-original").join(file)) {
                report_checked(file, &document, &rules);
            }
        }
    }
}
