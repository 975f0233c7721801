//! README and the documents in `docs`, read as their readers do: every block is run, and what it prints is compared with what they show.
//!
//! A block says by its language what it is. `console`: commands behind `$ ` for bash, and what they print. Each section is a scene of its own, with a
//! folder in which there are `logs/drill.log`, `init.xml`, `start.xml`, `order.xml`; what ends with `&` goes on until the section ends. A
//! line `…` stands for any lines, within a line for any letters. Numbers are compared as numbers: any is as good. `toml`: settings, or what is to stand in
//! a `Cargo.toml`; one that begins with `# NAME.toml` is a file of its section. `rust`: a test of documentation. `python` and `pycon`:
//! `tests/interop/test_documents.py` runs them. What cannot be run says why: `<!-- shown: why -->` stands before it.
//!
//! `cargo test --test it write_the_documents -- --ignored` puts what is printed now in the place of what is shown and is no longer true.

#![expect(clippy::disallowed_methods, reason = "a test of the real program waits in real time")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::c2sim;
use crate::common::manager::Directory;
use crate::common::program::PROGRAM;
use crate::common::rcrs;
use crate::tidy::sources;
use instep::config::Config;
use instep::rcrs::entity::Change;
use instep::rcrs::message::{Action, ChangeSet, Command, Record};
use instep::rcrs::urn::{EntityKind, PropertyKind as P, PropertySet};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Stands for whatever is printed.
const ANYTHING: char = '…';
/// What only looks is looked at again until it is so: a link, a provider, a viewer may take a moment.
const LOOKS: &[&str] =
    &["instep ctl nodes", "instep ctl providers", "instep ctl viewers", "instep ctl session list", "cat "];
/// Documents with blocks of Rust.
const RUST: &[&str] = &["docs/curve.md", "docs/embed.md"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// README and all in `docs`, by their paths from the root.
fn documents() -> Vec<String> {
    let files = fs::read_dir(root().join("docs")).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<String> = files.map(|name| format!("docs/{}", name.to_string_lossy())).collect();
    names.push("README.md".to_owned());
    names.retain(|name| name.ends_with(".md"));
    names.sort();
    names
}

/// A block between fences, as it stands in a document.
#[derive(Debug)]
struct Block {
    /// The number of its first line behind the fence, from 0.
    first: usize,
    /// White space before each line.
    indent: usize,
    language: String,
    lines: Vec<String>,
    /// The section that it stands in.
    section: usize,
    /// Why it is not run.
    shown: Option<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let (mut section, mut shown) = (0, None);
    for (number, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.lines.push(line.get(block.indent..).unwrap_or_default().to_owned()),
            (None, Some(language)) => {
                let indent = line.len() - line.trim_start().len();
                let (language, shown) = (language.to_owned(), shown.take());
                open = Some(Block { first: number + 1, indent, language, lines: Vec::new(), section, shown });
            }
            (None, None) => {
                section += usize::from(line.starts_with("## "));
                if let Some(why) = line.trim().strip_prefix("<!-- shown: ") {
                    shown = why.strip_suffix(" -->").map(str::to_owned);
                    assert!(shown.as_ref().is_some_and(|why| why.len() > 10), "line {}: why?", number + 1);
                } else if !line.trim().is_empty() {
                    shown = None;
                }
            }
        }
    }
    assert!(open.is_none(), "a block has no end");
    blocks
}

// ---- Comparing ----

/// A line with what differs from run to run taken out: every number is the same one, every gap between columns one space.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for letter in line.trim().chars() {
        let letter = if letter.is_ascii_digit() { '0' } else { letter };
        let is_more = letter == '0' && shape.ends_with('0');
        if letter.is_whitespace() {
            if !shape.ends_with(' ') {
                shape.push(' ');
            }
        } else if !is_more {
            shape.push(letter);
        }
    }
    // What HTTP calls today.
    let on_any_day = shape.split(' ').map(|word| match word {
        "Mon," | "Tue," | "Wed," | "Thu," | "Fri," | "Sat," | "Sun," => "Day,",
        "Jan" | "Feb" | "Mar" | "Apr" | "May" | "Jun" | "Jul" | "Aug" | "Sep" | "Oct" | "Nov" | "Dec" => "Month",
        _ => word,
    });
    on_any_day.collect::<Vec<_>>().join(" ")
}

fn line_fits(shown: &str, real: &str) -> bool {
    let (shown, real) = (shape(shown), shape(real));
    let mut pieces = shown.split(ANYTHING);
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = real.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, behind)) = rest.split_once(piece) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

/// Whether what is printed is what is shown.
fn fits(shown: &[String], real: &[String]) -> bool {
    match (shown.split_first(), real.split_first()) {
        (None, None) => true,
        (Some((line, rest)), _) if line.trim() == "…" => (0..=real.len()).any(|from| fits(rest, &real[from..])),
        (Some((line, shown)), Some((other, real))) => line_fits(line, other) && fits(shown, real),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

// ---- Running ----

static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// A port from which on those are free that a scene has instead of 12300 and so on.
fn ports() -> u16 {
    let first = std::process::id() % 75;
    for _ in 0..1000 {
        let step = u32::from(NEXT_PORT.fetch_add(1, Ordering::Relaxed));
        let base = u16::try_from(14_000 + (first + step) % 75 * 230).unwrap();
        // Those of data and of log messages lie so much lower; by steps of 230 they are no other scene's.
        let channels = (1199..=1204).chain(1099..=1104).map(|below| base - below);
        let doors = [0, 10, 11, 12, 13, 100, 110, 111, 112].into_iter().map(|above| base + above);
        if doors.chain(channels).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return base;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("not enough ports are free: {:?}", TcpListener::bind(("127.0.0.1", 20_000)));
}

/// A text with other ports: every number of five digits that is one of `from` and the next 199 becomes one of `to`.
fn with_ports(text: &str, from: u16, to: u16) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        let end = number.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(number.len());
        out.push_str(before);
        let digits = &number[..end];
        let offset = digits.parse::<u16>().ok().and_then(|port| port.checked_sub(from)).filter(|offset| *offset < 200);
        match offset.filter(|_| digits.len() == 5) {
            Some(offset) => out.push_str(&(to + offset).to_string()),
            None => out.push_str(digits),
        }
        rest = &number[end..];
    }
    out + rest
}

/// A shell in a folder of its own.
struct Scene {
    shell: Child,
    to_shell: Option<ChildStdin>,
    from_shell: Receiver<String>,
    folder: Directory,
    port: u16,
    /// Whoever goes on, by process.
    background: Vec<String>,
}

impl Scene {
    fn new() -> Self {
        let folder = Directory::new();
        fs::create_dir_all(folder.path().join("logs")).unwrap();
        folder.put("logs/drill.log", &drill());
        folder.put("init.xml", c2sim::initialization("planner", &[]).as_bytes());
        folder.put("start.xml", c2sim::system("SIM", "StartScenario").as_bytes());
        folder.put("order.xml", c2sim::domain("GUI", "OrderBody", 8).as_bytes());
        let port = ports();
        let path = format!("{}:/usr/bin:/bin", Path::new(PROGRAM).parent().unwrap().display());
        let mut shell = std::process::Command::new("bash")
            .args(["--noprofile", "--norc"])
            .env_clear()
            .envs([("PATH", path.as_str()), ("LC_ALL", "C.UTF-8"), ("INSTEP_HOST", "localhost")])
            .env("XDG_CONFIG_HOME", folder.path())
            .env("INSTEP_PORT", port.to_string())
            .env("INSTEP_ADDRESS", format!("127.0.0.1:{port}"))
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(shell.stdout.take().unwrap());
        let (sender, from_shell) = channel();
        thread::spawn(move || lines.split(b'\n').map_while(Result::ok).all(|line| sender.send(text(&line)).is_ok()));
        let to_shell = shell.stdin.take();
        let mut scene = Self { shell, to_shell, from_shell, folder, port, background: Vec::new() };
        scene.say("exec 2>&1; set -m");
        scene.lines();
        scene
    }

    fn say(&mut self, command: &str) {
        let shell = self.to_shell.as_mut().unwrap();
        write!(shell, "{command}\nprintf '\\n\\001\\n'\n").unwrap();
        shell.flush().unwrap();
    }

    /// What has been printed up to the end of the command.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.from_shell.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no end after {lines:#?}"));
            if line == "\u{1}" {
                return self.tidied(lines);
            }
            lines.push(line);
        }
    }

    /// With the ports of the documents, and without what the shell says of its jobs.
    fn tidied(&self, lines: Vec<String>) -> Vec<String> {
        let is_of_shell = |line: &str| {
            line.starts_with("bash: line ") || (line.starts_with('[') && line.as_bytes().get(2) == Some(&b']'))
        };
        let lines = lines.into_iter().filter(|line| !is_of_shell(line));
        let mut lines: Vec<String> = lines.map(|line| with_ports(line.trim_end(), self.port, 12_300)).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// Runs a command, and gives what it prints: at once, or, of one that goes on, once that fits or it is late.
    fn run(&mut self, command: &str, shown: &[String]) -> Vec<String> {
        let command = with_ports(command, 12_300, self.port);
        let Some(goes_on) = command.strip_suffix('&').map(str::trim_end) else {
            if command.starts_with("kill ") {
                let job = command.rsplit(' ').next().unwrap_or_default();
                self.say(&format!("{command}; wait {job} 2> /dev/null"));
                return self.lines();
            }
            let is_look = LOOKS.iter().any(|look| command.starts_with(look));
            let deadline = Instant::now() + PATIENCE / 6;
            loop {
                self.say(&command);
                let lines = self.lines();
                if !is_look || fits(shown, &lines) || Instant::now() > deadline {
                    return lines;
                }
                thread::sleep(Duration::from_millis(50));
            }
        };
        let file = match goes_on.split_once(" > ") {
            Some((_, file)) => file.to_owned(),
            None => format!(".background-{}", self.background.len()),
        };
        let goes_on = goes_on.split(" > ").next().unwrap();
        self.say(&format!("{goes_on} > {file} 2>&1 & echo $!"));
        let process = self.lines();
        self.background.extend(process);
        let is_server = goes_on.starts_with("instep --");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = fs::read(self.folder.path().join(&file)).map(|bytes| text(&bytes)).unwrap_or_default();
            let lines = self.tidied(said.lines().map(str::to_owned).collect());
            let is_ready = if is_server { said.contains("in a browser") } else { !said.is_empty() };
            if is_ready && (shown.is_empty() || fits(shown, &lines)) || Instant::now() > deadline {
                // What a server says at its start is no answer to anything.
                return if shown.is_empty() && is_ready { Vec::new() } else { lines };
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Whom the shell has begun ends with it, whatever it waits for; who has ended is not there any more.
        let all = self.background.iter().cloned().chain([self.shell.id().to_string()]);
        let ended = std::process::Command::new("kill").args(all).stderr(Stdio::null()).status();
        assert!(ended.is_ok() || thread::panicking());
        drop(self.to_shell.take());
        self.shell.wait().unwrap();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A log of eight timesteps: somebody walks into a building that burns.
fn drill() -> Vec<u8> {
    let undefined = PropertySet::EMPTY;
    let road = rcrs::entity(
        1,
        EntityKind::Road,
        &[(P::X, 500), (P::Y, 500)],
        &[(P::Edges, &[0, 0, 1000, 0, 0, 1000, 0, 1000, 1000, 0])],
    );
    let building = |fieryness| rcrs::entity(2, EntityKind::Building, &[(P::X, 2000), (P::Fieryness, fieryness)], &[]);
    let civilian = |x, hp| rcrs::entity(3, EntityKind::Civilian, &[(P::Position, 1), (P::Hp, hp), (P::X, x)], &[]);
    let config = rcrs::config(&[("kernel.timesteps", "8"), ("kernel.agents.think-time", "250")]);
    let mut records = vec![Record::Start, Record::Initial(vec![road, building(0), civilian(0, 10_000)])];
    records.push(Record::Config(config));
    for time in 1..=8 {
        let walks = Action::Move { path: vec![1, 2], x: 2000, y: 0 };
        records.push(Record::Commands { time, commands: vec![Command { agent: 3, time, action: walks }] });
        let mut changed = vec![civilian(time * 250, 10_000 - time.max(4) * 300)];
        changed.extend((time == 4).then(|| building(1)));
        let changed = changed.into_iter().map(|entity| Change { entity, undefined }).collect();
        records.push(Record::Updates { time, changes: ChangeSet { changed, deleted: vec![], skipped: 0 } });
    }
    records.push(Record::End);
    rcrs::framed_log(&records)
}

// ---- Documents ----

/// The commands of a block, and what is shown of what each prints.
fn commands(block: &Block) -> Vec<(&str, &[String])> {
    let is_command = |line: &String| line.starts_with("$ ");
    assert!(block.lines.first().is_none_or(is_command), "line {}: a command begins with '$ '", block.first + 1);
    let begins: Vec<usize> = (0..block.lines.len()).filter(|at| is_command(&block.lines[*at])).collect();
    let ends = begins.iter().skip(1).copied().chain([block.lines.len()]);
    begins.iter().zip(ends).map(|(at, end)| (&block.lines[*at][2..], &block.lines[at + 1..end])).collect()
}

/// Runs a block of commands; answers its lines as they are now, where those that are shown are not true.
fn play(block: &Block, scene: &mut Scene) -> Option<Vec<String>> {
    let (mut now, mut is_true) = (Vec::new(), true);
    for (command, shown) in commands(block) {
        let real = scene.run(command, shown);
        now.push(format!("$ {command}"));
        if fits(shown, &real) {
            now.extend_from_slice(shown);
        } else {
            is_true = false;
            now.extend(real);
        }
    }
    (!is_true).then_some(now)
}

/// What is wrong with settings, or with what is to stand in a manifest.
fn judge_toml(text: &str) -> Result<(), String> {
    if text.contains("instep = {") {
        let (major_minor, _) = env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap();
        let is_ours = text.contains(&format!("version = \"{major_minor}\""));
        return is_ours.then_some(()).ok_or_else(|| format!("the version is {major_minor}"));
    }
    let mut config = Config::default();
    config.apply_toml(text).and_then(|()| config.check()).map_err(|error| error.to_string())
}

fn judge_json(text: &str) -> Result<(), String> {
    let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).map(drop);
    is_json(text)
        .or_else(|error| text.lines().try_for_each(is_json).map_err(|_| error))
        .map_err(|error| error.to_string())
}

/// What of a document is not true: the number of a block's first line, its lines as they are now, and why.
fn untrue(name: &str) -> Vec<(Block, Vec<String>, String)> {
    let document = fs::read_to_string(root().join(name)).unwrap();
    let (mut scene, mut section, mut wrong) = (None, 0, Vec::new());
    for block in blocks(&document) {
        if block.section != section {
            (scene, section) = (None, block.section);
        }
        let text = block.lines.join("\n") + "\n";
        let judged = match block.language.as_str() {
            _ if block.shown.is_some() => Ok(()),
            "console" => {
                let now = play(&block, scene.get_or_insert_with(Scene::new));
                if let Some(now) = now {
                    wrong.push((block, now, "something else is printed".to_owned()));
                }
                continue;
            }
            "toml" => {
                if let Some((file, _)) = text.strip_prefix("# ").and_then(|text| text.split_once(".toml")) {
                    let file = file.rsplit('/').next().unwrap_or(file);
                    scene.get_or_insert_with(Scene::new).folder.put(&format!("{file}.toml"), text.as_bytes());
                }
                judge_toml(&text)
            }
            "json" => judge_json(&text),
            "rust" if RUST.contains(&name) => Ok(()),
            // To be read, and no more.
            "text" | "python" | "pycon" => Ok(()),
            other => Err(format!("nobody runs a block of '{other}'")),
        };
        if let Err(why) = judged {
            wrong.push((block, Vec::new(), why));
        }
    }
    wrong
}

#[test]
fn every_block_of_every_document_is_true() {
    let names = documents();
    let told: Vec<String> = thread::scope(|threads| {
        let work: Vec<_> = names.iter().map(|name| threads.spawn(move || (name, untrue(name)))).collect();
        let found = work.into_iter().flat_map(|one| {
            let (name, wrong) = one.join().unwrap();
            wrong
                .into_iter()
                .map(move |(block, now, why)| format!("{name}, line {}: {why}\n{}\n", block.first + 1, now.join("\n")))
        });
        found.collect()
    });
    assert!(told.is_empty(), "{}\n(write_the_documents puts it in)", told.join("\n"));
}

#[test]
#[ignore = "writes into the documents; run by hand"]
fn write_the_documents() {
    for name in documents() {
        let path = root().join(&name);
        let document = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<String> = document.lines().map(str::to_owned).collect();
        let mut wrong = untrue(&name);
        wrong.retain(|(_, now, _)| !now.is_empty());
        for (block, now, _) in wrong.into_iter().rev() {
            let indent = " ".repeat(block.indent);
            let now = now.into_iter().map(|line| format!("{indent}{line}").trim_end().to_owned());
            lines.splice(block.first..block.first + block.lines.len(), now);
        }
        let mut text = String::new();
        lines.iter().for_each(|line| writeln!(text, "{line}").unwrap());
        fs::write(path, text).unwrap();
    }
}

#[test]
fn rust_of_the_documents_is_compiled_as_documentation() {
    let sources = sources("src");
    for name in RUST {
        let file = name.strip_prefix("docs/").unwrap();
        let includes = |text: &str| text.contains("include_str!(") && text.contains(&format!("docs/{file}\")"));
        assert!(sources.iter().any(|(_, text)| includes(text)), "{name}");
    }
}

#[test]
fn the_readme_is_short_and_its_links_lead_somewhere() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 150, "{} lines", readme.lines().count());
    for name in documents() {
        let text = fs::read_to_string(root().join(&name)).unwrap();
        let folder = root().join(&name).parent().unwrap().to_owned();
        for link in text.match_indices("](").filter_map(|(at, _)| Some(text[at + 2..].split_once(')')?.0)) {
            let (file, _) = link.split_once('#').unwrap_or((link, ""));
            let is_elsewhere = file.is_empty() || file.starts_with("https://");
            assert!(is_elsewhere || folder.join(file).exists(), "{name}: {link} leads nowhere");
        }
    }
}

#[test]
fn what_is_shown_is_compared_by_its_shape() {
    for (shown, real) in [
        ("Date: Tue, 01 Dec 2026 11:29:04 GMT", "Date: Sat, 2 May 2027 00:00:00 GMT"),
        ("up 7 s, 4423k B", "up 12 s,   1k B"),
        ("a … c", "a b c"),
        ("took X (tracking id …)", "took X (tracking id hesqy)"),
        ("N1.supply answered in 0.570 ms", "N1.supply answered in 12.1 ms"),
    ] {
        assert!(line_fits(shown, real), "{shown} {real}");
    }
    for (shown, real) in [("a … c", "a b d"), ("2 members", "2 member"), ("a", "b"), ("seq 3", "seq -")] {
        assert!(!line_fits(shown, real), "{shown} {real}");
    }
    let lines = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    assert!(fits(&lines("a/…/d"), &lines("a/b/c/d")) && fits(&lines("…/a"), &lines("a")));
    assert!(!fits(&lines("a/…/d"), &lines("a/b/c")) && !fits(&lines("a"), &lines("a/b")) && !fits(&lines("a"), &[]));
    assert_eq!(with_ports("a:12300 12312, 112300 123", 12_300, 20_000), "a:20000 20012, 112300 123");
    let found = blocks("x\n## y\n  ```console\n  $ a\n    b\n  ```\n");
    assert_eq!((found[0].section, found[0].first, found[0].lines.clone()), (1, 3, lines("$ a/  b")));
}
