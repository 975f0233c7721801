"""The example of a feed, run as a reader would, beside a viewer."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Callable

import pytest

from coordinators import HERE, Node, free_port
from test_http_rpc import post

pytestmark = pytest.mark.ours("it has no feeds")
EXAMPLE = HERE.parent.parent / "examples" / "feed.py"


def test_buses_go_round_a_block(make_node: Callable[..., Node]) -> None:
    port = free_port()
    make_node("N1", arguments=["--http-bind", f"127.0.0.1:{port}"])
    said = subprocess.run(
        [sys.executable, str(EXAMPLE), f"http://127.0.0.1:{port}", "3"], capture_output=True, text=True, timeout=30
    )
    assert said.stdout == "provider 1 has shown 3 timesteps\n", said
    (row,) = post(port, "/rpc", {"method": "providers"})["result"]["providerinfo"]
    assert (row["type"], row["ids"], row["status"], row["time"]) == ("FEED", "buses", "closed", 3), json.dumps(row)
