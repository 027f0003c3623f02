"""A competition's starter kit, for whoever may see its page."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable

import httpx
import pytest

from datauab.ledger import Ledger
from datauab.settings import Settings

Api = Callable[[str | None], httpx.Client]
PATH = "competitions/bitcoin/starter-kit.zip"


@pytest.fixture
def published(course: Settings) -> None:
    """Put a whole record and three small tables beside what the course has."""
    folder = course.public / "bitcoin"
    record = {
        "name": "bitcoin", "title": "Bitcoin, day by day", "stand_in": False, "source": "a test", "licence": "CC0",
        "rows": {"train": 3, "validation": 3, "test": 2}, "withheld": ["y"], "version": 1, "raw": "r",
        "fingerprint": "f", "baselines": {"mean": 2.0}, "size": 1, "target": "y",
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(record))
    for part in ("train", "validation"):
        (folder / f"{part}.csv").write_text("x,y\n1,1\n2,2\n3,3\n")
    (folder / "test.csv").write_text("x\n4\n5\n")
    (folder / "sample_submission.csv").write_text("id,prediction\n0,2\n1,2\n")


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("name", [None, "ada", "teacher"])
def test_visitors_and_members_get_the_kit(name: str | None, api: Api) -> None:
    answer = api(name).get(PATH)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="bitcoin-starter-kit.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {"README.md", "starter.py", "starter.ipynb", "requirements.txt"} <= set(archive.namelist())
        assert archive.read("data/test.csv") == b"x\n4\n5\n"
        assert "data/dataset.json" not in archive.namelist()
    assert api(name).get(PATH).content == answer.content


@pytest.mark.usefixtures("published")
def test_a_draft_has_no_kit_for_others_than_instructors(api: Api, ledger: Ledger) -> None:
    ledger.withdraw_release("bitcoin", by="teacher")
    assert api(None).get(PATH).status_code == api("ada").get(PATH).status_code == 404
    assert api("teacher").get(PATH).status_code == 200


def test_without_public_data_there_is_none_and_no_folder_is_told(api: Api, course: Settings) -> None:
    answer = api("ada").get(PATH)
    assert answer.status_code == 404
    assert str(course.root) not in answer.text
    assert api("ada").get("competitions/none/starter-kit.zip").status_code == 404
