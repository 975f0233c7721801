"""Whether a Controller written from the document alone gets what its author would expect, in every form that its lists of
arguments can be read to allow, and in the forms that are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import control_client as cc
import seed_client as seed
from control_client import wait_for
from seed_client import ABSENT, Controller, defaults, nils, reduced

pytestmark = pytest.mark.ours("it has no Manager")

STEPS = 40


class House:
    """A Manager with a log `run.log`, whose provider is 1, viewers 1 and 2, and a Controller."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self.control, self.viewers = node.port + 10, node.port + 11
        self.controller = wait_for(self.connect)

    def connect(self) -> Controller | None:
        try:
            return Controller(self.control)
        except OSError:
            return None

    def open(self) -> int:
        answer = self.controller.call(seed.OPEN, {"logfilename": "run.log"})
        assert answer.result, answer
        return answer.data["provider"]

    def view(self) -> cc.Viewer:
        viewer = cc.Viewer(self.viewers)
        viewer.call(cc.OPEN)
        return viewer

    def providers(self) -> list[int]:
        return [info["id"] for info in self.controller.call(seed.PROVIDERS).data["providerinfo"]]

    def errors(self) -> list[str]:
        return self.controller.call(seed.ERRORS).data["errors"]


@pytest.fixture
def house(make_node: Callable[..., Any], tmp_path: Path) -> Iterator[House]:
    cc.write_log(tmp_path / "run.log", STEPS)
    house = House(make_node("N1", arguments=["--log-dir", str(tmp_path)]))
    yield house
    house.controller.close()


# ---- The frame ----


@pytest.mark.parametrize("length", seed.LENGTHS)
def test_a_length_of_each_width_is_read(house: House, length: str) -> None:
    controller = Controller(house.control, length=length)
    assert controller.call(seed.MANAGER, {}).result
    assert controller.call(seed.MANAGER).result, "the connection is used again"


def test_a_version_is_remarked_on_once_for_a_connection_and_only_another_one(house: House) -> None:
    for version in ("1", "1.0", "1.7", 1, 1.0, "", None):
        assert Controller(house.control, version).call(seed.MANAGER).result, version
    assert house.errors() == []
    for n, version in enumerate(("2", "0.9", 3), start=1):
        controller = Controller(house.control, version)
        for _ in range(3):
            assert controller.call(seed.MANAGER).result, "it is answered all the same"
        assert len(house.errors()) == n, house.errors()
        assert "another version" in house.errors()[-1] and str(version) in house.errors()[-1]


def test_requests_that_come_at_once_are_answered_in_their_order(house: House) -> None:
    for call in (seed.MANAGER, seed.ERRORS, seed.OPEN, seed.PROVIDERS):
        house.controller.send(call, "run.log" if call == seed.OPEN else ABSENT)
    answers = [house.controller.receive() for _ in range(4)]
    assert [answer.call for answer in answers] == [seed.MANAGER, seed.ERRORS, seed.OPEN, seed.PROVIDERS]
    assert [info["id"] for info in answers[3].data["providerinfo"]] == [1]


@pytest.mark.parametrize("call", [0, 5, 100, 104, 200, 209, 999])
def test_a_function_that_the_document_does_not_have_is_refused(house: House, call: int) -> None:
    answer = house.controller.call(call, {})
    assert not answer.result and str(call) in answer.message
    assert house.controller.call(seed.MANAGER).result


# ---- System ----


@pytest.mark.parametrize("data", [ABSENT, None, {}, [], defaults(), nils()])
def test_functions_without_arguments(house: House, data: Any) -> None:
    assert house.controller.call(seed.ERRORS, data).data == {"errors": []}
    manager = house.controller.call(seed.MANAGER, data).data["manager"]
    assert {key: type(manager[key]) for key in ("port", "providers", "vieweres", "sessions", "errors", "status", "version")} == {
        "port": int,
        "providers": int,
        "vieweres": int,
        "sessions": int,
        "errors": int,
        "status": str,
        "version": str,
    }
    assert manager["port"] == house.viewers and manager["status"] == "online"
    assert (manager["providers"], manager["vieweres"], manager["sessions"], manager["errors"]) == (0, 0, 0, 0)
    assert house.controller.call(seed.EXIT, data) == (seed.EXIT, True, {})
    assert house.node.wait(5) == 0


# ---- Open ----


@pytest.mark.parametrize(
    "data",
    [
        "run.log",
        {"logfilename": "run.log"},
        defaults(logfilename="run.log"),
        nils(logfilename="run.log"),
        reduced(logfilename="run.log"),
        {"logfilename": "run.log", "address": None},
        {"logfilename": "run.log", "address": []},
        {"logfilename": "run.log", "address": {}},
        {"logfilename": "run.log", "address": ["", 0]},
    ],
)
def test_open_a_log(house: House, data: Any) -> None:
    answer = house.controller.call(seed.OPEN, data)
    assert answer.result and answer.data["provider"] == 1 and "message" not in answer.data
    (info,) = answer.data["providerinfo"]
    assert (info["id"], info["type"], info["ids"], info["status"], info["time"]) == (1, "RCRS-LOG", "run.log", "online", 0)
    assert isinstance(info["maxtime"], int)


@pytest.mark.parametrize(
    "data",
    [
        ["127.0.0.1", 1],
        ("127.0.0.1", "1"),
        {"host": "127.0.0.1", "port": 1},
        {"address": {"host": "127.0.0.1", "port": 1}},
        {"address": {"host": "127.0.0.1", "port": "1"}},
        {"address": ["127.0.0.1", 1]},
        {"address": ["127.0.0.1", "1"]},
        defaults(address={"host": "127.0.0.1", "port": 1}),
        nils(address={"host": "127.0.0.1", "port": 1}),
        {"address": {"host": "127.0.0.1", "port": 1}, "logfilename": "run.log"},
    ],
)
def test_open_a_server(house: House, data: Any) -> None:
    answer = house.controller.call(seed.OPEN, data)
    assert answer.result and answer.data["provider"] == 1
    (info,) = answer.data["providerinfo"]
    assert (info["type"], info["ids"], info["status"], info["time"], info["maxtime"]) == ("RCRS", "127.0.0.1/1", "online", 0, 0)
    assert info["message"] == "waiting", "nobody answers there"


@pytest.mark.parametrize(
    "data, said",
    [
        (ABSENT, "address"),
        (None, "address"),
        ({}, "address"),
        ([], "address"),
        (defaults(), "address"),
        (5, "address"),
        (["127.0.0.1"], "address"),
        (["127.0.0.1", 1, 2], "address"),
        (["127.0.0.1", 70000], "address.port"),
        (["127.0.0.1", "a"], "address.port"),
        ([1, 1], "address.host"),
        ({"address": "127.0.0.1:1"}, "address"),
        ({"address": 7}, "address"),
        ({"address": {"host": "127.0.0.1"}}, "address.port"),
        ({"address": {"host": "127.0.0.1", "port": 0}}, "address.port"),
        ({"address": {"host": "127.0.0.1", "port": -1}}, "address.port"),
        ({"address": {"host": "127.0.0.1", "port": 1.0}}, "address.port"),
        ({"address": {"host": "127.0.0.1", "port": "-1"}}, "address.port"),
        ({"address": {"host": "127.0.0.1", "port": []}}, "address.port"),
        ({"address": {"host": 5, "port": 1}}, "address.host"),
        ({"address": {"host": "", "port": 1}}, "address.host"),
        ({"address": {"port": 1}}, "address.host"),
        ({"address": {"host": "127.0.0.1", "prot": 1}}, "address.prot"),
        ({"logfilename": 5}, "logfilename"),
        ({"logfilename": ["run.log"]}, "logfilename"),
        ({"logfilename": "none.log"}, "none.log"),
        ("none.log", "none.log"),
        ({"filename": "run.log"}, "filename"),
    ],
)
def test_open_wrongly(house: House, data: Any, said: str) -> None:
    answer = house.controller.call(seed.OPEN, data)
    assert not answer.result and said in answer.message, answer
    assert house.providers() == []


# ---- Close ----


def provider_forms(given: int) -> list[Any]:
    return [
        [given],
        given,
        {"provider": [given]},
        {"provider": given},
        defaults(provider=[given]),
        nils(provider=[given]),
        reduced(provider=[given]),
        {"provider": [given, given]},
    ]


@pytest.mark.parametrize("data", provider_forms(1))
def test_close(house: House, data: Any) -> None:
    house.open()
    assert house.controller.call(seed.CLOSE, data) == (seed.CLOSE, True, {})
    assert house.providers() == []
    assert house.controller.call(seed.CLOSE, data).result, "closed already"
    assert house.open() == 2, "an id is given once"


@pytest.mark.parametrize("data", provider_forms(9) + [{"provider": [1, 9]}])
def test_close_what_is_not_there(house: House, data: Any) -> None:
    house.open()
    answer = house.controller.call(seed.CLOSE, data)
    assert not answer.result and "9" in answer.message
    assert house.providers() == ([] if data == {"provider": [1, 9]} else [1]), "the good ones are done"


@pytest.mark.parametrize("data", [[], {"provider": []}, defaults(), reduced(), {"provider": [], "session": None}])
def test_an_empty_list_closes_nothing(house: House, data: Any) -> None:
    house.open()
    assert house.controller.call(seed.CLOSE, data).result
    assert house.providers() == [1]


@pytest.mark.parametrize("call, key, other", [(seed.CLOSE, "provider", "viewer"), (seed.DISCONNECT, "viewer", "provider")])
def test_ids_that_are_missing_or_none(house: House, call: int, key: str, other: str) -> None:
    house.open()
    wrong = [ABSENT, None, {}, nils(), {key: None}, {other: [1]}, {"id": [1]}]
    for data in [*wrong, "1", {key: "1"}, {key: ["1"]}, {key: [None]}, {key: {"id": 1}}, {key: 1.5}, {key: True}]:
        answer = house.controller.call(call, data)
        assert not answer.result and key in answer.message and "id" in answer.message, (data, answer)
    assert "unknown keys: id" in house.controller.call(call, {"id": [1]}).message
    assert house.providers() == [1]


# ---- Information ----


@pytest.mark.parametrize(
    "call, key, info",
    [(seed.PROVIDERS, "provider", "providerinfo"), (seed.VIEWERS, "viewer", "viewerinfo"), (seed.SESSIONS, "session", "sessioninfo")],
)
def test_information(house: House, call: int, key: str, info: str) -> None:
    controller, viewer = house.controller, house.view()
    for data in (ABSENT, None, {}, [], {key: []}):
        found = controller.call(call, data)
        assert found.result and (key == "viewer" or found.data[info] == []), "an empty Manager has nothing"
    provider = house.open()
    connected = controller.call(seed.CONNECT, {"connection": {"provider": provider, "viewer": 1}})
    known = {"provider": provider, "viewer": 1, "session": connected.data["session"]}[key]

    def ids(data: Any) -> list[int]:
        answer = controller.call(call, data)
        assert answer.result and set(answer.data) == {info}, (data, answer)
        return [one["id"] for one in answer.data[info]]

    for data in (ABSENT, None, {}, {key: None}, nils()):
        assert ids(data) == [known], data
    for data in ([], {key: []}, {key: [], "logfilename": ""}, defaults(), reduced()):
        assert ids(data) == [], (data, "a list of none")
    for data in ([known], known, {key: [known]}, {key: known}, defaults(**{key: [known]}), [known, known], [99, known]):
        assert ids(data) == [known], data
    for data in ([99], {key: [99]}, {key: [-1]}, {key: [0]}):
        assert ids(data) == [], (data, "not there is an empty list")
    for data in ("1", {key: "1"}, {key: ["1"]}, {key: [None]}, {key: {"id": 1}}, {key: 1.5}):
        answer = controller.call(call, data)
        assert not answer.result and f"argument {key} " in answer.message, (data, answer)
    answer = controller.call(call, {key: [known], "verbose": True})
    assert answer.result and answer.message == "unknown keys: verbose" and len(answer.data[info]) == 1
    viewer.close()


def test_information_has_the_types_of_the_document(house: House) -> None:
    controller, viewer = house.controller, house.view()
    controller.call(seed.OPEN, "run.log")
    controller.call(seed.CONNECT, [1, 1])
    (provider,) = controller.call(seed.PROVIDERS).data["providerinfo"]
    assert {key: type(provider[key]) for key in ("id", "type", "ids", "status", "time", "maxtime")} == {
        "id": int,
        "type": str,
        "ids": str,
        "status": str,
        "time": int,
        "maxtime": int,
    }
    (seen,) = controller.call(seed.VIEWERS).data["viewerinfo"]
    assert seen == {"id": 1, "address": {"host": "127.0.0.1", "port": viewer.socket.getsockname()[1]}, "status": "online"}
    (session,) = controller.call(seed.SESSIONS).data["sessioninfo"]
    assert session["provider"] == 1 and session["viewer"] == [1] and session["status"] == "online"
    assert house.controller.call(seed.CLOSE, [1]).result
    assert controller.call(seed.PROVIDERS, [1]).data["providerinfo"] == [], "closed already"


# ---- Connect ----


@pytest.mark.parametrize(
    "data, viewers",
    [
        ({"connection": {"provider": 1, "viewer": 1}}, [1]),
        ({"connection": {"viewer": [1], "provider": [1]}}, [1]),
        ({"viewer": 1, "provider": 1}, [1]),
        ({"viewer": [1], "provider": [1]}, [1]),
        (defaults(connection={"provider": 1, "viewer": 1}), [1]),
        (nils(connection={"provider": 1, "viewer": 1}), [1]),
        (defaults(provider=[1], viewer=[1]), [1]),
        ([2, 1], [2]),
        ([[1, 2], 1], [1, 2]),
        ({"connection": {"provider": 1, "viewer": [1, 2]}}, [1, 2]),
        ({"provider": 1, "viewer": [1, 2]}, [1, 2]),
        ({"provider": [1], "viewer": [1, 2]}, [1, 2]),
    ],
)
def test_connect(house: House, data: Any, viewers: list[int]) -> None:
    house.open()
    seen = [house.view(), house.view()]
    answer = house.controller.call(seed.CONNECT, data)
    assert answer.result and isinstance(answer.data["session"], int), answer
    (session,) = answer.data["sessioninfo"]
    assert (session["id"], session["provider"], session["viewer"]) == (answer.data["session"], 1, viewers)
    assert house.controller.call(seed.SESSIONS).data["sessioninfo"][0]["viewer"] == viewers
    assert house.controller.call(seed.MANAGER).data["manager"]["sessions"] == 1
    for viewer in seen:
        viewer.close()


def test_several_connections_give_a_list_with_each_session_once(house: House) -> None:
    house.open()
    house.open()
    seen = [house.view(), house.view()]
    one = {"provider": 1, "viewer": 1}
    for data, providers in (
        ({"connection": [one, {"provider": 1, "viewer": 2}]}, [1]),
        ({"connection": [one, {"provider": 2, "viewer": 2}]}, [1, 2]),
        ([one, {"provider": 2, "viewer": 2}], [1, 2]),
        ({"provider": [1, 2], "viewer": [1, 2]}, [1, 2]),
    ):
        answer = house.controller.call(seed.CONNECT, data)
        assert answer.result and answer.data["session"] == [info["id"] for info in answer.data["sessioninfo"]], answer
        assert [info["provider"] for info in answer.data["sessioninfo"]] == providers
    for viewer in seen:
        viewer.close()


@pytest.mark.parametrize(
    "data, said",
    [
        (ABSENT, "connection"),
        (None, "connection"),
        ({}, "connection"),
        ([], "connection"),
        (defaults(), "connection"),
        ({"connection": {"provider": 1}}, "connection.viewer"),
        ({"connection": {"viewer": 1}}, "connection.provider"),
        ({"provider": 1}, "viewer"),
        ({"viewer": [1]}, "provider"),
        ({"connection": {"provider": "1", "viewer": 1}}, "connection.provider"),
        ({"connection": {"provider": 1, "viewer": None}}, "connection.viewer"),
        ({"connection": {"provider": 1, "viewers": 1}}, "connection.viewers"),
        ({"connection": [1, 1]}, "connection"),
        ({"connection": "1"}, "connection"),
        ({"connection": {"provider": [1, 2], "viewer": [1]}}, "connection"),
        ("1", "connection"),
        ({"connection": {"provider": 9, "viewer": 1}}, "there is no provider 9"),
        ({"connection": {"provider": 1, "viewer": 9}}, "there is no viewer 9"),
        ([9, 1], "there is no viewer 9"),
    ],
)
def test_connect_wrongly(house: House, data: Any, said: str) -> None:
    house.open()
    viewer = house.view()
    answer = house.controller.call(seed.CONNECT, data)
    assert not answer.result and said in answer.message, answer
    assert answer.data.get("session") is None
    assert house.controller.call(seed.SESSIONS).data["sessioninfo"] == []
    viewer.close()


# ---- Disconnect and Refresh ----


@pytest.mark.parametrize("data", [[1], 1, {"viewer": [1]}, {"viewer": 1}, defaults(viewer=[1]), nils(viewer=[1])])
def test_disconnect(house: House, data: Any) -> None:
    house.open()
    viewer = house.view()
    house.controller.call(seed.CONNECT, [1, 1])
    assert house.controller.call(seed.DISCONNECT, data) == (seed.DISCONNECT, True, {})
    assert house.controller.call(seed.SESSIONS).data["sessioninfo"][0]["viewer"] == []
    assert house.controller.call(seed.DISCONNECT, data).result, "in no session any more"
    answer = house.controller.call(seed.DISCONNECT, {"viewer": [1, 9]})
    assert not answer.result and "9" in answer.message
    viewer.close()


def test_refresh(house: House) -> None:
    controller = house.controller
    for data in (ABSENT, None, {}, [], {"provider": None}):
        assert controller.call(seed.REFRESH, data) == (seed.REFRESH, True, {"provider": []}), "nothing to refresh"
    house.open()
    assert controller.call(seed.OPEN, ["127.0.0.1", 1]).data["provider"] == 2
    for data in (ABSENT, None, {}, {"provider": None}, nils()):
        assert controller.call(seed.REFRESH, data) == (seed.REFRESH, True, {"provider": [2]}), (data, "all refreshable")
    for data in ([], {"provider": []}, defaults(), reduced()):
        assert controller.call(seed.REFRESH, data) == (seed.REFRESH, True, {"provider": []}), (data, "none")
    for data in ([2], 2, {"provider": [2]}, {"provider": 2}, defaults(provider=[2])):
        assert controller.call(seed.REFRESH, data) == (seed.REFRESH, True, {"provider": [2]}), data
    for data, said in (([1], "provider 1 is a log"), ([9], "provider 9"), ("2", "provider"), ({"provider": ["2"]}, "provider")):
        answer = controller.call(seed.REFRESH, data)
        assert not answer.result and said in answer.message, answer
