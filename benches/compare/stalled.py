"""Two clients in the session that `instep bench c2sim` makes, who hear next to nothing of it: one never reads, the other 64 bytes every tenth of a
second. Ends with the session. usage: stalled.py http://HOST:PORT"""

import json
import socket
import sys
import time
import urllib.parse
import urllib.request
import uuid

URL = sys.argv[1]
WAIT_S = 60


def ask(path: str, client: str, body: object = None) -> object:
    data = None if body is None else json.dumps(body).encode()
    headers = {"clientId": client, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{URL}/api/c2sim/session/{path}", data, headers)
    return json.load(urllib.request.urlopen(request))


def session() -> str:
    names = (session["sessionName"] for session in ask("list", "stalled"))
    return next((name for name in names if name.startswith("bench-")), "")


def stream(name: str) -> socket.socket:
    client = str(uuid.uuid4())
    ask(f"{name}/join", client, {"systemName": "STALLED", "clientIdDisplayName": "stalled"})
    url = urllib.parse.urlsplit(ask(f"{name}/stream-endpoints", client)["websocket"]["url"])
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.connect((url.hostname, url.port))
    words = f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    opened.sendall(f"{words}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    head = opened.recv(512)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return opened


end = time.monotonic() + WAIT_S
while not (name := session()):
    assert time.monotonic() < end, "there is no session of a bench"
    time.sleep(0.01)
dead, slow = stream(name), stream(name)
heard = 0
slow.setblocking(False)
while session() == name:
    try:
        heard += len(slow.recv(64))
    except BlockingIOError:
        pass
    time.sleep(0.1)
print(f"the slow one has read {heard} bytes", file=sys.stderr)
