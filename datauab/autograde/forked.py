"""What a forked process does before it becomes a kernel: it builds its own wall, from inside the zygote's.

Three processes: the *keeper* leaves the zygote's namespaces and tells the grader how its kernel ended; the *first*
process of the new pid namespace makes the mounts, gives up every right and collects orphans; the *kernel* sets its
limits, closes what it inherited and runs. Everything here is the platform's own code; the student's starts after it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datauab.autograde import seccomp

# linux/sched.h, linux/mount.h, linux/prctl.h, linux/capability.h, linux/if.h
_NEW = {"mount": 0x0002_0000, "uts": 0x0400_0000, "ipc": 0x0800_0000, "user": 0x1000_0000, "pid": 0x2000_0000}
_NEW_NET = 0x4000_0000
_NOSUID, _NODEV, _NOEXEC, _PRIVATE, _RECURSIVE = 2, 4, 8, 1 << 18, 1 << 14
_SET_PDEATHSIG, _SET_SECCOMP, _CAPBSET_DROP, _SET_NO_NEW_PRIVS, _CAP_AMBIENT = 1, 22, 24, 38, 47
_FILTER, _CLEAR_ALL = 2, 4
_CAPABILITIES_V3 = 0x2008_0522
_INTERFACE_UP, _SET_INTERFACE = 1, 0x8914
_ACCOUNT = 1000
_MIB = 2**20

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class ForkRequest:
    """One kernel to fork. Holds nothing of a student and no secret: those come in files that only the kernel reads.

    Attributes
    ----------
    tmpfs : list of (str, int, int)
        Path, size in MiB and mode of each empty writable folder.
    env : dict
        The kernel's whole environment.
    rlimits : list of (str, int)
        Resource limits by their ``prlimit`` option.
    files : list of str
        Where the files belong whose descriptors come along, in their order.
    archive : str
        Which of them is a tar archive that is unpacked beside the notebook instead; empty where there is none.
    folder : str
        Where the kernel works: gets the folders ``notebook`` and ``home``.
    connection : str
        Which of `files` says how to connect.
    """

    hostname: str
    tmpfs: list[tuple[str, int, int]]
    env: dict[str, str]
    rlimits: list[tuple[str, int]]
    files: list[str] = field(default_factory=list)
    archive: str = ""
    folder: str = "/"
    connection: str = ""


def keep(
    request: ForkRequest, lifeline: socket.socket, output: int, files: Sequence[int], run: Callable[[str], Any]
) -> int:
    """Be the keeper of one kernel: returns its exit status when it has ended.

    Parameters
    ----------
    lifeline : socket
        Gets one message from the first process of the new pid namespace (by which the grader learns its number), and
        one with the exit status in four bytes.
    output : int
        Descriptor that gets what the kernel's process prints.
    files : sequence of int
        Descriptors of `ForkRequest.files`.
    run : callable
        Runs the kernel, given the path of the connection file.

    Raises
    ------
    OSError
        Where the kernel of this machine refuses a namespace; nothing has run then.
    """
    account, group = os.getuid(), os.getgid()
    _check(_libc.unshare(sum(_NEW.values()) | _NEW_NET), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{_ACCOUNT} {account} 1")
    _write("/proc/self/gid_map", f"{_ACCOUNT} {group} 1")
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    first = os.fork()
    if first == 0:
        _run_or_exit(lambda: _be_first(request, lifeline, output, files, run))
    for descriptor in (output, *files):
        os.close(descriptor)
    status = _status(os.waitpid(first, 0)[1])
    with contextlib.suppress(OSError):
        lifeline.send(struct.pack("=i", status))
    return status


def _be_first(
    request: ForkRequest, lifeline: socket.socket, output: int, files: Sequence[int], run: Callable[[str], Any]
) -> None:
    os.setsid()
    _be_alone(request)
    _give_up_rights()
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    os.dup2(output, 1)
    os.dup2(output, 2)
    lifeline.send(b"here")
    lifeline.close()
    kernel = os.fork()
    if kernel == 0:
        _run_or_exit(lambda: _be_kernel(request, files, run))
    os.closerange(3, 4096)
    while True:
        pid, status = os.wait()
        if pid == kernel:
            os._exit(_status(status))


def _be_alone(request: ForkRequest) -> None:
    """Own mounts, host name and loopback, as the new namespaces allow."""
    _mount(None, "/", None, _PRIVATE | _RECURSIVE)
    for path, size_mb, mode in request.tmpfs:
        _mount("tmpfs", path, "tmpfs", _NOSUID | _NODEV, f"size={size_mb * _MIB},mode={mode:o}")
    _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    # Pseudo-terminals of other kernels of this zygote would be seen in its own; the machine has a few thousand in all.
    _mount("devpts", "/dev/pts", "devpts", _NOSUID | _NOEXEC, "newinstance,ptmxmode=0666,mode=620,max=64")
    socket.sethostname(request.hostname)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_INTERFACE, struct.pack("16sh14x", b"lo", _INTERFACE_UP))


def _give_up_rights() -> None:
    """No capability, none to be had again, and only the system calls that notebooks need."""
    number = 0
    while _libc.prctl(_CAPBSET_DROP, number, 0, 0, 0) == 0:  # ends at the first that this Linux does not know
        number += 1
    _prctl(_CAP_AMBIENT, _CLEAR_ALL)
    header = struct.pack("=II", _CAPABILITIES_V3, 0)
    _check(_libc.capset(header, struct.pack("=6I", *[0] * 6)), "capset")
    _prctl(_SET_NO_NEW_PRIVS, 1)
    rules = seccomp.program()
    if rules is not None:
        held = ctypes.create_string_buffer(rules, len(rules))
        program = struct.pack("@HP", len(rules) // 8, ctypes.addressof(held))
        _prctl(_SET_SECCOMP, _FILTER, program)


def _be_kernel(request: ForkRequest, files: Sequence[int], run: Callable[[str], Any]) -> None:
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(request.env)
    os.chdir(request.folder)
    for name in ("notebook", "home"):
        Path(name).mkdir()
    os.chdir("notebook")
    for path, descriptor in zip(request.files, files, strict=True):
        _unpack(descriptor) if path == request.archive else _copy(descriptor, path)
    _limit(request.rlimits)
    os.closerange(3, 4096)
    reseed()
    run(request.connection)


def reseed() -> None:
    """Give the random generators of loaded libraries a state of their own, as a fresh process has it."""
    random = getattr(sys.modules.get("numpy"), "random", None)
    if random is not None:
        random.seed()  # Python's own is seeded again by fork
    generator = getattr(sys.modules.get("torch"), "default_generator", None)
    if generator is not None:
        generator.seed()  # drawn when it was loaded; those of GPUs are made where they are first used


def _limit(rlimits: Sequence[tuple[str, int]]) -> None:
    for name, value in rlimits:
        most = value
        if name == "data":  # on top of what the zygote has reserved already
            most += _reserved()
        resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (most, most))


def _reserved() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    sizes = dict(line.split(":", 1) for line in lines)
    return int(sizes["VmData"].split()[0]) * 1024


def _unpack(descriptor: int) -> None:
    with os.fdopen(descriptor, "rb") as stream, tarfile.open(fileobj=stream) as archive:
        archive.extractall()  # noqa: S202  made by the grader, unpacked behind the wall


def _copy(descriptor: int, path: str) -> None:
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    with os.fdopen(descriptor, "rb") as stream, os.fdopen(target, "wb") as copy:
        while chunk := stream.read(_MIB):
            copy.write(chunk)


def _run_or_exit(work: Callable[[], None]) -> None:
    """Run `work` in a process that was just forked, and never return into what its parent was doing."""
    status = 1
    try:
        work()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException as error:  # the reason is read by the grader
        with contextlib.suppress(OSError):
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


def _status(waited: int) -> int:
    code = os.waitstatus_to_exitcode(waited)
    return code if code >= 0 else 128 - code


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    parts = [None if part is None else part.encode() for part in (source, target, kind)]
    _check(_libc.mount(*parts, ctypes.c_ulong(flags), options.encode() or None), f"mount {target}")


def _prctl(option: int, value: int, argument: Any = 0) -> None:
    _check(_libc.prctl(option, value, argument, 0, 0), f"prctl {option}")


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def to_request(given: Mapping[str, Any]) -> ForkRequest:
    """Read a request as it travels, as JSON."""
    return ForkRequest(**given)
