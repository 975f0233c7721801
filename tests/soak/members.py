#!/usr/bin/env python3
"""Two hundred members of one session at three nodes, with accidents: the server is killed and started again, other nodes are, members are
killed and come back, their links are reset, or their cables are cut, so that nobody is told and they come by another link while the old one
still stands. Every member that lives is one again within two seconds of its sign-in, with every event that it
has missed or the word that there is a gap; nobody hears an event twice (each has its number), and `instep ctl session watch` goes on.

A member of another node than the session's may have come back before that node has told of it: then it may hear events before the word that
it is back, and these once more in that word. It knows them by their numbers.

    tests/soak/members.py          20 runs, seeds 0 to 19
    tests/soak/members.py 7 1      seed 7 alone

Needs Python 3 and the built program (cargo build --release; or INSTEP_BIN=path), nothing else.
"""

from __future__ import annotations

import random
import selectors
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Optional

import wire
from mesh import Node, binary, free_port

MEMBERS, NODES, ACCIDENTS = 200, 3, 6
SESSION = b"N1.session:default"
#: A member is one again so soon after its sign-in, or where its own node lives on, after the nodes are linked again.
SECONDS = 2.0
#: "The name is already taken", and how long one waits then.
TAKEN, PAUSE = -32091, 0.2


class Member:
    """A Component that keeps its name, and knows the last event that it has heard."""

    def __init__(self, number: int, node: Node, namespace: str) -> None:
        self.name, self.node = f"m{number}".encode(), node
        self.full = f"{namespace}.m{number}".encode()
        self.socket: Optional[socket.socket] = None
        self.last, self.seen, self.gaps = 0, 0, 0
        self.signed_in = self.back = 0.0
        #: The session knows that it is there; events that it has heard before that, behind others that it has not.
        self.is_known = False
        self.early: set[int] = set()
        self.answers: dict[bytes, Any] = {}
        #: What it has done that its session hears of: it knows that event by the answer, and by nothing else.
        self.deeds: set[bytes] = set()
        self.asked = 0
        #: Its old link was heard a moment ago and holds its name: it signs in once more then.
        self.again = 0.0

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.node.port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.reader = wire.Reader()
        self.signed_in = self.back = 0.0
        self.is_known = False
        self.send(wire.opening())
        self.sign_in()

    def sign_in(self) -> None:
        self.again = 0.0
        self.say(b"COORDINATOR", "sign_in")

    def send(self, data: bytes) -> None:
        assert self.socket is not None
        self.socket.setblocking(True)
        self.socket.sendall(data)
        self.socket.setblocking(False)

    def say(self, receiver: bytes, method: str, **params: Any) -> bytes:
        self.asked += 1
        conversation = self.name.ljust(8, b"\0")[:8] + struct.pack(">Q", self.asked)
        self.send(wire.message(receiver, self.full, conversation, wire.JSON, wire.request(method, **params)))
        return conversation

    def do(self, method: str, **params: Any) -> bytes:
        """Asks for what is an event of the session."""
        conversation = self.say(SESSION, method, **params)
        self.deeds.add(conversation)
        return conversation

    def lose(self) -> socket.socket:
        """Its cable is cut: nobody is told, the server believes in the old link, and what comes there is never read."""
        old, self.socket = self.socket, None
        assert old is not None
        return old

    def reset(self) -> None:
        """Its link is reset: neither side is told in order, and what was not read is lost."""
        if self.socket is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.close()
        self.socket = None

    def hear(self) -> bool:
        """Takes in what has come; answers whether the link has ended."""
        assert self.socket is not None
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        for heard in self.reader.feed(data):
            self.take(heard)
        if self.reader.pongs:
            self.send(bytes(self.reader.pongs))
            self.reader.pongs.clear()
        return not data

    def take(self, heard: wire.Heard) -> None:
        said = heard.json()
        if said.get("method") == "session_event":
            self.event(said["params"])
        elif said.get("method") == "pong":
            header = heard.conversation
            answer = b'{"jsonrpc":"2.0","id":%d,"result":null}' % said["id"]
            self.send(wire.message(heard.sender, self.full, header, wire.JSON, answer))
        elif "result" in said or "error" in said:
            if heard.sender.endswith(b".COORDINATOR") and not self.signed_in and "result" in said:
                self.signed_in = time.monotonic()
            elif said.get("error", {}).get("code") == TAKEN:
                self.again = time.monotonic() + PAUSE
            self.answers[heard.conversation] = said
            if heard.conversation in self.deeds and "result" in said:
                # What the answer says may be in the same bytes as the next event.
                self.deeds.remove(heard.conversation)
                self.follow(said["result"]["seq"], not self.last)
                self.is_known = True

    def event(self, event: dict[str, Any]) -> None:
        number = event["seq"]
        if event["event"] == "resumed" and event["by"] == self.full.decode():
            self.back = time.monotonic()
            self.is_known = True
            for missed in event["events"]:
                if missed["seq"] > self.last:
                    self.follow(missed["seq"], event["gap"])
            self.follow(number, event["gap"])
            assert max(self.early, default=0) < number, f"{self.full!r} was not told again what it has heard early"
            self.early.clear()
            self.gaps += event["gap"]
        elif not self.is_known and not SESSION.startswith(self.node.name.encode()):
            assert number > self.last and number not in self.early, f"{self.full!r} has {self.last} and hears {number}"
            self.early.add(number)
        else:
            self.follow(number, False)

    def follow(self, number: int, gap: bool) -> None:
        assert number > self.last, f"{self.full!r} has {self.last} and hears {number}"
        assert gap or number == self.last + 1, f"{self.full!r} has {self.last} and hears {number} without a word of a gap"
        self.last, self.seen = number, self.seen + 1


class Run:
    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.folder = tempfile.TemporaryDirectory()
        folder = Path(self.folder.name)
        ports = [free_port(self.dice) for _ in range(NODES)]
        flags = ["--state-dir", str(folder / "state"), "--session-history-bytes-max", "4000000"]
        self.nodes = [
            Node(f"N{n + 1}", port, ports[:n], flags if n == 0 else [], folder) for n, port in enumerate(ports)
        ]
        for node in self.nodes:
            self.until(lambda node=node: self.answers_at(node), f"{node.name} is up")
        self.members = [Member(n, self.nodes[n % NODES], f"N{n % NODES + 1}") for n in range(MEMBERS)]
        self.worst = 0.0
        self.watch = None
        #: Links that nobody reads any more.
        self.lost: list[socket.socket] = []

    @staticmethod
    def answers_at(node: Node) -> bool:
        try:
            socket.create_connection(("127.0.0.1", node.port), timeout=1).close()
        except OSError:
            return False
        return True

    def until(self, done: Any, what: str, seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what}")
            self.turn()

    def turn(self, wait: float = 0.02) -> None:
        """Everybody takes in what has come."""
        living = [member for member in getattr(self, "members", []) if member.socket is not None]
        if not living:
            time.sleep(wait)
            return
        with selectors.DefaultSelector() as selector:
            for member in living:
                selector.register(member.socket, selectors.EVENT_READ, member)
            for key, _ in selector.select(wait):
                member = key.data
                if member.hear():
                    member.socket.close()
                    member.socket = None
        for member in living:
            if member.socket is not None and 0.0 < member.again < time.monotonic():
                member.sign_in()

    def ask(self, member: Member, receiver: bytes, method: str, **params: Any) -> Any:
        return self.answer(member, member.say(receiver, method, **params), method)

    def do(self, member: Member, method: str, **params: Any) -> int:
        """Has a member do something; answers the number of the event that this is."""
        return self.answer(member, member.do(method, **params), method)["result"]["seq"]

    def answer(self, member: Member, asked: bytes, method: str) -> Any:
        self.until(lambda: asked in member.answers, f"{member.full!r} is answered {method}")
        return member.answers.pop(asked)

    def bring(self, members: list[Member]) -> None:
        """Who has no link signs in again, and all are members within two seconds of that."""
        for member in members:
            if member.socket is None:
                self.until(lambda member=member: self.answers_at(member.node), f"{member.node.name} is up")
                member.connect()
        self.until(lambda: all(member.back for member in members), "all are members again")
        for member in members:
            late = member.back - max(member.signed_in, self.linked)
            self.worst = max(self.worst, late)
            assert late <= SECONDS, f"{member.full!r} was back {late:.3f} s after its sign-in"

    def play(self) -> None:
        everybody = self.members
        for member in everybody:
            member.connect()
        self.until(lambda: all(member.signed_in for member in everybody), "all have signed in")
        # The nodes find one another.
        time.sleep(1.0)
        for member in everybody:
            self.do(member, "join", system="S")
        line = [binary(), "ctl", "-a", f"127.0.0.1:{self.nodes[0].port}", "session", "watch", "default", "--json"]
        self.watch = subprocess.Popen(line, stdout=open(Path(self.folder.name) / "watch", "wb"), stderr=subprocess.DEVNULL)
        # A join is on the disk a moment after its answer.
        time.sleep(0.3)
        for _ in range(ACCIDENTS):
            self.accident()
            self.trigger()
        self.check_watch()

    def accident(self) -> None:
        kind = self.dice.choice(["server", "node", "members", "links", "cables"])
        self.linked = 0.0
        for member in self.members:
            member.back = 0.0
        if kind == "server":
            self.nodes[0].kill()
            self.until(lambda: self.answers_at(self.nodes[0]), "the server is up")
            self.turn()
            # Other nodes' members keep their links: they are back with the link of their node.
            self.wait_for_links()
            self.bring(self.members)
        elif kind == "node":
            node = self.dice.choice(self.nodes[1:])
            node.kill()
            self.until(lambda: self.answers_at(node), "the node is up")
            self.turn()
            self.wait_for_links()
            self.bring([member for member in self.members if member.node is node])
        else:
            victims = self.dice.sample(self.members, self.dice.randrange(1, MEMBERS // 2))
            for member in victims:
                if kind == "cables":
                    self.lost.append(member.lose())
                elif kind == "links":
                    member.reset()
                else:
                    member.socket.close()
                    member.socket = None
            if self.dice.random() < 0.5:
                self.trigger([member for member in self.members if member not in victims])
            self.bring(victims)

    def wait_for_links(self) -> None:
        """The nodes are linked both ways again, as each of them has it."""
        probes = [Member(900 + n, node, node.name) for n, node in enumerate(self.nodes)]
        self.members = self.members + probes
        for probe in probes:
            probe.connect()
        self.until(lambda: all(probe.signed_in for probe in probes), "probes sign in")

        def is_linked() -> bool:
            for probe in probes:
                rows = self.ask(probe, probe.node.name.encode() + b".COORDINATOR", "send_links")["result"]
                if sum(row["state"] == "both" for row in rows) < NODES - 1:
                    return False
            return True

        self.until(is_linked, "the nodes are linked")
        self.linked = time.monotonic()
        for probe in probes:
            if probe.socket is not None:
                self.ask(probe, b"COORDINATOR", "sign_out")
            probe.reset()
        self.members = self.members[:-NODES]

    def trigger(self, among: Optional[list[Member]] = None) -> None:
        """Somebody has something happen, and all that are there hear it."""
        author = self.dice.choice(among or self.members)
        state = self.ask(author, SESSION, "info")["result"]["state"]
        method = "submit_initialization" if state == "UNINITIALIZED" else "reset_scenario"
        number = self.do(author, method)
        self.until(lambda: all(m.last >= number for m in (among or self.members)), f"all hear {number}")
        self.number = number

    def check_watch(self) -> None:
        """The watcher has printed the last event, and none twice."""
        import json

        path = Path(self.folder.name) / "watch"

        def numbers() -> list[int]:
            lines = path.read_bytes().splitlines()
            return [json.loads(line)["seq"] for line in lines if line.startswith(b"{") and line.endswith(b"}")]

        self.until(lambda: self.number in numbers(), "the watcher has seen the last event")
        found = numbers()
        assert found == sorted(set(found)), "the watcher tells an event twice, or not in order"

    def end(self) -> None:
        if self.watch is not None:
            self.watch.terminate()
            self.watch.wait()
        for member in self.members:
            member.reset()
        for link in self.lost:
            link.close()
        for node in self.nodes:
            node.end()
        self.folder.cleanup()


def main() -> None:
    first, runs = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (0, 20)
    for seed in range(first, first + runs):
        run = Run(seed)
        try:
            run.play()
        except AssertionError:
            print(f"seed {seed} fails; the logs of its nodes:", *(node.tail() for node in run.nodes), sep="\n")
            raise
        finally:
            run.end()
        seen, gaps = sum(m.seen for m in run.members), sum(m.gaps for m in run.members)
        print(f"seed {seed}: {seen} events heard, {gaps} gaps told, back within {run.worst:.3f} s", flush=True)


if __name__ == "__main__":
    main()
