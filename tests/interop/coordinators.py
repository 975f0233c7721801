"""Coordinators as processes of their own: `instep`, and pyleco's as its peer.

Environment:
* INSTEP_BIN: the binary to test; without it the release build of this repository, then the debug build.
* INSTEP_PEER=pyleco: run pyleco's Coordinator wherever a test asks for ours (what does the reference do?).
* INSTEP_ARGS: further arguments for the binary, split at white space.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Optional, Sequence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

INSTEP, PYLECO = "instep", "pyleco"
#: What runs where a test asks for "our" Coordinator.
OURS = PYLECO if os.environ.get("INSTEP_PEER") == PYLECO else INSTEP

START_SECONDS = 15.0
STOP_SECONDS = 5.0

_ports = random.Random(os.getpid())


def binary() -> Path:
    """The `instep` binary under test."""
    given = os.environ.get("INSTEP_BIN")
    candidates = [Path(given)] if given else [ROOT / "target" / kind / "instep" for kind in ("release", "debug")]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    raise FileNotFoundError(f"no instep binary at {', '.join(map(str, candidates))}: build it or set INSTEP_BIN")


#: From the port of a Coordinator to those of its channels.
CHANNELS = range(-1204, -1198)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port nobody listens on, nor on those of the channels that go with it, outside the range from which the system
    picks ports of outgoing connections."""
    while True:
        port = _ports.randrange(22000, 32000)
        if all(is_free(port + distance) for distance in (0, *CHANNELS)):
            return port


def command(
    kind: str,
    namespace: Optional[str],
    port: int,
    *,
    host: Optional[str] = None,
    bind: Optional[str] = None,
    coordinators: Sequence[str] = (),
    arguments: Sequence[str] = (),
) -> list[str]:
    """The command line that starts a Coordinator; both kinds take the same flags."""
    if kind == INSTEP:
        line = [str(binary()), *os.environ.get("INSTEP_ARGS", "").split()]
    else:
        line = [sys.executable, str(HERE / "pyleco_coordinator.py")]
    line += ["-p", str(port), "-v"]
    if namespace is not None:
        line += ["--namespace", namespace]
    if host:
        line += ["-r", host]
    if bind:
        line += ["--bind", f"{bind}:{port}"]
    if coordinators:
        line += ["-c", ",".join(coordinators)]
    return [*line, *arguments]


class Node:
    """One Coordinator process. Use `start`, then `stop` (SIGTERM) or `kill` (SIGKILL); both may be repeated."""

    def __init__(
        self,
        namespace: Optional[str],
        *,
        kind: str = OURS,
        port: Optional[int] = None,
        host: Optional[str] = "127.0.0.1",
        bind: Optional[str] = "127.0.0.1",
        coordinators: Sequence[str] = (),
        arguments: Sequence[str] = (),
    ) -> None:
        self.namespace = namespace
        self.kind = kind
        self.port = port or free_port()
        self.host = host
        self.bind = bind
        self.coordinators = list(coordinators)
        self.arguments = list(arguments)
        self.process: Optional[subprocess.Popen[bytes]] = None
        self._log = tempfile.NamedTemporaryFile(prefix=f"interop-{namespace}-", suffix=".log")

    @property
    def address(self) -> str:
        """Where others find it, as it announces itself."""
        return f"{self.host}:{self.port}"

    def start(self) -> "Node":
        """Start the process and wait until its port accepts."""
        line = command(
            self.kind,
            self.namespace,
            self.port,
            host=self.host,
            bind=self.bind,
            coordinators=self.coordinators,
            arguments=self.arguments,
        )
        self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"{line} ended at once with {self.process.returncode}:\n{self.log()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                if time.monotonic() > deadline:
                    self.kill()
                    raise TimeoutError(f"{line} does not listen after {START_SECONDS} s:\n{self.log()}") from None
                time.sleep(0.01)

    def stop(self) -> Optional[int]:
        """Ask it to end (SIGTERM) and return its exit code; it is killed if it does not comply in time."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait(STOP_SECONDS)

    def wait(self, patience: float) -> Optional[int]:
        """Wait for its end and return the exit code; it is killed if it is still there after `patience` (s)."""
        if self.process is None:
            return None
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def kill(self) -> None:
        """End it without a chance to say good-bye."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self, length: int = 20_000) -> str:
        """The end of what it wrote, over all its starts."""
        text = Path(self._log.name).read_text(errors="replace")
        return text[-length:]
