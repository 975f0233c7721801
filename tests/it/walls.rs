//! The walls as a test: files know one another in one direction only, each owner of the hub keeps to itself, files and functions are
//! short.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::tidy::{shipped, sources};

/// Files in which methods of `Hub` may stand.
const HUB_METHODS: &[&str] = &[
    "src/hub/dispatch/access.rs",
    "src/hub/dispatch/calls.rs",
    "src/hub/dispatch/channel.rs",
    "src/hub/dispatch/commands.rs",
    "src/hub/dispatch/connections.rs",
    "src/hub/dispatch/control.rs",
    "src/hub/dispatch/feeds.rs",
    "src/hub/dispatch/guarded.rs",
    "src/hub/dispatch/guests.rs",
    "src/hub/dispatch/judging.rs",
    "src/hub/dispatch/link.rs",
    "src/hub/dispatch/manager.rs",
    "src/hub/dispatch/mod.rs",
    "src/hub/dispatch/onlooker.rs",
    "src/hub/dispatch/reload.rs",
    "src/hub/dispatch/renew.rs",
    "src/hub/dispatch/rpc.rs",
    "src/hub/dispatch/sessions.rs",
    "src/hub/dispatch/topic.rs",
    "src/hub/dispatch/trail.rs",
    "src/hub/dispatch/viewer.rs",
    "src/hub/dispatch/web.rs",
    "src/hub/mod.rs",
    "src/hub/turn.rs",
];

/// The owners of the hub, by the beginning of their paths, and whom of the others each may know.
const OWNERS: &[(&str, &[&str])] = &[
    ("src/hub/channel/", &[]),
    ("src/hub/coordinator/", &[]),
    (
        "src/hub/dispatch/",
        &[
            "src/hub/channel/",
            "src/hub/coordinator/",
            "src/hub/front/",
            "src/hub/manager/",
            "src/hub/sessions/",
            "src/hub/topic/",
            "src/hub/web/",
        ],
    ),
    ("src/hub/front/", &[]),
    ("src/hub/manager/", &[]),
    ("src/hub/sessions/", &[]),
    ("src/hub/topic/", &[]),
    ("src/hub/web/", &[]),
];

/// Lines of a file, of which the head does not say why it has more.
const FILE_LINES: usize = 600;
/// What such a head says.
const LONG_FILE: &str = "Longer than 600 lines because";
/// Lines of a function.
const FUNCTION_LINES: usize = 80;

// ---- Reading ----

/// A word or a mark of the source, and its line.
#[derive(Clone, Debug, PartialEq)]
struct Token {
    text: String,
    line: usize,
}

/// Cuts a source into words and marks, without comments, strings and characters; `::` is one mark.
fn tokens(text: &str) -> Vec<Token> {
    let letters: Vec<char> = text.chars().collect();
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let at = |n: usize| letters.get(n).copied().unwrap_or('\0');
    let (mut found, mut n, mut line) = (Vec::new(), 0, 1);
    while n < letters.len() {
        let start = n;
        match at(n) {
            '/' if at(n + 1) == '/' => {
                while n < letters.len() && at(n) != '\n' {
                    n += 1;
                }
            }
            '"' => {
                n += 1;
                while n < letters.len() && at(n) != '"' {
                    n += if at(n) == '\\' { 2 } else { 1 };
                }
                n += 1;
            }
            '\'' if at(n + 1) == '\\' || at(n + 2) == '\'' => {
                n += if at(n + 1) == '\\' { 3 } else { 2 };
                while n < letters.len() && at(n) != '\'' {
                    n += 1;
                }
                n += 1;
            }
            letter if is_name(letter) => {
                while is_name(at(n)) {
                    n += 1;
                }
                let word: String = letters[start..n].iter().collect();
                let marks = (n..).take_while(|place| at(*place) == '#').count();
                if matches!(word.as_str(), "r" | "br") && at(n + marks) == '"' {
                    // A raw string ends with as many marks as it began with.
                    let end: Vec<char> = core::iter::once('"').chain(core::iter::repeat_n('#', marks)).collect();
                    n += marks + 1;
                    while n < letters.len() && !letters[n..].starts_with(&end) {
                        n += 1;
                    }
                    n += end.len();
                } else {
                    found.push(Token { text: word, line });
                }
            }
            ':' if at(n + 1) == ':' => {
                found.push(Token { text: "::".to_owned(), line });
                n += 2;
            }
            letter => {
                if !letter.is_whitespace() {
                    found.push(Token { text: letter.to_string(), line });
                }
                n += 1;
            }
        }
        line += letters[start..n.min(letters.len())].iter().filter(|letter| **letter == '\n').count();
    }
    found
}

fn text_at(tokens: &[Token], n: usize) -> &str {
    tokens.get(n).map_or("", |token| token.text.as_str())
}

/// The place behind the bracket that closes the one at `open`.
fn behind(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (n, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return n + 1;
        }
    }
    tokens.len()
}

/// The tokens without the items that are there for tests only.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut n) = (Vec::new(), 0);
    while n < tokens.len() {
        if !(0..attribute.len()).all(|more| text_at(tokens, n + more) == attribute[more]) {
            kept.push(tokens[n].clone());
            n += 1;
            continue;
        }
        n += attribute.len();
        let is_use = text_at(tokens, n) == "use";
        // The item ends with its semicolon or its body.
        while n < tokens.len() && text_at(tokens, n) != ";" {
            let body = text_at(tokens, n) == "{" && !is_use;
            n = if matches!(text_at(tokens, n), "{" | "(" | "[") { behind(tokens, n) } else { n + 1 };
            if body {
                break;
            }
        }
        n += usize::from(text_at(tokens, n) == ";");
    }
    kept
}

// ---- Who knows whom ----

/// The files by the path of the module that each is: `src/net/mod.rs` is `net`. The roots have the empty path in common.
#[derive(Debug, Default)]
struct Tree {
    files: BTreeMap<Vec<String>, (String, Vec<Token>)>,
}

impl Tree {
    fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let module = |path: &str| -> Vec<String> {
            let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
            let parts = inside.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main"));
            parts.map(str::to_owned).collect()
        };
        let files = files.into_iter();
        Self {
            files: files.map(|(path, text)| (module(path), (path.to_owned(), without_tests(&tokens(text))))).collect(),
        }
    }

    fn of_sources() -> Self {
        let files = shipped();
        Self::new(files.iter().map(|(path, text)| (path.as_str(), text.as_str())))
    }

    /// The file of the deepest module on the way of an absolute path; none for what the crate's root has.
    fn file_of(&self, path: &[String]) -> Option<&str> {
        let module =
            (1..=path.len()).rev().map(|length| &path[..length]).find(|module| self.files.contains_key(*module))?;
        Some(&self.files[module].0)
    }

    /// Every file that `module` takes something from. A declaration `mod x;` takes nothing, nor does the name of a module that is
    /// only the way to something.
    fn known_to(&self, module: &[String]) -> BTreeSet<String> {
        let (own, tokens) = &self.files[module];
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for n in 0..tokens.len() {
            if text_at(tokens, n) == "mod" && text_at(tokens, n + 2) == ";" {
                let name = text_at(tokens, n + 1).to_owned();
                names.insert(name.clone(), [module, &[name]].concat());
            }
        }
        let mut paths: Vec<Vec<String>> = Vec::new();
        let mut plain: Vec<Vec<String>> = Vec::new();
        let mut n = 0;
        while n < tokens.len() {
            let word = text_at(tokens, n);
            let before = text_at(tokens, n.wrapping_sub(1));
            // Behind a bound it says which lifetimes are captured.
            if word == "use" && text_at(tokens, n + 1) != "<" {
                let (end, found) = use_tree(tokens, n + 1);
                n = end;
                for (path, name) in found {
                    let Some(path) = absolute(module, &names, &path) else { continue };
                    if self.files.contains_key(&path) && name != "*" {
                        names.insert(name, path);
                    } else {
                        paths.push(path);
                    }
                }
                continue;
            }
            let visibility = before == "(" && text_at(tokens, n.wrapping_sub(2)) == "pub"
                || before == "in" && text_at(tokens, n.wrapping_sub(3)) == "pub";
            if word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
                && !matches!(before, "::" | ".")
                && !visibility
            {
                let mut path = vec![word.to_owned()];
                while text_at(tokens, n + 1) == "::" && text_at(tokens, n + 2).starts_with(|c: char| c.is_alphabetic())
                {
                    path.push(text_at(tokens, n + 2).to_owned());
                    n += 2;
                }
                if path.len() > 1 {
                    plain.push(path);
                }
            } else if visibility {
                n = (n..).find(|n| text_at(tokens, *n) == ")").unwrap_or(n);
            }
            n += 1;
        }
        // A name may be used above the `use` that gives it.
        paths.extend(plain.iter().filter_map(|path| absolute(module, &names, path)));
        let known = paths.iter().filter_map(|path| self.file_of(path)).filter(|path| path != own);
        known.map(str::to_owned).collect()
    }

    /// Every file, with the files it knows.
    fn graph(&self) -> Graph {
        self.files.iter().map(|(module, (path, _))| (path.clone(), self.known_to(module))).collect()
    }
}

/// The paths of one `use` with the names they get, and the place where it ends.
fn use_tree(tokens: &[Token], start: usize) -> (usize, Vec<(Vec<String>, String)>) {
    let (mut found, mut n, mut path) = (Vec::new(), start, Vec::<String>::new());
    loop {
        match text_at(tokens, n) {
            "::" => n += 1,
            "{" => {
                n += 1;
                while !matches!(text_at(tokens, n), "}" | "") {
                    let (end, inner) = use_tree(tokens, n);
                    for (mut more, mut name) in inner {
                        // `{self}` is the module itself.
                        if more == ["self"] {
                            more.clear();
                        }
                        let whole = [path.as_slice(), &more].concat();
                        if name == "self" {
                            name = whole.last().cloned().unwrap_or_default();
                        }
                        found.push((whole, name));
                    }
                    n = end + usize::from(text_at(tokens, end) == ",");
                }
                return (n + 1, found);
            }
            "as" => return (n + 2, vec![(path, text_at(tokens, n + 1).to_owned())]),
            "," | "}" | ";" | "" => {
                let name = path.last().cloned().unwrap_or_default();
                return (n, vec![(path, name)]);
            }
            word => {
                path.push(word.to_owned());
                n += 1;
            }
        }
    }
}

/// A path from the crate's root; none for one that leads out of the crate or is a local name.
fn absolute(module: &[String], names: &BTreeMap<String, Vec<String>>, path: &[String]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    let supers = path.iter().take_while(|word| *word == "super").count();
    Some(match first.as_str() {
        "crate" | "instep" => rest.to_vec(),
        "self" => [module, rest].concat(),
        "super" => [&module[..module.len().checked_sub(supers)?], &path[supers..]].concat(),
        name => [names.get(name)?.as_slice(), rest].concat(),
    })
}

type Graph = BTreeMap<String, BTreeSet<String>>;

/// The shortest way from one file to another one that `goal` names, both ends included.
fn way(graph: &Graph, from: &str, goal: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let mut came: BTreeMap<&str, &str> = BTreeMap::new();
    let mut waiting = VecDeque::from([from]);
    while let Some(at) = waiting.pop_front() {
        for next in graph.get(at).into_iter().flatten() {
            if goal(next) {
                let mut steps = vec![next.clone(), at.to_owned()];
                let mut at = at;
                while at != from {
                    at = came[at];
                    steps.push(at.to_owned());
                }
                steps.reverse();
                return Some(steps);
            }
            if next != from && !came.contains_key(next.as_str()) {
                came.insert(next, at);
                waiting.push_back(next);
            }
        }
    }
    None
}

/// The shortest circle through each file that has one, each circle once.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let mut seen = BTreeSet::new();
    let ways = graph.keys().filter_map(|file| way(graph, file, |next| next == file));
    ways.filter(|circle| seen.insert(circle.iter().cloned().collect::<BTreeSet<_>>())).collect()
}

/// Ways from one owner into another that it may not know, also through third files.
fn trespasses(graph: &Graph, owners: &[(&str, &[&str])]) -> Vec<String> {
    let owner = |path: &str| owners.iter().find(|(prefix, _)| path.starts_with(prefix));
    let from = graph.keys().filter_map(|file| Some((file, owner(file)?)));
    let ways = from.filter_map(|(file, (own, may))| {
        way(graph, file, |next| owner(next).is_some_and(|(other, _)| other != own && !may.contains(other)))
    });
    ways.map(|way| way.join(" -> ")).collect()
}

// ---- What stands in the files ----

/// Files with an `impl` block of `Hub`, be it for a trait or not.
fn with_hub_methods(tree: &Tree) -> Vec<&str> {
    let with = tree.files.values().filter(|(_, tokens)| {
        // Elsewhere the word stands for some type.
        let begins = |n: usize| n == 0 || matches!(text_at(tokens, n - 1), "}" | ";" | "{" | "]");
        (0..tokens.len()).filter(|n| text_at(tokens, *n) == "impl" && begins(*n)).any(|n| {
            let head = (n..tokens.len()).take_while(|n| text_at(tokens, *n) != "{");
            let head: Vec<&str> = head.map(|n| text_at(tokens, n)).collect();
            let end = head.iter().position(|word| *word == "where").unwrap_or(head.len());
            // The last word that is no parameter is the type.
            let mut depth = 0;
            let words = head[..end].iter().filter(|word| {
                depth += i32::from(**word == "<") - i32::from(**word == ">");
                depth == 0 && **word != ">"
            });
            words.last() == Some(&"Hub")
        })
    });
    with.map(|(path, _)| path.as_str()).collect()
}

/// Functions with more lines than that, from `fn` to the closing bracket: their names, first lines and lengths.
fn long_functions(text: &str, lines_max: usize) -> Vec<(String, usize, usize)> {
    let tokens = tokens(text);
    let starts = (0..tokens.len()).filter(|n| text_at(&tokens, *n) == "fn" && text_at(&tokens, n + 1) != "(");
    let lengths = starts.filter_map(|start| {
        let mut n = start + 1;
        while !matches!(text_at(&tokens, n), "{" | ";" | "") {
            n = if matches!(text_at(&tokens, n), "(" | "[") { behind(&tokens, n) } else { n + 1 };
        }
        (text_at(&tokens, n) == "{").then(|| {
            let (first, last) = (tokens[start].line, tokens[behind(&tokens, n) - 1].line);
            (text_at(&tokens, start + 1).to_owned(), first, last - first + 1)
        })
    });
    lengths.filter(|(_, _, lines)| *lines > lines_max).collect()
}

// ---- The rules ----

#[test]
fn files_know_one_another_in_one_direction_only() {
    let wrong = circles(&Tree::of_sources().graph());
    let wrong: Vec<String> = wrong.iter().map(|circle| circle.join(" -> ")).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn owners_know_only_whom_they_may() {
    let wrong = trespasses(&Tree::of_sources().graph(), OWNERS);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn methods_of_the_hub_stand_at_its_doors() {
    let tree = Tree::of_sources();
    let found = with_hub_methods(&tree);
    assert!(HUB_METHODS.iter().all(|path| found.contains(path)), "one of {HUB_METHODS:?} has none");
    let wrong: Vec<_> = found.iter().filter(|path| !HUB_METHODS.contains(path)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn files_and_functions_are_short() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let lines = text.lines().count();
        let mut head = text.lines().take_while(|line| line.starts_with("//!"));
        if lines > FILE_LINES && !head.any(|line| line.contains(LONG_FILE)) {
            wrong.push(format!("{path} has {lines} lines"));
        }
        for (name, line, lines) in long_functions(&text, FUNCTION_LINES) {
            wrong.push(format!("{path}, line {line}: {name} has {lines} lines"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The words of the glossary in the library's front page.
fn glossary(library: &str) -> Vec<&str> {
    let section = library.split("//! # Words\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| line.starts_with("//!") && !line.starts_with("//! # "));
    lines.filter_map(|line| line.strip_prefix("//! * **")?.split_once("**: ")).map(|(word, _)| word).collect()
}

/// The parts of a name, in small letters: of `FullName` and of `FULL_NAME` full and name.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = '_';
    for letter in name.chars() {
        if letter == '_' || (letter.is_uppercase() && before.is_lowercase()) {
            parts.push(String::new());
        }
        if letter != '_' {
            parts.last_mut().unwrap().extend(letter.to_lowercase());
        }
        before = letter;
    }
    parts
}

#[test]
fn every_word_of_the_glossary_is_a_name_in_the_sources() {
    let (library, others): (Vec<_>, Vec<_>) = sources("src").into_iter().partition(|(path, _)| path == "src/lib.rs");
    let names: BTreeSet<Vec<String>> =
        others.iter().flat_map(|(_, text)| tokens(text)).map(|token| parts(&token.text)).collect();
    let words = glossary(&library[0].1);
    assert!((25..=45).contains(&words.len()), "{}", words.len());
    for word in words {
        let wanted: Vec<String> = word.split(' ').map(str::to_lowercase).collect();
        let is_name = |name: &Vec<String>| name.windows(wanted.len()).any(|parts| *parts == wanted[..]);
        assert!(names.iter().any(is_name), "nothing is called '{word}'");
    }
}

#[test]
fn the_front_page_begins_with_code() {
    let library = sources("src").into_iter().find(|(path, _)| path == "src/lib.rs").unwrap().1;
    let code = library.lines().position(|line| line == "//! ```").unwrap();
    assert!(code <= 3 && library.lines().take(code).all(|line| !line.starts_with("//! #")));
}

/// A call from one file of the hub to another, as `docs/ways.md` writes it.
struct Call<'a> {
    caller: &'a str,
    called: &'a str,
    function: &'a str,
    is_step: bool,
}

/// The calls of each of the ways.
fn ways(text: &str) -> Vec<Vec<Call<'_>>> {
    let call = |line| {
        let (mark, rest): (&str, &str) = str::split_once(line, " `")?;
        let (files, function) = rest.strip_suffix('`')?.split_once(": ")?;
        let (caller, called) = files.split_once(" -> ")?;
        Some(Call { caller, called, function, is_step: mark != "-" })
    };
    text.split("\n## ").skip(1).map(|way| way.lines().filter_map(call).collect()).collect()
}

#[test]
fn the_ways_through_the_hub_are_as_they_are_written_and_short() {
    let files: BTreeMap<String, Vec<Token>> =
        shipped().into_iter().map(|(path, text)| (path, without_tests(&tokens(&text)))).collect();
    let has = |file: &str, words: &[&str]| {
        let tokens = &files[&format!("src/hub/{file}.rs")];
        tokens.windows(words.len()).any(|part| part.iter().zip(words).all(|(token, word)| token.text == *word))
    };
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ways.md")).unwrap();
    let ways = ways(&text);
    for Call { caller, called, function, .. } in ways.iter().flatten() {
        assert!(caller != called && has(called, &["fn", function]), "{called} has no {function}");
        let is_called = [".", "::"].iter().any(|mark| has(caller, &[mark, function, "("]));
        let is_named = is_called || (has(caller, &[function, "("]) && !has(caller, &["fn", function]));
        assert!(is_named, "{caller} does not call {function}");
    }
    let steps: Vec<usize> = ways.iter().map(|way| way.iter().filter(|call| call.is_step).count()).collect();
    assert!(matches!(steps[..], [1..=25, 1..=14]), "{steps:?} steps");
}

// ---- The rules on small trees ----

#[test]
fn names_fall_into_their_parts() {
    assert_eq!(parts("FULL_NAME"), ["full", "name"]);
    assert_eq!(parts("ConversationId"), ["conversation", "id"]);
    assert_eq!(glossary("//! # Words\n//! * **a b**: c\n//! x\n//! # More\n//! * **d**: e"), ["a b"]);
}

#[test]
fn the_reader_of_words_skips_comments_strings_and_characters() {
    let text = "a::b // c\n\"d\\\"\ne\" f 'g' '\\'' '\"' h<'i> r#\"j\"k\"# b\"l\"";
    let found: Vec<(String, usize)> = tokens(text).into_iter().map(|token| (token.text, token.line)).collect();
    let found: Vec<(&str, usize)> = found.iter().map(|(text, line)| (text.as_str(), *line)).collect();
    let wanted = [("a", 1), ("::", 1), ("b", 1), ("f", 3), ("h", 3), ("<", 3), ("'", 3), ("i", 3), (">", 3), ("b", 3)];
    assert_eq!(found, wanted);
}

fn known(files: &[(&str, &str)], from: &str) -> Vec<String> {
    Tree::new(files.iter().copied()).graph()[from].iter().cloned().collect()
}

#[test]
fn a_file_knows_those_whose_things_it_names() {
    let others = [("src/a/mod.rs", "mod b;"), ("src/a/b.rs", ""), ("src/c.rs", ""), ("src/d.rs", "")];
    let from = |path: &str, text: &str| known(&[&others[..], &[(path, text)]].concat(), path);
    assert_eq!(from("src/a/e.rs", "use super::b::Thing;"), ["src/a/b.rs"]);
    assert_eq!(from("src/a/e.rs", "use super::Thing;"), ["src/a/mod.rs"]);
    assert_eq!(from("src/a/e.rs", "fn f() -> super::super::c::X { crate::d::g() }"), ["src/c.rs", "src/d.rs"]);
    assert_eq!(from("src/e.rs", "use crate::{a::{b::{X, Y}, Z as W}, c::*};").len(), 3);
    assert_eq!(from("src/e.rs", "use crate::a::{self, b}; fn f(x: b::X) {}"), ["src/a/b.rs"], "a is only on the way");
    assert_eq!(from("src/e.rs", "fn f() { a::b::g() } use crate::a;"), ["src/a/b.rs"]);
    assert_eq!(from("src/e.rs", "pub(in crate::a) struct S; pub(crate) fn f() {}"), [""; 0]);
    assert_eq!(from("src/e.rs", "use std::a::X; #[cfg(test)] mod tests { use crate::c::X; }"), [""; 0]);
    assert_eq!(
        from("src/e.rs", "#[cfg(test)] use crate::{c::X}; #[cfg(test)] fn f([u8; 2]) {} use crate::d::X;"),
        ["src/d.rs"]
    );
}

#[test]
fn declaring_a_child_is_no_way_to_it_but_naming_its_things_is() {
    let child = ("src/a/b.rs", "use super::Thing;");
    assert!(circles(&Tree::new([("src/a/mod.rs", "mod b; pub struct Thing;"), child]).graph()).is_empty());
    for parent in ["mod b; pub use self::b::X;", "mod b; use b::X;", "mod b; fn f() { b::g() }"] {
        let found = circles(&Tree::new([("src/a/mod.rs", parent), child]).graph());
        assert_eq!(found, [["src/a/b.rs", "src/a/mod.rs", "src/a/b.rs"]], "{parent}");
    }
}

#[test]
fn a_circle_of_three_is_found_once() {
    let files = [("src/a.rs", "use crate::b::X;"), ("src/b.rs", "use crate::c::X;"), ("src/c.rs", "use crate::a::X;")];
    assert_eq!(circles(&Tree::new(files).graph()), [["src/a.rs", "src/b.rs", "src/c.rs", "src/a.rs"]]);
}

#[test]
fn an_owner_has_no_way_into_another_not_even_through_a_third_file() {
    const OWNERS: &[(&str, &[&str])] =
        &[("src/h/low", &[]), ("src/h/one/", &["src/h/low"]), ("src/h/two/", &["src/h/low"])];
    let tree = |third: &str| {
        let one = ("src/h/one/mod.rs", "use crate::h::{low::X, third::Y};");
        let two = ("src/h/two/mod.rs", "use crate::h::low::X;");
        trespasses(&Tree::new([one, two, ("src/h/low.rs", ""), ("src/h/third.rs", third)]).graph(), OWNERS)
    };
    assert_eq!(tree("pub struct Y;"), [""; 0]);
    assert_eq!(tree("use super::two::Z;"), ["src/h/one/mod.rs -> src/h/third.rs -> src/h/two/mod.rs"]);
    assert_eq!(tree("use super::low::Z;"), [""; 0]);
}

#[test]
fn methods_of_the_hub_are_seen_wherever_they_stand() {
    let with = ["impl Hub { fn f() {} }", "impl<T> Debug for super::Hub where T: X {}", "impl Hub<'_> {}"];
    let without = ["impl From<Hub> for X {}", "fn f(x: impl Fn(Hub)) {}", "impl Hubs {}", "// impl Hub {}"];
    for (texts, wanted) in [(&with[..], 1), (&without[..], 0)] {
        for text in texts {
            assert_eq!(with_hub_methods(&Tree::new([("src/a.rs", *text)])).len(), wanted, "{text}");
        }
    }
}

#[test]
fn the_lines_of_a_function_are_counted_from_fn_to_its_last_bracket() {
    let text =
        "trait T { fn none(x: [u8; 2]); }\nfn f(\n) -> [u8; 2] {\n'{';\n}\nfn g() { fn h() {\n} }\nlet x: fn(u8);";
    let found = long_functions(text, 0);
    assert_eq!(found, [("f".to_owned(), 2, 4), ("g".to_owned(), 6, 2), ("h".to_owned(), 6, 2)]);
}
