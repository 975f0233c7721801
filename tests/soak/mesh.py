"""Three nodes as processes of their own, which can be frozen, stopped, killed and started again."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Optional, Sequence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
#: Doors that a node opens: for Components, controllers and viewers.
DOORS = (0, 10, 11)
#: How long an orderly end may take, in seconds; the program promises two and a little.
STOP_SECONDS = 6.0


def binary() -> str:
    """The program under test: INSTEP_BIN, else the release build, else the debug build."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    given = os.environ.get("INSTEP_BIN")
    candidates = [Path(given)] if given else [target / kind / "instep" for kind in ("release", "debug")]
    for candidate in candidates:
        if candidate.is_file():
            return str(candidate.resolve())
    raise SystemExit(f"no program at {', '.join(map(str, candidates))}: build it or set INSTEP_BIN")


def free_port(dice: random.Random) -> int:
    """A port whose doors are free, outside the range from which the system picks ports of outgoing connections."""
    while True:
        port = dice.randrange(20000, 32000)
        probes = [socket.socket() for _ in DOORS]
        try:
            for door, probe in zip(DOORS, probes):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port + door))
            return port
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()


def slow_disk(folder: Path) -> Optional[Path]:
    """The library that makes a disk slow; nothing where there is no C compiler."""
    library = folder / "slow_disk.so"
    line = ["cc", "-shared", "-fPIC", "-o", str(library), str(HERE / "slow_disk.c"), "-ldl"]
    try:
        subprocess.run(line, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return library


class Node:
    """One process. A node that was told to end is started again by `tend`, once it has ended."""

    def __init__(self, name: str, port: int, others: Sequence[int], flags: Sequence[str], folder: Path) -> None:
        self.name, self.port = name, port
        joins = ",".join(f"127.0.0.1:{other}" for other in others)
        self.line = [binary(), "--namespace", name, "-p", str(port), "-r", "127.0.0.1", "--bind", f"127.0.0.1:{port}"]
        self.line += ["--control-bind", "off", "--viewer-bind", "off", "-c", joins, *flags]
        self.log = folder / f"{name}.log"
        self.environment = {name: word for name, word in os.environ.items() if not name.startswith("INSTEP_")}
        self.slowness = folder / f"{name}.slow"
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.frozen_until = 0.0
        self.stopping_since = 0.0
        #: When it was killed, and when it was told to end.
        self.killed: list[float] = []
        self.stopped: list[float] = []
        #: From when to when it was frozen.
        self.frozen: list[tuple[float, float]] = []
        self._frozen_since = 0.0
        self._told = 0
        self.start()

    def start(self) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment
            )

    def is_up(self) -> bool:
        return self.process is not None and self.process.poll() is None and not self.stopping_since

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def freeze(self, seconds: float) -> None:
        if not self.frozen_until:
            self._frozen_since = time.monotonic()
        self.frozen_until = time.monotonic() + seconds
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.frozen_until:
            self.frozen_until = 0.0
            self.frozen.append((self._frozen_since, time.monotonic()))
            self.signal(signal.SIGCONT)

    def stop(self) -> None:
        """Tells it to end in order."""
        self.thaw()
        self.stopping_since = time.monotonic()
        self.stopped.append(self.stopping_since)
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once, and starts it again."""
        self.end()
        self.killed.append(time.monotonic())
        self.start()

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.frozen_until = self.stopping_since = 0.0

    def slow_disk(self, milliseconds: int) -> None:
        self.slowness.write_bytes(bytes(milliseconds))

    def tend(self) -> None:
        """Does what has come due. RuntimeError if the process has ended by itself, or does not end."""
        now = time.monotonic()
        if self.frozen_until and now >= self.frozen_until:
            self.thaw()
        code = self.process.poll() if self.process is not None else None
        if not self.stopping_since and code is not None:
            raise RuntimeError(f"{self.name} ended by itself with {code}:\n{self.tail()}")
        if self.stopping_since and code is not None:
            # One that is told so before it listens to signals ends by the signal.
            if code not in (0, -signal.SIGTERM):
                raise RuntimeError(f"{self.name} was told to end and ended with {code}:\n{self.tail()}")
            self.stopping_since = 0.0
            self.start()
        if self.stopping_since and now > self.stopping_since + STOP_SECONDS:
            raise RuntimeError(f"{self.name} does not end:\n{self.tail()}")

    def last_counts(self) -> list[dict[str, int]]:
        """What it counted in its lives that have ended in order since this was asked last."""
        counts = []
        with open(self.log, errors="replace") as log:
            log.seek(self._told)
            text = log.read()
            self._told = log.tell()
        for line in text.splitlines():
            _, found, words = line.partition("[DEBUG] counted: ")
            if found:
                pairs = (word.split() for word in words.split(", "))
                counts.append({name: int(value) for name, value in pairs})
        return counts

    def tail(self, lines: int = 25) -> str:
        """The last of what it wrote, over all its starts."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def log_around(self, at: float, lines: int = 40) -> str:
        """What it wrote around a moment."""
        moment = datetime.now(timezone.utc) + timedelta(seconds=at - time.monotonic())
        first, last = ((moment + timedelta(seconds=by)).strftime("%Y-%m-%dT%H:%M:%S.%f") for by in (-0.5, 1.0))
        near = [line for line in self.log.read_text(errors="replace").splitlines() if first <= line <= last]
        return "\n".join(f"    {line[11:23]} {line.partition(' ')[2]}" for line in near if " refused: " not in line)[: lines * 120]


class Mesh:
    """Three nodes that know one another; the first keeps its sessions on a disk that may be slow."""

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self._folder = tempfile.TemporaryDirectory(prefix="instep-soak-")
        folder = Path(self._folder.name)
        while True:
            ports = [free_port(dice) for _ in range(3)]
            if len(set(ports)) == 3:
                break
        self.flags = [
            "-v",
            *("--ring-bytes-max", str(dice.choice([65536, 262144, 1048576]))),
            *("--stall-ms", str(dice.choice([100, 200]))),
            *("--slow-ms", str(dice.choice([500, 800]))),
            *("--takeover-ms", "300"),
            *("--message-bytes-max", "400000"),
            *("--memory-max", str(dice.choice([3 << 20, 8 << 20, 64 << 20]))),
        ]
        disk = slow_disk(folder)
        self.nodes: list[Node] = []
        for n, port in enumerate(ports):
            flags = [*self.flags, "--state-dir", str(folder / "state")] if n == 0 else self.flags
            node = Node(f"N{n + 1}", port, [other for other in ports if other != port], flags, folder)
            if n == 0 and disk is not None:
                node.environment |= {"LD_PRELOAD": str(disk), "DISK_SLOW": str(node.slowness)}
                node.end()
                node.start()
            self.nodes.append(node)

    def tend(self) -> None:
        for node in self.nodes:
            node.tend()

    def close(self) -> None:
        for node in self.nodes:
            node.end()
        self._folder.cleanup()
