"""A pytest plugin which puts our Coordinator in the place of pyleco's: `pytest -p swap_coordinator`.

Tests which run `pyleco.coordinators.coordinator.Coordinator` in a thread then talk to a process of ours instead,
without a change in them. The class below has that part of pyleco's class which such a thread uses.
"""

from __future__ import annotations

import atexit
import socket
import subprocess
from typing import Any, Optional, Union

import pyleco.coordinators.coordinator as original

from coordinators import Node

#: Every process started, so that none outlives the tests, even if the thread that watches it has no time to end it.
_started: list[Node] = []


class Coordinator:
    """Looks like pyleco's Coordinator, is a process of ours."""

    def __init__(
        self,
        namespace: Optional[Union[bytes, str]] = None,
        host: Optional[str] = None,
        port: int = original.COORDINATOR_PORT,
        timeout: int = 50,
        cleaning_interval: float = 5,
        expiration_time: float = 15,
        context: Any = None,
        multi_socket: Any = None,
        **kwargs: Any,
    ) -> None:
        if multi_socket is not None or kwargs:
            raise TypeError("a Coordinator in its own process takes neither sockets nor unknown arguments")
        if isinstance(namespace, bytes):
            namespace = namespace.decode()
        self.namespace = (namespace or socket.gethostname().split(".")[0]).encode()
        self.full_name = self.namespace + b".COORDINATOR"
        self.address = f"{host or socket.gethostname()}:{port}"
        self.closed = False
        self._timeout = timeout / 1000
        # The tests reach it by host name and expect that name in its list of nodes: it listens on all addresses.
        self._node = Node(self.namespace.decode(), port=port, host=host, bind=None)

    def __enter__(self) -> "Coordinator":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def routing(self, coordinators: Optional[list[str]] = None, stop_event: Any = None) -> None:
        """Run the process until `stop_event` is set or the process ends by itself, as after `shut_down`."""
        self._node.coordinators = list(coordinators or [])
        _started.append(self._node)
        self._node.start()
        process = self._node.process
        while not (stop_event is not None and stop_event.is_set()):
            try:
                process.wait(self._timeout)
                return
            except subprocess.TimeoutExpired:
                pass

    def close(self) -> None:
        if not self.closed:
            self._node.stop()
            self.closed = True


def _end_all() -> None:
    for node in _started:
        node.kill()


atexit.register(_end_all)
original.Coordinator = Coordinator
