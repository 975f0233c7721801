//! The pass that recognises a message: a walk over the tokens that knows, for each open element, what it is to the frame.
//!
//! Owns which element stands where and what its beginning, its text and its end mean. Must not know what well-formed is; that is
//! `document`'s.

use std::borrow::Cow;

use super::defect::{Defect, Reject};
use super::field::Field;
use super::invalid::InvalidDocument;
use super::kind::{Category, Kind, Schema};
use super::letters::{is_blank, readable};
use super::message::{Header, Layout, Message, Part, Password};
use super::schema::{Checker, Extent, Rules, Violation};
use super::tokens::{Tag, Token, TokenReader};
use crate::limits::{
    C2SIM_HEADER_FIELD_BYTES_MAX, C2SIM_MESSAGE_BYTES_MAX, C2SIM_NAMESPACES_MAX, C2SIM_RUNS_MAX, C2SIM_SYSTEMS_MAX,
};

/// Checks and recognises one document.
///
/// # Errors
/// Everything the module docs of [`crate::c2sim`] list as validated; the first defect is reported.
pub fn scan(bytes: &[u8]) -> Result<Message<'_>, Reject> {
    judge(bytes, None).map(|(message, _)| message)
}

/// The same, and in the same pass checks the content against the rules of a schema. A document that is no message for any other reason
/// is refused for that.
///
/// # Errors
/// As [`scan`], or everything in which the content breaks the rules.
pub fn scan_with<'a>(bytes: &'a [u8], rules: Option<&Rules>) -> Result<Message<'a>, InvalidDocument> {
    match judge(bytes, rules.map(|rules| (rules, Extent::Whole))) {
        Ok((message, violations)) if violations.is_empty() => Ok(message),
        Ok((_, violations)) => Err(InvalidDocument::Content(violations)),
        Err(reject) => Err(InvalidDocument::Rejected(reject)),
    }
}

/// The same, and what of the content is not as the rules say; nothing if the document is as they say.
///
/// # Errors
/// As [`scan`].
pub fn judge<'a>(bytes: &'a [u8], rules: Option<(&Rules, Extent)>) -> Result<(Message<'a>, Vec<Violation>), Reject> {
    if bytes.len() > C2SIM_MESSAGE_BYTES_MAX {
        return Err(Reject { defect: Defect::TooLarge, line: 1, header_seen: false });
    }
    let (text, defect) = readable(bytes);
    let mut scanner = Scanner::new(text);
    let mut checker = rules.map(|(rules, extent)| Checker::new(rules, extent, text));
    let result = scanner.run(checker.as_mut());
    // An unreadable byte is the defect, wherever the text in front of it was cut off.
    match defect.map_or(result, Err) {
        Ok(message) => Ok((message, checker.map(Checker::finish).unwrap_or_default())),
        Err(found) => {
            let mut at = if defect.is_some() { text.len() } else { scanner.document.range().start };
            let mut found = found;
            // First of all a document has to be one, and a message then to have a header, whatever stands in front of that.
            let shape = matches!(found, Defect::WrongRoot | Defect::NoNamespace | Defect::OutOfPlace | Defect::NoBody);
            if shape && !scanner.header_found() {
                match scanner.drain() {
                    Ok(false) if found != Defect::WrongRoot => found = Defect::NoHeader,
                    Ok(_) => {}
                    Err(behind) => (found, at) = (behind, scanner.document.range().start),
                }
            }
            let before = text.as_bytes().get(..at).unwrap_or_default();
            let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
            Err(Reject { defect: found, line, header_seen: scanner.header_seen })
        }
    }
}

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

struct Scanner<'a> {
    text: &'a str,
    document: TokenReader<'a>,
    /// The place of each open element, by depth; 0 is the document itself.
    places: [Place; PLACES],
    namespace: &'a str,
    default_namespace: bool,
    header: Header<'a>,
    header_seen: bool,
    body_seen: bool,
    /// Category and element, once the body has begun.
    category: Option<Category>,
    element: Option<&'a str>,
    kind: Kind,
    multiple: Option<f64>,
    password: Option<Password<'a>>,
    layout: Option<Box<Layout<'a>>>,
    /// The text of the element being read, and whether one is.
    value: Cow<'a, str>,
    reading: bool,
    /// Where the part being read began.
    part_start: usize,
    /// The last run may grow: the next part is its neighbour.
    growing: bool,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            document: TokenReader::new(text),
            places: [Place::Nothing; PLACES],
            namespace: "",
            default_namespace: false,
            header: Header::default(),
            header_seen: false,
            body_seen: false,
            category: None,
            element: None,
            kind: Kind::Unknown,
            multiple: None,
            password: None,
            layout: None,
            value: Cow::Borrowed(""),
            reading: false,
            part_start: 0,
            growing: false,
        }
    }

    fn run(&mut self, mut checker: Option<&mut Checker<'_, 'a>>) -> Result<Message<'a>, Defect> {
        loop {
            let token = self.document.next()?;
            match token {
                Token::Start(tag) => self.on_start(tag)?,
                Token::End => self.on_end()?,
                Token::Text(text) => self.on_text(text)?,
                Token::CData(text) => self.on_content(text)?,
                Token::Character(letter) => {
                    self.on_content(letter.encode_utf8(&mut [0; 4]))?;
                }
                Token::Aside => {}
                Token::EndOfDocument => break,
            }
            if let Some(checker) = &mut checker {
                checker.on_token(&self.document, token);
            }
        }
        let category = self.category.ok_or(Defect::NoBody)?;
        if self.kind == Kind::SetSimulationRealtimeMultiple && self.multiple.is_none() {
            return Err(Defect::BadMultiple);
        }
        Ok(Message {
            text: self.text,
            kind: self.kind,
            category,
            element: self.element.unwrap_or_default(),
            namespace: self.namespace,
            schema: Schema::from_namespace(self.namespace),
            header: core::mem::take(&mut self.header),
            realtime_multiple: self.multiple,
            password: self.password.take(),
            layout: self.layout.take(),
            default_namespace: self.default_namespace,
        })
    }

    /// Whether the header has begun.
    fn header_found(&self) -> bool {
        const HEADER_DEPTH: usize = 2;
        self.header_seen || self.place(HEADER_DEPTH) == Place::Header
    }

    /// Reads the rest for its form only, and for a header wherever it stands.
    fn drain(&mut self) -> Result<bool, Defect> {
        let mut header = false;
        loop {
            match self.document.next()? {
                Token::Start(tag) => header |= tag.local == "C2SIMHeader",
                Token::EndOfDocument => return Ok(header),
                Token::End | Token::Text(_) | Token::CData(_) | Token::Character(_) | Token::Aside => {}
            }
        }
    }

    fn place(&self, depth: usize) -> Place {
        self.places.get(depth).copied().unwrap_or(Place::Nothing)
    }

    fn on_start(&mut self, tag: Tag<'a>) -> Result<(), Defect> {
        let depth = self.document.depth();
        let parent = self.place(depth.saturating_sub(1));
        let (prefix, local) = (tag.prefix, tag.local);
        let place = if depth == 1 {
            self.on_root(prefix, local)?
        } else if matches!(parent, Place::Nothing) {
            Place::Nothing
        } else {
            // Another namespace's element is never one of ours.
            let namespace = self.document.namespace(prefix);
            // Mostly it is the very declaration of the root.
            let ours = core::ptr::eq(namespace, self.namespace) || namespace == self.namespace;
            self.child_of(parent, if ours { local } else { "" }, local)?
        };
        if let Some(slot) = self.places.get_mut(depth) {
            *slot = place;
        }
        Ok(())
    }

    fn on_root(&mut self, prefix: &str, local: &str) -> Result<Place, Defect> {
        if local != "Message" {
            return Err(Defect::WrongRoot);
        }
        self.namespace = self.document.namespace(prefix);
        self.default_namespace = self.document.namespace("") == self.namespace;
        if self.namespace.is_empty() { Err(Defect::NoNamespace) } else { Ok(Place::Message) }
    }

    /// The place of an element `name` (empty if of another namespace) in `parent`, with all that its beginning means.
    fn child_of(&mut self, parent: Place, name: &'a str, local: &'a str) -> Result<Place, Defect> {
        match parent {
            Place::Message => match name {
                "C2SIMHeader" if !self.header_seen && !self.body_seen => {
                    self.header.range.start = self.document.range().start;
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
            Place::MessageBody => self.on_body(name, local),
            Place::Wrapper => self.on_wrapped(name, local),
            Place::System | Place::SetMultiple if name == "ServerPassword" => {
                self.part_start = self.document.range().start;
                Ok(self.read(Place::ServerPassword))
            }
            Place::SetMultiple if name == "SimulationRealtimeMultiple" => Ok(self.read(Place::Multiple)),
            Place::Initialization => Ok(match name {
                "InitializationDataFile" => self.part(Part::InitializationDataFile),
                "ObjectDefinitions" => {
                    self.growing = false;
                    self.note_own_bindings()?;
                    Place::ObjectDefinitions
                }
                "ScenarioSetting" => self.part(Part::ScenarioSetting),
                "SystemEntityList" => self.part(Part::SystemEntityList),
                _ => Place::Nothing,
            }),
            Place::ObjectDefinitions => Ok(match name {
                "AbstractObject" => self.part(Part::AbstractObject),
                "Action" => self.part(Part::Action),
                "Entity" => self.unit(),
                "PlanPhaseReference" => self.part(Part::PlanPhaseReference),
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
    fn on_wrapped(&mut self, name: &str, local: &'a str) -> Result<Place, Defect> {
        if self.element.replace(local).is_some() {
            return Err(Defect::SeveralBodies);
        }
        self.kind = Kind::of_element(self.category.unwrap_or(Category::Unknown), name);
        Ok(match self.category {
            _ if self.kind == Kind::SetSimulationRealtimeMultiple => Place::SetMultiple,
            Some(Category::SystemMessage) => Place::System,
            _ => Place::Nothing,
        })
    }

    fn on_body(&mut self, name: &'a str, local: &'a str) -> Result<Place, Defect> {
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
        self.element = Some(local);
        self.kind = Kind::of_element(category, name);
        if !matches!(self.kind, Kind::C2simInitialization | Kind::ObjectInitialization) {
            return Ok(Place::Nothing);
        }
        self.layout = Some(Box::default());
        self.note_bindings();
        Ok(Place::Initialization)
    }

    fn read(&mut self, place: Place) -> Place {
        self.value = Cow::Borrowed("");
        self.reading = true;
        place
    }

    fn part(&mut self, part: Part) -> Place {
        self.part_start = self.document.range().start;
        Place::Part(part)
    }

    fn unit(&mut self) -> Place {
        if let Some(layout) = &mut self.layout {
            layout.census.units += 1;
        }
        self.part(Part::Entity)
    }

    fn route(&mut self) -> Place {
        if let Some(layout) = &mut self.layout {
            layout.census.routes += 1;
        }
        Place::Entity
    }

    /// Remembers the declarations in force, which parts lifted out of here would miss.
    fn note_bindings(&mut self) {
        let Some(layout) = &mut self.layout else {
            return;
        };
        for binding in self.document.bindings() {
            let pair = (binding.prefix, binding.namespace);
            // A declaration that another one hides is not in force.
            let in_force = self.document.namespace(binding.prefix) == binding.namespace;
            if in_force && !binding.namespace.is_empty() && !layout.bindings.contains(&pair) {
                layout.bindings.push(pair);
            }
        }
    }

    /// The same for an element further in, of which there may be many: its own declarations come on top, and there is a bound on all.
    fn note_own_bindings(&mut self) -> Result<(), Defect> {
        let Some(layout) = &mut self.layout else {
            return Ok(());
        };
        for binding in self.document.own_bindings() {
            let pair = (binding.prefix, binding.namespace);
            if !binding.namespace.is_empty() && !layout.bindings.contains(&pair) {
                if layout.bindings.len() >= C2SIM_NAMESPACES_MAX {
                    return Err(Defect::TooManyNamespaces);
                }
                layout.bindings.push(pair);
            }
        }
        Ok(())
    }

    fn on_text(&mut self, text: &'a str) -> Result<(), Defect> {
        if self.reading {
            check_length(text.len())?;
            if self.value.is_empty() && !text.contains('\r') {
                self.value = Cow::Borrowed(text);
                return Ok(());
            }
            // XML reads every kind of line end as one newline.
            return self.on_content(&text.replace("\r\n", "\n").replace('\r', "\n"));
        }
        self.check_frame_text(text)
    }

    /// The frame of a message holds elements only, and white space between them.
    fn check_frame_text(&self, text: &str) -> Result<(), Defect> {
        let frame = matches!(
            self.place(self.document.depth()),
            Place::Message | Place::Header | Place::MessageBody | Place::Wrapper
        );
        if frame && !is_blank(text) { Err(Defect::OutOfPlace) } else { Ok(()) }
    }

    /// Text that is not to be taken as it stands in the document.
    fn on_content(&mut self, text: &str) -> Result<(), Defect> {
        if self.reading {
            check_length(self.value.len() + text.len())?;
            self.value.to_mut().push_str(text);
            return Ok(());
        }
        self.check_frame_text(text)
    }

    fn on_end(&mut self) -> Result<(), Defect> {
        let depth = self.document.depth() + 1;
        let place = self.place(depth);
        // Whatever is being read ends here: a value has no elements in it.
        let reading = core::mem::take(&mut self.reading);
        let read = reading.then(|| core::mem::take(&mut self.value));
        match (place, read) {
            (Place::Header, _) => {
                self.header_seen = true;
                self.header.range.end = self.document.range().end;
                self.check_header()?;
            }
            (Place::Field(field), Some(value)) => self.header.put(field, value)?,
            (Place::Multiple, Some(value)) => {
                let multiple = decimal(&value).filter(|&multiple| multiple > 0.0);
                if self.multiple.is_some() || multiple.is_none() {
                    return Err(Defect::BadMultiple);
                }
                self.multiple = multiple;
            }
            (Place::ServerPassword, Some(value)) => {
                let range = self.part_start..self.document.range().end;
                if self.password.replace(Password { text: trimmed(value), range }).is_some() {
                    return Err(Defect::OutOfPlace);
                }
            }
            (Place::SystemName, Some(value)) => self.on_system(value)?,
            (Place::Uuid, Some(value)) => {
                if let (Some(layout), Some(uuid)) = (&mut self.layout, parse_uuid(&value)) {
                    layout.entities.push(uuid);
                }
            }
            (Place::Part(part), _) => self.on_part(part)?,
            (Place::ObjectDefinitions, _) => self.growing = false,
            _ => {}
        }
        Ok(())
    }

    fn check_header(&self) -> Result<(), Defect> {
        for field in Field::MANDATORY {
            if self.header.get(field).is_none() {
                return Err(Defect::MissingField(field));
            }
        }
        if self.header.sender().is_empty() { Err(Defect::BlankSender) } else { Ok(()) }
    }

    fn on_system(&mut self, name: Cow<'a, str>) -> Result<(), Defect> {
        let Some(layout) = &mut self.layout else {
            return Ok(());
        };
        if layout.systems.len() >= C2SIM_SYSTEMS_MAX {
            return Err(Defect::TooManySystems);
        }
        layout.systems.push(trimmed(name));
        Ok(())
    }

    fn on_part(&mut self, part: Part) -> Result<(), Defect> {
        let end = self.document.range().end;
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

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
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
