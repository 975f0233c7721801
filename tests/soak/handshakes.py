#!/usr/bin/env python3
"""Ten thousand connections that begin a handshake of CURVE and never end it, from a thousand addresses of loopback: whoever has a key is
served meanwhile. Then a thousand Components connect, each with a handshake of its own, and say how long that took.

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
import time
from pathlib import Path

from mesh import binary

#: A greeting of CURVE, and the first half of a HELLO.
HALF = b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01CURVE" + bytes(15 + 32) + b"\x04\xc8\x05HELLO\x01\0" + bytes(72)
#: A question may take so long while the others do nothing.
SECONDS = 1.0


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
            f"auth = 'all'\nserver_key = '{folder}/server.secret'\n\n"
            f"[[users]]\nname = 'boss'\nrole = 'admin'\nkey = '{public}'\nnames = ['*']\n"
        )
        place = ["--bind", f"127.0.0.1:{port}", "--control-bind", "off", "--viewer-bind", "off", "--http-bind", "off"]
        log = open(f"{folder}/log", "wb")
        server = subprocess.Popen([program, "--config", settings, *place], stderr=log)
        keys = ["--key", f"{folder}/boss.secret", "--server-key", f"{folder}/server.public"]
        try:
            run(program, port, half, members, keys)
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


def run(program: Path, port: int, half: int, members: int, keys: list[str]) -> None:
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
    began = time.monotonic()
    pairs = members // 2
    words = [program, "bench", "throughput", f"127.0.0.1:{port}", "--pairs", str(pairs), "--seconds", "0.05", "--json", *keys]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    print(f"{2 * pairs} connect, sign in, send for a twentieth of a second and sign out: {time.monotonic() - began:.2f} s")


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)
    main()
