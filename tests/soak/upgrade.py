#!/usr/bin/env python3
"""Components that ask one another, and members of a session, while a command begins the service anew: how long each was without it.

    tests/soak/upgrade.py 12300 N1 drill -- apt-get install -y ./instep_0.2.0_amd64.deb

Port, namespace and session of a service with a state directory, then the command. Whoever loses its link tries to come again ten times a second, as libzmq does.
Every Component has to be answered by its neighbour again, and every member to be told what it has missed. How long they were without it is printed: more than
10 s fail, for a machine may have other work; with INSTEP_UPGRADE_QUICK=yes more than 1.5 s do.
Needs Python 3, nothing else. Its port is on loopback.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import members
from members import Member

COMPONENTS, MEMBERS = 100, 20
#: Who has lost its link tries again after this; everybody asks its neighbour once in this time.
RETRY, PERIOD = 0.1, 0.1
#: Nobody is without the service for longer, in seconds.
SECONDS = 1.5 if os.environ.get("INSTEP_UPGRADE_QUICK") == "yes" else 10.0
#: A command may take so long, and so long is waited for whoever does not come back.
PATIENCE = 60.0


class Component(Member):
    """A Component that asks its neighbour, and remembers how long it was without an answer."""

    def __init__(self, number: int, place: SimpleNamespace) -> None:
        super().__init__(number, place, place.name)
        self.is_member = number < MEMBERS
        self.next_try = self.next_question = 0.0
        self.answered, self.without = 0.0, 0.0
        self.waiting: set[bytes] = set()
        self.returns, self.refused = 0, 0

    def turn(self, now: float) -> None:
        if self.socket is None:
            if now >= self.next_try:
                self.next_try = now + RETRY
                try:
                    self.connect()
                except OSError:
                    self.socket = None
                    self.refused += 1
            return
        try:
            if self.hear():
                self.leave()
                return
            if 0.0 < self.again < now:
                self.sign_in()
            if self.signed_in and now >= self.next_question:
                self.next_question = now + PERIOD
                self.waiting.add(self.say(self.neighbour, "pong"))
        except OSError:
            self.leave()
            return
        for conversation in self.waiting.intersection(self.answers):
            self.waiting.remove(conversation)
            if "result" in self.answers.pop(conversation):
                if self.answered:
                    self.without = max(self.without, now - self.answered)
                self.answered = now

    def leave(self) -> None:
        self.reset()
        self.waiting.clear()
        self.answers.clear()
        self.returns += 1
        # At once first, as after a close in order.
        self.next_try = 0.0


class Load:
    def __init__(self, port: int, namespace: str, session: str) -> None:
        members.SESSION = f"{namespace}.session:{session}".encode()
        place = SimpleNamespace(port=port, name=namespace)
        self.all = [Component(n, place) for n in range(COMPONENTS)]
        for n, component in enumerate(self.all):
            component.neighbour = self.all[(n + 1) % COMPONENTS].full

    def turn(self) -> None:
        now = time.monotonic()
        for component in self.all:
            component.turn(now)
        time.sleep(0.002)

    def until(self, done: object, what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < end, f"never: {what}"
            self.turn()

    def calm(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn()

    def play(self, command: list[str]) -> None:
        joined = [component for component in self.all if component.is_member]
        self.until(lambda: all(c.signed_in for c in self.all), "all have signed in")
        for member in joined:
            question = member.do("join", system="S")
            self.until(lambda: question in member.answers, "all have joined")
        self.until(lambda: all(c.answered for c in self.all), "all are answered")
        # A join is on the disk a moment after its answer.
        self.calm(1.0)
        for component in self.all:
            component.without = component.back = 0.0
            component.returns = component.refused = 0
        began = time.monotonic()
        running = subprocess.Popen(command)
        self.until(lambda: running.poll() is not None, "the command ends")
        took = time.monotonic() - began
        assert running.returncode == 0, f"{command} has ended with {running.returncode}"
        self.until(lambda: all(c.returns and c.signed_in for c in self.all), "all have come back")
        self.until(lambda: all(member.back for member in joined), "all members are told that they are")
        self.calm(3 * PERIOD)
        number = self.all[0].do("submit_initialization")
        self.until(lambda: number in self.all[0].answers, "the session goes on")
        event = self.all[0].answers[number]["result"]["seq"]
        self.until(lambda: all(member.last >= event for member in joined), "every member hears it")
        for member in joined:
            question = member.say(members.SESSION, "resign")
            self.until(lambda: question in member.answers, "all have resigned")
        worst = sorted(component.without for component in self.all)
        print(
            f"{COMPONENTS} Components were without answers for {worst[len(worst) // 2]:.2f} s (median), {worst[-1]:.2f} s at most, "
            f"{MEMBERS} members are members again and heard every event; {sum(c.refused for c in self.all)} connections refused; "
            f"the command took {took:.1f} s",
            flush=True,
        )
        assert worst[-1] <= SECONDS, f"{worst[-1]:.2f} s are more than {SECONDS}"


def main() -> None:
    port, namespace, session, dashes, *command = sys.argv[1:]
    assert dashes == "--" and command, __doc__
    Load(int(port), namespace, session).play(command)


main()
