"""A pyleco Actor in a process of its own: `actor_program.py PORT NAME`.

It controls a pretended instrument, may be locked, and ends when its process is told to, or by `shut_down`.
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import Optional

from pyleco.actors.locking_actor import LockingActor


class Instrument:
    """A device with one setting and two actions."""

    serial = "INSTRUMENT-7"

    def __init__(self) -> None:
        self.level = 1.5

    def scale(self, factor: float, offset: float = 0) -> float:
        return self.level * factor + offset

    def fail(self) -> None:
        raise ValueError("the instrument is on fire")


def reverse(additional_payload: Optional[list[bytes]] = None) -> tuple[int, list[bytes]]:
    """Return how many frames came, and the frames turned round."""
    frames = additional_payload or []
    return len(frames), [frame[::-1] for frame in frames]


stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
actor = LockingActor(sys.argv[2], Instrument, port=int(sys.argv[1]), host="127.0.0.1")
actor.register_binary_rpc_method(reverse, accept_binary_input=True, return_binary_output=True)
actor.connect()
actor.register_device_method(actor.device.scale)
actor.listen(stop_event=stop)
actor.disconnect()
