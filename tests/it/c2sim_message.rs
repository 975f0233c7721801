//! Recognising C2SIM messages: every shape, every header, and documents that mean harm.

use instep::c2sim::code::Code;
use instep::c2sim::defect::Defect;
use instep::c2sim::field::Field;
use instep::c2sim::judging::{Begun, Document, Judging};
use instep::c2sim::kind::{Category, Kind, Schema};
use instep::c2sim::scan::scan;
use instep::limits::{C2SIM_HEADER_FIELD_BYTES_MAX, C2SIM_MESSAGE_BYTES_MAX};
use instep::store::shared::SharedBytes;

const NAMESPACE: &str = "http://www.sisostds.org/schemas/C2SIM/2.0.0-cwix2026";

const HEADER: &str = "<C2SIMHeader>\
    <ConversationID>11111111-2222-4333-8444-555555555555</ConversationID>\
    <FromSendingSystem>ALPHA</FromSendingSystem>\
    <MessageID>aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee</MessageID>\
    <Protocol>SISO-STD-C2SIM</Protocol>\
    <ProtocolVersion>1.0.2</ProtocolVersion>\
    <SendingTime><IsoDateTime>2026-01-02T03:04:05Z</IsoDateTime></SendingTime>\
    <ToReceivingSystem>BRAVO</ToReceivingSystem><ToReceivingSystem>CHARLIE</ToReceivingSystem>\
    </C2SIMHeader>";

fn message(body: &str) -> String {
    frame(HEADER, body)
}

fn frame(header: &str, body: &str) -> String {
    format!("<Message xmlns=\"{NAMESPACE}\">{header}<MessageBody>{body}</MessageBody></Message>")
}

fn system(element: &str) -> String {
    message(&format!("<SystemMessageBody>{element}</SystemMessageBody>"))
}

fn defect(document: &str) -> Defect {
    match scan(document.as_bytes()) {
        Ok(message) => panic!("{document} is taken for {:?}", message.kind),
        Err(reject) => reject.defect,
    }
}

#[test]
fn every_kind_is_recognised_with_and_without_prefix() {
    for kind in Kind::all().filter(|kind| !kind.element().is_empty()) {
        let element = kind.element();
        let inner = if kind == Kind::SetSimulationRealtimeMultiple {
            "<SimulationRealtimeMultiple>2.5</SimulationRealtimeMultiple>"
        } else {
            ""
        };
        let body = match kind.category() {
            Category::SystemMessage => {
                format!("<SystemMessageBody><{element}>{inner}</{element}></SystemMessageBody>")
            }
            Category::DomainMessage => {
                format!("<DomainMessageBody><{element}/></DomainMessageBody>")
            }
            Category::C2simInitialization
            | Category::ObjectInitialization
            | Category::SystemAcknowledgement
            | Category::Unknown => format!("<{element}/>"),
        };
        let plain = message(&body);
        let prefixed = plain
            .replace("</", "\u{1}")
            .replace('<', "<c2sim:")
            .replace('\u{1}', "</c2sim:")
            .replace("xmlns=", "xmlns:c2sim=");
        for document in [plain, prefixed] {
            let message = scan(document.as_bytes()).unwrap_or_else(|e| panic!("{document}: {e}"));
            assert_eq!(message.kind, kind);
            assert_eq!(message.category, kind.category());
            assert_eq!(message.element, element);
            assert_eq!(message.schema, Some(Schema::V2_0_0));
            assert_eq!(message.header.sender(), "ALPHA");
            assert_eq!(
                message.layout.is_some(),
                matches!(kind, Kind::C2simInitialization | Kind::ObjectInitialization)
            );
        }
    }
}

#[test]
fn bodies_without_a_kind_of_their_own_are_unknown_in_their_category() {
    for (body, kind, category) in [
        ("<DomainMessageBody><PlanBody/></DomainMessageBody>", Kind::OtherDomain, Category::DomainMessage),
        ("<DomainMessageBody><RequestBody/></DomainMessageBody>", Kind::OtherDomain, Category::DomainMessage),
        ("<DomainMessageBody><AcknowledgementBody/></DomainMessageBody>", Kind::OtherDomain, Category::DomainMessage),
        ("<DomainMessageBody><StartScenario/></DomainMessageBody>", Kind::Unknown, Category::DomainMessage),
        ("<SystemMessageBody><OrderBody/></SystemMessageBody>", Kind::Unknown, Category::SystemMessage),
        ("<SystemMessageBody/>", Kind::Unknown, Category::SystemMessage),
        (
            "<SystemMessageBody><x:StartScenario xmlns:x='other'/></SystemMessageBody>",
            Kind::Unknown,
            Category::SystemMessage,
        ),
        ("<StartScenario/>", Kind::Unknown, Category::Unknown),
        ("<Other><DomainMessageBody><OrderBody/></DomainMessageBody></Other>", Kind::Unknown, Category::Unknown),
    ] {
        let document = message(body);
        let message = scan(document.as_bytes()).expect(body);
        assert_eq!((message.kind, message.category), (kind, category), "{body}");
        assert_eq!(message.kind.name(), "UNKNOWN");
    }
}

#[test]
fn header_fields_are_read_and_borrowed() {
    let document = system("<StartScenario/>");
    let message = scan(document.as_bytes()).unwrap();
    let header = &message.header;
    assert_eq!(header.message_id(), "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
    assert_eq!(header.conversation_id(), "11111111-2222-4333-8444-555555555555");
    assert_eq!(header.get(Field::Protocol), Some("SISO-STD-C2SIM"));
    assert_eq!(header.get(Field::ProtocolVersion), Some("1.0.2"));
    assert_eq!(header.get(Field::SendingTime), Some("2026-01-02T03:04:05Z"));
    assert_eq!(header.get(Field::ToReceivingSystem), Some("BRAVO"));
    assert_eq!(header.get(Field::ReplyToSystem), None);
    let within = document.as_bytes().as_ptr_range();
    assert!(within.contains(&header.get(Field::Protocol).unwrap().as_ptr()), "borrowed");
}

#[test]
fn references_cdata_comments_and_line_ends_in_a_value_are_resolved() {
    for (written, read) in [
        ("A&amp;B&#x43;", "A&BC"),
        ("<![CDATA[A>  <B]]>", "A>  <B"),
        ("A<!-- x -->B", "AB"),
        ("A\r\nB\rC", "A\nB\nC"),
        ("  A  ", "A"),
    ] {
        let document = system("<StartScenario/>").replace("ALPHA", written);
        assert_eq!(scan(document.as_bytes()).unwrap().header.sender(), read);
    }
}

#[test]
fn a_header_is_whole_single_and_in_front_of_the_body() {
    let body = "<SystemMessageBody><StartScenario/></SystemMessageBody>";
    assert_eq!(defect(&frame("", body)), Defect::NoHeader);
    assert_eq!(
        defect(&frame("", &format!("<SystemMessageBody>{HEADER}<StartScenario/></SystemMessageBody>"))),
        Defect::NoHeader
    );
    assert_eq!(defect(&frame(&format!("{HEADER}{HEADER}"), body)), Defect::OutOfPlace);
    // What stands in front of a header does not hide it, nor does it stand for one.
    assert_eq!(defect(&frame(&format!("<Extra/>{HEADER}"), body)), Defect::OutOfPlace);
    assert_eq!(defect(&frame("<Extra/>", body)), Defect::NoHeader);
    assert_eq!(defect(&format!("<Message xmlns='{NAMESPACE}'/>")), Defect::NoHeader);
    assert_eq!(defect("<Message><a/></Message>"), Defect::NoHeader);
    assert_eq!(scan(b"<Message><a/></Message>").unwrap_err().code(), Code::C2simInvalidHeader);
    for field in Field::MANDATORY {
        let start = HEADER.find(&format!("<{}>", field.element())).unwrap();
        let close = format!("</{}>", field.element());
        let end = HEADER.find(&close).unwrap() + close.len();
        let without = format!("{}{}", &HEADER[..start], &HEADER[end..]);
        assert_eq!(defect(&frame(&without, body)), Defect::MissingField(field));
        let twice = format!("{}{}", &HEADER[..end], &HEADER[start..]);
        assert_eq!(defect(&frame(&twice, body)), Defect::RepeatedField(field));
    }
    assert_eq!(defect(&frame(&HEADER.replace("ALPHA", " \n"), body)), Defect::BlankSender);
    assert_eq!(defect(&frame(&HEADER.replace("ALPHA", "A<b/>"), body)), Defect::OutOfPlace);
    let longest = "A".repeat(C2SIM_HEADER_FIELD_BYTES_MAX);
    assert!(scan(frame(&HEADER.replace("ALPHA", &longest), body).as_bytes()).is_ok());
    let longer = longest + "&lt;";
    assert_eq!(defect(&frame(&HEADER.replace("ALPHA", &longer), body)), Defect::ValueTooLong);
}

#[test]
fn a_message_has_exactly_one_body() {
    let start = "<SystemMessageBody><StartScenario/></SystemMessageBody>";
    let order = "<DomainMessageBody><OrderBody/></DomainMessageBody>";
    assert_eq!(defect(&message(&format!("{order}{start}"))), Defect::SeveralBodies);
    assert_eq!(defect(&system("<StartScenario/><StopScenario/>")), Defect::SeveralBodies);
    assert_eq!(defect(&message("")), Defect::NoBody);
    assert_eq!(defect(&format!("<Message xmlns='{NAMESPACE}'>{HEADER}</Message>")), Defect::NoBody);
    assert_eq!(defect(&message(start).replace("</Message>", "<MessageBody/></Message>")), Defect::SeveralBodies);
    assert_eq!(defect(&message(start).replace("<MessageBody>", "<MessageBody>x")), Defect::OutOfPlace);
    assert_eq!(defect(&message(start).replace("<MessageBody>", "<Extra/><MessageBody>")), Defect::OutOfPlace);
}

#[test]
fn the_root_is_message_in_a_namespace() {
    assert_eq!(defect("<MessageBody xmlns='u'/>"), Defect::WrongRoot);
    assert_eq!(scan(b"<MessageBody xmlns='u'/>").unwrap_err().code(), Code::C2simRootElementMustBeMessage);
    let document = system("<StartScenario/>");
    assert_eq!(defect(&document.replace(NAMESPACE, "")), Defect::NoNamespace);
    let other = document.replace(NAMESPACE, "http://example.org/other");
    let other = scan(other.as_bytes()).unwrap();
    assert_eq!(other.schema, None);
    assert_eq!(other.check_schema(Schema::V2_0_0).unwrap_err().code(), Code::XsdValidationError);
    let older = document.replace(NAMESPACE, Schema::V1_0_2.namespace());
    let older = scan(older.as_bytes()).unwrap();
    assert!(older.check_schema(Schema::V1_0_2).is_ok());
    assert!(older.check_schema(Schema::V2_0_0).is_err());
}

#[test]
fn the_simulation_multiple_is_a_decimal_above_zero() {
    let set = |value: &str| {
        system(&format!(
            "<SetSimulationRealtimeMultiple><SimulationRealtimeMultiple>{value}</SimulationRealtimeMultiple>\
             </SetSimulationRealtimeMultiple>"
        ))
    };
    for (text, value) in [("2.5", 2.5), (" +1 ", 1.0), (".5", 0.5), ("10.", 10.0)] {
        let document = set(text);
        assert_eq!(scan(document.as_bytes()).unwrap().realtime_multiple, Some(value));
    }
    for bad in ["", "0", "-1", "1e3", "NaN", "inf", "1.2.3", "fast", &"9".repeat(400)] {
        assert_eq!(defect(&set(bad)), Defect::BadMultiple, "{bad}");
    }
    assert_eq!(defect(&system("<SetSimulationRealtimeMultiple/>")), Defect::BadMultiple);
    let other = system(
        "<SetPlaybackRealtimeMultiple><PlaybackRealtimeMultiple>2</PlaybackRealtimeMultiple></SetPlaybackRealtimeMultiple>",
    );
    assert_eq!(scan(other.as_bytes()).unwrap().realtime_multiple, None);
}

#[test]
fn system_names_of_an_initialization_are_collected() {
    let list = |name: &str| {
        format!(
            "<SystemEntityList><ActorReference>x</ActorReference><SystemName>{name}</SystemName></SystemEntityList>"
        )
    };
    let body = format!(
        "<C2SIMInitializationBody><InitializationDataFile><Name>n</Name><SystemName>NOT</SystemName></InitializationDataFile>\
         <ObjectDefinitions/>{}{}</C2SIMInitializationBody>",
        list(" A "),
        list("B&amp;C")
    );
    let document = message(&body);
    let message = scan(document.as_bytes()).unwrap();
    assert_eq!(message.layout.unwrap().systems, ["A", "B&C"]);
}

#[test]
fn a_reject_says_the_line_and_how_far_the_document_was_understood() {
    let document = system("\n\n<StartScenario>");
    let reject = scan(document.as_bytes()).unwrap_err();
    assert_eq!((reject.line, reject.code()), (3, Code::XsdValidationFailure));
    assert_eq!(reject.to_string(), "Line 3: the document is not well-formed");
    let early = scan(b"{}").unwrap_err();
    assert_eq!((early.line, early.code()), (1, Code::C2simInvalidHeader));
    // A forbidden character behind the header, and one in it.
    let late = system("<StartScenario/>\n\u{1}");
    assert_eq!(scan(late.as_bytes()).unwrap_err().code(), Code::XsdValidationFailure);
    let inside = system("<StartScenario/>").replace("ALPHA", "\u{1}");
    assert_eq!(scan(inside.as_bytes()).unwrap_err().code(), Code::C2simInvalidHeader);
}

#[test]
fn a_byte_order_mark_is_tolerated_and_dropped() {
    let document =
        format!("\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><?p?>{}", system("<StartScenario/>"));
    let message = scan(document.as_bytes()).unwrap();
    assert!(message.text.starts_with("<?xml"));
    assert_eq!(message.kind, Kind::StartScenario);
}

#[test]
fn hostile_documents_are_refused() {
    let start = system("<StartScenario/>");
    let entities: String =
        (1..10).map(|n| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10))).collect();
    let laughs = format!("<!DOCTYPE Message [<!ENTITY e0 \"ha\">{entities}]>{start}");
    assert_eq!(defect(&laughs), Defect::Doctype);
    assert_eq!(scan(laughs.as_bytes()).unwrap_err().code(), Code::XsdValidationFailure);
    let external = format!("<!DOCTYPE Message SYSTEM \"http://example.org/x.dtd\">{start}");
    assert_eq!(defect(&external), Defect::Doctype);
    assert_eq!(defect(&start.replace("ALPHA", "&e9;")), Defect::UnknownEntity);
    let deep = format!("{}{}", "<a>".repeat(20_000), "</a>".repeat(20_000));
    assert_eq!(defect(&message(&deep)), Defect::TooDeep);
    // Elements without end where the header should be: there is no document, and so no header.
    let endless = start.replace("<C2SIMHeader>", &"<a>".repeat(20_000));
    assert_eq!(defect(&endless), Defect::TooDeep);
    assert_eq!(scan(endless.as_bytes()).unwrap_err().code(), Code::C2simInvalidHeader);
    let displaced = start.replace("<C2SIMHeader>", "<a/><C2SIMHeader>");
    assert_eq!(scan(displaced.as_bytes()).unwrap_err().code(), Code::XsdValidationError);
    // Each element may declare some; what an initialization's parts rely on is bounded all together.
    let declaring: String = (0..200).map(|n| format!("<ObjectDefinitions xmlns:a{n}='u' xmlns:b{n}='v'/>")).collect();
    let initialization = format!("<C2SIMInitializationBody>{declaring}</C2SIMInitializationBody>");
    assert_eq!(defect(&message(&initialization)), Defect::TooManyNamespaces);
    assert_eq!(defect(&format!("{start}{start}")), Defect::OutsideRoot);
    assert_eq!(defect(&start.replace("ALPHA", "A\0")), Defect::ForbiddenCharacter);
    // Latin-1 writes an accented letter as one byte, which is no UTF-8.
    let mut latin = start.clone().into_bytes();
    let at = start.find("ALPHA").unwrap();
    latin[at] = 0xe9;
    assert_eq!(scan(&latin).unwrap_err().defect, Defect::NotUtf8);
    let wide: Vec<u8> = start.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert!(scan(&wide).is_err());
    let large = start.replace("ALPHA", &"A".repeat(C2SIM_MESSAGE_BYTES_MAX));
    assert_eq!(scan(large.as_bytes()).unwrap_err().code(), Code::C2simMsgSizeExceeded);
}

#[test]
fn a_document_cut_off_anywhere_is_refused_without_panic() {
    let document = message(
        "<C2SIMInitializationBody><ObjectDefinitions><Entity a='1'><!-- c --><UUID>00000000-0000-0000-0000-00000000000\u{e9}</UUID></Entity>\
         </ObjectDefinitions><ScenarioSetting><![CDATA[x]]>&amp;</ScenarioSetting><?p i?></C2SIMInitializationBody>",
    );
    let bytes = document.as_bytes();
    for end in 0..bytes.len() {
        assert!(scan(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(scan(bytes).is_ok());
}

#[test]
fn a_document_with_any_byte_changed_never_panics() {
    let document = system(
        "<SetSimulationRealtimeMultiple><SimulationRealtimeMultiple>1&#46;5</SimulationRealtimeMultiple></SetSimulationRealtimeMultiple>",
    );
    let mut bytes = document.into_bytes();
    let mut refused = 0;
    for at in 0..bytes.len() {
        for byte in [0, b'<', b'>', b'&', b'"', b'/', b'!', b'?', b']', b':', b' ', 0x80, 0xef, 0xff] {
            let before = std::mem::replace(&mut bytes[at], byte);
            refused += usize::from(scan(&bytes).is_err());
            bytes[at] = before;
        }
    }
    assert!(refused > bytes.len(), "most changes break the document");
}

// ---- What is relayed ----

#[test]
fn a_document_that_was_given_is_relayed_from_where_it_lies_unless_much_more_is_held_for_it() {
    let document =
        message(&format!("<DomainMessageBody><ReportBody>{}</ReportBody></DomainMessageBody>", "x".repeat(900)));
    // What stands around the document, and whether that is little.
    for (name, before, mark, behind, is_little) in [
        ("plain", 0, "", 0, true),
        ("with a byte order mark", 0, "\u{feff}", 0, true),
        ("in a form", 100, "", 20, true),
        ("with a mark in a form", 100, "\u{feff}", 20, true),
        ("in a large form", 1000, "", 20, false),
        ("with a mark in a large form", 1000, "\u{feff}", 20, false),
        ("before much else", 0, "", 1000, false),
    ] {
        let body = ["-".repeat(before), format!("{mark}{document}"), "-".repeat(behind)].concat();
        let body = SharedBytes::from(body.into_bytes());
        let given = Document::Given(body.part(&body[before..body.len() - behind]));
        let text = &body[before + mark.len()..];
        let Begun::Judged(Ok((judged, _))) = Judging::begin(&given, None, false, usize::MAX) else { panic!("{name}") };
        let relayed = judged.relayed();
        assert_eq!(core::str::from_utf8(&relayed), Ok(&*document), "{name}");
        assert_eq!(relayed.as_ptr() == text.as_ptr(), is_little, "{name}");
        let held = if is_little { body.held_bytes() } else { document.len() };
        assert_eq!(relayed.held_bytes(), held, "{name}");
    }
}
