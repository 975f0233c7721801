"""Controllers and viewers of the Manager, over Python's own MsgPack; and logs in the simplest of their forms."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any, Callable, Optional, Sequence

import msgpack

OPEN, CLOSE, ACTION, UPDATE, WORLD, PERCEPTION, CONFIG, MAP = (1 << n for n in range(8))

EXIT, ERRORS, VIEWERS, MANAGER = 1, 2, 3, 4
OPEN_PROVIDER, CLOSE_PROVIDER, PROVIDERS = 101, 102, 103
CONNECT, DISCONNECT, REFRESH, SESSIONS = 201, 202, 203, 204

#: How the data header and the data object may lie in a message.
BESIDE, FLAT, NESTED, LOOSE = "beside", "flat", "nested", "loose"
SHAPES = (BESIDE, FLAT, NESTED, LOOSE)


def wait_for(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """What `condition` gives once that is something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


class Closed(Exception):
    """The other end has closed."""


class Connection:
    """Bodies behind a length header, which is a MsgPack integer of 3, 5 or 9 bytes."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._held = b""

    def close(self) -> None:
        self.socket.close()

    def send(self, body: bytes, *, compact: bool = False) -> None:
        if compact:  # as one surviving client does: the shortest integer
            header = msgpack.packb(len(body))
        elif len(body) < 1 << 16:
            header = b"\xcd" + struct.pack(">H", len(body))
        else:
            header = b"\xce" + struct.pack(">I", len(body))
        self.socket.sendall(header + body)

    def receive(self, timeout: float = 10) -> bytes:
        self.socket.settimeout(timeout)
        width = {0xCD: 2, 0xCE: 4, 0xCF: 8}[self._take(1)[0]]
        return self._take(int.from_bytes(self._take(width), "big"))

    def _take(self, count: int) -> bytes:
        while len(self._held) < count:
            more = self.socket.recv(1 << 18)
            if not more:
                raise Closed
            self._held += more
        taken, self._held = self._held[:count], self._held[count:]
        return taken


class Controller(Connection):
    """One controller. `call` gives the result's boolean and its object."""

    def __init__(self, port: int, shape: str = BESIDE) -> None:
        super().__init__(port)
        self.shape = shape

    def call(self, function: int, **arguments: Any) -> tuple[bool, dict[str, Any]]:
        values: list[Any]
        if self.shape == BESIDE:
            values = [["1", function], arguments]
        elif self.shape == FLAT:
            values = [["1", function, arguments]]
        elif self.shape == NESTED:
            values = [[["1", function], arguments]]
        else:
            values = ["1", function, arguments]
        self.send(b"".join(map(msgpack.packb, values)), compact=self.shape == LOOSE)
        return self.result(function)

    def result(self, function: int) -> tuple[bool, dict[str, Any]]:
        unpacker = msgpack.Unpacker(raw=False)
        unpacker.feed(self.receive())
        values = list(unpacker)
        if self.shape == BESIDE:
            (called, succeeded), data = values
        elif self.shape == FLAT:
            ((called, succeeded, data),) = values
        elif self.shape == NESTED:
            (((called, succeeded), data),) = values
        else:
            called, succeeded, data = values
        assert called == function, values
        return succeeded, data


class Viewer(Connection):
    """One viewer."""

    def ask(self, request: int, time: Optional[int] = None) -> None:
        self.send(msgpack.packb({"request": request} if time is None else {"request": request, "time": time}))

    def result(self, timeout: float = 10) -> dict[str, Any]:
        return msgpack.unpackb(self.receive(timeout), raw=False)

    def call(self, request: int, time: Optional[int] = None) -> dict[str, Any]:
        """Ask, and pass over what comes unasked before the answer."""
        self.ask(request, time)
        while True:
            result = self.result()
            if result["request"] == request:
                return result

    def until(self, time: int) -> list[dict[str, Any]]:
        """Results up to the one of `time`, but for words that come without data."""
        results: list[dict[str, Any]] = []
        while not results or results[-1]["time"] < time:
            result = self.result()
            if not result["message"]:
                results.append(result)
        return results


# ---- logs, as kernels of version 1 write them ----

_STANDARD = "urn:rescuecore2.standard:"


def _int(value: int) -> bytes:
    return struct.pack(">i", value)


def _sized(content: bytes) -> bytes:
    return _int(len(content)) + content


def _list(items: Sequence[bytes]) -> bytes:
    return _int(len(items)) + b"".join(items)


def _properties(properties: dict[str, Any]) -> bytes:
    encoded = []
    for name, value in properties.items():
        if name == "edges":  # (x, y, x, y, neighbour or 0)
            content = _list([b"".join(map(_int, edge)) for edge in value])
        elif isinstance(value, list):
            content = _list([_int(item) for item in value])
        else:
            content = _int(value)
        encoded.append(_sized(f"{_STANDARD}property:{name}".encode()) + b"\1" + _sized(content))
    return _list(encoded)


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack(">Ii", kind, len(content)) + content


def write_log(path: Any, steps: int) -> None:
    """A run of one road and one civilian (300), which is at x = t in step t."""
    edges = [(0, 0, 1000, 0, 2), (1000, 0, 1000, 500, 0)]

    def entity(kind: str, number: int, properties: dict[str, Any]) -> bytes:
        name = _sized(f"{_STANDARD}entity:{kind}".encode())
        return name + _int(number) + _sized(_properties(properties))

    def moved(x: int) -> bytes:
        name = _sized(f"{_STANDARD}entity:civilian".encode())
        return _list([_int(300) + name + _properties({"x": x})]) + _list([])

    entities = [entity("road", 1, {"x": 500, "y": 0, "edges": edges}), entity("civilian", 300, {"x": 0, "y": 7, "hp": 90})]
    config = {"kernel.timesteps": str(steps), "gis.map.dir": "maps/test"}
    log = _record(0xE542D585, b"") + _record(1, _list(entities))
    log += _record(5, _list([_sized(key.encode()) + _sized(value.encode()) for key, value in config.items()]))
    for time in range(1, steps + 1):
        rest = _sized(f"{_STANDARD}message:rest".encode()) + _sized(_int(300) + _int(time))
        log += _record(3, _int(time) + _list([rest])) + _record(4, _int(time) + moved(time))
    path.write_bytes(log + _record(0, b""))
