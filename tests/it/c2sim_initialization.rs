//! Collecting initialization and sharing it: replaced or merged, and never with a byte more than allowed.

use instep::c2sim::code::Code;
use instep::c2sim::field::Field;
use instep::c2sim::initialization::{Initialization, ShareRefusal, Shared, StoreRefusal};
use instep::c2sim::kind::{Kind, Schema};
use instep::c2sim::message::{Message, Part};
use instep::c2sim::notice::{IsoDateTime, Stamp, Uuid};
use instep::c2sim::scan::scan;
use instep::c2sim::state::{InitFacts, InitMerge, RefusalContext};
use instep::limits::{C2SIM_MESSAGE_BYTES_MAX, C2SIM_PARTS_MAX, C2SIM_SYSTEMS_MAX};

const STAMP: Stamp = Stamp { message_id: Uuid(1), conversation_id: Uuid(2), sending_time: IsoDateTime(0) };

const SETTING: &str = "<ScenarioSetting><Version>1</Version></ScenarioSetting>";

fn document(sender: &str, element: &str, content: &str) -> String {
    let namespace = Schema::V2_0_0.namespace();
    format!(
        "<?xml version=\"1.0\"?>\n<Message xmlns=\"{namespace}\">\n<C2SIMHeader><ConversationID>c</ConversationID>\
         <FromSendingSystem>{sender}</FromSendingSystem><MessageID>m</MessageID><Protocol>p</Protocol>\
         <ProtocolVersion>v</ProtocolVersion></C2SIMHeader>\n<!-- kept --><MessageBody><{element}>{content}</{element}>\
         </MessageBody></Message>"
    )
}

fn body(sender: &str, content: &str) -> String {
    document(sender, "C2SIMInitializationBody", content)
}

fn objects(sender: &str, content: &str) -> String {
    document(sender, "ObjectInitializationBody", content)
}

fn prefixed(document: &str) -> String {
    document
        .replace("</", "\u{1}")
        .replace("<?", "\u{2}")
        .replace("<!", "\u{3}")
        .replace('<', "<x:")
        .replace('\u{1}', "</x:")
        .replace('\u{2}', "<?")
        .replace('\u{3}', "<!")
        .replace("xmlns=", "xmlns:x=")
}

fn entity(uuid: u128) -> String {
    format!("<Entity><ActorEntity><UUID>{}</UUID></ActorEntity></Entity>", Uuid(uuid))
}

fn systems(name: &str) -> String {
    format!("<SystemEntityList><ActorReference>a</ActorReference><SystemName>{name}</SystemName></SystemEntityList>")
}

fn store(initialization: &mut Initialization, document: &str, merge: InitMerge) -> Result<(), StoreRefusal> {
    initialization.store(&scan(document.as_bytes()).expect("a message"), merge)
}

fn shared(initialization: &Initialization) -> Message<'_> {
    scan(initialization.shared().expect("shared")).expect("what is shared is a message")
}

#[test]
fn a_single_body_goes_out_as_it_came_but_for_its_header() {
    let content = format!("<ObjectDefinitions> {} </ObjectDefinitions>\n{SETTING}{}", entity(7), systems("A"));
    for came in [body("A", &content), prefixed(&body("A", &content))] {
        let mut initialization = Initialization::new();
        store(&mut initialization, &came, InitMerge::Replace).unwrap();
        assert_eq!(initialization.shared(), None);
        let report = initialization.share(&STAMP).unwrap();
        assert_eq!(report, Shared { documents: 1, settings_differ: false, schema: Some(Schema::V2_0_0) });
        let message = shared(&initialization);
        assert_eq!(message.kind, Kind::C2simInitialization);
        assert_eq!(message.header.sender(), "C2SIM_SERVER");
        assert_eq!(message.header.message_id(), Uuid(1).to_string());
        assert_eq!(message.header.conversation_id(), Uuid(2).to_string());
        assert_eq!(message.header.get(Field::SendingTime), Some("1970-01-01T00:00:00Z"));
        assert_eq!(message.header.get(Field::ToReceivingSystem), None);
        let (start, end) = (came.find("C2SIMHeader>").unwrap(), came.rfind("C2SIMHeader>").unwrap());
        let start = came[..start].rfind('<').unwrap();
        assert!(message.text.starts_with(&came[..start]));
        assert!(message.text.ends_with(&came[end + "C2SIMHeader>".len()..]));
    }
}

#[test]
fn replacing_keeps_the_last_body_and_its_systems() {
    let mut initialization = Initialization::new();
    store(&mut initialization, &body("A", &systems("OLD")), InitMerge::Replace).unwrap();
    let last = body("B", &(systems("NEW") + &systems("NEW") + &systems("MORE")));
    store(&mut initialization, &last, InitMerge::Replace).unwrap();
    assert_eq!(initialization.required().to_string(), "MORE,NEW");
    assert_eq!(initialization.bytes(), last.len());
    initialization.share(&STAMP).unwrap();
    assert!(!shared(&initialization).text.contains("OLD"));
}

#[test]
fn marshalling_puts_the_parts_in_the_order_of_the_schema() {
    let mut initialization = Initialization::new();
    let file = |name: &str| format!("<InitializationDataFile><Name>{name}</Name></InitializationDataFile>");
    let first = body(
        "A",
        &format!(
            "{}<ObjectDefinitions><AbstractObject/>{}{}<PlanPhaseReference>p1</PlanPhaseReference></ObjectDefinitions>\
             <ObjectDefinitions>{}</ObjectDefinitions>{SETTING}{}",
            file("f1"),
            entity(1),
            entity(2),
            entity(3),
            systems("A")
        ),
    );
    let second = prefixed(&objects(
        "B",
        &format!("{}<ObjectDefinitions><Action/>{}</ObjectDefinitions>{}", file("f2"), entity(4), systems("B")),
    ));
    for document in [&first, &second] {
        store(&mut initialization, document, InitMerge::Marshal).unwrap();
    }
    assert_eq!(initialization.required().to_string(), "A,B");
    let report = initialization.share(&STAMP).unwrap();
    assert_eq!(report, Shared { documents: 2, settings_differ: false, schema: Some(Schema::V2_0_0) });
    let message = shared(&initialization);
    assert_eq!(message.header.sender(), "C2SIM_SERVER");
    assert_eq!(message.layout.as_ref().unwrap().systems, ["A", "B"]);
    let mut last = 0;
    for piece in [
        "xmlns:x=",
        "f1",
        "f2",
        "<ObjectDefinitions><AbstractObject/>",
        "<x:Action/>",
        &Uuid(1).to_string(),
        &Uuid(2).to_string(),
        &Uuid(3).to_string(),
        &Uuid(4).to_string(),
        "p1</PlanPhaseReference></ObjectDefinitions>",
        SETTING,
        "<SystemName>A<",
        "<x:SystemName>B<",
    ] {
        let at = message.text[last..].find(piece);
        last += at.unwrap_or_else(|| panic!("{piece} in order in {}", message.text));
    }
    assert_eq!(message.text.matches("ObjectDefinitions>").count(), 2);
}

#[test]
fn a_new_part_replaces_the_old_one_of_its_sender() {
    let mut initialization = Initialization::new();
    for (sender, system) in [("A", "OLD"), ("B", "B"), ("A", "NEW")] {
        let content = format!("{SETTING}{}", systems(system));
        store(&mut initialization, &objects(sender, &content), InitMerge::Marshal).unwrap();
    }
    assert_eq!(initialization.required().to_string(), "B,NEW");
    initialization.share(&STAMP).unwrap();
    assert_eq!(shared(&initialization).layout.unwrap().systems, ["NEW", "B"]);
}

#[test]
fn a_single_object_initialization_is_turned_into_a_body() {
    let mut initialization = Initialization::new();
    let part = objects("A", &format!("{SETTING}{}", systems("A")));
    store(&mut initialization, &part, InitMerge::Marshal).unwrap();
    initialization.share(&STAMP).unwrap();
    assert_eq!(shared(&initialization).kind, Kind::C2simInitialization);
}

#[test]
fn different_settings_are_reported_and_the_first_is_kept() {
    let mut initialization = Initialization::new();
    let other = SETTING.replace('1', "2");
    for (sender, setting) in [("A", SETTING), ("B", &other)] {
        let part = objects(sender, &format!("{setting}{}", systems(sender)));
        store(&mut initialization, &part, InitMerge::Marshal).unwrap();
    }
    let report = initialization.share(&STAMP).unwrap();
    assert_eq!(report, Shared { documents: 2, settings_differ: true, schema: Some(Schema::V2_0_0) });
    let message = shared(&initialization);
    assert!(message.text.contains(SETTING) && !message.text.contains(&other));
}

#[test]
fn entities_of_two_senders_with_one_uuid_refuse_the_share_and_change_nothing() {
    let mut initialization = Initialization::new();
    let mut parts = |sender: &str, uuids: &[u128]| {
        let entities: String = uuids.iter().map(|&uuid| entity(uuid)).collect();
        let content = format!("<ObjectDefinitions>{entities}</ObjectDefinitions>{SETTING}{}", systems(sender));
        store(&mut initialization, &objects(sender, &content), InitMerge::Marshal).unwrap();
    };
    parts("A", &[1, 1, 2, 3]);
    parts("B", &[3, 4, 2]);
    parts("C", &[3, 5]);
    let refusal = initialization.share(&STAMP).unwrap_err();
    assert_eq!(refusal, ShareRefusal::Duplicates(vec![Uuid(2), Uuid(3)]));
    assert_eq!(refusal.code(), Code::InitializationNotCompleted);
    let about =
        RefusalContext { session: "s", required: initialization.required(), completed: initialization.completed() };
    let mut details = String::new();
    refusal.write(about, |key, value| details += &format!("{key}={value}"));
    assert_eq!(details, format!("DUPLICATE_ENTITIES={},{}", Uuid(2), Uuid(3)));
    assert_eq!(initialization.shared(), None);
    assert!(initialization.facts().stored);
}

#[test]
fn what_is_missing_is_named() {
    let mut initialization = Initialization::new();
    assert_eq!(initialization.share(&STAMP), Err(ShareRefusal::Nothing));
    store(&mut initialization, &objects("A", "<ObjectDefinitions/>"), InitMerge::Marshal).unwrap();
    let missing = vec![Part::ScenarioSetting, Part::SystemEntityList];
    assert_eq!(initialization.share(&STAMP), Err(ShareRefusal::Missing(missing)));
}

#[test]
fn contradicting_prefixes_refuse_the_share() {
    let mut initialization = Initialization::new();
    for (sender, uri) in [("A", "one"), ("B", "two")] {
        let content = format!("{SETTING}{}", systems(sender));
        let part = objects(sender, &content).replace("<MessageBody>", &format!("<MessageBody xmlns:x='{uri}'>"));
        store(&mut initialization, &part, InitMerge::Marshal).unwrap();
    }
    let both = vec!["one".to_owned(), "two".to_owned()];
    assert_eq!(initialization.share(&STAMP), Err(ShareRefusal::Namespaces(both)));
}

#[test]
fn declarations_of_every_level_move_to_the_new_root() {
    let mut initialization = Initialization::new();
    for sender in ["A", "B"] {
        let content = format!(
            "<ObjectDefinitions xmlns:y='why'><Action y:a='1' x:b='2'/></ObjectDefinitions>{SETTING}{}",
            systems(sender)
        );
        let part = objects(sender, &content).replace("<MessageBody>", "<MessageBody xmlns:x='quoted \" and &amp;'>");
        store(&mut initialization, &part, InitMerge::Marshal).unwrap();
    }
    initialization.share(&STAMP).unwrap();
    assert_eq!(shared(&initialization).text.matches("<Action y:a='1' x:b='2'/>").count(), 2);
}

#[test]
fn completions_are_counted_once_and_compared_with_the_systems_named() {
    let mut initialization = Initialization::new();
    assert_eq!(initialization.facts(), InitFacts::default());
    assert_eq!(initialization.complete("B"), Ok(true));
    assert_eq!(initialization.complete("B"), Ok(false));
    let content = format!("{SETTING}{}{}", systems("A"), systems("B"));
    store(&mut initialization, &body("A", &content), InitMerge::Replace).unwrap();
    assert_eq!(initialization.facts(), InitFacts { stored: true, all_complete: false });
    assert_eq!(initialization.complete("A"), Ok(true));
    assert_eq!(initialization.facts(), InitFacts { stored: true, all_complete: true });
    assert_eq!(initialization.completed().to_string(), "A,B");
    initialization.share(&STAMP).unwrap();
    assert_eq!(initialization.facts(), InitFacts { stored: true, all_complete: true });
    initialization.clear();
    assert_eq!(initialization.facts(), InitFacts::default());
    assert_eq!((initialization.bytes(), initialization.shared()), (0, None));
}

#[test]
fn after_the_share_nothing_more_is_stored() {
    let mut initialization = Initialization::new();
    store(&mut initialization, &body("A", SETTING), InitMerge::Replace).unwrap();
    initialization.share(&STAMP).unwrap();
    let again = store(&mut initialization, &body("A", SETTING), InitMerge::Replace);
    assert_eq!(again, Err(StoreRefusal::NotNow));
    assert_eq!(initialization.share(&STAMP), Err(ShareRefusal::Nothing));
    let order = document("A", "SystemAcknowledgementBody", "");
    assert_eq!(store(&mut Initialization::new(), &order, InitMerge::Replace), Err(StoreRefusal::NotNow));
}

#[test]
fn bytes_documents_and_systems_are_bounded() {
    let mut initialization = Initialization::new();
    let half = " ".repeat(C2SIM_MESSAGE_BYTES_MAX / 2);
    store(&mut initialization, &objects("A", &half), InitMerge::Marshal).unwrap();
    let before = initialization.bytes();
    let refused = store(&mut initialization, &objects("B", &half), InitMerge::Marshal);
    assert_eq!(refused, Err(StoreRefusal::TooLarge));
    assert_eq!(initialization.bytes(), before);
    store(&mut initialization, &objects("A", &half), InitMerge::Marshal).expect("it replaces its own");

    let mut initialization = Initialization::new();
    for n in 0..C2SIM_PARTS_MAX {
        store(&mut initialization, &objects(&format!("S{n}"), ""), InitMerge::Marshal).unwrap();
    }
    let refused = store(&mut initialization, &objects("one more", ""), InitMerge::Marshal);
    assert_eq!(refused, Err(StoreRefusal::TooLarge));

    let mut initialization = Initialization::new();
    for n in 0..C2SIM_SYSTEMS_MAX {
        assert_eq!(initialization.complete(&n.to_string()), Ok(true));
    }
    assert_eq!(initialization.complete("one more"), Err(StoreRefusal::TooManySystems));
    assert_eq!(initialization.complete("7"), Ok(false));
    let many = |from: usize, to: usize| -> String { (from..to).map(|n| systems(&n.to_string())).collect() };
    let half = C2SIM_SYSTEMS_MAX / 2;
    store(&mut initialization, &objects("A", &many(0, half)), InitMerge::Marshal).unwrap();
    let refused = store(&mut initialization, &objects("B", &many(half, 2 * half + 1)), InitMerge::Marshal);
    assert_eq!(refused, Err(StoreRefusal::TooManySystems));
}

/// Builds it again from what can be written to a disk.
fn rebuilt(before: &Initialization, merge: InitMerge) -> Initialization {
    let mut after = Initialization::new();
    match before.shared() {
        Some(shared) => after.restore_shared(shared.to_vec(), before.required_names().to_vec()).expect("room"),
        None => before.documents().for_each(|document| store(&mut after, document, merge).expect("room")),
    }
    for system in before.completed_names() {
        assert_eq!(after.complete(system), Ok(true));
    }
    after
}

#[test]
fn what_was_written_to_a_disk_builds_the_same_again() {
    let content =
        |n, system| format!("<ObjectDefinitions>{}</ObjectDefinitions>{SETTING}{}", entity(n), systems(system));
    for merge in [InitMerge::Replace, InitMerge::Marshal] {
        let mut before = Initialization::new();
        store(&mut before, &body("A", &content(1, "A")), merge).unwrap();
        store(&mut before, &body("B", &content(2, "B")), merge).unwrap();
        store(&mut before, &body("A", &content(3, "A")), merge).unwrap();
        before.complete("B").unwrap();
        for complete in [false, true] {
            if complete {
                before.complete("A").unwrap();
            }
            let mut after = rebuilt(&before, merge);
            assert!(before.documents().eq(after.documents()));
            assert_eq!((before.facts(), before.bytes()), (after.facts(), after.bytes()));
            assert_eq!(before.required_names(), after.required_names());
            let mut copy = before.clone();
            assert_eq!(copy.share(&STAMP), after.share(&STAMP));
            assert_eq!(copy.shared(), after.shared());
            assert_eq!(before.shared(), None, "the clone was shared, not the original");
            let late = rebuilt(&copy, merge);
            assert_eq!((late.shared(), late.facts(), late.bytes()), (copy.shared(), copy.facts(), copy.bytes()));
            assert_eq!(
                (late.required_names(), late.completed_names()),
                (copy.required_names(), copy.completed_names())
            );
            assert_eq!(late.documents().count(), 0);
        }
    }
}

#[test]
fn a_clone_shares_the_documents() {
    let mut one = Initialization::new();
    store(&mut one, &body("A", &format!("{SETTING}{}", systems("A"))), InitMerge::Replace).unwrap();
    let mut other = one.clone();
    let place = |initialization: &Initialization| initialization.documents().next().map(str::as_ptr);
    assert_eq!(place(&one), place(&other));
    one.clear();
    assert!(other.facts().stored && !one.facts().stored);
    other.share(&STAMP).unwrap();
    assert_eq!(other.shared().map(<[u8]>::as_ptr), other.clone().shared().map(<[u8]>::as_ptr));
}

#[test]
fn what_cannot_have_been_shared_is_not_restored() {
    let mut empty = Initialization::new();
    let good = body("A", &format!("{SETTING}{}", systems("A"))).into_bytes();
    let none = Vec::new;
    assert_eq!(empty.restore_shared(good[..100].to_vec(), none()), Err(StoreRefusal::NotNow));
    assert_eq!(empty.restore_shared(objects("A", "").into_bytes(), none()), Err(StoreRefusal::NotNow));
    assert_eq!(empty.restore_shared(vec![b' '; C2SIM_MESSAGE_BYTES_MAX + 1], none()), Err(StoreRefusal::TooLarge));
    let many = (0..=C2SIM_SYSTEMS_MAX).map(|n| n.to_string()).collect();
    assert_eq!(empty.restore_shared(good.clone(), many), Err(StoreRefusal::TooManySystems));
    assert_eq!(empty.restore_shared(good.clone(), vec!["a".repeat(2000)]), Err(StoreRefusal::TooManySystems));
    assert_eq!(empty.facts(), InitFacts::default());
    assert_eq!(empty.restore_shared(good.clone(), vec!["B".into(), "A".into(), "B".into()]), Ok(()));
    assert_eq!(empty.required_names(), ["A", "B"]);
    assert_eq!(empty.restore_shared(good, none()), Err(StoreRefusal::NotNow));
}
