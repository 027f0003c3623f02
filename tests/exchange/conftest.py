"""A course, the web service in front of its ledger, and people who use it through nbgrader's own classes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from exchange_people import COURSE, TOML, Door, Person, Served, notebook_bytes

from datauab.settings import Settings, load_settings


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """Make a course with one assignment, as ``generate_assignment`` leaves it."""
    root = tmp_path / "course"
    for stage in ("source", "release"):
        folder = root / stage / "greeting"
        (folder / "img").mkdir(parents=True)
        (folder / "greeting.ipynb").write_bytes(notebook_bytes())
        (folder / "img" / "cover.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (root / "gradebook").mkdir()
    (root / "source" / "greeting" / "competition.toml").write_text(TOML)
    (root / "nbgrader_config.py").write_text(
        "from datauab.exchange import configure_exchange\n"
        "c = get_config()\n"
        f"configure_exchange(c, {COURSE!r})\n"
        f"c.CourseDirectory.root = {str(root)!r}\n"
        f"c.CourseDirectory.db_url = 'sqlite:///{root}/gradebook/gradebook.db'\n"
    )
    return root


@pytest.fixture
def settings(course: Path) -> Settings:
    """Give the settings of that course."""
    return load_settings(course)


@pytest.fixture
def door(settings: Settings) -> Iterator[Door]:
    """Start the real web service over the real ledger, with tokens of the form ``token-NAME``."""
    from datauab.ledger import Ledger
    from datauab.web.app import create_app
    from datauab.web.auth import Identity, SignIn

    class Names:
        cookie_name = "service-club"
        hub_prefix = "/hub/"

        async def identify(self, token: str, session_id: str = "") -> Identity | None:
            name = token.removeprefix("token-")
            return Identity(name, instructor=name == "teacher") if token.startswith("token-") else None

        def begin(self, next_url: str) -> SignIn:
            return SignIn(url="/hub/login", state="state")

        async def finish(self, code: str, state: str) -> tuple[str, str] | None:
            return None

    with Ledger.open(settings) as ledger, Served(create_app(settings, ledger, Names())) as served:
        yield Door(f"http://127.0.0.1:{served.port}{settings.web_prefix}", ledger)


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make this process one that no hub started, with a home of its own."""
    for key in list(os.environ):
        if key.startswith(("JUPYTERHUB_", "DATAUAB_")):
            monkeypatch.delenv(key)
    monkeypatch.setenv("HOME", str(tmp_path))
    # nbgrader calls alembic by its bare name, as from an activated environment
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def person(tmp_path: Path, course: Path, stranger: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Person]:
    """Give a maker of people: ``person(name, address)``; without an address nobody answers."""

    def make(name: str, address: str) -> Person:
        return Person(name, tmp_path / "homes" / name, course, address, monkeypatch)

    return make


@pytest.fixture
def teacher(person: Callable[..., Person], door: Door) -> Person:
    """Give the instructor, who has released the assignment."""
    someone = person("teacher", door.address)
    someone.do("ReleaseAssignment")
    return someone


@pytest.fixture
def ada(person: Callable[..., Person], door: Door, teacher: Person) -> Person:
    """Give a student."""
    return person("ada", door.address)


@pytest.fixture
def bob(person: Callable[..., Person], door: Door, teacher: Person) -> Person:
    """Give another student."""
    return person("bob", door.address)
