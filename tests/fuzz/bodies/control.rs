//! The MsgPack protocols of the control and viewer ports, requests and results, and recordings.

use instep::control::client::{self, ControlRequest, Value};
use instep::control::envelope::Shape;
use instep::control::framing::{self, Frame};
use instep::control::function::{Argument, Function};
use instep::control::ids::Ids;
use instep::control::reading::Reading;
use instep::control::replay::{self, Record};
use instep::control::request::{self, Call, NewSession, Request, SessionRef, Wanted, Which};
use instep::control::section::Section;
use instep::control::value::{Reader, Skim};
use instep::control::viewer;
use instep::control::vlog::{Player, Progress};
use instep::limits::{CONTROL_IDS_MAX, CONTROL_REQUEST_BYTES_MAX};

use super::{Cut, same_however_cut};

pub(crate) fn run(bytes: &[u8]) {
    same_however_cut(bytes, frames);
    same_however_cut(bytes, play);
    same_however_cut(bytes, skim);
    same_however_cut(bytes, pushed);
    check_request(bytes);
    check_viewer(bytes);
    if let Ok(record) = Record::read(bytes) {
        check_record(&record);
    }
    let values = Value::decode(bytes).map(|value| value.to_string());
    assert!(values.is_err() || Reader::new(bytes).skip().is_ok(), "a value that can be read can be skipped");
    if let Ok(result) = client::decode_control(bytes) {
        assert!(!result.data.to_string().is_empty());
    }
}

/// The bodies that the length headers find, and why no more are found.
fn frames(bytes: &[u8], mut cut: Cut) -> Vec<String> {
    let (mut buffer, mut left, mut heard) = (Vec::new(), bytes, Vec::new());
    while !left.is_empty() {
        let (piece, rest) = left.split_at(cut.next(left.len()));
        left = rest;
        buffer.extend_from_slice(piece);
        loop {
            match framing::scan(&buffer, CONTROL_REQUEST_BYTES_MAX) {
                Ok(Frame::Need(n)) => {
                    assert!(n > 0, "nothing is needed and nothing said");
                    break;
                }
                Ok(Frame::Whole { header_len, body_len }) => {
                    heard.push(format!("{:?}", &buffer[header_len..header_len + body_len]));
                    buffer.drain(..header_len + body_len);
                }
                Err(error) => {
                    heard.push(format!("{error:?}"));
                    return heard;
                }
            }
        }
    }
    heard
}

/// What a player makes of a recording.
fn play(bytes: &[u8], mut cut: Cut) -> Vec<String> {
    let mut player = Player::new();
    let (mut buffer, mut left, mut heard) = (Vec::new(), bytes, Vec::new());
    while !left.is_empty() {
        let (piece, rest) = left.split_at(cut.next(left.len()));
        left = rest;
        buffer.extend_from_slice(piece);
        loop {
            let taken = match player.step(&buffer) {
                Ok(Progress::More) => break,
                Ok(Progress::Took(taken, item)) => {
                    heard.push(format!("{taken} {item:?}"));
                    taken
                }
                Err(error) => {
                    heard.push(format!("{error:?}"));
                    return heard;
                }
            };
            assert!(taken > 0, "a step takes something");
            buffer.drain(..taken);
        }
    }
    heard
}

/// What a record that is pushed comes to, read in pieces.
fn pushed(bytes: &[u8], mut cut: Cut) -> String {
    let mut reading = Reading::new(bytes.to_vec());
    loop {
        match reading.go_on(cut.next(bytes.len().max(1))) {
            Ok(false) => {}
            Ok(true) => {
                let sections = Section::ALL.map(|section| reading.section(section));
                return format!("{:?} {sections:?} {:?}", reading.time(), reading.changes());
            }
            Err(error) => return error,
        }
    }
}

/// Where the first value ends.
fn skim(bytes: &[u8], mut cut: Cut) -> String {
    let mut skim = Skim::new();
    let mut come = 0;
    while come < bytes.len() {
        come += cut.next(bytes.len() - come);
        match skim.run(&bytes[..come]) {
            Ok(None) => {}
            Ok(Some(end)) => {
                assert!(end <= come);
                let mut reader = Reader::new(bytes);
                assert_eq!(reader.span().map(<[u8]>::len), Ok(end), "the reader finds the same end");
                return end.to_string();
            }
            Err(error) => return format!("{error:?}"),
        }
    }
    "more".to_owned()
}

/// A request that is read, written and read again is the same request.
fn check_request(body: &[u8]) {
    let call = request::decode(body);
    let Ok(asked) = &call.request else {
        assert!(!format!("{:?}", call.request).is_empty());
        return;
    };
    let Some(out) = write(call.to.shape, asked) else { return };
    let Ok(Frame::Whole { header_len, body_len }) = framing::scan(&out, CONTROL_REQUEST_BYTES_MAX * 2) else {
        panic!("what is written is framed")
    };
    assert_eq!(header_len + body_len, out.len());
    let again = request::decode(&out[header_len..]);
    assert_eq!(again.to, call.to, "the answer goes to the same place");
    assert_eq!(describe(&again), describe(&call));
}

/// A request in words, without where its lists lie.
fn describe(call: &Call<'_>) -> String {
    let ids = |ids: &Ids<'_>| {
        assert!(ids.len() <= CONTROL_IDS_MAX);
        ids.collect::<Vec<i64>>()
    };
    match &call.request {
        Ok(Request::Viewers(Which::These(list)) | Request::Providers(Which::These(list))) => format!("{:?}", ids(list)),
        Ok(Request::Refresh(Which::These(list)) | Request::Sessions(Which::These(list))) => format!("{:?}", ids(list)),
        Ok(Request::Close(list) | Request::Disconnect(list)) => format!("{:?}", ids(list)),
        Ok(Request::Connect(connections)) => {
            let pairs: Vec<(i64, i64)> = (*connections).collect();
            assert_eq!(pairs.len(), connections.total());
            format!("{pairs:?}")
        }
        other => format!("{other:?}"),
    }
}

/// Writes what the client can write.
fn write(shape: Shape, asked: &Request<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let list = |ids: &Ids<'_>| ids.collect::<Vec<i64>>();
    let written = match asked {
        Request::Exit => ControlRequest::begin(&mut out, shape, Function::Exit).finish(),
        Request::Connections => ControlRequest::begin(&mut out, shape, Function::GetConnectionInformation).finish(),
        Request::Authenticate { token } => {
            ControlRequest::begin(&mut out, shape, Function::Authenticate).text(Argument::Token, token).finish()
        }
        Request::Errors => ControlRequest::begin(&mut out, shape, Function::GetErrorList).finish(),
        Request::Manager => ControlRequest::begin(&mut out, shape, Function::GetManagerInformation).finish(),
        Request::Viewers(Which::All) => ControlRequest::begin(&mut out, shape, Function::GetViewerInformation).finish(),
        Request::Viewers(Which::These(ids)) => {
            ControlRequest::begin(&mut out, shape, Function::GetViewerInformation).viewer(&list(ids)).finish()
        }
        Request::Providers(Which::All) => {
            ControlRequest::begin(&mut out, shape, Function::GetProviderInformation).finish()
        }
        Request::Providers(Which::These(ids)) => {
            ControlRequest::begin(&mut out, shape, Function::GetProviderInformation).provider(&list(ids)).finish()
        }
        Request::Sessions(Which::All) => {
            ControlRequest::begin(&mut out, shape, Function::GetSessionInformation).finish()
        }
        Request::Sessions(Which::These(ids)) => {
            ControlRequest::begin(&mut out, shape, Function::GetSessionInformation).session(&list(ids)).finish()
        }
        Request::Refresh(Which::All) => ControlRequest::begin(&mut out, shape, Function::Refresh).finish(),
        Request::Refresh(Which::These(ids)) => {
            ControlRequest::begin(&mut out, shape, Function::Refresh).provider(&list(ids)).finish()
        }
        Request::Close(ids) => ControlRequest::begin(&mut out, shape, Function::Close).provider(&list(ids)).finish(),
        Request::Disconnect(ids) => {
            ControlRequest::begin(&mut out, shape, Function::Disconnect).viewer(&list(ids)).finish()
        }
        Request::Open(Wanted::Address { host, port, keep }) => {
            let request = ControlRequest::begin(&mut out, shape, Function::Open).address(host, *port);
            if *keep { request.keep().finish() } else { request.finish() }
        }
        Request::Open(Wanted::File(name)) => {
            ControlRequest::begin(&mut out, shape, Function::Open).logfilename(name).finish()
        }
        Request::Connect(connections) => {
            let mut pairs = *connections;
            let (provider, viewer) = pairs.next().filter(|_| connections.total() == 1)?;
            ControlRequest::begin(&mut out, shape, Function::Connect).connection(provider, viewer).finish()
        }
        Request::Trigger { session, trigger, at, system } => {
            let begun = of_session(ControlRequest::begin(&mut out, shape, Function::Trigger), session, *system);
            let begun = begun.text(Argument::Trigger, trigger);
            match at {
                Some(at) => begun.at(*at).finish(),
                None => begun.finish(),
            }
        }
        Request::SendDocument { session, document, system } => {
            let begun = of_session(ControlRequest::begin(&mut out, shape, Function::SendDocument), session, *system);
            begun.document(document).finish()
        }
        Request::CreateSession(new) => {
            create(ControlRequest::begin(&mut out, shape, Function::CreateSession), new).finish()
        }
    };
    assert_eq!(written, out.len());
    Some(out)
}

/// A session, and the system in whose name something is done in it.
fn of_session<'o>(begun: ControlRequest<'o>, session: &SessionRef<'_>, system: Option<&str>) -> ControlRequest<'o> {
    let named = match session {
        SessionRef::Id(id) => begun.session(&[*id]),
        SessionRef::Name(name) => begun.text(Argument::Session, name),
    };
    system.into_iter().fold(named, |begun, system| begun.text(Argument::System, system))
}

fn create<'o>(begun: ControlRequest<'o>, new: &NewSession<'_>) -> ControlRequest<'o> {
    let mut begun = begun.text(Argument::Name, new.name);
    if let Some(provider) = new.provider {
        begun = begun.provider(&[provider]);
    }
    let texts = [
        (Argument::Schema, new.schema),
        (Argument::DisplayName, new.display_name),
        (Argument::Description, new.description),
    ];
    for (argument, text) in texts.into_iter().chain(Argument::OPTIONS.into_iter().zip(new.options)) {
        if let Some(text) = text {
            begun = begun.text(argument, text);
        }
    }
    begun
}

/// The same for what viewers ask, and for what they are sent.
fn check_viewer(body: &[u8]) {
    if let Ok(asked) = viewer::decode(body) {
        let mut out = Vec::new();
        client::encode_viewer(&mut out, asked.request, asked.time);
        let Ok(Frame::Whole { header_len, .. }) = framing::scan(&out, CONTROL_REQUEST_BYTES_MAX) else {
            panic!("what is written is framed")
        };
        assert_eq!(viewer::decode(&out[header_len..]), Ok(asked));
    }
    if let Ok(result) = client::decode_viewer(body)
        && let Ok(record) = Record::read(result.record)
    {
        check_record(&record);
    }
}

/// Whatever a record holds is taken apart or refused.
fn check_record(record: &Record<'_>) {
    let section = |wanted| record.section(wanted).unwrap_or_default();
    let lengths = [
        replay::entities(section(Section::World)).map(|found| found.len()),
        replay::entities(section(Section::Changes)).map(|found| found.len()),
        replay::actions(section(Section::Commands)).map(|found| found.len()),
        replay::config(section(Section::Config)).map(|found| found.len()),
        replay::map(section(Section::Map)).map(|found| found.areas.len()),
    ];
    for length in lengths.into_iter().flatten() {
        assert!(length <= instep::limits::RECORD_ITEMS_MAX);
    }
}
