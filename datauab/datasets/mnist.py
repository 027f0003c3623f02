"""MNIST: handwritten digits.

Origin: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", made from NIST's Special Databases 1
and 3; see also LeCun et al. 1998, doi:10.1109/5.726791. Free for research and teaching (CC BY-SA 3.0 as its mirrors
state it). Four gzip-compressed IDX files: 60,000 and 10,000 images of 28 × 28 bytes, and their digits.

The public files hold images binarised to 0 and 255 (grey value from 128 on), as the club always did. A fifth of each
digit of the 60,000, rounded up, makes the 12,005 validation images; the source's 10,000 test images are the hidden
test. All parts are in an order of their own.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datauab.datasets.records import Dataset, Plan, Progress, RawFile
from datauab.datasets.splits import generator, majority, shuffled, take_share
from datauab.datasets.standins import digits
from datauab.errors import DataError

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
"""Folders on the web that hold the four files as their authors published them."""

VALIDATION_SHARE = 0.2
THRESHOLD = 128

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class IdxFile:
    """What an IDX file must be: `archive` and `content` are SHA-256 before and after decompression."""

    name: str
    magic: int
    shape: tuple[int, ...]
    archive: str
    content: str


TRAIN_IMAGES = IdxFile(
    "train-images-idx3-ubyte.gz",
    2051,
    (60_000, 28, 28),
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
)
TRAIN_LABELS = IdxFile(
    "train-labels-idx1-ubyte.gz",
    2049,
    (60_000,),
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
)
TEST_IMAGES = IdxFile(
    "t10k-images-idx3-ubyte.gz",
    2051,
    (10_000, 28, 28),
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
)
TEST_LABELS = IdxFile(
    "t10k-labels-idx1-ubyte.gz",
    2049,
    (10_000,),
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)

TRAIN_COUNTS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
TEST_COUNTS = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
"""How often each digit occurs in the published files."""


@dataclass(frozen=True)
class Digits:
    """Images of shape (n, 28, 28), uint8 grey values 0 to 255, and the digits of shape (n,) that they show."""

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes


def read_idx(path: Path, expected: IdxFile) -> Bytes:
    """Read one gzip-compressed IDX file.

    The format: a big-endian magic number (third byte 8: unsigned bytes; fourth: number of dimensions), one big-endian
    32-bit size for each dimension, then the bytes.

    Raises
    ------
    DataError
        Where compression, magic number, shape or content differ from the published file.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected a whole gzip file, found {error}; fetch the file again") from error
    header = 4 + 4 * len(expected.shape)
    magic = int.from_bytes(content[:4], "big")
    if magic != expected.magic:
        raise DataError(f"{path}: expected IDX magic number {expected.magic}, found {magic}; fetch the file again")
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, header, 4))
    if shape != expected.shape or len(content) - header != math.prod(expected.shape):
        raise DataError(
            f"{path}: expected shape {expected.shape} ({math.prod(expected.shape)} bytes), found {shape} "
            f"({len(content) - header} bytes); fetch the file again"
        )
    found = hashlib.sha256(content).hexdigest()
    if found != expected.content:
        raise DataError(f"{path}: expected content of sha256 {expected.content}, found {found}; fetch the file again")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def read(files: Mapping[str, Path]) -> Digits:
    """Read and check the four raw files; `DataError` names what is wrong with one."""
    parts = (read_idx(files[one.name], one) for one in (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS))
    return Digits(*parts)


def make_stand_in(random: np.random.Generator) -> Digits:
    """Draw 70,000 digits, as many of each as the real files hold."""
    train, train_labels = digits.draw(TRAIN_COUNTS, random)
    test, test_labels = digits.draw(TEST_COUNTS, random)
    return Digits(train, train_labels, test, test_labels)


def binarise(images: Bytes) -> Bytes:
    """Make every grey value 0 (below 128) or 255."""
    return np.where(images >= THRESHOLD, np.uint8(255), np.uint8(0))


def plan(raw: Digits, secret: bytes) -> Plan:
    """Give a fifth of each digit of the training images, rounded up, to validation; test images get a new order."""
    random = generator(secret, "mnist", "split")
    labels = raw.train_labels.astype(np.int64)
    held = take_share(labels, VALIDATION_SHARE, random, rounding=math.ceil)
    train, validation = shuffled(~held, random), shuffled(held, random)
    test = random.permutation(len(raw.test_labels))
    common = majority(labels[train])

    def write(folder: Path, progress: Progress) -> None:
        parts: dict[str, NDArray[Any]] = {
            "train_images": binarise(raw.train_images[train]),
            "train_labels": labels[train],
            "validation_images": binarise(raw.train_images[validation]),
            "validation_labels": labels[validation],
            "test_images": binarise(raw.test_images[test]),
        }
        for done, (name, array) in enumerate(parts.items(), 1):
            np.save(folder / f"{name}.npy", array)
            progress("writing arrays", done, len(parts))

    rows = {"train": len(train), "validation": len(validation), "test": len(test)}
    return Plan(raw.test_labels[test].astype(np.int64), {"majority": float(common)}, rows, common, write)


def raw_files(mirrors: tuple[str, ...] = MIRRORS) -> tuple[RawFile, ...]:
    """The four files at these mirrors (addresses of folders, with their last slash)."""
    files = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
    return tuple(RawFile(one.name, tuple(mirror + one.name for mirror in mirrors), one.archive) for one in files)


DATASET = Dataset(
    name="mnist",
    title="MNIST: handwritten digits",
    source="LeCun, Cortes, Burges: The MNIST database of handwritten digits",
    licence="CC BY-SA 3.0",
    version=1,
    files=raw_files(),
    read=read,
    make_stand_in=make_stand_in,
    plan=plan,
)
