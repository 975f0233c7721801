"""The Manager of the built binary: controllers and viewers over Python's own MsgPack, a Director over JSON-RPC."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from pyleco.directors.director import Director
from pyleco.json_utils.errors import JSONRPCError

import control_client as cc
import seed_client
from control_client import Connection, Controller, Viewer, wait_for, write_log
from coordinators import Node

pytestmark = pytest.mark.ours("it has no Manager")

STEPS = 6


class House:
    """A node with a log directory, and the ports of its Manager."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.control = node.port + 10
        self.viewers = node.port + 11


@pytest.fixture
def house(make_node: Callable[..., Node], tmp_path: Path) -> House:
    write_log(tmp_path / "run.log", STEPS)
    (tmp_path / "text.log").write_text("this is no log")
    node = make_node("N1", arguments=["--log-dir", str(tmp_path), "--play-speed-percent", "2000"])
    house = House(node)
    wait_for(lambda: listens(house.control))  # these ports open after the first
    return house


def listens(port: int) -> bool:
    try:
        Connection(port).close()
    except OSError:
        return False
    return True


def civilian(entities: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [entity for entity in entities if entity["id"] == 300]
    return found


@pytest.mark.parametrize("shape", cc.SHAPES)
def test_control_functions(house: House, shape: str) -> None:
    controller, viewer = Controller(house.control, shape), Viewer(house.viewers)
    assert viewer.call(cc.OPEN)["message"] == "no session"

    opened, data = controller.call(cc.OPEN_PROVIDER, logfilename="run.log")
    assert opened and data["provider"] == 1
    assert data["providerinfo"][0]["type"] == "RCRS-LOG" and data["providerinfo"][0]["ids"] == "run.log"
    wait_for(lambda: controller.call(cc.PROVIDERS, provider=[1])[1]["providerinfo"][0]["maxtime"] == STEPS)

    (info,) = controller.call(cc.VIEWERS)[1]["viewerinfo"]
    assert info["id"] == 1 and info["status"] == "online" and info["address"]["host"] == "127.0.0.1"
    connected, data = controller.call(cc.CONNECT, connection={"provider": 1, "viewer": 1})
    assert connected and data["session"] == 2 and data["sessioninfo"][0]["viewer"] == [1]
    (session,) = controller.call(cc.SESSIONS, session=[2])[1]["sessioninfo"]
    assert session["provider"] == 1

    initial, *steps = viewer.until(STEPS)
    assert set(initial["record"]) == {"time", "map", "world", "config", "score"}
    assert initial["record"]["config"]["gis.map.dir"] == "maps/test"
    assert [step["time"] for step in steps] == list(range(1, STEPS + 1))
    for step in steps:
        assert step["request"] == cc.ACTION | cc.UPDATE and step["record"]["time"] == step["time"]
        assert step["record"]["commands"] == [{"id": 300, "type": "Rest"}]
        assert civilian(step["record"]["changes"]) == {"id": 300, "type": "Civilian", "x": step["time"]}

    manager = controller.call(cc.MANAGER)[1]["manager"]
    assert (manager["port"], manager["providers"], manager["vieweres"]) == (house.viewers, 1, 1)
    assert manager["sessions"] == 1 and manager["status"] == "online"
    wait_for(lambda: controller.call(cc.PROVIDERS)[1]["providerinfo"][0]["status"] == "closed")
    assert controller.call(cc.REFRESH)[0]
    assert not controller.call(cc.REFRESH, provider=[1])[0]
    assert controller.call(cc.DISCONNECT, viewer=[1])[0]
    assert not controller.call(cc.DISCONNECT, viewer=[9])[0]
    failed, data = controller.call(cc.CLOSE_PROVIDER, provider=[1, 9])
    assert not failed and "9" in data["message"]
    assert controller.call(cc.CLOSE_PROVIDER, provider=[1])[0], "closed already"
    assert controller.call(cc.PROVIDERS)[1]["providerinfo"] == []
    assert any("there is no provider 9" in line for line in controller.call(cc.ERRORS)[1]["errors"])
    assert controller.call(cc.EXIT)[0]
    assert house.node.wait(5) == 0


def test_old_controller_that_fills_in_every_argument(house: House) -> None:
    controller = Controller(house.control, cc.LOOSE)
    defaults = seed_client.defaults()
    opened, data = controller.call(cc.OPEN_PROVIDER, **{**defaults, "logfilename": "run.log"})
    assert opened and data["provider"] == 1
    assert len(controller.call(cc.PROVIDERS, **defaults)[1]["providerinfo"]) == 1, "empty is all, for this one"
    assert controller.call(cc.CLOSE_PROVIDER, **{**defaults, "provider": [1]})[0]


def test_viewer_flow(house: House) -> None:
    controller, viewer = Controller(house.control), Viewer(house.viewers)
    assert not viewer.call(cc.ACTION)["result"], "OPEN comes first"
    assert viewer.call(cc.OPEN | cc.WORLD)["result"]
    controller.call(cc.OPEN_PROVIDER, logfilename="run.log")
    wait_for(lambda: controller.call(cc.PROVIDERS)[1]["providerinfo"][0]["maxtime"] == STEPS)
    controller.call(cc.CONNECT, connection={"provider": 1, "viewer": 1})
    for n, result in enumerate(viewer.until(STEPS)):
        assert set(result["record"]) == {"time", "world", "score"}
        assert civilian(result["record"]["world"])["x"] == n

    old = viewer.call(cc.WORLD | cc.UPDATE | cc.ACTION, time=2)
    assert old["result"] and old["time"] == 2 and civilian(old["record"]["world"])["x"] == 2
    assert not viewer.call(cc.WORLD, time=STEPS + 1)["result"]
    chosen = viewer.call(cc.MAP | cc.CONFIG | cc.UPDATE)
    assert set(chosen["record"]) == {"time", "map", "config"}
    (road,) = chosen["record"]["map"]["entities"]
    assert (road["id"], road["type"], road["neighbours"]) == (1, "Road", [2])
    assert road["edges"][0] == {"start": {"x": 0, "y": 0}, "end": {"x": 1000, "y": 0}, "adjacent": 2}
    assert (chosen["record"]["map"]["width"], chosen["record"]["map"]["height"]) == (1000.0, 500.0)

    assert viewer.call(cc.CLOSE)["result"]
    assert controller.call(cc.SESSIONS)[1]["sessioninfo"][0]["viewer"] == []
    assert viewer.call(cc.OPEN)["message"] == "no session", "used again"


def test_undecodable_requests_close_their_connection_alone(house: House) -> None:
    other = Controller(house.control)
    for body, shape in ((b"\xc1", cc.BESIDE), (b"\x93\x01", cc.BESIDE), (b"hello", cc.LOOSE)):
        controller = Controller(house.control, shape)
        controller.send(body)
        succeeded, data = controller.result(0)
        assert not succeeded and data["message"]
        with pytest.raises(cc.Closed):
            controller.receive()
    assert other.call(cc.MANAGER)[0]
    assert not other.call(77)[0], "an unknown function"
    assert other.call(cc.MANAGER)[0]


def test_director(house: House) -> None:
    viewer = Viewer(house.viewers)
    viewer.call(cc.OPEN)
    with Director(name="Director", host="127.0.0.1", port=house.node.port) as director:
        director.actor = "COORDINATOR"

        def ask(method: str, **arguments: Any) -> Any:
            return director.ask_rpc(method, **arguments)

        def failure(method: str, **arguments: Any) -> Any:
            with pytest.raises(JSONRPCError) as raised:
                ask(method, **arguments)
            return raised.value.rpc_error

        opened = ask("open_provider", logfilename="run.log")
        assert opened["provider"] == 1 and opened["providerinfo"][0]["type"] == "RCRS-LOG"
        wait_for(lambda: ask("providers")["providerinfo"][0]["maxtime"] == STEPS)
        assert [row["id"] for row in ask("viewers")["viewerinfo"]] == [1]
        assert ask("connect_viewer", viewer=1, provider=1)["session"] == 2
        (session,) = ask("sessions", session=[2])["sessioninfo"]
        assert (session["provider"], session["viewer"]) == (1, [1])
        assert [result["time"] for result in viewer.until(STEPS)] == list(range(STEPS + 1))
        manager = ask("manager")["manager"]
        assert (manager["providers"], manager["viewers"], manager["sessions"]) == (1, 1, 1)

        for method, arguments, reason in (
            ("open_provider", {"logfilename": "none.log"}, "there is no log"),
            ("open_provider", {"logfilename": "text.log"}, "not a simulation log"),
            ("open_provider", {"logfilename": "../run.log"}, "there is no log"),
            ("connect_viewer", {"viewer": 9, "provider": 1}, "there is no viewer 9"),
            ("connect_viewer", {"viewer": 1, "provider": 9}, "there is no provider 9"),
            ("refresh_provider", {"provider": 1}, "is a log"),
            ("disconnect_viewer", {"viewer": [9]}, "there is no viewer 9"),
            ("close_provider", {"provider": [9]}, "there is no provider 9"),
        ):
            error = failure(method, **arguments)
            assert error.code == -32040 and reason in str(error), (method, error)
        assert failure("open_provider").code == -32602
        assert failure("connect_viewer", viewer="x", provider=1).code == -32602
        assert any("none.log" in line for line in ask("errors")["errors"])

        assert ask("disconnect_viewer", viewer=1) is None
        assert ask("refresh_provider") == {"provider": []}
        assert ask("close_provider", provider=1) is None
        assert ask("providers") == {"providerinfo": []} and ask("sessions") == {"sessioninfo": []}
