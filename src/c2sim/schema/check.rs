//! One document against the rules, event by event.

use core::fmt;
use std::borrow::Cow;

use super::super::attributes::attribute_value;
use super::super::letters::{is_blank, split_name};
use super::super::tokens::{Tag, Token, TokenReader};
use super::automaton::Automaton;
use super::facets::{Quoted, Simple};
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
#[derive(Clone, Copy)]
enum Open<'r> {
    /// Not looked at, nor anything in it.
    Skipped,
    /// A message of which only the body is looked at.
    Frame,
    Value(&'r Simple),
    Model {
        model: &'r Automaton,
        state: u16,
    },
    /// A child had no place; what follows is not held against the model.
    Broken,
    Nothing,
}

/// The validation of one document in progress.
pub(in super::super) struct Checker<'r, 'a> {
    rules: &'r Rules,
    extent: Extent,
    text: &'a str,
    /// Every open element with the number of its declaration.
    open: Vec<(Open<'r>, usize)>,
    /// The value being read.
    value: Cow<'a, str>,
    /// Stray text was reported since the last tag.
    stray: bool,
    violations: Vec<Violation>,
    /// Bytes whose lines are counted, and the line there.
    counted: usize,
    line: usize,
}

impl<'r, 'a> Checker<'r, 'a> {
    pub(in super::super) fn new(rules: &'r Rules, extent: Extent, text: &'a str) -> Self {
        Self {
            rules,
            extent,
            text,
            open: Vec::with_capacity(16),
            value: Cow::Borrowed(""),
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
    fn report(&mut self, document: &TokenReader<'a>, text: impl fmt::Display) {
        if self.violations.len() >= C2SIM_VIOLATIONS_MAX {
            return;
        }
        let end = document.range().end;
        let passed = self.text.as_bytes().get(self.counted..end).unwrap_or_default();
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.counted = self.counted.max(end);
        self.violations.push(Violation { line: self.line, text: text.to_string() });
    }

    /// Takes the token that `document` has just read.
    pub(in super::super) fn on_token(&mut self, document: &TokenReader<'a>, token: Token<'a>) {
        match token {
            Token::Start(tag) => self.on_start(document, &tag),
            Token::End => self.on_end(document),
            Token::Text(text) | Token::CData(text) => self.on_text(document, text),
            Token::Character(letter) => self.on_character(document, letter),
            Token::Aside | Token::EndOfDocument => {}
        }
    }

    fn on_start(&mut self, document: &TokenReader<'a>, tag: &Tag<'a>) {
        let rules = self.rules;
        let ours = document.namespace(tag.prefix) == &*rules.namespace;
        self.stray = false;
        let element = match self.open.last_mut() {
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
            Some((Open::Model { model, state }, of)) => {
                let edges = model.edges(*state);
                let edge = edges.iter().find(|(symbol, _)| ours && rules.name((*symbol).into()) == tag.local);
                if let Some(&(symbol, next)) = edge {
                    *state = next;
                    Some(symbol.into())
                } else {
                    let (model, state, of) = (*model, *state, *of);
                    if let Some((open, _)) = self.open.last_mut() {
                        *open = Open::Broken;
                    }
                    let (child, expected) = (Quoted(tag.local), Expected { rules, model, state });
                    let parent = rules.name(of);
                    self.report(document, format_args!("element {child} has no place here in {parent}; {expected}"));
                    rules.find(tag.local).filter(|_| ours)
                }
            }
            Some((Open::Broken, _)) => rules.find(tag.local).filter(|_| ours),
            Some((open @ (Open::Value(_) | Open::Nothing), of)) => {
                *open = Open::Skipped;
                let parent = rules.name(*of);
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
            of = self.attributes(document, tag, of);
        }
        let open = match rules.types.get(of) {
            Some(Type::Simple(simple)) => {
                self.value = Cow::Borrowed("");
                Open::Value(simple)
            }
            Some(Type::Complex(model)) => Open::Model { model, state: 0 },
            Some(Type::Empty) => Open::Nothing,
            None => Open::Skipped,
        };
        self.open.push((open, element));
    }

    /// Checks the attributes; gives the type that counts, which `xsi:type` may narrow.
    fn attributes(&mut self, document: &TokenReader<'a>, tag: &Tag<'a>, declared: usize) -> usize {
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
                "type" if ours => match self.narrowed(document, value, declared) {
                    Some(narrowed) => of = narrowed,
                    None => self.report(document, format_args!("xsi:type {} does not fit here", Quoted(value))),
                },
                "nil" if ours => self.report(document, format_args!("{} is not nillable", Quoted(tag.local))),
                _ => self.report(document, format_args!("attribute {} is not allowed", Quoted(name))),
            }
        }
        of
    }

    /// The type `xsi:type` names, if it is the declared one or a restriction of it.
    fn narrowed(&self, document: &TokenReader<'a>, value: &str, declared: usize) -> Option<usize> {
        let value = attribute_value(value);
        let (prefix, name) = split_name(value.trim_matches(' '));
        let namespace = document.namespace(prefix);
        let named = if namespace == &*self.rules.namespace {
            self.rules.find_type(name)?
        } else if namespace == XSD_NAMESPACE {
            super::facets::BuiltIn::ALL.into_iter().find(|base| base.name() == name)? as usize
        } else {
            return None;
        };
        let mut of = named;
        while of != declared {
            // Restrictions end at a built-in type, which has no parent here.
            let Some(Type::Simple(simple)) = self.rules.types.get(of) else {
                return None;
            };
            of = simple.parent?;
        }
        Some(named)
    }

    /// Text as it stands in the document.
    fn on_text(&mut self, document: &TokenReader<'a>, text: &'a str) {
        if matches!(self.open.last(), Some((Open::Value(_), _))) {
            if self.value.is_empty() && !text.as_bytes().contains(&b'\r') {
                self.value = Cow::Borrowed(text);
            } else {
                // XML reads every kind of line end as one newline.
                self.value.to_mut().push_str(&text.replace("\r\n", "\n").replace('\r', "\n"));
            }
        } else {
            self.check_text(document, text);
        }
    }

    /// What a reference stands for.
    fn on_character(&mut self, document: &TokenReader<'a>, letter: char) {
        if matches!(self.open.last(), Some((Open::Value(_), _))) {
            self.value.to_mut().push(letter);
        } else {
            self.check_text(document, letter.encode_utf8(&mut [0; 4]));
        }
    }

    fn check_text(&mut self, document: &TokenReader<'a>, text: &str) {
        let (stray, of) = match self.open.last() {
            Some(&(Open::Model { .. } | Open::Broken, of)) => (!is_blank(text), of),
            Some(&(Open::Nothing, of)) => (!text.is_empty(), of),
            Some((Open::Skipped | Open::Frame | Open::Value(_), _)) | None => (false, 0),
        };
        if stray && !core::mem::replace(&mut self.stray, true) {
            let parent = self.rules.name(of);
            self.report(document, format_args!("{parent} may not hold text"));
        }
    }

    fn on_end(&mut self, document: &TokenReader<'a>) {
        let rules = self.rules;
        match self.open.pop() {
            Some((Open::Value(simple), of)) => {
                let value = core::mem::take(&mut self.value);
                if let Err(fault) = simple.check(&value) {
                    self.report(document, format_args!("{}: {fault}", rules.name(of)));
                }
            }
            Some((Open::Model { model, state }, of)) if !model.accepts(state) => {
                let expected = Expected { rules, model, state };
                self.report(document, format_args!("{} is not complete; {expected}", rules.name(of)));
            }
            Some((Open::Model { .. } | Open::Skipped | Open::Frame | Open::Broken | Open::Nothing, _)) | None => {}
        }
        self.stray = false;
    }
}

/// What may come in a state, for people.
struct Expected<'r> {
    rules: &'r Rules,
    model: &'r Automaton,
    state: u16,
}

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edges = self.model.edges(self.state);
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
