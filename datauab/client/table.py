"""The public leaderboard as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datauab.client.service import open_service

if TYPE_CHECKING:
    import pandas as pd


def leaderboard(name: str) -> pd.DataFrame:
    """Read a competition's public leaderboard.

    Parameters
    ----------
    name : str
        The competition.

    Returns
    -------
    DataFrame
        One row a member or baseline: ``rank`` (none for baselines), ``name``, ``score``, ``attempts``,
        ``last_improvement`` (UTC).

    Raises
    ------
    ClubError
        Where there is no hub, as while being graded, or it does not answer.
    """
    import pandas as pd

    with open_service(f"leaderboard of {name}", "no leaderboard here") as service:
        answer = service.get(f"competitions/{name}/leaderboard")
    columns = ["rank", "name", "score", "attempts", "last_improvement"]
    board = pd.DataFrame(answer["rows"], columns=columns)
    board["rank"] = board["rank"].astype("Int64")
    board["last_improvement"] = pd.to_datetime(board["last_improvement"], utc=True)
    return board
