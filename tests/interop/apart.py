"""Runs a command in a network of its own: `apart.py COMMAND…`.

pyleco's tests have fixed ports, which lie in the range that the kernel gives to clients: a connection that somebody
closed in the minute before still has one of them, and no server can listen there. In a new network namespace nobody
was before, and its clients get ports from elsewhere. Where the kernel permits no namespace, the command waits until
the ports named in `PORTS` can be had.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
import time

from coordinators import is_free

#: The ports of pyleco's acceptance tests.
PORTS = range(60001, 60006)

#: From <sched.h>, <linux/sockios.h> and <linux/if.h>.
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFADDR, SIOCSIFFLAGS, IFF_UP = 0x8916, 0x8914, 1


def leave_network() -> None:
    """Leave the machine's network for a new one with nothing but a loopback; OSError where that is forbidden."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET if user == 0 else CLONE_NEWUSER | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    if user != 0:
        for name, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(line)


def furnish(own_address: str) -> None:
    """Give the new network its loopback, this host's address on it, and clients' ports below those of the tests."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
        if not own_address.startswith("127."):
            address = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(own_address))
            fcntl.ioctl(control, SIOCSIFADDR, address)
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as file:
        file.write("20000 50000")


def can_leave(own_address: str) -> bool:
    """Whether all of it works here: a child tries, since half of it cannot be undone."""
    child = os.fork()
    if child == 0:
        try:
            leave_network()
            furnish(own_address)
        except OSError as error:
            print(f"no network namespace here ({error.strerror}): waiting for ports", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def main() -> None:
    try:
        own_address = socket.gethostbyname(socket.gethostname())
    except OSError:
        own_address = "127.0.0.1"
    if can_leave(own_address):
        leave_network()
        furnish(own_address)
    else:
        give_up = time.monotonic() + 90  # A closed connection has its port for a minute.
        while not all(map(is_free, PORTS)) and time.monotonic() < give_up:
            time.sleep(0.5)
    os.execvp(sys.argv[1], sys.argv[1:])


main()
