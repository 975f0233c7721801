"""Federates as clients of TNO's C2SIM server are: they ask over HTTP and hear on a WebSocket, in the sessions that LECO's members join.
Two of them play both parts here.

    instep &
    python3 examples/federate_http.py [http://127.0.0.1:12312]

Needs websockets (pip install websockets).
"""

import json
import re
import sys
import urllib.error
import urllib.request
import uuid

from websockets.sync.client import connect

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:12312"
NAMESPACE = "http://www.sisostds.org/schemas/C2SIM/2.0.0-cwix2026"


class Federate:
    def __init__(self, name: str) -> None:
        self.name, self.client = name, str(uuid.uuid4())  # whoever knows the latter can take the stream
        state = self.ask("join", {"systemName": name, "clientIdDisplayName": name})["session"]["state"]
        print(f"{name} has joined, the session is {state}")
        self.stream = connect(self.ask("stream-endpoints")["websocket"]["url"], legacy=True)

    def ask(self, path: str, body: object = None, media_type: str = "application/json") -> dict:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body else None
        headers = {"clientId": self.client, "Content-Type": media_type}
        request = urllib.request.Request(f"{URL}/api/c2sim/session/default/{path}", data, headers)
        try:
            text = urllib.request.urlopen(request).read()
        except urllib.error.HTTPError as refused:
            raise SystemExit(f"{path}: {json.load(refused)['message']}")
        return json.loads(text) if text.startswith(b"{") else {}

    def trigger(self, element: str) -> None:
        """Hands in a C2SIM message that asks for another state."""
        header = (f"<ConversationID>{uuid.uuid4()}</ConversationID><FromSendingSystem>{self.name}</FromSendingSystem>"
                  f"<MessageID>{uuid.uuid4()}</MessageID><Protocol>SISO-STD-C2SIM</Protocol><ProtocolVersion>1.0.2</ProtocolVersion>")
        body = f"<SystemMessageBody><{element}/></SystemMessageBody>"
        message = f'<Message xmlns="{NAMESPACE}"><C2SIMHeader>{header}</C2SIMHeader><MessageBody>{body}</MessageBody></Message>'
        self.ask("send", message, "application/xml")


simulator, planner = Federate("simulator"), Federate("planner")
for element in ("SubmitInitialization", "ResetScenario"):
    planner.trigger(element)
    heard = re.search(r"<SystemMessageBody><(\w+)", simulator.stream.recv(timeout=5))
    print(f"planner: {element}; simulator hears {heard[1]}")
