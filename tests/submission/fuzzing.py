"""Malformed predictions files by the hundred thousand, read where nothing may be run and memory is bounded."""

from __future__ import annotations

import io
import pickle
import random
import resource
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from datauab.competition import Competition
from datauab.errors import InvalidSubmission
from datauab.submission import Ids, read_predictions

MOST_BYTES = 1 << 16
MEMORY_MB = 192
"""Address space that a reader may take beyond what the interpreter held before it began."""

SLOWEST_S = 2.0
# Names of audit events (PEP 578) that a reader of numbers never raises; "open" and "import" are judged by themselves.
FORBIDDEN = ("exec", "compile", "os.", "subprocess.", "socket.", "ctypes.", "shutil.", "pickle.", "pty.", "code.")
COMPETITION = Competition.model_validate(
    {
        "name": "fuzz",
        "title": "Fuzz",
        "summary": "One number a row.",
        "authors": ["Club"],
        "date": "2026-09-01",
        "cover": "img/cover.svg",
        "dataset": "fuzz",
        "public_share": 0.5,
        "predictions": {"kind": "real"},
        "metric": {"name": "rmse", "direction": "minimize"},
        "phases": [{"name": "open", "opens": "2026-09-01T00:00:00Z"}],
        "points": {"begin": 1.0, "full": 0.0},
    }
)
VALUES = [1.5, -2.0, 3.25, 4.0]


@dataclass(frozen=True)
class Report:
    """What a worker saw: files read, files accepted, the slowest one, and what must not happen."""

    read: int
    accepted: int
    slowest_s: float
    problems: Sequence[str]


class Call:
    """Pickles as a call of `function`, as an attack does."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.made = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.made


def pickles() -> list[bytes]:
    """Whole pickles to begin from: what people send, and what attackers send."""
    array = np.array(VALUES)
    sound = [VALUES, array, array.astype(np.float32), [array, array], [VALUES, VALUES], tuple(VALUES), [np.float64(1)]]
    hostile = [Call(eval, "1+1"), Call(print, "x"), Call(open, "/etc/passwd"), [1.0, Call(exec, "x=1")], {"a": VALUES}]
    made = [pickle.dumps(one, protocol) for one in [*sound, *hostile] for protocol in range(6)]
    bombs = [b"(" * 3000 + b"." , b"]" + b"2" * 3000 + b".", b"\x80\x02]q\x00" + b"h\x00a" * 2000 + b".",
             b"\x80\x04\x8a\xff" + b"\xff" * 255 + b".", b"I" + b"9" * 5000 + b"\n."]  # fmt: skip
    return [*made, *bombs]


def zips() -> list[bytes]:
    """Whole archives to begin from."""
    csv = b"id,y\n0,1.5\n1,-2\n2,3.25\n3,4\n"
    npy = io.BytesIO()
    np.save(npy, np.array(VALUES))
    one = [("a.csv", csv), ("a.npy", npy.getvalue()), ("a.pkl", pickle.dumps(VALUES)), ("a.csv", b"\0" * 400_000)]
    made = [_zip([entry], method) for entry in one for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]
    many = [("__MACOSX/._a.csv", b"junk"), ("folder/a.csv", csv)]
    return [*made, _zip(many), _zip([*many, ("b.csv", csv)]), _zip([("inner.zip", made[0])]), _zip([("../a.csv", csv)])]


def _zip(entries: Sequence[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return target.getvalue()


def texts() -> list[bytes]:
    """Whole CSV files and arrays to begin from."""
    npy = io.BytesIO()
    np.save(npy, np.array(VALUES))
    return [
        b"id,y\n0,1.5\n1,-2\n2,3.25\n3,4\n",
        b'\xef\xbb\xbfid;y\r\n"0";1,5\r\n1;2\r\n',
        b"y\n1\n2\n3\n4\n",
        b"id,y\n" + b'"' * 500,
        npy.getvalue(),
    ]


def mutated(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of `seeds`, changed in one to four ways."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(7):
            case 0 if data:
                data[place - 1] = chance.randrange(256)
            case 1:
                del data[place:]
            case 2:
                other = chance.choice(seeds)
                data[place:place] = other[: chance.randrange(len(other) + 1)]
            case 3:
                data[place : place + 4] = chance.choice((b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0"))
            case 4:
                data[place:place] = chance.randbytes(chance.randint(1, 8))
            case 5 if data:
                end = chance.randrange(place, min(len(data), place + 40) + 1)
                data[place:place] = bytes(data[place:end]) * chance.randint(1, 20)
            case _:
                del data[place : place + chance.randint(1, 8)]
    return bytes(data[:MOST_BYTES])


def fuzz(names: Sequence[str], seeds: Sequence[bytes], count: int, seed: int) -> Report:
    """Read `count` mutants of `seeds`; call it in a process of its own, since its limits cannot be taken back."""
    chance, events, problems, slowest, accepted = random.Random(seed), _watch(), [], 0.0, 0
    for data in (*seeds, *pickles(), *zips(), *texts()):  # what readers import once, they import here
        _read(data, names[0])
    _limit_memory()
    events.clear()
    for number in range(count):
        data, name = mutated(chance, seeds), names[number % len(names)]
        began = time.perf_counter()
        try:
            accepted += _read(data, name)
        except BaseException as error:
            problems.append(f"{type(error).__name__}: {error} for {name}: {data[:300]!r}")
        slowest = max(slowest, time.perf_counter() - began)
        if events:
            problems.append(f"{events} for {name}: {data[:300]!r}")
            events.clear()
        if len(problems) > 5:
            break
    return Report(number + 1, accepted, slowest, problems)


def _read(data: bytes, name: str) -> bool:
    try:
        read_predictions(
            data, name, competition=COMPETITION, ids=Ids.rows(len(VALUES)), max_bytes=MOST_BYTES, isolated=False
        )
    except InvalidSubmission as error:
        if not str(error):
            raise AssertionError("a refusal without a word") from error
        return False
    return True


def _watch() -> list[str]:
    seen: list[str] = []

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(FORBIDDEN) or (event == "open" and arguments[0] not in ("/proc/self/statm",)):
            seen.append(f"{event}{str(arguments)[:80]}")
        elif event == "import" and str(arguments[0]).split(".")[0] not in sys.modules:
            seen.append(f"import {arguments[0]}")

    sys.addaudithook(hook)
    return seen


def _limit_memory() -> None:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - the hook knows this one
        pages = int(file.read().split()[0])
    most = pages * resource.getpagesize() + MEMORY_MB * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def naive(data: bytes) -> list[str]:
    """What the watch sees where `data` is unpickled as usual; in a process of its own as well."""
    events = _watch()
    pickle.loads(data)
    return events
