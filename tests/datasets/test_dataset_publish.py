"""Public folders appear at once, are read-only, and survive a kill."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datauab.datasets import publishing as publish


def write(text: str):
    def build(folder: Path) -> None:
        (folder / "deep").mkdir()
        (folder / "deep" / "file.txt").write_text(text)

    return build


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_published_is_read_only_and_has_one_time(tmp_path):
    folder = tmp_path / "public" / "data"
    publish.publish(folder, write("one"))
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o555 if path.is_dir() else 0o444)
        assert path.stat().st_mtime == publish.MOMENT
    assert names(folder.parent) == ["data"]


@pytest.mark.parametrize("exchange", [True, False])
def test_publishing_again_replaces_everything_and_leaves_nothing_behind(tmp_path, monkeypatch, exchange):
    if not exchange:

        def refuse(one: Path, other: Path) -> None:
            raise OSError(errno.EINVAL, "this file system cannot exchange")

        monkeypatch.setattr(publish, "_exchange", refuse)
    folder = tmp_path / "data"
    publish.publish(folder, write("one"))
    publish.put_file(folder, publish.KEPT, b"{}")
    publish.publish(folder, write("two"))
    assert (folder / "deep" / "file.txt").read_text() == "two"
    assert (folder / publish.KEPT).read_text() == "{}"
    assert names(tmp_path) == ["data"]


def test_a_build_that_fails_changes_nothing(tmp_path):
    folder = tmp_path / "data"
    publish.publish(folder, write("one"))

    def fail(fresh: Path) -> None:
        write("half")(fresh)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        publish.publish(folder, fail)
    assert (folder / "deep" / "file.txt").read_text() == "one"
    assert names(tmp_path) == ["data"]


def test_a_process_killed_while_it_builds_leaves_the_old_state_and_is_cleaned_up_after(tmp_path, checkout):
    folder = tmp_path / "data"
    publish.publish(folder, write("one"))
    program = (
        "import sys, time; from pathlib import Path; from datauab.datasets import publishing as publish\n"
        "def build(folder):\n"
        "    (folder / 'half.txt').write_text('half'); print('half', flush=True); time.sleep(60)\n"
        f"publish.publish(Path({str(folder)!r}), build)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=checkout)
    assert child.stdout is not None
    assert child.stdout.readline() == b"half\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert (folder / "deep" / "file.txt").read_text() == "one"
    assert len(names(tmp_path)) == 2
    publish.publish(folder, write("two"))
    assert (folder / "deep" / "file.txt").read_text() == "two"
    assert names(tmp_path) == ["data"]


def test_a_kill_between_the_two_renames_is_repaired(tmp_path):
    folder = tmp_path / "data"
    publish.publish(folder, write("one"))
    folder.rename(tmp_path / ".data.old")
    publish.recover(folder)
    assert (folder / "deep" / "file.txt").read_text() == "one"
    assert names(tmp_path) == ["data"]


def test_a_file_is_added_without_opening_the_folder(tmp_path):
    folder = tmp_path / "data"
    publish.publish(folder, write("one"))
    assert publish.put_file(folder, "competition.json", b"a")
    assert not publish.put_file(folder, "competition.json", b"a")
    assert publish.put_file(folder, "competition.json", b"b")
    assert names(folder) == ["competition.json", "deep"]
    assert folder.stat().st_mode & 0o777 == 0o555
    assert (folder / "competition.json").stat().st_mode & 0o777 == 0o444
    assert folder.stat().st_mtime == publish.MOMENT


def test_one_process_at_a_time(tmp_path, checkout):
    lock = tmp_path / "lock"
    program = (
        "from pathlib import Path; from datauab.datasets.publishing import only_one\n"
        f"with only_one(Path({str(lock)!r})): print('in', flush=True)\n"
    )
    with publish.only_one(lock):
        child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=checkout)
        time.sleep(1)
        assert child.poll() is None
        assert child.stdout is not None
        os.set_blocking(child.stdout.fileno(), False)
        assert not child.stdout.read()
    os.set_blocking(child.stdout.fileno(), True)
    assert child.communicate(timeout=20)[0] == b"in\n"
