"""What is known of a competition that does not exist yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["real", "class", "probability", "scores"]
KINDS: tuple[Kind, ...] = ("real", "class", "probability", "scores")


@dataclass(frozen=True)
class Plan:
    """What a scaffold is made from.

    Attributes
    ----------
    kind : str
        Of its predictions, as in `datauab.competition.Predictions`.
    target, id : str
        Columns of the table; `id` is empty where it has none.
    classes, class_names : tuple
        The classes as numbers, and as the table names them where those are words.
    common : float or None
        Share of the most frequent class; None where there is no table yet.
    """

    kind: Kind
    target: str = "target"
    id: str = ""
    classes: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()
    common: float | None = None


@dataclass(frozen=True)
class Made:
    """What `scaffold` wrote.

    Attributes
    ----------
    folder : Path
        The assignment's source.
    raw : Path
        Where the CSV files belong.
    has_table : bool
        Whether one lies there already.
    """

    folder: Path
    raw: Path
    has_table: bool
