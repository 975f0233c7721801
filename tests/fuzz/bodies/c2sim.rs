//! C2SIM documents: recognised, at once and in slices, checked against a schema, written on one line, kept as an initialization. A schema is a
//! document too.

use std::sync::{Arc, OnceLock};

use instep::c2sim::initialization::Initialization;
use instep::c2sim::invalid::InvalidDocument;
use instep::c2sim::judging::{Begun, Document, Judging};
use instep::c2sim::message::Message;
use instep::c2sim::notice::{IsoDateTime, Stamp, Uuid, minify};
use instep::c2sim::plain_line::write_plain_line;
use instep::c2sim::scan::{judge, scan, scan_with};
use instep::c2sim::schema::{Extent, Rules};
use instep::c2sim::state::InitMerge;
use instep::limits::C2SIM_VIOLATIONS_MAX;

/// A small schema of the same namespace as that of C2SIM.
pub(crate) const SCHEMA: &str = include_str!("c2sim.xsd");

const STAMP: Stamp = Stamp { message_id: Uuid(1), conversation_id: Uuid(2), sending_time: IsoDateTime(3) };

fn rules() -> &'static Arc<Rules> {
    static RULES: OnceLock<Arc<Rules>> = OnceLock::new();
    RULES.get_or_init(|| Rules::load(SCHEMA).expect("the schema of the targets is one").into())
}

pub(crate) fn run(bytes: &[u8]) {
    if bytes.windows(7).any(|at| at == b":schema" || at == b"<schema") {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(rules) = Rules::load(&text) {
            check(SCHEMA.as_bytes(), &rules);
        }
    }
    check(bytes, rules());
    for cost in [1, 9, 1 + bytes.len() / 7, usize::MAX] {
        check_slices(bytes, rules(), cost);
    }
}

/// Judged in slices of this size a document is the same.
pub(crate) fn check_slices(bytes: &[u8], rules: &Arc<Rules>, cost: usize) {
    let held = || Some((Arc::clone(rules), Extent::Whole));
    let compare = |judging: Judging| {
        judging.conclude(|sliced| match (judge(bytes, Some((rules, Extent::Whole))), sliced) {
            (Ok((at_once, violations)), Ok((sliced, found))) => {
                same(&at_once, &sliced);
                assert_eq!(at_once.text, sliced.text);
                assert_eq!(violations, found);
                assert_eq!(&*at_once.relayed(), &*sliced.relayed());
                let line = sliced.one_line().map(|line| line.strip_suffix(b"\n").unwrap().to_vec());
                let mut written = Vec::new();
                assert_eq!(minify(bytes, &mut written), Ok(()));
                assert!(line.is_none_or(|line| line == written), "one line, and its end");
            }
            (Err(at_once), Err(sliced)) => assert_eq!(at_once, sliced),
            (at_once, sliced) => panic!("{at_once:?} at once, {sliced:?} in slices of {cost}"),
        });
    };
    for is_line_wanted in [false, true] {
        let mut judging = Judging::new(bytes.into(), held(), is_line_wanted);
        while !judging.go_on(cost) {}
        compare(judging);
    }
    // And one that was begun where it lay.
    if let Begun::Goes(mut judging) = Judging::begin(&Document::from(bytes), held(), false, cost) {
        while !judging.go_on(cost) {}
        compare(*judging);
    }
}

fn check(bytes: &[u8], rules: &Rules) {
    let plain = scan(bytes);
    match (&plain, scan_with(bytes, Some(rules))) {
        (Ok(plain), Ok(checked)) => same(plain, &checked),
        (Ok(_), Err(InvalidDocument::Content(violations))) => {
            assert!((1..=C2SIM_VIOLATIONS_MAX).contains(&violations.len()), "{} violations", violations.len());
        }
        (Err(plain), Err(InvalidDocument::Rejected(checked))) => {
            assert_eq!(*plain, checked, "a schema changes no other judgement")
        }
        (plain, checked) => panic!("{plain:?} without a schema, {checked:?} with one"),
    }
    let mut line = b"before".to_vec();
    let written = minify(bytes, &mut line);
    let Ok(message) = plain else {
        assert!(written.is_ok() || line == b"before", "what cannot be written leaves no trace");
        return;
    };
    assert_eq!(written, Ok(()), "a message is well-formed");
    let line = &line[6..];
    assert!(!line.contains(&b'\n') && !line.contains(&b'\r'), "a line is one line");
    let same_again = scan(line).expect("what is written of a message is a message");
    assert_eq!((same_again.kind, same_again.element), (message.kind, message.element));
    assert_eq!(same_again.header.message_id(), message.header.message_id());
    let mut twice = Vec::new();
    assert_eq!(minify(line, &mut twice), Ok(()));
    assert_eq!(twice, line, "a line is written as it is");
    let (mut plain, mut again) = (Vec::new(), Vec::new());
    if write_plain_line(message.text, &mut plain) {
        assert!(!plain.contains(&b'\n') && !plain.contains(&b'\r'), "a line is one line");
        assert_eq!(minify(&plain, &mut again), Ok(()));
        assert_eq!(again, line, "the quick way leads to the same");
    }
    check_initialization(&message);
}

fn same(one: &Message<'_>, other: &Message<'_>) {
    assert_eq!((one.kind, one.category, one.element), (other.kind, other.category, other.element));
    assert_eq!(one.header.sender(), other.header.sender());
    assert_eq!((one.realtime_multiple, &one.layout), (other.realtime_multiple, &other.layout));
}

/// What is kept of an initialization and told to all is a message again.
fn check_initialization(message: &Message<'_>) {
    for merge in [InitMerge::Replace, InitMerge::Marshal] {
        let mut kept = Initialization::new();
        if kept.store(message, merge).is_err() {
            continue;
        }
        assert!(kept.bytes() > 0 && kept.shared().is_none());
        if kept.share(&STAMP).is_err() {
            assert!(kept.shared().is_none(), "a refusal leaves it as it was");
            continue;
        }
        let shared = kept.shared().expect("it is shared");
        let told = scan(shared).unwrap_or_else(|reject| panic!("{reject:?}: {}", String::from_utf8_lossy(shared)));
        assert_eq!(told.schema, message.schema);
    }
}
