"""The competitions of the course as the pages show them, read again when a file changes."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from pydantic import BaseModel, ConfigDict, ValidationError

from datauab.competition import Competition, load_competition
from datauab.errors import ConfigurationError
from datauab.settings import Settings

log = logging.getLogger(__name__)

COVER_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".svg": "image/svg+xml",
}


class DatasetNote(BaseModel):
    """What a page tells about the data: the part of ``dataset.json`` that visitors may read."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    title: str = ""
    stand_in: bool = False
    source: str = ""
    licence: str = ""
    rows: dict[str, int] = {}


@dataclass(frozen=True)
class Cover:
    """The cover image of a competition."""

    path: Path
    media_type: str


class Catalogue:
    """Reads ``source/*/competition.toml``; a file that turns bad keeps its last good content and is logged."""

    def __init__(self, settings: Settings) -> None:
        self._source = settings.source
        self._public = settings.public
        self._lock = Lock()
        self._known: dict[str, tuple[tuple[int, int], Competition | None]] = {}

    def all(self) -> list[Competition]:
        """Every competition, the newest first."""
        names = {path.parent.name for path in self._source.glob("*/competition.toml")}
        with self._lock:
            for gone in set(self._known) - names:
                del self._known[gone]
            found = [self._read(name) for name in names]
        return sorted((one for one in found if one), key=lambda one: (-one.date.toordinal(), one.name))

    def get(self, name: str) -> Competition | None:
        """The competition of that name, or None; any text may be asked for."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
            return None
        with self._lock:
            return self._read(name)

    def cover(self, competition: Competition) -> Cover | None:
        """The one file of ``source/`` that is served: the image that the description names, below ``img/``.

        None where there is none, where its name leads elsewhere (also by a link), or where it is no image.
        """
        folder = self._source / competition.name / "img"
        path = folder / Path(competition.cover).name
        media_type = COVER_TYPES.get(path.suffix.lower())
        if media_type is None or path.is_symlink() or folder.is_symlink() or not path.is_file():
            return None
        return Cover(path, media_type)

    def dataset(self, competition: Competition) -> DatasetNote | None:
        """What the prepared data says about itself, or None where it is not prepared."""
        path = self._public / competition.dataset / "dataset.json"
        try:
            return DatasetNote.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, ValidationError) as error:
            log.warning("%s cannot be read: %s; run `./club data prepare %s`", path, error, competition.dataset)
            return None

    def _read(self, name: str) -> Competition | None:
        path = self._source / name / "competition.toml"
        try:
            stat = path.stat()
        except OSError:
            self._known.pop(name, None)
            return None
        mark = (stat.st_mtime_ns, stat.st_size)
        before = self._known.get(name)
        if before and before[0] == mark:
            return before[1]
        try:
            competition: Competition | None = load_competition(path.parent)
        except (ConfigurationError, OSError) as error:
            competition = before[1] if before else None
            log.error("%s; %s", error, "its last good content stays in use" if competition else "it is not shown")
        self._known[name] = (mark, competition)
        return competition
