"""A scheduler that does nothing for a member of its cluster but hand runs on, and a client that takes any answer.

Dask lets any member run functions in its scheduler, or have it write files of any name. A scheduler may run under the
grader's own account, and a worker may be in anybody's hands.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Scheduler
from distributed.security import Security

from datauab.autograde.certificates import certificate_files
from datauab.autograde.cluster_pickle import Refused, guard_process, guarded_loads

NEEDED = frozenset(
    {
        "gather", "get_metadata", "heartbeat_worker", "identity", "ncores", "register-client", "register-worker",
        "register_nanny", "retire_workers", "set_metadata", "subscribe_worker_status", "terminate", "unregister",
        "versions", "who_has",
    }
)  # fmt: skip
"""All that graders and workers ask a scheduler for."""

NEEDED_STREAMS = frozenset(
    {
        "add-keys", "cancel-keys", "client-desires-keys", "client-releases-keys", "close-client", "heartbeat-client",
        "keep-alive", "log-event", "long-running", "release-worker-data", "request-refresh-who-has", "reschedule",
        "subscribe-topic", "task-erred", "task-finished", "unsubscribe-topic", "update-graph", "worker-status-change",
    }
)  # fmt: skip
"""The same of what comes along an open connection."""


class GuardedScheduler(Scheduler):
    """Knows no other request than `NEEDED` and `NEEDED_STREAMS`; the process has to be guarded as well."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for known, needed in ((self.handlers, NEEDED), (self.stream_handlers, NEEDED_STREAMS)):
            for name in known.keys() - needed:
                del known[name]


class GuardedClient(Client):
    """Takes what a worker calls an exception for the end of a run, whatever it is.

    Dask's own client stops in the middle where it is none, and the run would never end.
    """

    def _handle_task_erred(self, key: Any = None, exception: object = None, traceback: object = None) -> None:
        if isinstance(exception, bytes | bytearray):
            with contextlib.suppress(Exception):  # whatever is wrong with it
                exception = guarded_loads(bytes(exception))
        if not isinstance(exception, BaseException):
            exception = Refused()
        super()._handle_task_erred(key=key, exception=exception, traceback=None)


def main(arguments: Sequence[str]) -> None:
    """Serve a cluster until told to end: ``python -m datauab.autograde.cluster_guard FOLDER HOST PORT``."""
    from datauab.autograde.cluster_main import DASK_SETTINGS

    guard_process()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s scheduler %(levelname)s %(message)s", force=True)
    with dask.config.set(DASK_SETTINGS):
        asyncio.run(_serve(Path(arguments[0]), arguments[1], int(arguments[2])))


async def _serve(certificates: Path, host: str, port: int) -> None:
    ca, cert, key = certificate_files(certificates)
    security = Security(tls_ca_file=ca, tls_scheduler_cert=cert, tls_scheduler_key=key, require_encryption=True)
    where = {"host": host or None, "port": port, "dashboard_address": "127.0.0.1:0"}
    async with GuardedScheduler(protocol="tls://", security=security, dashboard=False, **where) as scheduler:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, lambda: asyncio.ensure_future(scheduler.close(reason="told to end")))
        await scheduler.finished()


if __name__ == "__main__":
    main(sys.argv[1:])
