"""A session and its members in a run: one author pulls triggers, whose changes go to a disk that may be slow, and all members hear them.

A member hears each event once and in order. One whose link and nodes have lived through the run unharmed has heard every event that the
author was told of.
"""

from __future__ import annotations

from typing import Callable, Sequence

import wire
from account import Fault
from people import Client

SESSION = "N1.session:default"
#: Conversation ids of what the author and the members ask begin with this.
ASKED = b"\xfd"
NAMESPACE = "http://www.sisostds.org/schemas/C2SIM/2.0.0-cwix2026"
INITIALIZATION = (
    f'<Message xmlns="{NAMESPACE}"><C2SIMHeader><ConversationID>11111111-2222-4333-8444-555555555555</ConversationID>'
    "<FromSendingSystem>A</FromSendingSystem><MessageID>22222222-2222-4333-8444-555555555555</MessageID>"
    "<Protocol>SISO-STD-C2SIM</Protocol><ProtocolVersion>1.0.2</ProtocolVersion></C2SIMHeader><MessageBody>"
    "<C2SIMInitializationBody><ObjectDefinitions/><ScenarioSetting><Name>soak</Name></ScenarioSetting>"
    "<SystemEntityList><ActorReference>00000000-0000-4000-8000-000000000001</ActorReference><SystemName>A</SystemName>"
    "</SystemEntityList></C2SIMInitializationBody></MessageBody></Message>"
).encode()


class Party:
    """An author at the session's node, and members at all nodes."""

    def __init__(self, author: Client, members: Sequence[Client], say: Callable[[str], None]) -> None:
        self.author, self.members, self.say = author, list(members), say
        #: Numbers of events that the author was told of, and those that each member has heard.
        self.told: list[int] = []
        self.heard: dict[Client, list[int]] = {member: [] for member in members}
        self.answers = self._asked = 0
        self._lives = {}
        for client in (author, *members):
            client.other = lambda heard, client=client: self._hear(client, heard)

    def gather(self) -> None:
        """The session runs, and all are members of it. There are as many `answers` as `asked` once that is so."""
        self._ask(self.author, "join", system="A")
        self._ask(self.author, "submit_initialization")
        self._put(self.author, wire.C2SIM, INITIALIZATION)
        for method in ("initialization_complete", "share_scenario", "start_scenario"):
            self._ask(self.author, method)
        for member in self.members:
            self._ask(member, "join", system=member.name)

    def is_gathered(self) -> bool:
        return self.answers >= self._asked

    def begin(self) -> None:
        """What comes from here on is judged."""
        self.told.clear()
        for heard in self.heard.values():
            heard.clear()
        self._lives = {client: client.life for client in (self.author, *self.members)}

    def act(self) -> None:
        """The author pulls the next trigger."""
        if self.author.has_room() and self.author.life is self._lives.get(self.author):
            self._ask(self.author, ("pause_scenario", "resume_scenario")[self._asked % 2])

    def judge(self, is_unharmed: Callable[[Client], bool], now: float) -> list[Fault]:
        faults = []
        for member, heard in self.heard.items():
            if any(before >= after for before, after in zip(heard, heard[1:])):
                faults.append(Fault(f"{member.name} heard events out of order: {heard}", None, now))
            missed = sorted(set(self.told) - set(heard))
            if missed and member.life is self._lives[member] and is_unharmed(member):
                faults.append(Fault(f"{member.name} did not hear events {missed} of {self.told}", None, now))
        return faults

    def _ask(self, client: Client, method: str, **params: str) -> None:
        self._put(client, wire.JSON, wire.request(method, **params))

    def _put(self, client: Client, kind: int, payload: bytes) -> None:
        self._asked += 1
        client.say_to(SESSION, ASKED + self._asked.to_bytes(15, "big"), kind, payload)

    def _hear(self, client: Client, heard: wire.Heard) -> None:
        found = heard.json()
        if found.get("method") == "session_event" and client in self.heard:
            event = found["params"]
            if event["event"] == "state":
                self.heard[client].append(event["seq"])
        elif heard.conversation.startswith(ASKED):
            self.answers += 1
            result = found.get("result")
            if isinstance(result, dict) and "seq" in result:
                self.told.append(result["seq"])
