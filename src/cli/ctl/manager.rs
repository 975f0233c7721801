//! The commands that go to the Manager's control port: one function of its protocol each.
//!
//! Ids are looked at before anybody is asked. A function that the Manager refuses is told in the Manager's own words.

use instep::control::client::{ControlRequest, decode_control};
use instep::control::envelope::Shape;
use instep::control::function::{Argument, Function};
use instep::leco::address;
use serde_json::{Value, json};

use super::super::client::{Denial, Trouble, now, seconds};
use super::super::credentials;
use super::super::framed::{self, Framed, Silence};
use super::super::ports;
use super::super::table::{Column, table, word};
use super::super::visible::visible;
use super::answer::{Cells, cell, list, part, table_of};
use super::command::{Connection, Given, Report, Stop};

impl Connection {
    fn control_address(&mut self) -> Result<String, Stop> {
        if let Some(control) = &self.control {
            return Ok(control.clone());
        }
        let told = ports::ask(self.client()?)?;
        let control = ports::control(&self.address, told.as_ref())?.ok_or_else(|| {
            let (address, offset) = (&self.address, ports::CONTROL_OFFSET);
            let wrong = format!("there is no port {offset} higher; name the control port with --control");
            Stop::Usage(format!("--address '{address}': {wrong}"))
        })?;
        Ok(self.control.insert(control).clone())
    }

    /// A connection to the Manager's control port.
    pub(super) fn control_line(&mut self) -> Result<Framed, Stop> {
        let address = self.control_address()?;
        Ok(Framed::connect(&address, self.timeout)?)
    }

    /// Calls a function of the Manager and gives its data object.
    fn control(
        &mut self,
        function: Function,
        arguments: impl for<'o> FnOnce(ControlRequest<'o>) -> ControlRequest<'o>,
    ) -> Result<Value, Stop> {
        let line = self.control_line()?;
        self.control_through(line, function, arguments)
    }

    /// Calls a function for the ids that the command line names, which `name` writes into the request; for all where there are none.
    fn control_some(
        &mut self,
        given: &Given,
        function: Function,
        name: impl for<'o> FnOnce(ControlRequest<'o>, &[i64]) -> ControlRequest<'o>,
    ) -> Result<Value, Stop> {
        let ids = ids(given, 0)?;
        self.control(function, |request| if ids.is_empty() { request } else { name(request, &ids) })
    }

    /// As [`Self::control`], through a connection that is there.
    pub(super) fn control_through(
        &self,
        mut line: Framed,
        function: Function,
        arguments: impl for<'o> FnOnce(ControlRequest<'o>) -> ControlRequest<'o>,
    ) -> Result<Value, Stop> {
        if let Some(token) = credentials::token().map_err(Stop::Failed)? {
            let function = Function::Authenticate;
            self.exchange(&mut line, function, &written(function, |request| request.text(Argument::Token, token)))?;
        }
        self.exchange(&mut line, function, &written(function, arguments))
    }

    /// One request and its result.
    fn exchange(&self, line: &mut Framed, function: Function, request: &[u8]) -> Result<Value, Stop> {
        let address = line.address().to_owned();
        let name = function.name();
        line.send(request)?;
        let nobody = |what: &str| Trouble::Nobody(format!("the Manager at {address} {what} {name}"));
        let broken = |what: &str| Trouble::Broken(format!("{address} is no Manager's control port: {what}"));
        let body = line.next(Some(now() + self.timeout)).map_err(|silence| match silence {
            Silence::Late => nobody(&format!("did not answer within {}:", seconds(self.timeout))),
            Silence::Closed => nobody("closed the connection before it answered"),
            Silence::Torn => nobody("closed the connection while it answered"),
            Silence::Failed(why) => Trouble::Nobody(format!("{address}: {why}")),
            Silence::Broken(error) => broken(&error.to_string()),
        })?;
        let result = decode_control(&body).map_err(|error| broken(&error.to_string()))?;
        let mut data = framed::json(&result.data);
        if result.ok && result.id == function.id() {
            return Ok(data);
        }
        if result.ok {
            return Err(broken("it answers something else than was asked").into());
        }
        let message = data.as_object_mut().and_then(|data| data.remove("message"));
        let message = message.as_ref().and_then(Value::as_str).filter(|text| !text.is_empty());
        let message = message.map_or_else(|| format!("the Manager refused {name}"), str::to_owned);
        Err(Trouble::Denied(Box::new(Denial { message, data })).into())
    }
}

/// A request, to which `arguments` adds what it asks for.
fn written(function: Function, arguments: impl for<'o> FnOnce(ControlRequest<'o>) -> ControlRequest<'o>) -> Vec<u8> {
    let mut request = Vec::new();
    arguments(ControlRequest::begin(&mut request, Shape::Beside, function)).finish();
    request
}

/// The words from `first` on as ids.
fn ids(given: &Given, first: usize) -> Result<Vec<i64>, Stop> {
    let id = |text: &String| {
        let id = text.parse().ok().filter(|id: &i64| *id >= 0);
        id.ok_or_else(|| Stop::Usage(format!("'{text}' is not an id, which is a whole number")))
    };
    given.words.iter().skip(first).map(id).collect()
}

/// Ids in a sentence.
fn listed<'a>(ids: impl IntoIterator<Item = &'a i64>) -> String {
    ids.into_iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

/// Names the provider that stays listed, with its reason, when it could not be opened.
fn of_provider(mut stop: Stop) -> Stop {
    if let Stop::Trouble(Trouble::Denied(denial)) = &mut stop
        && let Some(id) = denial.data.get("provider").and_then(Value::as_i64)
    {
        denial.message = format!("provider {id}: {}", denial.message);
    }
    stop
}

pub(super) fn open(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let (first, port, keep) = (given.word(0), given.word(1), given.switch("keep"));
    let json = if port.is_empty() {
        if keep {
            return Err(Stop::Usage("open: --keep is for a kernel, HOST PORT".to_owned()));
        }
        connection.control(Function::Open, |request| request.logfilename(first)).map_err(of_provider)?
    } else {
        let number = port.parse().ok().filter(|port: &u16| *port > 0);
        let number = number.ok_or_else(|| Stop::Usage(format!("open: '{port}' is not a port from 1 to 65535")))?;
        connection
            .control(Function::Open, |request| {
                let request = request.address(first, number);
                if keep { request.keep() } else { request }
            })
            .map_err(of_provider)?
    };
    let id = cell(&json, "provider");
    let text = match json.pointer("/providerinfo/0/message").and_then(Value::as_str) {
        None => format!("provider {id} is open\n"),
        // Nobody has answered so far.
        Some("waiting") => format!("provider {id} is open, waiting for {first} {port}\n"),
        Some(message) => format!("provider {id} is open: {}\n", visible(message)),
    };
    Ok(Report { json, text })
}

pub(super) fn close(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let ids = ids(given, 0)?;
    connection.control(Function::Close, |request| request.provider(&ids))?;
    Ok(Report { text: format!("provider {} is closed\n", listed(&ids)), json: json!({"provider": ids}) })
}

pub(super) fn logs(_: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let json = connection.ask("COORDINATOR", "logs", &Value::Null)?;
    let files = list(&json, "logs");
    let columns = [(Column::Left("NAME"), Cells::Key("name")), (Column::Right("BYTES"), Cells::Key("bytes"))];
    let mut text = table_of(&files, &columns);
    if files.as_array().is_none_or(Vec::is_empty) {
        "there are no logs (log_dir)\n".clone_into(&mut text);
    } else if json.get("more").and_then(Value::as_bool) == Some(true) {
        text.push_str("and others\n");
    }
    Ok(Report { json, text })
}

pub(super) fn providers(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let data =
        connection.control_some(given, Function::GetProviderInformation, |request, ids| request.provider(ids))?;
    let json = list(&data, "providerinfo");
    // Of the last timestep.
    let age = |row: &Value| match row.get("age_ms").and_then(Value::as_u64) {
        Some(ms) if ms < 1000 => format!("{ms} ms"),
        Some(ms) => format!("{} s", ms / 1000),
        None => "-".to_owned(),
    };
    let columns = [
        (Column::Right("ID"), Cells::Key("id")),
        (Column::Left("TYPE"), Cells::Key("type")),
        (Column::Left("STATUS"), Cells::Key("status")),
        (Column::Right("TIME"), Cells::Key("time")),
        (Column::Right("OF"), Cells::Key("maxtime")),
        (Column::Right("AGE"), Cells::Made(&age)),
        (Column::Left("SOURCE"), Cells::Key("ids")),
        (Column::Left("MESSAGE"), Cells::Key("message")),
    ];
    Ok(Report { text: table_of(&json, &columns), json })
}

pub(super) fn viewers(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let data = connection.control_some(given, Function::GetViewerInformation, |request, ids| request.viewer(ids))?;
    let json = list(&data, "viewerinfo");
    let address = |row: &Value| {
        let address = part(row, "address");
        let (host, port) = (cell(&address, "host"), cell(&address, "port"));
        port.parse().map_or_else(|_| format!("{host} {port}"), |port| address::join(&host, port))
    };
    let columns = [
        (Column::Right("ID"), Cells::Key("id")),
        (Column::Left("STATUS"), Cells::Key("status")),
        (Column::Left("ADDRESS"), Cells::Made(&address)),
    ];
    Ok(Report { text: table_of(&json, &columns), json })
}

pub(super) fn sessions(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let data = connection.control_some(given, Function::GetSessionInformation, |request, ids| request.session(ids))?;
    let json = list(&data, "sessioninfo");
    let columns = [
        (Column::Right("ID"), Cells::Key("id")),
        (Column::Left("NAME"), Cells::Key("name")),
        (Column::Right("PROVIDER"), Cells::Key("provider")),
        (Column::Left("STATUS"), Cells::Key("status")),
        (Column::Left("STATE"), Cells::Key("state")),
        (Column::Left("VIEWERS"), Cells::Key("viewer")),
    ];
    Ok(Report { text: table_of(&json, &columns), json })
}

pub(super) fn connect(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let [viewer, provider] = ids(given, 0)?[..] else {
        return Err(Stop::Usage("connect: a viewer and a provider are wanted".to_owned()));
    };
    let json = connection.control(Function::Connect, |request| request.connection(provider, viewer))?;
    let text = format!("viewer {viewer} is in session {} of provider {provider}\n", cell(&json, "session"));
    Ok(Report { json, text })
}

pub(super) fn play(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let [provider] = ids(given, 0)?[..] else { return Err(Stop::Usage("play: a provider is wanted".to_owned())) };
    let number = |long: &str, wanted: &str| match given.text(long) {
        None => Ok(Value::Null),
        Some(text) => match serde_json::from_str(text) {
            Ok(number @ Value::Number(_)) => Ok(number),
            _ => Err(Stop::Usage(format!("play: --{long} '{text}': {wanted} is wanted"))),
        },
    };
    let (speed, time) = (number("speed", "a number")?, number("seek", "the number of a timestep")?);
    if speed.is_null() && time.is_null() {
        return Err(Stop::Usage("play: --speed or --seek is wanted".to_owned()));
    }
    let asked = json!({"provider": provider, "speed": speed, "time": time});
    let client = connection.client()?;
    let json = client.ask("COORDINATOR", "play", &asked).map_err(Trouble::in_words_of_manager)?;
    let said = [("at speed", &speed), ("from timestep", &time)].into_iter().filter(|(_, value)| !value.is_null());
    let said: Vec<String> = said.map(|(words, value)| format!("{words} {value}")).collect();
    // How far a log goes may be known only when it has been read; 0 is not known at all.
    let last = json.pointer("/providerinfo/0/maxtime").and_then(Value::as_i64).filter(|last| *last > 0);
    let is_beyond = time.as_i64().zip(last).is_some_and(|(time, last)| time > last);
    let rest = if is_beyond { ", or to its end where that comes first" } else { "" };
    Ok(Report { text: format!("provider {provider} is played {}{rest}\n", said.join(", ")), json })
}

pub(super) fn disconnect(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let ids = ids(given, 0)?;
    connection.control(Function::Disconnect, |request| request.viewer(&ids))?;
    Ok(Report { text: format!("viewer {} is in no session\n", listed(&ids)), json: json!({"viewer": ids}) })
}

pub(super) fn refresh(given: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let data = connection.control_some(given, Function::Refresh, |request, ids| request.provider(ids))?;
    let json = json!({"provider": list(&data, "provider")});
    let text = match cell(&json, "provider").as_str() {
        "-" => "there is no connection to renew\n".to_owned(),
        ids => format!("provider {} connects anew\n", ids.replace(',', ", ")),
    };
    Ok(Report { json, text })
}

pub(super) fn errors(_: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let json = list(&connection.control(Function::GetErrorList, |request| request)?, "errors");
    let lines = json.as_array().into_iter().flatten().map(|line| format!("{}\n", visible(&word(line))));
    let text = lines.collect::<String>();
    Ok(Report { text: if text.is_empty() { "there are no errors\n".to_owned() } else { text }, json })
}

pub(super) fn manager(_: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    let json = part(&connection.control(Function::GetManagerInformation, |request| request)?, "manager");
    // The protocol's own spelling of `viewers` is told to scripts, not to people.
    let about = json.as_object().into_iter().flatten().filter(|(key, _)| *key != "vieweres");
    let rows: Vec<[String; 2]> = about.map(|(key, _)| [key.clone(), cell(&json, key)]).collect();
    let text = table([Column::Left("MANAGER"), Column::Left("VALUE")], &rows);
    Ok(Report { json, text })
}

pub(super) fn exit(_: &Given, connection: &mut Connection) -> Result<Report, Stop> {
    connection.control(Function::Exit, |request| request)?;
    Ok(Report { json: json!({}), text: "the Manager ends\n".to_owned() })
}
