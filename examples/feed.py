"""A simulator of its own, on the map of instep's page: four buses round a block of streets, a timestep every second.

    instep &
    python3 examples/feed.py [http://127.0.0.1:12312] [TIMESTEPS]

Nothing but Python is needed. Open the address in a browser, then Map, then "buses".
"""

import json
import math
import sys
import time
import urllib.request

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:12312"
STEPS = int(sys.argv[2]) if len(sys.argv) > 2 else 60
BUSES = range(101, 105)


def ask(method: str, **params: object) -> dict:
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    request = urllib.request.Request(URL + "/rpc", json.dumps(call).encode(), {"Content-Type": "application/json"})
    answer = json.load(urllib.request.urlopen(request))
    if "error" in answer:
        raise SystemExit(f"{method}: {answer['error'].get('data', answer['error']['message'])}")
    return answer["result"]


def street(number: int, x: int, y: int, width: int, height: int) -> dict:
    """A rectangle, in millimetres."""
    corners = [{"x": x, "y": y}, {"x": x + width, "y": y}, {"x": x + width, "y": y + height}, {"x": x, "y": y + height}]
    edges = [{"start": corners[n], "end": corners[(n + 1) % 4], "adjacent": None} for n in range(4)]
    return {"id": number, "type": "Road", "x": x + width // 2, "y": y + height // 2, "edges": edges, "neighbours": []}


def place(bus: int, step: int) -> dict:
    turn = 2 * math.pi * (step / 40 + bus / len(BUSES))
    return {"id": bus, "x": int(50_000 + 45_000 * math.cos(turn)), "y": int(50_000 + 45_000 * math.sin(turn))}


streets = [street(1, 0, 0, 100_000, 10_000), street(2, 90_000, 10_000, 10_000, 80_000),
           street(3, 0, 90_000, 100_000, 10_000), street(4, 0, 10_000, 10_000, 80_000)]
town = {"x": 0, "y": 0, "width": 100_000, "height": 100_000, "entities": streets}
world = [{"id": area["id"], "type": "Road"} for area in streets]
world += [{**place(bus, 0), "type": "TacticsAmbulance", "hp": 10_000} for bus in BUSES]

feed = ask("open_feed", name="buses")["provider"]
ask("push_timestep", provider=feed, record={"time": 0, "map": town, "world": world})
for step in range(1, STEPS + 1):
    time.sleep(1)
    ask("push_timestep", provider=feed, record={"changes": [place(bus, step) for bus in BUSES]}, last=step == STEPS)
print(f"provider {feed} has shown {STEPS} timesteps")
