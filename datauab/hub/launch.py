"""Starts a managed service inside its wall: ``python -m datauab.hub.launch web``.

The hub starts this and not the wall itself, so that the wall is built from the files that exist when the service
starts, and the hub's log names a service by one word.
"""

from __future__ import annotations

import os
import sys

from datauab.errors import ClubError
from datauab.hub import services
from datauab.settings import load_settings


def main() -> None:
    """Become the keeper of the service that the command line names."""
    settings = load_settings()
    commands = {"web": services.web_command, "grader": services.grader_command}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        raise ClubError(f"expected one of {', '.join(commands)}, found {' '.join(sys.argv[1:]) or 'nothing'}")
    command = services.keep(commands[sys.argv[1]](settings), restart=True)
    os.execv(command[0], command)  # noqa: S606  a fixed list, no shell; keeps the process id that the hub knows


if __name__ == "__main__":
    main()
