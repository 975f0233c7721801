"""Clients of C2SIM over HTTP and WebSocket, the latter by a library of the field, in a session with a pyleco listener's peer."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any, Callable, Iterator, Optional

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from coordinators import Node, free_port
from leco import Client, until
from test_session import DEFAULT, INITIALIZATION, document, submit, system

pytestmark = pytest.mark.ours("it has no sessions")


class Guest:
    """One client: a connection for what it asks, and a stream that a thread reads."""

    def __init__(self, port: int, name: str) -> None:
        self.name = name
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.heard: list[str] = []
        self.stream: Optional[ClientConnection] = None
        self.closed: Optional[int] = None

    def ask(self, method: str, path: str, body: Any = None, media_type: str = "application/json") -> tuple[int, Any]:
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {"clientId": self.name, "Content-Type": media_type}
        self.connection.request(method, f"/api/c2sim/session/{path}", body, headers)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        is_json = answer.getheader("Content-Type", "").startswith("application/json")
        return answer.status, json.loads(text) if is_json else text

    def send(self, payload: bytes) -> tuple[int, Any]:
        return self.ask("POST", "default/send", payload, "application/xml")

    def listen(self) -> None:
        status, endpoints = self.ask("GET", "default/stream-endpoints")
        assert status == 200
        stream = connect(endpoints["websocket"]["url"], compression=None, legacy=True)
        self.stream, self.closed = stream, None

        def read() -> None:
            try:
                for message in stream:
                    assert isinstance(message, str) and message.endswith("\n") and message.count("\n") == 1
                    self.heard.append(message)
            except ConnectionClosed:
                pass
            self.closed = stream.protocol.close_code

        threading.Thread(target=read, daemon=True).start()

    def join(self) -> None:
        status, answer = self.ask("POST", "default/join", {"systemName": self.name, "clientIdDisplayName": "test"})
        assert status == 200 and list(answer) == ["session"], answer


@pytest.fixture
def lab(make_node: Callable[..., Node]) -> Iterator[tuple[Node, Callable[[str], Guest]]]:
    port = free_port()
    node = make_node("N1", arguments=["--http-bind", f"127.0.0.1:{port}"])
    guests: list[Guest] = []

    def make(name: str) -> Guest:
        guest = Guest(port, name)
        guest.listen()
        guest.join()
        guests.append(guest)
        return guest

    yield node, make
    for guest in guests:
        if guest.stream:
            guest.stream.close()
        guest.connection.close()


def kinds(documents: list[str]) -> list[str]:
    known = ["SubmitInitialization", "C2SIMInitializationBody", "ShareScenario", "StartScenario", "ReportBody"]
    return [next(kind for kind in known if kind in document) for document in documents]


def share(guest: Guest) -> None:
    for payload in (system("A", "SubmitInitialization"), INITIALIZATION, system("A", "ShareScenario")):
        status, answer = guest.send(payload)
        assert status == 200, answer


def test_guests_and_a_component_hear_one_another(
    lab: tuple[Node, Callable[[str], Guest]], make_client: Callable[..., Client]
) -> None:
    node, make = lab
    a, b = make("aaaaa"), make("bbbbb")
    component = make_client(node, "CA")
    component.sign_in()
    component.ask("join", {"format": "json"}, DEFAULT)
    share(a)
    assert "error" not in submit(component, system("CA", "StartScenario"))
    until(lambda: len(a.heard) == 2 and len(b.heard) == 4, "what was sent is heard")
    assert kinds(a.heard) == ["C2SIMInitializationBody", "StartScenario"]
    assert kinds(b.heard) == ["SubmitInitialization", "ShareScenario", "C2SIMInitializationBody", "StartScenario"]
    status, refused = a.send(system("A", "ShareScenario"))
    assert (status, refused["code"], list(refused)) == (400, "STATE_TRANSITION_NOT_ALLOWED", ["code", "message", "details"])
    rows = component.ask("members", None, DEFAULT).data["result"]["members"]
    assert sorted(row["format"] for row in rows) == ["json", "ws", "ws"]


def test_a_thousand_reports_come_in_order_over_cuts_of_the_stream(lab: tuple[Node, Callable[[str], Guest]]) -> None:
    _, make = lab
    a, b = make("aaaaa"), make("bbbbb")
    share(a)
    assert a.send(system("A", "StartScenario"))[0] == 200
    until(lambda: len(b.heard) == 4, "what was sent is heard")
    sent = []
    for number in range(1000):
        body = f"<DomainMessageBody><ReportBody><N>{number}</N></ReportBody></DomainMessageBody>"
        assert a.send(document("A", body))[0] == 200
        sent.append(number)
        if number % 250 == 100:
            # The newest stream wins; between the two nothing is lost.
            until(lambda: b.heard and f"<N>{number}</N>" in b.heard[-1], "what was sent is heard")
            old = b.stream
            b.listen()
            until(lambda: old is not None and old.protocol.close_code == 1000, "what was sent is heard")
    until(lambda: f"<N>{sent[-1]}</N>" in b.heard[-1], "what was sent is heard")
    numbers = [int(text.split("<N>")[1].split("<")[0]) for text in b.heard if "<N>" in text]
    assert numbers == sent


def test_a_server_that_stops_has_its_clients_come_back(make_node: Callable[..., Node]) -> None:
    port = free_port()
    node = make_node("N1", arguments=["--http-bind", f"127.0.0.1:{port}"])
    guest = Guest(port, "aaaaa")
    guest.listen()
    guest.join()
    assert node.stop() == 0
    until(lambda: guest.closed == 1012, "what was sent is heard")
    time.sleep(0.1)
    with pytest.raises(OSError):
        http.client.HTTPConnection("127.0.0.1", port, timeout=1).connect()
