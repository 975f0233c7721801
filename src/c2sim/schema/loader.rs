//! From XSD text to [`Rules`].
//!
//! The text becomes a small tree first, in which every element and attribute outside the understood part is refused where it stands; then
//! names are resolved and content models built, within the budget of [`super::automaton`].

use core::fmt;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::attributes::attribute_value;
use super::super::letters::{is_blank, is_space, readable, split_name};
use super::super::tokens::{Tag, Token, TokenReader};
use super::automaton::{Automaton, Budget, Expr};
use super::facets::{Bound, BuiltIn, Facet, Simple};
use super::pattern::Pattern;
use super::rules::{Element, Rules, Type};
use crate::limits::{C2SIM_SCHEMA_BYTES_MAX, C2SIM_SCHEMA_NESTING_MAX, C2SIM_SCHEMA_NODES_MAX};
use crate::store::order;

pub(super) const XSD_NAMESPACE: &str = "http://www.w3.org/2001/XMLSchema";

/// Why an XSD cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// In which line, from 1.
    pub line: usize,
    /// What is wrong, in words.
    pub text: String,
}

impl LoadError {
    fn new(line: usize, text: impl Into<String>) -> Self {
        Self { line, text: text.into() }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line {}: {}", self.line, self.text)
    }
}

impl core::error::Error for LoadError {}

/// A name that a `ref`, `type` or `base` means.
#[derive(Clone, Debug)]
struct Reference {
    built_in: bool,
    name: String,
}

/// An element of the XSD.
#[derive(Debug, Default)]
struct XsdElement {
    element: &'static str,
    line: usize,
    attributes: Vec<(&'static str, String)>,
    reference: Option<Reference>,
    children: Vec<Self>,
}

impl XsdElement {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    fn fail<T>(&self, text: impl Into<String>) -> Result<T, LoadError> {
        Err(LoadError::new(self.line, text))
    }

    fn name(&self) -> Result<&str, LoadError> {
        self.get("name").map_or_else(|| self.fail(format!("{} has no name", self.element)), Ok)
    }

    fn reference(&self) -> Result<&Reference, LoadError> {
        self.reference.as_ref().map_or_else(|| self.fail(format!("{} refers to nothing", self.element)), Ok)
    }

    /// The one child; `None` without.
    fn only(&self) -> Result<Option<&Self>, LoadError> {
        match self.children.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(only)),
            [_, second, ..] => second.fail(format!("{} has more than one part", self.element)),
        }
    }

    fn repeated(&self, expr: Expr) -> Result<Expr, LoadError> {
        let number = |name, text: &str| {
            let plain = text.bytes().all(|digit| digit.is_ascii_digit());
            let number = text.parse::<u32>().ok().filter(|_| plain);
            number.map_or_else(|| self.fail(format!("{name} is no number in range")), Ok)
        };
        let min = self.get("minOccurs").map_or(Ok(1), |text| number("minOccurs", text))?;
        let max = match self.get("maxOccurs") {
            Some("unbounded") => None,
            Some(text) => Some(number("maxOccurs", text)?),
            None => Some(1),
        };
        if max.is_some_and(|max| max < min) {
            return self.fail("maxOccurs is below minOccurs");
        }
        Ok(if (min, max) == (1, Some(1)) { expr } else { Expr::Repeat(Box::new(expr), min, max) })
    }
}

/// What may stand in what, and with which attributes: the understood part of XML Schema.
type Shape = (&'static str, &'static [&'static str], &'static [&'static str]);
const MODEL: &[&str] = &["element", "group", "sequence", "choice"];
const OCCURS: &[&str] = &["minOccurs", "maxOccurs", "id"];
const FACETS: &[&str] = &["enumeration", "pattern", "minInclusive", "maxInclusive", "minExclusive"];
const TOP: &[Shape] = &[
    ("element", &["name", "type", "id"], &[]),
    ("group", &["name", "id"], &["sequence", "choice"]),
    ("complexType", &["name", "id"], &["sequence", "choice", "group"]),
    ("simpleType", &["name", "id"], &["restriction"]),
];
const INNER: &[Shape] = &[
    ("element", &["ref", "minOccurs", "maxOccurs", "id"], &[]),
    ("group", &["ref", "minOccurs", "maxOccurs", "id"], &[]),
    ("sequence", OCCURS, MODEL),
    ("choice", OCCURS, MODEL),
    ("restriction", &["base", "id"], FACETS),
    ("enumeration", &["value", "id"], &[]),
    ("pattern", &["value", "id"], &[]),
    ("minInclusive", &["value", "id"], &[]),
    ("maxInclusive", &["value", "id"], &[]),
    ("minExclusive", &["value", "id"], &[]),
];
const SCHEMA: Shape = (
    "schema",
    &["targetNamespace", "elementFormDefault", "attributeFormDefault", "version", "id"],
    &["element", "group", "complexType", "simpleType"],
);

struct Reader<'a> {
    text: &'a str,
    document: TokenReader<'a>,
    target: String,
    nodes: usize,
    counted: usize,
    line: usize,
}

impl<'a> Reader<'a> {
    /// The line of the last token.
    fn line(&mut self) -> usize {
        let start = self.document.range().start;
        let passed = self.text.as_bytes().get(self.counted..start).unwrap_or_default();
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.counted = self.counted.max(start);
        self.line
    }

    fn fail<T>(&mut self, text: impl Into<String>) -> Result<T, LoadError> {
        Err(LoadError::new(self.line(), text))
    }

    fn next(&mut self) -> Result<Token<'a>, LoadError> {
        match self.document.next() {
            Ok(token) => Ok(token),
            Err(defect) => self.fail(defect.to_string()),
        }
    }

    fn tree(&mut self) -> Result<XsdElement, LoadError> {
        let mut open: Vec<(XsdElement, Shape)> = Vec::new();
        loop {
            match self.next()? {
                Token::Start(tag) => {
                    if self.document.namespace(tag.prefix) != XSD_NAMESPACE {
                        return self.fail(format!("{} is no element of XML Schema", tag.local));
                    }
                    if tag.local == "annotation" && !open.is_empty() {
                        self.skip()?;
                        continue;
                    }
                    self.nodes += 1;
                    if self.nodes > C2SIM_SCHEMA_NODES_MAX {
                        return self.fail("the schema has too many elements");
                    }
                    let shape = match open.last() {
                        None => Some(&SCHEMA).filter(|shape| shape.0 == tag.local),
                        Some((parent, (_, _, children))) => {
                            let shapes = if parent.element == "schema" { TOP } else { INNER };
                            shapes.iter().find(|shape| shape.0 == tag.local && children.contains(&shape.0))
                        }
                    };
                    let Some(&shape) = shape else {
                        let parent = open.last().map_or("the document", |(parent, _)| parent.element);
                        return self
                            .fail(format!("{} in {parent} is outside the supported part of XML Schema", tag.local));
                    };
                    let node = self.node(&tag, shape)?;
                    open.push((node, shape));
                }
                Token::End => {
                    let Some((node, _)) = open.pop() else {
                        return self.fail("the document is not well-formed");
                    };
                    match open.last_mut() {
                        Some((parent, _)) => parent.children.push(node),
                        None => {
                            // Only white space, comments and the like may follow.
                            while !matches!(self.next()?, Token::EndOfDocument) {}
                            return Ok(node);
                        }
                    }
                }
                Token::Text(text) if is_blank(text) => {}
                Token::Text(_) | Token::CData(_) | Token::Character(_) => return self.fail("text has no place here"),
                Token::Aside => {}
                Token::EndOfDocument => return self.fail("the document is empty"),
            }
        }
    }

    /// Passes over everything in the element that has just begun.
    fn skip(&mut self) -> Result<(), LoadError> {
        let depth = self.document.depth();
        while !matches!(self.next()?, Token::End) || self.document.depth() >= depth {}
        Ok(())
    }

    fn node(&mut self, tag: &Tag<'a>, (element, known, _): Shape) -> Result<XsdElement, LoadError> {
        let mut node = XsdElement { element, line: self.line(), ..XsdElement::default() };
        for attribute in tag.attributes() {
            let Ok((name, raw)) = attribute else { continue };
            let (prefix, local) = split_name(name);
            // Other namespaces' attributes are annotations.
            if !prefix.is_empty() || local == "xmlns" {
                continue;
            }
            let Some(&known) = known.iter().find(|known| **known == local) else {
                return node
                    .fail(format!("attribute {local} of {element} is outside the supported part of XML Schema"));
            };
            let value = attribute_value(raw);
            match known {
                "targetNamespace" => self.target.clone_from(&value),
                "ref" | "type" | "base" => {
                    let (prefix, name) = split_name(value.trim_matches(is_space));
                    let namespace = self.document.namespace(prefix);
                    let built_in = namespace == XSD_NAMESPACE;
                    if !built_in && namespace != self.target {
                        return node.fail(format!("{value} is of another namespace"));
                    }
                    node.reference = Some(Reference { built_in, name: name.to_owned() });
                }
                _ => {}
            }
            node.attributes.push((known, value));
        }
        Ok(node)
    }
}

struct Loader<'t> {
    /// Global declarations by sort and name.
    groups: BTreeMap<&'t str, &'t XsdElement>,
    elements: BTreeMap<&'t str, &'t XsdElement>,
    /// Number and declaration of every type, behind the built-in ones.
    types: BTreeMap<&'t str, (usize, &'t XsdElement)>,
    element_numbers: BTreeMap<&'t str, u16>,
    simple: BTreeMap<&'t str, Simple>,
    budget: Budget,
}

impl Rules {
    /// Reads the text of an XSD. Takes a few milliseconds for the schemas of C2SIM.
    ///
    /// # Errors
    /// The text is no XSD, is outside the part of XML Schema that is understood, or exceeds the bounds in [`crate::limits`].
    pub fn load(xsd: &str) -> Result<Self, LoadError> {
        load(xsd)
    }
}

fn load(xsd: &str) -> Result<Rules, LoadError> {
    if xsd.len() > C2SIM_SCHEMA_BYTES_MAX {
        return Err(LoadError::new(1, "the schema is too large"));
    }
    let (text, defect) = readable(xsd.as_bytes());
    let mut reader =
        Reader { text, document: TokenReader::new(text), target: String::new(), nodes: 0, counted: 0, line: 1 };
    let root = reader.tree();
    if let Some(defect) = defect {
        return Err(LoadError::new(text.bytes().filter(|&byte| byte == b'\n').count() + 1, defect.to_string()));
    }
    let root = root?;
    if reader.target.is_empty() {
        return root.fail("the schema has no targetNamespace");
    }
    let mut loader = Loader {
        groups: BTreeMap::new(),
        elements: BTreeMap::new(),
        types: BTreeMap::new(),
        element_numbers: BTreeMap::new(),
        simple: BTreeMap::new(),
        budget: Budget::new(),
    };
    loader.declare(&root)?;
    loader.rules(&reader.target)
}

impl<'t> Loader<'t> {
    fn declare(&mut self, root: &'t XsdElement) -> Result<(), LoadError> {
        for node in &root.children {
            let name = node.name()?;
            let twice = match node.element {
                "element" => self.elements.insert(name, node).is_some(),
                "group" => self.groups.insert(name, node).is_some(),
                _ => {
                    let number = BuiltIn::ALL.len() + self.types.len();
                    self.types.insert(name, (number, node)).is_some()
                }
            };
            if twice {
                return node.fail(format!("{name} is declared twice"));
            }
        }
        for (&name, number) in self.elements.keys().zip(0_u16..=u16::MAX) {
            self.element_numbers.insert(name, number);
        }
        Ok(())
    }

    fn rules(mut self, namespace: &str) -> Result<Rules, LoadError> {
        let built_in = |base| Type::Simple(Simple { base, facets: Vec::new(), parent: None });
        let mut types: Vec<(usize, Type)> =
            BuiltIn::ALL.into_iter().map(|base| (base as usize, built_in(base))).collect();
        let declared = self.types.clone();
        for (name, (number, node)) in &declared {
            let made = match node.element {
                "complexType" => self.complex(node)?,
                _ => Type::Simple(self.simple(name, *number, node, 0)?),
            };
            types.push((*number, made));
        }
        order::sort_by_key(&mut types, |(number, _)| *number);
        let mut elements = Vec::new();
        for (&name, &node) in &self.elements {
            elements.push(Element { name: name.into(), of: self.type_number(node, node.reference()?)? });
        }
        Ok(Rules {
            namespace: namespace.into(),
            elements: elements.into(),
            types: types.into_iter().map(|(_, made)| made).collect(),
            type_names: declared.iter().map(|(&name, (number, _))| (Box::from(name), *number)).collect(),
        })
    }

    fn type_number(&self, node: &XsdElement, of: &Reference) -> Result<usize, LoadError> {
        let number = if of.built_in {
            BuiltIn::ALL.into_iter().find(|base| base.name() == of.name).map(|base| base as usize)
        } else {
            self.types.get(of.name.as_str()).map(|(number, _)| *number)
        };
        number.map_or_else(|| node.fail(format!("there is no type {}", of.name)), Ok)
    }

    fn complex(&mut self, node: &XsdElement) -> Result<Type, LoadError> {
        let Some(content) = node.only()? else {
            return Ok(Type::Empty);
        };
        // As XML Schema has it: a sequence of nothing leaves no room even for white space.
        if content.element == "sequence" && content.children.is_empty() {
            return Ok(Type::Empty);
        }
        let expr = self.particle(content, 0)?;
        match Automaton::build(&expr, &mut self.budget) {
            Ok(automaton) => Ok(Type::Complex(automaton)),
            Err(_) => node.fail("the content model is too involved"),
        }
    }

    fn particle(&mut self, node: &XsdElement, depth: usize) -> Result<Expr, LoadError> {
        if depth > C2SIM_SCHEMA_NESTING_MAX {
            return node.fail("groups are too deep inside one another, or inside themselves");
        }
        if self.budget.spend(1).is_err() {
            return node.fail("the schema is too involved");
        }
        let expr = match node.element {
            "element" => {
                let of = node.reference()?;
                match self.element_numbers.get(of.name.as_str()) {
                    Some(&number) if !of.built_in => Expr::Symbols(vec![number]),
                    _ => return node.fail(format!("there is no element {}", of.name)),
                }
            }
            "group" => {
                let of = node.reference()?;
                let group = self.groups.get(of.name.as_str()).copied().filter(|_| !of.built_in);
                let Some(group) = group else {
                    return node.fail(format!("there is no group {}", of.name));
                };
                match group.only()? {
                    Some(content) => self.particle(content, depth + 1)?,
                    None => return group.fail("the group is empty"),
                }
            }
            _ => {
                let mut parts = Vec::new();
                for child in &node.children {
                    parts.push(self.particle(child, depth + 1)?);
                }
                if node.element == "choice" { Expr::Choice(parts) } else { Expr::Sequence(parts) }
            }
        };
        node.repeated(expr)
    }

    fn simple(
        &mut self,
        name: &'t str,
        number: usize,
        node: &'t XsdElement,
        depth: usize,
    ) -> Result<Simple, LoadError> {
        if let Some(simple) = self.simple.get(name) {
            return Ok(simple.clone());
        }
        if depth > C2SIM_SCHEMA_NESTING_MAX {
            return node.fail("restrictions are too deep, or of themselves");
        }
        let Some(restriction) = node.only()? else {
            return node.fail("the type restricts nothing");
        };
        let of = restriction.reference()?;
        let parent = self.type_number(restriction, of)?;
        let mut simple = match self.types.get_key_value(of.name.as_str()).filter(|_| !of.built_in) {
            Some((_, (_, base))) if base.element != "simpleType" => {
                return restriction.fail("the base is no simple type");
            }
            Some((&base, &(number, node))) => self.simple(base, number, node, depth + 1)?,
            None => match BuiltIn::ALL.get(parent) {
                Some(&base) => Simple { base, facets: Vec::new(), parent: None },
                None => return restriction.fail("the base is no built-in type"),
            },
        };
        simple.parent = Some(parent);
        self.facets(&mut simple, restriction)?;
        debug_assert_ne!(parent, number, "a type that restricts itself was refused above");
        self.simple.insert(name, simple.clone());
        Ok(simple)
    }

    fn facets(&mut self, simple: &mut Simple, restriction: &XsdElement) -> Result<(), LoadError> {
        let (mut codes, mut patterns) = (Vec::new(), Vec::new());
        for node in &restriction.children {
            let Some(value) = node.get("value") else {
                return node.fail(format!("{} has no value", node.element));
            };
            let bound = match node.element {
                "pattern" => {
                    match Pattern::parse(value, &mut self.budget) {
                        Ok(pattern) => patterns.push(pattern),
                        Err(text) => return node.fail(text),
                    }
                    continue;
                }
                "enumeration" if simple.base == BuiltIn::String => {
                    codes.push(Box::from(value));
                    continue;
                }
                "minInclusive" => Bound::MinInclusive,
                "maxInclusive" => Bound::MaxInclusive,
                "minExclusive" => Bound::MinExclusive,
                _ => return node.fail("a code list of other things than strings is outside the supported part"),
            };
            let value = value.trim_matches(is_space);
            if !simple.base.is_ordered() || !simple.base.takes(value) {
                return node.fail(format!("{} is no bound for the type", node.element));
            }
            simple.facets.push(Facet::Bound(bound, value.into()));
        }
        // Each type keeps its own list of demands, so types of types of types cost what their lists are long.
        if self.budget.spend(1 + simple.facets.len()).is_err() {
            return restriction.fail("the schema is too involved");
        }
        if !codes.is_empty() {
            order::sort(&mut codes);
            codes.dedup();
            simple.facets.push(Facet::Enumeration(codes.into()));
        }
        if !patterns.is_empty() {
            simple.facets.push(Facet::Patterns(Arc::from(patterns)));
        }
        Ok(())
    }
}
