"""Starts every user's server inside its wall, under a keeper."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

from jupyterhub.spawner import LocalProcessSpawner
from jupyterhub.utils import random_port
from traitlets import Instance, Integer

from datauab.autograde import sandbox
from datauab.errors import ClubError
from datauab.hub import server_config, walls
from datauab.hub.accounts import Accounts
from datauab.hub.keeper import descendants
from datauab.hub.ownership import course_account
from datauab.hub.server_config import Group
from datauab.hub.services import keep, settings_environment
from datauab.settings import Settings


class SandboxSpawner(LocalProcessSpawner):
    """JupyterHub's local spawner with a sandbox in place of machine users.

    Members of the group ``formgrade-<course>`` get the instructors' server, everybody else the students'. The keeper
    survives a crash of the hub, and the next hub finds it by its process id and start time.
    """

    deployment = Instance(Settings, help="settings of the deployment").tag(config=True)
    port: int  # JupyterHub's own trait
    started = Integer(0, help="start time of the keeper, in clock ticks since boot: tells a reused process id apart")

    @property
    def group(self) -> Group:
        """Whose server it is."""
        groups = {group.name for group in self.user.groups}
        return "instructor" if f"formgrade-{self.deployment.course}" in groups else "student"

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Replace what the local spawner takes from the machine's accounts."""
        env.update(walls.environment(self.deployment, self.user.name, self.group))
        if self.group == "instructor":
            # The course's own commands run there; an instructor may read what they read.
            env.update(settings_environment(self.deployment))
        return env

    def get_args(self) -> list[str]:
        """Add what no file of the user's home may change."""
        home = walls.inside_home(self.user.name)
        return [*super().get_args(), "--KernelManager.transport=ipc", f"--ServerApp.root_dir={home}"]

    async def start(self) -> tuple[str, int]:
        """Start the server; gives address and port."""
        deployment, name = self.deployment, self.user.name
        server_config.write(deployment, self.group)
        if self.group == "instructor":
            home = walls.prepare_home(deployment, name, course_account())
            walls.link_course(deployment, home)
            wall = walls.instructor_sandbox(deployment, name)
            memory = deployment.student_memory_mb + deployment.limits.memory_mb
        else:
            account = Accounts(deployment).machine_account(name) if sandbox.mode() == "account" else None
            walls.prepare_home(deployment, name, account)
            wall = walls.student_sandbox(deployment, name, account)
            memory = deployment.student_memory_mb
        self.port = self.port or random_port()
        # Only the server's own account may enter its home, so it goes there by itself and not through bubblewrap.
        inside = ["env", "--chdir", str(walls.inside_home(name)), *self.cmd, *self.get_args()]
        command = keep(wall.command(inside), memory_mb=memory)
        self.log.info("Starting the %s's server of %s on port %i", self.group, name, self.port)
        self._run(command)
        await self._wait_until_it_listens()
        return "127.0.0.1", self.port

    def _run(self, command: list[str]) -> None:
        with self._log_file().open("wb") as log:
            self.proc = subprocess.Popen(
                command,
                env=self.get_env(),
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the hub, which then stops its servers one by one
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.pid = self.proc.pid
        self.started = start_time(self.pid)

    async def _wait_until_it_listens(self) -> None:
        """Return when the server listens; raise at once where it ended, which JupyterHub would notice much later.

        That something listens is not enough: all servers share the loopback, and a student could wait for a port that
        becomes free and answer in another's place.
        """
        process: Any = self.proc
        while not listens(process.pid, self.port):
            if process.poll() is not None:
                text = self._log_file().read_text(encoding="utf-8", errors="replace")
                raise ClubError(
                    f"the server of {self.user.name} ended with {process.returncode} while it started; "
                    f"{self._log_file()} ends: {text[-2000:]}"
                )
            await asyncio.sleep(0.1)

    def get_state(self) -> dict[str, Any]:
        """Add the start time to the process id."""
        state: dict[str, Any] = super().get_state()
        if self.pid:
            state["started"] = self.started
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Find the keeper of a hub that ended without stopping it."""
        super().load_state(state)
        self.started = state.get("started", 0)

    def clear_state(self) -> None:
        """Forget the keeper."""
        super().clear_state()
        self.started = 0

    async def _signal(self, sig: int) -> bool:
        # Process ids are used again after a restart of the machine: never signal somebody else's process.
        adopted: Any = self.proc is None
        if adopted and start_time(self.pid) != self.started:
            return False
        return bool(await super()._signal(sig))

    def _log_file(self) -> Path:
        folder: Path = self.deployment.state / "logs" / "servers"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / f"{walls.home_name(self.user.name)}.log"


def start_time(pid: int) -> int:
    """Give a process's start in clock ticks since boot, or 0 where it is gone (proc(5), field 22 of stat)."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    except OSError:
        return 0


def listens(pid: int, port: int) -> bool:
    """Whether a process below `pid` listens on 127.0.0.1:`port` (proc_net(5): address, state 0A, inode)."""
    sockets = {
        f"socket:[{fields[9]}]"
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        if (fields := line.split())[1] == f"0100007F:{port:04X}" and fields[3] == "0A"
    }
    for process in descendants(pid) if sockets else ():
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(link.readlink()) in sockets:
                        return True
    return False


def server_command() -> list[str]:
    """Give the command of a single-user server, of the hub's own environment."""
    return [sys.executable, "-m", "jupyterhub.singleuser"]
