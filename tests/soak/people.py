"""Clients: Components on raw sockets that send, read or do not, go and come back under their names."""

from __future__ import annotations

import random
import selectors
import socket
import struct
import time
from typing import Callable, Optional

import wire
from account import Account, Life, Sent

#: Bytes read at a time, and bytes that may wait on this side before a client sends no more.
READ_BYTES, WAITING_BYTES = 1 << 18, 1 << 18
#: Between two tries to come in.
AGAIN_SECONDS = 0.05
#: What messages are filled with.
FILLER = random.Random(1).randbytes(1 << 17)


class Client:
    """One Component and its connection. `other` hears what is neither a test message nor an error about one."""

    def __init__(self, name: str, node: int, port: int, account: Account, say: Callable[[str], None]) -> None:
        self.name, self.node, self.port, self.account, self.say = name, node, port, account, say
        self.full = f"N{node + 1}.{name}"
        self.reads_from = 0.0
        self.comes_from = 0.0
        self.is_leaving = False
        self.other: Callable[[wire.Heard], None] = lambda _: None
        #: Told before its socket is closed.
        self.closing: Callable[[], None] = lambda: None
        self.life: Optional[Life] = None
        self.socket: Optional[socket.socket] = None
        self._connected = self._half_closed = False
        self._lives = 0
        self._arrivals = 0
        self._out = bytearray()
        self._reader = wire.Reader()

    # ---- Coming and going ----

    def begin(self, now: float) -> None:
        """Connects, if it is time to."""
        if self.socket is not None or self.is_leaving or now < self.comes_from:
            return
        self.comes_from = now + AGAIN_SECONDS
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self.socket.connect_ex(("127.0.0.1", self.port))
        self._connected = self._half_closed = False
        self._reader = wire.Reader()
        self._out = bytearray(wire.opening())
        self._out += wire.message(b"COORDINATOR", self.name.encode(), bytes(16), wire.JSON, wire.request("sign_in"))

    @property
    def is_in(self) -> bool:
        return self.life is not None and not self.is_leaving

    def stand_still(self, seconds: float) -> None:
        """Does not read for a while."""
        if self.is_in:
            self.reads_from = time.monotonic() + seconds
            self.life.has_stood_still = True
            self.say(f"{self.name} does not read for {seconds:.2f} s")

    def close(self, reset: bool, back_in: float) -> None:
        """Goes: at once with a reset, or in order, reading what still comes."""
        self.comes_from = time.monotonic() + back_in
        if self.socket is None:
            return
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._end("it resets its link")
            self.account.resets.setdefault(self.full, []).append(time.monotonic())
        elif self.is_in:
            self.is_leaving = True
            self.reads_from = 0.0
            self.say(f"{self.name} leaves in order")

    def _end(self, why: str) -> None:
        if self.socket is not None:
            self.closing()
            self.socket.close()
        self.socket, self.is_leaving = None, False
        if self.life is not None:
            self.life.ended = time.monotonic()
            self.say(f"{self.life}: {why}, {self.life.taken} of {self.life.queued} B sent")
        self.life = None

    # ---- Sending ----

    def has_room(self) -> bool:
        return self.is_in and len(self._out) < WAITING_BYTES

    def send(self, receiver: str, to_node: int, size: int) -> None:
        """Queues a test message."""
        assert self.life is not None
        conversation = self.account.conversation()
        self._put(wire.message(receiver.encode(), self.full.encode(), conversation, wire.DATA, conversation, FILLER[:size]))
        sent = Sent(conversation, self.life, receiver, to_node, size)
        self.life.sent.append(sent)
        self.account.all[conversation] = sent

    def say_to(self, receiver: str, conversation: bytes, kind: int, payload: bytes) -> None:
        """Queues anything else."""
        self._put(wire.message(receiver.encode(), self.full.encode(), conversation, kind, payload))

    def _put(self, message: bytes) -> None:
        if self._half_closed:
            return
        self._out += message
        if self.life is not None:
            self.life.queued += len(message)

    # ---- The socket ----

    def wants(self, now: float) -> int:
        """The events that it waits for."""
        reads = selectors.EVENT_READ if now >= self.reads_from else 0
        waits = self._out or not self._connected or (self.is_leaving and not self._half_closed)
        writes = selectors.EVENT_WRITE if waits else 0
        return reads | writes

    def write(self) -> None:
        assert self.socket is not None
        try:
            self._connected = True
            if self._out:
                taken = self.socket.send(memoryview(self._out)[: 1 << 18])
                del self._out[:taken]
                if self.life is not None:
                    self.life.taken += taken
                    self.account.note_taken(self.life, time.monotonic())
            elif self.is_leaving:
                self.socket.shutdown(socket.SHUT_WR)
                self._half_closed = True
        except BlockingIOError:
            pass
        except OSError as error:
            self._end(f"its link is broken: {error}")

    def read(self) -> None:
        assert self.socket is not None
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(f"its link is broken: {error}")
            return
        if not data:
            if self.life is not None:
                self.life.is_read_out = self._half_closed and not self.life.has_stood_still
            self._end("its link has ended")
            return
        for heard in self._reader.feed(data):
            self._hear(heard)
        if self._reader.pongs and not self._half_closed:
            self._put(bytes(self._reader.pongs))
        self._reader.pongs.clear()

    # ---- Hearing ----

    def _hear(self, heard: wire.Heard) -> None:
        now = time.monotonic()
        sent = self.account.all.get(heard.conversation)
        if heard.kind == wire.DATA:
            self._arrivals += 1
            if sent is None:
                return
            whole = heard.payload == [sent.conversation, FILLER[: sent.size]]
            if not whole or sent.receiver != self.full or heard.sender.decode() != f"N{sent.life.node + 1}.{sent.life.client}":
                self.account.note(f"changed or misled: came to {self.full}", sent, now)
            sent.came.append((self._arrivals, now))
            return
        found = heard.json()
        if "error" in found and sent is not None:
            sent.errors.append((f"{found['error'].get('code')} {found['error'].get('data')} by {heard.sender.decode()}", now))
        elif found.get("method") == "pong":
            answer = b'{"jsonrpc":"2.0","id":%d,"result":null}' % int(found.get("id") or 0)
            self.say_to(heard.sender.decode(), heard.conversation, wire.JSON, answer)
        elif self.life is None and heard.conversation == bytes(16):
            self._admitted("result" in found, found)
        else:
            self.other(heard)

    def _admitted(self, welcome: bool, found: dict[str, object]) -> None:
        if not welcome:
            # The old link still holds the name.
            self._end(f"not let in: {found}")
            return
        self._lives += 1
        self.life = Life(self.name, self.node, self._lives)
        self.account.lives.append(self.life)
        self.say(f"{self.life} is in")
