"""ZMTP 3.1 and LECO as bytes: what a DEALER writes, and a reader of what comes back."""

from __future__ import annotations

import json
import struct
from typing import Any, Iterator, Optional

JSON, DATA, C2SIM = 1, 3, 128
LONG, COMMAND, MORE = 2, 4, 1
GREETING_BYTES = 64


def frame(flags: int, body: bytes) -> bytes:
    if len(body) > 255:
        return struct.pack(">BQ", flags | LONG, len(body)) + body
    return struct.pack("BB", flags, len(body)) + body


def opening() -> bytes:
    """Greeting and READY of a DEALER."""
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48)
    return greeting + frame(COMMAND, b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER")


def message(receiver: bytes, sender: bytes, conversation: bytes, kind: int, *payload: bytes) -> bytes:
    """A LECO message."""
    parts = [b"\0", receiver, sender, conversation + b"\0\0\0" + bytes([kind]), *payload]
    return b"".join(frame(MORE if n + 1 < len(parts) else 0, part) for n, part in enumerate(parts))


def request(method: str, **params: Any) -> bytes:
    call: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method}
    if params:
        call["params"] = params
    return json.dumps(call).encode()


class Heard:
    """One message as it came in."""

    __slots__ = ("receiver", "sender", "conversation", "kind", "payload")

    def __init__(self, frames: list[bytes]) -> None:
        _, self.receiver, self.sender, header, *self.payload = frames
        self.conversation, self.kind = header[:16], header[19]

    def json(self) -> dict[str, Any]:
        """The JSON of the first payload frame; empty if it is none."""
        try:
            found = json.loads(self.payload[0])
        except (IndexError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


class Reader:
    """Cuts a stream into messages; what PINGs want answered waits in `pongs`."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._frames: list[bytes] = []
        self._greeted = False
        self.pongs = bytearray()

    def feed(self, data: bytes) -> Iterator[Heard]:
        self._bytes += data
        at = 0
        if not self._greeted:
            if len(self._bytes) < GREETING_BYTES:
                return
            self._greeted, at = True, GREETING_BYTES
        while (found := self._frame(at)) is not None:
            flags, start, end = found
            body = bytes(self._bytes[start:end])
            at = end
            if flags & COMMAND:
                if body.startswith(b"\x04PING"):
                    self.pongs += frame(COMMAND, b"\x04PONG" + body[7:])
                continue
            self._frames.append(body)
            if not flags & MORE:
                whole, self._frames = self._frames, []
                yield Heard(whole)
        del self._bytes[:at]

    def _frame(self, at: int) -> Optional[tuple[int, int, int]]:
        """Flags, beginning and end of the body that begins at `at`; nothing if it is not whole yet."""
        there = len(self._bytes)
        if there < at + 2:
            return None
        flags, size, start = self._bytes[at], self._bytes[at + 1], at + 2
        if flags & LONG:
            start = at + 9
            if there < start:
                return None
            size = int.from_bytes(self._bytes[at + 1 : start], "big")
        return (flags, start, start + size) if there >= start + size else None
