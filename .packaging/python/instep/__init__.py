"""instep: LECO Coordinator, viewer Manager and C2SIM session server. The program is in the package: `instep`, or `python -m instep`."""

from pathlib import Path

#: The program.
PROGRAM = Path(__file__).parent / "bin" / "instep"
