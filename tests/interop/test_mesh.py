"""Several Coordinators, ours and pyleco's mixed: they find each other, agree, carry messages and part."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any, Callable, Iterable

import pytest
import zmq

from coordinators import INSTEP, OURS, PYLECO, Node, free_port
from leco import DUPLICATE_NAME, INVALID_REQUEST, JSON, NODE_UNKNOWN, Client, until

NodeMaker = Callable[..., Node]
Maker = Callable[..., Client]

KINDS = {"P1": PYLECO, "P2": PYLECO, "I1": OURS, "I2": OURS}
#: How long a network may take to agree, in seconds. pyleco publishes changes at once and repeats them every 5 s.
AGREEMENT = 15.0

ORDERS = {
    "a chain, pyleco first": ["P1", "P2", "I1", "I2"],
    "a chain, ours first": ["I1", "I2", "P1", "P2"],
    "a chain, in turn": ["I1", "P1", "I2", "P2"],
    "a chain, in turn, pyleco first": ["P1", "I1", "P2", "I2"],
}


def addresses(nodes: Iterable[Node]) -> dict[str, str]:
    return {node.namespace: node.address for node in nodes}


def names(client: Client) -> dict[str, list[str]]:
    """The global directory as this client's Coordinator has it, in an order that can be compared."""
    return {namespace: sorted(names) for namespace, names in client.call("send_global_components").items()}


class Mesh:
    """Nodes with one client each, named after its node: `C-I1` in `I1`."""

    def __init__(self, nodes: list[Node], join: Maker) -> None:
        self.nodes = {node.namespace: node for node in nodes}
        self._join = join
        self.clients = {node.namespace: join(node, f"C-{node.namespace}") for node in nodes}

    def enter(self, node: Node) -> None:
        """Take in a node, new or started again."""
        self.nodes[node.namespace] = node
        self.clients[node.namespace] = self._join(node, f"C-{node.namespace}")

    def leave(self, namespace: str) -> None:
        del self.nodes[namespace]
        self.clients.pop(namespace).close()

    def agrees_on_nodes(self) -> bool:
        wanted = addresses(self.nodes.values())
        return all(client.call("send_nodes") == wanted for client in self.clients.values())

    def agrees_on_components(self) -> bool:
        wanted = {namespace: [f"C-{namespace}"] for namespace in self.nodes}
        return all(
            # pyleco never forgets the Components of a node that has gone: of those it may tell anything.
            {key: value for key, value in names(client).items() if key in wanted or self.is_ours(namespace)} == wanted
            for namespace, client in self.clients.items()
        )

    def is_ours(self, namespace: str) -> bool:
        return self.nodes[namespace].kind == INSTEP

    def state(self) -> str:
        return "; ".join(f"{key}: {client.call('send_nodes')} {names(client)}" for key, client in self.clients.items())

    def assert_agreement(self, patience: float = AGREEMENT) -> None:
        """Everybody knows every node at its address, and every Component."""
        try:
            until(self.agrees_on_nodes, "all know all nodes", patience, pause=0.1)
            until(self.agrees_on_components, "all know all components", patience, pause=0.1)
        except AssertionError as failure:
            raise AssertionError(f"{failure}: {self.state()}") from None

    def assert_all_pairs_talk(self) -> None:
        """Each client writes to each, itself included; bytes arrive as sent, whichever way they took."""
        for source, target in itertools.product(self.clients.values(), repeat=2):
            payload = [b"from " + source.full_name, b"", bytes(range(256)) * 300]
            conversation = source.send(target.full_name, *payload, message_id=b"\1\2\3")
            message = target.receive_answer(conversation)
            assert message.frames == [
                b"\0", target.full_name, source.full_name, conversation + b"\1\2\3\0", *payload,
            ]  # fmt: skip
            answer = {"jsonrpc": "2.0", "id": 1, "result": None}
            target.send_json(message.sender, answer, conversation=conversation)
            assert source.receive_answer(conversation).data == answer

    def expire(self, seconds: float) -> None:
        """Have every node look for the silent now, with a shorter limit than its own."""
        for client in self.clients.values():
            client.call("remove_expired_addresses", {"expiration_time": seconds})


def chain(make_node: NodeMaker, order: Iterable[str], kinds: dict[str, str] = KINDS) -> list[Node]:
    """Start nodes in that order; each is told of its predecessor only."""
    nodes: list[Node] = []
    for namespace in order:
        coordinators = [nodes[-1].address] if nodes else []
        nodes.append(make_node(namespace, kind=kinds[namespace], coordinators=coordinators))
    return nodes


# Coming together


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_a_chain_grows_into_a_full_mesh(make_node: NodeMaker, join: Maker, order: list[str]) -> None:
    mesh = Mesh(chain(make_node, order), join)
    mesh.assert_agreement()
    mesh.assert_all_pairs_talk()


@pytest.mark.parametrize("hub", ["P1", "I1"])
def test_a_star_grows_into_a_full_mesh(make_node: NodeMaker, join: Maker, hub: str) -> None:
    centre = make_node(hub, kind=KINDS[hub])
    others = [make_node(name, kind=kind, coordinators=[centre.address]) for name, kind in KINDS.items() if name != hub]
    mesh = Mesh([centre, *others], join)
    mesh.assert_agreement()
    mesh.assert_all_pairs_talk()


def test_nodes_that_name_each_other_before_they_exist(make_node: NodeMaker, join: Maker) -> None:
    """Everybody is told of everybody at the start, so most of the first links meet closed ports."""
    ports = {name: free_port() for name in KINDS}
    all_addresses = [f"127.0.0.1:{port}" for port in ports.values()]
    nodes = [
        make_node(
            name,
            kind=kind,
            port=ports[name],
            coordinators=[address for address in all_addresses if address != f"127.0.0.1:{ports[name]}"],
        )
        for name, kind in KINDS.items()
    ]
    mesh = Mesh(nodes, join)
    mesh.assert_agreement()
    mesh.assert_all_pairs_talk()


@pytest.mark.parametrize("told", ["P1", "I1"])
def test_add_nodes_joins_nodes_that_run_alone(make_node: NodeMaker, join: Maker, told: str) -> None:
    mesh = Mesh([make_node(name, kind=kind) for name, kind in KINDS.items()], join)
    for name, client in mesh.clients.items():
        assert client.call("send_nodes") == {name: mesh.nodes[name].address}
    others = [node for node in mesh.nodes.values() if node.namespace != told]
    assert mesh.clients[told].call("add_nodes", {"nodes": addresses(others)}) is None
    mesh.assert_agreement()
    mesh.assert_all_pairs_talk()


def test_two_pairs_become_one_network(make_node: NodeMaker, join: Maker) -> None:
    left = chain(make_node, ["I1", "P1"])
    right = chain(make_node, ["I2", "P2"])
    mesh = Mesh(left + right, join)
    until(lambda: mesh.clients["I1"].call("send_nodes") == addresses(left), "the left pair")
    until(lambda: mesh.clients["I2"].call("send_nodes") == addresses(right), "the right pair")
    mesh.clients["P1"].call("add_nodes", {"nodes": addresses(right)})
    mesh.assert_agreement()
    mesh.assert_all_pairs_talk()


# Living together


def test_sign_ins_and_sign_outs_are_known_everywhere_soon(make_node: NodeMaker, join: Maker) -> None:
    mesh = Mesh(chain(make_node, ["I1", "P1", "P2", "I2"]), join)
    mesh.assert_agreement()
    for home in ("I1", "P1"):
        guest = join(mesh.nodes[home], "guest")
        everyone = mesh.clients.values()
        until(lambda: all("guest" in names(client)[home] for client in everyone), "the guest's arrival", 3)
        guest.call("sign_out")
        until(lambda: all("guest" not in names(client)[home] for client in everyone), "the guest's departure", 3)


@pytest.mark.ours("keeps the name for 45 s")
def test_a_closed_link_is_known_everywhere_soon(make_node: NodeMaker, join: Maker) -> None:
    mesh = Mesh(chain(make_node, ["I1", "P1", "P2", "I2"]), join)
    mesh.assert_agreement()
    guest = join(mesh.nodes["I1"], "guest")
    everyone = mesh.clients.values()
    until(lambda: all("guest" in names(client)["I1"] for client in everyone), "the guest's arrival", 3)
    guest.close()
    until(lambda: all("guest" not in names(client)["I1"] for client in everyone), "the guest's departure", 3)


@pytest.mark.parametrize("home", ["I1", "P1"])
def test_an_unknown_receiver_of_another_node_is_reported_to_the_sender(
    make_node: NodeMaker, join: Maker, home: str
) -> None:
    mesh = Mesh(chain(make_node, ["I1", "P1"]), join)
    mesh.assert_agreement()
    away = "P1" if home == "I1" else "I1"
    sender = mesh.clients[home]
    conversation = sender.send(f"{away}.nobody", b"hello")
    answer = sender.receive_answer(conversation)
    assert answer.sender == f"{away}.COORDINATOR".encode()
    assert answer.receiver == sender.full_name
    error = answer.data["error"]
    assert (answer.data["id"], error["code"], error["data"]) == (None, -32093, f"{away}.nobody")


@pytest.mark.parametrize("home", ["I1", "P1"])
def test_methods_of_another_node_can_be_called(make_node: NodeMaker, join: Maker, home: str) -> None:
    mesh = Mesh(chain(make_node, ["I1", "P1"]), join)
    mesh.assert_agreement()
    away = "P1" if home == "I1" else "I1"
    client = mesh.clients[home]
    assert client.call("pong", receiver=f"{away}.COORDINATOR") is None
    assert client.call("send_local_components", receiver=f"{away}.COORDINATOR") == [f"C-{away}"]
    assert client.call("send_nodes", receiver=f"{away}.COORDINATOR") == addresses(mesh.nodes.values())


def test_a_burst_between_nodes_keeps_its_order(make_node: NodeMaker, join: Maker) -> None:
    mesh = Mesh(chain(make_node, ["I1", "P1", "I2"]), join)
    mesh.assert_agreement()
    for source, target in itertools.permutations(mesh.clients.values(), 2):
        for number in range(500):
            source.send(target.full_name, number.to_bytes(4, "big"))
        assert [target.receive().payload[0] for _ in range(500)] == [n.to_bytes(4, "big") for n in range(500)]


def test_pylecos_programs_talk_across_nodes(make_node: NodeMaker, join: Maker) -> None:
    from pyleco.utils.communicator import Communicator
    from pyleco.utils.listener import Listener

    nodes = chain(make_node, ["I1", "P1", "I2"])
    Mesh(nodes, join).assert_agreement()
    listener = Listener("listener", host="127.0.0.1", port=nodes[0].port, timeout=5)
    listener.start_listen()
    try:
        for node in nodes[1:]:
            with Communicator("asker", host="127.0.0.1", port=node.port, timeout=5) as communicator:
                assert communicator.ask_rpc("I1.listener", "pong") is None
    finally:
        listener.close()


# Refusals


@pytest.mark.ours("takes components from everybody")
def test_a_component_does_not_tell_of_components(node: Node, join: Maker) -> None:
    client = join(node, "CA")
    content = {"jsonrpc": "2.0", "id": 23, "method": "record_components", "params": {"components": ["CX"]}}
    assert client.ask_json(content).error_code == INVALID_REQUEST


@pytest.mark.ours("leaves the namespace to whoever comes first")
@pytest.mark.parametrize("kind", [INSTEP, PYLECO])
def test_a_stranger_does_not_lock_a_node_out(
    make_node: NodeMaker, join: Maker, make_client: Maker, kind: str
) -> None:
    port = free_port()
    first = make_node("I1", coordinators=[f"127.0.0.1:{port}"])
    stranger = make_client(first, "COORDINATOR")
    assert stranger.ask("coordinator_sign_in", sender=b"N2.COORDINATOR").data["result"] is None
    mesh = Mesh([first, make_node("N2", kind=kind, port=port)], join)
    mesh.assert_agreement()
    mesh.assert_all_pairs_talk()


@pytest.mark.ours("answers a node of its own Namespace with another code")
def test_a_coordinator_of_our_own_namespace_is_refused(node: Node, make_client: Maker) -> None:
    link = make_client(node, "COORDINATOR")
    answer = link.ask("coordinator_sign_in", sender=b"N1.COORDINATOR")
    assert (answer.error_code, answer.sender) == (DUPLICATE_NAME, b"N1.COORDINATOR")


@pytest.mark.ours("answers a second link of a Namespace with another code")
def test_a_namespace_of_a_living_node_is_refused_to_another_link(
    make_node: NodeMaker, join: Maker, make_client: Maker
) -> None:
    mesh = Mesh(chain(make_node, ["I1", "P1"]), join)
    mesh.assert_agreement()
    link = make_client(mesh.nodes["I1"], "COORDINATOR")
    assert link.ask("coordinator_sign_in", sender=b"P1.COORDINATOR").error_code == DUPLICATE_NAME
    mesh.assert_all_pairs_talk()


@pytest.mark.parametrize("copied", ["I1", "P1"])
def test_a_second_node_of_one_namespace_changes_nothing(make_node: NodeMaker, join: Maker, copied: str) -> None:
    mesh = Mesh(chain(make_node, ["I1", "P1", "I2"]), join)
    mesh.assert_agreement()
    impostor = make_node(copied, coordinators=[mesh.nodes["I2"].address])
    client = join(impostor, "C-impostor")
    for _ in range(15):
        assert mesh.agrees_on_nodes(), mesh.state()
        assert mesh.agrees_on_components(), mesh.state()
        assert client.call("pong") is None
        time.sleep(0.1)
    mesh.assert_all_pairs_talk()


def test_a_stranger_cannot_sign_a_node_out(make_node: NodeMaker, join: Maker, make_client: Maker) -> None:
    mesh = Mesh(chain(make_node, ["I1", "P1"]), join)
    mesh.assert_agreement()
    stranger = make_client(mesh.nodes["I1"], "COORDINATOR")
    sign_out = {"jsonrpc": "2.0", "id": 1, "method": "coordinator_sign_out"}
    stranger.send_json("COORDINATOR", sign_out, sender=b"P1.COORDINATOR")
    try:
        assert stranger.receive(0.5).error_code is not None
    except TimeoutError:
        pass  # the error may go to the node of that name as well
    mesh.assert_agreement(1)
    mesh.assert_all_pairs_talk()


@pytest.mark.ours("ends at once if told of itself at the start")
def test_a_node_may_be_told_of_itself(make_node: NodeMaker, join: Maker) -> None:
    port = free_port()
    node = make_node("I1", port=port, coordinators=[f"127.0.0.1:{port}"])
    client = join(node, "CA")
    client.call("add_nodes", {"nodes": {"I1": node.address, "alias": node.address}})
    for _ in range(10):
        assert client.call("send_nodes") == {"I1": node.address}
    client.assert_silence()


# Parting


@pytest.mark.parametrize("leaver", KINDS)
def test_a_node_that_shuts_down_is_forgotten_everywhere(make_node: NodeMaker, join: Maker, leaver: str) -> None:
    mesh = Mesh(chain(make_node, ["I1", "P1", "P2", "I2"]), join)
    mesh.assert_agreement()
    node = mesh.nodes[leaver]
    mesh.leave(leaver)
    assert node.stop() == 0
    mesh.assert_agreement()
    for client in mesh.clients.values():
        conversation = client.send(f"{leaver}.anyone", b"hello")
        assert client.receive_answer(conversation).error_code == NODE_UNKNOWN
    mesh.assert_all_pairs_talk()


def test_a_node_shut_down_by_a_call_from_afar_is_forgotten(make_node: NodeMaker, join: Maker) -> None:
    mesh = Mesh(chain(make_node, ["I1", "P1", "I2"]), join)
    mesh.assert_agreement()
    node = mesh.nodes["I2"]
    mesh.leave("I2")
    mesh.clients["P1"].send_json("I2.COORDINATOR", {"jsonrpc": "2.0", "id": 1, "method": "shut_down"})
    assert node.wait(5) == 0
    mesh.assert_agreement()


def test_a_node_comes_back_after_a_proper_end(make_node: NodeMaker, join: Maker) -> None:
    mesh = Mesh(chain(make_node, ["I1", "P1", "P2", "I2"]), join)
    mesh.assert_agreement()
    node = mesh.nodes["I2"]
    mesh.leave("I2")
    assert node.stop() == 0
    mesh.assert_agreement()
    mesh.enter(node.start())
    mesh.assert_agreement()
    mesh.assert_all_pairs_talk()


def lose(mesh: Mesh, name: str) -> Node:
    """Kill a node and have the others notice: by the closed link, or by its silence."""
    node = mesh.nodes[name]
    mesh.leave(name)
    node.kill()

    def forgotten() -> bool:
        # A living node answers the probe within that time, a dead one does not, and is removed after three times.
        mesh.expire(0.6)
        return mesh.agrees_on_nodes()

    until(forgotten, f"the loss of {name} is noticed", AGREEMENT, pause=0.2)
    return node


@pytest.mark.parametrize("victim", ["I2", "P2"])
def test_a_killed_node_is_forgotten(make_node: NodeMaker, join: Maker, victim: str) -> None:
    mesh = Mesh(chain(make_node, ["I1", "P1", "P2", "I2"]), join)
    mesh.assert_agreement()
    lose(mesh, victim)
    mesh.assert_agreement()
    mesh.assert_all_pairs_talk()


@pytest.mark.parametrize("victim", ["I2", "P2"])
def test_a_killed_node_comes_back(make_node: NodeMaker, join: Maker, victim: str) -> None:
    mesh = Mesh(chain(make_node, ["P1", "I1", "I2", "P2"]), join)
    mesh.assert_agreement()
    node = lose(mesh, victim)
    mesh.enter(node.start())
    mesh.assert_agreement(30)
    mesh.assert_all_pairs_talk()


@pytest.mark.ours("keeps a lost node for 45 s, and refuses its return so long")
@pytest.mark.parametrize("first", ["told of the other", "not told"])
def test_ours_takes_back_a_killed_node_at_once(make_node: NodeMaker, join: Maker, first: str) -> None:
    """No expiry needed: a link that closed is known to have closed."""
    kinds = {"I1": INSTEP, "I2": INSTEP}
    mesh = Mesh(chain(make_node, ["I1", "I2"] if first == "not told" else ["I2", "I1"], kinds), join)
    mesh.assert_agreement()
    node = mesh.nodes["I2"]
    mesh.leave("I2")
    node.kill()
    mesh.enter(node.start())
    mesh.assert_agreement(AGREEMENT)
    mesh.assert_all_pairs_talk()


# The sign-in of a Coordinator, as raw frames


class RawNode:
    """A Coordinator made of two sockets and nothing else: its ROUTER, and a DEALER to the one under test."""

    def __init__(self, context: zmq.Context, namespace: str, target: Node) -> None:
        self.namespace = namespace
        self.router = context.socket(zmq.ROUTER)
        self.router.linger = 0
        self.address = f"127.0.0.1:{self.router.bind_to_random_port('tcp://127.0.0.1')}"
        self.dealer = Client(context, target.port, "COORDINATOR")
        self.dealer.namespace = namespace.encode()

    def receive(self, patience: float = 5) -> tuple[bytes, list[bytes]]:
        """The next message at its ROUTER: the identity of the link, and the frames."""
        assert self.router.poll(int(patience * 1000)), "nothing came to the ROUTER"
        identity, *frames = self.router.recv_multipart()
        return identity, frames

    def find(self, wanted: Callable[[list[bytes]], bool]) -> tuple[bytes, list[bytes]]:
        """The next message at its ROUTER that is wanted; directory updates may come in between at any time."""
        for _ in range(20):
            identity, frames = self.receive()
            if wanted(frames):
                return identity, frames
        raise AssertionError("twenty messages at the ROUTER, and not the one wanted")


@pytest.fixture
def raw(node: Node, context: zmq.Context) -> RawNode:
    return RawNode(context, "RAW", node)


def greet(raw: RawNode, node: Node, join: Maker) -> tuple[Client, bytes]:
    """Take `raw` through both halves of the sign-in; returns a client of the node and the identity of its link."""
    client = join(node, "CA")
    answer = raw.dealer.ask("coordinator_sign_in")
    assert (answer.sender, answer.data["result"]) == (b"N1.COORDINATOR", None)
    nodes = {"RAW": raw.address, "N1": node.address}
    batch = [
        {"jsonrpc": "2.0", "method": "add_nodes", "params": {"nodes": nodes}},
        {"jsonrpc": "2.0", "method": "record_components", "params": {"components": ["CR"]}},
    ]
    raw.dealer.send_json("N1.COORDINATOR", batch)
    identity, frames = raw.receive()
    assert frames[:3] == [b"\0", b"COORDINATOR", b"N1.COORDINATOR"]
    assert frames[3][19] == JSON
    request = content_of(frames)
    assert request["method"] == "coordinator_sign_in"
    reply = [b"\0", b"COORDINATOR", b"RAW.COORDINATOR", frames[3], answer_to(request)]
    raw.router.send_multipart([identity, *reply])
    return client, identity


def content_of(frames: list[bytes]) -> Any:
    return json.loads(frames[4])


def answer_to(request: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": None}).encode()


def test_both_halves_of_a_coordinator_sign_in(node: Node, join: Maker, raw: RawNode) -> None:
    client, identity = greet(raw, node, join)
    # After the answer to its own sign-in it tells all it knows, as notifications, on the same link.
    seen_identity, frames = raw.receive()
    assert seen_identity == identity
    assert frames[1:3] == [b"RAW.COORDINATOR", b"N1.COORDINATOR"]
    batch = {element["method"]: element for element in content_of(frames)}
    assert not any("id" in element for element in batch.values())
    told = batch["add_nodes"]["params"]["nodes"]
    assert told["N1"] == node.address and told["RAW"] == raw.address
    assert batch["record_components"]["params"] == {"components": ["CA"]}
    assert client.call("send_nodes") == {"N1": node.address, "RAW": raw.address}
    assert names(client) == {"N1": ["CA"], "RAW": ["CR"]}


def test_a_message_between_nodes_travels_by_the_dealers(node: Node, join: Maker, raw: RawNode) -> None:
    client, identity = greet(raw, node, join)
    until(lambda: "RAW" in client.call("send_nodes"), "the sign-in")
    conversation = client.send("RAW.CR", b"out", b"", b"\xff")
    seen_identity, frames = raw.find(lambda frames: frames[3][:16] == conversation)
    assert seen_identity == identity
    assert frames == [b"\0", b"RAW.CR", b"N1.CA", conversation + b"\0\0\0\0", b"out", b"", b"\xff"]
    raw.dealer.send("N1.CA", b"back", sender=b"RAW.CR", conversation=conversation)
    message = client.receive()
    assert (message.sender, message.payload) == (b"RAW.CR", (b"back",))
    # The answer to a request of a far Component goes by the DEALER as well, not back on the link it came from.
    ping = {"jsonrpc": "2.0", "id": 6, "method": "pong"}
    question = raw.dealer.send_json("N1.COORDINATOR", ping, sender=b"RAW.CR")
    _, frames = raw.find(lambda frames: frames[3][:16] == question)
    assert frames[1:3] == [b"RAW.CR", b"N1.COORDINATOR"]
    assert content_of(frames) == {"jsonrpc": "2.0", "id": 6, "result": None}


def test_a_coordinator_sign_out_is_returned(node: Node, join: Maker, raw: RawNode) -> None:
    client, identity = greet(raw, node, join)
    until(lambda: "RAW" in client.call("send_nodes"), "the sign-in")
    raw.dealer.send_json("N1.COORDINATOR", {"jsonrpc": "2.0", "id": 8, "method": "coordinator_sign_out"})

    def signs_out(frames: list[bytes]) -> bool:
        content = content_of(frames)
        return isinstance(content, dict) and content.get("method") == "coordinator_sign_out"

    seen_identity, frames = raw.find(signs_out)
    assert seen_identity == identity
    assert frames[1:3] == [b"RAW.COORDINATOR", b"N1.COORDINATOR"]
    until(lambda: client.call("send_nodes") == {"N1": node.address}, "the sign-out")


def test_changes_are_published_as_requests(node: Node, join: Maker, raw: RawNode) -> None:
    client, _ = greet(raw, node, join)
    until(lambda: "RAW" in client.call("send_nodes"), "the sign-in")
    join(node, "CB")

    def batch_of(frames: list[bytes]) -> dict[str, Any]:
        content = content_of(frames)
        return {element["method"]: element for element in content} if isinstance(content, list) else {}

    def tells_of_both(frames: list[bytes]) -> bool:
        record = batch_of(frames).get("record_components")
        return bool(record) and sorted(record["params"]["components"]) == ["CA", "CB"]

    batch = batch_of(raw.find(tells_of_both)[1])
    assert all("id" in element for element in batch.values())
    assert batch["add_nodes"]["params"]["nodes"] == {"N1": node.address, "RAW": raw.address}
