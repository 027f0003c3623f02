"""The walls around a forked kernel: no call leads over the inner one, and behind it there is nothing."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from datauab.autograde.sandbox import Bind, Sandbox, Tmpfs, base_binds, base_symlinks, mode, python_binds, python_env
from datauab.autograde.warm import WarmKernels, _outer_wall, warm_problem
from tests.autograde import attack_script, test_fork_attacks, test_fork_hunger
from tests.autograde.warm_runs import CALLS, SECRET, told

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]


def test_no_call_leads_out_of_its_namespaces_or_uncovers_what_lies_below(warm: WarmKernels) -> None:
    found = told(
        warm,
        CALLS
        + """
got, root = {}, b"/"
for place in (b"/tmp", b"/proc", b"/dev/shm", b"/kernel", b"/dev/pts", b"/", b"/usr"):
    for flags in (0, 1, 2, 8): got[f"umount {place} {flags}"] = call("umount2", place, flags)
    for flags in (4096, 32, 32 | 4096): got[f"remount {place} {flags}"] = call("mount", None, place, None, flags, None)
got["mount"] = call("mount", b"x", b"/tmp", b"tmpfs", 0, None)
got["pivot_root"] = number(155, 41, b"/tmp", b"/tmp")
got["chroot"] = call("chroot", b"/tmp")
for name, flag in {"user": 0x10000000, "mount": 0x20000, "net": 0x40000000, "pid": 0x20000000, "all": 0x7e020000,
                   "user in the upper half": 0x7f_10000000}.items():
    got[f"unshare {name}"] = call("unshare", ctypes.c_ulong(flag))
for kind in ("mnt", "net", "pid", "user", "ipc", "uts", "cgroup"):
    for pid in ("1", "self"):
        try: handle = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
        except OSError as error: got[f"{pid} {kind}"] = errno.errorcode[error.errno]; continue
        got[f"setns {pid} {kind}"] = call("setns", handle, 0)
got["clone"] = number(56, 220, 0x10000011, 0, 0, 0, 0)
got["clone3"] = number(435, 435, ctypes.create_string_buffer(88), 88)
for name, (x86, arm) in {"open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsmount": (432, 432),
    "mount_setattr": (442, 442), "io_uring": (425, 425), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "open_by_handle_at": (304, 265), "init_module": (175, 105), "syslog": (103, 116),
    "reboot": (169, 142), "swapon": (167, 224), "acct": (163, 89), "settimeofday": (170, 170),
    "sethostname": (170, 161), "kexec": (246, 104)}.items():
    got[name] = number(x86, arm, 1, 0, 0, 0, 0)
for word in ("uid_map", "gid_map", "setgroups"):
    try: os.write(os.open(f"/proc/self/{word}", os.O_WRONLY), b"0 0 1"); got[word] = "worked"
    except OSError as error: got[word] = errno.errorcode[error.errno]
got["setuid"] = call("setuid", 0)
print("FOUND" + json.dumps(got))""",
    )
    assert len(found) > 70
    assert found.pop("setuid") == "EINVAL", "the number 0 means nobody there"
    assert [name for name, result in found.items() if result not in ("EPERM", "ENOSYS", "EACCES")] == []


def test_only_families_of_sockets_that_stay_inside_exist(warm: WarmKernels) -> None:
    found = told(
        warm,
        """
import errno, json, socket
got = {}
for family in range(48):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        try: socket.socket(family, kind).close(); got[family] = "made"
        except OSError as error: got.setdefault(family, errno.errorcode[error.errno])
reached = []
for family, address in ((socket.AF_INET, ("192.0.2.1", 80)), (socket.AF_INET6, ("2001:db8::1", 80))):
    try: socket.create_connection(address[:2], timeout=2); reached.append(address)
    except OSError: pass
print("FOUND" + json.dumps([[family for family, result in got.items() if result == "made"], got["40"] if "40" in got
      else got[40], reached, [line.split()[0] for line in open("/proc/net/dev").read().splitlines()[2:]]]))""",
    )
    made, vsock, reached, interfaces = found
    assert set(made) <= {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK}
    assert {socket.AF_UNIX, socket.AF_INET} <= set(made)
    assert vsock == "EAFNOSUPPORT", "this family reaches the machine's host past every network namespace"
    assert reached == []
    assert interfaces == ["lo:"]


def test_settings_of_the_machine_cannot_be_changed_and_no_core_is_dumped(warm: WarmKernels) -> None:
    found = told(
        warm,
        """
import json, os, resource, signal, subprocess, sys
before = int(open("/proc/self/oom_score_adj").read())
wrote = []
for top in ("/proc/sys", "/proc/1", "/proc/sysrq-trigger", "/sys"):
    for folder, folders, files in [(os.path.dirname(top), [], [top])] if os.path.isfile(top) else os.walk(top):
        folders[:] = [name for name in folders if name not in ("task", "fd", "fdinfo", "map_files", "cwd", "root")]
        for name in files:
            path = os.path.join(folder, name)
            if "/proc/1/" in path and name not in ("oom_score_adj", "oom_adj", "loginuid", "sched", "timerslack_ns",
                                                   "coredump_filter", "attr/current", "clear_refs"): continue
            try: text = open(path, "rb").read()[:4096]
            except OSError: text = b"0"
            try: os.write(os.open(path, os.O_WRONLY), text or b"0"); wrote.append(path)
            except (OSError, ValueError): pass
try:
    with open("/proc/self/oom_score_adj", "w") as file: file.write("499")
    wrote.append("oom_score_adj")
except OSError: pass
raised = []
for name in ("CORE", "FSIZE", "CPU", "NOFILE", "NPROC", "DATA"):
    soft, hard = resource.getrlimit(getattr(resource, "RLIMIT_" + name))
    try: resource.setrlimit(getattr(resource, "RLIMIT_" + name), (hard + 1, hard + 1)); raised.append(name)
    except (OSError, ValueError): pass
    if hard == resource.RLIM_INFINITY: raised.append(name)
died = subprocess.run([sys.executable, "-c", "import os; os.abort()"]).returncode
cores = [name for folder in (".", "/tmp") for name in os.listdir(folder) if "core" in name]
print("FOUND" + json.dumps([wrote, raised, died, cores, before]))""",
    )
    wrote, raised, died, cores, before = found
    assert before >= 500, "where memory runs out, Linux ends students' kernels before the grader"
    assert [path for path in wrote if path.startswith(("/proc/sys", "/sys"))] == []
    if mode() == "account" and "CAP_SYS_RESOURCE" in _rights():  # only root can say that nobody takes it back
        assert "oom_score_adj" not in wrote, "a student must not live longer than the grader where memory runs out"
    assert raised == []
    assert died == -signal.SIGABRT
    assert cores == []


def _rights() -> set[str]:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    return {"CAP_SYS_RESOURCE"} if effective >> 24 & 1 else set()


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object], list[str]]:
    """A course with all that must stay unseen, addresses that must not be reached, and who reached them."""
    root = tmp_path_factory.mktemp("hidden") / "course"
    for name in ("gradebook/solutions/toy.solution", "gradebook/gradebook.db", "submitted/ada/toy/toy.ipynb",
                 "nbgrader_config.py", ".club/public/toy/test.csv"):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(SECRET, encoding="utf-8")
    return (root, *attack_script.listeners(root))


def look(hidden: tuple[Path, dict[str, object], list[str]], *before: str) -> dict[str, object]:
    """What code finds that runs where the zygote does, without the wall of a kernel around it."""
    root, addresses, came = hidden
    places = {"root": str(root), "solution": str(root / "gradebook"), "prefix": sys.prefix, "secret": SECRET}
    process = _outer_wall(root / ".club" / "public", False, False).popen(
        [*before, sys.executable, "-P", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said, errors = process.communicate(attack_script.LOOK.format(**addresses, **places).encode(), timeout=120)
    assert b"FOUND" in said, errors[-2000:]
    found: dict[str, object] = json.loads(said.decode().partition("FOUND")[2])
    assert came == []
    package = str(Path(attack_script.__file__).parents[2] / "datauab")
    files = found.pop("files")
    assert isinstance(files, list)
    assert [path for path in files if not path.startswith(package)] == []
    assert found.pop("public") is True
    del found["helper"], found["forked"]
    return found


def test_behind_the_inner_wall_there_is_nothing_either(
    hidden: tuple[Path, dict[str, object], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAUAB_PROBE_SECRET", SECRET)
    found = look(hidden)
    assert found.pop("commands") == ["unshare"], "it is where inner walls are made, so it may make one"
    assert not any(found.values()), found


def test_even_with_every_right_of_a_namespace_of_its_own_there_is_nothing(
    hidden: tuple[Path, dict[str, object], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAUAB_PROBE_SECRET", SECRET)
    uncover = 'for place in /tmp /kernel /dev/shm /usr /public /; do umount $place || umount -l $place; done; exec "$@"'
    namespaces = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc")
    found = look(hidden, *namespaces, "sh", "-c", uncover, "sh")
    assert found.pop("capabilities"), "the attack must have had its rights"
    for name in ("commands", "written"):  # on mounts of its own
        found.pop(name, None)
    assert not any(found.values()), found


@pytest.mark.timeout(900)
@pytest.mark.skipif(mode() != "account", reason="this is the run as an ordinary account")
def test_the_same_holds_for_kernels_of_an_ordinary_account() -> None:
    tests = Path(__file__).parents[1]
    outer = Sandbox(
        ro_binds=(*base_binds(), *python_binds(), Bind(tests)),
        tmpfs=(Tmpfs("/tmp", 256),),
        symlinks=base_symlinks(),
        env={**python_env(), "PYTEST_ADDOPTS": ""},
        account=0x6FFF_FFE0,
        rlimits=(("nofile", 1024),),  # as many accounts have it
        nestable=True,
        chdir="/tmp",
    )
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", "/tmp", "--basetemp", "/tmp/runs"]
    files = [str(module.__file__) for module in (sys.modules[__name__], test_fork_attacks, test_fork_hunger)]
    done = subprocess.run(
        outer.command([sys.executable, "-m", "pytest", *options, "-o", "markers=sandbox", *files]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_kernels_can_be_forked_here() -> None:
    assert warm_problem() is None
