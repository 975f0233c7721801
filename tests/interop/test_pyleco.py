"""pyleco's own kinds of participant: Actor, Director, Listener, Communicator, in their processes and threads."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import Any, Callable, Iterator, Optional

import pytest
from pyleco.core.message import Message, MessageTypes
from pyleco.directors.coordinator_director import CoordinatorDirector
from pyleco.directors.director import Director
from pyleco.directors.locking_director import LockingDirector
from pyleco.directors.transparent_director import TransparentDirector
from pyleco.json_utils.errors import JSONRPCError
from pyleco.json_utils.json_objects import Request, ResultResponse
from pyleco.utils.communicator import Communicator
from pyleco.utils.listener import Listener
from pyleco.utils.message_handler import MessageHandler

from coordinators import HERE, Node
from leco import Client, until

TIMEOUT = 5.0  # s; pyleco's default of 0.1 s is short for a busy machine


@pytest.fixture(autouse=True)
def quiet() -> None:
    """pyleco logs whole messages at level INFO; binary ones make unreadable reports."""
    logging.getLogger("pyleco").setLevel(logging.ERROR)


@pytest.fixture
def actor(node: Node, join: Callable[..., Client]) -> Iterator[subprocess.Popen[bytes]]:
    """An Actor called "actor", in its own process, signed in."""
    process = subprocess.Popen([sys.executable, str(HERE / "actor_program.py"), str(node.port), "actor"])
    witness = join(node, "witness")
    try:
        until(lambda: "actor" in witness.call("send_local_components"), "the sign-in of the Actor", patience=15)
        witness.call("sign_out")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def director(node: Node, actor: Any) -> Iterator[LockingDirector]:
    with LockingDirector(actor="actor", name="director", port=node.port, host="127.0.0.1", timeout=TIMEOUT) as director:
        yield director


@pytest.fixture
def make_communicator(node: Node) -> Iterator[Callable[[str], Communicator]]:
    made: list[Communicator] = []

    def make(name: str) -> Communicator:
        made.append(Communicator(name, host="127.0.0.1", port=node.port, timeout=TIMEOUT))
        made[-1].sign_in()
        return made[-1]

    yield make
    for communicator in made:
        communicator.close()


@pytest.fixture
def make_listener(node: Node) -> Iterator[Callable[[str], Listener]]:
    made: list[Listener] = []

    def make(name: str) -> Listener:
        made.append(Listener(name, host="127.0.0.1", port=node.port, timeout=TIMEOUT))
        made[-1].start_listen()
        return made[-1]

    yield make
    for listener in made:
        listener.close()


# Actor and Director


def test_parameters(director: Director) -> None:
    assert director.get_parameters(["serial", "level"]) == {"serial": "INSTRUMENT-7", "level": 1.5}
    director.set_parameters({"level": 2.5})
    assert director.get_parameters("level") == {"level": 2.5}


def test_actions(director: Director) -> None:
    assert director.call_action("scale", 2) == 3
    assert director.call_action("scale", factor=2, offset=0.25) == 3.25
    assert director.ask_rpc("device.scale", factor=4) == 6


def test_an_action_that_fails_is_an_error_at_the_director(director: Director) -> None:
    with pytest.raises(JSONRPCError, match="on fire"):
        director.call_action("fail")
    with pytest.raises(JSONRPCError):
        director.ask_rpc("no such method")


def test_actions_may_be_asked_for_now_and_read_later(director: Director) -> None:
    ids = [director.call_action_async("scale", factor) for factor in range(10)]
    for factor, conversation in reversed(list(enumerate(ids))):
        assert director.read_rpc_response(conversation) == factor * 1.5


@pytest.mark.parametrize(
    "frames",
    [[b"one"], [b"", b"\x00\xff" * 500, b"{]"], [bytes(range(256)) * 4096]],
    ids=["one", "three", "a mebibyte"],
)
def test_binary_payload(director: Director, frames: list[bytes]) -> None:
    answer = director.ask_rpc("reverse", additional_payload=frames, extract_additional_payload=True)
    assert answer == (len(frames), [frame[::-1] for frame in frames])


def test_a_transparent_director_shows_the_device(node: Node, actor: Any) -> None:
    with TransparentDirector(actor="actor", name="T", port=node.port, host="127.0.0.1", timeout=TIMEOUT) as director:
        director.device.level = 4
        assert director.device.level == 4
        assert director.device.serial == "INSTRUMENT-7"


def test_a_lock_keeps_others_out(node: Node, director: LockingDirector) -> None:
    with LockingDirector(actor="actor", name="other", port=node.port, host="127.0.0.1", timeout=TIMEOUT) as other:
        assert director.lock("level") is True
        assert other.lock("level") is False
        assert other.get_parameters("serial") == {"serial": "INSTRUMENT-7"}
        director.unlock("level")
        assert other.lock("level") is True
        other.force_unlock("level")


def test_an_actor_ends_when_told_to_and_signs_out(node: Node, actor: Any, director: Director) -> None:
    director.shut_down_actor()
    assert actor.wait(10) == 0
    with CoordinatorDirector(communicator=director.communicator) as coordinator:
        until(lambda: coordinator.get_local_components() == ["director"], "the sign-out of the Actor")


def test_a_name_in_use_is_refused(node: Node, director: Director) -> None:
    with pytest.raises(ConnectionRefusedError):
        with Communicator("director", host="127.0.0.1", port=node.port, timeout=TIMEOUT):
            pass


# The Coordinator through a Director


def test_director_of_the_coordinator(node: Node) -> None:
    with CoordinatorDirector(name="boss", port=node.port, host="127.0.0.1", timeout=TIMEOUT) as director:
        assert director.get_local_components() == ["boss"]
        assert director.get_global_components() == {"N1": ["boss"]}
        assert director.get_nodes() == {"N1": node.address}
        assert director.ask_rpc("pong") is None
        director.set_actor_log_level(logging.INFO)
        director.shut_down_actor()
        assert node.wait(5) == 0
        director.communicator.timeout = 0.1  # nobody is left who could answer the sign-out


# Communicator and Listener


def test_an_answer_equals_pylecos_own_message(make_communicator: Any) -> None:
    communicator = make_communicator("CA")
    answer = communicator.ask("N1.COORDINATOR", data=Request(7, method="pong"), message_type=MessageTypes.JSON)
    assert answer == Message(b"N1.CA", b"N1.COORDINATOR", data=ResultResponse(7, None), header=answer.header)


def test_capabilities_of_the_coordinator(make_communicator: Any) -> None:
    document = make_communicator("CA").get_capabilities("COORDINATOR")
    assert {"sign_in", "send_nodes", "pong"} <= {method["name"] for method in document["methods"]}


def test_routing_errors_reach_the_caller(make_communicator: Any) -> None:
    communicator = make_communicator("CA")
    for receiver, code in (("N1.nobody", -32093), ("N9.CB", -32092)):
        with pytest.raises(JSONRPCError) as error:
            communicator.ask_rpc(receiver, "pong")
        assert error.value.rpc_error.code == code


def test_a_communicator_signs_in_again_after_a_restart(node: Node, make_communicator: Any) -> None:
    communicator = make_communicator("CA")
    node.kill()
    node.start()
    assert communicator.ask_rpc("COORDINATOR", "pong") is None
    assert communicator.ask_rpc("COORDINATOR", "send_local_components") == ["CA"]


def test_a_listener_answers_while_its_owner_is_busy(make_listener: Any, make_communicator: Any) -> None:
    make_listener("listener")
    communicator = make_communicator("CA")
    assert communicator.ask_rpc("listener", "pong") is None
    assert communicator.ask_rpc("N1.listener", "pong") is None


def test_a_listener_receives_binary_payload(make_listener: Any, make_communicator: Any) -> None:
    received: list[list[bytes]] = []

    def take(additional_payload: Optional[list[bytes]] = None) -> None:
        received.append(additional_payload or [])

    make_listener("listener").register_binary_rpc_method(take, accept_binary_input=True)
    communicator = make_communicator("CA")
    frames = [b"\x00binary", b"", b"x" * 70_000]
    assert communicator.ask_rpc("N1.listener", "take", additional_payload=frames) is None
    assert received == [frames]


def test_listeners_ask_one_another(make_listener: Any) -> None:
    called: list[int] = []

    def add(value: int) -> int:
        called.append(value)
        return sum(called)

    first, second = make_listener("LA"), make_listener("LB")
    second.register_rpc_method(add)
    asker = first.get_communicator()
    assert [asker.ask_rpc("N1.LB", "add", value=value) for value in (1, 2, 3)] == [1, 3, 6]


def test_threads_share_one_listener(make_listener: Any) -> None:
    listener = make_listener("LA")
    make_listener("LB")
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            endpoint = listener.get_communicator()
            for _ in range(20):
                assert endpoint.ask_rpc("LB", "pong", timeout=TIMEOUT) is None
            endpoint.close()
        except BaseException as failure:  # asserted below: in a thread it would be lost
            failures.append(failure)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures, failures
    assert not any(thread.is_alive() for thread in threads)


def test_a_message_handler_signs_in_and_out(node: Node, join: Callable[..., Client]) -> None:
    witness = join(node, "CA")
    handler = MessageHandler("handler", host="127.0.0.1", port=node.port)
    stop = threading.Event()
    thread = threading.Thread(target=handler.listen, kwargs={"stop_event": stop}, daemon=True)
    thread.start()
    until(lambda: sorted(witness.call("send_local_components")) == ["CA", "handler"], "the sign-in")
    assert witness.call("pong", receiver="handler") is None
    stop.set()
    thread.join(5)
    handler.close()
    until(lambda: witness.call("send_local_components") == ["CA"], "the sign-out")
