//! The tables of `docs/protocol.md`, which are printed from the program's own: a new error, call or bit stands there, or this fails.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::common::program::Node;
use instep::c2sim::chart::Reference;
use instep::c2sim::code::Code;
use instep::config::{ChannelPort, Config};
use instep::control::function::Function;
use instep::control::section::Section;
use instep::control::viewer::Bits;
use instep::leco::rpc::ERRORS;
use serde_json::Value;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/protocol.md")
}

/// A table of Markdown with these columns.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(N));
    for row in rows {
        writeln!(text, "| {} |", row.join(" | ").replace("|  |", "| |")).unwrap();
    }
    text
}

fn code(word: &str) -> String {
    format!("`{word}`")
}

fn errors() -> String {
    let rows =
        ERRORS.iter().map(|(error, more)| [error.code.to_string(), error.message.to_owned(), (*more).to_owned()]);
    table(["code", "message", "and"], rows)
}

/// The calls that somebody tells of.
fn calls(document: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = document["methods"].as_array().unwrap().iter().map(|method| {
        let parameters = method["params"].as_array().unwrap().iter().map(|one| {
            let star = if one["required"] == true { "" } else { "?" };
            format!("`{}{star}` {}", text(&one["name"]), text(&one["schema"]["type"]))
        });
        let parameters = parameters.collect::<Vec<_>>().join(", ");
        let result = text(&method["result"]["schema"]["type"]);
        [code(&text(&method["name"])), parameters, result, text(&method["summary"])]
    });
    table(["call", "parameters (? may be left out)", "result", "does"], rows)
}

fn codes() -> String {
    let rows = Code::ALL.into_iter().map(|one| {
        // Where keys are numbered, the first of them tell what the others are.
        let all = one.detail_keys();
        let shown = if all.len() > 5 { 4 } else { all.len() };
        let keys: Vec<String> = all.iter().take(shown).map(|key| code(key)).collect();
        let more = if all.len() > shown { " …" } else { "" };
        [code(one.name()), one.to_string(), keys.join(", ") + more]
    });
    table(["code", "says", "`details` may have"], rows)
}

fn functions() -> String {
    let rows = (1..=999).filter_map(Function::of_id).map(|function| {
        let takes: Vec<String> = function.takes().iter().map(|argument| code(argument.key())).collect();
        [function.id().to_string(), function.name().to_owned(), takes.join(", ")]
    });
    table(["number", "function", "looks at"], rows)
}

fn bits() -> String {
    let rows = Bits::NAMED.iter().map(|(bit, name, what)| [bit.0.to_string(), code(name), (*what).to_owned()]);
    table(["bit", "name", "asks for"], rows)
}

fn sections() -> String {
    Section::ALL.iter().map(|section| format!("* `{}`\n", section.key())).collect()
}

/// The document with its tables as they are now.
fn written(document: &str) -> String {
    let node = Node::start("N1", Config { data_port: ChannelPort::At(0), ..Config::default() });
    let mut text = String::new();
    let mut rest = document;
    while let Some((before, behind)) = rest.split_once("<!-- table: ") {
        let (name, behind) = behind.split_once(" -->\n").unwrap();
        let (_, behind) = behind.split_once("<!-- end -->").unwrap();
        let now = match name {
            "errors" => errors(),
            "coordinator" => calls(&node.json(&["methods"])),
            "channel" => calls(&node.json(&["methods", "DATA_COORDINATOR"])),
            "session" => calls(&node.json(&["methods", "session:default"])),
            "states" => Reference.to_string(),
            "codes" => codes(),
            "functions" => functions(),
            "bits" => bits(),
            "sections" => sections(),
            other => panic!("there is no table {other}"),
        };
        write!(text, "{before}<!-- table: {name} -->\n{now}<!-- end -->").unwrap();
        rest = behind;
    }
    text + rest
}

#[test]
fn the_tables_of_the_protocol_are_those_of_the_program() {
    let document = fs::read_to_string(path()).unwrap();
    let now = written(&document);
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let wrong: Vec<String> = lines(&now).into_iter().filter(|line| !lines(&document).contains(line)).collect();
    assert!(
        now == document,
        "cargo test --test it write_the_protocol -- --ignored puts in what is new:\n{}",
        wrong.join("\n")
    );
}

#[test]
#[ignore = "writes into the document; run by hand"]
fn write_the_protocol() {
    let document = fs::read_to_string(path()).unwrap();
    fs::write(path(), written(&document)).unwrap();
}

#[test]
fn the_lists_are_whole() {
    let source =
        |file: &str| fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).unwrap();
    let known = source("leco/rpc.rs").matches(": RpcError =").count();
    assert_eq!(ERRORS.len(), known);
    let document = fs::read_to_string(path()).unwrap();
    let history = source("hub/sessions/history.rs");
    let words = history.split_once("fn word(self)").unwrap().1.split_once("\n    }").unwrap().0;
    for word in words.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.contains(&format!("\n| `{word}` |")), "{word}: what is this event?");
    }
    let news = source("hub/peers/news.rs");
    let words = news.split_once("fn word(self)").unwrap().1.split_once("\n    }").unwrap().0;
    for word in words.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.contains(&format!("`{word}`")), "{word}: what is told under this topic?");
    }
}
