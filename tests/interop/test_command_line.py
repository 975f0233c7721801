"""The flags which our Coordinator shares with pyleco's, and its own `--bind`."""

from __future__ import annotations

import socket
import subprocess
from typing import Callable

import pytest

from coordinators import INSTEP, Node, binary, free_port
from leco import Client, until

DEFAULT_PORT = 12300


def accepts(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def test_the_namespace_is_the_host_name_up_to_its_first_dot(
    make_node: Callable[..., Node], join: Callable[..., Client]
) -> None:
    node = make_node(None)
    assert join(node, "CA").namespace.decode() == socket.gethostname().split(".")[0]


def test_the_host_name_is_announced_unless_another_is_given(
    make_node: Callable[..., Node], join: Callable[..., Client]
) -> None:
    plain = make_node("N1", host=None)
    assert join(plain, "CA").call("send_nodes") == {"N1": f"{socket.gethostname()}:{plain.port}"}
    named = make_node("N2", host="localhost")
    assert join(named, "CA").call("send_nodes") == {"N2": f"localhost:{named.port}"}


@pytest.mark.parametrize("arguments", [["-q"], ["-q", "-q"], ["-v", "-v"], ["-n", "a name"], ["--quiet", "--verbose"]])
def test_flags_of_the_reference_are_taken(
    make_node: Callable[..., Node], join: Callable[..., Client], arguments: list[str]
) -> None:
    assert join(make_node("N1", arguments=arguments), "CA").call("pong") is None


def test_all_addresses_unless_told_one(make_node: Callable[..., Node]) -> None:
    everywhere, narrow = make_node("N1", bind=None), make_node("N2", bind="127.0.0.1")
    assert accepts("127.0.0.2", everywhere.port)
    assert not accepts("127.0.0.2", narrow.port)


def test_an_address_without_port_means_the_default_port(
    make_node: Callable[..., Node], join: Callable[..., Client]
) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", DEFAULT_PORT))
        except OSError:
            pytest.skip(f"somebody listens on port {DEFAULT_PORT}")
    first = make_node("N1", port=DEFAULT_PORT)
    second = make_node("N2", coordinators=["127.0.0.1"])
    client = join(second, "CA")
    until(lambda: set(client.call("send_nodes")) == {"N1", "N2"}, "both nodes", 10)
    assert client.call("send_nodes")["N1"] == first.address


@pytest.mark.ours("is a Python program")
@pytest.mark.parametrize("arguments", [["--no-such-flag"], ["-p", "many"], ["-p", "70000"], ["--namespace", "a.b"]])
def test_a_wrong_command_line_is_refused_in_words(arguments: list[str]) -> None:
    port = [] if "-p" in arguments else ["-p", str(free_port())]
    done = subprocess.run([str(binary()), *port, *arguments], capture_output=True, text=True, timeout=10)
    assert done.returncode not in (0, 101, -6)
    assert done.stderr.strip() and "panicked" not in done.stderr


@pytest.mark.ours("is a Python program")
def test_a_port_in_use_is_refused_in_words(make_node: Callable[..., Node]) -> None:
    node = make_node("N1", kind=INSTEP)
    done = subprocess.run([str(binary()), "-p", str(node.port)], capture_output=True, text=True, timeout=10)
    assert done.returncode not in (0, 101, -6)
    assert str(node.port) in done.stderr and "panicked" not in done.stderr
