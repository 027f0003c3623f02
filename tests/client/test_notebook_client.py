"""What notebooks of the course call: data, a check of predictions, the board."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import datauab
from datauab import datasets
from datauab.competition import load_competitions
from datauab.datasets.publishing import put_file
from datauab.errors import ClubError, DataError, InvalidSubmission
from datauab.settings import Settings

SECRET = b"s" * 32
TABLES = ("bitcoin", "got")


@pytest.fixture(scope="module")
def public(tmp_path_factory, raw, checkout) -> Path:
    """Prepare the two tables, and stand-ins of the image data, with the course's own competitions."""
    settings = Settings(root=tmp_path_factory.mktemp("course"), raw=raw)
    competitions = load_competitions(checkout / "source")
    for name in ("bitcoin", "got", "mnist", "lesions"):
        prepared = datasets.prepare(settings, name, SECRET, stand_in=name not in TABLES)
        put_file(prepared.public_dir, "competition.json", competitions[name].model_dump_json().encode())
    return settings.public


@pytest.fixture(autouse=True)
def student(public, monkeypatch) -> None:
    """Stand where a student's notebook stands."""
    monkeypatch.setenv("DATAUAB_PUBLIC", str(public))
    monkeypatch.delenv("DATAUAB_WEB_URL", raising=False)


def test_the_package_itself_is_light(checkout):
    program = (
        "import sys, datauab; print([name for name in ('pandas', 'torch', 'httpx', 'numpy') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], cwd=checkout, text=True).strip() == "[]"
    checkpoints = {"load_checkpoint", "save_checkpoint", "save_predictions"}
    assert set(dir(datauab)) == {"check", "leaderboard", "load", "submit"} | checkpoints
    with pytest.raises(AttributeError, match="it offers check, leaderboard, load, load_checkpoint"):
        _ = datauab.train


def test_tables_are_loaded(public):
    bitcoin, got = datauab.load("bitcoin"), datauab.load("got")
    assert (len(bitcoin.train), len(bitcoin.validation), len(bitcoin.test)) == (2336, 292, 292)
    assert "btc_market_price" in bitcoin.train
    assert "btc_market_price" not in bitcoin.test
    assert got.validation is None
    assert len(got.test) == 389
    assert not got.stand_in
    assert got.path == public / "got"


def test_images_are_loaded_and_marked_as_made_up():
    digits = datauab.load("mnist")
    assert digits.train[0].shape[1:] == digits.test.shape[1:] == (28, 28)
    assert len(digits.train[0]) == len(digits.train[1])
    assert len(digits.test) == 10_000
    assert digits.train[1].dtype == np.int64
    assert digits.stand_in


def test_image_folders_are_loaded(public):
    lesions = datauab.load("lesions")
    assert lesions.classes == ("AKIEC", "BCC", "BKL", "DF", "MEL", "NV", "VASC")
    assert sorted(path.name for path in lesions.validation.iterdir()) == list(lesions.classes)
    assert lesions.test == public / "lesions" / "test"
    assert lesions.stand_in


@pytest.mark.parametrize("name", ["iris", "..", "../bitcoin", "", "/etc"])
def test_another_name_is_refused(name):
    with pytest.raises(DataError, match="expected"):
        datauab.load(name)


def test_right_predictions_are_told_so_in_one_line(public, capsys):
    for name in ("bitcoin", "got", "mnist", "lesions"):
        assert datauab.check(name, np.load(public / name / "sample_submission.npy")) is True
        out = capsys.readouterr().out
        assert out.startswith("predictions look right: ")
        assert out.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "predictions", "words"),
    [
        ("bitcoin", np.zeros(291), "292"),
        ("bitcoin", np.where(np.arange(292) == 7, np.nan, 1.0), "7"),
        ("got", np.where(np.arange(389) == 5, 1.5, 0.5), "5"),
        ("mnist", np.where(np.arange(10_000) == 3, 11, 1), "11"),
        ("bitcoin", ["many"] * 292, "number"),
    ],
)
def test_wrong_predictions_are_refused_with_what_was_found(name, predictions, words):
    with pytest.raises(InvalidSubmission, match=words):
        datauab.check(name, predictions)


def test_the_operators_own_notebook_finds_the_course(public, monkeypatch, tmp_path):
    monkeypatch.delenv("DATAUAB_PUBLIC")
    monkeypatch.setenv("DATAUAB_ROOT", str(public.parents[1]))
    assert len(datauab.load("got").test) == 389


class Board(BaseHTTPRequestHandler):
    """Answers as the club's API does."""

    rows = (
        {"rank": 1, "name": "Ada", "score": 0.9, "attempts": 3, "last_improvement": "2026-10-01T10:00:00Z"},
        {"rank": None, "name": "Always the mean", "score": 0.0, "attempts": 1, "last_improvement": None},
    )

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != "token mine":
            status, body = 403, {"error": "Forbidden", "message": "who are you? Sign in"}
        elif self.path != "/services/club/api/v1/competitions/bitcoin/leaderboard":
            status, body = 404, {"error": "NotFound", "message": "no such competition"}
        else:
            status, body = 200, {"competition": "bitcoin", "rows": self.rows}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture
def club(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Board) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DATAUAB_WEB_URL", f"http://127.0.0.1:{server.server_port}/services/club/")
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "mine")
        yield server
        server.shutdown()


def test_the_board_is_a_table(club):
    board = datauab.leaderboard("bitcoin")
    assert list(board.columns) == ["rank", "name", "score", "attempts", "last_improvement"]
    assert list(board["name"]) == ["Ada", "Always the mean"]
    assert board["rank"].isna().tolist() == [False, True]
    assert board["last_improvement"][0] == pd.Timestamp("2026-10-01T10:00:00Z")


def test_the_clubs_own_words_reach_the_student(club, monkeypatch):
    with pytest.raises(ClubError, match="no such competition"):
        datauab.leaderboard("chess")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "stolen")
    with pytest.raises(ClubError, match="who are you"):
        datauab.leaderboard("bitcoin")


def test_without_a_hub_the_board_says_where_to_look(monkeypatch):
    with pytest.raises(ClubError, match="no leaderboard here"):
        datauab.leaderboard("bitcoin")
    monkeypatch.setenv("DATAUAB_WEB_URL", "http://127.0.0.1:9/services/club/")
    with pytest.raises(ClubError, match="does not answer"):
        datauab.leaderboard("bitcoin")
