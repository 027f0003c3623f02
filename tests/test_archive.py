import contextlib
import io
import json
import stat
import zipfile

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datauab.archive import check_notebook, make_archive, read_archive, unpack
from datauab.errors import InvalidSubmission

names = st.from_regex(r"[a-zé ][a-z0-9._-]{0,8}(/[a-z][a-z0-9]{0,5})?", fullmatch=True).filter(
    lambda name: ".." not in name.split("/") and name.split("/")[0] != "."
)


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return target.getvalue()


@given(st.dictionaries(names, st.binary(max_size=50), max_size=4))
def test_what_is_packed_comes_back_and_the_bytes_repeat(files):
    if any(other.startswith(name + "/") for name in files for other in files):
        return
    data = make_archive(files)
    assert read_archive(data) == files
    assert make_archive(dict(reversed(files.items()))) == data


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up.txt", "a/../../b", "a\\b", "C:/x", "a\nb", "x" * 300, "..", "a/\u202e.py"]
)
def test_a_path_that_leaves_its_folder_is_refused(name):
    with pytest.raises(InvalidSubmission, match="path in the archive"):
        read_archive(zipped((name, b"x")))


def test_links_devices_and_doubles_are_refused():
    link = zipfile.ZipInfo("predictions.npy")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(InvalidSubmission, match="link or a device"):
        read_archive(zipped((link, b"/etc/passwd")))
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = zipped(("a", b"1"), ("a", b"2"))
    with pytest.raises(InvalidSubmission, match="twice"):
        read_archive(twice)
    with pytest.raises(InvalidSubmission, match="both a file and a folder"):
        read_archive(zipped(("a", b"1"), ("a/b", b"2")))


def test_a_bomb_is_unpacked_no_further_than_the_limit():
    bomb = zipped(("zeros", bytes(50 * 2**20)))
    assert len(bomb) < 100_000
    with pytest.raises(InvalidSubmission, match="too large unpacked: expected at most 1 MiB"):
        read_archive(bomb, max_bytes=2**20)
    with pytest.raises(InvalidSubmission, match="too many files: expected at most 3, found 4"):
        read_archive(zipped(*[(f"{i}", b"") for i in range(4)]), max_files=3)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_zip_are_refused(data):
    with pytest.raises(InvalidSubmission, match="expected a zip file"):
        read_archive(data)


@given(st.integers(0, 150), st.integers(0, 255))
def test_a_damaged_archive_is_refused_or_read_but_never_crashes(place, value):
    data = bytearray(zipped(("a.txt", b"hello" * 10), ("b.txt", b"more")))
    data[place % len(data)] = value
    with contextlib.suppress(InvalidSubmission):
        read_archive(bytes(data))


def test_unpack_never_mixes_with_what_is_there(tmp_path):
    unpack({"a/b.txt": b"1"}, tmp_path / "new")
    assert (tmp_path / "new/a/b.txt").read_bytes() == b"1"
    with pytest.raises(FileExistsError):
        unpack({"c": b""}, tmp_path / "new")


def test_notebooks_are_told_from_what_is_none():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    check_notebook(nbformat.writes(notebook).encode())
    broken = json.loads(nbformat.writes(notebook))
    broken["cells"] = [{"cell_type": "magic"}]
    wrong = [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"nbformat": 3}',
        b'{"nbformat": 4}',
        b"[" * 100_000,
        json.dumps(broken).encode(),
    ]
    for data in wrong:
        with pytest.raises(InvalidSubmission):
            check_notebook(data)
