"""``datauab submit``: hand in a file through the club's API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from datauab.errors import ClubError


def submit(
    name: Annotated[str, typer.Argument(help="The competition.")],
    file: Annotated[Path, typer.Argument(help="Predictions (.npy, .csv, .parquet, .pkl, .zip) or the notebook.")],
    url: Annotated[str, typer.Option(help="Address of the club's web service; on the hub it is known.")] = "",
    token: Annotated[str, typer.Option(envvar="JUPYTERHUB_API_TOKEN", help="Token of the hub.", show_envvar=True)] = "",
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the score.")] = 30.0,
) -> None:
    """Hand in FILE for the competition NAME, and show score, rank, attempts left and receipt."""
    from datauab.client.predictions import pack_file
    from datauab.client.service import open_service
    from datauab.client.submitting import news, send

    console = Console(highlight=False, soft_wrap=True, markup=False)
    packed = pack_file(name, file)
    with open_service(f"submit {name}", "nothing can be handed in: no --url", url, token) as service:
        for line in news(service, name):
            console.print(line)
        result = send(service, name, packed, wait)
    console.print(str(result))
    if result.state == "failed":
        raise ClubError(f"attempt {result.attempt} could not be scored; correct it and send it again")
