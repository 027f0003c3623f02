"""A Dask worker in an attacker's hands: it has the cluster's certificates, and sends pickles that leave traces.

Loaded by a real worker with ``--preload``; ``HOSTILE`` names the folder of the traces. A trace is named by the attack
and by the process in which its pickle was read.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from distributed import Client
from distributed.core import connect
from distributed.protocol import to_serialize
from distributed.protocol.pickle import dumps
from distributed.protocol.serialize import ToPickle
from distributed.security import Security

from datauab.autograde import worker as own

FOLDER = os.environ["HOSTILE"]


class Evil:
    """Runs code where it is unpickled."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> Any:
        return eval, (f"open({FOLDER!r} + '/{self.name}-' + str(__import__('os').getpid()), 'w')",)


class EvilError(Exception, Evil):
    """The same as an exception."""

    __reduce__ = Evil.__reduce__


def run_bytes(content: bytes) -> Any:
    """What it sends instead of results."""
    if b"wrong" in content:
        return b"?" + content
    if b"raise" in content:
        error = EvilError()
        error.name = "exception"
        raise error
    return {"nested": [Evil("result")]} if b"nested" in content else Evil("result")


async def dask_setup(worker: Any) -> None:
    own.run_bytes = run_bytes
    asyncio.get_running_loop().call_later(1, lambda: asyncio.ensure_future(attack(worker)))


async def attack(worker: Any) -> None:
    """Everything that a member of the cluster may send."""
    messages = [
        {"op": "identity", "n_workers": ToPickle(Evil("message"))},
        {"op": "identity", "n_workers": to_serialize(Evil("serialized"))},
        {"op": "run_function", "function": dumps(Evil("function"))},
        {"op": "register_scheduler_plugin", "plugin": dumps(Evil("plugin")), "name": "x", "idempotent": False},
        {"op": "feed", "function": dumps(Evil("feed")), "interval": 1},
        {"op": "dump_cluster_state_to_url", "url": f"file://{FOLDER}/dump", "exclude": [], "format": "yaml"},
    ]
    for message in messages:
        try:
            comm = await connect(worker.scheduler.address, **worker.security.get_connection_args("worker"))
            await comm.write(message)
            await asyncio.wait_for(comm.read(), 3)
            comm.abort()
        except Exception as error:  # refused, as it should be
            sys.stderr.write(f"{message['op']}: {error!r}\n")
    worker.log_event("warn", {"message": dumps(Evil("warning")), "category": dumps(Evil("category"))})
    worker.log_event("print", {"args": (ToPickle(Evil("print")),), "sep": " ", "end": "", "file": 1, "flush": True})
    try:
        async with asyncio.timeout(4):
            await send_graph(worker)
    except Exception as error:
        sys.stderr.write(f"graph: {error!r}\n")
    Path(FOLDER, "done").touch()


async def send_graph(worker: Any) -> None:
    """As a grader would, since all members of a cluster share one certificate."""
    known = worker.security
    security = Security(
        tls_ca_file=known.tls_ca_file, tls_client_cert=known.tls_worker_cert, tls_client_key=known.tls_worker_key
    )
    client = await Client(worker.scheduler.address, security=security, asynchronous=True)
    await client.submit(str, Evil("graph"))
