"""The data channel beside libzmq's own proxy: the same sockets do the same to both, and everybody has got the same from either."""

from __future__ import annotations

import random
import threading
import time
from typing import Callable

import pytest
import zmq

from coordinators import Node

pytestmark = pytest.mark.ours("its proxies are programs of their own")

PUBLISHERS, SUBSCRIBERS = -1200, -1201
TOPICS = [b"", b"N1.", b"N1.a", b"N1.ab", b"N1.abc", b"N2.a", b"x", b"N1.a\x00", b"N2"]
#: What begins with this stands between two steps, and is no message of the test.
MARK = b"\xff"
STEPS = 60
PATIENCE = 10

Socket = zmq.Socket[bytes]


class Relay:
    """libzmq's proxy."""

    def __init__(self) -> None:
        self.context = zmq.Context()
        self.ins, self.outs = self.context.socket(zmq.XSUB), self.context.socket(zmq.XPUB)
        self.port_in = self.ins.bind_to_random_port("tcp://127.0.0.1")
        self.port_out = self.outs.bind_to_random_port("tcp://127.0.0.1")
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        try:
            zmq.proxy(self.ins, self.outs)
        except zmq.ContextTerminated:
            pass
        self.ins.close(0)
        self.outs.close(0)

    def end(self) -> None:
        self.context.term()
        self.thread.join(PATIENCE)


def next_of(socket: Socket, what: str) -> list[bytes]:
    assert socket.poll(PATIENCE * 1000), what
    return socket.recv_multipart()


class House:
    """Publishers and subscribers around one relay. Every step is over when whoever it is about knows of it."""

    def __init__(self, port_in: int, port_out: int) -> None:
        self.context = zmq.Context()
        self.port_in, self.port_out = port_in, port_out
        self.publishers: dict[int, Socket] = {}
        self.subscribers: dict[int, Socket] = {}
        self.marks = 0
        # Somebody whose subscriptions are marks alone.
        self.anchor = self.plug(zmq.SUB, port_out)

    def plug(self, kind: int, port: int) -> Socket:
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.connect(f"tcp://127.0.0.1:{port}")
        return socket

    def mark(self, subscriber: Socket) -> None:
        """All that a subscriber has said until now has come to all publishers."""
        self.marks += 1
        topic = MARK + b"m%d" % self.marks
        subscriber.subscribe(topic)
        self.known(b"\x01" + topic)

    def known(self, word: bytes) -> None:
        for publisher in self.publishers.values():
            while next_of(publisher, f"a publisher hears {word!r}")[0] != word:
                pass

    def subscriber(self, n: int) -> None:
        self.subscribers[n] = self.plug(zmq.SUB, self.port_out)
        self.subscribers[n].subscribe(MARK + b"d")
        self.subscribers[n].subscribe(MARK + b"u%d" % n)
        self.mark(self.subscribers[n])

    def publisher(self, n: int) -> None:
        self.publishers[n] = self.plug(zmq.XPUB, self.port_in)
        # The first may be among what it is told at the beginning; the second comes behind all of that.
        self.mark(self.anchor)
        self.mark(self.anchor)

    def subscription(self, n: int, is_wanted: bool, topic: bytes) -> None:
        subscriber = self.subscribers[n]
        subscriber.setsockopt(zmq.SUBSCRIBE if is_wanted else zmq.UNSUBSCRIBE, topic)
        self.mark(subscriber)

    def subscriber_leaves(self, n: int) -> None:
        self.subscribers.pop(n).close()
        self.known(b"\x00" + MARK + b"u%d" % n)

    def publisher_leaves(self, n: int) -> None:
        self.publishers.pop(n).close()

    def publish(self, messages: list[tuple[int, bytes, bytes]]) -> dict[int, dict[bytes, list[list[bytes]]]]:
        """What each subscriber gets, by publisher."""
        for publisher, topic, content in messages:
            self.publishers[publisher].send_multipart([topic, b"%d" % publisher, content])
        self.marks += 1
        end = MARK + b"d%d" % self.marks
        for n, publisher in self.publishers.items():
            publisher.send_multipart([end, b"%d" % n])
        got: dict[int, dict[bytes, list[list[bytes]]]] = {}
        for n, subscriber in self.subscribers.items():
            left = set(self.publishers)
            heard = got.setdefault(n, {})
            while left:
                message = next_of(subscriber, f"subscriber {n} waits for the end of {left}")
                if message[0] == end:
                    left.remove(int(message[1]))
                elif not message[0].startswith(MARK):
                    heard.setdefault(message[1], []).append(message)
        return got

    def end(self) -> None:
        self.context.destroy(linger=0)


@pytest.mark.parametrize("seed", range(4))
def test_everybody_gets_the_same_as_from_libzmqs_proxy(make_node: Callable[..., Node], seed: int) -> None:
    node, relay = make_node("N1"), Relay()
    houses = [House(node.port + PUBLISHERS, node.port + SUBSCRIBERS), House(relay.port_in, relay.port_out)]
    dice = random.Random(seed)
    # Topics that a subscriber has: libzmq's sockets count how often they have subscribed to one.
    wanted: dict[int, set[bytes]] = {}
    publishers: set[int] = set()
    delivered, came = 0, 0
    try:
        for step in range(STEPS):
            act = dice.choice(["come", "subscribe", "subscribe", "cancel", "publish", "publish", "publish", "leave"])
            if act == "come" or not wanted or not publishers:
                came += 1
                if len(publishers) < 3 and (not publishers or dice.random() < 0.4):
                    publishers.add(came)
                    for house in houses:
                        house.publisher(came)
                elif len(wanted) < 6:
                    wanted[came] = set()
                    for house in houses:
                        house.subscriber(came)
            elif act in ("subscribe", "cancel"):
                n, topic = dice.choice(sorted(wanted)), dice.choice(TOPICS)
                is_wanted = act == "subscribe"
                if is_wanted != (topic in wanted[n]):
                    wanted[n] ^= {topic}
                    for house in houses:
                        house.subscription(n, is_wanted, topic)
            elif act == "leave" and dice.random() < 0.5 and len(wanted) > 1:
                n = dice.choice(sorted(wanted))
                del wanted[n]
                for house in houses:
                    house.subscriber_leaves(n)
            elif act == "leave" and len(publishers) > 1:
                n = dice.choice(sorted(publishers))
                publishers.remove(n)
                for house in houses:
                    house.publisher_leaves(n)
            elif act == "publish":
                some = sorted(publishers)
                messages = []
                for n in range(dice.randrange(1, 12)):
                    topic = dice.choice(TOPICS) + dice.choice([b"", b"c"])
                    content = b"%d.%d" % (step, n) + bytes(dice.choice([0, 1, 300, 70_000]))
                    messages.append((dice.choice(some), topic, content))
                ours, theirs = (house.publish(messages) for house in houses)
                assert ours == theirs, f"seed {seed}, step {step}"
                delivered += sum(len(one) for heard in ours.values() for one in heard.values())
        assert delivered > 20
    finally:
        for house in houses:
            house.end()
        relay.end()


def test_a_recording_of_the_time_between_is_the_same(make_node: Callable[..., Node]) -> None:
    """A subscription that comes while messages flow: from some message on all of them, and none twice."""
    node, relay = make_node("N1"), Relay()
    houses = [House(node.port + PUBLISHERS, node.port + SUBSCRIBERS), House(relay.port_in, relay.port_out)]
    try:
        for house in houses:
            house.publisher(1)
            house.subscriber(1)
            for n in range(500):
                if n == 100:
                    house.subscribers[1].subscribe(b"t")
                house.publishers[1].send_multipart([b"t", b"%d" % n])
                if n >= 100:
                    time.sleep(0.0005)
            heard = house.publish([])[1]
            numbers = sorted(int(number) for number in heard)
            assert numbers == list(range(numbers[0], 500)) and all(len(one) == 1 for one in heard.values())
    finally:
        for house in houses:
            house.end()
        relay.end()
