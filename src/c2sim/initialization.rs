//! The initialization a session collects, and the one document everybody gets at the share.
//!
//! Owns the stored documents, the systems they name and the systems that reported InitializationComplete. With
//! [`InitMerge::Replace`] the last `C2SIMInitializationBody` counts and its bytes go out as they came, under a new header. With
//! [`InitMerge::Marshal`] every sender's parts are put into one body: data files, then one `ObjectDefinitions` with all objects,
//! actions, entities and plan phases, then the first scenario setting, then the system lists; within each in order of arrival. Parts are
//! copied byte for byte, so all namespace declarations they rely on move to the new root.
//!
//! After the share the parts are gone and the document is frozen until [`Initialization::clear`]. At no time more than
//! [`C2SIM_MESSAGE_BYTES_MAX`] bytes of documents are kept, twice that while they are being put together.

use core::fmt;
use core::ops::Range;
use std::sync::Arc;

use super::code::Code;
use super::kind::{Kind, Schema};
use super::message::{Census, Layout, Message, Part};
use super::notice::{SERVER, Stamp, Uuid, push, push_quoted, write_header};
use super::scan::scan;
use super::sharing::Sharing;
use super::state::{Details, InitFacts, InitMerge, Joined, RefusalContext};
use crate::limits::{
    C2SIM_HEADER_FIELD_BYTES_MAX, C2SIM_MESSAGE_BYTES_MAX, C2SIM_NAMESPACES_MAX, C2SIM_PARTS_MAX, C2SIM_SYSTEMS_MAX,
};
use crate::store::order;
use crate::store::shared::SharedBytes;

/// How many duplicate entities a refusal lists.
const DUPLICATES_LISTED: usize = 20;

/// Why something cannot be stored. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreRefusal {
    /// The message is no initialization, or the share has happened already.
    NotNow,
    /// The session keeps too many bytes or documents of initialization already.
    TooLarge,
    /// More systems, or longer names, than a session can hold.
    TooManySystems,
}

impl StoreRefusal {
    /// The code of the answer.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::NotNow => Code::C2simInitializationMsgInvalidState,
            Self::TooLarge | Self::TooManySystems => Code::C2simMsgSizeExceeded,
        }
    }
}

impl fmt::Display for StoreRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotNow => "the session takes no initialization now",
            Self::TooLarge => "the session's initialization grows too large",
            Self::TooManySystems => "the session's initialization names too many systems",
        })
    }
}

/// Why the initialization cannot be shared. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShareRefusal {
    /// Nothing is stored, or it was shared already.
    Nothing,
    /// The parts together lack these, which a valid body must have.
    Missing(Vec<Part>),
    /// Different senders define the same entities; the first of them are listed.
    Duplicates(Vec<Uuid>),
    /// The documents are of different schemas, or use one prefix for different namespaces: the two are listed. None are where the documents
    /// together use too many prefixes.
    Namespaces(Vec<String>),
    /// The merged document would be larger than a message may be.
    TooLarge,
}

impl ShareRefusal {
    /// The code of the answer.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TooLarge => Code::C2simMsgSizeExceeded,
            Self::Nothing | Self::Missing(_) | Self::Duplicates(_) | Self::Namespaces(_) => {
                Code::InitializationNotCompleted
            }
        }
    }

    /// Gives every key and value of the `details` object to `put`.
    pub fn write(&self, about: RefusalContext<'_>, mut put: impl FnMut(&'static str, &dyn fmt::Display)) {
        match self {
            Self::Nothing => Details::Completion.write(about, put),
            Self::Missing(parts) => {
                let names: Vec<_> = parts.iter().map(|part| format!("{part:?}")).collect();
                put("MISSING_PARTS", &Joined(&names));
            }
            Self::Duplicates(entities) => {
                let names: Vec<_> = entities.iter().map(Uuid::to_string).collect();
                put("DUPLICATE_ENTITIES", &Joined(&names));
            }
            Self::Namespaces(both) if !both.is_empty() => put("NAMESPACES", &Joined(both)),
            Self::Namespaces(_) | Self::TooLarge => {}
        }
    }
}

impl fmt::Display for ShareRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "no initialization is stored",
            Self::Missing(_) => "the initialization parts together lack mandatory elements",
            Self::Duplicates(_) => "different systems define the same entities",
            Self::Namespaces(_) => "the initialization parts use contradicting namespaces",
            Self::TooLarge => "the merged initialization is too large",
        })
    }
}

/// What the share did, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// How many documents it was made of.
    pub documents: usize,
    /// Different scenario settings came; the first was kept.
    pub settings_differ: bool,
    /// The schema with whose namespace it is written.
    pub schema: Option<Schema>,
}

/// One stored document.
#[derive(Debug)]
struct Stored {
    sender: String,
    kind: Kind,
    text: Arc<String>,
    header: Range<usize>,
    schema: Option<Schema>,
    namespace: Box<str>,
    default_namespace: bool,
    runs: Box<[(Part, Range<usize>)]>,
    systems: Vec<String>,
    entities: Box<[u128]>,
    census: Census,
    bindings: Box<[(Box<str>, Box<str>)]>,
}

impl Stored {
    fn ranges(&self, part: Part) -> impl Iterator<Item = Range<usize>> {
        self.runs.iter().filter(move |(other, _)| *other == part).map(|(_, range)| range.clone())
    }

    fn text(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }
}

/// The initialization of one session. Cloning it copies names only; the documents are shared.
#[derive(Clone, Debug, Default)]
pub struct Initialization {
    documents: Vec<Arc<Stored>>,
    /// Bytes of all documents.
    bytes: usize,
    shared: Option<Arc<String>>,
    /// That on one line with its end, where it is large.
    line: Option<SharedBytes>,
    census: Census,
    /// Sorted, without repetition.
    required: Vec<String>,
    /// Sorted, without repetition.
    completed: Vec<String>,
    all_complete: bool,
}

impl Initialization {
    /// Nothing collected.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the state machine must know of it.
    #[must_use]
    pub const fn facts(&self) -> InitFacts {
        let stored = self.shared.is_some() || !self.documents.is_empty();
        InitFacts { stored, all_complete: self.all_complete }
    }

    /// How much it defines, shared or not.
    #[must_use]
    pub const fn census(&self) -> Census {
        self.census
    }

    /// The systems the stored documents name.
    #[must_use]
    pub fn required(&self) -> Joined<'_> {
        Joined(&self.required)
    }

    /// The systems that reported InitializationComplete.
    #[must_use]
    pub fn completed(&self) -> Joined<'_> {
        Joined(&self.completed)
    }

    /// The systems the stored documents name, sorted.
    #[must_use]
    pub fn required_names(&self) -> &[String] {
        &self.required
    }

    /// The systems that reported InitializationComplete, sorted.
    #[must_use]
    pub fn completed_names(&self) -> &[String] {
        &self.completed
    }

    /// The stored documents as they came, in order; none after the share. [`Self::restore`], called for each of them in this order, gives
    /// the same again.
    pub fn documents(&self) -> impl Iterator<Item = &str> {
        self.documents.iter().map(|stored| stored.text.as_str())
    }

    /// The stored documents, held once more.
    pub fn documents_bytes(&self) -> impl Iterator<Item = SharedBytes> {
        self.documents.iter().map(|stored| SharedBytes::from(Arc::clone(&stored.text)))
    }

    /// The document everybody got at the share; for late joiners. `None` before the share.
    #[must_use]
    pub fn shared(&self) -> Option<&[u8]> {
        self.shared.as_deref().map(String::as_bytes)
    }

    /// The same, held once more.
    #[must_use]
    pub fn shared_bytes(&self) -> Option<SharedBytes> {
        self.shared.as_ref().map(|shared| SharedBytes::from(Arc::clone(shared)))
    }

    /// The same on one line with its end, where it is so large that this is kept.
    #[must_use]
    pub fn shared_line(&self) -> Option<SharedBytes> {
        self.line.clone()
    }

    /// Bytes of documents kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let line = self.line.as_ref().map_or(0, |line| line.len());
        self.bytes + self.shared.as_ref().map_or(0, |shared| shared.len()) + line
    }

    /// Stores an initialization message. Marshalled, it replaces what the same sender sent of the same kind; else it replaces all.
    ///
    /// # Errors
    /// See [`StoreRefusal`]; what was stored stays.
    pub fn store(&mut self, message: &Message<'_>, merge: InitMerge) -> Result<(), StoreRefusal> {
        let Some(layout) = &message.layout else {
            return Err(StoreRefusal::NotNow);
        };
        if self.shared.is_some() {
            return Err(StoreRefusal::NotNow);
        }
        let sender = message.header.sender();
        self.put(message, layout, |stored| match merge {
            InitMerge::Replace => true,
            InitMerge::Marshal => stored.kind == message.kind && stored.sender == sender,
        })
    }

    /// Takes back one of the [`Self::documents`], behind those that were taken back before it.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub fn restore(&mut self, message: &Message<'_>) -> Result<(), StoreRefusal> {
        let layout = message.layout.as_ref().filter(|_| self.shared.is_none()).ok_or(StoreRefusal::NotNow)?;
        self.put(message, layout, |_| false)
    }

    fn put(
        &mut self,
        message: &Message<'_>,
        layout: &Layout<'_>,
        replaces: impl Fn(&Arc<Stored>) -> bool,
    ) -> Result<(), StoreRefusal> {
        let kept = self.documents.iter().filter(|stored| !replaces(stored));
        let (count, bytes) = kept.clone().fold((0, 0), |(count, bytes), stored| (count + 1, bytes + stored.text.len()));
        if count >= C2SIM_PARTS_MAX || bytes + message.text.len() > C2SIM_MESSAGE_BYTES_MAX {
            return Err(StoreRefusal::TooLarge);
        }
        let mut required: Vec<String> = kept.flat_map(|stored| stored.systems.clone()).collect();
        required.extend(layout.systems.iter().map(ToString::to_string));
        order::sort(&mut required);
        required.dedup();
        if required.len() > C2SIM_SYSTEMS_MAX {
            return Err(StoreRefusal::TooManySystems);
        }
        let boxed = |(prefix, namespace): &(&str, &str)| (Box::from(*prefix), Box::from(*namespace));
        let new = Stored {
            sender: message.header.sender().to_owned(),
            kind: message.kind,
            text: message.held().unwrap_or_else(|| Arc::new(message.text.to_owned())),
            header: message.header.range.clone(),
            schema: message.schema,
            namespace: Box::from(message.namespace),
            default_namespace: message.default_namespace,
            runs: layout.runs.as_slice().into(),
            systems: layout.systems.iter().map(ToString::to_string).collect(),
            entities: layout.entities.as_slice().into(),
            census: layout.census,
            bindings: layout.bindings.iter().map(boxed).collect(),
        };
        // The new document takes the place of the first one it replaces.
        let place = self.documents.iter().position(&replaces).unwrap_or(self.documents.len());
        self.documents.retain(|stored| !replaces(stored));
        self.documents.insert(place, Arc::new(new));
        self.census = self.documents.iter().fold(Census::default(), |sum, stored| Census {
            units: sum.units + stored.census.units,
            routes: sum.routes + stored.census.routes,
        });
        self.bytes = bytes + message.text.len();
        self.required = required;
        self.check_complete();
        Ok(())
    }

    /// Records that `system` reported InitializationComplete; whether it is the first time.
    ///
    /// # Errors
    /// [`StoreRefusal::TooManySystems`]: so many systems reported that a further one cannot be recorded, or its name is too long.
    pub fn complete(&mut self, system: &str) -> Result<bool, StoreRefusal> {
        let Err(place) = self.completed.binary_search_by(|other| other.as_str().cmp(system)) else {
            return Ok(false);
        };
        if self.completed.len() >= C2SIM_SYSTEMS_MAX || system.len() > C2SIM_HEADER_FIELD_BYTES_MAX {
            return Err(StoreRefusal::TooManySystems);
        }
        self.completed.insert(place, system.to_owned());
        self.check_complete();
        Ok(true)
    }

    /// Takes back what [`Self::shared`] and [`Self::required_names`] gave, as if the share had just happened.
    ///
    /// # Errors
    /// [`StoreRefusal::NotNow`] if anything is stored already, or `shared` is no initialization message;
    /// [`StoreRefusal::TooLarge`] and [`StoreRefusal::TooManySystems`] as when storing. Nothing has changed then.
    pub fn restore_shared(&mut self, shared: Vec<u8>, mut required: Vec<String>) -> Result<(), StoreRefusal> {
        if self.facts().stored {
            return Err(StoreRefusal::NotNow);
        }
        if shared.len() > C2SIM_MESSAGE_BYTES_MAX {
            return Err(StoreRefusal::TooLarge);
        }
        let Ok(shared) = String::from_utf8(shared) else { return Err(StoreRefusal::NotNow) };
        let found = scan(shared.as_bytes()).ok().filter(|message| message.kind == Kind::C2simInitialization);
        let Some(census) = found.map(|message| message.layout.map_or_else(Census::default, |layout| layout.census))
        else {
            return Err(StoreRefusal::NotNow);
        };
        order::sort(&mut required);
        required.dedup();
        if required.len() > C2SIM_SYSTEMS_MAX || required.iter().any(|name| name.len() > C2SIM_HEADER_FIELD_BYTES_MAX) {
            return Err(StoreRefusal::TooManySystems);
        }
        let mut sharing = Sharing::default();
        sharing.push_own(shared);
        while !sharing.go_on(usize::MAX) {}
        self.freeze(sharing);
        (self.required, self.census) = (required, census);
        self.check_complete();
        Ok(())
    }

    fn freeze(&mut self, sharing: Sharing) {
        let (shared, line) = sharing.into_document();
        (self.shared, self.line) = (Some(Arc::new(shared)), line);
        self.documents = Vec::new();
        self.bytes = 0;
    }

    fn check_complete(&mut self) {
        let reported = |system| self.completed.binary_search(system).is_ok();
        self.all_complete = !self.required.is_empty() && self.required.iter().all(reported);
    }

    /// Makes the document everybody gets, and freezes it. Call it before the state changes: it may refuse.
    ///
    /// # Errors
    /// See [`ShareRefusal`]; what was stored stays.
    pub fn share(&mut self, stamp: &Stamp) -> Result<Shared, ShareRefusal> {
        let (mut sharing, shared) = self.begin_share(stamp)?;
        while !sharing.go_on(usize::MAX) {}
        self.end_share(sharing);
        Ok(shared)
    }

    /// Begins to make the document everybody gets, which changes nothing yet: it is made by [`Sharing::go_on`].
    ///
    /// # Errors
    /// See [`ShareRefusal`].
    pub fn begin_share(&self, stamp: &Stamp) -> Result<(Sharing, Shared), ShareRefusal> {
        let mut out = Sharing::default();
        let shared = match self.documents.as_slice() {
            [] => return Err(ShareRefusal::Nothing),
            [only] if only.kind == Kind::C2simInitialization => {
                rehead(only, stamp, &mut out);
                Shared { documents: 1, settings_differ: false, schema: only.schema }
            }
            documents => marshal(documents, stamp, &mut out)?,
        };
        if out.len() > C2SIM_MESSAGE_BYTES_MAX {
            return Err(ShareRefusal::TooLarge);
        }
        Ok((out, shared))
    }

    /// The document that was begun is made: freezes it. Nothing may have been stored since.
    pub fn end_share(&mut self, sharing: Sharing) {
        self.freeze(sharing);
    }

    /// Forgets everything, as a reset does.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// A header of our own.
fn header(schema: Option<Schema>, namespace: Option<&str>, stamp: &Stamp) -> String {
    let mut header = Vec::new();
    write_header(schema, namespace, SERVER, stamp, &mut header);
    String::from_utf8(header).unwrap_or_default()
}

/// The document as it came, but for its header.
fn rehead(stored: &Stored, stamp: &Stamp, out: &mut Sharing) {
    out.push_part(&stored.text, 0..stored.header.start);
    // Where the root uses a prefix, a header without one brings its own declaration.
    let namespace = (!stored.default_namespace).then_some(&*stored.namespace);
    out.push_own(header(stored.schema, namespace, stamp));
    out.push_part(&stored.text, stored.header.end..stored.text.len());
}

fn marshal(documents: &[Arc<Stored>], stamp: &Stamp, out: &mut Sharing) -> Result<Shared, ShareRefusal> {
    let missing: Vec<Part> = [Part::ScenarioSetting, Part::SystemEntityList]
        .into_iter()
        .filter(|&part| documents.iter().all(|stored| stored.ranges(part).next().is_none()))
        .collect();
    if !missing.is_empty() {
        return Err(ShareRefusal::Missing(missing));
    }
    let duplicates = duplicates(documents);
    if !duplicates.is_empty() {
        return Err(ShareRefusal::Duplicates(duplicates));
    }
    out.push_own(root(documents)?);
    let schema = documents.first().and_then(|stored| stored.schema);
    out.push_own(header(schema, None, stamp));
    out.push_own("<MessageBody><C2SIMInitializationBody>");
    let all = |part| documents.iter().flat_map(move |stored| stored.ranges(part).map(move |range| (stored, range)));
    all(Part::InitializationDataFile).for_each(|(stored, range)| out.push_part(&stored.text, range));
    out.push_own("<ObjectDefinitions>");
    for part in [Part::AbstractObject, Part::Action, Part::Entity, Part::PlanPhaseReference] {
        all(part).for_each(|(stored, range)| out.push_part(&stored.text, range));
    }
    out.push_own("</ObjectDefinitions>");
    let mut settings = all(Part::ScenarioSetting);
    let first = settings.next();
    first.clone().into_iter().for_each(|(stored, range)| out.push_part(&stored.text, range));
    let setting = first.map_or("", |(stored, range)| stored.text(range));
    let settings_differ = settings.any(|(stored, range)| stored.text(range) != setting);
    all(Part::SystemEntityList).for_each(|(stored, range)| out.push_part(&stored.text, range));
    out.push_own("</C2SIMInitializationBody></MessageBody></Message>");
    Ok(Shared { documents: documents.len(), settings_differ, schema })
}

/// The root element with every declaration the parts rely on.
fn root(documents: &[Arc<Stored>]) -> Result<String, ShareRefusal> {
    let namespace = documents.first().map_or("", |stored| &*stored.namespace);
    let mut bindings: Vec<(&str, &str)> = vec![("", namespace)];
    for stored in documents {
        if *stored.namespace != *namespace {
            return Err(ShareRefusal::Namespaces(vec![namespace.to_owned(), stored.namespace.to_string()]));
        }
        for (prefix, namespace) in &stored.bindings {
            match bindings.iter().find(|(other, _)| **other == **prefix) {
                None if bindings.len() < C2SIM_NAMESPACES_MAX => bindings.push((prefix, namespace)),
                Some((_, other)) if **other == **namespace => {}
                None => return Err(ShareRefusal::Namespaces(Vec::new())),
                Some((_, other)) => {
                    return Err(ShareRefusal::Namespaces(vec![(*other).to_owned(), namespace.to_string()]));
                }
            }
        }
    }
    let mut out = Vec::new();
    push(&mut out, &["<Message"]);
    for (prefix, namespace) in bindings {
        let colon = if prefix.is_empty() { "" } else { ":" };
        push(&mut out, &[" xmlns", colon, prefix, "=\""]);
        push_quoted(&mut out, namespace);
        push(&mut out, &["\""]);
    }
    push(&mut out, &[">"]);
    Ok(String::from_utf8(out).unwrap_or_default())
}

/// The first entities that more than one sender defines.
fn duplicates(documents: &[Arc<Stored>]) -> Vec<Uuid> {
    let mut senders = documents.iter().map(|stored| &stored.sender);
    let first = senders.next();
    if senders.all(|sender| Some(sender) == first) {
        return Vec::new();
    }
    let mut defined: Vec<(u128, &str)> = documents
        .iter()
        .flat_map(|stored| stored.entities.iter().map(|&entity| (entity, stored.sender.as_str())))
        .collect();
    defined.sort_unstable();
    let mut found = Vec::new();
    for pair in defined.windows(2) {
        if let [(entity, sender), (other, rival)] = pair
            && entity == other
            && sender != rival
            && found.last() != Some(&Uuid(*entity))
        {
            found.push(Uuid(*entity));
            if found.len() == DUPLICATES_LISTED {
                break;
            }
        }
    }
    found
}
