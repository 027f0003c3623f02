"""Archives from a server or a student that try to leave their folder, on every way by which files are written."""

from __future__ import annotations

import io
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from exchange_people import Answer, Door, Fake, Person, Served, notebook_bytes
from nbgrader.exchange.abc import ExchangeError

from datauab.archive import make_archive

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def pack(*entries: tuple[str, bytes, int]) -> bytes:
    """Make a zip of (name, content, mode) as no honest program would."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a name that is there twice, on purpose
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


PLAIN = stat.S_IFREG | 0o644
GOOD = ("greeting.ipynb", notebook_bytes(), PLAIN)
HOSTILE = {
    "up": pack(GOOD, ("../evil", b"x", PLAIN)),
    "deep up": pack(GOOD, ("a/b/../../../../evil", b"x", PLAIN)),
    "absolute": pack(GOOD, ("/tmp/evil", b"x", PLAIN)),
    "backslash": pack(GOOD, ("..\\evil", b"x", PLAIN)),
    "link": pack(GOOD, ("evil", b"/etc/passwd", stat.S_IFLNK | 0o777)),
    "through a link": pack(GOOD, ("evil", b"/tmp", stat.S_IFLNK | 0o777), ("evil/evil", b"x", PLAIN)),
    "device": pack(GOOD, ("evil", b"", stat.S_IFCHR | 0o666)),
    "twice": pack(GOOD, GOOD),
    "many": pack(GOOD, *((f"evil{number}", b"", PLAIN) for number in range(1001))),
    "no zip": b"<html>evil</html>",
    "cut short": make_archive({"greeting.ipynb": notebook_bytes()})[:-30],
    "nothing": b"",
}


@pytest.fixture(params=HOSTILE)
def hostile(request: pytest.FixtureRequest) -> bytes:
    """Give each hostile archive in turn."""
    return HOSTILE[request.param]


@pytest.fixture
def lying(hostile: bytes) -> Iterator[str]:
    """Start a server whose every archive is the hostile one; gives its address."""
    submission = {
        "id": 1,
        "assignment": "greeting",
        "student": "ada",
        "timestamp": NOW.strftime("%Y-%m-%d %H:%M:%S.%f UTC"),
        "received_at": NOW.isoformat(),
        "state": "scored",
        "has_feedback": True,
    }

    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        if path.endswith("/assignments"):
            return 200, [{"name": "greeting"}]
        if path.endswith("/submissions"):
            return 200, [submission]
        return 200, hostile

    with Served(Fake(answer)) as served:
        yield f"http://127.0.0.1:{served.port}/services/club/"


def everything(folder: Path) -> set[str]:
    """Give all that lies below `folder`, without what the tests' own work leaves."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("action", ["FetchAssignment", "FetchFeedback", "Collect"])
def test_a_hostile_archive_writes_nothing_anywhere(
    person: Callable[..., Person], lying: str, tmp_path: Path, action: str
) -> None:
    someone = person("ada", lying)
    before = everything(tmp_path)
    with pytest.raises(ExchangeError):
        someone.do(action)
    new = {path for path in everything(tmp_path) - before if (tmp_path / path).is_file()}
    assert new == set()
    assert not Path("/tmp/evil").exists()


def test_missing_files_are_not_replaced_from_a_hostile_archive(
    person: Callable[..., Person], lying: str, tmp_path: Path
) -> None:
    someone = person("ada", lying)
    (someone.home / "greeting").mkdir()
    before = everything(tmp_path)
    with pytest.raises(ExchangeError):
        someone.do("FetchAssignment", replace_missing_files=True)
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", ["../ada", "..", "/etc", ".ssh", "a/b"])
@pytest.mark.parametrize("field", ["student", "assignment", "timestamp"])
def test_a_name_from_the_server_never_becomes_a_way_out(
    person: Callable[..., Person], tmp_path: Path, field: str, name: str
) -> None:
    submission = {
        "id": 1,
        "assignment": "greeting",
        "student": "ada",
        "timestamp": "2026-05-01 12:00:00.000000 UTC",
        "received_at": NOW.isoformat(),
        "state": "scored",
        "has_feedback": True,
        field: name,
    }
    archive = make_archive({"greeting.ipynb": notebook_bytes(), "greeting.html": b"x"})

    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        return (200, [submission]) if path.endswith("/submissions") else (200, archive)

    with Served(Fake(answer)) as served:
        someone = person("ada", f"http://127.0.0.1:{served.port}/services/club/")
        before = everything(tmp_path)
        for action in ("FetchFeedback", "Collect"):
            with pytest.raises(ExchangeError, match="does not understand"):
                someone.do(action, "" if action == "FetchFeedback" else "greeting")
        assert everything(tmp_path) == before


def test_an_assignment_name_from_the_command_line_stays_in_the_home(ada: Person, door: Door) -> None:
    for name in ("../greeting", "/etc", ".", ".."):
        with pytest.raises(ExchangeError):
            ada.do("FetchAssignment", name)
        with pytest.raises(ExchangeError):
            ada.do("Submit", name)
    assert door.ledger.attempts() == []
