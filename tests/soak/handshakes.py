#!/usr/bin/env python3
"""Ten thousand connections that begin a handshake of CURVE and never end it, from a thousand addresses of loopback: whoever has a key is
served meanwhile. Then a thousand Components connect, each with a handshake of its own, and say how long that took; and they do so again and
again, while another one sends itself messages, 500 in a second, and says how long these take.

    tests/soak/handshakes.py           10,000 half-done ones, 1,000 Components
    tests/soak/handshakes.py 2000 100  fewer of both

Needs Python 3, Linux, and the built program (cargo build --release; or INSTEP_BIN=path), nothing else.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import wire
from mesh import binary

#: A greeting of CURVE, and the first half of a HELLO.
HALF = b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01CURVE" + bytes(15 + 32) + b"\x04\xc8\x05HELLO\x01\0" + bytes(72)
#: A question may take so long while the others do nothing.
SECONDS = 1.0
#: Seconds in which a thousand Components have connected, and milliseconds that 99 of 100 messages of others may take meanwhile.
CONNECTED_S, MESSAGE_MS = 3.0, 10.0


def main() -> None:
    half, members = (int(word) for word in (sys.argv[1:] + ["10000", "1000"][len(sys.argv) - 1 :]))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    program, port = binary(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("server", "boss"):
            subprocess.run([program, "key", "new", f"{folder}/{name}"], check=True, stdout=subprocess.DEVNULL)
        public = Path(folder, "boss.public").read_text().strip()
        settings = Path(folder, "instep.toml")
        settings.write_text(
            f"auth = 'remote'\nserver_key = '{folder}/server.secret'\n\n"
            f"[[users]]\nname = 'boss'\nrole = 'admin'\nkey = '{public}'\nnames = ['*']\n"
        )
        place = ["--bind", f"127.0.0.1:{port}", "--control-bind", "off", "--viewer-bind", "off", "--http-bind", "off"]
        log = open(f"{folder}/log", "wb")
        server = subprocess.Popen([program, "--config", settings, *place], stderr=log)
        keys = ["--key", f"{folder}/boss.secret", "--server-key", f"{folder}/server.public"]
        try:
            begin(program, port, half, keys)
            connect(program, port, members, keys, server.pid)
        finally:
            server.terminate()
            server.wait()


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def ask(program: Path, port: int, keys: list[str]) -> float:
    """Seconds that one question takes, its handshake and the program's start among them."""
    began = time.monotonic()
    words = [program, "ctl", "-a", f"127.0.0.1:{port}", "counters", "--json", *keys]
    said = subprocess.run(words, check=True, capture_output=True)
    json.loads(said.stdout)
    return time.monotonic() - began


def begin(program: Path, port: int, half: int, keys: list[str]) -> None:
    """Handshakes that are begun and never ended."""
    deadline = time.monotonic() + 10
    while True:
        try:
            alone = ask(program, port, keys)
            break
        except subprocess.CalledProcessError:
            assert time.monotonic() < deadline, "the server does not come up"
            time.sleep(0.05)
    began, opened = time.monotonic(), []
    times = []
    for n in range(half):
        one = socket.socket()
        one.bind((f"127.0.{1 + n % 1000 // 250}.{1 + n % 250}", 0))
        one.connect(("127.0.0.1", port))
        one.send(HALF)
        opened.append(one)
        if n % (half // 20 or 1) == 0:
            times.append(ask(program, port, keys))
    print(
        f"{half} half-done handshakes in {time.monotonic() - began:.1f} s; a question alone {alone * 1000:.0f} ms, "
        f"meanwhile {max(times) * 1000:.0f} ms at the most"
    )
    assert max(times) < SECONDS, "whoever has a key waits for those who have none"
    for one in opened:
        one.close()


def cpu_ms(pid: int) -> float:
    """Milliseconds of processor time that a process has had."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int(Path(task, "schedstat").read_text().split()[0]) for task in tasks) / 1e6


class Other(threading.Thread):
    """A Component that has no key and, as a program of this machine, needs none: it sends itself messages."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.times: list[float] = []
        self.stopped = False
        self.reader = wire.Reader()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(wire.opening())
        self.trip(wire.message(b"COORDINATOR", b"other", bytes(16), wire.JSON, wire.request("sign_in")))

    def trip(self, message: bytes) -> wire.Heard:
        """Sends, and waits until one has come."""
        self.socket.sendall(message)
        while True:
            heard = list(self.reader.feed(self.socket.recv(1 << 16)))
            self.socket.sendall(bytes(self.reader.pongs))
            self.reader.pongs.clear()
            if heard:
                return heard[0]

    def members(self) -> int:
        """How many Components have signed in."""
        asked = wire.message(b"COORDINATOR", b"other", bytes(16), wire.JSON, wire.request("send_counters"))
        return int(self.trip(asked).json()["result"]["components_now"])

    def run(self) -> None:
        message = wire.message(b"N1.other", b"N1.other", bytes(16), wire.DATA, bytes(64))
        before = self.members()
        while not self.stopped:
            due, times = time.monotonic(), []
            for _ in range(10):
                # As it should have begun, however long the one before it took.
                due += 0.002
                time.sleep(max(0.0, due - time.monotonic()))
                self.trip(message)
                times.append(time.monotonic() - due)
            now = self.members()
            # What they do once they are all there is not the matter here.
            if now > before:
                self.times += times
            before = now


def connect(program: Path, port: int, members: int, keys: list[str], pid: int) -> None:
    """Components that connect, alone and while another one sends."""
    pairs = members // 2
    load = ["--pairs", str(pairs), "--window", "1", "--seconds", "0.05", "--json"]
    words = [program, "bench", "throughput", f"127.0.0.1:{port}", *load, *keys]

    def once() -> tuple[float, float]:
        before, began = cpu_ms(pid), time.monotonic()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - began, cpu_ms(pid) - before

    seconds, cpu = once()
    print(
        f"{2 * pairs} connect, sign in, send for a twentieth of a second and sign out: {seconds:.2f} s, "
        f"of which the server computes {cpu / 1000:.2f} s"
    )
    other = Other(port)
    other.start()
    took = [once()[0] for _ in range(4)]
    other.stopped = True
    other.join()
    times = sorted(other.times)
    median, p99 = (1000 * times[len(times) * share // 100] for share in (50, 99))
    print(
        f"the same four times, in {max(took):.2f} s at the most; messages of another one while they connect, {len(times)} of them: "
        f"half of them take {median:.2f} ms at the most, 99 of 100 {p99:.2f} ms, all {1000 * times[-1]:.2f} ms"
    )
    assert len(times) > 100, "too few messages say nothing"
    assert seconds < CONNECTED_S and p99 < MESSAGE_MS, "a thousand that connect are in the way of others"


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)
    main()
