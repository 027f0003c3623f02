"""Bundles and scoring programs that mean harm, or do it by mistake."""

from __future__ import annotations

import io
import json
import os
import socket
import stat
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from datauab.autograde.limits import descendants
from datauab.autograde.program import ProgramFailed, score_files
from datauab.autograde.program_scores import Column, read_scores
from datauab.bundles import BundleError, import_bundle
from datauab.bundles.records import Report
from datauab.bundles.yaml_reading import read_yaml
from datauab.errors import GradingError
from datauab.settings import Settings
from tests.bundles.making import V2, assignment, packed, program, v2_files

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{after}: &{after}\n  <<: [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


def with_entry(
    name: str, content: bytes = b"x", mode: int = 0o100644, files: dict[str, bytes | str] | None = None
) -> bytes:
    """A bundle with one more entry, whatever its name."""
    target = io.BytesIO(packed(v2_files() if files is None else files))
    with zipfile.ZipFile(target, "a") as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        archive.writestr(entry, content)
    return target.getvalue()


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "a/../../evil", "..\\evil", "C:/evil", "a\x00b/../../c"])
def test_paths_that_leave_the_bundle(name: str, fresh: Settings, nothing_left: Callable[[], None]) -> None:
    try:
        data = with_entry(name)
    except ValueError:
        pytest.skip("zipfile writes no such name")
    if "\x00" in name:  # zipfile cuts names there
        import_bundle(fresh, data)
        assert not (fresh.root.parent / "c").exists()
        return
    with pytest.raises(BundleError, match="not allowed"):
        import_bundle(fresh, data)
    nothing_left()


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o644])
@pytest.mark.parametrize("inner", [False, True])
def test_links_and_devices(mode: int, inner: bool, fresh: Settings, nothing_left: Callable[[], None]) -> None:
    data = with_entry("link", b"/etc/passwd", mode, {"truth.txt": "1"} if inner else None)
    if inner:
        data = packed(v2_files(**{"reference_dev.zip": data}))
    with pytest.raises(BundleError, match="link or a device"):
        import_bundle(fresh, data)
    nothing_left()


def test_bombs_outside_inside_and_together(fresh: Settings, nothing_left: Callable[[], None]) -> None:
    zeros = bytes(3 * 2**20)
    for files in (
        v2_files(**{"big.bin": zeros}),
        v2_files(**{"reference_dev.zip": packed({"truth.txt": zeros})}),
        v2_files(**{
            "reference_dev.zip": packed({"truth.txt": zeros[: 2**20]}),
            "public_data.zip": packed({"train.csv": zeros[: 2**20]}),
        }),
    ):  # fmt: skip
        with pytest.raises(BundleError, match="too large unpacked"):
            import_bundle(fresh, packed(files), most_bytes=3 * 2**19)
    nothing_left()


def test_a_bomb_that_lies_about_its_size(fresh: Settings) -> None:
    data = bytearray(packed(v2_files(**{"big.bin": bytes(2**22)})))
    size = (2**22).to_bytes(4, "little")
    while (place := data.find(size)) >= 0:
        data[place : place + 4] = (10).to_bytes(4, "little")
    with pytest.raises(BundleError):
        import_bundle(fresh, bytes(data), most_bytes=2**20)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (LAUGHS, "aliases repeat"),
        (MERGES, "aliases repeat"),
        ("a: &a\n  b: *a\n", "holds itself"),
        ("a: " + "[" * 2000 + "]" * 2000, "levels|valid YAML"),
        ("a: !!python/object/apply:os.system ['touch /tmp/owned']\n", "not valid YAML"),
        ("a: !!python/name:os.system\n", "not valid YAML"),
        ("!!python/object/new:os._exit [1]\n", "not valid YAML"),
        ("a: " + "9" * 100_000 + "\n", "not valid YAML"),
        ("x" * (2**20 + 1), "at most"),
        ("- a\n- b\n", "expected keys"),
        ("a: 1\n---\nb: 2\n", "not valid YAML"),
        ("\x00", "not valid YAML"),
        ("a: 2026-99-99\n", "not valid YAML"),
        ("", "expected keys"),
    ],
)
def test_yaml_that_would_explode_or_run(text: str, match: str) -> None:
    began = time.monotonic()
    with pytest.raises(BundleError, match=match):
        read_yaml("competition.yaml", text.encode(), Report())
    assert time.monotonic() - began < 5
    assert not Path("/tmp/owned").exists()


def test_a_key_given_twice_is_told() -> None:
    report = Report()
    assert read_yaml("f.yaml", b"a: 1\nb: 2\na: 3\n", report) == {"a": 3, "b": 2}
    assert "key 'a' is there twice" in str(report.done()[0])


@pytest.mark.parametrize(
    "change",
    [
        "title: [1, 2]", "title: {a: b}", "tasks: 5", "tasks: {a: b}", "tasks: [1]", "phases: x", "phases: [[]]",
        "leaderboards: {}", "leaderboards: [x]", "pages: {a: b}", "pages: [[1]]", "image: [1]", "terms: {}",
        "pages: [{title: x, file: [1]}]", "image: ../../etc/passwd", "terms: /etc/passwd", "image: 2026-01-01",
        "tasks: [{index: {a: 1}}]", "leaderboards: [{columns: [{key: [1]}]}]",
        "leaderboards: [{columns: [{key: a, index: [1]}]}]", "\"\\e[31mred\": \"\\ud83c\"", "title: \"\\ud83c x\"",
        "phases: [{tasks: [{a: b}], start: 1}]", "phases: [{tasks: [0], start: .nan}]", "version: [2]",
        "leaderboards: [{primary_index: [0], columns: [{key: a, index: 0}]}]",
        "leaderboards: [{columns: [{key: a, computation: [sum], computation_indexes: 0}]}]",
        "phases: [{tasks: [0], start: '2026-01-01', max_submissions: .inf, max_submissions_per_day: -1, index: .nan}]",
    ],
)  # fmt: skip
def test_values_of_the_wrong_kind_never_crash(change: str, fresh: Settings, nothing_left: Callable[[], None]) -> None:
    text = f"{V2}\n{change}\n"  # the last of two equal keys counts
    try:
        import_bundle(fresh, packed(v2_files(**{"competition.yaml": text})), "odd")
    except BundleError:
        nothing_left()


def scored(settings: Settings, score: str, seconds: int = 3, memory_mb: int = 300) -> Callable[[], object]:
    """Scoring of one attempt by a program of the test's own."""
    text = V2.replace("execution_time_limit: 20", f"execution_time_limit: {seconds}").replace(
        "    tasks: [1]", f"    execution_time_limit: {seconds}\n    tasks: [1]"
    )
    import_bundle(
        settings, packed(v2_files(**{"competition.yaml": text, "scoring_program.zip": program(score)})), "bad"
    )
    folder = settings.source / "bad" / "competition.toml"
    limits = f"\n[run]\nmemory_mb = {memory_mb}\nprocesses = 24\nscratch_mb = 32\nfile_mb = 8\n"
    folder.write_text(folder.read_text() + limits)
    return lambda: score_files(assignment(settings, "bad"), packed({"answer.txt": "1\n2\n3\n4\n"}))


def nothing_runs() -> None:
    """Check that no process of a run is left."""
    ends = time.monotonic() + 5
    while descendants(os.getpid()) and time.monotonic() < ends:
        time.sleep(0.05)
    commands = []
    for pid in descendants(os.getpid()):
        with_command = Path(f"/proc/{pid}/cmdline")
        commands.append(with_command.read_bytes() if with_command.exists() else b"")
    assert not [command for command in commands if b"score.py" in command or b"bwrap" in command]


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("score", "match"),
    [
        ("import time\ntime.sleep(60)", "wall_s|3 s"),
        ("while True: pass", "3 s"),
        ("import os, time\nwhile True:\n  os.fork()\n  time.sleep(0.001)", "processes|status|3 s"),
        ("data = [b'x' * 2**20 + bytes([i % 9]) for i in range(2000)]", "memory|status|killed"),
        ("open('/app/output/x', 'wb').write(bytes(64 * 2**20))", "status|scratch_mb"),
        ("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)", "killed|status|score"),
        ("import sys\nsys.exit(3)", "status 3"),
        ("raise SystemExit('9' * 10**7)", "status 1"),
    ],
)  # fmt: skip
def test_programs_that_do_not_end_well(score: str, match: str, fresh: Settings) -> None:
    began = time.monotonic()
    with pytest.raises((ProgramFailed, GradingError), match=match):
        scored(fresh, score)()
    assert time.monotonic() - began < 20
    nothing_runs()


@pytest.mark.sandbox
def test_a_process_left_behind_ends_with_the_run(fresh: Settings) -> None:
    score = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    while True: time.sleep(1)
open('/app/output/scores.json', 'w').write('{"error": 1, "hits": 2}')
"""
    began = time.monotonic()
    scored(fresh, score, seconds=30)()
    assert time.monotonic() - began < 10
    nothing_runs()


@pytest.mark.parametrize(
    "written",
    [
        '{"error": NaN}', '{"error": Infinity}', '{"error": -Infinity}', '{"error": 1e999}', '{"error": null}',
        '{"error": true}', '{"error": [1]}', '{"error": "nan"}', '{"error": ""}', '{"hits": 1}', "[]", "1", "", "{",
        "[" * 100_000, '{"error": 1' + "0" * 400 + "}", "\\xff", '{"error": 1}' + " " * 2**20,
    ],
)  # fmt: skip
def test_scores_that_are_no_finite_numbers(written: str) -> None:
    content = written.encode() if written != "\\xff" else b'{"error": 1}\xff'
    columns = (Column(key="error"), Column(key="hits"))
    with pytest.raises(GradingError, match=r"scores\.json"):
        read_scores("scores.json", content, columns)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("error:1", 1.0), ("error: 0.25\n", 0.25), ("# c\n\nhits: 3\nerror : -1e-3\r\n", -0.001), ("'error': .5", 0.5),
        ("error: nan", None), ("error: inf", None), ("error: 1_000", None), ("error", None), ("hits: 1", None),
        ("error: 0x10", None), ("error: 1 2", None), ("error: 1e9999", None), ("\x00", None),
    ],
)  # fmt: skip
def test_lines_of_scores(written: str, value: float | None) -> None:
    columns = (Column(key="error"), Column(key="hits"))
    if value is None:
        with pytest.raises(GradingError, match=r"scores\.txt"):
            read_scores("scores.txt", written.encode(), columns)
    else:
        assert read_scores("scores.txt", written.encode(), columns)["error"] == value


@pytest.mark.sandbox
@pytest.mark.parametrize(
    "score",
    [
        "open('/app/output/scores.json', 'w').write('{\"error\": NaN}')",
        "pass",
        "import os\nos.symlink('/dev/zero', '/app/output/scores.json')",
        "import os\nos.mkdir('/app/output/scores.json')",
    ],
)
def test_no_finite_score_is_the_organisers_fault(score: str, fresh: Settings) -> None:
    with pytest.raises(GradingError, match="scoring program"):
        scored(fresh, score)()


@pytest.mark.sandbox
def test_a_program_sees_nothing_of_the_host(fresh: Settings) -> None:
    score = """
import json, os, socket
seen = {}
for path in SECRETS:
    try:
        seen[path] = open(path, 'rb').read(40).decode('latin-1')
    except OSError:
        try:
            seen[path] = os.listdir(path)
        except OSError:
            pass
try:
    socket.create_connection(('127.0.0.1', PORT), timeout=1); seen['network'] = 1
except OSError:
    pass
seen['env'] = [name for name in os.environ if 'DATAUAB' in name or 'TOKEN' in name]
for place in ('/usr/owned', '/etc/owned', '/owned', '/app/program/ok'):
    try:
        open(place, 'w').close(); seen.setdefault('written', []).append(place)
    except OSError:
        pass
print(json.dumps(seen))
raise SystemExit(5)
"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        paths = ["/etc/shadow", "/root", "/home", "/proc/1/root/etc/shadow", str(fresh.gradebook), str(fresh.root)]
        score = score.replace("SECRETS", repr(paths)).replace("PORT", str(server.getsockname()[1]))
        with pytest.raises(ProgramFailed) as caught:
            scored(fresh, score)()
    seen = json.loads(caught.value.detail.splitlines()[-1])
    assert seen == {"env": [], "written": ["/app/program/ok"]}
    assert not Path("/usr/owned").exists()
