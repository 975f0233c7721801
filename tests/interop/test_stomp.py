"""Clients of GMU's C2SIM server: commands and documents over HTTP, and what is heard of them by a STOMP library of the field."""

from __future__ import annotations

import http.client
from typing import Any, Callable, Iterator
from urllib.parse import urlencode

import pytest
import stomp

from coordinators import Node, free_port
from leco import Client, until
from test_session import DEFAULT, document, submit

pytestmark = pytest.mark.ours("it has no sessions")

OLD = "http://www.sisostds.org/schemas/C2SIM/1.1"
OTHER = "http://www.sisostds.org/schemas/C2SIM/2.0.0-cwix2026"
CONNECTIONS = [stomp.Connection10, stomp.Connection11, stomp.Connection12]


class Ear(stomp.ConnectionListener):
    """One connection that subscribes, and what has come on it."""

    def __init__(self, kind: Any, port: int, **headers: str) -> None:
        self.messages: list[Any] = []
        self.errors: list[Any] = []
        self.beats = 0
        self.starved = False
        self.over = False
        is_first = kind is stomp.Connection10
        self.connection = kind([("127.0.0.1", port)], **({} if is_first else {"heartbeats": (0, 5000)}))
        self.connection.set_listener("ear", self)
        self.connection.connect("", "", wait=True)
        number = {} if is_first else {"id": "1"}
        self.connection.subscribe("/topic/C2SIM", headers=headers, **number)

    def on_message(self, frame: Any) -> None:
        self.messages.append(frame)

    def on_error(self, frame: Any) -> None:
        self.errors.append(frame)

    def on_heartbeat(self) -> None:
        self.beats += 1

    def on_heartbeat_timeout(self) -> None:
        self.starved = True

    def on_disconnected(self) -> None:
        self.over = True

    def numbers(self) -> list[int]:
        return [int(frame.headers["message-number"]) for frame in self.messages]


@pytest.fixture
def lab(make_node: Callable[..., Node]) -> Iterator[tuple[Node, int, Callable[..., Ear]]]:
    web, topic = free_port(), free_port()
    node = make_node("N1", arguments=["--http-bind", f"127.0.0.1:{web}", "--stomp-bind", f"127.0.0.1:{topic}"])
    ears: list[Ear] = []

    def hear(kind: Any, **headers: str) -> Ear:
        ears.append(Ear(kind, topic, **headers))
        return ears[-1]

    yield node, web, hear
    for ear in ears:
        ear.connection.disconnect()


def ask(port: int, path: str, body: bytes = b"", **query: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", f"/C2SIMServer/{path}?{urlencode(query)}", body, {"Content-Type": "application/xml"})
    answer = connection.getresponse()
    assert answer.status == 200
    text = answer.read().decode()
    connection.close()
    return text


def command(port: int, word: str) -> str:
    return ask(port, "command", submitterID="PY", command=word)


def old(sender: str, body: str) -> bytes:
    return document(sender, body).replace(OTHER.encode(), OLD.encode())


def test_every_version_hears_an_exercise_in_one_order(
    lab: tuple[Node, int, Callable[..., Ear]], join: Callable[..., Client]
) -> None:
    node, port, hear = lab
    member = join(node, "A")
    member.ask("join", {"system": "A", "format": "json"}, DEFAULT)
    ears = [hear(kind) for kind in CONNECTIONS]
    orders = hear(stomp.Connection12, selector="message-type = 'C2SIM_Order'")
    until(lambda: len(member.ask("members", None, DEFAULT).data["result"]["members"]) == 5, "all are members")
    assert command(port, "INITIALIZE") == "INITIALIZE Command processed.  State set to INITIALIZING"
    body = (
        "<C2SIMInitializationBody><ObjectDefinitions><Entity/></ObjectDefinitions><ScenarioSetting/>"
        "<SystemEntityList><SystemName>A</SystemName></SystemEntityList></C2SIMInitializationBody>"
    )
    pushed = ask(port, "c2sim", old("PY", body), submitterID="PY", protocol="SISO-STD-C2SIM")
    assert "<status>OK</status>" in pushed
    assert command(port, "SHARE") == "SHARE command processed and published 1 Units  and 0 Routes"
    assert command(port, "START") == "START Command processed.  State set to RUNNING"
    order = old("PY", "<DomainMessageBody><OrderBody/></DomainMessageBody>")
    assert "<status>OK</status>" in ask(port, "c2sim", order, submitterID="PY", protocol="SISO-STD-C2SIM")
    submit(member, old("A", "<DomainMessageBody><ReportBody/></DomainMessageBody>").replace(OLD.encode(), OTHER.encode()))
    assert command(port, "STOP") == "STOP command processed.  State set to INITIALIZED"
    kinds = ["Command", "Command", "Initialization", "Command", "Command", "Order", "Command"]
    until(lambda: all(len(ear.messages) == len(kinds) for ear in ears), "every message on every connection")
    for ear in ears:
        assert [frame.headers["message-selector"] for frame in ear.messages] == [f"C2SIM_{kind}" for kind in kinds]
        assert ear.numbers() == ears[0].numbers() == sorted(ear.numbers())
        assert all(frame.body.count("\n") == 1 and OLD in frame.body for frame in ear.messages)
        assert [frame.headers["session-state"] for frame in ear.messages][-2:] == ["RUNNING", "INITIALIZED"]
    assert len(orders.messages) == 1 and "<OrderBody/>" in orders.messages[0].body


def test_beats_come_and_the_end_is_told(lab: tuple[Node, int, Callable[..., Ear]]) -> None:
    node, port, hear = lab
    ear = hear(stomp.Connection12)
    until(lambda: ear.beats >= 2, "two signs of life", 15)
    assert not ear.starved and not ear.over
    node.stop()
    until(lambda: ear.over, "the end")
    assert ear.errors and ear.errors[0].headers["message"] == "the server stops"
