"""Starter kits: the public data of a competition, and a short notebook and script that make a first submission.

A kit needs nothing of the club: numpy, pandas, scikit-learn and Pillow are enough. It holds no labels and no scoring
code, since it is made from the published folder alone.
"""

from __future__ import annotations

from pathlib import Path

from datauab.competition import Competition
from datauab.datasets.records import read_manifest
from datauab.settings import Settings
from datauab.starter.cells import Cell, Form, cells, to_notebook, to_script
from datauab.starter.packing import kits_folder, packed
from datauab.starter.telling import readme

__all__ = ["Cell", "Form", "cells", "form_of", "kit", "kit_file", "kits_folder", "texts", "to_notebook", "to_script"]

REQUIREMENTS = "numpy>=1.26\npandas>=2.1\nscikit-learn>=1.4\npillow>=10\n"


def kit(settings: Settings, competition: Competition) -> bytes:
    """The starter kit of `competition` as a zip archive; the same bytes while data and description are the same.

    Raises
    ------
    DataError
        Where the public data is not prepared, or is too large for a kit.
    """
    return kit_file(settings, competition).read_bytes()


def kit_file(settings: Settings, competition: Competition) -> Path:
    """The starter kit as a file, made once and kept below ``<state>/starter-kits`` until data or description change.

    Raises
    ------
    DataError
        Where the public data is not prepared, or is too large for a kit.
    """
    files = {name: text.encode() for name, text in texts(settings, competition).items()}
    return packed(kits_folder(settings.state), competition.name, files, settings.public / competition.dataset)


def texts(settings: Settings, competition: Competition) -> dict[str, str]:
    """What a kit holds beside the data, by path: README, requirements, and script and notebook where there can be any.

    Raises
    ------
    DataError
        Where the public data is not prepared.
    """
    folder = settings.public / competition.dataset
    manifest = read_manifest(folder)
    form = form_of(folder)
    possible = (
        form is not None and competition.predictions.kind != "files" and bool(manifest.target or form != "tables")
    )
    found = {"README.md": readme(competition, manifest, club=settings.club, has_script=possible)}
    if form is not None and possible:
        parts = cells(competition, manifest, form, has_validation=_has_validation(folder, form))
        found |= {"starter.py": to_script(parts), "starter.ipynb": to_notebook(parts), "requirements.txt": REQUIREMENTS}
    return found


def form_of(folder: Path) -> Form | None:
    """The form of published data; None where it is another one."""
    if (folder / "train.csv").is_file() and (folder / "test.csv").is_file():
        return "tables"
    if (folder / "train_images.npy").is_file():
        return "arrays"
    return "folders" if (folder / "train").is_dir() and (folder / "test").is_dir() else None


def _has_validation(folder: Path, form: Form) -> bool:
    names = {"tables": "validation.csv", "arrays": "validation_images.npy", "folders": "validation"}
    return (folder / names[form]).exists()
