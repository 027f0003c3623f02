"""Nothing that a worker sends runs in the scheduler's process, nor in the one that speaks to it for the grader."""

from __future__ import annotations

import functools
import io
import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed.scheduler import KilledWorker

from datauab.autograde.cluster import open_cluster
from datauab.autograde.cluster_pickle import Refused, guarded_loads
from datauab.autograde.worker import run_bytes
from datauab.errors import GradingError
from tests.autograde.cluster_parts import PATIENCE_S, counting, remote, request, until


class Calls:
    """Unpickles to a call of `function`."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self._parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self._parts

    def __call__(self) -> None:
        """So that it may stand where a function is called."""


def attacks(trace: Path) -> dict[str, Any]:
    touch = f"open({str(trace)!r}, 'w')"
    evil = Calls(eval, touch)
    return {
        "a shell": Calls(os.system, f"touch {trace}"),
        "eval": evil,
        "exec": Calls(exec, touch),
        "open": Calls(open, str(trace), "w"),
        "partial": Calls(functools.partial, os.system, f"touch {trace}"),
        "called partial": Calls(Calls(functools.partial, os.system, f"touch {trace}")),
        "getattr": Calls(getattr, Calls(__import__, "os"), "system"),
        "an import": Calls(__import__, "antigravity"),
        "numpy": np.arange(3),
        "numpy of objects": np.array([evil], dtype=object),
        "nested": {"a": [1, (2, {"b": [evil]})]},
        "a key": {(1, Calls(frozenset, [evil])): 2},
        "in state": Calls(KilledWorker, "key", None, 0, state={"x": evil}),
        "an argument of a known class": Calls(KilledWorker, evil, evil, 0),
        "a known class called by another": Calls(bytes, Calls(KilledWorker, evil, 1, 2)),
        "run_bytes": Calls(run_bytes, b"content"),
    }


@pytest.mark.parametrize("name", sorted(attacks(Path("x"))))
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_what_is_not_on_the_list_is_not_made(tmp_path: Path, name: str, protocol: int) -> None:
    trace = tmp_path / "trace"
    content = pickle.dumps(attacks(trace)[name], protocol)
    try:
        found = guarded_loads(content)
    except (TypeError, AttributeError, pickle.UnpicklingError, GradingError):
        found = Refused()
    assert not trace.exists()
    assert not isinstance(found, bytes | bytearray | memoryview | str)


@pytest.mark.parametrize(
    "value", [b"x" * 10, bytearray(b"abc"), {"a": [1, "b", None, (2.5,)]}, run_bytes, KilledWorker]
)
def test_what_dask_needs_comes_through(value: Any) -> None:
    for protocol in (4, 5):
        assert guarded_loads(pickle.dumps(value, protocol)) == value


def test_large_results_travel_beside_the_pickle() -> None:
    buffers: list[pickle.PickleBuffer] = []
    content = pickle.dumps(pickle.PickleBuffer(bytearray(b"result")), 5, buffer_callback=buffers.append)
    assert bytes(guarded_loads(content, buffers=buffers)) == b"result"


def test_something_refused_takes_whatever_a_pickle_gives_it() -> None:
    class Rich(dict):  # type: ignore[type-arg]
        def __reduce__(self) -> Any:
            return Rich, (1,), {"x": 1}, iter([1, 2]), iter([("a", 3)])

    globals()["Rich"] = Rich
    Rich.__qualname__ = "Rich"
    found = guarded_loads(pickle.dumps(Rich()))
    assert type(found) is Refused
    assert not vars(found)


def test_a_process_that_is_no_worker_runs_no_notebook() -> None:
    with pytest.raises(GradingError, match="no worker"):
        run_bytes(counting(1).to_bytes())


def test_no_pickle_of_known_names_opens_or_starts_anything() -> None:
    """Programs by chance: every known name, called, built and filled with every other one, then used as Dask would."""
    script = textwrap.dedent(
        """
        import itertools, pickle, random, struct, sys
        from datauab.autograde.cluster_pickle import _KNOWN, guard_process, guarded_loads
        from datauab.autograde.worker import run_bytes
        from dask._expr import LLGExpr
        from dask._task_spec import Task
        from distributed.scheduler import _materialize_graph
        guard_process()
        chance, seen, watching = random.Random(7), [], False

        def watch(event, arguments):
            known = event.startswith(("os.", "subprocess.", "socket.", "shutil.", "ctypes.", "tempfile."))
            reading = event == "open" and str(arguments[0]).startswith((sys.prefix, "/usr/lib/python3"))
            if watching and (known or event == "open") and not reading:
                seen.append((event, arguments))

        def use(found):
            repr(found)
            if isinstance(found, LLGExpr):
                _materialize_graph(expr=found, validate=False)
            if isinstance(found, Task):
                found({}), hash(found), found.copy()

        def text(value):
            return b"\\x8c" + struct.pack("<B", len(value)) + value.encode()

        names = [text(module) + text(name) + b"\\x93" for module, name in sorted(_KNOWN)]
        names += [text("os") + text("system") + b"\\x93", text("builtins") + text("eval") + b"\\x93"]
        words = ("x", "dsk", "_layer", "func", "touch x", "__call__", "__class__")
        data = [b"N", b"}", b"]", b")", b"K\\x05", b"C\\x04abcd", *map(text, words)]

        def value(depth):
            kind = chance.random()
            if depth <= 0 or kind < 0.3:
                return chance.choice(data)
            if kind < 0.45:
                return chance.choice(names)
            parts = [value(depth - 1) for _ in range(chance.randint(0, 4))]
            pairs = b"".join(chance.choice(data[5:]) + value(depth - 1) for _ in parts)
            if kind < 0.75:
                return chance.choice(names) + b"(" + b"".join(parts) + b"tR"
            if kind < 0.85:
                state = b"}(" + pairs + b"u"
                return value(depth - 1) + chance.choice([state, b"N" + state + b"\\x86"]) + b"b"
            if kind < 0.95:
                return b"}(" + pairs + b"u"
            return chance.choice(names) + b"(" + b"".join(parts) + b"t\\x81"

        good = Task("key", run_bytes, b"content")
        use(guarded_loads(pickle.dumps(LLGExpr({"key": good}))))
        sys.addaudithook(watch)
        made, watching = 0, True
        for _ in range(20000):
            program = b"\\x80\\x04" + value(4) + b"."
            try:
                use(guarded_loads(program))
                made += 1
            except Exception:
                pass
        watching = False
        print(made, seen[:5])
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    made, _, seen = done.stdout.strip().splitlines()[-1].partition(" ")
    assert int(made) > 1000
    assert seen == "[]"


@pytest.fixture
def traces(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "traces"
    folder.mkdir()
    return folder


def left_by(traces: Path, pid: int) -> set[str]:
    return {path.name.rpartition("-")[0] for path in traces.glob(f"*-{pid}")}


def test_a_hostile_worker_runs_nothing_where_its_pickles_are_read(tmp_path: Path, traces: Path) -> None:
    with remote(tmp_path / "cluster") as made:
        scheduler = made.scheduler()
        made.hostile_worker(traces)
        with open_cluster(made.settings, made.address) as cluster:
            answers = {
                "plain": "a worker sent Refused", "nested": "a worker sent dict", "raise": "which was not looked at",
                "wrong": "a worker failed",
            }  # fmt: skip
            for source, answer in answers.items():
                with pytest.raises(GradingError, match=answer):
                    cluster.submit(request(source)).result(PATIENCE_S)
            until((traces / "done").exists, f"the attack {made.logs()}")
            assert scheduler.poll() is None
            assert left_by(traces, scheduler.pid) == set()
            assert left_by(traces, cluster.pid) == set()
        assert left_by(traces, os.getpid()) == set()
        assert not list(traces.glob("dump*"))


def test_the_same_worker_takes_over_a_scheduler_without_the_guard(tmp_path: Path, traces: Path) -> None:
    """Without this the test above could pass because its worker never got through."""
    with remote(tmp_path / "cluster") as made:
        arguments = ["--protocol", "tls", "--host", "127.0.0.1", "--port", str(made.port), "--no-dashboard"]
        stock = made.start(
            "distributed.cli.dask_scheduler", *arguments, "--dashboard-address", "127.0.0.1:0", *made.tls_options()
        )
        until(lambda: b"Scheduler at" in (made.folder / "log-0").read_bytes(), "the scheduler")
        made.hostile_worker(traces)
        wanted = {"message", "function", "plugin", "graph", "dump.yaml"}
        until(lambda: wanted <= left_by(traces, stock.pid) | {path.name for path in traces.iterdir()}, "the attack")


def test_the_guard_reads_streams_like_pickle_itself() -> None:
    for value in ([1, 2, {"x": (b"y", "z")}], {"a": {1, 2}}, 2**70, "é" * 1000):
        assert guarded_loads(pickle.dumps(value)) == pickle.load(io.BytesIO(pickle.dumps(value)))
