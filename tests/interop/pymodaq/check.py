#!/usr/bin/env python3
"""PyMoDAQ, unmodified: a DAQ_Viewer over a LECO director gets images of 2048 x 2048 doubles, and goes on after the server is killed and
started again, without a hand. The same with images so small that what their taking costs PyMoDAQ does not count: these tell how soon it goes on.

Run by `run` beside this file. Prints what came, how long it took and what the server had in memory at most.
"""

from __future__ import annotations

import json
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIDES = 64, 2048
#: A module starts in some seconds, an image takes one.
PATIENCE_S = 90.0
#: An image of 32 MiB goes through; it is not kept.
PEAK_KIB_MAX = 24 * 1024


class Module:
    """A process with one DAQ_Viewer."""

    def __init__(self, role: str, port: int, side: int, home: str) -> None:
        self.role, self.lines = role, queue.Queue()
        environment = os.environ | {"HOME": home, "QT_QPA_PLATFORM": "offscreen"}
        self.log = open(Path(home) / f"{role}.log", "wb")
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "viewer.py"), role, str(port), str(side)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=environment, text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            if line.startswith("{"):
                self.lines.put(json.loads(line))

    def tell(self, word: str) -> None:
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def forget(self) -> None:
        """Whatever it has said so far is not looked at."""
        while not self.lines.empty():
            self.lines.get()

    def wait_for(self, what: str, seconds: float = PATIENCE_S):
        ends = time.monotonic() + seconds
        while True:
            try:
                found = self.lines.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                raise SystemExit(f"{self.role}: no {what} within {seconds:.0f} s") from None
            if what in found:
                return found[what]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class Server:
    def __init__(self, binary: str, port: int) -> None:
        self.line = [binary, "--namespace", "N1", "-p", str(port), "--bind", f"127.0.0.1:{port}"]
        self.line += ["--control-bind", "off", "--viewer-bind", "off", "-q"]
        self.start()

    def start(self) -> None:
        environment = {name: word for name, word in os.environ.items() if not name.startswith("INSTEP_")}
        self.process = subprocess.Popen(self.line, env=environment)

    def peak_kib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def image(side: int, director: Module, camera: Module, again: float, within: float = PATIENCE_S) -> float:
    """Has the director take an image, and another one after each `again` seconds without, until one has come that the camera has taken since,
    number for number; gives the seconds that it took."""
    began = time.monotonic()
    for module in (director, camera):
        module.forget()
    taken: set[str] = set()
    shown: set[str] = set()
    while True:
        director.tell("snap")
        asked = time.monotonic()
        # Which of the two tells of an image first, is chance.
        while time.monotonic() < asked + again:
            while not camera.lines.empty():
                taken.update(found["image"][3] for found in [camera.lines.get()] if "image" in found)
            try:
                came = director.lines.get(timeout=0.01)
            except queue.Empty:
                came = {}
            if "image" in came and came["image"][0] > 1:
                rows, columns, kind, digest = came["image"]
                assert (rows, columns, kind) == (side, side, "float64"), came
                shown.add(digest)
            if taken & shown:
                return time.monotonic() - began
        if time.monotonic() > began + within:
            raise SystemExit(f"no image within {within:.0f} s, but {len(shown)} that the camera has not taken since")


def check(binary: str, side: int, again: float) -> None:
    """Everything with images of one size. While there is none, one is asked for each `again` seconds."""
    port = random.randrange(20000, 30000)
    with tempfile.TemporaryDirectory(prefix="instep-pymodaq-") as home:
        server = Server(binary, port)
        modules = []
        try:
            for role in ("actor", "director"):
                modules.append(Module(role, port, side, home))
                if not modules[-1].wait_for("initialized"):
                    raise SystemExit(f"{role} is not initialized")
                modules[-1].wait_for("ready")
                time.sleep(2)
            camera, director = modules
            for _ in range(3):
                print(f"an image of {side} x {side} doubles after {image(side, director, camera, 5.0):.2f} s")
            peak = server.peak_kib()
            print(f"the server had {peak / 1024:.1f} MiB at most")
            for pause in (0.0, 3.0):
                server.kill()
                time.sleep(pause)
                server.start()
                back = time.monotonic()
                image(side, director, camera, again)
                print(f"killed and started again after {pause:.0f} s: an image {time.monotonic() - back:.2f} s later")
                time.sleep(2)
                image(side, director, camera, 5.0)
            peak = max(peak, server.peak_kib())
            if peak > PEAK_KIB_MAX:
                raise SystemExit(f"the server had {peak} KiB, more than {PEAK_KIB_MAX}")
        except SystemExit:
            for module in modules:
                module.log.flush()
                print(f"-- {module.role}:\n{Path(module.log.name).read_text(errors='replace')[-2000:]}")
            for log in Path(home).glob(".pymodaq/log/*.log"):
                print(log.read_text(errors="replace")[-4000:])
            raise
        finally:
            for module in modules:
                module.end()
            server.kill()


def main() -> int:
    for side in SIDES:
        # Of large images, more asked for than come would pile up.
        check(os.environ["INSTEP_BIN"], side, again=0.25 if side < 1000 else 1.0)
    print("PyMoDAQ works, and works again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
