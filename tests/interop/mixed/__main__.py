"""One member: `python -m mixed JSON`, with its name and dialect, the seed, ports, and the server's `slow_ms`.

It joins and says `ready`. Then it hands documents and triggers in, hears, stalls, cuts its connections and comes back,
each as its dice fall, from the line `go` to the line `finish`. It listens to the end, says `settled`, waits for the last
event, and leaves its account (see judge.py) in a file.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any, Callable

from .component import LecoPlayer
from .guests import GmuPlayer, TnoPlayer
from .judge import GMU, LECO, TNO
from .member import PATIENCE, Player


def main() -> None:
    given = json.loads(sys.argv[1])
    kind: Callable[[dict[str, Any]], Player] = {TNO: TnoPlayer, GMU: GmuPlayer, LECO: LecoPlayer}[given["dialect"]]
    player = kind(given)
    words: dict[str, threading.Event] = {word: threading.Event() for word in ("go", "finish", "last")}

    def read() -> None:
        for line in sys.stdin:
            words[line.strip()].set()

    threading.Thread(target=read, daemon=True).start()

    def say(word: str) -> None:
        print(word, flush=True)

    try:
        player.attach()
        say("ready")
        while not words["go"].is_set():
            player.keep_listening()
        while not words["finish"].is_set():
            player.act()
        deadline = time.monotonic() + PATIENCE
        while not player.is_listening():
            if time.monotonic() > deadline:
                player.fault("it never heard all that was to be heard")
                break
            player.keep_listening()
        say("settled")
        while not words["last"].is_set():
            player.keep_listening()
        deadline = time.monotonic() + PATIENCE
        while not player.has_heard_last and time.monotonic() < deadline:
            player.keep_listening()
        player.note("done")
    finally:
        with open(given["account"], "w") as file:
            json.dump({"account": player.account, "faults": player.faults, "sum": player.sum}, file)


if __name__ == "__main__":
    main()
