"""pyleco's unchanged Coordinator as a program with the flags of `instep`.

pyleco has a command line of its own, but it listens on all addresses, connects to an empty address if told none, and
does not sign out on SIGTERM. Only these three things differ here.
"""

from __future__ import annotations

import argparse
import logging
import signal
import threading

import zmq
from pyleco.coordinators.coordinator import Coordinator
from pyleco.utils.coordinator_utils import ZmqMultiSocket

parser = argparse.ArgumentParser()
parser.add_argument("-p", "--port", type=int, default=12300)
parser.add_argument("--namespace")
parser.add_argument("-r", "--host")
parser.add_argument("-n", "--name")
parser.add_argument("-c", "--coordinators", default="")
parser.add_argument("--bind", default="*")
parser.add_argument("-q", "--quiet", action="count", default=0)
parser.add_argument("-v", "--verbose", action="count", default=0)
arguments = parser.parse_args()


class BoundSocket(ZmqMultiSocket):
    """The Coordinator's socket, on the address of the command line."""

    def bind(self, host: str = "*", port: object = 0) -> None:
        super().bind(host=arguments.bind.rsplit(":", 1)[0], port=port)


logging.basicConfig(level=logging.INFO + 10 * (arguments.quiet - arguments.verbose))
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())

context = zmq.Context.instance()
context.linger = 500  # ms: neither lose the sign-out nor wait for ever for a dead node
with Coordinator(
    namespace=arguments.namespace,
    host=arguments.host,
    port=arguments.port,
    multi_socket=BoundSocket(context),
) as coordinator:
    coordinator.routing(coordinators=[a for a in arguments.coordinators.split(",") if a], stop_event=stop)
