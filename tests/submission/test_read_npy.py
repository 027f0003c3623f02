"""Reading .npy files that somebody else made: numbers come through, everything else is refused and nothing runs."""

from __future__ import annotations

import io
import os
import pickle
import struct
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datauab.errors import InvalidSubmission
from datauab.submission import read_npy

LIMIT = 1 << 20


def npy(array: np.ndarray, *, pickles: bool = False, version: tuple[int, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version, allow_pickle=pickles)
    return buffer.getvalue()


def with_header(header: str, body: bytes = b"", version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode("latin-1") + body


NUMBERS = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
)


@given(hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=6)), st.booleans())
def test_what_numpy_saves_comes_back(array, fortran):
    array = np.asfortranarray(array) if fortran else array
    found = read_npy(npy(array), LIMIT)
    assert found.shape == array.shape
    assert found.dtype == array.dtype.newbyteorder("=")
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_and_a_stream_are_read(version):
    array = np.arange(5.0)
    np.testing.assert_array_equal(read_npy(io.BytesIO(npy(array, version=version)), LIMIT), array)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(data):
    with pytest.raises(InvalidSubmission):
        read_npy(data, LIMIT)


@given(st.text(alphabet=st.characters(codec="latin-1"), max_size=300), st.binary(max_size=40), st.sampled_from([1, 2]))
def test_arbitrary_headers_are_refused(header, body, version):
    with pytest.raises(InvalidSubmission):
        read_npy(with_header(header, body, version), LIMIT)


@settings(max_examples=300)
@given(st.data())
def test_damaged_files_are_refused_or_give_numbers(data):
    content = bytearray(npy(np.arange(12.0).reshape(3, 4)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_npy(bytes(content), LIMIT)
    except InvalidSubmission:
        return
    assert found.dtype.kind in "biuf"


class Bomb:
    def __reduce__(self):
        return os.mkdir, (BOMB_PATH,)


BOMB_PATH = "/tmp/datauab-test-pickle-ran"


def test_pickles_are_refused_and_never_run():
    objects = npy(np.array([Bomb()], dtype=object), pickles=True)
    for content in (objects, pickle.dumps(Bomb()), with_header("{'descr': '<f8'", pickle.dumps(Bomb()))):
        with pytest.raises(InvalidSubmission):
            read_npy(content, LIMIT)
    assert not os.path.exists(BOMB_PATH)  # noqa: PTH110
    with pytest.raises(InvalidSubmission, match="Python objects"):
        read_npy(objects, LIMIT)


@pytest.mark.parametrize(
    "array",
    [np.array(["a"]), np.array([b"a"]), np.array([1j]), np.zeros(2, "M8[s]"), np.zeros(2, [("a", "<f8")])],
    ids=["text", "bytes", "complex", "dates", "records"],
)
def test_what_is_no_number_is_refused(array):
    with pytest.raises(InvalidSubmission):
        read_npy(npy(array), LIMIT)


def test_three_dimensions_are_refused():
    with pytest.raises(InvalidSubmission, match="at most 2 dimensions"):
        read_npy(npy(np.zeros((2, 2, 2))), LIMIT)


@pytest.mark.parametrize("cut", [1, 7, 9, 60, 130])
def test_a_file_cut_short_is_refused(cut):
    with pytest.raises(InvalidSubmission, match=r"end of the file|\.npy"):
        read_npy(npy(np.arange(3.0))[:cut], LIMIT)


def test_more_than_the_header_says_is_refused():
    with pytest.raises(InvalidSubmission, match="found more"):
        read_npy(npy(np.arange(3.0)) + b"x", LIMIT)


def test_an_empty_file_is_named_so():
    with pytest.raises(InvalidSubmission, match="empty file"):
        read_npy(b"", LIMIT)


@pytest.mark.parametrize("shape", ["(1000000000,)", "(100000, 100000)", "(131072,)"])
def test_a_promise_of_much_data_takes_no_memory(shape):
    content = with_header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n", b"\0" * 16)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidSubmission):
            read_npy(content, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()


def test_the_limit_is_the_size_of_the_numbers():
    array = np.zeros(LIMIT // 8)
    assert read_npy(npy(array), LIMIT).nbytes == LIMIT
    with pytest.raises(InvalidSubmission, match=f"at most {LIMIT} bytes"):
        read_npy(npy(np.zeros(LIMIT // 8 + 1)), LIMIT)


@pytest.mark.parametrize("shape", ["1" * 4000, "1," * 1900, "(" * 4000, "1 " * 1900])
def test_no_header_takes_long(shape):
    begun = time.perf_counter()
    with pytest.raises(InvalidSubmission):
        read_npy(with_header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}x), }}\n"), LIMIT)
    assert time.perf_counter() - begun < 1
