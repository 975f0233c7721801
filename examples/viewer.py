"""A viewer: MsgPack over TCP. It is shown every timestep of whatever provider a controller connects it with.

    instep --log-dir DIRECTORY &
    python3 examples/viewer.py [HOST:PORT]
    python3 examples/controller.py FILE        # opens the log FILE and connects every viewer with it

Needs msgpack (pip install msgpack).
"""

import socket
import struct
import sys
from typing import BinaryIO

import msgpack

HOST, PORT = sys.argv[1].split(":") if len(sys.argv) > 1 else ("127.0.0.1", "12311")
OPEN, CLOSE, ACTION, UPDATE, WORLD, PERCEPTION, CONFIG, MAP = (1 << bit for bit in range(8))
WIDTHS = {0xCD: 2, 0xCE: 4, 0xCF: 8}  # a length is a MsgPack integer of 16, 32 or 64 bits


def send(stream: BinaryIO, request: dict) -> None:
    body = msgpack.packb(request)
    stream.write(b"\xce" + struct.pack(">I", len(body)) + body)
    stream.flush()


def receive(stream: BinaryIO) -> dict:
    head = stream.read(1)
    if not head:
        raise SystemExit("the Manager has ended")
    return msgpack.unpackb(stream.read(int.from_bytes(stream.read(WIDTHS[head[0]]), "big")))


stream = socket.create_connection((HOST, int(PORT))).makefile("rwb")
send(stream, {"request": OPEN | UPDATE | WORLD})
while True:
    result = receive(stream)
    if result.get("message"):
        print(result["message"], flush=True)
        if result["message"].endswith("has ended"):
            break
    if changes := result["record"].get("changes"):
        moved = ", ".join(f"{entity['id']} is at x = {entity['x']}" for entity in changes if "x" in entity)
        print(f"timestep {result['time']}: {moved}", flush=True)
