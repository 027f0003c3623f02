"""The nbgrader course: its configuration, and generating and releasing its assignments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from traitlets.config import Config

from datauab import gradebook
from datauab.archive import make_archive
from datauab.errors import ClubError
from datauab.ledger import Ledger
from datauab.settings import Settings

#: Files of an assignment's source folder that describe the competition, not the assignment.
NOT_FOR_STUDENTS = ("competition.toml", "metric.py")

IGNORE = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", ".receipts", ".attempt", *NOT_FOR_STUDENTS]


def configure_course(c: Any, settings: Settings) -> None:
    """Set nbgrader's course identity, folders and database on `c`.

    Parameters
    ----------
    c : traitlets.config.Config
        What `get_config` returns in ``nbgrader_config.py``.
    settings : Settings
        The deployment.
    """
    c.CourseDirectory.course_id = settings.course
    c.CourseDirectory.root = str(settings.root)
    c.CourseDirectory.db_url = gradebook.url(settings)
    c.CourseDirectory.ignore = IGNORE
    c.NbGrader.logfile = ""


def course_config(settings: Settings) -> Config:
    """Give the course's configuration as nbgrader's own commands see it from the course's root."""
    from datauab.autograde.config import configure_autograde
    from datauab.exchange import configure_exchange

    config = Config()
    configure_course(config, settings)
    configure_exchange(config)
    configure_autograde(config)
    return config


def assignments(settings: Settings) -> list[str]:
    """Name the assignments of ``source/``, sorted."""
    return sorted(path.parent.name for path in settings.source.glob("*/*.ipynb") if path.stem == path.parent.name)


def generate(settings: Settings, name: str, release: Path | None = None) -> Path:
    """Make the student version of an assignment, as ``nbgrader generate_assignment`` does.

    Parameters
    ----------
    settings : Settings
        The deployment.
    name : str
        The assignment.
    release : Path, optional
        Folder that gets ``<name>/``; the course's ``release/`` by default.

    Returns
    -------
    Path
        The folder of the student version.

    Raises
    ------
    ClubError
        Where nbgrader refuses the notebook; its reason is in the message.
    """
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory

    gradebook.ensure_course(settings)
    config = course_config(settings)
    config.CourseDirectory.assignment_id = name
    if release is not None:
        config.CourseDirectory.release_directory = str(release)
    converter = GenerateAssignment(coursedir=CourseDirectory(config=config), config=config)
    converter.force = True
    try:
        converter.start()
    except NbGraderException as error:
        raise ClubError(
            f"{settings.source / name}: nbgrader could not generate the assignment: {error}; "
            f"run `nbgrader generate_assignment {name} --debug` from {settings.root} to see the cell"
        ) from error
    return (release or settings.root / "release") / name


def release_archive(settings: Settings, name: str) -> bytes:
    """Pack ``release/<name>/`` as students fetch it."""
    folder = settings.root / "release" / name
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in NOT_FOR_STUDENTS and ".ipynb_checkpoints" not in path.parts
    }
    if f"{name}.ipynb" not in files:
        raise ClubError(f"{folder}: expected {name}.ipynb, found {sorted(files) or 'nothing'}; generate it first")
    return make_archive(files)


def ensure_released(settings: Settings, ledger: Ledger, announce: Callable[[str], None]) -> list[str]:
    """Generate and release each assignment that was never released.

    What an instructor released, withdrew or is still writing stays as it is.

    Parameters
    ----------
    settings : Settings
        The deployment.
    ledger : Ledger
        Where releases are recorded.
    announce : callable
        Told the name of each assignment before work on it begins.

    Returns
    -------
    list of str
        The assignments released now.
    """
    new = sorted(set(assignments(settings)) - ledger.ever_released())
    for name in new:
        announce(name)
        generate(settings, name)
        ledger.publish_release(name, release_archive(settings, name), by="operator")
    return new
