"""A real PostgreSQL server of one's own, which can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg


class PostgresServer:
    """Debian's server with an empty cluster in a folder of its own; every commit is flushed, as a club's must be."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not found:
            raise FileNotFoundError("no PostgreSQL server: apt-get install postgresql, or -m 'not postgres'")
        self._programs = found[-1]
        self.folder = Path(tempfile.mkdtemp(prefix="club-pg-"))  # not pytest's: the server's account must reach it
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        self._data = self.folder / "data"
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "club", "-E", "UTF8", "--no-sync")
        self.start()

    @property
    def url(self) -> str:
        """SQLAlchemy URL of its database."""
        return f"postgresql:///postgres?host={self.folder}&user=club"

    def start(self) -> None:
        """Start, and recover what was committed before a kill."""
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c max_connections=60"
        end = time.monotonic() + 60
        while True:
            try:
                self._run("pg_ctl", "-D", self._data, "-l", self.folder / "log", "-w", "-o", options, "start")
                break
            except RuntimeError:  # the last children of a killed server may still hold its shared memory
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        with psycopg.connect(f"host={self.folder} user=club dbname=postgres") as connection:
            connection.execute("SELECT 1")

    def kill(self) -> None:
        """End the server and all of its children as a power cut would."""
        parent = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for pid in (parent, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def remove(self) -> None:
        """Stop for good."""
        with contextlib.suppress(RuntimeError):
            self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str | Path) -> None:
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*user, str(self._programs / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
