"""A federate over LECO: it joins a shared session, drives it, and hears what the others do. Two of them play both parts here.

    instep &
    python3 examples/federate.py [PORT [SESSION]]

Needs pyleco (pip install pyleco).
"""

import queue
import sys

from pyleco.utils.listener import Listener

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 12300
SESSION = sys.argv[2] if len(sys.argv) > 2 else "rehearsal"


class Federate:
    def __init__(self, name: str) -> None:
        self.name, self.heard = name, queue.Queue()
        self.listener = Listener(name, port=PORT, timeout=5)
        self.listener.start_listen()
        self.leco = self.listener.get_communicator()
        self.leco.register_rpc_method(self.session_event)
        # Shared without an initialization; made once, whoever asks first.
        self.leco.ask_rpc("COORDINATOR", "create_session", name=SESSION, share_guard="none")
        state = self.ask("join", system=name)["state"]
        print(f"{name} has joined, the session is {state}")

    def session_event(self, **event: object) -> None:
        """The session calls this for all that the others do."""
        self.heard.put(event)

    def ask(self, method: str, **params: object) -> dict:
        return self.leco.ask_rpc(f"session:{SESSION}", method, **params)


simulator, planner = Federate("simulator"), Federate("planner")
for trigger in ["submit_initialization", "share_scenario", "start_scenario", "pause_scenario", "stop_scenario", "reset_scenario"]:
    state = planner.ask(trigger)["state"]
    while (event := simulator.heard.get(timeout=5)).get("trigger") != trigger.upper():
        pass
    print(f"planner: {trigger} -> {state}; simulator hears {event['trigger']} by {event['by']}, number {event['seq']}")
for federate in (simulator, planner):
    federate.ask("resign")
    federate.listener.stop_listen()
