"""The blocks of Python in README and `docs`, with pyleco's own classes against the binary.

Blocks of `python` and `pycon` of a section belong together: they are run in one interpreter, in their order, with a Coordinator N1 at the port that
stands there as 12300. What a `pycon` block shows is what must be printed, and so is what stands behind a `print(...)  # `. A block with `<!-- shown: why -->` before it is not run.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from coordinators import ROOT, Node

BLOCK = re.compile(r"(?P<shown><!-- shown: .*? -->\n\s*)?```(?P<kind>python|pycon)\n(?P<text>.*?)```", re.DOTALL)

#: Runs a script whose name ends in .py, or the examples of one that ends in .txt, all in one namespace; leaves at once, whatever threads there are.
PROGRAM = """
import doctest, os, sys
names = {"__name__": "__main__"}
failed = 0
for path in sys.argv[1:]:
    text = open(path).read()
    if path.endswith(".py"):
        exec(compile(text, path, "exec"), names)
    else:
        test = doctest.DocTestParser().get_doctest(text, names, path, path, 0)
        failed += doctest.DocTestRunner().run(test, clear_globs=False).failed
        names.update(test.globs)
sys.stdout.flush()
os._exit(1 if failed else 0)
"""


def sections() -> list[tuple[str, list[tuple[str, str]]]]:
    """Where it stands, and kind and text of each block."""
    found = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for section in re.split(r"^## ", path.read_text(), flags=re.MULTILINE):
            blocks = [match for match in BLOCK.finditer(section) if not match["shown"]]
            if blocks:
                title = section.splitlines()[0]
                found.append((f"{path.name}: {title}", [(match["kind"], match["text"]) for match in blocks]))
    return found


SECTIONS = sections()


def test_there_is_something_to_run() -> None:
    assert {"README.md", "lab.md"} <= {name.split(":")[0] for name, _ in SECTIONS}


@pytest.mark.parametrize("blocks", [blocks for _, blocks in SECTIONS], ids=[name for name, _ in SECTIONS])
def test_python_of_the_documents(blocks: list[tuple[str, str]], node: Node, tmp_path: Path) -> None:
    files = []
    for number, (kind, text) in enumerate(blocks):
        file = tmp_path / f"block{number}{'.py' if kind == 'python' else '.txt'}"
        file.write_text(text.replace("12300", str(node.port)))
        files.append(str(file))
    ran = subprocess.run([sys.executable, "-c", PROGRAM, *files], capture_output=True, text=True, timeout=50)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    wanted = [line for _, text in blocks for line in re.findall(r"^print\(.*\)  # (.*)$", text, re.MULTILINE)]
    assert ran.stdout.splitlines() == wanted
