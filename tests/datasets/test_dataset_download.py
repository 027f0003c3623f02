"""Downloads from a real server on this machine: resumed, started again, refused."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from datauab.datasets.download import download, from_kaggle
from datauab.errors import DataError
from tests.ports import free_port

CONTENT = bytes(range(256)) * 20_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `content` at every path; breaks off after `breaks` bytes, so often as that has entries."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.etag = '"one"'
        self.ranges = True
        self.status = 200
        self.breaks: list[int] = []
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    """Answers as object stores do: ranges, If-Range, ETag."""

    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        content, start = self.server.content, 0
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        if wanted and self.server.ranges and self.headers.get("If-Range") == self.server.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
        else:
            self.send_response(200)
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + self.server.breaks.pop(0) if self.server.breaks else len(content)
        self.wfile.write(content[start:end])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file_arrives_with_progress(server, tmp_path):
    told = []
    target = tmp_path / "cache" / "file.bin"
    path, notes = download((server.url + "file.bin",), target, SHA256, lambda *words: told.append(words))
    assert path == target
    assert target.read_bytes() == CONTENT
    assert notes == []
    assert told[-1] == ("downloading file.bin", len(CONTENT), len(CONTENT))
    assert left(target.parent) == ["file.bin"]


def test_a_transfer_that_breaks_off_is_resumed(server, tmp_path):
    server.breaks = [1_000_000, 2_000_000]
    path, _ = download((server.url,), tmp_path / "file.bin", SHA256)
    assert path is not None
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000000-", "bytes=3000000-"]
    assert left(tmp_path) == ["file.bin"]


def test_a_later_process_resumes_what_an_earlier_one_began(server, tmp_path):
    server.breaks = [1_000_000, 1, 1]
    path, notes = download((server.url,), tmp_path / "file.bin", SHA256)
    assert path is None
    assert "1000002 bytes" in notes[0]
    path, _ = download((server.url,), tmp_path / "file.bin", SHA256)
    assert path is not None
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=1000002-"


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_etag_it_starts_again(server, tmp_path, etag):
    server.etag, server.breaks = etag, [1_000_000]
    path, _ = download((server.url,), tmp_path / "file.bin", SHA256)
    assert path is not None
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_a_file_that_changed_meanwhile_is_fetched_whole(server, tmp_path):
    server.breaks = [1_000_000, 1, 1]
    assert download((server.url,), tmp_path / "file.bin", SHA256)[0] is None
    server.content, server.etag = CONTENT[::-1], '"two"'
    path, _ = download((server.url,), tmp_path / "file.bin", hashlib.sha256(CONTENT[::-1]).hexdigest())
    assert path is not None
    assert path.read_bytes() == CONTENT[::-1]


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server, tmp_path):
    server.breaks = [1_000_000, 1, 1]
    assert download((server.url,), tmp_path / "file.bin", SHA256)[0] is None
    server.content = CONTENT[:500_000]
    path, _ = download((server.url,), tmp_path / "file.bin", hashlib.sha256(server.content).hexdigest())
    assert path is not None
    assert path.read_bytes() == server.content


def test_a_damaged_part_is_noticed_and_the_file_fetched_once_more(server, tmp_path):
    server.breaks = [1_000_000, 1, 1]
    assert download((server.url,), tmp_path / "file.bin", SHA256)[0] is None
    part = next(tmp_path.glob("*.part"))
    part.write_bytes(b"x" * part.stat().st_size)
    path, _ = download((server.url,), tmp_path / "file.bin", SHA256)
    assert path is not None
    assert path.read_bytes() == CONTENT
    assert server.asked[-2:] == ["bytes=1000002-", None]


def test_a_wrong_checksum_is_refused_with_expected_and_found_and_leaves_nothing(server, tmp_path):
    server.content = b"a page of the class room's network"
    found = hashlib.sha256(server.content).hexdigest()
    with pytest.raises(DataError, match=f"expected sha256 {SHA256}, found {found}"):
        download((server.url,), tmp_path / "file.bin", SHA256)
    assert left(tmp_path) == []


def test_the_next_mirror_is_asked_after_a_wrong_or_missing_file(server, tmp_path):
    with Server() as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        for server.status, server.content in ((404, b""), (200, b"wrong")):
            path, _ = download((server.url, other.url), tmp_path / str(server.status), SHA256)
            assert path is not None
            assert path.read_bytes() == CONTENT
        other.shutdown()


def test_where_nothing_answers_there_is_no_file_and_a_note(server, tmp_path):
    nobody = f"http://127.0.0.1:{free_port()}/"
    server.status = 503
    path, notes = download((nobody, server.url), tmp_path / "file.bin", SHA256)
    assert path is None
    assert nobody in notes[0]
    assert "503" in notes[1]
    assert left(tmp_path) == []


def test_mnist_comes_from_its_mirrors_and_is_checked(server, tmp_path, monkeypatch):
    from datauab import datasets
    from datauab.datasets import mnist
    from datauab.settings import Settings

    settings = Settings(root=tmp_path)
    # The mirror holds one wrong archive for every name.
    server.content = gzip.compress(b"no digits")
    wrong = datasets.Dataset(**{**vars(mnist.DATASET), "files": mnist.raw_files((server.url,))})
    monkeypatch.setitem(datasets.DATASETS, "mnist", wrong)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz.*expected sha256 440fcabf"):
        datasets.prepare(settings, "mnist", b"s" * 32)
    assert not settings.public.exists() or not list(settings.public.iterdir())


def test_a_download_without_checksum_that_is_wrong_does_not_stay(server, tmp_path, monkeypatch):
    from datauab import datasets
    from datauab.datasets import lesions
    from datauab.datasets.records import RawFile
    from datauab.settings import Settings

    settings = Settings(root=tmp_path)
    files = tuple(RawFile(name, (server.url + name,)) for name in (lesions.INPUT, lesions.TRUTH))
    monkeypatch.setitem(datasets.DATASETS, "lesions", datasets.Dataset(**{**vars(lesions.DATASET), "files": files}))
    with pytest.raises(DataError, match="expected a zip archive"):
        datasets.fetch(settings, "lesions")
    assert not list((settings.state / "raw-cache" / "lesions").glob("*.zip"))


def test_without_a_kaggle_token_the_note_says_how_to_set_one(tmp_path, monkeypatch):
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    path, notes = from_kaggle(("owner/data",), tmp_path / "bitcoin" / "bitcoin_dataset.csv")
    assert path is None
    assert "no Kaggle token is set" in notes[0]
    assert "kaggle.json" in notes[0]
    assert "bitcoin/bitcoin_dataset.csv" in notes[0]


def test_with_a_token_and_no_answer_the_note_names_the_dataset(tmp_path, monkeypatch):
    port = free_port()
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")
    monkeypatch.setenv("KAGGLE_KEY", "no key")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KAGGLE_API_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    path, notes = from_kaggle(("owner/data",), tmp_path / "file.csv")
    assert path is None
    assert "kaggle.com/datasets/owner/data" in notes[0]
