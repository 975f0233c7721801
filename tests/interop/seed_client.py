"""A Controller written from the document "Specification of Manager Control Messages" alone.

It knows the function numbers and the shapes that the document gives, and nothing of what the server makes of them.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, NamedTuple

import msgpack

EXIT, ERRORS, VIEWERS, MANAGER = 1, 2, 3, 4
OPEN, CLOSE, PROVIDERS = 101, 102, 103
CONNECT, DISCONNECT, REFRESH, SESSIONS = 201, 202, 203, 204

#: No Data Object at all behind the Data Header.
ABSENT = object()

#: "Length: 3 or 5, 9 bytes", and what packing a length with MsgPack gives otherwise.
LENGTHS = {
    "3 bytes": lambda length: struct.pack(">BH", 0xCD, length),
    "5 bytes": lambda length: struct.pack(">BI", 0xCE, length),
    "9 bytes": lambda length: struct.pack(">BQ", 0xCF, length),
    "3 bytes, signed": lambda length: struct.pack(">Bh", 0xD1, length),
    "5 bytes, signed": lambda length: struct.pack(">Bi", 0xD2, length),
    "9 bytes, signed": lambda length: struct.pack(">Bq", 0xD3, length),
    "as packb has it": msgpack.packb,
}


def defaults(**given: Any) -> dict[str, Any]:
    """The whole "Mixed List of Arguments" as a typed client sends it: what is not given has its type's default."""
    return {
        "address": {"host": "", "port": 0},
        "logfilename": "",
        "provider": [],
        "session": [],
        "viewer": [],
        "connection": {"provider": 0, "viewer": 0},
    } | given


def nils(**given: Any) -> dict[str, Any]:
    """The same of a client whose unset members are nil."""
    return dict.fromkeys(("address", "logfilename", "provider", "session", "viewer", "connection")) | given


def reduced(**given: Any) -> dict[str, Any]:
    """The same of a client that has only the lists."""
    return {"provider": [], "session": [], "viewer": []} | given


class Answer(NamedTuple):
    """The Data Header and the Data Object of one ControlResult."""

    call: int
    result: bool
    data: dict[str, Any]

    @property
    def message(self) -> str:
        return self.data.get("message", "")


class Controller:
    """One connection to the control port, used again for each request."""

    def __init__(self, port: int, version: Any = "1.0", length: str = "3 bytes") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.version = version
        self.length = LENGTHS[length]
        self.received = msgpack.Unpacker(raw=False, strict_map_key=False)

    def send(self, call: int, data: Any = ABSENT) -> None:
        body = msgpack.packb([self.version, call])
        if data is not ABSENT:
            body += msgpack.packb(data)
        self.socket.sendall(self.length(len(body)) + body)

    def value(self) -> Any:
        while True:
            try:
                return self.received.unpack()
            except msgpack.OutOfData:
                more = self.socket.recv(65536)
                if not more:
                    raise ConnectionError("the Manager has closed the connection") from None
                self.received.feed(more)

    def receive(self) -> Answer:
        length = self.value()
        before = self.received.tell()
        header = self.value()
        assert isinstance(header, list) and len(header) == 2, header
        data = self.value()
        assert isinstance(data, dict), data
        assert self.received.tell() - before == length
        assert isinstance(header[1], bool), header
        return Answer(*header, data)

    def call(self, call: int, data: Any = ABSENT) -> Answer:
        self.send(call, data)
        answer = self.receive()
        assert answer.call == call, answer
        return answer

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Controller:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
