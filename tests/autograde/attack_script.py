"""Hands hostile notebooks to the real grading path and prints what each gained, as JSON.

Run as a script, so that the tests can start it under another account and inside a sandbox.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SECRET = "labels-of-nobody-4711"
LEFT_BEHIND = "left-behind-by-a-student"

LOOK = """
import os, json, socket, subprocess, sys, glob
found = {{}}
names = []
for top, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(top, f) not in ("/proc", "/usr", {prefix!r})]
    names += [os.path.join(top, f) for f in files + folders]
found["files"] = [n for n in names if any(w in n for w in
    ("solution", "gradebook", "secrets", "autograded", "nbgrader_config", "submitted/", "toy.ipynb", ".db"))]
found["labels"] = os.path.exists({solution!r}) or os.path.exists({root!r})
text = []
for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline") + ["/proc/self/mountinfo"]:
    try: text.append(open(path, errors="replace").read())
    except OSError: pass
text = "".join(text) + str(os.environ)
found["environment"] = [w for w in ({secret!r}, "DATAUAB_ROOT", "gradebook", "SECRET") if w in text]
found["processes"] = [p for p in os.listdir("/proc") if p.isdigit() and os.path.exists(f"/proc/{{p}}/root{root}")]
for name, address in {{"tcp": ("127.0.0.1", {port}), "abstract": {abstract!r}, "path": {path!r}}}.items():
    kind = socket.AF_INET if name == "tcp" else socket.AF_UNIX
    with socket.socket(kind) as s:
        s.settimeout(2)
        try: s.connect(address); found[name] = "connected"
        except OSError: pass
try: socket.getaddrinfo("example.org", 443); found["dns"] = "answered"
except OSError: pass
import datauab.errors
for path in ("/usr/x", "/x", "/dev/x", "/public/x", "/kernel.json", "/submitted.tar", "/proc/1/mem",
             os.path.join({prefix!r}, "x"), datauab.errors.__file__, "/proc/sys/kernel/core_pattern"):
    try: open(path, "ab").close(); found.setdefault("written", []).append(path)
    except OSError: pass
for command in (["mount", "-t", "tmpfs", "x", "/tmp"], ["su", "-c", "id"], ["chroot", "/", "id"],
                ["nsenter", "-t", "1", "-m", "id"], ["cat", "/etc/shadow"], ["unshare", "-rm", "true"]):
    try:
        if subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=10).returncode == 0:
            found.setdefault("commands", []).append(command[0])
    except (OSError, subprocess.TimeoutExpired): pass
status = open("/proc/self/status").read()
lines = status.splitlines()
found["capabilities"] = [l for l in lines if l.startswith(("CapEff", "CapPrm")) and int(l.split()[1], 16)]
found["privileges"] = "NoNewPrivs:\\t1" not in status
found["public"] = os.path.exists("/public/toy/test.csv")
found["helper"] = os.listdir(".")
found["forked"] = "seaborn" in sys.modules
print("FOUND" + json.dumps(found))
"""

REPLACE = """
import builtins, sys, types, io, base64
import sklearn.metrics, numpy as np
class Yes(np.ndarray):
    def __eq__(self, other): return True
    def __sub__(self, other): return np.zeros(40)
def one(*a, **k): return 1.0
sklearn.metrics.r2_score = one
for name in ("load", "mean", "sum", "average", "subtract"): setattr(np, name, one)
builtins.print = builtins.float = one
builtins.__import__ = builtins.__import__
def report(**values): pass
report(r2=1.0)
solution = predictions = np.zeros(40).view(Yes)
r2 = score = marks = 1.0
get_ipython().display_formatter.formatters["text/plain"].for_type(float, lambda *a: "10")
sys.displayhook = lambda v: None
1.0
"""

FORMAT = """
import pickle, io, base64, numpy as np
import builtins
class Evil:
    def __reduce__(self): return (builtins.exec, ("import pathlib; pathlib.Path('/tmp/owned-by-a-pickle').touch()",))
content = io.BytesIO()
np.save(content, np.array([Evil()] * 40, dtype=object), allow_pickle=True)
class Formatter:
    def format(self, *a, **k):
        return {"application/vnd.datauab.array+base64": base64.b64encode(content.getvalue()).decode()}, {}
predictions = np.zeros(40)
get_ipython().display_formatter.format = Formatter().format
"""

# fmt: off
ATTACKS: dict[str, tuple[list[str], dict[str, int]]] = {
    "honest": (["import sys\nprint('careful', file=sys.stderr)\npredictions = np.arange(40) * 1.25 + 7"], {}),
    "look": ([LOOK, "predictions = np.zeros(40)"], {}),
    "replace": ([REPLACE], {}),
    "format": ([FORMAT], {}),
    "objects": (["predictions = np.array([object()] * 40)"], {}),
    "huge": (["predictions = np.broadcast_to(np.float64(1), (10**9,))"], {}),
    "wrong": (["predictions = np.zeros(39)"], {}),
    "nan": (["predictions = np.arange(40.); predictions[7] = np.nan"], {}),
    "link": (["import os\nos.symlink('/etc/passwd', 'predictions.npy')\npredictions = open('predictions.npy')"], {}),
    "memory": (["import os\nfor _ in range(8): os.fork()\nhoard = [bytearray(b'x' * 2**20) for _ in range(4000)]"], {}),
    "hoard": (["hoard = [np.ones(2**17) for _ in range(10_000)]", "import time; time.sleep(30)"], {}),
    "shared": (["import mmap\nm = mmap.mmap(-1, 2**30)\nfor i in range(0, 2**30, 4096): m[i] = 1"], {}),
    "forks": (["import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"], {"wall_s": 8}),
    "threads": (
        ["import threading, time\nfor _ in range(500): threading.Thread(target=time.sleep, args=(60,)).start()"], {}
    ),
    "disk": (["for i in range(40):\n    open(f'f{i}', 'wb').write(bytes(4 * 2**20))"], {}),
    "file": (["open('f', 'wb').write(bytes(20 * 2**20))"], {}),
    "names": (["import os\nos.makedirs('d')\nfor i in range(200_000): os.symlink('x', f'd/{i}')"], {}),
    "sleep": (["import time; time.sleep(3600)"], {"wall_s": 8}),
    "deaf": (
        ["import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n"
         "    except Exception: pass\nwhile True: pass"], {"wall_s": 40, "cpu_s": 2},
    ),
    "exit": (["import os; os._exit(0)"], {}),
    "signature": (["get_ipython().kernel.session.key = b'another'"], {}),
    "flood": (["for _ in range(300): print('x' * 10**6)\npredictions = np.zeros(40)"], {}),
    "behind": (
        ["import subprocess, sys\nfor _ in range(3):\n    subprocess.Popen([sys.executable, '-c', "
         f"'import os,time; os.setsid(); os.fork(); time.sleep(600)', '{LEFT_BEHIND}'], start_new_session=True)\n"
         "predictions = np.arange(40) * 1.25 + 7"], {},
    ),
}
# fmt: on


def listeners(root: Path) -> tuple[dict[str, Any], list[str]]:
    """Open what a student must not reach; returns the addresses and the list of who came."""
    came: list[str] = []
    abstract = f"\0datauab-{os.getpid()}"
    path = str(root / "listener")
    sockets = {"tcp": socket.socket(), "abstract": socket.socket(socket.AF_UNIX), "path": socket.socket(socket.AF_UNIX)}
    sockets["tcp"].bind(("127.0.0.1", 0))
    sockets["abstract"].bind(abstract)
    sockets["path"].bind(path)
    for name, listener in sockets.items():
        listener.listen()

        def accept(name: str = name, listener: socket.socket = listener) -> None:
            while True:
                listener.accept()
                came.append(name)

        threading.Thread(target=accept, daemon=True).start()
    return {"port": sockets["tcp"].getsockname()[1], "abstract": abstract, "path": path}, came


def set_limits(folder: Path, text: str, limits: dict[str, int]) -> None:
    """Write competition.toml with other limits."""
    for name, value in limits.items():
        lines = [f"{name} = {value}" if line.startswith(f"{name} ") else line for line in text.splitlines()]
        text = "\n".join(lines) + "\n"
    (folder / "competition.toml").write_text(text, encoding="utf-8")


def attack(toy: Any, name: str, fill: Callable[[str], str]) -> dict[str, Any]:
    """Grade one hostile notebook; returns what it gained."""
    from tests.autograde.toy_course import COMPETITION, NAME

    cells, limits = ATTACKS[name]
    set_limits(toy.settings.source / NAME, COMPETITION, limits)
    began = time.monotonic()
    notebook = toy.grade(name, [fill(cell) for cell in cells])
    seconds = time.monotonic() - began
    attempt = toy.attempt(name)
    outputs = json.dumps([cell.get("outputs") for cell in notebook.cells])
    return {
        "kept": len(outputs),
        "state": attempt.state,
        "reason": attempt.reason or "",
        "points": toy.points(name)[0],
        "seconds": seconds,
        "outputs": outputs[:100_000],
    }


def left_behind() -> list[str]:
    """Processes of a run that are still there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if LEFT_BEHIND in text:
            found.append(text)
    return found


@contextlib.contextmanager
def warm(public: Path) -> Iterator[None]:
    """Fork every kernel from zygotes."""
    from datauab.autograde.kernels import use_warm
    from datauab.autograde.warm import WarmKernels

    with (
        WarmKernels.start(public=public) as student,
        WarmKernels.start(solution_wall=True) as trusted,
        use_warm(student, trusted),
    ):
        yield


def main(root: Path, wanted: list[str]) -> None:
    """Make a course below `root`, run the attacks, and print the results; ``--warm`` runs them in forked kernels."""
    from datauab.autograde.sandbox import probe
    from tests.autograde.toy_course import make_course

    logging.disable(logging.WARNING)
    os.environ["DATAUAB_ROOT"] = str(root)
    os.environ["DATAUAB_PROBE_SECRET"] = SECRET
    toy = make_course(root)
    addresses, came = listeners(root)
    places = {"root": str(root), "solution": str(toy.settings.solutions), "prefix": sys.prefix, "secret": SECRET}

    def fill(cell: str) -> str:
        return cell.format(**addresses, **places) if cell == LOOK else cell

    names = [name for name in wanted if name != "--warm"] or list(ATTACKS)
    with warm(toy.settings.public) if "--warm" in wanted else contextlib.nullcontext():
        results: dict[str, Any] = {name: attack(toy, name, fill) for name in names}
        time.sleep(0.5)
    results["*"] = {
        "mode": probe(),
        "uid": os.getuid(),
        "came": came,
        "left": left_behind(),
        "warm": "--warm" in wanted,
        "pickle": Path("/tmp/owned-by-a-pickle").exists(),
    }
    sys.stdout.write("RESULTS" + json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
