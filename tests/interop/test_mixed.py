"""Two clients of TNO's server, two of GMU's and two Components in one session, over sockets that stall and break.

What each of them must hear stands in mixed/__init__.py. Environment:
* MIXED_SEED: the seed; without it another one each time. It decides what is done; how that interleaves is chance again.
* MIXED_EVENTS: documents and triggers that are to be taken in all (10,000).
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import pytest
import zmq

from coordinators import HERE, Node, free_port
from leco import Client, Message
from mixed import documents
from mixed.judge import GMU, LECO, TNO, Judge, Taken, Unfit
from test_session import DEFAULT, submit

pytestmark = pytest.mark.ours("it has no sessions")

PLAYERS = {"T0": TNO, "T1": TNO, "G0": GMU, "G1": GMU, "L0": LECO, "L1": LECO}
EVENTS = int(os.environ.get("MIXED_EVENTS", "10000"))
SEED = int(os.environ.get("MIXED_SEED", time.time_ns() % 1_000_000))

#: Time without progress before the server cuts a receiver off, and before it refuses who waits for one; what may wait.
SLOW_MS, STALL_MS, RING_BYTES = 600, 100, 256 << 10

def drive(driver: Client, *triggers: str) -> None:
    """Has a Component that is a member for so long only pull triggers, and hand in an initialization where one is due."""
    driver.call("join", {"system": "DRIVER", "format": "json"}, DEFAULT)
    for trigger in triggers:
        driver.call(trigger, None, DEFAULT)
        if trigger == "submit_initialization":
            assert "result" in submit(driver, INITIALIZATION)
    driver.call("resign", None, DEFAULT)


INITIALIZATION = (
    documents.header("SCRIBE", documents.NAMESPACES[0])
    + "<MessageBody><C2SIMInitializationBody><ObjectDefinitions><Entity/></ObjectDefinitions><ScenarioSetting/>"
    "<SystemEntityList><SystemName>T0</SystemName></SystemEntityList></C2SIMInitializationBody></MessageBody></Message>"
).encode()


class Player:
    """A member's process."""

    def __init__(self, name: str, dialect: str, ports: dict[str, int], place: Path) -> None:
        self.name, self.dialect = name, dialect
        self.account = place / f"{name}.json"
        given = {"name": name, "dialect": dialect, "seed": SEED, "slow_ms": SLOW_MS, "account": str(self.account), **ports}
        line = [sys.executable, "-m", "mixed", json.dumps(given)]
        self.errors = (place / f"{name}.err").open("w+")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(line, cwd=HERE, text=True, **pipes)

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def wait_for(self, word: str) -> None:
        assert self.process.stdout is not None
        said = self.process.stdout.readline().strip()
        assert said == word, f"{self.name} says {said!r} instead of {word!r}:\n{self.written()}"

    def written(self) -> str:
        self.errors.seek(0)
        return self.errors.read()


class Scribe:
    """A Component that nothing happens to: it writes down what the sequence is."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.sequence: dict[int, Taken] = {}
        self.last: Optional[int] = None
        self.items = 0

    def take(self, message: Message) -> None:
        if self.client.answer_probe(message):
            return
        event = message.data["params"]
        number, author = event["seq"], event["by"].split()[-1].split(".")[-1]
        assert self.last is None or number == self.last + 1, f"the scribe itself misses something before {event}"
        if len(message.payload) > 1:
            text = message.payload[1].decode()
            item = documents.item_of(text)
            if item and item[0] == "document":
                due = documents.document(item[1])[0]
                assert text == due, f"{item[1]} is not what its author wrote: {documents.difference(text, due)}"
                assert author == documents.author_of(item[1]), event
        else:
            element = documents.TRIGGERS.get(event.get("trigger", ""))
            item = ["trigger", element] if element else None
        self.last, self.items = number, self.items + (item is not None)
        self.sequence[number] = Taken(item, author)

    def take_all(self, patience_ms: int = 0) -> None:
        while self.client.socket.poll(patience_ms):
            self.take(self.client.receive())
            patience_ms = 0


@pytest.fixture
def make_player(tmp_path: Path) -> Iterator[Callable[[str, str, dict[str, int]], Player]]:
    made: list[Player] = []

    def make(name: str, dialect: str, ports: dict[str, int]) -> Player:
        made.append(Player(name, dialect, ports, tmp_path))
        return made[-1]

    yield make
    for player in made:
        player.process.kill()
        player.process.wait()
        player.errors.close()


@pytest.fixture
def lab(make_node: Callable[..., Node], tmp_path: Path) -> tuple[Node, dict[str, int]]:
    """A node with a session that all can read, and its ports. Little is kept for who does not read, and not for long."""
    settings = tmp_path / "instep.toml"
    settings.write_text('[[sessions]]\nname = "default"\nschema = "1.0.2"\ninit_merge = "marshal"\n')
    ports = {"http": free_port(), "stomp": free_port()}
    doors = ["--http-bind", f"127.0.0.1:{ports['http']}", "--stomp-bind", f"127.0.0.1:{ports['stomp']}"]
    bounds = ["--slow-ms", str(SLOW_MS), "--stall-ms", str(STALL_MS), "--ring-bytes-max", str(RING_BYTES)]
    node = make_node("N1", arguments=["--config", str(settings), *doors, *bounds])
    return node, {"port": node.port, **ports}


def play(scribe: Scribe, driver: Client, players: list[Player]) -> float:
    """The exercise, from the start to the stop; answers how long the part took in which things happen."""
    for player in players:
        player.wait_for("ready")
    drive(driver, "submit_initialization", "share_scenario", "start_scenario")
    for player in players:
        player.say("go")
    began = time.monotonic()
    while scribe.items < EVENTS:
        scribe.take_all(500)
        ended = [player.written() for player in players if player.process.poll() is not None]
        assert not ended, ended
    seconds = time.monotonic() - began
    for player in players:
        player.say("finish")
    for player in players:
        player.wait_for("settled")
        scribe.take_all()
    drive(driver, "stop_scenario")
    for player in players:
        player.say("last")
    for player in players:
        assert player.process.wait(20) == 0, player.written()
    scribe.take_all(300)
    return seconds


def test_six_members_of_three_dialects_hear_one_sequence(
    lab: tuple[Node, dict[str, int]],
    make_client: Callable[..., Client],
    make_player: Callable[[str, str, dict[str, int]], Player],
) -> None:
    print(f"MIXED_SEED={SEED} MIXED_EVENTS={EVENTS}")
    node, ports = lab
    scribe = Scribe(make_client(node, "SCRIBE", options={zmq.RCVHWM: 0}).signed_in())
    scribe.client.call("join", {"system": "SCRIBE", "format": "json"}, DEFAULT)
    players = [make_player(name, dialect, ports) for name, dialect in PLAYERS.items()]
    seconds = play(scribe, make_client(node, "DRIVER").signed_in(), players)

    judge, total = Judge(scribe.sequence), Counter[str]()
    for player in players:
        told = json.loads(player.account.read_text())
        print(player.name, dict(sorted(told["sum"].items())))
        total.update(told["sum"])
        assert told["faults"] == [], f"{player.name}: {told['faults'][:3]}"
        judge.judge(player.name, player.dialect, told["account"])
    print(f"{scribe.items} in {seconds:.1f} s, heard {judge.heard} in {judge.stretches} stretches, {judge.gaps} gaps told")
    # How much depends on the machine: who is slow or cut does not hear meanwhile.
    assert judge.heard > scribe.items, "next to nothing was heard"
    by_server = sum(times for why, times in total.items() if why.startswith(("closed", "ERROR")))
    returned = total["resumed"] + total["resumed with a gap"]
    happened = (total["cuts"], total["requests cut"], total["proofs"], total["not signed in"], by_server, returned)
    assert EVENTS < 5000 or all(happened), f"next to nothing has happened: {total}"


# ---- The judge judges ----

A, B, C = ["document", "T0-1rn"], ["document", "G0-1rf"], ["document", "L0-1on"]
PAUSE, STOP = ["trigger", "PauseScenario"], ["trigger", "StopScenario"]
SEQUENCE = {
    1: Taken(None, "T0"),
    2: Taken(A, "T0"),
    3: Taken(B, "G0"),
    4: Taken(PAUSE, "T0"),
    5: Taken(C, "L0"),
    6: Taken(None, "L1"),
    7: Taken(STOP, "DRIVER"),
}


def heard(*numbers: int, is_told: bool = True) -> list[list[Any]]:
    return [["heard", SEQUENCE[number].item, number if is_told else None] for number in numbers]


#: What each of them is to hear, whole.
ACCOUNTS: dict[str, tuple[str, list[list[Any]]]] = {
    "T0": (TNO, [["attached", 1], ["sure", 1], *heard(3, 5, 7, is_told=False), ["answered", A, 2], ["done"]]),
    "G0": (GMU, [["attached", 1], ["sure", 1], *heard(2, 4, 5, 7), ["done"]]),
    "L0": (LECO, [["attached", 1], *heard(2, 3, 4), ["answered", C, 5], *heard(6, 7), ["done"]]),
}


def judged(name: str, account: list[list[Any]]) -> bool:
    try:
        Judge(SEQUENCE).judge(name, ACCOUNTS[name][0], account)
    except Unfit:
        return False
    return True


@pytest.mark.parametrize("name", ACCOUNTS)
def test_the_judge_misses_no_fault(name: str) -> None:
    account = ACCOUNTS[name][1]
    assert judged(name, account)
    places = [place for place, entry in enumerate(account) if entry[0] == "heard"]
    for place in places:
        lacking = account[:place] + account[place + 1 :]
        assert not judged(name, lacking), f"without {account[place]}"
        swapped = copy.copy(account)
        for other in places:
            swapped[place], swapped[other] = account[other], account[place]
            assert other == place or not judged(name, swapped), f"{account[place]} and {account[other]} swapped"
            swapped[place], swapped[other] = account[place], account[other]
        # A Component knows by its number what it is told once more.
        twice = account[: place + 1] + account[place:]
        assert judged(name, twice) == (name == "L0"), f"{account[place]} twice"
    assert not judged(name, [*account[:-1], ["untaken", A], ["done"]])
    assert not judged(name, [*account[:-1], ["answered", B, 2], ["done"]])
    assert not judged(name, account[:-1]), "it is not there at the end"


def test_what_was_told_is_no_fault() -> None:
    account = ACCOUNTS["G0"][1]
    cut = [*account[:3], ["ended", "ERROR too slow"], ["attached", 4], ["sure", 5], *account[-2:]]
    assert judged("G0", cut)
    assert not judged("G0", [entry for entry in cut if entry[0] != "ended"]), "it was cut off in silence"
    assert not judged("G0", [*cut[:5], ["sure", 4], *cut[6:]]), "it could hear before it did"
    leco = ACCOUNTS["L0"][1]
    front, last = [*leco[:2], ["ended", "not signed in"]], [leco[-2], leco[-1]]
    missed = [[3, B], [4, PAUSE], [5, C]]
    words = [["resumed", 6, True, []], ["resumed", 6, False, missed], ["resumed", 6, False, [missed[0], missed[2]]]]
    assert [judged("L0", [*front, word, *last]) for word in words] == [True, True, False]
    assert not judged("L0", [*front, *last]), "it was not told that it is back"
    assert not judged("L0", [*leco[:2], *last]), "it was not told that something is missing"
