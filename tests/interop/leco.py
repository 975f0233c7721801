"""A raw LECO client: one pyzmq socket and the frames of a message, nothing in between.

It does no more than the protocol asks of a Component, so a test sees every byte the Coordinator sends. It shares no
code with pyleco: a mistake in one of them cannot hide in the other.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from typing import Any, Callable, NamedTuple, Optional, Union

import zmq

NOT_SIGNED_IN = -32090
DUPLICATE_NAME = -32091
NODE_UNKNOWN = -32092
RECEIVER_UNKNOWN = -32093
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602

UNDEFINED, JSON = 0, 1

#: How long an answer may take before a test calls it missing, in seconds. Generous: only failures wait this long.
PATIENCE = 5.0


class Message(NamedTuple):
    """One message as it came in, frame by frame."""

    version: bytes
    receiver: bytes
    sender: bytes
    header: bytes
    payload: tuple[bytes, ...]

    @property
    def conversation_id(self) -> bytes:
        return self.header[:16]

    @property
    def message_id(self) -> bytes:
        return self.header[16:19]

    @property
    def message_type(self) -> int:
        return self.header[19]

    @property
    def frames(self) -> list[bytes]:
        return [self.version, self.receiver, self.sender, self.header, *self.payload]

    @property
    def data(self) -> Any:
        """The JSON of the first payload frame."""
        return json.loads(self.payload[0])

    @property
    def error_code(self) -> Optional[int]:
        """The code of a JSON-RPC error, or nothing if this is no error."""
        try:
            return self.data["error"]["code"]
        except (IndexError, KeyError, TypeError, ValueError):
            return None


def conversation_id() -> bytes:
    """A UUIDv7: milliseconds since 1970, then random bits around the version and variant marks."""
    now = int(time.time() * 1000).to_bytes(6, "big")
    noise = bytearray(os.urandom(10))
    noise[0] = 0x70 | noise[0] & 0x0F
    noise[2] = 0x80 | noise[2] & 0x3F
    return now + bytes(noise)


def until(check: Callable[[], Any], what: str, patience: float = PATIENCE, pause: float = 0.02) -> Any:
    """Call `check` until it is true and return what it said; raise AssertionError once `patience` (s) is over."""
    deadline = time.monotonic() + patience
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience} s: {what} (last: {value!r})")
        time.sleep(pause)


class Client:
    """A Component that speaks through one socket.

    `kind` is the zmq socket type; a ROUTER has to name its peer, which is done here, so that all kinds look alike.
    """

    _ids = itertools.count(1)

    def __init__(
        self,
        context: zmq.Context,
        port: int,
        name: str,
        *,
        kind: int = zmq.DEALER,
        options: Optional[dict[int, Any]] = None,
    ) -> None:
        self.name = name.encode()
        self.namespace = b""
        self.socket: zmq.Socket = context.socket(kind)
        self.socket.linger = 0
        for option, value in (options or {}).items():
            self.socket.set(option, value)
        self._prefix: list[bytes] = []
        if kind == zmq.ROUTER:
            self._prefix = [b"the coordinator"]
            self.socket.set(zmq.CONNECT_ROUTING_ID, self._prefix[0])
        self.socket.connect(f"tcp://127.0.0.1:{port}")

    @property
    def full_name(self) -> bytes:
        return self.namespace + b"." + self.name if self.namespace else self.name

    def close(self) -> None:
        self.socket.close()

    # Sending
    def send_frames(self, frames: list[bytes]) -> None:
        """Send any frames at all, right or wrong."""
        self.socket.send_multipart(self._prefix + frames)

    def send(
        self,
        receiver: Union[str, bytes],
        *payload: bytes,
        sender: Optional[bytes] = None,
        conversation: Optional[bytes] = None,
        message_id: bytes = b"\0\0\0",
        message_type: int = UNDEFINED,
    ) -> bytes:
        """Send one message; returns its conversation id."""
        receiver = receiver.encode() if isinstance(receiver, str) else receiver
        sender = self.full_name if sender is None else sender
        conversation = conversation or conversation_id()
        header = conversation + message_id + bytes([message_type])
        self.send_frames([b"\0", receiver, sender, header, *payload])
        return conversation

    def send_json(self, receiver: Union[str, bytes], content: Any, **kwargs: Any) -> bytes:
        return self.send(receiver, json.dumps(content).encode(), message_type=JSON, **kwargs)

    # Receiving
    def receive(self, patience: float = PATIENCE) -> Message:
        """The next message, whatever it is; TimeoutError if there is none."""
        if not self.socket.poll(int(patience * 1000)):
            raise TimeoutError(f"{self.full_name!r} got no message within {patience} s")
        frames = self.socket.recv_multipart()[len(self._prefix) :]
        return Message(frames[0], frames[1], frames[2], frames[3], tuple(frames[4:]))

    def receive_answer(self, conversation: bytes, patience: float = PATIENCE) -> Message:
        """The answer to that conversation. Probes of the Coordinator in between are answered, as any client does."""
        deadline = time.monotonic() + patience
        while True:
            message = self.receive(max(0.0, deadline - time.monotonic()))
            if message.conversation_id == conversation:
                return message
            self.answer_probe(message)

    def answer_probe(self, message: Message) -> bool:
        """Answer `message` if it is a request for `pong`."""
        try:
            data = message.data
        except (IndexError, ValueError):
            return False
        if not isinstance(data, dict) or data.get("method") != "pong":
            return False
        answer = {"jsonrpc": "2.0", "id": data["id"], "result": None}
        self.send_json(message.sender, answer, conversation=message.conversation_id)
        return True

    # Remote procedure calls
    def ask_json(self, content: Any, receiver: Union[str, bytes] = "COORDINATOR", **kwargs: Any) -> Message:
        """Send some JSON and return the answer."""
        return self.receive_answer(self.send_json(receiver, content, **kwargs))

    def ask(
        self, method: str, params: Any = None, receiver: Union[str, bytes] = "COORDINATOR", **kwargs: Any
    ) -> Message:
        """Send one request and return the whole answer, which may be an error."""
        content: dict[str, Any] = {"jsonrpc": "2.0", "id": next(self._ids), "method": method}
        if params is not None:
            content["params"] = params
        return self.ask_json(content, receiver, **kwargs)

    def call(self, method: str, params: Any = None, receiver: Union[str, bytes] = "COORDINATOR") -> Any:
        """Call a method and return its result; an error fails the test."""
        answer = self.ask(method, params, receiver)
        assert "result" in answer.data, f"{method} failed: {answer.data}"
        return answer.data["result"]

    def sign_in(self, params: Any = None) -> Message:
        """Sign in, remembering the Namespace if it worked; returns the answer."""
        answer = self.ask("sign_in", params, sender=self.name)
        if answer.error_code is None:
            self.namespace = answer.sender.split(b".")[0]
        return answer

    def signed_in(self) -> "Client":
        """Sign in, which has to work."""
        answer = self.sign_in()
        assert answer.error_code is None, answer.data
        return self

    def assert_silence(self, patience: float = 0.3) -> None:
        """Nothing but the answer to a question asked now comes in.

        The Coordinator answers in order, so an answer to anything sent before would come first. `patience` gives what
        travels by other roads (a second link, another node) its time.
        """
        answer = self.receive_answer_to_first()
        assert answer.data.get("result", "") is None, f"unexpected message {answer}"
        if self.socket.poll(int(patience * 1000)):
            raise AssertionError(f"unexpected message {self.receive()}")

    def receive_answer_to_first(self) -> Message:
        """Ask for `pong`; return the first message that comes, which must belong to it."""
        conversation = self.send_json("COORDINATOR", {"jsonrpc": "2.0", "id": 0, "method": "pong"})
        message = self.receive()
        assert message.conversation_id == conversation, f"unexpected message {message}"
        return message
