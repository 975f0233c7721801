"""The programs in `examples` that need libraries of the field, run as a reader would; what the documents show of them is what they print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from control_client import write_log
from coordinators import ROOT, Node

pytestmark = pytest.mark.ours("it has no sessions and no Manager")
EXAMPLES = ROOT / "examples"


def start(name: str, *words: object) -> subprocess.Popen[str]:
    line = [sys.executable, str(EXAMPLES / name), *map(str, words)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def printed(program: subprocess.Popen[str]) -> list[str]:
    """What it prints, once it has ended in good order."""
    out, errors = program.communicate(timeout=40)
    assert (program.returncode, errors) == (0, ""), out + errors
    return out.splitlines()


def shown(name: str) -> list[str]:
    """What a document shows of it, where a line of its own begins with its command."""
    for path in sorted((ROOT / "docs").glob("*.md")):
        found = re.search(rf"^\$ python3 examples/{re.escape(name)}.*\n((?:(?!\$ |```).*\n)*)", path.read_text(), re.MULTILINE)
        if found:
            return found[1].splitlines()
    raise AssertionError(f"no document shows {name}")


def test_a_lab(node: Node) -> None:
    assert printed(start("lab.py", node.port)) == shown("lab.py")


def test_federates_over_leco(node: Node) -> None:
    assert printed(start("federate.py", node.port)) == shown("federate.py")


def test_federates_over_http(make_node: Callable[..., Node]) -> None:
    node = make_node("N1")
    assert printed(start("federate_http.py", f"http://127.0.0.1:{node.port + 12}")) == shown("federate_http.py")


def test_a_controller_brings_a_viewer_to_a_log(make_node: Callable[..., Node], tmp_path: Path) -> None:
    write_log(tmp_path / "run.log", 4)
    node = make_node("N1", arguments=["--log-dir", str(tmp_path), "--play-speed-percent", "2000"])
    viewer = start("viewer.py", f"127.0.0.1:{node.port + 11}")
    assert viewer.stdout and viewer.stdout.readline() == "no session\n", "a controller finds it from here on"
    controller = start("controller.py", "run.log", f"127.0.0.1:{node.port + 10}")
    assert printed(controller) == shown("controller.py")
    assert ["no session", *printed(viewer)] == shown("viewer.py")
