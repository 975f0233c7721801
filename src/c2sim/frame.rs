//! The frame of a message: which element stands where, and what its beginning, its text and its end mean.
//!
//! Takes one token after the other and knows, for each open element, what it is to the frame. Must not know what well-formed is; that is
//! the token reader's.

use core::ops::Range;
use std::borrow::Cow;

use super::defect::Defect;
use super::field::Field;
use super::kind::{Category, Kind, Schema};
use super::letters::is_blank;
use super::message::{Census, Header, Layout, Message, Part, Password};
use super::span::{Span, Value};
use super::tokens::{Tag, Token, TokenReader};
use crate::limits::{C2SIM_HEADER_FIELD_BYTES_MAX, C2SIM_NAMESPACES_MAX, C2SIM_RUNS_MAX, C2SIM_SYSTEMS_MAX};

/// What an open element is to the scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Not open, or of no interest, and so is everything in it.
    Nothing,
    Message,
    Header,
    Field(Field),
    MessageBody,
    /// `DomainMessageBody` or `SystemMessageBody`.
    Wrapper,
    /// What a system message says.
    System,
    ServerPassword,
    SetMultiple,
    Multiple,
    /// Either initialization body.
    Initialization,
    ObjectDefinitions,
    Part(Part),
    SystemName,
    /// Something inside an entity.
    Entity,
    Uuid,
}

/// Structural places lie at most this deep; UUIDs of entities are found by their parent.
const PLACES: usize = crate::limits::C2SIM_DEPTH_MAX + 1;

/// What is known of a message so far.
#[derive(Debug)]
pub(super) struct Scanner {
    /// The place of each open element, by depth; 0 is the document itself.
    places: [Place; PLACES],
    namespace: Span,
    default_namespace: bool,
    header: [Option<Value>; Field::ALL.len()],
    /// Where the header lies.
    header_range: Range<usize>,
    header_seen: bool,
    body_seen: bool,
    /// Category and element, once the body has begun.
    category: Option<Category>,
    element: Option<Span>,
    kind: Kind,
    multiple: Option<f64>,
    /// The password, and where its element lies.
    password: Option<(Value, Range<usize>)>,
    layout: Option<Box<Places>>,
    /// The text of the element being read, and whether one is.
    value: Value,
    reading: bool,
    /// Where the part being read began.
    part_start: usize,
    /// The last run may grow: the next part is its neighbour.
    growing: bool,
    passed_over: usize,
}

/// Where the parts of an initialization lie, and what they name.
#[derive(Debug, Default)]
struct Places {
    runs: Vec<(Part, Range<usize>)>,
    systems: Vec<Value>,
    entities: Vec<u128>,
    census: Census,
    /// Prefix and namespace.
    bindings: Vec<(Span, Span)>,
}

impl Places {
    fn has(&self, text: &str, (prefix, namespace): (&str, &str)) -> bool {
        self.bindings.iter().any(|(known, of)| known.of(text) == prefix && of.of(text) == namespace)
    }

    fn bind(&mut self, text: &str, (prefix, namespace): (&str, &str)) {
        self.bindings.push((Span::within(text, prefix), Span::within(text, namespace)));
    }
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self {
            places: [Place::Nothing; PLACES],
            namespace: Span::default(),
            default_namespace: false,
            header: Default::default(),
            header_range: 0..0,
            header_seen: false,
            body_seen: false,
            category: None,
            element: None,
            kind: Kind::Unknown,
            multiple: None,
            password: None,
            layout: None,
            value: Value::default(),
            reading: false,
            part_start: 0,
            growing: false,
            passed_over: PLACES,
        }
    }

    /// How deep an element lies that is of no interest, and all in it; beyond all depths if there is none.
    pub(super) const fn passed_over(&self) -> usize {
        self.passed_over
    }

    /// Takes the token that `document` has just read.
    ///
    /// # Errors
    /// It has no place there, or is not what it has to be.
    pub(super) fn on_token(&mut self, document: &TokenReader<'_>, token: &Token<'_>) -> Result<(), Defect> {
        match *token {
            Token::Start(ref tag) => self.on_start(document, tag),
            Token::End => self.on_end(document),
            Token::Text(raw) => self.on_text(document, raw),
            Token::CData(text) => self.on_content(document, text),
            Token::Character(letter) => self.on_content(document, letter.encode_utf8(&mut [0; 4])),
            Token::Aside => Ok(()),
            Token::EndOfDocument if self.category.is_none() => Err(Defect::NoBody),
            Token::EndOfDocument => {
                let lacks_multiple = self.kind == Kind::SetSimulationRealtimeMultiple && self.multiple.is_none();
                if lacks_multiple { Err(Defect::BadMultiple) } else { Ok(()) }
            }
        }
    }

    /// The message, of which all has been read.
    pub(super) fn finish(self, text: &str, has_instructions: bool) -> Message<'_> {
        let namespace = self.namespace.of(text);
        let layout = |places: Box<Places>| {
            let Places { runs, systems, entities, census, bindings } = *places;
            let systems = systems.into_iter().map(|name| trimmed(name.into_cow(text))).collect();
            let bindings = bindings.into_iter().map(|(prefix, of)| (prefix.of(text), of.of(text))).collect();
            Box::new(Layout { runs, systems, entities, census, bindings })
        };
        Message {
            text,
            kind: self.kind,
            category: self.category.unwrap_or(Category::Unknown),
            element: self.element.unwrap_or_default().of(text),
            namespace,
            schema: Schema::from_namespace(namespace),
            header: Header::new(self.header.map(|value| value.map(|value| value.into_cow(text))), self.header_range),
            realtime_multiple: self.multiple,
            password: self.password.map(|(value, range)| Password { text: trimmed(value.into_cow(text)), range }),
            layout: self.layout.map(layout),
            default_namespace: self.default_namespace,
            has_instructions,
            whole: None,
            given: None,
            line: None,
        }
    }

    /// Whether the header is there, and whole.
    pub(super) const fn header_seen(&self) -> bool {
        self.header_seen
    }

    /// Whether the header has begun.
    pub(super) fn header_found(&self) -> bool {
        const HEADER_DEPTH: usize = 2;
        self.header_seen || self.place(HEADER_DEPTH) == Place::Header
    }

    fn place(&self, depth: usize) -> Place {
        self.places.get(depth).copied().unwrap_or(Place::Nothing)
    }

    fn on_start(&mut self, document: &TokenReader<'_>, tag: &Tag<'_>) -> Result<(), Defect> {
        let depth = document.depth();
        let parent = self.place(depth.saturating_sub(1));
        let (prefix, local) = (tag.prefix, tag.local);
        let place = if depth == 1 {
            self.on_root(document, prefix, local)?
        } else {
            // Another namespace's element is never one of ours.
            let (namespace, of_root) = (document.namespace(prefix), self.namespace.of(document.text()));
            // Mostly it is the very declaration of the root.
            let ours = core::ptr::eq(namespace, of_root) || namespace == of_root;
            self.child_of(document, parent, if ours { local } else { "" }, local)?
        };
        if let Some(slot) = self.places.get_mut(depth) {
            *slot = place;
        }
        if matches!(place, Place::Nothing) {
            self.passed_over = depth;
        }
        Ok(())
    }

    fn on_root(&mut self, document: &TokenReader<'_>, prefix: &str, local: &str) -> Result<Place, Defect> {
        if local != "Message" {
            return Err(Defect::WrongRoot);
        }
        let namespace = document.namespace(prefix);
        // That of `xml` is declared nowhere, and no message has it.
        if namespace.is_empty() || prefix == "xml" {
            return Err(Defect::NoNamespace);
        }
        self.namespace = Span::within(document.text(), namespace);
        self.default_namespace = document.namespace("") == namespace;
        Ok(Place::Message)
    }

    /// The place of an element `name` (empty if of another namespace) in `parent`, with all that its beginning means.
    fn child_of(
        &mut self,
        document: &TokenReader<'_>,
        parent: Place,
        name: &str,
        local: &str,
    ) -> Result<Place, Defect> {
        match parent {
            Place::Message => match name {
                "C2SIMHeader" if !self.header_seen && !self.body_seen => {
                    self.header_range.start = document.range().start;
                    Ok(Place::Header)
                }
                "MessageBody" if !self.header_seen => Err(Defect::NoHeader),
                "MessageBody" if self.body_seen => Err(Defect::SeveralBodies),
                "MessageBody" => {
                    self.body_seen = true;
                    Ok(Place::MessageBody)
                }
                _ => Err(Defect::OutOfPlace),
            },
            Place::Header => {
                let field = Field::ALL.into_iter().find(|field| field.element() == name);
                Ok(match field {
                    Some(Field::SendingTime) => Place::Field(Field::SendingTime),
                    Some(field) => self.read(Place::Field(field)),
                    None => Place::Nothing,
                })
            }
            Place::Field(Field::SendingTime) if name == "IsoDateTime" => {
                Ok(self.read(Place::Field(Field::SendingTime)))
            }
            Place::MessageBody => self.on_body(document, name, local),
            Place::Wrapper => self.on_wrapped(document, name, local),
            Place::System | Place::SetMultiple if name == "ServerPassword" => {
                self.part_start = document.range().start;
                Ok(self.read(Place::ServerPassword))
            }
            Place::SetMultiple if name == "SimulationRealtimeMultiple" => Ok(self.read(Place::Multiple)),
            Place::Initialization => Ok(match name {
                "InitializationDataFile" => self.part(document, Part::InitializationDataFile),
                "ObjectDefinitions" => {
                    self.growing = false;
                    self.note_own_bindings(document)?;
                    Place::ObjectDefinitions
                }
                "ScenarioSetting" => self.part(document, Part::ScenarioSetting),
                "SystemEntityList" => self.part(document, Part::SystemEntityList),
                _ => Place::Nothing,
            }),
            Place::ObjectDefinitions => Ok(match name {
                "AbstractObject" => self.part(document, Part::AbstractObject),
                "Action" => self.part(document, Part::Action),
                "Entity" => self.unit(document),
                "PlanPhaseReference" => self.part(document, Part::PlanPhaseReference),
                _ => Place::Nothing,
            }),
            Place::Part(Part::SystemEntityList) if name == "SystemName" => Ok(self.read(Place::SystemName)),
            Place::Part(Part::Entity) | Place::Entity => Ok(match name {
                "UUID" => self.read(Place::Uuid),
                "Route" => self.route(),
                _ => Place::Entity,
            }),
            // A value has no elements in it.
            Place::Field(_) | Place::Multiple | Place::SystemName | Place::Uuid | Place::ServerPassword
                if self.reading =>
            {
                Err(Defect::OutOfPlace)
            }
            Place::Nothing
            | Place::Field(_)
            | Place::System
            | Place::ServerPassword
            | Place::SetMultiple
            | Place::Multiple
            | Place::Part(_)
            | Place::SystemName
            | Place::Uuid => Ok(Place::Nothing),
        }
    }

    /// What a system message or a domain message says.
    fn on_wrapped(&mut self, document: &TokenReader<'_>, name: &str, local: &str) -> Result<Place, Defect> {
        if self.element.replace(Span::within(document.text(), local)).is_some() {
            return Err(Defect::SeveralBodies);
        }
        self.kind = Kind::of_element(self.category.unwrap_or(Category::Unknown), name);
        Ok(match self.category {
            _ if self.kind == Kind::SetSimulationRealtimeMultiple => Place::SetMultiple,
            Some(Category::SystemMessage) => Place::System,
            _ => Place::Nothing,
        })
    }

    fn on_body(&mut self, document: &TokenReader<'_>, name: &str, local: &str) -> Result<Place, Defect> {
        if self.category.is_some() {
            return Err(Defect::SeveralBodies);
        }
        let (category, wrapped) = match name {
            "C2SIMInitializationBody" => (Category::C2simInitialization, false),
            "ObjectInitializationBody" => (Category::ObjectInitialization, false),
            "SystemAcknowledgementBody" => (Category::SystemAcknowledgement, false),
            "DomainMessageBody" => (Category::DomainMessage, true),
            "SystemMessageBody" => (Category::SystemMessage, true),
            _ => (Category::Unknown, false),
        };
        self.category = Some(category);
        if wrapped {
            return Ok(Place::Wrapper);
        }
        self.element = Some(Span::within(document.text(), local));
        self.kind = Kind::of_element(category, name);
        if !matches!(self.kind, Kind::C2simInitialization | Kind::ObjectInitialization) {
            return Ok(Place::Nothing);
        }
        self.layout = Some(Box::default());
        self.note_bindings(document);
        Ok(Place::Initialization)
    }

    fn read(&mut self, place: Place) -> Place {
        self.value = Value::default();
        self.reading = true;
        place
    }

    fn unit(&mut self, document: &TokenReader<'_>) -> Place {
        if let Some(layout) = &mut self.layout {
            layout.census.units += 1;
        }
        self.part(document, Part::Entity)
    }

    fn route(&mut self) -> Place {
        if let Some(layout) = &mut self.layout {
            layout.census.routes += 1;
        }
        Place::Entity
    }

    fn part(&mut self, document: &TokenReader<'_>, part: Part) -> Place {
        self.part_start = document.range().start;
        Place::Part(part)
    }

    /// Remembers the declarations in force, which parts lifted out of here would miss.
    fn note_bindings(&mut self, document: &TokenReader<'_>) {
        let (text, Some(layout)) = (document.text(), &mut self.layout) else { return };
        for pair in document.bindings() {
            // A declaration that another one hides is not in force.
            let in_force = document.namespace(pair.0) == pair.1;
            if in_force && !pair.1.is_empty() && !layout.has(text, pair) {
                layout.bind(text, pair);
            }
        }
    }

    /// The same for an element further in, of which there may be many: its own declarations come on top, and there is a bound on all.
    fn note_own_bindings(&mut self, document: &TokenReader<'_>) -> Result<(), Defect> {
        let (text, Some(layout)) = (document.text(), &mut self.layout) else { return Ok(()) };
        for pair in document.own_bindings() {
            if !pair.1.is_empty() && !layout.has(text, pair) {
                if layout.bindings.len() >= C2SIM_NAMESPACES_MAX {
                    return Err(Defect::TooManyNamespaces);
                }
                layout.bind(text, pair);
            }
        }
        Ok(())
    }

    fn on_text(&mut self, document: &TokenReader<'_>, raw: &str) -> Result<(), Defect> {
        if self.reading {
            check_length(self.value.len() + raw.len())?;
            self.value.add_raw(document.text(), raw);
            return Ok(());
        }
        self.check_frame_text(document, raw)
    }

    /// The frame of a message holds elements only, and white space between them.
    fn check_frame_text(&self, document: &TokenReader<'_>, text: &str) -> Result<(), Defect> {
        let frame = matches!(
            self.place(document.depth()),
            Place::Message | Place::Header | Place::MessageBody | Place::Wrapper
        );
        if frame && !is_blank(text) { Err(Defect::OutOfPlace) } else { Ok(()) }
    }

    /// Text that is not to be taken as it stands in the document.
    fn on_content(&mut self, document: &TokenReader<'_>, text: &str) -> Result<(), Defect> {
        if self.reading {
            check_length(self.value.len() + text.len())?;
            self.value.add(document.text(), text);
            return Ok(());
        }
        self.check_frame_text(document, text)
    }

    fn on_end(&mut self, document: &TokenReader<'_>) -> Result<(), Defect> {
        let (text, depth) = (document.text(), document.depth() + 1);
        let place = self.place(depth);
        self.passed_over = PLACES;
        // Whatever is being read ends here: a value has no elements in it.
        let reading = core::mem::take(&mut self.reading);
        let read = reading.then(|| core::mem::take(&mut self.value));
        match (place, read) {
            (Place::Header, _) => {
                self.header_seen = true;
                self.header_range.end = document.range().end;
                self.check_header(text)?;
            }
            (Place::Field(field), Some(value)) => self.put(field, value)?,
            (Place::Multiple, Some(value)) => {
                let multiple = decimal(value.of(text)).filter(|&multiple| multiple > 0.0);
                if self.multiple.is_some() || multiple.is_none() {
                    return Err(Defect::BadMultiple);
                }
                self.multiple = multiple;
            }
            (Place::ServerPassword, Some(value)) => self.on_password(document, value)?,
            (Place::SystemName, Some(value)) => self.on_system(value)?,
            (Place::Uuid, Some(value)) => {
                if let (Some(layout), Some(uuid)) = (&mut self.layout, parse_uuid(value.of(text))) {
                    layout.entities.push(uuid);
                }
            }
            (Place::Part(part), _) => self.on_part(document, part)?,
            (Place::ObjectDefinitions, _) => self.growing = false,
            _ => {}
        }
        Ok(())
    }

    fn put(&mut self, field: Field, value: Value) -> Result<(), Defect> {
        let slot = self.header.get_mut(field as usize).ok_or(Defect::OutOfPlace)?;
        match slot {
            None => *slot = Some(value),
            // Of these nothing depends on which of them counts.
            Some(_) if matches!(field, Field::ToReceivingSystem | Field::CommunicativeActTypeCode) => {}
            Some(_) => return Err(Defect::RepeatedField(field)),
        }
        Ok(())
    }

    fn check_header(&self, text: &str) -> Result<(), Defect> {
        let value = |field: Field| self.header.get(field as usize).and_then(Option::as_ref);
        for field in Field::MANDATORY {
            if value(field).is_none() {
                return Err(Defect::MissingField(field));
            }
        }
        let sender = value(Field::FromSendingSystem).map_or("", |sender| sender.of(text));
        if sender.trim().is_empty() { Err(Defect::BlankSender) } else { Ok(()) }
    }

    fn on_password(&mut self, document: &TokenReader<'_>, value: Value) -> Result<(), Defect> {
        let range = self.part_start..document.range().end;
        if self.password.replace((value, range)).is_some() { Err(Defect::OutOfPlace) } else { Ok(()) }
    }

    fn on_system(&mut self, name: Value) -> Result<(), Defect> {
        let Some(layout) = &mut self.layout else {
            return Ok(());
        };
        if layout.systems.len() >= C2SIM_SYSTEMS_MAX {
            return Err(Defect::TooManySystems);
        }
        layout.systems.push(name);
        Ok(())
    }

    fn on_part(&mut self, document: &TokenReader<'_>, part: Part) -> Result<(), Defect> {
        let end = document.range().end;
        let Some(layout) = &mut self.layout else {
            return Ok(());
        };
        // A second setting is one too many and must stay apart from the first.
        let growing = core::mem::replace(&mut self.growing, part != Part::ScenarioSetting);
        if let Some((_, range)) = layout.runs.last_mut().filter(|(last, _)| growing && *last == part) {
            range.end = end;
            return Ok(());
        }
        if layout.runs.len() >= C2SIM_RUNS_MAX {
            return Err(Defect::TooManyRuns);
        }
        layout.runs.push((part, self.part_start..end));
        Ok(())
    }
}

fn trimmed(name: Cow<'_, str>) -> Cow<'_, str> {
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(name.trim()),
        Cow::Owned(name) => Cow::Owned(name.trim().to_owned()),
    }
}

fn check_length(bytes: usize) -> Result<(), Defect> {
    if bytes > C2SIM_HEADER_FIELD_BYTES_MAX { Err(Defect::ValueTooLong) } else { Ok(()) }
}

/// An `xs:decimal`: digits with an optional sign and point, no exponent.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
    text.parse().ok().filter(|value: &f64| plain && value.is_finite())
}

/// A UUID written 8-4-4-4-12 in hexadecimal digits, as a number.
fn parse_uuid(text: &str) -> Option<u128> {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    let text = text.trim();
    if text.len() != 36 {
        return None;
    }
    let mut uuid = 0;
    for (at, letter) in text.chars().enumerate() {
        if HYPHENS.contains(&at) {
            if letter != '-' {
                return None;
            }
        } else {
            uuid = (uuid << 4) | u128::from(letter.to_digit(16)?);
        }
    }
    Some(uuid)
}
