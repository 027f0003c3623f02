"""Packing a folder and writing one: nothing leaves the folder, nothing is lost on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datauab.archive import make_archive, read_archive
from datauab.errors import ClubError, InvalidSubmission
from datauab.exchange.files import RESERVED, Selection, pack_folder, write_folder, write_missing
from datauab.exchange.records import check_folder_name

NAMES = st.text(st.characters(categories=("L", "N", "Zs"), include_characters="._- ()+"), min_size=1, max_size=20)


def put(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_names_with_spaces_and_any_script_survive_the_way(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    files = {"Práctica número 1.ipynb": b"{}", "数据/глава 2.csv": b"1", "a/b c/d.txt": b"", "emoji 🐉.txt": b"x"}
    write_folder(files, folder)
    packed = pack_folder(folder, Selection())
    assert packed.files == files
    assert not packed.left_out
    assert read_archive(make_archive(packed.files)) == files


def test_symbolic_links_are_left_out_wherever_they_point(tmp_path: Path) -> None:
    secret = put(tmp_path / "elsewhere", secret=b"hidden labels")
    folder = put(tmp_path / "work", notebook=b"{}")
    (folder / "file").symlink_to(secret / "secret")
    (folder / "dir").symlink_to(secret)
    (folder / "inside").symlink_to(folder / "notebook")
    (folder / "loop").symlink_to(folder)
    (folder / "dangling").symlink_to("/nowhere")
    packed = pack_folder(folder, Selection())
    assert packed.files == {"notebook": b"{}"}
    assert len(packed.left_out) == 5
    assert all("symbolic link" in line for line in packed.left_out)


def test_what_is_no_plain_file_is_left_out_without_waiting(tmp_path: Path) -> None:
    folder = put(tmp_path / "work", notebook=b"{}")
    os.mkfifo(folder / "pipe")
    packed = pack_folder(folder, Selection())
    assert packed.files == {"notebook": b"{}"}
    assert "'pipe'" in packed.left_out[0]


def test_large_files_are_left_out_with_size_and_limit(tmp_path: Path) -> None:
    folder = put(tmp_path / "work", notebook=b"{}", model=b"0" * 5_000_001)
    packed = pack_folder(folder, Selection(max_file=5_000_000))
    assert list(packed.files) == ["notebook"]
    assert "'model' is left out: it has 5.0 MB" in packed.left_out[0]
    assert "max_file_size" in packed.left_out[0]


def test_a_folder_too_large_altogether_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path / "work", a=b"0" * 600, b=b"0" * 600)
    with pytest.raises(InvalidSubmission, match=r"at most 1\.0 kB .* more at b"):
        pack_folder(folder, Selection(max_total=1000))


def test_ignored_names_and_the_platforms_own_are_left_out(tmp_path: Path) -> None:
    folder = put(tmp_path / "work", **{"a.ipynb": b"{}", "b.pyc": b"", "timestamp.txt": b"1999", ".attempt": b"7"})
    put(folder / "feedback", page=b"")
    put(folder / ".ipynb_checkpoints", old=b"")
    put(folder / "deep" / "__pycache__", junk=b"")
    put(folder / "deep", **{"timestamp.txt": b"a student's own"})
    packed = pack_folder(folder, Selection(ignore=("*.pyc", "__pycache__")))
    assert packed.files == {"a.ipynb": b"{}", "deep/timestamp.txt": b"a student's own"}
    assert not packed.left_out
    assert set(RESERVED) >= {"timestamp.txt", ".attempt"}


def test_only_included_names_are_taken(tmp_path: Path) -> None:
    folder = put(tmp_path / "work", **{"a.ipynb": b"{}", "b.bin": b""})
    assert list(pack_folder(folder, Selection(include=("*.ipynb",))).files) == ["a.ipynb"]


@pytest.mark.skipif(not hasattr(os, "fsencode"), reason="names are bytes on this system")
def test_names_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    folder = put(tmp_path / "work", notebook=b"{}")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.csv")).write_bytes(b"")
    (folder / "line\nbreak").write_bytes(b"")
    packed = pack_folder(folder, Selection())
    assert packed.files == {"notebook": b"{}"}
    assert len(packed.left_out) == 2
    assert all(line.isprintable() for line in packed.left_out)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a\\..\\evil", "", "a\0b"])
def test_a_path_that_leaves_its_folder_writes_nothing(tmp_path: Path, name: str) -> None:
    target = tmp_path / "deep" / "work"
    with pytest.raises(ClubError):
        write_folder({"good": b"", name: b"evil"}, target)
    assert not target.exists()
    target.mkdir()
    with pytest.raises(ClubError):
        write_missing({name: b"evil"}, target)
    assert list(tmp_path.rglob("*evil*")) == []
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "deep", target]


def test_missing_files_are_not_written_through_a_link_out_of_the_folder(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside")
    target = put(tmp_path / "work")
    (target / "data").symlink_to(outside)
    with pytest.raises(ClubError, match="symbolic link leads out"):
        write_missing({"data/file": b""}, target)
    assert list(outside.iterdir()) == []


def test_missing_files_are_written_and_the_students_own_stay(tmp_path: Path) -> None:
    target = put(tmp_path / "work", mine=b"my work")
    written = write_missing({"mine": b"released", "new/file": b"1"}, target)
    assert written == [target / "new" / "file"]
    assert (target / "mine").read_bytes() == b"my work"


def test_a_folder_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    target = put(tmp_path / "work", old=b"1")
    with pytest.raises(ClubError):
        write_folder({"new": b"2", "../out": b"3"}, target)
    assert {path.name for path in target.iterdir()} == {"old"}
    write_folder({"new": b"2"}, target)
    assert {path.name for path in target.iterdir()} == {"new"}
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside", keep=b"1")
    (tmp_path / "work").symlink_to(outside)
    with pytest.raises(ClubError, match="symbolic link"):
        write_folder({"new": b"2"}, tmp_path / "work")
    assert {path.name for path in outside.iterdir()} == {"keep"}


@given(NAMES)
def test_an_accepted_name_is_one_folder_below_its_parent(name: str) -> None:
    try:
        check_folder_name(name)
    except ValueError:
        assert name.startswith(".") or not name.isprintable()
    else:
        assert (Path("/parent") / name).parent == Path("/parent")
        assert os.path.normpath(f"/parent/{name}") == f"/parent/{name}"


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a\\b", "a\nb", "a\0b", "x" * 256, "é" * 128])
def test_a_name_that_could_leave_its_parent_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        check_folder_name(name)
