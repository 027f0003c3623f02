"""Attacks on the fork itself, by notebooks in forked kernels: none reaches another student's, or the zygote."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import uuid
from pathlib import Path

import pytest

from datauab.autograde.warm import WarmKernels
from tests.autograde.warm_runs import CALLS, SECRET, Student, alive, parent, run, told, zygote

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]

# A student's secret; whoever looks for it has the pattern in memory, and not what the pattern means.
MARK = "mark-{}"
PATTERN = rb"mark-[0-9a-f]{32}"


def test_a_fresh_kernel_holds_no_descriptor_that_was_open_before_it(warm: WarmKernels) -> None:
    found = told(
        warm,
        """
import array, fcntl, json, os, socket, struct
links = {}
for name in os.listdir("/proc/self/fd"):
    try: links[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    except OSError: pass
foreign, asked = [], []
here = socket.socket().getsockopt(socket.SOL_SOCKET, 71, 8)  # SO_NETNS_COOKIE
for number in [number for number, text in links.items() if text.startswith("socket:")]:
    copy = socket.socket(fileno=os.dup(number))
    if copy.getsockopt(socket.SOL_SOCKET, 71, 8) != here:
        foreign.append(copy.getsockname())
        space = array.array("B", bytes(4096))
        try: asked.append(fcntl.ioctl(copy, 0x8912, struct.pack("iL", 4096, space.buffer_info()[0])).hex())
        except OSError: pass
first = {name: os.readlink(f"/proc/1/fd/{name}") for name in os.listdir("/proc/1/fd")}
print("FOUND" + json.dumps({"links": links, "foreign": foreign, "asked": asked, "first": first}))
""",
    )
    links = found["links"]
    assert links.pop("0") == found["first"].pop("0") == "/dev/null"
    # What its first process prints, and it, goes to one pipe of its own; there is nothing else.
    assert set(found["first"]) == {"1", "2"}
    assert set(found["first"].values()) < set(links.values())
    assert {text.partition(":")[0] for text in links.values()} <= {"pipe", "socket", "anon_inode"}, links
    assert {text for text in links.values() if text.startswith("anon_inode")} <= {
        "anon_inode:[eventfd]", "anon_inode:[eventpoll]", "anon_inode:[timerfd]",
    }  # fmt: skip
    assert set(found["foreign"]) <= {f"/kernel/k-{number}" for number in range(1, 6)}, "only the grader's connections"
    assert found["foreign"], "it is asked here, through one of them"
    assert found["asked"] == [], "they belong to the grader's network, and tell of its interfaces"


LEAVE = """
import os, json, sys, types, numpy as np
mark = "mark-" + os.urandom(16).hex()
os.environ["LEFT"] = mark
sys.modules["left"] = types.ModuleType(mark)
np.left = hoard = [mark + str(number) for number in range(1000)]
"""


SCAN = f"""
import re, json
def scan(pid):
    found, read = set(), 0
    for line in open(f"/proc/{{pid}}/maps"):
        begin, end = (int(part, 16) for part in line.split()[0].split("-"))
        if line.split()[1][0] != "r" or "[v" in line: continue
        with open(f"/proc/{{pid}}/mem", "rb", buffering=0) as memory:
            at = begin
            while at < end:
                try:
                    memory.seek(at)
                    chunk = memory.read(min(end - at, 2**22))
                except (OSError, OverflowError, ValueError): break
                if not chunk: break
                read += len(chunk)
                found |= {{match.decode() for match in re.findall({PATTERN!r}, chunk)}}
                at += len(chunk)
    return found, read
seen = {{}}
for pid in filter(str.isdigit, __import__("os").listdir("/proc")):
    try: seen[pid] = [sorted(part) if isinstance(part, set) else part for part in scan(pid)]
    except OSError as error: seen[pid] = [[], 0]
print("FOUND" + json.dumps(seen))
"""


def test_no_memory_that_can_be_read_holds_anything_of_another_student(warm: WarmKernels) -> None:
    files = {"notes.txt": (MARK.format(uuid.uuid4().hex) * 100).encode()}
    own = told(warm, LEAVE + "kept = open('notes.txt').read()\n" + SCAN, files=files)
    assert sum(len(marks) for marks, _ in own.values()) >= 2, "the scan must find what is there"
    with Student(warm, files=files) as beside:
        beside.does(LEAVE)
        seen = told(warm, SCAN)
    assert seen["2"][1] > 2**20
    assert [marks for marks, _ in seen.values() if marks] == []


def test_of_other_processes_only_its_own_can_be_seen_and_none_be_looked_into(warm: WarmKernels) -> None:
    with Student(warm):
        found = told(
            warm,
            CALLS
            + """
here = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
seen = []
for pid in range(1, 5000):
    try: os.kill(pid, 0); seen.append(pid)
    except OSError: pass
buffer = ctypes.create_string_buffer(64)
got = {
    "ptrace": call("ptrace", 16, 1, None, None),
    "process_vm_readv": call("process_vm_readv", 1, buffer, 0, buffer, 0, 0),
    "pidfd_getfd": number(438, 438, os.pidfd_open(1), 0, 0),
    "kcmp": number(312, 272, os.getpid(), 1, 0, 0, 0),
}
print("FOUND" + json.dumps({"here": here, "seen": seen, "got": got, "parents": [os.getppid(), os.getsid(0)]}))
""",
        )
    threads = [pid for pid in found["seen"] if pid not in (1, 2)]
    assert found["here"] == [1, 2]
    assert all(pid < 60 for pid in threads), "threads of the kernel answer too, and nothing else"
    assert found["parents"] == [1, 1]
    assert set(found["got"].values()) == {"EPERM"}, found["got"]


def test_signals_end_its_own_kernel_only(warm: WarmKernels) -> None:
    before = zygote(warm)
    with Student(warm) as beside:
        beside.does("kept = 7")
        everyone = run(
            warm,
            "import os\nfor n in range(3, 40000):\n    try: os.kill(n, 9)\n    except OSError: pass",
            "import os\nfor n in range(2, 3000):\n    try: os.killpg(n, 9)\n    except OSError: pass",
            "import os\nos.kill(0, 0)\nos.kill(-1, 9)\nos.kill(1, 9)\nos.kill(1, 2)",
        )
        assert everyone.predictions is None
        assert beside.does("print(kept)") == "7\n"
        assert parent(beside.keeper) == before
    assert zygote(warm) == before


LOOK_FOR_FILES = """
import json, os
def writable():
    found = []
    for top, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(top, name) not in ("/proc", "/usr", "/sys")]
        if os.access(top, os.W_OK): found.append(top)
    return found
places = writable() + ["/dev/mqueue", "/var/tmp", "/run", "/home", os.path.expanduser("~"), os.getcwd()]
names = [os.path.join(top, name) for top in ("/tmp", "/dev", "/kernel", "/home", "/run", "/var", os.getcwd())
         for top, folders, files in os.walk(top) for name in folders + files]
"""


def test_files_of_one_student_are_nowhere_for_the_others(warm: WarmKernels) -> None:
    leave = f"""{LOOK_FOR_FILES}
wrote = []
for place in places:
    for name in ("left-behind", ".left-behind"):
        try: open(os.path.join(place, name), "w").write("left"); wrote.append(place)
        except OSError: pass
os.symlink("/kernel/connection.json", "/tmp/left-behind-link")
print("FOUND" + json.dumps(sorted(set(wrote))))"""
    look = f"{LOOK_FOR_FILES}\nprint('FOUND' + json.dumps([name for name in names if 'left-behind' in name]))"
    with Student(warm) as beside:
        beside.does(leave)
        wrote = told(warm, leave)
        assert told(warm, look) == []
        assert "left-behind" in beside.does("import os; print(os.listdir('.'))")
    assert "/tmp" in wrote
    assert {"/" + place.split("/")[1] for place in wrote} == {"/tmp", "/dev", "/kernel"}
    assert {place for place in wrote if place.startswith("/dev")} == {"/dev/shm"}
    assert told(None, look) == []


def test_no_process_stays_for_the_next_student(warm: WarmKernels) -> None:
    word = f"stays-{uuid.uuid4().hex}"
    daemon = f"""
import os, subprocess, sys, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-c", "import time, signal; [signal.signal(n, signal.SIG_IGN)"
                     " for n in (1, 2, 15)]; time.sleep(600)", "{word}"])
        os._exit(0)
time.sleep(0.5)
print("FOUND" + str(sum(b"{word}" in open(f"/proc/{{p}}/cmdline", "rb").read()
                        for p in os.listdir("/proc") if p.isdigit())))"""
    assert told(warm, daemon) == 3
    ends = time.monotonic() + 60
    while left := [path for path in Path("/proc").glob("[0-9]*/cmdline") if word.encode() in _read(path)]:
        assert time.monotonic() < ends, left
        time.sleep(0.1)
    count = "import os; print('FOUND' + str(sum(name.isdigit() for name in os.listdir('/proc'))))"
    assert told(warm, count) == 2


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_no_shared_memory_semaphore_queue_key_or_socket_leads_to_another_student(warm: WarmKernels) -> None:
    make = (
        CALLS
        + """
import socket
from multiprocessing import shared_memory
libc.sem_open.restype = ctypes.c_void_p
held = [shared_memory.SharedMemory("left", create=True, size=4096), socket.socket(socket.AF_UNIX), socket.socket(),
        socket.socket(socket.AF_UNIX)]
held[1].bind("\\0left"); held[1].listen()
held[2].bind(("127.0.0.1", 47119)); held[2].listen()
held[3].bind("/tmp/left"); held[3].listen()
print("FOUND" + json.dumps({
    "shared": libc.shmget(4711, 4096, 0o1666), "messages": libc.msgget(4711, 0o1666),
    "semaphores": libc.semget(4711, 1, 0o1666), "named": bool(libc.sem_open(b"/left", os.O_CREAT, 0o666, 1)),
    "queue": libc.mq_open(b"/left", os.O_CREAT | os.O_RDWR, 0o666, None),
    "keys": [number(248, 217, b"user", b"left", b"x", 1, -4), number(250, 219, 1, 0), number(249, 218, b"user", b"left",
             None, -4)], "memory": number(319, 279, b"left", 0),
}))"""
    )
    look = (
        CALLS
        + """
import socket
libc.sem_open.restype = ctypes.c_void_p
found = []
if libc.sem_open(b"/left", 0): found.append("semaphore")
if libc.mq_open(b"/left", os.O_RDONLY) >= 0: found.append("queue")
for table in ("shm", "msg", "sem"):
    if len(open(f"/proc/sysvipc/{table}").read().splitlines()) > 1: found.append(table)
if os.listdir("/dev/shm"): found.append("shared memory")
for family, address in ((socket.AF_UNIX, "\\0left"), (socket.AF_INET, ("127.0.0.1", 47119)),
                        (socket.AF_UNIX, "/tmp/left")):
    try: socket.socket(family).connect(address); found.append(str(address))
    except OSError: pass
if "left" in open("/proc/keys").read(): found.append("key")
print("FOUND" + json.dumps(found))"""
    )
    with Student(warm) as beside:
        made = json.loads(beside.does(make).partition("FOUND")[2])
        assert told(warm, look) == []
    assert made["named"] is True
    # Memory of these kinds belongs to no folder and no process, so no limit would count it.
    assert (made["shared"], made["messages"], made["semaphores"], made["memory"]) == (-1, -1, -1, "ENOSYS")
    assert made["keys"] == ["EPERM"] * 3
    assert told(warm, look) == []


def test_the_environment_is_the_kernels_own_and_nothing_of_the_host_is_in_it(warm: WarmKernels) -> None:
    look = """
import glob, json, os
text = ""
for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline") + glob.glob("/proc/*/task/*/environ"):
    try: text += open(path, errors="replace").read()
    except OSError: pass
print("FOUND" + json.dumps([dict(os.environ), text]))"""
    run(warm, "import os; os.environ['LEFT'] = 'left-in-the-environment'; os.putenv('LEFT', 'left-in-the-environment')")
    forked, text = told(warm, look)
    cold, _ = told(None, look)
    assert SECRET not in json.dumps(forked) + text
    assert "left-in-the-environment" not in json.dumps(forked) + text
    assert "DATAUAB_PROBE_SECRET" not in text
    assert {*forked} <= {*cold}
    assert {name: cold[name] for name in forked} == forked


def test_chance_differs_from_kernel_to_kernel(warm: WarmKernels) -> None:
    code = """
import json, os, random, secrets, ssl, tempfile, uuid
import numpy as np
print("FOUND" + json.dumps([random.random(), np.random.random(), np.random.default_rng().random(), os.urandom(8).hex(),
      uuid.uuid4().hex, secrets.token_hex(), ssl.RAND_bytes(8).hex(), tempfile.mktemp(), random.SystemRandom().random(),
      np.random.get_state()[1].tolist()[:4]]))"""
    kernels = [told(warm, code) for _ in range(3)]
    for number, drawn in enumerate(zip(*kernels, strict=True)):
        assert len({json.dumps(value) for value in drawn}) == 3, number


def test_what_one_kernel_replaces_is_as_it_was_in_the_next(warm: WarmKernels) -> None:
    patch = """
import builtins, json, sys, numpy as np, zmq, IPython, datauab.autograde.export as export
builtins.abs = lambda *_: 4711
np.mean = export.export = lambda *_, **__: 4711
sys.meta_path.insert(0, None)
sys.path.insert(0, "/tmp")
__builtins__.left = 4711
import ctypes
# Even an object in pages that all processes share: the type bool is called otherwise.
name = ctypes.c_char_p(b"left")
ctypes.memmove(id(bool) + 24, ctypes.byref(name), 8)
print("FOUND" + json.dumps([abs(-1), bool.__name__]))"""
    assert told(warm, patch) == [4711, "left"]
    found = told(
        warm,
        """
import builtins, json, sys, numpy as np, datauab.autograde.export as export
print("FOUND" + json.dumps([abs(-3), float(np.mean([1., 3.])), hasattr(builtins, "left"), "/tmp" in sys.path,
      None in sys.meta_path, export.export.__module__, bool.__name__]))""",
    )
    assert found == [3, 2.0, False, False, False, "datauab.autograde.export", "bool"]


def test_where_the_keeper_is_killed_its_kernel_ends_and_the_grader_is_told(warm: WarmKernels) -> None:
    with Student(warm) as student, Student(warm) as beside:
        first, process = student.first, student.process
        os.kill(student.keeper, signal.SIGKILL)
        forked = student.kernel.provisioner.process
        assert forked is not None
        assert forked.wait(30) == 128 + signal.SIGKILL
        ends = time.monotonic() + 30
        while any(alive(pid) for pid in (first, process)):
            assert time.monotonic() < ends
            time.sleep(0.05)
        assert beside.does("print(1)") == "1\n"


def test_kernels_that_are_forked_at_the_same_time_find_their_own_files_only(warm: WarmKernels) -> None:
    seen: dict[int, object] = {}

    def grade(number: int) -> None:
        code = "import os, json; print('FOUND' + json.dumps({n: open(n).read() for n in os.listdir('.')}))"
        seen[number] = told(warm, code, files={f"own-{number}.txt": str(number).encode()})

    threads = [threading.Thread(target=grade, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {number: {f"own-{number}.txt": str(number)} for number in range(8)}
