"""CURVE and PLAIN: clients of libzmq, pyleco as it is released, and nodes among themselves."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from conftest import TEST_SECONDS
from coordinators import Node
from leco import PATIENCE, Client, until

pytestmark = pytest.mark.ours("the released one has no security")

NOT_PERMITTED = -32001


class Keys(NamedTuple):
    """A key pair, in letters."""

    public: bytes
    secret: bytes


def keys() -> Keys:
    return Keys(*zmq.curve_keypair())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def secret_file(folder: Path, name: str, pair: Keys) -> Path:
    path = folder / f"{name}.secret"
    path.write_bytes(pair.secret + b"\n")
    path.chmod(0o600)
    return path


def user(name: str, role: str, **more: Any) -> str:
    lines = [f'name = "{name}"', f'role = "{role}"', *(f"{key} = {value!r}" for key, value in more.items())]
    return "\n[[users]]\n" + "\n".join(lines).replace("'", '"') + "\n"


class Guarded(NamedTuple):
    """A node that asks everybody who he is."""

    node: Node
    server: Keys


@pytest.fixture
def guarded(make_node: Callable[..., Node], folder: Path) -> Callable[..., Guarded]:
    def make(namespace: str, users: str, settings: str = 'auth = "all"', **kwargs: Any) -> Guarded:
        server = keys()
        secret = secret_file(folder, namespace, server)
        config = folder / f"{namespace}.toml"
        config.write_text(f'{settings}\nserver_key = "{secret}"\n{users}')
        node = make_node(namespace, arguments=["--config", str(config)], **kwargs)
        return Guarded(node, server)

    return make


class CurveContext:
    """A context whose sockets speak CURVE, or PLAIN, or neither."""

    def __init__(self, server: Optional[bytes] = None, pair: Optional[Keys] = None) -> None:
        self.context = zmq.Context()
        self.server, self.pair = server, pair
        self.login: Optional[tuple[bytes, bytes]] = None

    def socket(self, kind: int) -> zmq.Socket[bytes]:
        socket = self.context.socket(kind)
        if self.server and self.pair:
            socket.curve_serverkey, socket.curve_publickey, socket.curve_secretkey = self.server, *self.pair
        if self.login:
            socket.plain_username, socket.plain_password = self.login
        return socket


def monitored(context: Any, port: int, seconds: float = 3) -> list[str]:
    """What becomes of a DEALER's attempt to connect: events of its handshake, with their values."""
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    monitor = socket.get_monitor_socket()
    socket.connect(f"tcp://127.0.0.1:{port}")
    events: list[str] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and monitor.poll(int(1000 * (end - time.monotonic()))):
        event = recv_monitor_message(monitor)
        name = zmq.Event(event["event"]).name
        if name.startswith("HANDSHAKE"):
            events.append(f"{name} {event['value']}" if "FAILED" in name else name)
        if name in ("HANDSHAKE_SUCCEEDED", "DISCONNECTED"):
            break
    socket.disable_monitor()
    monitor.close()
    socket.close()
    return events


def test_clients_with_keys_talk(guarded: Callable[..., Guarded]) -> None:
    a, b = keys(), keys()
    users = user("CA", "component", key=a.public.decode()) + user("CB", "component", key=b.public.decode())
    node, server = guarded("N1", users)
    with closing(Client(CurveContext(server.public, a), node.port, "CA")) as one, closing(
        Client(CurveContext(server.public, b), node.port, "CB")
    ) as two:
        one.signed_in()
        two.signed_in()
        for size in (0, 1, 100, 223, 256, 5_000, 300_000, 3_000_000):
            content = os.urandom(size)
            one.send("CB", content)
            assert two.receive().payload == (content,), size
        for n in range(500):
            one.send("CB", str(n).encode())
        for n in range(500):
            assert two.receive().payload == (str(n).encode(),)


def test_a_key_is_bound_to_its_names(guarded: Callable[..., Guarded]) -> None:
    a = keys()
    node, server = guarded("N1", user("CA", "component", key=a.public.decode()))
    with closing(Client(CurveContext(server.public, a), node.port, "boss")) as client:
        assert client.sign_in().error_code == NOT_PERMITTED


def test_who_has_no_key_that_is_known_is_told_400(guarded: Callable[..., Guarded]) -> None:
    node, server = guarded("N1", user("CA", "component", key=keys().public.decode()))
    stranger = keys()
    assert monitored(CurveContext(server.public, stranger), node.port) == ["HANDSHAKE_FAILED_AUTH 400"]
    assert stranger.public.decode() in node.log()


def test_who_expects_another_server_is_closed(guarded: Callable[..., Guarded]) -> None:
    a = keys()
    node, _ = guarded("N1", user("CA", "component", key=a.public.decode()))
    events = monitored(CurveContext(keys().public, a), node.port)
    assert events and events[0].startswith("HANDSHAKE_FAILED_NO_DETAIL")


def test_who_speaks_null_is_told_of_curve(guarded: Callable[..., Guarded]) -> None:
    node, _ = guarded("N1", user("CA", "component", key=keys().public.decode()))
    mismatch = zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
    assert monitored(CurveContext(), node.port) == [f"HANDSHAKE_FAILED_PROTOCOL {int(mismatch)}"]
    time.sleep(0.2)
    assert "speaks NULL" in node.log() and "CURVE" in node.log()


def test_one_port_for_all_mechanisms(guarded: Callable[..., Guarded]) -> None:
    a, token = keys(), "it_" + "A" * 43
    hashed = "sha256:" + hashlib.sha256(token.encode()).hexdigest()
    users = user("CA", "component", key=a.public.decode()) + user("CP", "component", token=hashed)
    node, server = guarded("N1", users, 'auth = "remote"')
    plain = CurveContext()
    plain.login = (b"CP", token.encode())
    contexts = {"CA": CurveContext(server.public, a), "CP": plain, "CN": CurveContext()}
    with ExitStack() as stack:
        clients = [Client(context, node.port, name) for name, context in contexts.items()]
        for client in clients:
            stack.callback(client.close)
        one, two, three = clients
        for client in (one, two, three):
            client.signed_in()
        for sender, receiver in ((one, two), (two, three), (three, one), (one, three)):
            sender.send(receiver.name, b"content")
            assert receiver.receive().payload == (b"content",)
    wrong = CurveContext()
    wrong.login = (b"CA", token.encode())
    assert monitored(wrong, node.port) == ["HANDSHAKE_FAILED_AUTH 400"], "another user's token"


def test_heartbeats_are_sealed_too(guarded: Callable[..., Guarded]) -> None:
    a = keys()
    node, server = guarded("N1", user("CA", "component", key=a.public.decode()))
    context = CurveContext(server.public, a)
    socket = context.socket(zmq.DEALER)
    socket.heartbeat_ivl, socket.heartbeat_timeout, socket.heartbeat_ttl = 50, 500, 1000
    monitor = socket.get_monitor_socket()
    socket.connect(f"tcp://127.0.0.1:{node.port}")
    names = []
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        if monitor.poll(100):
            names.append(zmq.Event(recv_monitor_message(monitor)["event"]).name)
    assert "HANDSHAKE_SUCCEEDED" in names and "DISCONNECTED" not in names
    socket.close(0)


def test_released_pyleco_talks_with_three_lines_more(guarded: Callable[..., Guarded]) -> None:
    a, b = keys(), keys()
    users = user("actor", "component", key=a.public.decode()) + user("director", "component", key=b.public.decode())
    node, server = guarded("N1", users)
    here = Path(__file__).resolve().parent
    lines = f"""
import sys, zmq, runpy
context = zmq.Context.instance()
context.curve_serverkey, context.curve_publickey, context.curve_secretkey = {server.public!r}, {a.public!r}, {a.secret!r}
sys.argv = ["actor_program.py", "{node.port}", "actor"]
runpy.run_path(r"{here / 'actor_program.py'}", run_name="__main__")
"""
    directing = f"""
import zmq
context = zmq.Context.instance()
context.curve_serverkey, context.curve_publickey, context.curve_secretkey = {server.public!r}, {b.public!r}, {b.secret!r}
from pyleco.directors.director import Director
with Director(name="director", actor="N1.actor", port={node.port}, host="127.0.0.1") as director:
    for _ in range(50):
        try:
            print(director.get_parameters(["serial"]), director.call_action("scale", factor=2.0))
            break
        except Exception as error:
            print(error)
"""
    actor = subprocess.Popen([sys.executable, "-c", lines])
    try:
        said = subprocess.run([sys.executable, "-c", directing], capture_output=True, text=True, timeout=TEST_SECONDS)
        assert "INSTRUMENT-7" in said.stdout and "3.0" in said.stdout, said
    finally:
        actor.terminate()
        actor.wait(PATIENCE)


def linked(node: Node, context: Any, name: str, expected: set[str]) -> bool:
    """Whether the node comes to know these namespaces."""
    with closing(Client(context, node.port, name)) as client:
        client.signed_in()
        end = time.monotonic() + 15
        while time.monotonic() < end:
            if set(client.call("send_nodes")) == expected:
                return True
            time.sleep(0.1)
    return False


def test_three_nodes_with_keys_of_their_own(
    make_node: Callable[..., Node], folder: Path
) -> None:
    from coordinators import free_port

    pairs = {name: keys() for name in ("N1", "N2", "N3")}
    ports = {name: free_port() for name in pairs}
    component = keys()
    nodes = {}
    for name, pair in pairs.items():
        secret = secret_file(folder, name, pair)
        text = f'auth = "all"\nserver_key = "{secret}"\n'
        for other in pairs:
            if other != name:
                address = f'address = "127.0.0.1:{ports[other]}"\n' if other == "N1" else ""
                text += f'\n[[nodes]]\nnamespace = "{other}"\n{address}key = "{pairs[other].public.decode()}"\n'
                text += user(other, "node", key=pairs[other].public.decode())
        text += user("C", "component", key=component.public.decode(), names=["C", "D"])
        config = folder / f"{name}.toml"
        config.write_text(text)
        nodes[name] = make_node(name, port=ports[name], arguments=["--config", str(config)])
    for name, node in nodes.items():
        assert linked(node, CurveContext(pairs[name].public, component), "D", set(pairs)), node.log()
    with closing(Client(CurveContext(pairs["N2"].public, component), ports["N2"], "C")) as two, closing(
        Client(CurveContext(pairs["N3"].public, component), ports["N3"], "C")
    ) as three:
        two.signed_in()
        three.signed_in()
        until(lambda: "C" in two.call("send_global_components").get("N3", []), "N2 knows of N3.C")
        content = os.urandom(100_000)
        two.send("N3.C", content)
        assert three.receive().payload == (content,)


# ---- The channels ----

#: From the port of the Coordinator to those of its data channel.
PUBLISHERS, SUBSCRIBERS = -1200, -1201


def plug(context: Any, kind: int, port: int, *topics: bytes) -> "zmq.Socket[bytes]":
    socket = context.socket(kind)
    socket.linger = 0
    socket.connect(f"tcp://127.0.0.1:{port}")
    for topic in topics:
        socket.subscribe(topic)
    return socket


def hears(subscriber: "zmq.Socket[bytes]", what: str = "something") -> list[bytes]:
    assert subscriber.poll(10_000), what
    return subscriber.recv_multipart()


def test_channels_are_open_to_keys_and_tokens_and_to_what_these_may(guarded: Callable[..., Guarded]) -> None:
    laser, screen, token = keys(), keys(), "it_" + "A" * 43
    hashed = "sha256:" + hashlib.sha256(token.encode()).hexdigest()
    users = user("laser", "component", key=laser.public.decode(), publish="N1.laser*")
    users += user("screen", "viewer", key=screen.public.decode(), subscribe=["N1.*"])
    users += user("desk", "component", token=hashed)
    node, server = guarded("N1", users, 'auth = "all"\nplain_remote = true')
    plain = CurveContext()
    plain.login = (b"desk", token.encode())
    publisher = plug(CurveContext(server.public, laser), zmq.XPUB, node.port + PUBLISHERS)
    desk_out = plug(plain, zmq.XPUB, node.port + PUBLISHERS)
    screen_in = plug(CurveContext(server.public, screen), zmq.SUB, node.port + SUBSCRIBERS, b"N1.", b"N2.", b"")
    desk_in = plug(plain, zmq.SUB, node.port + SUBSCRIBERS, b"N1.l", b"N2.")
    for socket in (publisher, desk_out):
        # What the screen may not subscribe to is wanted by the desk alone.
        assert sorted(hears(socket)[0] for _ in range(3)) == [b"\x01N1.", b"\x01N1.l", b"\x01N2."]
    sizes = (0, 1, 223, 256, 5_000, 300_000)
    for size in sizes:
        publisher.send_multipart([b"N1.other", b"x"])
        publisher.send_multipart([b"N1.laser", bytes([7]) * size, b""])
        desk_out.send_multipart([b"N2.desk", bytes([8]) * size])
    for size in sizes:
        assert hears(screen_in) == [b"N1.laser", bytes([7]) * size, b""]
    got = [hears(desk_in) for _ in range(2 * len(sizes))]
    assert [one for one in got if one[0] == b"N1.laser"] == [[b"N1.laser", bytes([7]) * size, b""] for size in sizes]
    assert [one for one in got if one[0] == b"N2.desk"] == [[b"N2.desk", bytes([8]) * size] for size in sizes]
    assert not screen_in.poll(300) and not desk_in.poll(0)
    with closing(Client(plain, node.port, "desk")) as client:
        client.signed_in()
        counters = client.call("send_counters")
    assert counters["published_forbidden"] == len(sizes) and counters["subscriptions_refused"] == 2


def test_strangers_reach_no_channel(guarded: Callable[..., Guarded]) -> None:
    node, server = guarded("N1", user("laser", "component", key=keys().public.decode()))
    for port in (node.port + PUBLISHERS, node.port + SUBSCRIBERS, node.port + PUBLISHERS + 1):
        assert monitored(CurveContext(server.public, keys()), port) == ["HANDSHAKE_FAILED_AUTH 400"]
        mismatch = zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
        assert monitored(CurveContext(), port) == [f"HANDSHAKE_FAILED_PROTOCOL {int(mismatch)}"]


@pytest.mark.parametrize("policy", ["newest", "oldest"])
def test_a_slow_subscriber_on_a_sealed_link_loses_what_was_chosen_and_all_of_that_is_counted(
    guarded: Callable[..., Guarded], policy: str
) -> None:
    laser, screen = keys(), keys()
    users = user("laser", "component", key=laser.public.decode()) + user("screen", "viewer", key=screen.public.decode())
    node, server = guarded("N1", users, f'auth = "all"\nchannel_drops = "{policy}"\nring_bytes_max = 200000')
    publisher = plug(CurveContext(server.public, laser), zmq.XPUB, node.port + PUBLISHERS)
    publisher.sndhwm = 0
    context = CurveContext(server.public, screen)
    slow = context.socket(zmq.SUB)
    slow.rcvhwm, slow.rcvbuf = 1, 4096
    slow.connect(f"tcp://127.0.0.1:{node.port + SUBSCRIBERS}")
    slow.subscribe(b"t")
    assert hears(publisher) == [b"\x01t"]
    count = 4000
    with closing(Client(CurveContext(server.public, laser), node.port, "laser")) as client:
        client.signed_in()
        for n in range(count):
            publisher.send_multipart([b"t", str(n).encode(), bytes(n % 3000)])
        until(lambda: client.call("send_counters")["published"] == count, "all have come")
        drops = client.call("send_counters")["published_drops"]
        assert drops > 0
        heard = [int(hears(slow)[1]) for _ in range(count - drops)]
        assert not slow.poll(300) and client.call("send_counters")["published_drops"] == drops
    assert heard == sorted(set(heard))
    if policy == "oldest":
        assert heard[-1] == count - 1, "the newest is there"
    else:
        # As much as its ring holds at least.
        assert heard[:100] == list(range(100)), "the beginning is there"


def test_a_secret_that_others_may_read_is_none(folder: Path) -> None:
    from coordinators import binary

    secret = secret_file(folder, "open", keys())
    secret.chmod(0o644)
    line = [str(binary()), "--server-key", str(secret), "--auth", "all", "-p", "0"]
    ended = subprocess.run(line, capture_output=True, text=True, timeout=TEST_SECONDS)
    assert ended.returncode == 2 and f"chmod 600 {secret}" in ended.stderr, ended
