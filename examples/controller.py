"""A controller: MsgPack over TCP. It opens a log and connects every viewer with it.

    instep --log-dir DIRECTORY &
    python3 examples/controller.py FILE [HOST:PORT]

Needs msgpack (pip install msgpack).
"""

import socket
import struct
import sys
from typing import BinaryIO

import msgpack

HOST, PORT = sys.argv[2].split(":") if len(sys.argv) > 2 else ("127.0.0.1", "12310")
VIEWERS, OPEN_PROVIDER, CONNECT = 3, 101, 201
WIDTHS = {0xCD: 2, 0xCE: 4, 0xCF: 8}  # a length is a MsgPack integer of 16, 32 or 64 bits


def call(stream: BinaryIO, function: int, **arguments: object) -> dict:
    """A header [version, function] and the arguments, one behind the other; the answer is built alike."""
    body = msgpack.packb(["1", function]) + msgpack.packb(arguments)
    stream.write(b"\xce" + struct.pack(">I", len(body)) + body)
    stream.flush()
    unpacker = msgpack.Unpacker()
    unpacker.feed(stream.read(int.from_bytes(stream.read(WIDTHS[stream.read(1)[0]]), "big")))
    (_, succeeded), answer = unpacker
    if not succeeded:
        raise SystemExit(f"function {function}: {answer['message']}")
    return answer


stream = socket.create_connection((HOST, int(PORT))).makefile("rwb")
provider = call(stream, OPEN_PROVIDER, logfilename=sys.argv[1])["provider"]
print(f"provider {provider} is open")
for viewer in call(stream, VIEWERS)["viewerinfo"]:
    if viewer["status"] == "closed":
        continue
    session = call(stream, CONNECT, connection={"provider": provider, "viewer": viewer["id"]})["session"]
    print(f"viewer {viewer['id']} looks on in session {session}")
