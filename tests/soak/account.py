"""The account of a run: what was sent, what came, what came back, and the verdict over it.

Each message has to be delivered once, in the order of its sender, or an error with its conversation id comes back, once. Where neither
happens there must be a reason: its sender's link ended before anything behind it was heard of, a node on its way was killed, its
receiver threw its own link away, or a node has counted it. Anything else is lost.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import NamedTuple, Optional

#: Counters that say of messages or errors that they went nowhere.
DROPS = ("errors_dropped", "answers_dropped", "messages_malformed")
#: Counters of links whose last bytes may not have arrived: all that was on its way to their peers is accounted for.
UNKNOWN_ENDS = "ends_unknown"
#: Counters of links that a node has cut for a reason of its own. A client that was leaving cannot tell such an end from the answer to its own.
CUTS = ("closed_slow", "closed_memory", "closed_half_message", "closed_torn")


class Life:
    """One connection of a client, from its sign-in to its end."""

    def __init__(self, client: str, node: int, number: int) -> None:
        self.client, self.node, self.number = client, node, number
        self.full = f"N{node + 1}.{client}"
        self.sent: list[Sent] = []
        #: Bytes queued on this connection, and those that the system has taken.
        self.queued = self.taken = 0
        self.ended: Optional[float] = None
        #: The node has read all that was sent: it answered our end with its own.
        self.is_read_out = False
        #: It did not read for a while, so the node may have cut it off.
        self.has_stood_still = False

    def __str__(self) -> str:
        return f"{self.client}#{self.number}"


class Sent:
    """A message on its way."""

    __slots__ = ("conversation", "life", "place", "receiver", "to_node", "size", "end", "at", "came", "errors")

    def __init__(self, conversation: bytes, life: Life, receiver: str, to_node: int, size: int) -> None:
        self.conversation, self.life, self.place = conversation, life, len(life.sent)
        self.receiver, self.to_node, self.size = receiver, to_node, size
        #: Where it ends in the stream of its connection, and when the system had taken all of it.
        self.end, self.at = life.queued, 0.0
        #: Each arrival: its number among all arrivals at the receiver, and when.
        self.came: list[tuple[int, float]] = []
        self.errors: list[tuple[str, float]] = []

    def __str__(self) -> str:
        return f"{self.conversation.hex()} ({self.size} B, number {self.place} of {self.life} to {self.receiver})"


class Fault(NamedTuple):
    what: str
    message: Optional[Sent]
    at: float


class Account:
    """What was sent in one run, by conversation id."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.all: dict[bytes, Sent] = {}
        self.lives: list[Life] = []
        self.faults: list[Fault] = []
        self.resets: dict[str, list[float]] = {}
        self.reasons: Counter[str] = Counter()
        self._number = 0

    def conversation(self) -> bytes:
        self._number += 1
        return struct.pack(">QQ", self.seed, self._number)

    def note_taken(self, life: Life, now: float) -> None:
        """The system has taken more bytes of a connection."""
        for sent in reversed(life.sent):
            if sent.at:
                break
            if sent.end <= life.taken:
                sent.at = now

    def note(self, what: str, sent: Optional[Sent], at: float) -> None:
        """Something is wrong."""
        self.faults.append(Fault(what, sent, at))

    def open(self) -> int:
        """Messages that have come to no end yet, of those that may still do so."""
        return sum(1 for sent in self.all.values() if sent.at and not sent.came and not sent.errors)

    def judge(
        self,
        killed: list[list[float]],
        frozen: list[list[tuple[float, float]]],
        drops: int,
        unknown_ends: list[int],
        cuts: list[int],
    ) -> list[Fault]:
        """All that is wrong. `killed`, `frozen`: moments, by node; `drops`: what all nodes counted; `unknown_ends`, `cuts`: the same, by node."""
        for sent in self.all.values():
            if len(sent.came) > 1:
                self.faults.append(Fault("delivered twice", sent, sent.came[1][1]))
            if len(sent.errors) > 1:
                self.faults.append(Fault(f"refused twice: {sent.errors}", sent, sent.errors[1][1]))
            if sent.came and sent.errors:
                self.faults.append(Fault(f"delivered and refused: {sent.errors}", sent, sent.errors[0][1]))
        for life in self.lives:
            self._judge_order(life)
        silent = [sent for life in self.lives for sent in self._silent(life)]
        unexplained = [sent for sent in silent if not self._is_explained(sent, killed, frozen, unknown_ends, cuts)]
        if len(unexplained) <= drops:
            self.reasons["counted"] += len(unexplained)
        else:
            self.faults.extend(Fault(f"lost ({drops} counted)", sent, sent.at) for sent in unexplained)
        for sent in self.all.values():
            self.reasons["delivered"] += bool(sent.came)
            self.reasons["answered"] += bool(sent.errors)
        return self.faults

    def _judge_order(self, life: Life) -> None:
        last: dict[str, Sent] = {}
        for sent in life.sent:
            if not sent.came:
                continue
            before = last.get(sent.receiver)
            if before is not None and before.came[0][0] > sent.came[0][0]:
                self.faults.append(Fault(f"came before {before}", sent, sent.came[0][1]))
            last[sent.receiver] = sent

    @staticmethod
    def _silent(life: Life) -> list[Sent]:
        return [sent for sent in life.sent if sent.end <= life.taken and not sent.came and not sent.errors]

    def _is_explained(
        self,
        sent: Sent,
        killed: list[list[float]],
        frozen: list[list[tuple[float, float]]],
        unknown_ends: list[int],
        cuts: list[int],
    ) -> bool:
        life = sent.life
        heard_of = max((other.place for other in life.sent if other.came or other.errors), default=-1)
        way = {life.node, sent.to_node}
        if life.ended is not None and not life.is_read_out and sent.place > heard_of:
            reason = "its sender's link ended"
        elif life.ended is not None and sent.place > heard_of and cuts[life.node]:
            reason = "its sender's link was cut, which is counted"
        elif any(sent.at <= moment for node in way for moment in killed[node]):
            reason = "a node was killed"
        elif any(
            since <= moment <= until and sent.at <= until
            for moment in killed[sent.to_node]
            for since, until in frozen[life.node]
        ):
            # Its own node could not hear of it before it went on.
            reason = "a node was killed while its neighbour was frozen"
        elif any(sent.at <= moment for name in (sent.receiver, life.full) for moment in self.resets.get(name, [])):
            # What lay in its socket, a message or an error about one, it has thrown away itself.
            reason = "its receiver or sender was reset"
        elif any(unknown_ends[node] for node in way):
            reason = "a node counted ends_unknown"
        else:
            return False
        self.reasons[reason] += 1
        return True
