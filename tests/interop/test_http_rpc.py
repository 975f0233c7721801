"""JSON-RPC over HTTP to a pyleco Actor as it is, through one node and through two."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from typing import Any, Callable, Iterator

import pytest

from coordinators import HERE, Node, free_port
from leco import Client, until

pytestmark = pytest.mark.ours("it has no HTTP port")


def post(port: int, path: str, *calls: dict[str, Any]) -> Any:
    """The answer to these calls, which are a batch if there are several."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    documents = [{"jsonrpc": "2.0", "id": n, **call} for n, call in enumerate(calls)]
    connection.request("POST", path, json.dumps(documents if len(calls) > 1 else documents[0]))
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    return json.loads(answer.read())


@pytest.fixture
def lab(make_node: Callable[..., Node], join: Callable[..., Client]) -> Iterator[tuple[int, int]]:
    """Two nodes with an Actor at the first; the HTTP port of each."""
    ports = free_port(), free_port()
    one = make_node("N1", arguments=["--http-bind", f"127.0.0.1:{ports[0]}"])
    make_node("N2", coordinators=[one.address], arguments=["--http-bind", f"127.0.0.1:{ports[1]}"])
    process = subprocess.Popen([sys.executable, str(HERE / "actor_program.py"), str(one.port), "actor"])
    try:
        names = {"method": "send_global_components"}
        until(
            lambda: "actor" in post(ports[1], "/rpc", names)["result"].get("N1", []), "the Actor's sign-in", patience=15
        )
        yield ports
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("where", [0, 1])
def test_an_actor_answers_over_http_at_any_node(lab: tuple[int, int], where: int) -> None:
    def ask(*calls: dict[str, Any]) -> Any:
        return post(lab[where], "/rpc/N1.actor?timeout=10", *calls)

    assert ask({"method": "pong"})["result"] is None
    ask({"method": "set_parameters", "params": {"parameters": {"level": 3.5}}})
    assert ask({"method": "get_parameters", "params": {"parameters": ["level"]}})["result"] == {"level": 3.5}
    both = ask({"method": "pong"}, {"method": "get_parameters", "params": {"parameters": ["level"]}})
    assert [answer["result"] for answer in both] == [None, {"level": 3.5}]
    assert ask({"method": "nothing"})["error"]["code"] == -32601
    assert post(lab[where], "/rpc/N1.nobody", {"method": "pong"})["error"]["code"] == -32093
