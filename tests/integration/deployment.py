"""A whole club in a folder of its own: what `./club up` starts, driven from outside as an operator would."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.ports import free_ports

COURSE_FILES = ("jupyterhub_config.py", "nbgrader_config.py")
COURSE_FOLDERS = ("source", "release")


class Deployment:
    """One course folder and its running club."""

    def __init__(
        self, root: Path, checkout: Path, raw: Path, assignments: tuple[str, ...] = (), account: int | None = None
    ) -> None:
        self.root = root
        self.checkout = checkout
        self.port = free_ports(4)
        self.address = f"http://127.0.0.1:{self.port}"
        self.output = root / "up.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.printed = ""
        root.mkdir(parents=True, exist_ok=True)
        for name in COURSE_FILES:
            shutil.copy(checkout / name, root / name)
        for name in COURSE_FOLDERS:
            for folder in sorted((checkout / name).iterdir()):
                if folder.is_dir() and (not assignments or folder.name in assignments):
                    shutil.copytree(folder, root / name / folder.name)
        for name in ("gradebook", "submitted", "autograded", "feedback"):
            (root / name).mkdir(exist_ok=True)
        (root / ".club").mkdir(exist_ok=True)
        (root / ".club" / "node").symlink_to(checkout / ".club" / "node")
        self.account = account
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("DATAUAB_", "JUPYTER"))},
            "DATAUAB_ROOT": str(root),
            "DATAUAB_RAW": str(raw),
            "DATAUAB_PORT": str(self.port),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }
        if account is not None:
            self.environment["HOME"] = str(root)
            for path in (root.parent, root, *root.rglob("*")):
                os.chown(path, account, account, follow_symlinks=False)

    @property
    def identity(self) -> dict[str, Any]:
        """Options with which `subprocess` starts a program under the deployment's account."""
        return {} if self.account is None else {"user": self.account, "group": self.account, "extra_groups": []}

    def club(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a verb of the command line to its end; an error where it fails."""
        done = self._run("datauab.cli", *arguments)
        done.check_returncode()
        return done

    def nbgrader(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a plain nbgrader command from the course's root."""
        return self._run("nbgrader", *arguments)

    def _run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            **self.identity,
        )

    def up(self, patience: float = 240) -> str:
        """Start the club; gives what it printed once it is ready."""
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "datauab.cli", "up"],
                cwd=self.root,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self.identity,
            )
        end = time.monotonic() + patience
        while time.monotonic() < end:
            printed = self.output.read_text(errors="replace")
            if "Ctrl-C stops everything" in printed:
                return printed
            if self.process.poll() is not None:
                raise AssertionError(f"./club up ended with {self.process.returncode}:\n{printed}\n{self.hub_log()}")
            time.sleep(0.2)
        raise AssertionError(f"./club up not ready after {patience} s:\n{self.output.read_text()}\n{self.hub_log()}")

    def down(self, patience: float = 60) -> int:
        """Press Ctrl-C and wait; gives the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(patience)

    def hub_log(self, lines: int = 60) -> str:
        """Give the end of the hub's log."""
        path = self.root / ".club" / "logs" / "hub.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def processes(self) -> list[tuple[int, str]]:
        """List every process of this deployment: those whose environment or command names its folder."""
        found = []
        mark = str(self.root).encode()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != os.getpid():
                with contextlib.suppress(OSError):
                    command = (folder / "cmdline").read_bytes()
                    if mark in command or mark in (folder / "environ").read_bytes():
                        found.append((int(folder.name), command.replace(b"\0", b" ").decode(errors="replace")))
        return found

    def pids(self, pattern: str) -> list[int]:
        """Process numbers of this deployment whose command line matches `pattern`."""
        return [pid for pid, command in self.processes() if re.search(pattern, command)]

    def invite_link(self) -> str:
        """Give the link by which students join."""
        return self.club("invite").stdout.strip()
