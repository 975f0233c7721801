"""`python -m instep`, and the command `instep`: becomes the program."""

import os
import sys

from . import PROGRAM


def main() -> None:
    """Become the program, with the words of this command line."""
    os.execv(PROGRAM, ["instep", *sys.argv[1:]])


if __name__ == "__main__":
    main()
