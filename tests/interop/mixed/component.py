"""A member that is a Component, over a line that stands still and breaks."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any, Optional

import zmq

from leco import DUPLICATE_NAME, NOT_SIGNED_IN, Client, Message, conversation_id

from . import documents
from .documents import TRIGGERS
from .member import PATIENCE, Player, reset, thin_socket

#: How long (s) an answer is waited for that may have been lost with its connection.
DOUBT = 1.0
C2SIM, RECEIVER_BUSY = 128, -32094
SESSION = "N1.session:default"


class Line:
    """What lies between a Component's socket, which connects again by itself, and its Coordinator."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.still_until = 0.0
        self.ends: list[socket.socket] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            near, _ = self.listener.accept()
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            far = thin_socket(self.target)
            self.ends = [near, far]
            for source, drain, is_down in ((far, near, True), (near, far, False)):
                threading.Thread(target=self.carry, args=(source, drain, is_down), daemon=True).start()

    def carry(self, source: socket.socket, drain: socket.socket, is_down: bool) -> None:
        try:
            while data := source.recv(16 << 10):
                drain.sendall(data)
                while is_down and (rest := self.still_until - time.monotonic()) > 0:
                    time.sleep(min(rest, 0.05))
        except OSError:
            pass
        for end in (source, drain):
            reset(end)

    def cut(self) -> None:
        for end in self.ends:
            reset(end)


class LecoPlayer(Player):
    """A Component: one connection for all. What it hears while it waits for an answer is kept in order."""

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__(given)
        self.context = zmq.Context()
        self.asked: dict[bytes, list[str]] = {}
        self.answers: dict[bytes, dict[str, Any]] = {}
        self.at = 0
        self.line = Line(given["port"])
        self.client = self.new_client()

    def new_client(self) -> Client:
        return Client(self.context, self.line.port, self.name, options={zmq.RCVHWM: 2, zmq.RECONNECT_IVL: 10})

    def attach(self) -> None:
        self.sign_in()
        joined = self.ask(SESSION, "join", {"system": self.name, "format": "json"})
        assert joined is not None
        self.at = joined["result"]["seq"]
        self.note("attached", self.at)

    def sign_in(self) -> None:
        """Under its name, which its connection before may still have."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            answer = self.ask("COORDINATOR", "sign_in", None, sender=self.client.name)
            if answer and "error" not in answer:
                self.client.namespace = b"N1"
                return
            if answer and answer["error"]["code"] != DUPLICATE_NAME:
                self.fault(f"it is not signed in: {answer}")
            time.sleep(0.02)
        self.fault("it cannot sign in")

    def ask(self, receiver: str, method: str, params: Any, item: Any = None, **kwargs: Any) -> Optional[dict[str, Any]]:
        content = {"jsonrpc": "2.0", "id": 1, "method": method} | ({"params": params} if params else {})
        return self.answer(receiver, json.dumps(content).encode(), 1, item, **kwargs)

    def answer(self, receiver: str, payload: bytes, kind: int, item: Any, **kwargs: Any) -> Optional[dict[str, Any]]:
        """Sends, and hears until the answer is there; None if it has been waited for long enough."""
        conversation = conversation_id()
        if item:
            self.asked[conversation] = item
        self.client.send(receiver, payload, conversation=conversation, message_type=kind, **kwargs)
        deadline = time.monotonic() + DOUBT
        while conversation not in self.answers:
            if not self.listen(deadline - time.monotonic()):
                return None
        return self.answers.pop(conversation)

    def settle(self, answer: Optional[dict[str, Any]]) -> Optional[dict[str, Any]]:
        """Comes back where an answer says that it was cut off."""
        self.sum["unanswered"] += answer is None
        if answer and "error" in answer and answer["error"]["code"] == NOT_SIGNED_IN:
            self.note("ended", "not signed in")
            self.sum["not signed in"] += 1
            self.sign_in()
        return answer

    def listen(self, seconds: float) -> bool:
        if not self.client.socket.poll(max(0, int(seconds * 1000))):
            return False
        self.handle(self.client.receive())
        return True

    def handle(self, message: Message) -> None:
        if self.client.answer_probe(message):
            return
        said = message.data
        if said.get("method") == "session_event":
            self.hear(said["params"], message.payload[1].decode() if len(message.payload) > 1 else None)
            return
        item = self.asked.pop(message.conversation_id, None)
        number = said["result"].get("seq") if isinstance(said.get("result"), dict) else None
        if item and number is not None:
            self.note("answered", item, number)
            self.at = max(self.at, number)
        self.answers[message.conversation_id] = said

    def item_of(self, event: dict[str, Any], document: Optional[str]) -> Optional[list[str]]:
        if document is None:
            element = TRIGGERS.get(event.get("trigger", ""))
            return ["trigger", element] if element else None
        item = documents.item_of(document)
        self.compare(item, document, 0)
        return item

    def hear(self, event: dict[str, Any], document: Optional[str]) -> None:
        number = event["seq"]
        if event["event"] == "resumed" and event["by"] == f"N1.{self.name}":
            events = [[missed["seq"], self.item_of(missed, missed.get("document"))] for missed in event["events"]]
            self.note("resumed", number, event["gap"], events)
            self.has_heard_last |= any(item == ["trigger", "StopScenario"] for _, item in events)
            self.sum["resumed with a gap" if event["gap"] else "resumed"] += 1
        else:
            item = self.item_of(event, document)
            self.note("heard", item, number)
            self.has_heard_last |= item == ["trigger", "StopScenario"]
        self.at = max(self.at, number)

    def hand_in(self, name: str) -> None:
        payload = documents.document(name)[0].encode()
        self.submit(["document", name], payload, self.dice.choice((0, C2SIM)))

    def submit(self, item: list[str], payload: bytes, kind: int) -> None:
        self.judge_answer(item, self.settle(self.answer(SESSION, payload, kind, item)))

    def judge_answer(self, item: list[str], answer: Optional[dict[str, Any]]) -> None:
        if answer and "error" in answer:
            error = answer["error"]
            data = error.get("data")
            code = data.get("code") if isinstance(data, dict) else None
            self.refused(item, code or ("busy" if error["code"] == RECEIVER_BUSY else error["message"]))

    def pull(self, trigger: str) -> None:
        element = TRIGGERS[trigger]
        item = ["trigger", element]
        if self.dice.random() < 0.5:
            self.judge_answer(item, self.settle(self.ask(SESSION, trigger.lower(), None, item)))
        else:
            self.submit(item, documents.trigger(self.name, element).encode(), C2SIM)

    def act(self) -> None:
        while self.listen(0):
            pass
        super().act()
        if self.dice.random() < 0.1:
            self.client.send_json(SESSION, {"jsonrpc": "2.0", "method": "ack", "params": {"seq": self.at}})

    def stall(self, seconds: float) -> None:
        self.sum["stalls"] += 1
        self.line.still_until = time.monotonic() + seconds
        time.sleep(seconds)

    def cut(self) -> None:
        """The line breaks, and the socket connects again; or it comes back under its name by a new socket."""
        self.sum["cuts"] += 1
        if self.dice.random() < 0.5:
            self.line.cut()
            return  # It will be told that it is not signed in.
        self.client.close()
        self.asked.clear()
        self.note("ended", "cut by itself")
        self.client = self.new_client()
        self.sign_in()

    def cut_requests(self) -> None:
        """Hands in, and does not wait for the answer."""
        name = self.new_mark()
        conversation = self.client.send(SESSION, documents.document(name)[0].encode(), message_type=C2SIM)
        self.asked[conversation] = ["document", name]
        if self.dice.random() < 0.5:
            self.cut()

    def keep_listening(self) -> None:
        self.listen(0.01)

    def is_listening(self) -> bool:
        answer = self.settle(self.ask(SESSION, "info", None))
        return bool(answer) and "result" in answer and self.at >= answer["result"]["seq"]
