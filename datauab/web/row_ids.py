"""The ids of competitions' test rows, kept in memory until the prepared data changes."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from threading import Lock

from datauab.competition import Competition
from datauab.errors import DataError
from datauab.settings import Settings
from datauab.submission import Ids, load_ids
from datauab.submission.ids import SAMPLE
from datauab.web.problems import Problem

log = logging.getLogger(__name__)

Mark = tuple[tuple[int, int], ...]


class RowIds:
    """Reads ids from the public folders; threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self._public = settings.public
        self._lock = Lock()
        self._known: dict[str, tuple[Mark, Ids]] = {}

    def of(self, competition: Competition) -> Ids:
        """Ids of the test rows, in the order of the public test features.

        Raises
        ------
        Problem
            503 where the data is not prepared: nobody's predictions can be checked then.
        """
        folder = self._public / competition.dataset
        mark = (_mark(folder / "dataset.json"), _mark(folder / SAMPLE))
        with self._lock:
            known = self._known.get(competition.dataset)
            if known is None or known[0] != mark:
                known = mark, _read(folder, competition)
                self._known[competition.dataset] = known
            return known[1]


def _mark(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (0, 0)
    return stat.st_mtime_ns, stat.st_size


def _read(folder: Path, competition: Competition) -> Ids:
    try:
        rows = int(json.loads((folder / "dataset.json").read_bytes())["rows"]["test"])
        return load_ids(folder, rows)
    except (OSError, ValueError, KeyError, TypeError, DataError) as error:
        log.error("%s: test rows cannot be read: %s; run `./club data prepare %s`", folder, error, competition.dataset)
        raise Problem(
            503,
            "NotPrepared",
            f"the data of {competition.name} is not ready on this machine, so predictions cannot be checked; "
            "nothing was stored; tell an instructor",
        ) from error
