//! What embedders may build upon: every public item without the feature `internals`, and the methods of each, against the list in
//! `face.txt`. What is to be public is written there by hand; what becomes so by accident is found here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use instep::config::Config;
use instep::hub::{Hub, Start};
use instep::time::Tick;

const LIST: &str = include_str!("face.txt");

/// The documentation of the library without features, in a folder of its own: nobody else's is overwritten. Its warnings, such as a link to
/// what a reader cannot see, are errors.
fn documentation() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("face");
    let mut command = Command::new(env!("CARGO"));
    command.args(["doc", "--quiet", "--locked", "--lib", "--no-deps", "--no-default-features", "--target-dir"]);
    command.arg(&target).env("RUSTDOCFLAGS", "-D warnings").current_dir(env!("CARGO_MANIFEST_DIR"));
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    target.join("doc/instep")
}

/// What stands in `page` between each `before` and the quotation mark behind it.
fn all<'a>(page: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    page.split(before).skip(1).filter_map(|rest| rest.split('"').next())
}

/// A line for each module, one for each item: its kind, its path, and what the page of it has as its own methods and constants.
fn face(folder: &Path) -> Vec<String> {
    let read = |path: &str| fs::read_to_string(folder.join(path)).unwrap();
    let mut lines = Vec::new();
    let mut modules = vec![String::new()];
    while let Some(module) = modules.pop() {
        for inner in all(&read(&format!("{module}index.html")), "class=\"mod\" href=\"") {
            let inner = format!("{module}{}", inner.strip_suffix("index.html").unwrap());
            lines.push(format!("mod {}", inner.trim_end_matches('/').replace('/', "::")));
            modules.push(inner);
        }
    }
    for path in all(&read("all.html"), "<li><a href=\"").filter(|path| path.ends_with(".html")) {
        let (module, file) = path.rsplit_once('/').unwrap_or(("", path));
        let (kind, name) = file.strip_suffix(".html").unwrap().split_once('.').unwrap();
        let mut line = format!("{kind} {}::{name}", module.replace('/', "::"));
        let page = read(path);
        let own = ["id=\"trait-implementations\"", "id=\"synthetic-implementations\"", "id=\"implementors\""]
            .iter()
            .filter_map(|end| page.find(end))
            .min()
            .map_or(page.as_str(), |end| &page[..end]);
        let mut members: Vec<&str> =
            ["<section id=\"method.", "<section id=\"tymethod.", "<section id=\"associatedconstant."]
                .iter()
                .flat_map(|before| all(own, before))
                .collect();
        members.sort_unstable();
        for member in members {
            line.push(' ');
            line.push_str(member);
        }
        lines.push(line);
    }
    lines.sort();
    lines
}

#[test]
fn the_face_is_what_the_list_says() {
    let shown = face(&documentation());
    let wanted: Vec<&str> = LIST.lines().collect();
    let added: Vec<&String> = shown.iter().filter(|line| !wanted.contains(&line.as_str())).collect();
    let gone: Vec<&&str> = wanted.iter().filter(|line| !shown.iter().any(|one| one == *line)).collect();
    assert!(
        added.is_empty() && gone.is_empty() && wanted.is_sorted(),
        "the list is no longer true. In the sources, not in it:\n{added:#?}\nin it, not in the sources:\n{gone:#?}"
    );
}

#[test]
fn a_hub_says_which_key_does_not_fit() {
    let start = Start { seed: 1, now: Tick(0), unix_ms: 0 };
    let refused = |config: Config| Hub::new(config, start).unwrap_err();
    let named = || Config { namespace: "N1".into(), host: "lab".into(), ..Config::default() };
    let cases = [
        ("namespace", Config { namespace: String::new(), ..named() }),
        ("namespace", Config { namespace: "a.b".into(), ..named() }),
        ("host", Config { host: String::new(), ..named() }),
        ("memory_max", Config { memory_max: 1 << 20, ..named() }),
        ("coordinators", Config { coordinators: vec!["http://x".into()], ..named() }),
    ];
    for (key, config) in cases {
        let wrong = refused(config);
        assert_eq!(wrong.key, key);
        assert!(wrong.to_string().starts_with(&format!("{key}: ")) && wrong.reason.len() > 8, "{wrong}");
    }
    assert_eq!(Hub::new(named(), start).unwrap().full_name(), b"N1.COORDINATOR");
}
