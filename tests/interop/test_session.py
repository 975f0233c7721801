"""Shared sessions under C2SIM flow control: pyleco's participants on two nodes, XML and JSON members, a viewer and a log."""

from __future__ import annotations

import queue
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from pyleco.directors.director import Director
from pyleco.json_utils.errors import JSONRPCError
from pyleco.utils.listener import Listener

import control_client as cc
from control_client import Controller, Viewer, write_log
from coordinators import Node
from leco import Client, Message, until

pytestmark = pytest.mark.ours("it has no sessions")

REFUSED = -32030
C2SIM = 128
NAMESPACE = "http://www.sisostds.org/schemas/C2SIM/2.0.0-cwix2026"
DEFAULT = "N1.session:default"


def document(sender: str, body: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Message xmlns="{NAMESPACE}"><C2SIMHeader>'
        "<ConversationID>11111111-2222-4333-8444-555555555555</ConversationID>"
        f"<FromSendingSystem>{sender}</FromSendingSystem>"
        "<MessageID>aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee</MessageID><Protocol>SISO-STD-C2SIM</Protocol>"
        f"<ProtocolVersion>1.0.2</ProtocolVersion></C2SIMHeader><MessageBody>{body}</MessageBody></Message>"
    ).encode()


def system(sender: str, element: str) -> bytes:
    return document(sender, f"<SystemMessageBody><{element}/></SystemMessageBody>")


INITIALIZATION = document(
    "A",
    "<C2SIMInitializationBody><ObjectDefinitions/><ScenarioSetting><Name>test</Name></ScenarioSetting>"
    "<SystemEntityList><ActorReference>00000000-0000-4000-8000-000000000001</ActorReference>"
    "<SystemName>A</SystemName></SystemEntityList></C2SIMInitializationBody>",
)


def submit(client: Client, payload: bytes, message_type: int = C2SIM, receiver: str = DEFAULT) -> dict[str, Any]:
    """Send a document and return the answer."""
    return client.receive_answer(client.send(receiver, payload, message_type=message_type)).data


def events(client: Client) -> list[Message]:
    """All notices that have come."""
    found: list[Message] = []
    while client.socket.poll(200):
        message = client.receive()
        if not client.answer_probe(message):
            found.append(message)
    return found


class Party:
    """A pyleco Listener that has joined a session and keeps what it hears."""

    def __init__(self, name: str, port: int, session: str) -> None:
        self.heard: queue.Queue[dict[str, Any]] = queue.Queue()
        self.session = session
        self.listener = Listener(name, host="127.0.0.1", port=port, timeout=5)
        self.listener.start_listen()
        self.communicator = self.listener.get_communicator()
        self.communicator.register_rpc_method(self.session_event)
        self.joined = self.call("join", system=name)

    def session_event(self, **event: Any) -> None:
        self.heard.put(event)

    def call(self, method: str, **params: Any) -> Any:
        return self.communicator.ask_rpc(self.session, method, **params)

    def next(self) -> dict[str, Any]:
        return self.heard.get(timeout=5)

    def close(self) -> None:
        self.listener.close()


@pytest.fixture
def make_party() -> Iterator[Callable[[str, int, str], Party]]:
    made: list[Party] = []

    def make(name: str, port: int, session: str) -> Party:
        made.append(Party(name, port, session))
        return made[-1]

    yield make
    for party in made:
        party.close()


def test_everyone_starts_pauses_and_stops_together(
    make_node: Callable[..., Node], make_party: Callable[[str, int, str], Party], tmp_path: Path
) -> None:
    """pyleco's own participants on two nodes, a viewer and a log in one session."""
    write_log(tmp_path / "run.log", 200)
    first = make_node("N1", arguments=["--log-dir", str(tmp_path), "--play-speed-percent", "2000"])
    second = make_node("N2", coordinators=[first.address])
    controller, viewer = Controller(first.port + 10), Viewer(first.port + 11)
    assert viewer.call(cc.OPEN)["message"] == "no session"
    controller.call(cc.OPEN_PROVIDER, logfilename="run.log")
    with Director(name="chief", port=first.port, host="127.0.0.1", timeout=5) as director:
        until(lambda: "N2" in director.ask_rpc("send_nodes", actor="COORDINATOR"), "the second node")
        made = director.ask_rpc(
            "create_session", actor="COORDINATOR", name="drill", display_name="The drill", provider=1, share_guard="none"
        )
    assert made["creation"] == "CREATED" and made["session"]["provider"] == 1
    assert controller.call(cc.CONNECT, connection={"provider": 1, "viewer": 1})[0]
    here = make_party("here", first.port, "N1.session:drill")
    there = make_party("there", second.port, "N1.session:drill")
    assert here.next()["by"] == "N2.there"
    assert there.joined["state"] == "UNINITIALIZED" and there.joined["seq"] == 2

    assert here.call("submit_initialization")["state"] == "INITIALIZING"
    assert there.call("share_scenario")["state"] == "INITIALIZED"
    assert there.call("start_scenario")["state"] == "RUNNING"
    viewer.until(3)
    assert here.call("pause_scenario")["state"] == "PAUSED"
    assert [there.next()["trigger"] for _ in range(2)] == ["SUBMIT_INITIALIZATION", "PAUSE_SCENARIO"]
    assert [(event["trigger"], event["seq"]) for event in (here.next(), here.next())] == [
        ("SHARE_SCENARIO", 4),
        ("START_SCENARIO", 5),
    ]

    # The viewer is told, and sees nothing more.
    states, times = [], [3]
    while True:
        try:
            result = viewer.result(timeout=0.5)
        except TimeoutError:
            break
        states += [result["state"]] if result.get("state") and result["message"] else []
        times += [result["time"]] if result["request"] == cc.ACTION | cc.UPDATE else []
    assert states == ["PAUSED"]
    assert times == list(range(3, times[-1] + 1))

    assert there.call("resume_scenario")["state"] == "RUNNING"
    steps = viewer.until(times[-1] + 3)
    assert steps[0]["time"] == times[-1] + 1, "the log goes on where it stood"
    assert controller.call(205, session="drill", trigger="StopScenario")[1]["state"] == "INITIALIZED"
    assert [here.next()["state"] for _ in range(2)] == ["RUNNING", "INITIALIZED"]
    stopped = there.next()
    assert stopped["trigger"] == "STOP_SCENARIO" and stopped["by"].startswith("controller 127.0.0.1:")

    with pytest.raises(JSONRPCError) as refused:
        there.call("pause_scenario")
    assert refused.value.rpc_error.code == REFUSED
    assert refused.value.rpc_error.data["code"] == "STATE_TRANSITION_NOT_ALLOWED"
    # It signs out, at its own node.
    there.close()
    gone = here.next()
    assert (gone["event"], gone["by"]) == ("resigned", "N2.there")


def test_xml_and_json_members_see_the_same(node: Node, join: Callable[..., Client]) -> None:
    # What a client of these tests hears while it waits for an answer is gone, so one only listens.
    driver, json_member, xml_member, late = (join(node, name) for name in "DJXL")
    assert driver.call("join", {"system": "A"}, DEFAULT)["seq"] == 1
    assert json_member.call("join", {"system": "A"}, DEFAULT)["seq"] == 2
    assert xml_member.call("join", {"system": "B", "format": "xml"}, DEFAULT)["seq"] == 3
    assert submit(driver, system("A", "SubmitInitialization"))["result"]["state"] == "INITIALIZING"
    stored = submit(driver, INITIALIZATION)
    assert stored["id"] is None and stored["result"]["kind"] == "C2SIM_INITIALIZATION"
    assert driver.call("share_scenario", None, DEFAULT)["state"] == "INITIALIZED"
    assert driver.call("start_scenario", None, DEFAULT)["state"] == "RUNNING"
    order = document("A", "<DomainMessageBody><OrderBody/></DomainMessageBody>")
    assert submit(driver, order, message_type=0)["result"]["kind"] == "ORDER"

    notices = events(json_member)
    params = [notice.data["params"] for notice in notices]
    assert [(event["event"], event["seq"]) for event in params] == [
        ("joined", 3),
        ("state", 4),
        ("state", 5),
        ("message", 6),
        ("state", 7),
        ("message", 8),
    ]
    assert notices[-1].payload[1] == order and notices[-1].sender == DEFAULT.encode()
    documents = [message.payload[0] for message in events(xml_member)]
    elements = ["SubmitInitialization", "ShareScenario", "C2SIMInitializationBody", "StartScenario", "OrderBody"]
    assert len(documents) == len(elements)
    for text, element in zip(documents, elements):
        assert f"<{element}".encode() in text

    joined = late.call("join", {"system": "L", "after": 0}, DEFAULT)
    assert joined["state"] == "RUNNING" and joined["session"]["members"] == 4
    assert "<C2SIMInitializationBody" in joined["initialization"]
    assert [event["seq"] for event in joined["events"]["events"]] == list(range(1, 9))
    assert joined["events"]["complete"]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><Message/>", "XSD_VALIDATION_FAILURE"),
        (f'<Message xmlns="{NAMESPACE}">'.encode() + b"<a>" * 20_000, "C2SIM_INVALID_HEADER"),
        (b"<Message>\xff</Message>", "C2SIM_INVALID_HEADER"),
        ("<?xml version='1.0' encoding='UTF-16'?><Message/>".encode("utf-16"), "C2SIM_INVALID_HEADER"),
        (b"<x/>", "C2SIM_ROOT_ELEMENT_MUST_BE_MESSAGE"),
        (system("", "StartScenario"), "C2SIM_INVALID_HEADER"),
        (b"<" + b"x" * (10 << 20) + b"/>", "C2SIM_MSG_SIZE_EXCEEDED"),
    ],
)
def test_hostile_documents_are_refused_and_nothing_is_relayed(
    node: Node, join: Callable[..., Client], payload: bytes, code: str
) -> None:
    villain, witness = join(node, "V"), join(node, "W")
    villain.call("join", None, DEFAULT)
    witness.call("join", None, DEFAULT)
    answer = submit(villain, payload)
    assert answer["error"]["code"] == REFUSED and answer["error"]["data"]["code"] == code
    witness.assert_silence()
    info = witness.call("info", None, DEFAULT)
    assert (info["state"], info["seq"]) == ("UNINITIALIZED", 2)


def test_a_scheduled_start(node: Node, join: Callable[..., Client]) -> None:
    driver, witness = join(node, "D"), join(node, "W")
    driver.call("create_session", {"name": "s", "share_guard": "none"})
    session = "N1.session:s"
    for client in (driver, witness):
        client.call("join", None, session)
    driver.call("submit_initialization", None, session)
    driver.call("share_scenario", None, session)
    events(witness)
    at = int(time.time() * 1000) + 700
    assert driver.call("start_scenario", {"at": at}, session)["effective_at"] == at
    announced = witness.receive().data["params"]
    assert (announced["state"], announced["effective_at"]) == ("INITIALIZED", at)
    started = witness.receive().data["params"]
    now = time.time() * 1000
    assert (started["state"], started["effective_at"]) == ("RUNNING", at)
    assert now >= at, "never before its moment"


def test_a_session_survives_kill_9(make_node: Callable[..., Node], join: Callable[..., Client], tmp_path: Path) -> None:
    node = make_node("N1", arguments=["--state-dir", str(tmp_path / "state")])
    member = join(node, "A")
    member.call("join", {"system": "A"}, DEFAULT)
    member.call("submit_initialization", None, DEFAULT)
    submit(member, INITIALIZATION)
    before = member.call("share_scenario", None, DEFAULT)
    member.call("create_session", {"name": "other", "paused_allows": "all"})
    node.kill()
    node.start()
    member = join(node, "B")
    joined = member.call("join", {"system": "A", "after": before["seq"]}, DEFAULT)
    assert joined["state"] == "INITIALIZED" and joined["seq"] > before["seq"]
    assert "<C2SIMInitializationBody" in joined["initialization"] and not joined["events"]["complete"]
    other = member.call("info", None, "N1.session:other")
    assert other["options"]["paused_allows"] == "all" and other["kept"]
