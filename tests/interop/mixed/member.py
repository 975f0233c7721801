"""What members have in common: what they do as their dice fall, and what they write down of it."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections import Counter
from typing import Any, Optional

from . import documents

#: How long is waited (s) for what has to come.
PATIENCE = 8.0
#: A thin line: little waits in the sockets, so that who does not read is soon noticed.
RECEIVE_BYTES, SEGMENT_BYTES = 8 << 10, 536
#: Why something is refused: the server has no room for it now; the state does not permit it, or its author was cut off.
BUSY = ("busy", "the server is busy")
EXPECTED = ("NOT_ALLOWED", "not permitted in state", "CLIENT_NOT_JOINED_SHARED_SESSION", "not signed in")


def thin_socket(port: int) -> socket.socket:
    thin = socket.socket()
    thin.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    thin.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
    thin.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    thin.connect(("127.0.0.1", port))
    return thin


def reset(connection: socket.socket) -> None:
    """Has the other end find a reset, as far as the system lets us."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # The other end was faster.


class Ear:
    """What one connection hears, until it is over; its reader stands still when it is told to."""

    def __init__(self, player: "Player") -> None:
        self.player = player
        self.still_until = 0.0
        self.is_cut = False
        self.over = threading.Event()
        self.awaited = ""
        self.came = threading.Event()

    def wait(self) -> None:
        while not self.is_cut and (rest := self.still_until - time.monotonic()) > 0:
            time.sleep(min(rest, 0.05))

    def waits_for(self, came: threading.Event) -> bool:
        """Waits for something that comes on this connection, as long as there is one."""
        deadline = time.monotonic() + PATIENCE
        while not came.wait(0.01) and time.monotonic() < deadline and not self.over.is_set():
            pass
        return came.is_set() and not self.over.is_set()

    def hear(self, line: str, number: Optional[int] = None) -> None:
        """A document on one line has come."""
        if not line.endswith("\n") or line.count("\n") != 1:
            self.player.fault(f"not on one line: {line[:300]!r}")
        item = documents.item_of(line)
        if item is None:
            self.player.sum["other documents"] += 1
            return
        self.player.compare(item, line, 1, "\n")
        self.player.note("heard", item, number)
        self.player.has_heard_last |= item == ["trigger", "StopScenario"]
        if item[1] == self.awaited:
            self.came.set()

    def end(self, why: str) -> None:
        self.player.note("ended", why)
        self.player.sum[why] += 1
        self.over.set()


class Player:
    """What all members have in common."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given
        self.name: str = given["name"]
        #: By whose name it hands in what it wants to hear itself.
        self.voice = self.name
        self.dice = random.Random(f"{given['seed']} {self.name}")
        self.account: list[list[Any]] = []
        self.faults: list[str] = []
        self.sum: Counter[str] = Counter()
        self.documents = 0
        self.next_trigger = "PAUSE_SCENARIO"
        self.has_heard_last = False

    def note(self, *entry: Any) -> None:
        self.account.append(list(entry))

    def fault(self, what: str) -> None:
        self.faults.append(what)

    def compare(self, item: Optional[list[str]], heard: str, form: int, end: str = "") -> None:
        """Holds a document that was heard to what its author wrote, as it is or on one line."""
        if item and item[0] == "document" and heard != (due := documents.document(item[1])[form] + end):
            self.fault(f"{item[1]} is not what its author wrote: {documents.difference(heard, due)}")

    def new_mark(self, foreign: bool = False, proof: bool = False) -> str:
        self.documents += 1
        order, foreign = self.dice.random() < 0.3 and not proof, foreign and not proof
        return documents.mark(self.voice if proof else self.name, self.documents, order=order, foreign=foreign)

    def still_seconds(self) -> float:
        """How long to stand still: seldom for longer than the server bears."""
        slow = self.given["slow_ms"] / 1000
        return self.dice.uniform(1.5, 2.5) * slow if self.dice.random() < 0.4 else self.dice.uniform(0.02, 0.4) * slow

    def act(self) -> None:
        roll = self.dice.randrange(400)
        if roll < 6:
            self.stall(self.still_seconds())
        elif roll < 9:
            self.cut()
        elif roll < 12:
            self.cut_requests()
        elif roll < 24:
            self.pull(self.next_trigger)
            self.next_trigger = "RESUME_SCENARIO" if self.next_trigger == "PAUSE_SCENARIO" else "PAUSE_SCENARIO"
        else:
            self.hand_in(self.new_mark())

    def refused(self, item: list[str], code: str) -> None:
        """It was not taken; who is busy gets some rest."""
        self.note("untaken", item)
        is_busy = code in BUSY
        self.sum["busy" if is_busy else "refused"] += 1
        if is_busy:
            time.sleep(0.02)
        elif not any(known in code for known in EXPECTED):
            self.fault(f"{item} was refused: {code}")

    def attach(self) -> None:
        raise NotImplementedError

    def stall(self, seconds: float) -> None:
        raise NotImplementedError

    def cut(self) -> None:
        raise NotImplementedError

    def cut_requests(self) -> None:
        raise NotImplementedError

    def pull(self, trigger: str) -> None:
        raise NotImplementedError

    def hand_in(self, name: str) -> None:
        raise NotImplementedError

    def keep_listening(self) -> None:
        """Does what there is to do without handing anything in."""
        raise NotImplementedError

    def is_listening(self) -> bool:
        """Whether it hears, and has heard all that was before this call."""
        raise NotImplementedError
