"""Writes a scaffold into the course, whole or not at all."""

from __future__ import annotations

import re
import shutil
import tempfile
from datetime import date
from pathlib import Path

from datauab.competition import load_competition
from datauab.datasets import DATASETS
from datauab.errors import ConfigurationError
from datauab.keys import give_to_folders_owner
from datauab.scaffold.description import describe
from datauab.scaffold.post import cover, notebook
from datauab.scaffold.records import Made, Plan
from datauab.settings import Settings


def scaffold(
    settings: Settings, name: str, plan: Plan, *, title: str = "", table: Path | None = None, today: date | None = None
) -> Made:
    """Write ``source/<name>/``, and put the table where only the club's own programs read it.

    Parameters
    ----------
    title : str
        Shown to people; made from the name by default.
    table : Path, optional
        CSV file, copied to ``gradebook/raw/<name>/``: it holds the truth of the rows that will be hidden.
    today : date, optional
        When the competition opens.

    Raises
    ------
    ConfigurationError
        Where the name is no name of a folder, or is taken.
    """
    _refuse_where_taken(settings, name)
    raw = settings.own_raw / name
    settings.source.mkdir(parents=True, exist_ok=True)
    chosen = title or name.replace("-", " ").replace("_", " ").capitalize()
    with tempfile.TemporaryDirectory(dir=settings.source, prefix=".new-") as temporary:
        folder = Path(temporary) / name
        (folder / "img").mkdir(parents=True)
        text = describe(name, chosen, plan, author=settings.club, today=today or date.today())  # noqa: DTZ011 - a day
        (folder / "competition.toml").write_text(text, encoding="utf-8")
        (folder / "img" / "cover.svg").write_text(cover(chosen), encoding="utf-8")
        (folder / f"{name}.ipynb").write_text(notebook(load_competition(folder), plan), encoding="utf-8")
        _make_private(settings, raw)
        if table is not None:
            shutil.copyfile(table, raw / f"{name}.csv")
            (raw / f"{name}.csv").chmod(0o600)
            give_to_folders_owner(raw / f"{name}.csv")
        folder.rename(settings.source / name)
    for path in (settings.source / name, *(settings.source / name).rglob("*")):
        give_to_folders_owner(path)
    return Made(settings.source / name, raw, table is not None)


def _refuse_where_taken(settings: Settings, name: str) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise ConfigurationError(f"name {name!r}: expected lower-case letters, digits, '-' and '_'")
    if name in DATASETS:
        raise ConfigurationError(f"name {name!r} is that of a dataset of the club; choose another")
    for folder in (settings.source, settings.public, settings.solutions):
        if (folder / name).exists():
            raise ConfigurationError(f"{folder / name} is there already; choose another name, or remove it")


def _make_private(settings: Settings, raw: Path) -> None:
    for folder in (settings.own_raw, raw):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        give_to_folders_owner(folder)
