"""Raw zmq sockets against one Coordinator: frames, routing, errors, links."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any, Callable, Iterator

import pytest
import zmq
from zmq.utils.monitor import parse_monitor_message

from coordinators import HERE, INSTEP, Node, free_port
from leco import (
    DUPLICATE_NAME,
    INVALID_PARAMS,
    INVALID_REQUEST,
    JSON,
    METHOD_NOT_FOUND,
    NODE_UNKNOWN,
    NOT_SIGNED_IN,
    PARSE_ERROR,
    RECEIVER_UNKNOWN,
    Client,
    Message,
    conversation_id,
    until,
)

Maker = Callable[..., Client]

METHODS = {
    "pong", "set_log_level", "shut_down", "sign_in", "sign_out", "coordinator_sign_in", "coordinator_sign_out",
    "add_nodes", "send_nodes", "send_links", "record_components", "send_local_components", "send_global_components",
    "remove_expired_addresses",
}  # fmt: skip


def request(method: str, /, id: Any = 1, **params: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"jsonrpc": "2.0", "id": id, "method": method}
    if params:
        content["params"] = params
    return content


def notification(method: str, /, **params: Any) -> dict[str, Any]:
    content = request(method, **params)
    del content["id"]
    return content


def result(id: Any, value: Any = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "result": value}


def assert_routing_error(answer: Message, code: int, data: Any) -> None:
    """The shape of an error that routing, and not a method, gives."""
    assert answer.version == b"\0"
    assert answer.message_type == JSON
    assert len(answer.payload) == 1
    content = answer.data
    assert set(content) == {"jsonrpc", "id", "error"}
    assert content["jsonrpc"] == "2.0"
    assert content["id"] is None
    assert content["error"]["code"] == code
    assert isinstance(content["error"]["message"], str) and content["error"]["message"]
    assert content["error"].get("data") == data


# Signing in and out


def test_sign_in_is_acknowledged_with_the_namespace_as_sender(node: Node, make_client: Maker) -> None:
    client = make_client(node, "CA")
    conversation = client.send_json("COORDINATOR", request("sign_in", id=17))
    answer = client.receive()
    assert answer.version == b"\0"
    # The control protocol names the Component in full here, pyleco repeats the name as given.
    assert answer.receiver == (b"N1.CA" if node.kind == INSTEP else b"CA")
    assert answer.sender == b"N1.COORDINATOR"
    assert answer.conversation_id == conversation
    assert answer.message_type == JSON
    assert [json.loads(frame) for frame in answer.payload] == [result(17)]


def test_sign_in_to_the_full_name_of_the_coordinator(node: Node, make_client: Maker) -> None:
    client = make_client(node, "CA")
    assert client.ask_json(request("sign_in"), b"N1.COORDINATOR").data == result(1)


def test_sign_in_again_from_the_same_link_is_fine(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    assert client.ask_json(request("sign_in", id=2), sender=b"CA").data == result(2)
    assert client.ask_json(request("sign_in", id=3), sender=b"N1.CA").data == result(3)
    assert client.call("send_local_components") == ["CA"]


def test_sign_in_under_the_name_of_another_is_refused(node: Node, join: Maker, make_client: Maker) -> None:
    owner, other = join(node, "CA"), make_client(node, "CA")
    answer = other.sign_in()
    assert answer.error_code == DUPLICATE_NAME
    assert answer.sender == b"N1.COORDINATOR" and answer.receiver == b"CA"
    assert owner.call("pong") is None


@pytest.mark.ours("sends no data with this error")
def test_a_name_clash_tells_the_name_only(node: Node, join: Maker, make_client: Maker) -> None:
    join(node, "CA")
    assert make_client(node, "CA").sign_in().data["error"]["data"] == "CA"


@pytest.mark.ours("knows no suggestions")
def test_a_name_clash_suggests_a_free_name_to_those_who_ask(node: Node, join: Maker, make_client: Maker) -> None:
    taken = {"CA"}
    join(node, "CA")
    for _ in range(3):
        offer = make_client(node, "CA").sign_in({"suggest": True})
        assert offer.error_code == DUPLICATE_NAME
        data = offer.data["error"]["data"]
        assert set(data) == {"name", "suggestion"} and data["name"] == "CA"
        assert data["suggestion"] not in taken and "." not in data["suggestion"]
        taken.add(data["suggestion"])
        join(node, data["suggestion"])


@pytest.mark.ours("refuses params of sign_in")
def test_asking_for_a_suggestion_does_not_hinder_a_sign_in(node: Node, make_client: Maker) -> None:
    client = make_client(node, "CA")
    assert client.ask_json(request("sign_in", suggest=True)).data == result(1)


def test_after_sign_out_only_sign_in_is_heard(node: Node, join: Maker) -> None:
    client, witness = join(node, "CA"), join(node, "CB")
    answer = client.ask("sign_out")
    assert answer.data["result"] is None and answer.sender == b"N1.COORDINATOR"
    assert witness.call("send_local_components") == ["CB"]
    assert client.ask("pong").error_code == NOT_SIGNED_IN
    client.signed_in()
    assert sorted(witness.call("send_local_components")) == ["CA", "CB"]


def test_sign_out_from_another_link_leaves_the_owner(node: Node, join: Maker, make_client: Maker) -> None:
    owner, other = join(node, "CA"), make_client(node, "CA")
    for sender in (b"CA", b"N1.CA"):
        answer = other.ask("sign_out", sender=sender)
        assert answer.error_code in (DUPLICATE_NAME, NOT_SIGNED_IN), answer.data
    peer = join(node, "CB")
    assert sorted(peer.call("send_local_components")) == ["CA", "CB"]
    peer.send("CA", b"still there?")
    assert owner.receive().payload == (b"still there?",)


def test_one_link_may_carry_several_names(node: Node, join: Maker) -> None:
    client, peer = join(node, "CA"), join(node, "CB")
    assert client.ask_json(request("sign_in"), sender=b"CC").data == result(1)
    assert sorted(peer.call("send_local_components")) == ["CA", "CB", "CC"]
    peer.send("CC", b"1")
    message = client.receive()
    assert (message.receiver, message.payload) == (b"CC", (b"1",))


# Delivery

PAYLOADS = {
    "none": [],
    "one": [b"payload"],
    "three": [b"first", b"", b"third"],
    "fifty": [bytes([n]) * n for n in range(50)],
    "one empty": [b""],
    "not JSON, not UTF-8": [bytes(range(256)), b"\xff\xfe{", b"\0"],
    "a mebibyte": [b'{"meta":1}', os.urandom(1 << 20), b""],
    "short and long frame sizes": [b"x" * 254, b"x" * 255, b"x" * 256, b"x" * 65535, b"x" * 65536],
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_a_message_arrives_frame_for_frame_as_it_was_sent(node: Node, join: Maker, payload: list[bytes]) -> None:
    sender, receiver = join(node, "CA"), join(node, "CB")
    header = conversation_id() + b"\x01\x02\x03" + b"\x00"
    for address in (b"CB", b"N1.CB"):
        frames = [b"\0", address, b"N1.CA", header, *payload]
        sender.send_frames(frames)
        assert receiver.receive().frames == frames


def test_message_type_and_id_are_the_clients_own_affair(node: Node, join: Maker) -> None:
    sender, receiver = join(node, "CA"), join(node, "CB")
    for kind in (0, 1, 2, 127, 255):
        sender.send("CB", b"not JSON at all", message_id=b"\xff\x00\xff", message_type=kind)
        message = receiver.receive()
        assert (message.message_type, message.message_id) == (kind, b"\xff\x00\xff")
    sender.assert_silence(0.05)


def test_a_sender_without_namespace_is_one_of_ours(node: Node, join: Maker) -> None:
    sender, receiver = join(node, "CA"), join(node, "CB")
    sender.send("N1.CB", b"hello", sender=b"CA")
    assert receiver.receive().sender == b"CA"


def test_a_component_may_write_to_itself(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    conversation = client.send("CA", b"note")
    assert client.receive().conversation_id == conversation


def test_names_may_hold_any_printable_character_but_the_dot(node: Node, join: Maker) -> None:
    odd = " !\"#$%&'()*+,-/0:;<=>?@[\\]^_`{|}~"
    sender, receiver = join(node, "CA"), join(node, odd)
    sender.send(f"N1.{odd}", b"1")
    assert receiver.receive().payload == (b"1",)
    assert sorted(sender.call("send_local_components")) == sorted(["CA", odd])


# Routing errors


@pytest.mark.ours("sends no data with this error")
def test_error_of_a_sender_who_did_not_sign_in(node: Node, join: Maker, make_client: Maker) -> None:
    receiver, stranger = join(node, "CB"), make_client(node, "CA")
    for address in ("CB", "N1.CB", "COORDINATOR", "N2.CB"):
        conversation = stranger.send(address, b"hello")
        answer = stranger.receive()
        assert answer.conversation_id == conversation
        assert (answer.receiver, answer.sender) == (b"CA", b"N1.COORDINATOR")
        assert_routing_error(answer, NOT_SIGNED_IN, "CA")
    receiver.assert_silence(0.05)


@pytest.mark.ours("looks for the word sign_in anywhere in the payload")
def test_the_word_sign_in_does_not_open_the_door(node: Node, join: Maker, make_client: Maker) -> None:
    receiver, stranger = join(node, "CB"), make_client(node, "CA")
    conversation = stranger.send_json("CB", request("greet", text="sign_in", method='"sign_in"'))
    assert stranger.receive_answer(conversation).error_code == NOT_SIGNED_IN
    receiver.assert_silence(0.05)


@pytest.mark.ours("sends no data with this error")
def test_error_of_a_sender_who_uses_the_name_of_another(node: Node, join: Maker, make_client: Maker) -> None:
    receiver, _owner, other = join(node, "CB"), join(node, "CA"), make_client(node, "CA")
    conversation = other.send("CB", b"hello", sender=b"CA")
    answer = other.receive()
    assert answer.conversation_id == conversation
    assert_routing_error(answer, DUPLICATE_NAME, "CA")
    receiver.assert_silence(0.05)


def test_a_false_name_is_refused_even_from_one_who_signed_in(node: Node, join: Maker) -> None:
    receiver, owner, other = join(node, "CB"), join(node, "CA"), join(node, "CC")
    conversation = other.send("CB", b"hello", sender=owner.full_name)
    assert other.receive_answer(conversation).error_code == DUPLICATE_NAME
    owner.assert_silence(0.05)
    receiver.assert_silence(0.05)


def test_error_of_an_unknown_node(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    conversation = client.send("N9.CB", b"hello")
    answer = client.receive()
    assert answer.conversation_id == conversation
    assert (answer.receiver, answer.sender) == (b"N1.CA", b"N1.COORDINATOR")
    assert_routing_error(answer, NODE_UNKNOWN, "N9")


@pytest.mark.parametrize("address", ["nobody", "N1.nobody"])
def test_error_of_an_unknown_receiver(node: Node, join: Maker, address: str) -> None:
    client = join(node, "CA")
    conversation = client.send(address, b"hello")
    answer = client.receive()
    assert answer.conversation_id == conversation
    assert (answer.receiver, answer.sender) == (b"N1.CA", b"N1.COORDINATOR")
    assert_routing_error(answer, RECEIVER_UNKNOWN, address)


@pytest.mark.ours("answers errors with errors")
def test_errors_and_results_that_cannot_be_delivered_are_not_answered(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "no"}}
    for content in (error, result(1), [result(1), error]):
        for address in ("nobody", "N9.CB"):
            client.send_json(address, content)
    client.assert_silence(0.05)


def test_a_message_of_a_foreign_node_without_link_is_refused(node: Node, make_client: Maker, join: Maker) -> None:
    receiver, client = join(node, "CB"), make_client(node, "CA")
    conversation = client.send("N1.CB", b"hello", sender=b"N7.CA")
    assert client.receive_answer(conversation).error_code == NOT_SIGNED_IN
    receiver.assert_silence(0.05)


# The Coordinator's own methods


def test_a_heartbeat_is_not_answered(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    for address in ("COORDINATOR", "N1.COORDINATOR"):
        client.send(address)
        client.send(address, message_type=JSON)
    client.assert_silence()


@pytest.mark.parametrize("id", [0, 1, 2**40, -3, "a string", ""])
def test_the_answer_keeps_the_id_of_the_request(node: Node, join: Maker, id: Any) -> None:
    client = join(node, "CA")
    assert client.ask_json(request("pong", id=id)).data == result(id)


def test_json_keys_may_come_in_any_order(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    text = b' {"params" : { } ,\n "method":"pong", "id" : 4, "jsonrpc":"2.0"} '
    answer = client.receive_answer(client.send("COORDINATOR", text, message_type=JSON))
    assert answer.data == result(4)


def test_a_batch_is_answered_in_its_order(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    batch = [request("pong", id=9), request("send_local_components", id="x"), request("pong", id=1)]
    assert client.ask_json(batch).data == [result(9), result("x", ["CA"]), result(1)]


def test_a_batch_answers_requests_and_not_notifications(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    batch = [notification("pong"), request("pong", id=2), notification("no such method"), request("nothing", id=3)]
    first, second = client.ask_json(batch).data
    assert first == result(2)
    assert (second["id"], second["error"]["code"]) == (3, METHOD_NOT_FOUND)


def test_notifications_are_not_answered(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    client.send_json("COORDINATOR", notification("pong"))
    client.send_json("COORDINATOR", notification("no such method"))
    client.send_json("COORDINATOR", notification("set_log_level"))
    client.send_json("COORDINATOR", [notification("pong"), notification("pong")])
    client.assert_silence()


def test_results_and_errors_sent_to_the_coordinator_are_not_answered(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    error = {"jsonrpc": "2.0", "id": 3, "error": {"code": -32000, "message": "no"}}
    for content in (result(1), error, [result(1), result(2)]):
        client.send_json("COORDINATOR", content)
    client.assert_silence()


def test_an_unknown_method_is_an_error(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    for id in (11, "eleven"):
        content = client.ask_json(request("make_coffee", id=id)).data
        assert (content["id"], content["error"]["code"]) == (id, METHOD_NOT_FOUND)


@pytest.mark.ours("does not answer what it cannot parse")
@pytest.mark.parametrize("text", [b"not JSON", b'{"jsonrpc":"2.0",', b"\xff\xfe", b"[1,2", b'{"a":1}}'])
def test_what_is_no_json_is_a_parse_error(node: Node, join: Maker, text: bytes) -> None:
    client = join(node, "CA")
    content = client.receive_answer(client.send("COORDINATOR", text, message_type=JSON)).data
    assert (content["id"], content["error"]["code"]) == (None, PARSE_ERROR)


@pytest.mark.ours("does not answer what is no request")
@pytest.mark.parametrize(
    "content",
    [1, "text", None, True, [], {}, {"jsonrpc": "2.0", "id": 7}, {"jsonrpc": "2.0", "id": 7, "method": 5}],
    ids=str,
)
def test_what_is_no_request_is_an_invalid_request(node: Node, join: Maker, content: Any) -> None:
    client = join(node, "CA")
    answer = client.ask_json(content).data
    assert answer["error"]["code"] == INVALID_REQUEST
    # JSON-RPC: null where the id could not be found out. Both are right if there is one in something invalid.
    assert answer["id"] in (None, 7)


@pytest.mark.ours("does not answer a batch with an invalid element")
def test_each_invalid_element_of_a_batch_has_its_own_error(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    answers = client.ask_json([1, request("pong", id=5), {"foo": "bar"}]).data
    assert [answer.get("error", {}).get("code") for answer in answers] == [INVALID_REQUEST, None, INVALID_REQUEST]
    assert answers[1] == result(5)


@pytest.mark.ours("calls this an internal error")
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("set_log_level", None),
        ("set_log_level", {"level": 7}),
        ("set_log_level", {"level": "LOUD"}),
        ("set_log_level", {"volume": "INFO"}),
        ("remove_expired_addresses", {}),
        ("remove_expired_addresses", {"expiration_time": "soon"}),
        ("add_nodes", {"nodes": ["N2"]}),
    ],
)
def test_wrong_params_are_an_error(node: Node, join: Maker, method: str, params: Any) -> None:
    client = join(node, "CA")
    content = {"jsonrpc": "2.0", "id": 23, "method": method}
    if params is not None:
        content["params"] = params
    answer = client.ask_json(content).data
    assert (answer["id"], answer["error"]["code"]) == (23, INVALID_PARAMS)


def test_params_may_be_given_by_position(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    assert client.call("set_log_level", ["WARNING"]) is None
    assert client.call("set_log_level", {"level": "INFO"}) is None


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
def test_set_log_level_takes_the_level_names_of_python(node: Node, join: Maker, level: str) -> None:
    assert join(node, "CA").call("set_log_level", {"level": level}) is None


def test_discover_lists_all_methods(node: Node, join: Maker) -> None:
    document = join(node, "CA").call("rpc.discover")
    assert document["openrpc"]
    assert document["info"]["title"] == "N1.COORDINATOR" and document["info"]["version"]
    assert {method["name"] for method in document["methods"]} >= METHODS


@pytest.mark.ours("lists names and descriptions only")
def test_discover_describes_params_and_results(node: Node, join: Maker) -> None:
    methods = {method["name"]: method for method in join(node, "CA").call("rpc.discover")["methods"]}
    for method in methods.values():
        assert isinstance(method["params"], list) and "result" in method, method["name"]
    assert [p["name"] for p in methods["set_log_level"]["params"]] == ["level"]
    assert [p["name"] for p in methods["add_nodes"]["params"]] == ["nodes"]
    assert [p["name"] for p in methods["record_components"]["params"]] == ["components", "number", "recent"]
    assert [p["name"] for p in methods["remove_expired_addresses"]["params"]] == ["expiration_time"]


def test_directories_of_a_node_alone(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    join(node, "CB")
    assert client.call("send_nodes") == {"N1": node.address}
    assert sorted(client.call("send_local_components")) == ["CA", "CB"]
    directory = client.call("send_global_components")
    assert {namespace: sorted(names) for namespace, names in directory.items()} == {"N1": ["CA", "CB"]}


def test_shut_down_ends_the_process(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    client.send_json("COORDINATOR", request("shut_down"))
    assert node.wait(5) == 0


def test_sigterm_ends_the_process_with_success(node: Node, join: Maker) -> None:
    join(node, "CA")
    assert node.stop() == 0


# Links


def has_event(monitor: zmq.Socket, wanted: set[int], patience: float) -> bool:
    """Whether one of those events shows on a monitored socket within that time."""
    deadline = time.monotonic() + patience
    while (left := deadline - time.monotonic()) > 0:
        if monitor.poll(int(left * 1000)) and parse_monitor_message(monitor.recv_multipart())["event"] in wanted:
            return True
    return False


@pytest.mark.ours("libzmq's ROUTER takes a REQ, whose messages pyleco cannot read")
@pytest.mark.parametrize("kind", [zmq.REQ, zmq.PUSH, zmq.PULL, zmq.SUB, zmq.PUB, zmq.PAIR], ids=lambda k: k.name)
def test_a_socket_that_does_not_fit_is_refused(node: Node, join: Maker, context: zmq.Context, kind: Any) -> None:
    bystander = join(node, "CB")
    stranger = context.socket(kind)
    stranger.linger = 0
    monitor = stranger.get_monitor_socket()
    stranger.connect(f"tcp://127.0.0.1:{node.port}")
    refusals = {
        zmq.EVENT_DISCONNECTED,
        zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
        zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
    }
    assert has_event(monitor, refusals, patience=5)
    if kind == zmq.REQ:
        stranger.sndtimeo = 200
        try:
            stranger.send(b"hello")
            assert not stranger.poll(300)
        except zmq.Again:
            pass  # no link, so nothing to send on
    stranger.disable_monitor()
    bystander.assert_silence(0.05)


def test_a_router_socket_may_be_a_component(node: Node, join: Maker) -> None:
    router, dealer = join(node, "CA", kind=zmq.ROUTER), join(node, "CB")
    assert router.call("pong") is None
    dealer.send("CA", b"to the router")
    assert router.receive().payload == (b"to the router",)
    router.send("CB", b"to the dealer", b"")
    assert dealer.receive().payload == (b"to the dealer", b"")


def test_zmtp_heartbeats_of_the_client_keep_the_link(node: Node, make_client: Maker) -> None:
    client = make_client(
        node, "CA", options={zmq.HEARTBEAT_IVL: 100, zmq.HEARTBEAT_TIMEOUT: 800, zmq.HEARTBEAT_TTL: 1000}
    )
    monitor = client.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    client.signed_in()
    assert not has_event(monitor, {zmq.EVENT_DISCONNECTED}, patience=2.5)
    assert client.call("send_local_components") == ["CA"]
    client.socket.disable_monitor()


@pytest.mark.parametrize("end", [Node.stop, Node.kill], ids=["SIGTERM", "SIGKILL"])
def test_clients_come_back_after_a_restart(node: Node, join: Maker, end: Callable[[Node], Any]) -> None:
    clients = [join(node, name) for name in ("CA", "CB", "CC")]
    end(node)
    node.start()
    sender = clients[0]
    assert until(lambda: sign_in_if_possible(sender), "the first sign-in after the restart", patience=10)
    for client in clients[1:]:
        until(lambda: sign_in_if_possible(client), "a sign-in after the restart", patience=10)
        sender.send(client.full_name, b"back?")
        assert until(lambda: payload_of_next(client) == b"back?", "a message after the restart")


def receive_past_probes(client: Client) -> Message:
    """The next message that is no probe; probes are answered."""
    while client.answer_probe(message := client.receive()):
        pass
    return message


def sign_in_if_possible(client: Client) -> bool:
    """Sign in, if there is a link already and an answer."""
    try:
        answer = client.receive_answer(
            client.send_json("COORDINATOR", request("sign_in"), sender=client.name), patience=1
        )
    except TimeoutError:
        return False
    return answer.error_code is None


def payload_of_next(client: Client) -> bytes:
    """The first payload frame of the next message; answers to repeated sign-ins come in between."""
    return client.receive().payload[0]


def test_a_client_may_be_there_before_the_coordinator(make_node: Callable[..., Node], context: zmq.Context) -> None:
    port = free_port()
    client = Client(context, port, "CA")
    conversation = client.send_json("COORDINATOR", request("sign_in"))
    time.sleep(0.3)
    make_node("N1", port=port)
    assert client.receive_answer(conversation).data == result(1)


@pytest.fixture
def start_program() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a Component in its own process; returns once it has signed in."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(node: Node, name: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "client_program.py"), str(node.port), name], stdout=subprocess.PIPE
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().strip() == f"N1.{name}".encode()
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.ours("keeps the name for 45 s")
def test_a_killed_client_frees_its_name_at_once(node: Node, join: Maker, start_program: Any) -> None:
    witness = join(node, "CB")
    process = start_program(node, "CA")
    assert sorted(witness.call("send_local_components")) == ["CA", "CB"]
    process.kill()
    until(lambda: witness.call("send_local_components") == ["CB"], "the departure of CA", patience=1)
    successor = join(node, "CA")
    witness.send("CA", b"hello")
    assert successor.receive(1).payload == (b"hello",)


@pytest.mark.ours("keeps the name for 45 s")
def test_a_client_may_be_killed_and_started_again_under_its_name(node: Node, join: Maker, start_program: Any) -> None:
    witness = join(node, "CB")
    for round in range(3):
        process = start_program(node, "CA")
        conversation = witness.send("CA", b"echo %d" % round)
        assert witness.receive_answer(conversation).payload == (b"echo %d" % round,)
        killed = time.monotonic()
        process.kill()
        process.wait()
        until(lambda: witness.call("send_local_components") == ["CB"], "the departure of CA", patience=1)
        assert time.monotonic() - killed < 1


@pytest.mark.ours("keeps the name for 45 s")
def test_a_closed_link_frees_all_its_names(node: Node, join: Maker) -> None:
    client, witness = join(node, "CA"), join(node, "CB")
    assert client.ask_json(request("sign_in"), sender=b"CC").data == result(1)
    client.close()
    until(lambda: witness.call("send_local_components") == ["CB"], "the departure of CA and CC", patience=1)


@pytest.mark.ours("keeps the name for 45 s")
def test_a_frozen_client_loses_its_name_to_a_newcomer(node: Node, make_client: Maker, start_program: Any) -> None:
    """Its link is open, its process is stopped: only a probe can tell."""
    process = start_program(node, "CA")
    os.kill(process.pid, signal.SIGSTOP)
    newcomer = make_client(node, "CA")
    until(lambda: newcomer.sign_in().error_code is None, "the name of the frozen client", patience=15, pause=0.2)
    assert newcomer.call("send_local_components") == ["CA"]


def test_a_client_that_answers_probes_stays_one_that_is_silent_goes(
    node: Node, join: Maker, start_program: Any
) -> None:
    witness, answering = join(node, "CB"), join(node, "CC")
    silent = start_program(node, "CA")
    os.kill(silent.pid, signal.SIGSTOP)
    probes = []

    def silent_is_gone() -> bool:
        witness.call("remove_expired_addresses", {"expiration_time": 0.3})
        while answering.socket.poll(0):
            probes.append(answering.receive())
            assert answering.answer_probe(probes[-1]), probes[-1]
        return sorted(witness.call("send_local_components")) == ["CB", "CC"]

    until(silent_is_gone, "the removal of the silent client", patience=5, pause=0.05)
    assert probes and probes[0].sender == b"N1.COORDINATOR" and probes[0].receiver in (b"CC", b"N1.CC")
    os.kill(silent.pid, signal.SIGCONT)
    witness.send("CC", b"hello")
    assert receive_past_probes(answering).payload == (b"hello",)


def test_a_quiet_but_living_client_keeps_its_name(node: Node, make_client: Maker, start_program: Any) -> None:
    start_program(node, "CA")
    time.sleep(0.5)
    newcomer = make_client(node, "CA")
    for _ in range(3):
        assert newcomer.sign_in().error_code == DUPLICATE_NAME


@pytest.mark.ours("libzmq's ROUTER ignores the second of two links with one routing id")
def test_equal_routing_ids_harm_nobody(node: Node, make_client: Maker) -> None:
    options = {zmq.ROUTING_ID: b"everybody uses this"}
    clients = [make_client(node, name, options=options).signed_in() for name in ("CA", "CB", "CC")]
    for _ in range(3):
        for client in clients:
            for other in clients:
                client.send(other.full_name, client.name)
        for client in clients:
            assert sorted(client.receive().payload[0] for _ in clients) == [b"CA", b"CB", b"CC"]


# Many and much


def test_two_hundred_clients_reach_each_other(node: Node, join: Maker) -> None:
    clients = [join(node, f"C{number}") for number in range(200)]
    assert len(clients[0].call("send_local_components")) == 200
    # Each writes to its neighbours at five distances, so every one has five letters to come.
    distances = (1, 7, 31, 100, 199)
    for number, client in enumerate(clients):
        for distance in distances:
            client.send(f"N1.C{(number + distance) % 200}", b"%d" % number)
    for number, client in enumerate(clients):
        expected = sorted(b"%d" % ((number - distance) % 200) for distance in distances)
        assert sorted(client.receive().payload[0] for _ in distances) == expected


@pytest.mark.parametrize("size", [8, 4096])
def test_a_burst_arrives_whole_and_in_order(node: Node, join: Maker, size: int) -> None:
    sender, receiver = join(node, "CA"), join(node, "CB")
    for number in range(1000):
        sender.send("N1.CB", number.to_bytes(4, "big"), b"x" * size)
    for number in range(1000):
        message = receiver.receive()
        assert message.payload == (number.to_bytes(4, "big"), b"x" * size)


def test_bursts_of_several_senders_each_keep_their_order(node: Node, join: Maker) -> None:
    receiver = join(node, "CB", options={zmq.RCVHWM: 0})
    senders = [join(node, f"S{number}") for number in range(4)]
    came: dict[bytes, list[int]] = {sender.full_name: [] for sender in senders}
    for number in range(1000):
        for sender in senders:
            sender.send("N1.CB", number.to_bytes(4, "big"))
        if number % 100 == 99:  # a Coordinator may hold back the senders of a reader who does not keep up
            for _ in range(100 * len(senders)):
                message = receiver.receive()
                came[message.sender].append(int.from_bytes(message.payload[0], "big"))
    assert all(order == list(range(1000)) for order in came.values())


def test_a_receiver_who_does_not_read_harms_no_other(node: Node, join: Maker) -> None:
    sender, other = join(node, "CA"), join(node, "CB")
    join(node, "sleeper", options={zmq.RCVHWM: 1, zmq.RCVBUF: 4096})
    bystander = join(node, "CC")
    for _ in range(64):
        sender.send("sleeper", b"x" * 65536)
    for _ in range(10):
        bystander.send("CB", b"hello")
        assert other.receive().payload == (b"hello",)


# Hostile messages. Each gets an error or a closed link; the Coordinator and everybody else go on.

HEADER = b"\1" * 19 + b"\1"
HOSTILE = {
    "one frame": [b"\0"],
    "one empty frame": [b""],
    "three frames": [b"\0", b"COORDINATOR", b"CA"],
    "short header": [b"\0", b"COORDINATOR", b"CA", b"short", b"{}"],
    "long header": [b"\0", b"COORDINATOR", b"CA", HEADER * 2, b"{}"],
    "empty header": [b"\0", b"COORDINATOR", b"CA", b"", b"{}"],
    "wrong version": [b"\xff", b"COORDINATOR", b"CA", HEADER, b'{"jsonrpc":"2.0","id":1,"method":"sign_in"}'],
    "empty sender": [b"\0", b"COORDINATOR", b"", HEADER, b'{"jsonrpc":"2.0","id":1,"method":"sign_in"}'],
    "empty receiver": [b"\0", b"", b"CB", HEADER, b"{}"],
    "sender not UTF-8": [b"\0", b"COORDINATOR", b"\xff\xfe", HEADER, b'{"jsonrpc":"2.0","id":1,"method":"sign_in"}'],
    "receiver not UTF-8": [b"\0", b"N1.\xff\xfe", b"CB", HEADER, b"{}"],
    "namespace not UTF-8": [b"\0", b"\xff\xfe.CA", b"CB", HEADER, b"{}"],
    "name of dots": [b"\0", b"COORDINATOR", b"...", HEADER, b'{"jsonrpc":"2.0","id":1,"method":"sign_in"}'],
    "name of control characters": [b"\0", b"COORDINATOR", b"\n\0\r", HEADER, b'{"id":1,"method":"sign_in"}'],
    "sign in as COORDINATOR": [b"\0", b"COORDINATOR", b"COORDINATOR", HEADER, b'{"id":1,"method":"sign_in"}'],
    "coordinator sign-in as ourselves": [
        b"\0", b"COORDINATOR", b"N1.COORDINATOR", HEADER, b'{"jsonrpc":"2.0","id":1,"method":"coordinator_sign_in"}',
    ],
    "coordinator sign-out of nobody": [
        b"\0", b"COORDINATOR", b"N5.COORDINATOR", HEADER, b'{"jsonrpc":"2.0","id":1,"method":"coordinator_sign_out"}',
    ],
    "name of 64 KiB": [b"\0", b"COORDINATOR", b"x" * 65536, HEADER, b'{"jsonrpc":"2.0","id":1,"method":"sign_in"}'],
    "deep JSON": [b"\0", b"COORDINATOR", b"CB", HEADER, b"[" * 200_000],
    "deep JSON objects": [b"\0", b"COORDINATOR", b"CB", HEADER, b'{"a":' * 100_000 + b"1" + b"}" * 100_000],
    "wide batch": [b"\0", b"COORDINATOR", b"CB", HEADER, b"[" + b"1," * 100_000 + b"1]"],
    "huge number as id": [b"\0", b"COORDINATOR", b"CB", HEADER, b'{"id":' + b"9" * 5000 + b',"method":"pong"}'],
    "nodes with bad addresses": [
        b"\0", b"COORDINATOR", b"CB", HEADER,
        b'{"jsonrpc":"2.0","id":1,"method":"add_nodes","params":{"nodes":{"X":"","Y":":::","Z.Z":"no host:99999999"}}}',
    ],
    "ten thousand frames": [b"\0", b"CB", b"CB", HEADER, *[b"x"] * 10_000],
    "huge frame": [b"\0", b"CB", b"CB", HEADER, b"x" * (40 << 20)],
}  # fmt: skip


@pytest.mark.ours("several of these stop it")
@pytest.mark.parametrize("frames", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_message_harms_nobody_else(node: Node, join: Maker, make_client: Maker, frames: list[bytes]) -> None:
    bystander = join(node, "CA")
    # One stranger, and one who has signed in, whose messages go further.
    for hostile in (make_client(node, "stranger"), join(node, "CB")):
        hostile.send_frames(frames)
        hostile.send_frames(frames)
        try:
            hostile.receive(0.2)
        except TimeoutError:
            pass
        hostile.close()
    newcomer = join(node, "newcomer")
    newcomer.send("CA", b"hello")
    assert bystander.receive().payload == (b"hello",)
    assert node.alive()


RAW = {
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    "ZMTP 1.0": b"\x01\x00",
    "ZMTP 2.0": b"\xff" + b"\0" * 8 + b"\x7f\x01\x05\x00\x00",
    "another mechanism": b"\xff" + b"\0" * 8 + b"\x7f\x03\x00" + b"GSSAPI".ljust(20, b"\0") + b"\0" * 32,
    "a frame of 2^63 - 1 bytes": b"\xff" + b"\0" * 8 + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" * 32
    + b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x06DEALER" + b"\x02\x7f" + b"\xff" * 7,
    "half a greeting": b"\xff" + b"\0" * 8 + b"\x7f\x03",
}  # fmt: skip


@pytest.mark.parametrize("data", RAW.values(), ids=RAW.keys())
def test_what_is_no_zmtp_harms_nobody(node: Node, join: Maker, data: bytes) -> None:
    bystander = join(node, "CA")
    with socket.create_connection(("127.0.0.1", node.port), timeout=5) as link:
        link.sendall(data)
        bystander.assert_silence(0.1)
    bystander.assert_silence(0.05)
    assert join(node, "CB").call("pong") is None
