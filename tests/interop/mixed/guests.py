"""Members that ask over HTTP: clients of TNO's server, with a WebSocket, and of GMU's, with STOMP, by libraries of the field."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from typing import Any, Optional
from urllib.parse import urlencode

import stomp
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from . import documents
from .documents import TRIGGERS
from .member import PATIENCE, Ear, Player, reset, thin_socket


class HttpPlayer(Player):
    """Whoever asks over HTTP and hears on another connection."""

    ear: Optional[Any] = None
    http: Optional[http.client.HTTPConnection] = None

    def ask(self, method: str, path: str, body: bytes = b"", fields: Optional[dict[str, str]] = None) -> Any:
        """Asks, and answers status, head and text."""
        if self.http is None:
            self.http = http.client.HTTPConnection("127.0.0.1", self.given["http"], timeout=PATIENCE)
        self.http.request(method, path, body or None, fields or {})
        answer = self.http.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def request(self, name: str) -> tuple[str, bytes, dict[str, str]]:
        """Path, body and fields that hand a document in."""
        raise NotImplementedError

    def stall(self, seconds: float) -> None:
        if self.ear:
            self.sum["stalls"] += 1
            self.ear.still_until = time.monotonic() + seconds

    def hand_in_to_hear(self, name: str) -> bool:
        """Hands in what it hears itself; answers whether it was taken."""
        raise NotImplementedError

    def prove(self) -> None:
        """Finds out whether it still hears: who was cut off in silence would hear nothing any more."""
        ear, deadline = self.ear, time.monotonic() + PATIENCE
        if ear is None:
            return
        ear.still_until = 0.0
        while not ear.over.is_set() and time.monotonic() < deadline:
            ear.awaited = self.new_mark(proof=True)
            if self.hand_in_to_hear(ear.awaited):
                self.sum["proofs"] += ear.waits_for(ear.came)
                break
            time.sleep(0.02)
        if not ear.came.is_set() and not ear.over.is_set():
            self.fault(f"it does not hear {ear.awaited}, and was not told that it hears nothing any more")
        ear.came.clear()

    def cut(self) -> None:
        if self.ear is None:
            return
        if self.dice.random() < 0.5:
            self.prove()
        self.sum["cuts"] += 1
        self.ear.cut()

    def cut_requests(self) -> None:
        """Parts from a request, before the answer or in the middle."""
        name = self.new_mark()
        path, body, fields = self.request(name)
        head = "".join(f"{field}: {value}\r\n" for field, value in fields.items())
        data = f"POST {path} HTTP/1.1\r\nHost: h\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        if self.dice.random() < 0.5:
            data = data[: self.dice.randrange(1, len(data))]
            self.note("untaken", ["document", name])
        with socket.create_connection(("127.0.0.1", self.given["http"])) as connection:
            connection.sendall(data)
            if self.dice.random() < 0.5:
                reset(connection)
        self.sum["requests cut"] += 1

    def keep_listening(self) -> None:
        if self.ear is None or self.ear.over.is_set():
            self.ear = None
            self.attach()
        time.sleep(0.01)

    def act(self) -> None:
        if self.ear is None or self.ear.over.is_set():
            self.ear = None
            self.attach()
        super().act()


class TnoPlayer(HttpPlayer):
    """A client of TNO's server: everything by REST, hears on a WebSocket."""

    BASE = "/api/c2sim/session/default"

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__(given)
        # Nobody hears its own documents, so there is a second client, which hears nothing.
        self.voice = f"{self.name}s"
        self.join(self.voice)

    def call(self, method: str, path: str, body: bytes = b"", media_type: str = "application/json", name: str = "") -> Any:
        fields = {"clientId": f"id of {name or self.name}", "Content-Type": media_type}
        return self.ask(method, f"{self.BASE}/{path}", body, fields)

    def join(self, name: str) -> int:
        """Joins, and answers the number of the session's last event."""
        joining = json.dumps({"systemName": name, "clientIdDisplayName": name}).encode()
        status, head, text = self.call("POST", "join", joining, name=name)
        assert status == 200, text
        return int(head["X-Instep-Seq"])

    def hand_in_to_hear(self, name: str) -> bool:
        status, _, text = self.call("POST", "send", documents.document(name)[0].encode(), "application/xml", self.voice)
        assert status in (200, 503), text
        return status == 200

    def number(self) -> int:
        return int(self.call("GET", "info")[1]["X-Instep-Seq"])

    def attach(self) -> None:
        self.note("attached", self.number())
        url = json.loads(self.call("GET", "stream-endpoints")[2])["websocket"]["url"]
        thin = thin_socket(self.given["http"])
        stream = connect(url, sock=thin, compression=None, legacy=True, max_queue=(4, 1), close_timeout=1)
        self.ear = Stream(self, stream)
        self.note("sure", self.join(self.name))

    def new_mark(self, foreign: bool = False, proof: bool = False) -> str:
        return super().new_mark(foreign=self.dice.random() < 0.1, proof=proof)

    def request(self, name: str) -> tuple[str, bytes, dict[str, str]]:
        return self.sending(documents.document(name)[0].encode())

    def sending(self, body: bytes) -> tuple[str, bytes, dict[str, str]]:
        media_type = "application/xml"
        if self.dice.random() < 0.5:
            media_type = "multipart/form-data; boundary=part-of-it"
            place = b'Content-Disposition: form-data; name="file"; filename="a.xml"\r\nContent-Type: application/xml'
            body = b"--part-of-it\r\n" + place + b"\r\n\r\n" + body + b"\r\n--part-of-it--\r\n"
        return f"{self.BASE}/send", body, {"clientId": f"id of {self.name}", "Content-Type": media_type}

    def submit(self, item: list[str], text: str) -> None:
        path, body, fields = self.sending(text.encode())
        status, head, answer = self.ask("POST", path, body, fields)
        if status == 200:
            self.note("answered", item, int(head["X-Instep-Seq"]))
        elif status == 503:
            self.refused(item, "busy")
        else:
            code = json.loads(answer)["code"] if status == 400 else f"{status} {answer}"
            self.refused(item, code)
            if code == "CLIENT_NOT_JOINED_SHARED_SESSION":
                time.sleep(0.01)  # Its stream was ended; the reader will find out.

    def hand_in(self, name: str) -> None:
        self.submit(["document", name], documents.document(name)[0])

    def pull(self, trigger: str) -> None:
        element = TRIGGERS[trigger]
        self.submit(["trigger", element], documents.trigger(self.name, element))

    def is_listening(self) -> bool:
        ear = self.ear
        if ear is None or ear.over.is_set():
            return False
        ear.still_until = 0.0
        try:
            return ear.waits_for(ear.stream.ping())
        except ConnectionClosed:
            ear.over.wait(PATIENCE)
            return False


class Stream(Ear):
    """A WebSocket and its reader."""

    def __init__(self, player: Player, stream: ClientConnection) -> None:
        super().__init__(player)
        self.stream = stream
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        try:
            while True:
                self.wait()
                message = self.stream.recv()
                if isinstance(message, str):
                    self.hear(message)
                else:
                    self.player.fault(f"a binary message {message[:100]!r}")
        except ConnectionClosed:
            pass
        code = self.stream.protocol.close_code
        self.end("cut by itself" if self.is_cut else f"closed with {code}")

    def cut(self) -> None:
        self.is_cut = True
        reset(self.stream.socket)
        self.reader.join(PATIENCE)


class GmuPlayer(HttpPlayer):
    """A client of GMU's server: documents and commands over HTTP, hears over STOMP."""

    KINDS = (stomp.Connection10, stomp.Connection11, stomp.Connection12)

    def post(self, path: str, body: bytes, **query: str) -> str:
        if self.http is not None and self.dice.random() < 0.2:
            self.http.close()
            self.http = None
        target = f"/C2SIMServer/{path}?{urlencode({'submitterID': self.name, **query})}"
        status, _, text = self.ask("POST", target, body, {"Content-Type": "application/xml"})
        if status != 200:
            self.fault(f"status {status}: {text}")
        return text

    @staticmethod
    def value(result: str, name: str) -> str:
        return result.split(f"<{name}>", 1)[1].split(f"</{name}>", 1)[0] if f"<{name}>" in result else ""

    def number(self) -> int:
        return int(self.value(self.ask("GET", "/C2SIMServer/status")[2], "msgNumber"))

    def attach(self) -> None:
        self.note("attached", self.number())
        self.ear = Topic(self, self.dice.choice(self.KINDS))
        if self.ear.is_subscribed():
            self.note("sure", self.number())

    def hand_in_to_hear(self, name: str) -> bool:
        return self.submit(["document", name], documents.document(name)[0])

    def request(self, name: str) -> tuple[str, bytes, dict[str, str]]:
        query = urlencode({"submitterID": self.name, "protocol": "SISO-STD-C2SIM"})
        return f"/C2SIMServer/c2sim?{query}", documents.document(name)[0].encode(), {"Content-Type": "application/xml"}

    def submit(self, item: list[str], text: str) -> bool:
        result = self.post("c2sim", text.encode(), protocol="SISO-STD-C2SIM")
        is_taken = self.value(result, "status") == "OK"
        if is_taken:
            self.note("answered", item, int(self.value(result, "msgNumber")))
        else:
            self.refused(item, self.value(result, "error"))
        return is_taken

    def hand_in(self, name: str) -> None:
        self.submit(["document", name], documents.document(name)[0])

    def pull(self, trigger: str) -> None:
        element = TRIGGERS[trigger]
        if self.dice.random() < 0.5:
            self.submit(["trigger", element], documents.trigger(self.name, element))
            return
        word = trigger.split("_")[0]
        text = self.post("command", b"", command=word)
        if not text.startswith(f"{word} Command processed.  State set to "):
            self.refused(["trigger", element], self.value(text, "error") or text)

    def is_listening(self) -> bool:
        if self.ear is None or self.ear.over.is_set():
            return False
        self.ear.still_until = 0.0
        return self.ear.is_subscribed()


class Topic(Ear, stomp.ConnectionListener):
    """A connection over STOMP that subscribes to the topic."""

    def __init__(self, player: Player, kind: Any) -> None:
        super().__init__(player)
        self.error = ""
        self.receipts: dict[str, threading.Event] = {}
        is_first = kind is stomp.Connection10
        self.connection = kind([("127.0.0.1", player.given["stomp"])], **({} if is_first else {"heartbeats": (0, 5000)}))
        self.socket = thin_socket(player.given["stomp"])
        self.connection.transport.socket = self.socket
        self.connection.transport.current_host_and_port = self.socket.getpeername()
        self.connection.set_listener("ear", self)
        self.connection.connect("", "", wait=True)
        self.connection.subscribe("/topic/C2SIM", **({} if is_first else {"id": "1"}))

    def is_subscribed(self) -> bool:
        """Whether the server has come behind what it was told, and all has been heard that it said before."""
        number = str(len(self.receipts) + 1)
        came = self.receipts[number] = threading.Event()
        try:
            self.connection.unsubscribe(id="nobody", receipt=number)
        except Exception:  # The library raises what its socket raises, and exceptions of its own.
            self.over.wait(PATIENCE)
            return False
        return self.waits_for(came)

    def on_message(self, frame: Any) -> None:
        self.wait()
        self.hear(frame.body, int(frame.headers["message-number"]))

    def on_receipt(self, frame: Any) -> None:
        self.receipts[frame.headers["receipt-id"]].set()

    def on_error(self, frame: Any) -> None:
        self.error = frame.headers["message"]

    def on_disconnected(self) -> None:
        if not self.over.is_set():
            self.end("cut by itself" if self.is_cut else f"ERROR {self.error}" if self.error else "closed")

    def cut(self) -> None:
        self.is_cut = True
        reset(self.socket)
        self.over.wait(PATIENCE)
