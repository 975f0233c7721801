"""Fixtures: Coordinators and clients that a test may make at will, and that are gone after it, whatever happens."""

from __future__ import annotations

import signal
from typing import Any, Callable, Iterator

import pytest
import zmq

from coordinators import INSTEP, OURS, Node
from leco import Client

#: No test may take longer, in seconds.
TEST_SECONDS = 60


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--differences",
        action="store_true",
        help="with INSTEP_PEER=pyleco: run also the tests which pyleco's Coordinator is known not to pass",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ours(reason): the reference Coordinator does this differently, or not at all")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if OURS == INSTEP or config.getoption("--differences"):
        return
    for item in items:
        marker = item.get_closest_marker("ours")
        if marker:
            item.add_marker(pytest.mark.skip(reason=f"pyleco: {marker.args[0]}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """End a test that hangs, wherever it waits."""

    def expired(*_: object) -> None:
        raise TimeoutError(f"the test took longer than {TEST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(TEST_SECONDS)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    """Show the logs of the Coordinators of a failed test."""
    report = yield
    if report.failed:
        for node in getattr(item, "interop_nodes", []):
            report.sections.append((f"log of {node.kind} {node.namespace} at {node.address}", node.log()))
    return report


@pytest.fixture
def make_node(request: pytest.FixtureRequest) -> Iterator[Callable[..., Node]]:
    """Start Coordinators: `make_node("N1", coordinators=[...])`."""
    nodes: list[Node] = []
    request.node.interop_nodes = nodes

    def make(namespace: str, **kwargs: Any) -> Node:
        node = Node(namespace, **kwargs)
        nodes.append(node)
        return node.start()

    yield make
    for node in nodes:
        node.kill()


@pytest.fixture
def node(make_node: Callable[..., Node]) -> Node:
    """One Coordinator of the Namespace N1."""
    return make_node("N1")


@pytest.fixture
def context() -> Iterator[zmq.Context]:
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def make_client(context: zmq.Context) -> Callable[..., Client]:
    """Make clients which have not yet signed in: `make_client(node, "CA")`. They live as long as the test."""
    clients: list[Client] = []  # a socket without a reference closes, and its Component is gone

    def make(node: Node, name: str, **kwargs: Any) -> Client:
        clients.append(Client(context, node.port, name, **kwargs))
        return clients[-1]

    return make


@pytest.fixture
def join(make_client: Callable[..., Client]) -> Callable[..., Client]:
    """Make clients which have signed in: `join(node, "CA")`."""

    def make(node: Node, name: str, **kwargs: Any) -> Client:
        return make_client(node, name, **kwargs).signed_in()

    return make
