//! The control room against bytes made by another MsgPack implementation, and against bytes made to harm.

use std::borrow::Cow;

use instep::control::client::{self, ControlRequest, Value};
use instep::control::envelope::Shape;
use instep::control::framing::{self, Frame};
use instep::control::function::Function;
use instep::control::record::{
    Action, ActionType, AreaInfo, Edge, Entity, EntityType, MapInfo, Point, Properties, Property,
};
use instep::control::replay::{self, Record};
use instep::control::reply::{ManagerInfo, ProviderInfo, ProviderType, Reply, SessionInfo, Status, ViewerInfo};
use instep::control::request::{self, Call, ReplyTo, Request, Wanted, Which};
use instep::control::section::{self, Perception, Section};
use instep::control::value::Reader;
use instep::control::viewer::{self, Bits, Head};
use instep::control::vlog::{self, Heading, Item, Player, Progress};
use instep::control::{Error, PROTOCOL_VERSION};
use instep::limits::{CONTROL_IDS_MAX, CONTROL_REQUEST_BYTES_MAX, CONTROL_RESULT_BYTES_MAX};

mod requests;
mod results;

fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The body of the one message that `bytes` are.
fn body(bytes: &[u8]) -> &[u8] {
    match framing::scan(bytes, CONTROL_RESULT_BYTES_MAX).unwrap() {
        Frame::Whole { header_len, body_len } => {
            assert_eq!(bytes.len(), header_len + body_len, "one message and no more");
            &bytes[header_len..]
        }
        Frame::Need(more) => panic!("{more} bytes are missing"),
    }
}

fn describe(call: &Call<'_>) -> String {
    let ids = |word: &str, which: &Which<'_>| match which {
        Which::All => format!("{word} all"),
        Which::These(ids) => format!("{word} {:?}", ids.collect::<Vec<_>>()),
    };
    let asked = match &call.request {
        Err(error) => format!("error: {error}"),
        Ok(Request::Exit) => "Exit".to_owned(),
        Ok(Request::Errors) => "Errors".to_owned(),
        Ok(Request::Authenticate { token }) => format!("Authenticate {token}"),
        Ok(Request::Connections) => "Connections".to_owned(),
        Ok(Request::Manager) => "Manager".to_owned(),
        Ok(Request::Viewers(which)) => ids("Viewers", which),
        Ok(Request::Providers(which)) => ids("Providers", which),
        Ok(Request::Refresh(which)) => ids("Refresh", which),
        Ok(Request::Sessions(which)) => ids("Sessions", which),
        Ok(Request::Open(Wanted::Address { host, port, keep })) => {
            format!("Open {host} {port}{}", if *keep { " keep" } else { "" })
        }
        Ok(Request::Open(Wanted::File(name))) => format!("Open file {name}"),
        Ok(Request::Close(ids)) => format!("Close {:?}", ids.collect::<Vec<_>>()),
        Ok(Request::Disconnect(ids)) => format!("Disconnect {:?}", ids.collect::<Vec<_>>()),
        Ok(Request::Connect(connections)) => {
            let pairs: Vec<_> = connections.map(|(provider, viewer)| format!(" {provider}<-{viewer}")).collect();
            assert_eq!(connections.total(), pairs.len());
            format!("Connect{}", pairs.concat())
        }
        Ok(Request::Trigger { session, trigger, at, system }) => {
            let of = system.map_or_else(String::new, |system| format!(" for {system}"));
            format!("Trigger {session:?} {trigger} {at:?}{of}")
        }
        Ok(Request::SendDocument { session, document, system }) => {
            let of = system.map_or_else(String::new, |system| format!(" for {system}"));
            format!("SendDocument {session:?} {} bytes{of}", document.len())
        }
        Ok(Request::CreateSession(wanted)) => format!(
            "CreateSession {} {:?} {:?} {:?} {:?} {:?}",
            wanted.name, wanted.schema, wanted.display_name, wanted.description, wanted.provider, wanted.options
        ),
    };
    let ours = if call.version.is_ours() { "" } else { " (not ours)" };
    let gap = if call.unknown.is_empty() { "" } else { "; " };
    format!("{:?} {} v{}{ours}: {asked}{gap}{}", call.to.shape, call.to.id, call.version, call.unknown)
}

#[test]
fn every_request_is_read_as_the_table_says() {
    for (name, bytes, meaning) in requests::REQUESTS {
        assert_eq!(&describe(&request::decode(&hex(bytes))), meaning, "{name}");
    }
}

/// True when `bytes` end where a value ends, so that only a data object can be missing behind them.
fn ends_between_values(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        if reader.skip().is_err() {
            return false;
        }
    }
    !bytes.is_empty()
}

#[test]
fn every_request_cut_inside_a_value_is_malformed() {
    for (name, bytes, _) in requests::REQUESTS {
        let bytes = hex(bytes);
        for cut in (0..bytes.len()).filter(|cut| !ends_between_values(&bytes[..*cut])) {
            let call = request::decode(&bytes[..cut]);
            assert!(matches!(call.request, Err(Error::Malformed(_))), "{name} cut at {cut}");
            assert_eq!(call.to.id, 0, "{name} cut at {cut}");
            assert!(viewer::decode(&bytes[..cut]).is_err(), "{name} cut at {cut}");
        }
    }
}

#[test]
fn every_request_with_any_byte_changed_is_answered_without_panic() {
    for (_, bytes, _) in requests::REQUESTS {
        let good = hex(bytes);
        for at in 0..good.len() {
            for change in [0x01, 0x10, 0x40, 0x80, 0xc1, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= change;
                describe(&request::decode(&bad));
                drop((viewer::decode(&bad), client::decode_control(&bad), client::decode_viewer(&bad)));
            }
        }
    }
}

#[test]
fn what_the_client_encodes_is_what_the_server_reads_in_every_shape() {
    for shape in [Shape::Beside, Shape::Flat, Shape::Nested, Shape::Loose] {
        let mut out = Vec::new();
        let read = |out: &mut Vec<u8>, written: usize| {
            assert_eq!(written, out.len());
            let text = describe(&request::decode(body(out)));
            out.clear();
            text
        };
        let mut written = ControlRequest::begin(&mut out, shape, Function::Exit).finish();
        assert_eq!(read(&mut out, written), format!("{shape:?} 1 v1: Exit"));
        written = ControlRequest::begin(&mut out, shape, Function::Open).address("h", 27931).finish();
        assert_eq!(read(&mut out, written), format!("{shape:?} 101 v1: Open h 27931"));
        written = ControlRequest::begin(&mut out, shape, Function::Open).logfilename("f").finish();
        assert_eq!(read(&mut out, written), format!("{shape:?} 101 v1: Open file f"));
        written = ControlRequest::begin(&mut out, shape, Function::Close).provider(&[1, 2]).finish();
        assert_eq!(read(&mut out, written), format!("{shape:?} 102 v1: Close [1, 2]"));
        written = ControlRequest::begin(&mut out, shape, Function::Connect).connection(3, 4).finish();
        assert_eq!(read(&mut out, written), format!("{shape:?} 201 v1: Connect 3<-4"));
        written = ControlRequest::begin(&mut out, shape, Function::Disconnect).viewer(&[9]).finish();
        assert_eq!(read(&mut out, written), format!("{shape:?} 202 v1: Disconnect [9]"));
        written = ControlRequest::begin(&mut out, shape, Function::GetSessionInformation).session(&[5]).finish();
        assert_eq!(read(&mut out, written), format!("{shape:?} 204 v1: Sessions [5]"));
        written = ControlRequest::begin(&mut out, shape, Function::GetViewerInformation).finish();
        assert_eq!(read(&mut out, written), format!("{shape:?} 3 v1: Viewers all"));
    }
}

#[test]
fn the_largest_list_of_ids_is_taken_and_one_more_is_not() {
    let mut out = Vec::new();
    for (count, taken) in [(CONTROL_IDS_MAX, true), (CONTROL_IDS_MAX + 1, false)] {
        let ids = vec![i64::MAX; count];
        out.clear();
        let _ = ControlRequest::begin(&mut out, Shape::Flat, Function::Close).provider(&ids).finish();
        assert!(out.len() <= CONTROL_REQUEST_BYTES_MAX);
        match request::decode(body(&out)).request {
            Ok(Request::Close(ids)) => assert!(taken && ids.len() == count),
            other => assert!(!taken && format!("{other:?}").contains("names too many ids"), "{other:?}"),
        }
    }
}

#[test]
fn too_many_connections_and_too_long_names_are_refused() {
    let mut body = hex("9301ccc981");
    body.extend(hex("aa636f6e6e656374696f6e"));
    body.extend(hex("dd"));
    body.extend(u32::try_from(CONTROL_IDS_MAX + 1).unwrap().to_be_bytes());
    for _ in 0..=CONTROL_IDS_MAX {
        body.extend(hex("82a870726f766964657201a676696577657202"));
    }
    let refused = request::decode(&body).request.unwrap_err();
    assert_eq!(refused.to_string(), "argument connection names too many connections");

    for (limit, address) in [(255, true), (4096, false)] {
        for over in [0, 1] {
            let name = "n".repeat(limit + over);
            let mut out = Vec::new();
            let begun = ControlRequest::begin(&mut out, Shape::Flat, Function::Open);
            let _ = if address { begun.address(&name, 1) } else { begun.logfilename(&name) }.finish();
            let Frame::Whole { header_len, .. } = framing::scan(&out, CONTROL_REQUEST_BYTES_MAX).unwrap() else {
                panic!()
            };
            let call = request::decode(&out[header_len..]);
            assert_eq!(call.request.is_ok(), over == 0, "{limit} + {over}");
        }
    }
}

const PROVIDERS: [ProviderInfo<'_>; 3] = [
    ProviderInfo {
        id: 1,
        kind: ProviderType::Rcrs,
        ids: "127.0.0.1/8000",
        status: Status::Online,
        time: 100,
        maxtime: 300,
        age_ms: Some(1500),
        message: "",
    },
    ProviderInfo {
        id: 2,
        kind: ProviderType::RcrsLog,
        ids: "/var/log/rcrs/paris.log",
        status: Status::Closed,
        time: 150,
        maxtime: 0,
        age_ms: Some(0),
        message: "",
    },
    ProviderInfo {
        id: 3,
        kind: ProviderType::ViewerLog,
        ids: "a.vlog",
        status: Status::Errored,
        time: 0,
        maxtime: 70000,
        age_ms: None,
        message: "",
    },
];

fn everything(out: &mut Vec<u8>, shape: Shape) -> usize {
    let viewers = [
        ViewerInfo { id: 1, host: "192.0.2.7", port: 17777, status: Status::Online },
        ViewerInfo { id: 2, host: "::1", port: 65535, status: Status::Closed },
    ];
    let sessions = [
        SessionInfo {
            id: 1,
            provider: None,
            viewers: &[],
            status: Status::Online,
            state: "INITIALIZED",
            seq: 0,
            name: "default",
        },
        SessionInfo {
            id: 2,
            provider: Some(3),
            viewers: &[1, 2, 300],
            status: Status::Closed,
            state: "RUNNING",
            seq: 1 << 40,
            name: "provider-3",
        },
    ];
    let manager = ManagerInfo {
        port: 7001,
        providers: 3,
        viewers: 2,
        sessions: 2,
        errors: 4,
        status: Status::Online,
        version: PROTOCOL_VERSION,
    };
    Reply::begin(out, ReplyTo { id: 103, shape }, true)
        .message("m")
        .provider(1)
        .session(Some(2))
        .providerinfo(PROVIDERS)
        .viewerinfo(viewers)
        .sessioninfo(sessions)
        .errors(["first", "s\u{e9}cond"])
        .manager(manager)
        .finish()
}

/// The values of a body, whatever lies beside what.
fn values(mut bytes: &[u8]) -> Vec<Value> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let mut reader = Reader::new(bytes);
        all.push(Value::decode(reader.span().unwrap()).unwrap());
        bytes = reader.rest();
    }
    all
}

#[test]
fn results_hold_the_very_keys_and_types_of_the_document_in_the_shape_of_the_request() {
    let shapes = [
        (Shape::Beside, results::EVERYTHING_BESIDE),
        (Shape::Flat, results::EVERYTHING_FLAT),
        (Shape::Nested, results::EVERYTHING_NESTED),
        (Shape::Loose, results::EVERYTHING_LOOSE),
    ];
    for (shape, expected) in shapes {
        let mut out = vec![0xaa];
        let written = everything(&mut out, shape);
        assert_eq!(written, out.len() - 1, "bytes before it are left alone");
        assert_eq!(out[1], 0xcd, "the length header is a uint16");
        assert_eq!(values(body(&out[1..])), values(&hex(expected)), "{shape:?}");
        let read = client::decode_control(body(&out[1..])).unwrap();
        assert_eq!((read.id, read.ok), (103, true));
        assert_eq!(read, client::decode_control(&hex(expected)).unwrap());
        assert_eq!(read.data.get("manager").and_then(|manager| manager.get("vieweres")), Some(&Value::Int(2)));
        let whole = body(&out[1..]);
        for cut in (0..whole.len()).filter(|cut| !ends_between_values(&whole[..*cut])) {
            assert!(client::decode_control(&whole[..cut]).is_err(), "{shape:?} cut at {cut}");
        }
    }
}

#[test]
fn results_of_each_function_have_their_forms() {
    let result = |write: &dyn Fn(&mut Vec<u8>) -> usize| {
        let mut out = Vec::new();
        assert_eq!(write(&mut out), out.len());
        values(body(&out))
    };
    let to = |id| ReplyTo { id, shape: Shape::Beside };
    assert_eq!(
        result(&|out| Reply::begin(out, to(203), true).provider_list([1, 2]).finish()),
        values(&hex(results::REFRESHED))
    );
    assert_eq!(
        result(&|out| Reply::begin(out, to(201), true).session_list([2, 2]).finish()),
        values(&hex(results::CONNECTED_SEVERAL))
    );
    let failed = |out: &mut Vec<u8>| Reply::begin(out, to(201), false).session(None).message("no viewer 9").finish();
    assert_eq!(result(&failed), values(&hex(results::NOT_CONNECTED)));
    assert_eq!(
        result(&|out| Reply::begin(out, to(103), true).providerinfo([]).finish()),
        values(&hex(results::NOTHING_FOUND))
    );
    let why = Error::UnknownFunction(999);
    let mut out = Vec::new();
    Reply::failure(&mut out, ReplyTo { id: 999, shape: Shape::Loose }, &why);
    assert_eq!(body(&out), hex("cd03e7c281a76d657373616765b87468657265206973206e6f2066756e6374696f6e20393939"));
    out.clear();
    Reply::failure(&mut out, ReplyTo::default(), &Error::BadLength);
    assert_eq!(values(body(&out))[0].to_string(), "[0, false]");
}

#[test]
fn a_result_over_65535_bytes_has_the_wider_header() {
    let line = "e".repeat(1000);
    for (lines, first) in [(65, 0xcd), (66, 0xce)] {
        let mut out = vec![1, 2, 3];
        let written = Reply::begin(&mut out, ReplyTo { id: 2, shape: Shape::Flat }, true)
            .errors(core::iter::repeat_n(line.as_str(), lines))
            .finish();
        assert_eq!((written, out[3]), (out.len() - 3, first));
        let read = client::decode_control(body(&out[3..])).unwrap();
        assert!(matches!(read.data.get("errors"), Some(Value::Array(errors)) if errors.len() == lines));
    }
}

fn with(values: &[(Property, i32)]) -> Properties {
    let mut properties = Properties::default();
    for (property, value) in values {
        properties.set(*property, Some(*value));
    }
    properties
}

fn the_world() -> Vec<Entity<'static>> {
    use Property as P;
    let entity = |id, kind| Entity { id, kind: Some(kind), ..Entity::default() };
    vec![
        Entity {
            properties: with(&[(P::X, -5), (P::Y, i32::MAX), (P::Position, 7), (P::RepairCost, 40)]),
            apexes: Some(Cow::Borrowed(&[1, 2, 3, -4])),
            ..entity(2_100_749_276, EntityType::Blockade)
        },
        Entity {
            properties: with(&[
                (P::X, 1),
                (P::Y, 2),
                (P::Position, 8),
                (P::Damage, 0),
                (P::Buried, 0),
                (P::Hp, 10000),
                (P::Travel, 12),
                (P::Board, 13),
                (P::Water, 5000),
            ]),
            history: Some(Cow::Borrowed(&[5, 6])),
            ..entity(11, EntityType::TacticsFire)
        },
        Entity {
            properties: with(&[(P::Temp, 20), (P::Broken, 50), (P::Fiery, 3)]),
            ..entity(12, EntityType::Building)
        },
        entity(13, EntityType::Road),
    ]
}

fn the_changes() -> Vec<Entity<'static>> {
    let entity = |id, kind| Entity { id, kind: Some(kind), ..Entity::default() };
    vec![
        Entity { blockades: Some(Cow::Borrowed(&[2_100_749_276])), ..entity(13, EntityType::Road) },
        Entity { blockades: Some(Cow::Borrowed(&[])), ..entity(14, EntityType::Road) },
        Entity { created: true, properties: with(&[(Property::Hp, 10000)]), ..entity(15, EntityType::Civilian) },
        Entity { deleted: true, ..entity(16, EntityType::Blockade) },
    ]
}

fn the_commands() -> Vec<Action<'static>> {
    vec![
        Action::moving(11, Cow::Borrowed(&[7, 8]), -1, -1),
        Action::moving(11, Cow::Borrowed(&[7, 9]), 3, 0),
        Action { target: Some(12), water: Some(500), ..Action::new(11, ActionType::Extinguish) },
        Action { channel: Some(2), message_size: Some(9), ..Action::new(17, ActionType::Radio) },
        Action::new(17, ActionType::Rest),
    ]
}

fn the_map() -> MapInfo<'static> {
    let edges = vec![
        Edge { start: Point { x: 0, y: 0 }, end: Point { x: 1, y: 0 }, adjacent: Some(8) },
        Edge { start: Point { x: 1, y: 0 }, end: Point { x: 1, y: 1 }, adjacent: None },
    ];
    let area = AreaInfo {
        id: 7,
        kind: EntityType::Road,
        centre: Point { x: 10, y: 20 },
        edges: Cow::Owned(edges),
        neighbours: Cow::Borrowed(&[8]),
    };
    MapInfo { origin: Some([-1000.0, 0.5]), width: 165_000.0, height: 141_000.5, areas: vec![area] }
}

const CONFIG: [(&str, &str); 2] = [("gis.map.dir", "maps/test"), ("kernel.timesteps", "300")];

/// Every section of the record that the vectors hold, in order.
fn sections() -> [Vec<u8>; 6] {
    let mut all: [Vec<u8>; 6] = Default::default();
    let map = the_map();
    let [x, y, east, north] = map.bounds();
    section::map(&mut all[0], [x, y], [east, north], map.areas);
    section::world(&mut all[1], the_world());
    section::commands(&mut all[2], the_commands());
    section::changes(&mut all[3], the_changes());
    section::config(&mut all[4], CONFIG.into_iter());
    let heard = [the_commands()[3].clone()];
    let seen = Perception { id: 11, updated: &[13], deleted: &[16], heard: &heard };
    section::perceptions_begin(&mut all[5], 1);
    section::perception(&mut all[5], &seen);
    all
}

#[test]
fn a_viewer_result_holds_the_very_keys_and_types_of_the_document() {
    let sections = sections();
    let parts: Vec<&[u8]> = sections.iter().map(Vec::as_slice).collect();
    let head = Head { request: Bits(253), message: "", result: true, time: 7 };
    let mut out = vec![9];
    let written = viewer::write_result(&mut out, head, &parts);
    assert_eq!(written, out.len() - 1);
    let mine = Value::decode(body(&out[1..])).unwrap();
    assert_eq!(mine, Value::decode(&hex(results::FULL_RESULT)).unwrap());
    let Some(Value::Map(record)) = mine.get("record") else { panic!("no record") };
    let keys: Vec<_> = record.iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(
        keys,
        ["\"time\"", "\"map\"", "\"world\"", "\"commands\"", "\"changes\"", "\"config\"", "\"perceptions\""]
    );
    assert_eq!(mine.get("record").and_then(|record| record.get("map")?.get("width")), Some(&Value::Float(165_000.0)));

    let mut prelude = Vec::new();
    let whole = viewer::write_prelude(&mut prelude, head, &parts);
    let composed = [prelude, sections.concat()].concat();
    assert_eq!((whole, composed.as_slice()), (written, &out[1..]), "prelude and shared sections are the same bytes");
}

#[test]
fn a_selection_leaves_out_what_it_does_not_name_and_an_empty_record_has_its_time() {
    let sections = sections();
    let mut out = Vec::new();
    let head = Head { request: Bits::ACTION | Bits::UPDATE, message: "", result: true, time: 3 };
    viewer::write_result(&mut out, head, &[&[], &sections[2], &sections[3]]);
    let read = client::decode_viewer(body(&out)).unwrap();
    assert_eq!((read.request, read.message, read.result, read.time), (Bits(12), "", true, 3));
    let record = Record::read(read.record).unwrap();
    assert_eq!(record.time, Some(3));
    let there = |section: &Section| record.section(*section).is_some();
    assert_eq!(Section::ALL.iter().filter(|s| there(s)).collect::<Vec<_>>(), [&Section::Commands, &Section::Changes]);

    out.clear();
    viewer::write_result(&mut out, Head { request: Bits::OPEN, message: "no session", result: true, time: 0 }, &[]);
    assert_eq!(body(&out), hex(results::EMPTY_RESULT));
}

#[test]
fn what_the_document_does_not_have_is_there_beside_it() {
    let words = [b"to the refuge".as_slice(), "h\u{e4}lp\n".as_bytes(), b"\x00\x7f", b"\xff", b""];
    let actions = words.map(|words| Action {
        message_size: i32::try_from(words.len()).ok(),
        message: Some(Cow::Borrowed(words)),
        ..Action::new(17, ActionType::Voice)
    });
    let listens = Action { channels: Some(Cow::Borrowed(&[1, 2])), ..Action::new(17, ActionType::Subscribe) };
    let heard = Action { time: Some(6), ..Action::new(17, ActionType::Radio) };
    let all: Vec<_> = actions.into_iter().chain([listens, heard]).collect();
    let mut parts: [Vec<u8>; 2] = Default::default();
    section::score(&mut parts[0], 12.5);
    section::commands(&mut parts[1], all.clone());
    let mut out = Vec::new();
    let head = Head { request: Bits::ACTION, message: "", result: true, time: 7 };
    viewer::write_result(&mut out, head, &[&parts[0], &parts[1]]);
    let read = client::decode_viewer(body(&out)).unwrap();
    let record = Record::read(read.record).unwrap();
    assert_eq!((record.time, record.score), (Some(7), Some(12.5)));
    assert_eq!(replay::actions(record.section(Section::Commands).unwrap()).unwrap(), all);
    let whole = Value::decode(body(&out)).unwrap();
    let Some(Value::Array(commands)) = whole.get("record").and_then(|record| record.get("commands")) else { panic!() };
    let said = |n: usize, key: &str| commands[n].get(key).map(ToString::to_string);
    assert_eq!((said(0, "message").as_deref(), said(0, "messageHex")), (Some("\"to the refuge\""), None));
    assert_eq!((said(2, "message"), said(2, "messageHex").as_deref()), (None, Some("\"007f\"")));
    assert_eq!(said(3, "messageHex").as_deref(), Some("\"ff\""));
    assert_eq!((said(5, "channels").as_deref(), said(6, "time").as_deref()), (Some("[1, 2]"), Some("6")));
    for bad in ["f", "fg", "-1", "+f"] {
        let mut broken = b"\x91\x83\xa2id\x01\xa4type\xa5Voice\xaamessageHex".to_vec();
        broken.push(0xa0 | u8::try_from(bad.len()).unwrap());
        broken.extend(bad.bytes());
        assert!(replay::actions(&broken).is_err(), "{bad}");
    }
}

#[test]
fn a_result_that_sections_push_over_65535_bytes_has_the_wider_header() {
    let mut world = Vec::new();
    section::world(
        &mut world,
        (0..3000).map(|id| Entity { id, kind: Some(EntityType::TacticsAmbulance), ..Entity::default() }),
    );
    let mut out = Vec::new();
    let whole =
        viewer::write_result(&mut out, Head { request: Bits::WORLD, message: "", result: true, time: 1 }, &[&world]);
    assert_eq!((out[0], whole), (0xce, out.len()));
    let record = Record::read(client::decode_viewer(body(&out)).unwrap().record).unwrap();
    assert_eq!(replay::entities(record.section(Section::World).unwrap()).unwrap().len(), 3000);
}

fn check_record(record: &Record<'_>) {
    let section = |wanted| record.section(wanted).unwrap();
    assert_eq!(replay::entities(section(Section::World)).unwrap(), the_world());
    assert_eq!(replay::entities(section(Section::Changes)).unwrap(), the_changes());
}

#[test]
fn sections_read_back_to_the_data_they_were_made_from() {
    let bytes = hex(results::FULL_RESULT);
    let read = client::decode_viewer(&bytes).unwrap();
    let record = Record::read(read.record).unwrap();
    check_record(&record);
    assert_eq!(replay::actions(record.section(Section::Commands).unwrap()).unwrap(), the_commands());
    assert_eq!(replay::map(record.section(Section::Map).unwrap()).unwrap(), the_map());
    let config = replay::config(record.section(Section::Config).unwrap()).unwrap();
    assert_eq!(config, CONFIG.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let mut again = Vec::new();
    section::raw(&mut again, Section::Perceptions, record.section(Section::Perceptions).unwrap());
    assert_eq!(again, sections()[5]);
    for cut in 0..bytes.len() {
        assert!(client::decode_viewer(&bytes[..cut]).is_err(), "cut at {cut}");
        assert!(Value::decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn entities_and_maps_of_another_writer_are_read_kindly() {
    let read = replay::entities(&hex(results::JAVA_ENTITIES)).unwrap();
    // Its x and history are nil: undefined now.
    let mut gone = Entity { id: 1, deleted: true, history: Some(Cow::Borrowed(&[])), ..Entity::default() };
    gone.properties.undefine(Property::X);
    gone.properties.set(Property::Stamina, Some(5));
    assert_eq!(read[0], gone);
    assert_eq!((read[1].kind, read[1].blockades.as_deref()), (Some(EntityType::Road), Some(&[][..])));
    assert_eq!(read[2], Entity { id: 3, kind: Some(EntityType::Unknown), ..Entity::default() });
    let map = replay::map(&hex(results::JAVA_MAP)).unwrap();
    assert_eq!((map.width, map.height, map.origin), (10.0, -2.0, None));
    assert_eq!(map.bounds(), [0.0, 0.0, 10.0, -2.0]);
    assert!(map.areas[0].edges.iter().all(|edge| edge.adjacent.is_none()) && map.areas[0].neighbours.is_empty());
}

/// What a recording says of itself, its records by time, and whether it may end where it does.
type Played = (Vec<String>, Vec<(i64, Vec<u8>)>, Result<bool, Error>);

/// Everything a recording holds, given to the player in pieces of `piece` bytes.
fn play(bytes: &[u8], piece: usize) -> Played {
    let (mut player, mut held, mut facts, mut records) = (Player::new(), Vec::new(), Vec::new(), Vec::new());
    let mut pieces = bytes.chunks(piece);
    loop {
        match player.step(&held) {
            Err(error) => return (facts, records, Err(error)),
            Ok(Progress::More) => match pieces.next() {
                Some(piece) => held.extend_from_slice(piece),
                None => return (facts, records, Ok(player.may_end(held.len()))),
            },
            Ok(Progress::Took(used, item)) => {
                match item {
                    Item::MaxTimeStep(step) => facts.push(format!("max {step}")),
                    Item::MapName(name) => facts.push(format!("name {name}")),
                    Item::Static(Section::Map, value) => {
                        // An old recording does not say where its map lies.
                        let map = replay::map(value).map(|map| MapInfo { origin: the_map().origin, ..map });
                        facts.push(format!("map {}", map == Ok(the_map())));
                    }
                    Item::Static(section, value) => {
                        facts.push(format!(
                            "{} {:?}",
                            section.key(),
                            replay::config(value).map(|entries| entries.len())
                        ));
                    }
                    Item::Record { time, bytes } => records.push((time, bytes.to_vec())),
                    Item::Nothing => {}
                }
                held.drain(..used);
            }
        }
    }
}

fn recording() -> (Vec<u8>, Vec<usize>) {
    let sections = sections();
    let mut file = Vec::new();
    vlog::write_heading(
        &mut file,
        Heading { max_time_step: 300, map_name: "test", map: &sections[0], config: &sections[4] },
    );
    let mut ends = vec![file.len()];
    for time in 1..=3 {
        let parts: [&[u8]; 3] = [if time == 1 { &sections[1] } else { &[] }, &sections[2], &sections[3]];
        let start = file.len();
        let whole = vlog::write_prelude(&mut file, time, &parts);
        parts.iter().for_each(|part| file.extend_from_slice(part));
        assert_eq!(file.len(), start + whole);
        ends.push(file.len());
    }
    (file, ends)
}

#[test]
fn a_recording_plays_the_same_whatever_pieces_it_comes_in() {
    let (file, _) = recording();
    let (facts, records, end) = play(&file, file.len());
    assert_eq!(facts, ["max 300", "name test", "map true", "config Ok(2)"]);
    assert_eq!(records.iter().map(|(time, _)| *time).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(end, Ok(true));
    check_record(&Record::read(&records[0].1).unwrap());
    assert!(Record::read(&records[1].1).unwrap().section(Section::World).is_none());
    for piece in [1, 2, 3, 7, 64, 1000] {
        assert_eq!(play(&file, piece), (facts.clone(), records.clone(), Ok(true)), "pieces of {piece}");
    }
}

#[test]
fn a_timestep_behind_a_later_one_ends_a_recording_unless_a_world_begins_anew() {
    let sections = sections();
    let record = |file: &mut Vec<u8>, time, parts: &[&[u8]]| {
        vlog::write_prelude(file, time, parts);
        parts.iter().for_each(|part| file.extend_from_slice(part));
    };
    let (mut file, _) = recording();
    record(&mut file, 3, &[&sections[2]]);
    record(&mut file, 1, &[&sections[1], &sections[2]]);
    record(&mut file, 2, &[&sections[2]]);
    let (_, records, end) = play(&file, 100);
    assert_eq!((records.len(), end), (6, Ok(true)), "one twice, and another run");
    record(&mut file, 1, &[&sections[2]]);
    record(&mut file, 5, &[&sections[2]]);
    let (_, records, end) = play(&file, 100);
    assert_eq!((records.len(), end), (6, Err(Error::Disordered { time: 1, behind: 2 })));
}

#[test]
fn a_recording_cut_off_anywhere_gives_every_whole_record_before_the_cut() {
    let (file, ends) = recording();
    for cut in 0..=file.len() {
        let (_, records, end) = play(&file[..cut], 64);
        let whole = ends.iter().skip(1).filter(|end| **end <= cut).count();
        assert_eq!((records.len(), end), (whole, Ok(ends.contains(&cut))), "cut at {cut}");
    }
}

#[test]
fn a_recording_says_where_it_ends_and_one_that_does_not_come_to_it_was_cut() {
    let (mut file, ends) = recording();
    vlog::write_end(&mut file);
    let lacks_end = |bytes: &[u8]| {
        let (mut player, mut at) = (Player::new(), 0);
        while let Progress::Took(used, _) = player.step(&bytes[at..]).unwrap() {
            at += used;
        }
        player.lacks_end()
    };
    for cut in 0..=file.len() {
        let (_, records, end) = play(&file[..cut], 64);
        let is_whole = cut == file.len();
        assert_eq!(end, Ok(ends.contains(&cut) || is_whole), "cut at {cut}");
        assert_eq!(records.len() == 3, cut >= ends[3], "cut at {cut}");
        assert!(cut < ends[0] || lacks_end(&file[..cut]) != is_whole, "cut at {cut}");
    }
    file.push(0);
    assert!(play(&file, 100).2.is_err(), "nothing comes behind it");
    // Those from before say nothing of an end.
    assert!(!lacks_end(&hex(results::OLD_RECORDING)));
}

#[test]
fn zeros_that_a_crash_left_behind_end_a_recording_but_do_not_spoil_it() {
    let (mut file, _) = recording();
    file.extend([0; 4096]);
    let (_, records, end) = play(&file, 100);
    assert_eq!((records.len(), end.is_err()), (3, true));
}

#[test]
fn the_older_form_plays_with_text_keys_and_with_integer_keys() {
    for vector in [results::OLD_RECORDING, results::OLD_RECORDING_INT_KEYS] {
        let file = hex(vector);
        let (mut facts, records, end) = play(&file, file.len());
        facts.sort();
        assert_eq!(facts, ["config Ok(2)", "map true", "max 12", "name test"]);
        assert_eq!(records.iter().map(|(time, _)| *time).collect::<Vec<_>>(), [1, 2, 12]);
        assert_eq!(end, Ok(true));
        check_record(&Record::read(&records[0].1).unwrap());
        let second = Record::read(&records[1].1).unwrap();
        assert_eq!(replay::actions(second.section(Section::Commands).unwrap()).unwrap(), the_commands());
        assert_eq!(second.section(Section::Perceptions), None, "nil is absent");
        for piece in [1, 5, 333] {
            assert_eq!(play(&file, piece).1, records, "pieces of {piece}");
        }
        for cut in 0..file.len() {
            let (_, some, end) = play(&file[..cut], 512);
            assert!(records.starts_with(&some) && end == Ok(false), "cut at {cut}");
        }
    }
}

#[test]
fn a_recording_of_the_older_form_can_be_added_to() {
    let mut file = hex(results::OLD_RECORDING);
    vlog::write_prelude(&mut file, 13, &[]);
    let (_, records, end) = play(&file, 50);
    assert_eq!((records.last().map(|(time, _)| *time), end), (Some(13), Ok(true)));
}

#[test]
fn recordings_that_are_none_are_refused() {
    let cases = [
        ("c0", "the message does not begin with a map"),
        ("cd0010", "the message does not begin with a map"),
        ("81a776657273696f6e02", "field version is not 1: another instep has written it"),
        ("81a776657273696f6ea131", "field version is not 1: another instep has written it"),
        ("81a36c6f6707", "field log is not a map"),
        ("81a36c6f6781a178c0", "field log has a key that is not a timestep"),
        ("81a36c6f6781c0c0", "field log has a key that is not a timestep"),
        ("81a76d61704e616d6507", "field mapName is not text"),
        ("8190c0", "the message has a key that is neither text nor a number"),
        ("80c3", "the length header is not a whole number of bytes"),
        ("80cfffffffffffffffff", "a message of 18446744073709551615 bytes is over the limit of 67108864"),
        ("8000", "the message ends in the middle of a value"),
        ("800180", "field time is missing"),
        ("8001c0", "the message is not a map"),
        ("81a178c1", "the message holds the byte c1, which MsgPack does not use"),
    ];
    for (bytes, why) in cases {
        assert_eq!(play(&hex(bytes), 1).2.map_err(|error| error.to_string()), Err(why.to_owned()), "{bytes}");
    }
    let deep = [hex("81a178"), vec![0x91; 200]].concat();
    assert_eq!(play(&deep, 1).2, Err(Error::Malformed("nests too deeply")));
    let endless_key = [hex("81dbffffffff"), vec![b'k'; 600]].concat();
    assert_eq!(play(&endless_key, 50).2, Err(Error::Malformed("has a key that is too long")));
}

#[test]
fn records_made_to_grow_in_memory_are_refused() {
    // One byte each on the wire, and a count that is true.
    let many: u32 = 1_000_000;
    let list = |item: &[u8]| [&[0xdd][..], &many.to_be_bytes(), &item.repeat(many.try_into().unwrap())].concat();
    let too_many = |field| Error::BadField { field, problem: "has too many items" };
    assert_eq!(replay::entities(&list(&hex("81a2696401"))), Err(too_many("entities")));
    assert_eq!(replay::actions(&list(&hex("81a2696401"))), Err(too_many("commands")));
    assert_eq!(replay::entities(&list(&[0x80])), Err(Error::BadField { field: "id", problem: "is missing" }));
    let mut config = [&[0xdf][..], &many.to_be_bytes()].concat();
    config.extend(hex("a0a0").repeat(many.try_into().unwrap()));
    assert_eq!(replay::config(&config), Err(too_many("config")));
    // A count that is not true reserves nothing.
    assert!(replay::entities(&hex("ddffffffff")).is_err());
    assert!(Value::decode(&hex("dfffffffff")).is_err());
    assert!(Value::decode(&[0x91; 1000]).is_err());
}

#[test]
fn every_result_with_any_byte_changed_is_read_without_panic() {
    for vector in [results::FULL_RESULT, results::OLD_RECORDING, results::EVERYTHING_NESTED] {
        let good = hex(vector);
        for at in 0..good.len() {
            for change in [0x01, 0x20, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= change;
                drop(play(&bad, bad.len()));
                drop(client::decode_control(&bad).map(|read| read.data.to_string()));
                let Ok(read) = client::decode_viewer(&bad) else {
                    continue;
                };
                let Ok(record) = Record::read(read.record) else {
                    continue;
                };
                for section in Section::ALL {
                    let Some(value) = record.section(section) else {
                        continue;
                    };
                    drop((replay::entities(value), replay::actions(value), replay::map(value), replay::config(value)));
                }
            }
        }
    }
}
