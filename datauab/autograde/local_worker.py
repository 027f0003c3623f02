"""The worker of this machine: ``python -m datauab.autograde.local_worker``.

It begins to load the course's packages at once, and only then Dask's, and asks for its scheduler last: so the packages
are nearly there when the scheduler is. Its settings are the options of `datauab.autograde.worker.dask_setup`; the
scheduler comes as one line of JSON.
"""

from __future__ import annotations

import json
import sys

import click

from datauab.autograde.worker import OPTIONS, begin, end


@click.command(params=OPTIONS)
def main(public: str, gpu_share: int, cold: bool) -> None:
    """Work until the scheduler has gone."""
    begin(public, gpu_share, cold)
    from datauab.autograde.lone_worker import work  # while the packages are loaded

    line = sys.stdin.readline()
    if line:
        work(**json.loads(line), host="127.0.0.1")
    else:
        end()


if __name__ == "__main__":
    main()
