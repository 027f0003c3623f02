"""The hub's managed services: the web service behind its own wall, and the grader."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from datauab.autograde import sandbox
from datauab.autograde.sandbox import Bind, Sandbox, Tmpfs
from datauab.doorbell import doorbell_folder
from datauab.hub import keeper
from datauab.hub.accounts import private_folder
from datauab.hub.ownership import course_account, give_course
from datauab.keys import ensure_secret
from datauab.settings import Settings
from datauab.starter import kits_folder

#: A process under this is ended by the kernel when the one that started it ends, however that came.
DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")


def settings_environment(settings: Settings) -> dict[str, str]:
    """Give the environment from which another process reads exactly these settings."""
    values = settings.model_dump(mode="json", exclude_none=True)
    return {
        f"DATAUAB_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }


def keep(command: list[str], *, memory_mb: int = 0, restart: bool = False) -> list[str]:
    """Give the command line that runs `command` under `datauab.hub.keeper`."""
    options = [*(["--memory-mb", str(memory_mb)] if memory_mb else []), *(["--restart"] if restart else [])]
    return [sys.executable, "-I", str(Path(keeper.__file__).resolve()), *options, "--", *command]


def web_sandbox(settings: Settings) -> Sandbox:
    """Wall of the web service: the gradebook without solutions, split secret and hub; of the sources, what it shows.

    The notebooks of ``source/`` hold the reference solutions, so only covers and ``competition.toml`` are bound, as
    they are when the service starts.
    """
    ensure_secret(settings, "receipts")  # exists before the wall is built, since only this file is let through
    give_course(settings)
    shown = [
        path for folder in sorted(settings.source.glob("*")) for path in (folder / "competition.toml", folder / "img")
    ]
    return Sandbox(
        ro_binds=(
            *sandbox.base_binds(),
            *sandbox.python_binds(),
            *(Bind(path, optional=True) for path in (*shown, settings.root / "club.toml", settings.public)),
            Bind(settings.secrets / "receipts"),
        ),
        rw_binds=(
            Bind(settings.gradebook),
            Bind(doorbell_folder(settings.state)),
            Bind(kits_folder(settings.state)),
        ),
        tmpfs=(
            Tmpfs("/tmp", 256),  # noqa: S108  the sandbox's own
            Tmpfs("/run", 16),
            # Over these lies an empty folder even where they do not exist yet: they may come while the service runs.
            *(Tmpfs(str(private_folder(path)), 1, 0o755) for path in _hidden_from_web(settings)),
        ),
        symlinks=sandbox.base_symlinks(),
        account=course_account(),
        inherit_env=True,
        share_network=True,
        hostname="club-web",
    )


def _hidden_from_web(settings: Settings) -> tuple[Path, ...]:
    return settings.secrets, settings.solutions, settings.own_raw, settings.gradebook / "hub"


def web_command(settings: Settings) -> list[str]:
    """Give the command line of the web service inside its wall."""
    return web_sandbox(settings).command([sys.executable, "-m", "datauab.web"])


def grader_command(settings: Settings) -> list[str]:
    """Give the command line of the grader, which ends when its keeper does."""
    return [*DIE_WITH_PARENT, sys.executable, "-m", "datauab.grader"]


def web_service(settings: Settings) -> dict[str, Any]:
    """Give the web service as JupyterHub's configuration names it."""
    return {
        "name": "club",
        "url": f"http://127.0.0.1:{settings.web_port}",
        "command": _launch("web"),
        "environment": {**sandbox.python_env(), **settings_environment(settings)},
        "cwd": "/",
        "oauth_no_confirm": True,
        "timeout": 120,  # JupyterHub ends itself where the service does not answer by then
    }


def grader_service(settings: Settings) -> dict[str, Any]:
    """Give the grader as JupyterHub's configuration names it: no address, hence nothing that connects to it."""
    return {
        "name": "grader",
        "command": _launch("grader"),
        "environment": {**sandbox.python_env(), "HOME": str(Path.home()), **settings_environment(settings)},
        "cwd": str(settings.root),
        "display": False,
    }


def _launch(name: str) -> list[str]:
    return [*DIE_WITH_PARENT, sys.executable, "-m", "datauab.hub.launch", name]
