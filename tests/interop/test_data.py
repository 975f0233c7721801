"""The data and the log channel: pyleco's own publishers and subscribers, and plain sockets of pyzmq."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Callable, Iterator

import pytest
import zmq
from pyleco.core.data_message import DataMessage
from pyleco.directors.data_logger_director import DataLoggerDirector
from pyleco.management.data_logger import DataLogger
from pyleco.utils.data_publisher import DataPublisher
from pyleco.utils.listener import Listener
from pyleco.utils.zmq_log_handler import ZmqLogHandler

from coordinators import Node
from leco import Client, until

pytestmark = pytest.mark.ours("its proxies are programs of their own")

#: From the port of the Coordinator to those of the channels.
PUBLISHERS, SUBSCRIBERS, GATHERER = -1200, -1201, -1199
LOG_PUBLISHERS, LOG_SUBSCRIBERS, LOG_GATHERER = -1202, -1203, -1204

Socket = Callable[..., "zmq.Socket[bytes]"]


@pytest.fixture
def socket() -> Iterator[Socket]:
    """Makes sockets that are gone after the test."""
    context = zmq.Context()

    def make(kind: int, node: Node, distance: int, *topics: bytes) -> "zmq.Socket[bytes]":
        made = context.socket(kind)
        made.connect(f"tcp://127.0.0.1:{node.port + distance}")
        for topic in topics:
            made.subscribe(topic)
        return made

    yield make
    context.destroy(linger=0)


def hears(subscriber: "zmq.Socket[bytes]", patience: float = 5) -> list[bytes]:
    assert subscriber.poll(patience * 1000), "nothing has come"
    return subscriber.recv_multipart()


def is_silent(subscriber: "zmq.Socket[bytes]", seconds: float = 0.3) -> bool:
    return not subscriber.poll(seconds * 1000)


def knows(xpub: "zmq.Socket[bytes]", *wanted: bytes) -> None:
    """Wait until a publisher has been told just that, in whatever order."""
    assert sorted(hears(xpub)[0] for _ in wanted) == sorted(wanted)
    assert is_silent(xpub, 0.2)


def told(client: Client, channel: str = "DATA_COORDINATOR") -> Any:
    return client.call("send_traffic", receiver=channel)


def test_what_is_wanted_goes_up_once_and_is_cancelled_once(node: Node, socket: Socket) -> None:
    publisher = socket(zmq.XPUB, node, PUBLISHERS)
    first = socket(zmq.SUB, node, SUBSCRIBERS, b"N1.x")
    knows(publisher, b"\x01N1.x")
    second = socket(zmq.XSUB, node, SUBSCRIBERS)
    second.send(b"\x01N1.x")
    second.send(b"\x01N2")
    knows(publisher, b"\x01N2")
    late = socket(zmq.XPUB, node, PUBLISHERS)
    knows(late, b"\x01N1.x", b"\x01N2")
    first.close(0)
    assert is_silent(publisher)
    second.close(0)
    knows(publisher, b"\x00N1.x", b"\x00N2")


def test_every_subscriber_of_a_beginning_gets_each_message_once_and_untouched(node: Node, socket: Socket) -> None:
    publisher = socket(zmq.XPUB, node, PUBLISHERS)
    all_of_it = socket(zmq.SUB, node, SUBSCRIBERS, b"")
    some = socket(zmq.SUB, node, SUBSCRIBERS, b"N1.a", b"N1.ab", b"N1.")
    other = socket(zmq.SUB, node, SUBSCRIBERS, b"N2")
    knows(publisher, b"\x01", b"\x01N1.a", b"\x01N1.ab", b"\x01N1.", b"\x01N2")
    messages = [[b"N1.abc", bytes(17), b"x" * size, b"", b"y"] for size in (0, 255, 256, 70_000, 3_000_000)]
    for message in messages:
        publisher.send_multipart(message)
    for subscriber in (all_of_it, some):
        assert [hears(subscriber) for _ in messages] == messages
    assert all(map(is_silent, (all_of_it, some, other)))


def test_an_xsub_talks_to_an_xpub(node: Node, socket: Socket) -> None:
    publisher, subscriber = socket(zmq.XPUB, node, PUBLISHERS), socket(zmq.XSUB, node, SUBSCRIBERS)
    subscriber.send(b"\x01")
    knows(publisher, b"\x01")
    subscriber.send_multipart([b"hello", b"there"])
    assert hears(publisher) == [b"hello", b"there"]


def test_a_stopped_subscriber_delays_nobody_and_its_drops_are_counted(
    node: Node, socket: Socket, join: Callable[..., Client]
) -> None:
    client = join(node, "CA")
    publisher = socket(zmq.XPUB, node, PUBLISHERS)
    publisher.sndhwm = 0
    stopped, reading = socket(zmq.SUB, node, SUBSCRIBERS), socket(zmq.SUB, node, SUBSCRIBERS)
    stopped.rcvhwm, reading.rcvhwm = 10, 0
    for subscriber in (stopped, reading):
        subscriber.setsockopt(zmq.SUBSCRIBE, b"t")
    knows(publisher, b"\x01t")
    until(lambda: told(client)["subscriptions"] == 2, "both subscriptions")
    count, payload = 3000, bytes(20_000)
    for n in range(count):
        publisher.send_multipart([b"t", str(n).encode(), payload])
        if n % 20 == 0:
            while reading.poll(0):
                reading.recv_multipart()
            time.sleep(0.001)
    until(lambda: told(client)["publishers"][0]["messages"] == count, "all messages")
    drops = sorted(row["drops"] for row in told(client)["subscribers"])
    assert drops[0] == 0 and drops[1] > 0
    got = 0
    while stopped.poll(1000):
        stopped.recv_multipart()
        got += 1
    drops = sorted(row["drops"] for row in told(client)["subscribers"])
    assert got + drops[1] == count
    assert "keeps up again" in node.log() or "does not keep up" in node.log()


def test_a_publisher_and_a_logger_of_pyleco(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DataPublisher.__init__, "__defaults__", ("localhost", node.port + PUBLISHERS, None, None))
    logger = DataLogger(
        name="logger", host="localhost", port=node.port, data_host="localhost", data_port=node.port + SUBSCRIBERS
    )
    stop = threading.Event()
    thread = threading.Thread(target=logger.listen, kwargs={"stop_event": stop}, daemon=True)
    thread.start()
    director = DataLoggerDirector(actor="logger", name="boss", host="localhost", port=node.port)
    try:
        director.communicator.timeout = 5
        until(lambda: director.ask_rpc("pong") is None, "the logger", patience=5)
        director.start_collecting(
            variables=["N1.probe.volt"], trigger_type="variable", trigger_variable="N1.probe.volt", value_repeating=True
        )
        publisher = DataPublisher("N1.probe", port=node.port + PUBLISHERS)
        time.sleep(0.5)
        for value in (1.5, 2.5, 3.5):
            publisher.send_data({"volt": value})
        until(lambda: director.ask_rpc("get_list_length") == 3, "three data points", patience=5)
        assert director.ask_rpc("get_last_datapoint")["N1.probe.volt"] == 3.5
        publisher.close()
    finally:
        stop.set()
        director.close()
        thread.join(5)


def test_a_listener_of_pyleco_subscribes(node: Node) -> None:
    listener = Listener(
        "listener", host="localhost", port=node.port, data_host="localhost", data_port=node.port + SUBSCRIBERS
    )
    heard: list[DataMessage] = []
    listener.start_listen()
    try:
        listener.message_handler.handle_subscription_message = heard.append  # type: ignore[method-assign]
        listener.get_communicator().subscribe("N1.p")
        publisher = DataPublisher("N1.probe", port=node.port + PUBLISHERS)
        time.sleep(0.5)
        publisher.send_data({"a": 1})
        publisher.send_data({"b": 2}, topic="N2.other")
        until(lambda: len(heard) == 1, "the message")
        assert (heard[0].topic, heard[0].data) == (b"N1.probe", {"a": 1})
        publisher.close()
    finally:
        listener.stop_listen()


def test_a_log_handler_of_pyleco(node: Node, socket: Socket) -> None:
    subscriber = socket(zmq.SUB, node, LOG_SUBSCRIBERS, b"")
    handler = ZmqLogHandler(port=node.port + LOG_PUBLISHERS, full_name="N1.lab")
    time.sleep(0.5)
    log = logging.Logger("laser")
    log.addHandler(handler)
    log.warning("it is hot")
    topic, _, content = hears(subscriber)
    assert topic == b"N1.lab" and b'"WARNING","laser","it is hot"' in content.replace(b'", "', b'","')
    handler.queue.close()  # type: ignore[attr-defined]


def test_the_channels_answer_by_name(node: Node, join: Callable[..., Client]) -> None:
    client = join(node, "CA")
    for name, ports in (
        ("DATA_COORDINATOR", (PUBLISHERS, GATHERER, SUBSCRIBERS)),
        ("LOG_COORDINATOR", (LOG_PUBLISHERS, LOG_GATHERER, LOG_SUBSCRIBERS)),
    ):
        at = [f"127.0.0.1:{node.port + distance}" for distance in ports]
        assert client.call("pong", receiver=name) is None
        assert client.call("send_data_addresses", receiver=f"N1.{name}") == {
            "gatherer_xsub": at[0],
            "gatherer_xpub": at[1],
            "distributor_xpub": at[2],
        }
        names = [method["name"] for method in client.call("rpc.discover", receiver=name)["methods"]]
        assert {"pong", "set_log_level", "shut_down", "connect_to_gatherer", "disconnect_from_gatherer"} <= set(names)
        assert client.call("list_gatherers", receiver=name) == []
        assert client.call("connect_to_gatherer", {"address": "127.0.0.1:1"}, name) is None
        assert client.call("list_gatherers", receiver=name) == ["127.0.0.1:1"]
        error = client.ask("connect_to_gatherer", {"address": "127.0.0.1:1"}, name).data["error"]
        assert (error["code"], error["data"]) == (-32010, "127.0.0.1:1")
        assert client.call("disconnect_from_gatherer", {"address": "127.0.0.1:1"}, name) is None
        error = client.ask("disconnect_from_gatherer", {"address": "127.0.0.1:1"}, name).data["error"]
        assert (error["code"], error["data"]) == (-32011, "127.0.0.1:1")


def test_another_program_of_that_name_is_refused_while_the_channel_is_on(
    node: Node, make_node: Callable[..., Node], make_client: Callable[..., Client]
) -> None:
    other = make_client(node, "DATA_COORDINATOR")
    assert other.sign_in().error_code == -32091
    off = make_node("N2", arguments=["--data-port", "off", "--log-channel-port", "off"])
    real = make_client(off, "DATA_COORDINATOR")
    assert real.sign_in().error_code is None


def test_what_is_published_at_one_node_is_heard_at_the_others_and_once(
    make_node: Callable[..., Node], socket: Socket
) -> None:
    one = make_node("N1")
    two = make_node("N2", coordinators=[one.address])
    three = make_node("N3", coordinators=[one.address])
    publishers = [socket(zmq.XPUB, node, PUBLISHERS) for node in (one, two, three)]
    subscribers = [socket(zmq.SUB, node, SUBSCRIBERS, b"N") for node in (one, three)]
    for publisher in publishers:
        assert hears(publisher, 15) == [b"\x01N"]
    time.sleep(0.5)
    for n, publisher in enumerate(publishers):
        publisher.send_multipart([b"N%d.p" % (n + 1), b"x"])
        publisher.send_multipart([b"other", b"x"])
    for subscriber in subscribers:
        assert sorted(hears(subscriber)[0] for _ in publishers) == [b"N1.p", b"N2.p", b"N3.p"]
        assert is_silent(subscriber), "each message once"
    three.kill()
    publishers[0].send_multipart([b"N1.p", b"y"])
    assert hears(subscribers[0]) == [b"N1.p", b"y"]
    three.start()
    assert is_silent(subscribers[0])
    deadline = time.time() + 20
    while not subscribers[1].poll(200):
        assert time.time() < deadline, "it is connected again"
        publishers[1].send_multipart([b"N2.p", b"again"])
    assert subscribers[1].recv_multipart() == [b"N2.p", b"again"]
