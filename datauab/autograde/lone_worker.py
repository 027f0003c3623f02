"""One worker of Dask's in this process, without the nanny that Dask's own command starts beside it.

A nanny starts a second Python and loads Dask twice, which a worker of one core is slow at; whoever starts this process
starts another one where it ends. Imported late: it loads Dask.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from tempfile import gettempdir
from typing import Any

import dask
from distributed import Worker
from distributed.security import Security

import datauab.autograde.student  # noqa: F401  while the zygote loads its packages
from datauab.autograde.cluster_main import DASK_SETTINGS, NOWHERE
from datauab.autograde.worker import end

_END_S = 5  # how long a notebook that is told to end may take


def work(scheduler: str, ca_file: str, cert: str, key: str, local_directory: str | None = None, **options: Any) -> None:
    """Work until the scheduler has gone, or this process is told to end (SIGTERM); then end the zygote.

    Parameters
    ----------
    scheduler : str
        Address; begins with ``tls://``.
    ca_file, cert, key : str
        Paths of the cluster's certificates.
    local_directory : str, optional
        Where Dask may write; a temporary folder by default.
    **options
        More for `distributed.Worker`.
    """
    logging.getLogger("distributed").setLevel(logging.ERROR)
    security = Security(require_encryption=True, tls_ca_file=ca_file, tls_worker_cert=cert, tls_worker_key=key)
    try:
        with dask.config.set(DASK_SETTINGS):
            asyncio.run(_work(scheduler, security, {"local_directory": local_directory or gettempdir(), **options}))
    finally:
        signal.alarm(_END_S)  # ends this process, whatever its threads wait for
        end()


async def _work(scheduler: str, security: Security, options: dict[str, Any]) -> None:
    async with Worker(
        scheduler,
        security=security,
        protocol="tls://",
        memory_limit=0,
        dashboard=False,
        dashboard_address=NOWHERE,
        silence_logs=logging.ERROR,
        **options,
    ) as worker:

        def close() -> None:
            closing.append(asyncio.ensure_future(worker.close(executor_wait=False, reason="told to end")))

        closing: list[asyncio.Future[str | None]] = []
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, close)
        await worker.finished()
