//! One document against the rules, event by event.

use core::fmt;

use super::super::attributes::attribute_value;
use super::super::letters::{is_blank, lines, split_name};
use super::super::span::Value;
use super::super::tokens::{Tag, Token, TokenReader};
use super::facets::Quoted;
use super::loader::XSD_NAMESPACE;
use super::rules::{Rules, Type};
use super::violation::Violation;
use crate::limits::C2SIM_VIOLATIONS_MAX;

const XSI_NAMESPACE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The element that is judged where only the body is.
const BODY: &str = "MessageBody";

/// How many expected elements a report names.
const EXPECTED_LISTED: usize = 8;

/// How much of a message the rules judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    #[default]
    Whole,
    /// What is in the MessageBody.
    Body,
}

impl Extent {
    /// The body alone, or all of it.
    #[must_use]
    pub const fn of_body(body_only: bool) -> Self {
        if body_only { Self::Body } else { Self::Whole }
    }
}

/// What an open element is to the rules.
#[derive(Clone, Copy, Debug)]
enum Open {
    /// Not looked at, nor anything in it.
    Skipped,
    /// A message of which only the body is looked at.
    Frame,
    /// A value of the type of this number.
    Value(usize),
    /// Elements, as the automaton of the type of this number says.
    Model {
        of: usize,
        state: u16,
    },
    /// A child had no place; what follows is not held against the model.
    Broken,
    Nothing,
}

/// The validation of one document in progress.
#[derive(Debug)]
pub(in super::super) struct Checker {
    extent: Extent,
    /// Every open element with the number of its declaration.
    open: Vec<(Open, usize)>,
    /// The value being read.
    value: Value,
    /// Stray text was reported since the last tag.
    stray: bool,
    violations: Vec<Violation>,
    /// Bytes whose lines are counted, and the line there.
    counted: usize,
    line: usize,
}

impl Checker {
    pub(in super::super) fn new(extent: Extent) -> Self {
        Self {
            extent,
            open: Vec::with_capacity(16),
            value: Value::default(),
            stray: false,
            violations: Vec::new(),
            counted: 0,
            line: 1,
        }
    }

    /// What is wrong with the document, in its order; empty if it is valid.
    pub(in super::super) fn finish(self) -> Vec<Violation> {
        self.violations
    }

    #[cold]
    fn report(&mut self, document: &TokenReader<'_>, text: impl fmt::Display) {
        if self.violations.len() >= C2SIM_VIOLATIONS_MAX {
            return;
        }
        let end = document.range().end;
        let passed = document.text().as_bytes().get(self.counted..end).unwrap_or_default();
        self.line += lines(passed);
        self.counted = self.counted.max(end);
        self.violations.push(Violation { line: self.line, text: text.to_string() });
    }

    /// Takes the token that `document` has just read. The rules are the same for every token.
    pub(in super::super) fn on_token(&mut self, rules: &Rules, document: &TokenReader<'_>, token: &Token<'_>) {
        match *token {
            Token::Start(ref tag) => self.on_start(rules, document, tag),
            Token::End => self.on_end(rules, document),
            Token::Text(text) | Token::CData(text) => self.on_text(rules, document, text),
            Token::Character(letter) => self.on_character(rules, document, letter),
            Token::Aside | Token::EndOfDocument => {}
        }
    }

    fn on_start(&mut self, rules: &Rules, document: &TokenReader<'_>, tag: &Tag<'_>) {
        let ours = document.namespace(tag.prefix) == &*rules.namespace;
        self.stray = false;
        let element = match self.open.last().copied() {
            None if ours && self.extent == Extent::Body => {
                self.open.push((Open::Frame, 0));
                return;
            }
            Some((Open::Frame, _)) => rules.find(tag.local).filter(|_| ours && tag.local == BODY),
            None => {
                let found = rules.find(tag.local).filter(|_| ours);
                if found.is_none() {
                    self.report(document, format_args!("the schema has no root element {}", Quoted(tag.local)));
                }
                found
            }
            Some((Open::Skipped, _)) => None,
            Some((Open::Model { of, state }, parent)) => {
                let model = rules.automaton(of);
                let edges = model.map_or(&[][..], |model| model.edges(state));
                let edge = edges.iter().find(|(symbol, _)| ours && rules.name((*symbol).into()) == tag.local);
                if let Some(&(symbol, next)) = edge {
                    self.change(Open::Model { of, state: next });
                    Some(symbol.into())
                } else {
                    self.change(Open::Broken);
                    let (child, expected) = (Quoted(tag.local), Expected { rules, edges });
                    let parent = rules.name(parent);
                    self.report(document, format_args!("element {child} has no place here in {parent}; {expected}"));
                    rules.find(tag.local).filter(|_| ours)
                }
            }
            Some((Open::Broken, _)) => rules.find(tag.local).filter(|_| ours),
            Some((Open::Value(_) | Open::Nothing, parent)) => {
                self.change(Open::Skipped);
                let parent = rules.name(parent);
                self.report(document, format_args!("{parent} may not hold the element {}", Quoted(tag.local)));
                None
            }
        };
        let Some(element) = element else {
            self.open.push((Open::Skipped, 0));
            return;
        };
        let mut of = rules.elements.get(element).map_or(0, |declared| declared.of);
        if !is_blank(tag.attributes) {
            of = self.attributes(rules, document, tag, of);
        }
        let open = match rules.types.get(of) {
            Some(Type::Simple(_)) => {
                self.value = Value::default();
                Open::Value(of)
            }
            Some(Type::Complex(_)) => Open::Model { of, state: 0 },
            Some(Type::Empty) => Open::Nothing,
            None => Open::Skipped,
        };
        self.open.push((open, element));
    }

    /// The innermost open element is something else to the rules from now on.
    fn change(&mut self, now: Open) {
        if let Some((open, _)) = self.open.last_mut() {
            *open = now;
        }
    }

    /// Checks the attributes; gives the type that counts, which `xsi:type` may narrow.
    fn attributes(&mut self, rules: &Rules, document: &TokenReader<'_>, tag: &Tag<'_>, declared: usize) -> usize {
        let mut of = declared;
        // The scan has reported what is malformed.
        for (name, value) in tag.attributes().flatten() {
            let (prefix, local) = split_name(name);
            if prefix == "xmlns" || name == "xmlns" {
                continue;
            }
            let ours = !prefix.is_empty() && document.namespace(prefix) == XSI_NAMESPACE;
            match local {
                "schemaLocation" | "noNamespaceSchemaLocation" if ours => {}
                "type" if ours => match narrowed(rules, document, value, declared) {
                    Some(narrowed) => of = narrowed,
                    None => self.report(document, format_args!("xsi:type {} does not fit here", Quoted(value))),
                },
                "nil" if ours => self.report(document, format_args!("{} is not nillable", Quoted(tag.local))),
                _ => self.report(document, format_args!("attribute {} is not allowed", Quoted(name))),
            }
        }
        of
    }

    /// Text as it stands in the document.
    fn on_text(&mut self, rules: &Rules, document: &TokenReader<'_>, text: &str) {
        if matches!(self.open.last(), Some((Open::Value(_), _))) {
            self.value.add_raw(document.text(), text);
        } else {
            self.check_text(rules, document, text);
        }
    }

    /// What a reference stands for.
    fn on_character(&mut self, rules: &Rules, document: &TokenReader<'_>, letter: char) {
        let mut bytes = [0; 4];
        let letter = letter.encode_utf8(&mut bytes);
        if matches!(self.open.last(), Some((Open::Value(_), _))) {
            self.value.add(document.text(), letter);
        } else {
            self.check_text(rules, document, letter);
        }
    }

    fn check_text(&mut self, rules: &Rules, document: &TokenReader<'_>, text: &str) {
        let (stray, of) = match self.open.last() {
            Some(&(Open::Model { .. } | Open::Broken, of)) => (!is_blank(text), of),
            Some(&(Open::Nothing, of)) => (!text.is_empty(), of),
            Some((Open::Skipped | Open::Frame | Open::Value(_), _)) | None => (false, 0),
        };
        if stray && !core::mem::replace(&mut self.stray, true) {
            let parent = rules.name(of);
            self.report(document, format_args!("{parent} may not hold text"));
        }
    }

    fn on_end(&mut self, rules: &Rules, document: &TokenReader<'_>) {
        match self.open.pop() {
            Some((Open::Value(of), element)) => {
                let value = core::mem::take(&mut self.value);
                if let Some(Type::Simple(simple)) = rules.types.get(of)
                    && let Err(fault) = simple.check(value.of(document.text()))
                {
                    self.report(document, format_args!("{}: {fault}", rules.name(element)));
                }
            }
            Some((Open::Model { of, state }, element)) => {
                if let Some(model) = rules.automaton(of).filter(|model| !model.accepts(state)) {
                    let expected = Expected { rules, edges: model.edges(state) };
                    self.report(document, format_args!("{} is not complete; {expected}", rules.name(element)));
                }
            }
            Some((Open::Skipped | Open::Frame | Open::Broken | Open::Nothing, _)) | None => {}
        }
        self.stray = false;
    }
}

/// The type `xsi:type` names, if it is the declared one or a restriction of it.
fn narrowed(rules: &Rules, document: &TokenReader<'_>, value: &str, declared: usize) -> Option<usize> {
    let value = attribute_value(value);
    let (prefix, name) = split_name(value.trim_matches(' '));
    let namespace = document.namespace(prefix);
    let named = if namespace == &*rules.namespace {
        rules.find_type(name)?
    } else if namespace == XSD_NAMESPACE {
        super::facets::BuiltIn::ALL.into_iter().find(|base| base.name() == name)? as usize
    } else {
        return None;
    };
    let mut of = named;
    while of != declared {
        // Restrictions end at a built-in type, which has no parent here.
        let Some(Type::Simple(simple)) = rules.types.get(of) else {
            return None;
        };
        of = simple.parent?;
    }
    Some(named)
}

/// What may come in a state, for people.
struct Expected<'r> {
    rules: &'r Rules,
    edges: &'r [(u16, u16)],
}

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edges = self.edges;
        if edges.is_empty() {
            return f.write_str("nothing more is expected");
        }
        f.write_str("expected ")?;
        for (at, (symbol, _)) in edges.iter().take(EXPECTED_LISTED).enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{}", self.rules.name((*symbol).into()))?;
        }
        if edges.len() > EXPECTED_LISTED { write!(f, " or {} more", edges.len() - EXPECTED_LISTED) } else { Ok(()) }
    }
}
