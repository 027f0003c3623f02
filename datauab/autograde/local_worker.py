"""The worker of this machine: ``python -m datauab.autograde.local_worker``.

It begins to load the course's packages at once, and only then Dask's, and asks for its scheduler last: so the packages
are nearly there when the scheduler is. Its settings are the options of `datauab.autograde.worker.dask_setup`; the
scheduler comes as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import tempfile
from typing import Any

from datauab.autograde.worker import begin, end


def main() -> None:
    """Work until the scheduler has gone."""
    begin.main(sys.argv[1:], standalone_mode=False)
    import dask
    import distributed.worker  # noqa: F401  while the packages are loaded

    import datauab.autograde.student  # noqa: F401
    from datauab.autograde.cluster_main import DASK_SETTINGS

    logging.getLogger("distributed").setLevel(logging.ERROR)
    line = sys.stdin.readline()
    if line:
        with dask.config.set(DASK_SETTINGS):
            asyncio.run(_work(json.loads(line)))
    end()


async def _work(given: dict[str, Any]) -> None:
    from distributed import Worker
    from distributed.security import Security

    tls = given["tls"]
    security = Security(
        require_encryption=True,
        tls_ca_file=tls["ca_file"],
        tls_worker_cert=tls["cert"],
        tls_worker_key=tls["key"],
    )
    async with Worker(
        given["scheduler"],
        name=given["name"],
        nthreads=given["nthreads"],
        resources=given["resources"],
        security=security,
        host="127.0.0.1",
        protocol="tls://",
        memory_limit=0,
        dashboard=False,
        dashboard_address="127.0.0.1:0",
        local_directory=tempfile.gettempdir(),
        silence_logs=logging.ERROR,
    ) as worker:

        def close() -> None:
            closing.append(asyncio.ensure_future(worker.close(executor_wait=False, reason="told to end")))

        closing: list[asyncio.Future[str | None]] = []
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, close)
        await worker.finished()


if __name__ == "__main__":
    main()
