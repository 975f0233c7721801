"""Holds to the one sequence what a member has heard.

A member's account is a list of entries, in the order in which things happened to it:
* `["attached", low]`: it begins to hear, behind the event of this number at the earliest;
* `["sure", high]`: by now it hears all that is behind this one;
* `["heard", item, number]`: the number is None where the dialect does not tell it;
* `["answered", item, number]`: what it handed in was taken;
* `["resumed", number, gap, events]`: it was away, and is told what it has missed (LECO);
* `["untaken", item]`: what it handed in was refused, or it never sent the whole of it;
* `["ended", why]`: it knows that it hears nothing any more;
* `["done"]`: the exercise is over for it, and it lacks nothing.
An item is `["document", mark]` or `["trigger", element]`; None is an event of another kind.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from .documents import is_foreign

TNO, GMU, LECO = "tno", "gmu", "leco"


class Taken(NamedTuple):
    """What the sequence has under one number."""

    item: Optional[list[str]]
    #: Who brought it about, as far as that is one of the members.
    author: Optional[str]


class Unfit(AssertionError):
    """A member has not heard what it had to hear."""


def is_for(dialect: str, name: str, event: Taken) -> bool:
    """Whether a member hears one of the items: clients of TNO's all but their own, those of GMU's what they can read."""
    if event.item is None:
        return False
    if dialect == TNO:
        return event.author != name
    return dialect == LECO or event.item[0] == "trigger" or not is_foreign(event.item[1])


class Judge:
    """Looks through accounts, given the sequence by numbers."""

    def __init__(self, sequence: dict[int, Taken]) -> None:
        self.sequence = sequence
        items = [(number, event.item) for number, event in sequence.items() if event.item]
        documents = [(item[1], number) for number, item in items if item[0] == "document"]
        self.marks = dict(documents)
        if len(documents) != len(self.marks):
            raise Unfit("a document is in the sequence twice")
        #: Stretches of hearing, what was heard in them, and words that something is missing.
        self.stretches, self.heard, self.gaps = 0, 0, 0

    def judge(self, name: str, dialect: str, account: list[list[Any]]) -> None:
        for entry in account:
            if entry[0] == "answered" and self.sequence.get(entry[2], Taken(None, None)).item != entry[1]:
                raise Unfit(f"{name} is told that {entry[1]} is {entry[2]}, which is {self.sequence.get(entry[2])}")
            if entry[0] == "untaken" and entry[1][1] in self.marks:
                raise Unfit(f"{name} has {entry[1]} refused, or never sent it, which is {self.marks[entry[1][1]]}")
        if account[-1] != ["done"]:
            raise Unfit(f"{name} was not there at the end, but {account[-1]}")
        if dialect == LECO:
            self._follow(name, account)
        else:
            self._stretches(name, dialect, account)

    # ---- Who begins anew each time ----

    def _stretches(self, name: str, dialect: str, account: list[list[Any]]) -> None:
        due = [(number, event.item) for number, event in sorted(self.sequence.items()) if is_for(dialect, name, event)]
        low, high, heard, is_open = 0, None, [], False
        for entry in account:
            if entry[0] == "attached":
                if is_open:
                    raise Unfit(f"{name} begins anew behind {entry[1]}, and was not told that it had ceased to hear")
                low, high, heard, is_open = entry[1], None, [], True
            elif entry[0] == "sure":
                high = entry[1]
            elif entry[0] == "heard":
                if not is_open:
                    raise Unfit(f"{name} hears {entry[1:]} where it does not listen")
                heard.append((entry[2], entry[1]))
            elif entry[0] in ("ended", "done") and is_open:
                self._stretch(name, [at for at in due if at[0] > low], high, heard, entry[0] == "done")
                is_open = entry[0] == "done"
        if not is_open or low >= due[-1][0]:
            raise Unfit(f"{name} did not listen when the last event came")

    def _stretch(self, name: str, due: list[Any], high: Optional[int], heard: list[Any], is_whole: bool) -> None:
        self.stretches, self.heard = self.stretches + 1, self.heard + len(heard)
        # Where it begins is not told to everyone; not later than where it was sure.
        latest = next((at for at, (number, _) in enumerate(due) if high is not None and number > high), len(due))
        best = (-1, 0)
        for begin in range(latest + 1):
            fits = 0
            for (number, item), (due_number, due_item) in zip(heard, due[begin:]):
                if item != due_item or number not in (None, due_number):
                    break
                fits += 1
            if fits == len(heard) and (not is_whole or begin + fits == len(due)):
                return
            best = max(best, (fits, begin))
        fits, begin = best
        end = begin + fits
        raise Unfit(
            f"{name}, sure behind {high}: after {fits} of {len(heard)} that are right it heard {heard[fits:fits + 4]}, "
            f"and {due[end:end + 4]} were due{' to the end' if is_whole else ''}"
        )

    # ---- Who has every number ----

    def _follow(self, name: str, account: list[list[Any]]) -> None:
        at, is_away, early = 0, False, []

        def step(number: int, item: Any) -> None:
            nonlocal at
            if number <= at:
                return  # Nobody could know that it had read this one.
            if number != at + 1:
                raise Unfit(f"{name} has {at}, then hears {item} of number {number}, and was not told of a gap")
            if item is not None and self.sequence[number].item != item:
                raise Unfit(f"{name} hears {item} under {number}, which is {self.sequence[number]}")
            if item is None and self.sequence[number].item is not None:
                raise Unfit(f"{name} hears nothing of {self.sequence[number]} under {number}")
            at, self.heard = number, self.heard + (item is not None)

        for kind, *rest in account:
            if kind == "attached":
                at = rest[0]
            elif kind in ("heard", "answered") and rest[1] is not None:
                if is_away:
                    early.append((rest[1], rest[0]))
                else:
                    step(rest[1], rest[0])
            elif kind == "ended":
                is_away, early = True, []
            elif kind == "resumed":
                number, is_gap, events = rest
                self.stretches, self.gaps, is_away = self.stretches + 1, self.gaps + is_gap, False
                missed = [*events, (number, None)]
                for place, (event_number, item) in enumerate(missed):
                    # What is missing is so in front of what it is told, or behind it.
                    if is_gap and place in (0, len(missed) - 1):
                        at = max(at, event_number - 1)
                    step(event_number, item)
                for event_number, item in early:
                    step(event_number, item)
                early = []
        last = max(number for number, event in self.sequence.items() if event.item)
        if is_away or at < last:
            raise Unfit(f"{name} has {at} of {last} at the end{', and is away' if is_away else ''}")
