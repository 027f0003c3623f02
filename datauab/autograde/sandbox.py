"""One wall for all code that students write: bubblewrap with everything closed that is not named.

Two modes, chosen by what the caller may do:

``account``
    The caller has root's rights. bubblewrap makes the mounts with them, so that folders below parents of mode 0700
    can be shown; then ``setpriv`` gives the command a machine account of its own, without any capability.
``userns``
    Any other caller. A user namespace without capabilities, in which no further one can be made; the machine
    account stays the caller's own, and the mount, pid, ipc, uts and network namespaces are the wall.

In both, the root file system is an empty read-only tmpfs: a path exists inside only if a bind, a tmpfs or a symlink
of the `Sandbox` made it. There is no mode without a sandbox.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from datauab.autograde import seccomp
from datauab.errors import SandboxUnavailable

Mode = Literal["account", "userns"]

# CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_SYS_ADMIN (linux/capability.h): what the account mode takes.
_NEEDED_CAPABILITIES = (1 << 6) | (1 << 7) | (1 << 8) | (1 << 21)
_PATH = "/usr/local/bin:/usr/bin:/bin"
# Where memory runs out, Linux ends what runs here first. Of a caller with root's rights nobody inside can take it back.
_FIRST_TO_END = ("sh", "-c", 'echo 500 2>/dev/null >/proc/self/oom_score_adj; exec "$@"', "sh")
_ETC = (
    "passwd", "group", "nsswitch.conf", "hosts", "resolv.conf", "ssl", "localtime", "timezone", "fonts",
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "mime.types", "ca-certificates",
)  # fmt: skip


@dataclass(frozen=True)
class Bind:
    """A file or folder of the host, `source`, that is seen inside at `target` (the same path by default)."""

    source: Path
    target: Path | None = None
    optional: bool = False

    @property
    def inside(self) -> str:
        """Path inside the sandbox."""
        return str(self.target or self.source)


@dataclass(frozen=True)
class Tmpfs:
    """An empty folder in memory, `size_mb` MiB at most; `mode` in octal."""

    path: str
    size_mb: int
    mode: int = 0o1777


@dataclass(frozen=True)
class Sandbox:
    """What one sandboxed command sees and may do.

    Attributes
    ----------
    ro_binds, rw_binds : tuple of Bind
        Paths of the host that are seen. Deeper ones lie over those above them; of one path the later, and the
        writable one, wins.
    tmpfs : tuple of Tmpfs
        Empty writable folders with their sizes; binds may lie inside them.
    masks : tuple of Path
        Files and folders below a bind that must look empty.
    symlinks : tuple of (str, str)
        Link text and place.
    devices : tuple of Path
        Device nodes of the host that may be used (GPUs).
    env : mapping
        The whole environment; nothing is inherited.
    inherit_env : bool
        The environment is what the caller gives the process instead, and `env` is not used.
    share_network : bool
        Whether the host's network is seen; else there is only an own, empty loopback.
    account : int or None
        Machine account (uid and gid) of the command in account mode. None: the caller's own, without capabilities.
        In userns mode it has no effect.
    rlimits : tuple of (str, int)
        Resource limits by their ``prlimit`` option, for example ``("fsize", 2**20)``.
    nestable : bool
        Whether the command may make sandboxes of its own (an instructor's server does, when it autogrades).
    chdir, hostname : str
        Working folder and host name inside.
    shm_mb : int
        Size of ``/dev/shm``, in MiB.
    """

    ro_binds: tuple[Bind, ...] = ()
    rw_binds: tuple[Bind, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    masks: tuple[Path, ...] = ()
    symlinks: tuple[tuple[str, str], ...] = ()
    devices: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    inherit_env: bool = False
    share_network: bool = False
    account: int | None = None
    rlimits: tuple[tuple[str, int], ...] = ()
    nestable: bool = False
    chdir: str = "/"
    hostname: str = "sandbox"
    shm_mb: int = 256

    def command(self, argv: Sequence[str], extra: Sequence[str] = ()) -> list[str]:
        """The command line that runs `argv` in this sandbox; `extra` are further options of bwrap.

        Every user of the machine can read a command line, so give secrets by `inherit_env`, or use `popen`.

        Raises
        ------
        SandboxUnavailable
            Where no sandbox can be made here; says what to install or allow.
        """
        return [*self._start(), *self._options(extra), "--", *_become(probe(), self), *argv]

    def popen(
        self, argv: Sequence[str], extra: Sequence[str] = (), pass_fds: Sequence[int] = (), **kwargs: Any
    ) -> subprocess.Popen[Any]:
        """Start `argv` in this sandbox with bwrap's options, paths and environment kept off the command line.

        Unlike with `command`, system calls are filtered too (`datauab.autograde.seccomp`), unless it is nestable; and
        where memory runs out, Linux ends it before others.

        It dies with the *thread* that calls this (``--die-with-parent``), so call it from one that lasts. `kwargs` go
        to `subprocess.Popen`.

        Raises
        ------
        SandboxUnavailable
            Where no sandbox can be made here; says what to install or allow.
        """
        with contextlib.ExitStack() as opened:
            filtered: tuple[int, ...] = ()
            rules = None if self.nestable else seccomp.program()
            if rules is not None:
                filtered = (memory_file(rules),)
                opened.callback(os.close, filtered[0])
                extra = [*extra, "--seccomp", str(filtered[0])]
            options = memory_file(b"".join(part.encode() + b"\0" for part in self._options(extra)))
            opened.callback(os.close, options)
            command = [*_FIRST_TO_END, *self._start(), "--args", str(options), "--", *_become(probe(), self), *argv]
            return subprocess.Popen(command, pass_fds=(options, *filtered, *pass_fds), **kwargs)

    def _start(self) -> list[str]:
        # bwrap stays as the sandbox's first process, and without root's rights the command can read its environment.
        # What ignores signals, as nohup does, would hand that down to a kernel, and forked ones do not inherit it.
        return ["bwrap"] if self.inherit_env else ["env", "-i", "--default-signal", f"PATH={_PATH}", "bwrap"]

    def _options(self, extra: Sequence[str]) -> list[str]:
        mode = probe()
        # What bwrap makes for mount points has no size limit, so nobody may write there.
        closed = ("--remount-ro", "/dev", "--remount-ro", "/")
        options = [*_namespaces(mode, self), *_mounts(mode, self), *extra, *closed]
        if not self.inherit_env:
            options += ["--clearenv"]
            options += [part for name, value in self.env.items() for part in ("--setenv", name, value)]
        return [*options, "--chdir", self.chdir, "--hostname", self.hostname]


def _namespaces(mode: Mode, sandbox: Sandbox) -> list[str]:
    options = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    options += [] if sandbox.share_network else ["--unshare-net"]
    options += ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    if mode == "userns":
        options += ["--unshare-user", "--uid", "1000", "--gid", "1000"]
        return options + (["--disable-userns"] if _can_disable_userns() and not sandbox.nestable else [])
    granted = ["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"] + (["CAP_SYS_ADMIN"] if sandbox.nestable else [])
    return options + [part for name in granted for part in ("--cap-add", name)]


def _mounts(mode: Mode, sandbox: Sandbox) -> list[str]:
    # bwrap covers parts of the /proc that it mounts as root, and the kernel then allows no /proc in a sandbox within.
    later_proc = mode == "account" and sandbox.nestable
    options = ["--perms", "755", "--dir", "/proc"] if later_proc else ["--proc", "/proc"]
    options += ["--dev", "/dev"]
    found: list[tuple[str, list[str]]] = []
    for item in (Tmpfs("/dev/shm", sandbox.shm_mb), *sandbox.tmpfs):  # noqa: S108  the sandbox's own
        size = str(item.size_mb * 2**20)
        found.append((item.path, ["--perms", f"{item.mode:o}", "--size", size, "--tmpfs", item.path]))
    for option, binds in (("--ro-bind", sandbox.ro_binds), ("--bind", sandbox.rw_binds)):
        for bind in binds:
            if not bind.optional or bind.source.exists():
                found.append((bind.inside, [option, str(bind.source), bind.inside]))
    found += [(place, ["--symlink", text, place]) for text, place in sandbox.symlinks]
    made: set[Path] = set()
    for inside, mount in sorted(found, key=lambda pair: len(Path(pair[0]).parts)):
        options += [*_parents(inside, made), *mount]
    for path in sandbox.masks:
        if path.is_dir():
            options += ["--perms", "755", "--size", "4096", "--tmpfs", str(path), "--remount-ro", str(path)]
        elif path.exists():
            options += ["--ro-bind", "/dev/null", str(path)]
    for device in sandbox.devices:
        options += ["--dev-bind-try", str(device), str(device)]
    return options


def _parents(inside: str, made: set[Path]) -> list[str]:
    """Options that make the folders above a path; those that bwrap makes by itself let only their owner in."""
    new = [path for path in reversed(Path(inside).parents) if path not in made and path != Path("/")]
    made.update(new)
    return [part for path in new for part in ("--perms", "755", "--dir", str(path))]


def _become(mode: Mode, sandbox: Sandbox) -> list[str]:
    command: list[str] = []
    if mode == "account":
        if sandbox.nestable and sandbox.account is None:
            # Nesting needs a /proc with nothing covered, where uid 0 may write kernel settings even without capability.
            raise SandboxUnavailable(
                "a sandbox in which others are made: expected an account of its own, found root's; set Sandbox.account"
            )
        if sandbox.nestable:
            command += ["sh", "-c", 'mount -t proc -o nosuid,nodev,noexec proc /proc && exec "$@"', "sh"]
        uid = os.getuid() if sandbox.account is None else sandbox.account
        gid = os.getgid() if sandbox.account is None else sandbox.account
        command += ["setpriv", "--reuid", str(uid), "--regid", str(gid), "--clear-groups"]
        command += ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    if sandbox.rlimits:
        command += ["prlimit", *[f"--{name}={value}" for name, value in sandbox.rlimits]]
    return command


def memory_file(content: bytes) -> int:
    """A descriptor of a file in memory that holds `content`, at its start; for a child process to read."""
    descriptor = os.memfd_create("sandbox")
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def base_binds() -> tuple[Bind, ...]:
    """What any program needs, read-only: ``/usr`` and the few files of ``/etc`` that hold no secret."""
    folders = [Path("/usr"), *(path for path in _top_libraries() if not path.is_symlink())]
    return (*map(Bind, folders), *(Bind(Path("/etc") / name, optional=True) for name in _ETC))


def base_symlinks() -> tuple[tuple[str, str], ...]:
    """``/bin``, ``/lib`` and their kin where the host links them into ``/usr``."""
    return tuple((str(path.readlink()), str(path)) for path in _top_libraries() if path.is_symlink())


def _top_libraries() -> list[Path]:
    return [path for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32") if (path := Path("/", name)).exists()]


def python_binds() -> tuple[Bind, ...]:
    """The running interpreter and this package, read-only: environment, its base, the folder ``datauab``; no more.

    The package's own folder is bound, never the one that holds it: beside it lie the sources and the gradebook.
    """
    folders = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent, package_folder()}
    outside_usr = [path for path in folders if not path.is_relative_to("/usr")]
    outermost = [
        path for path in outside_usr if not any(path != other and path.is_relative_to(other) for other in folders)
    ]
    return tuple(Bind(path) for path in sorted(outermost))


def package_folder() -> Path:
    """Folder of the package ``datauab``."""
    return Path(__file__).resolve().parent.parent


def python_env() -> dict[str, str]:
    """Environment with which ``python`` inside finds the interpreter, ``datauab``, and a writable home in ``/tmp``."""
    return {
        "PATH": f"{Path(sys.prefix) / 'bin'}:{_PATH}",
        "PYTHONPATH": str(package_folder().parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        # PyTorch's threads otherwise burn their turns waiting for each other where several notebooks share the cores.
        "OMP_WAIT_POLICY": "passive",
        # The debugger of Jupyter's kernels, which nobody uses here, otherwise warns about Python's own modules.
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "HOME": "/tmp",  # noqa: S108  the sandbox's own
    }


def mode() -> Mode:
    """Which of the two modes this process can use; see the module's text."""
    effective, whole = 0, False
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
    for line in Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines():
        whole = whole or int(line.split()[2]) >= 2**31
    has_rights = effective & _NEEDED_CAPABILITIES == _NEEDED_CAPABILITIES
    return "account" if os.geteuid() == 0 and has_rights and whole else "userns"


@functools.cache
def probe() -> Mode:
    """Make a sandbox and leave it; returns the mode.

    Raises
    ------
    SandboxUnavailable
        Where it does not work; says what to install or allow.
    """
    found = mode()
    if shutil.which("bwrap") is None:
        raise SandboxUnavailable(
            "no sandbox: expected the program bwrap, found none on PATH; install it (apt-get install bubblewrap)"
        )
    probed = _try(found)
    if probed.returncode != 0:
        raise SandboxUnavailable(
            f"no sandbox: bwrap failed in {found} mode: {probed.stderr.strip() or probed.returncode}; "
            "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
            "kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces above 0), "
            "or run as root with CAP_SYS_ADMIN"
        )
    return found


def _try(found: Mode, extra: Iterable[str] = ()) -> subprocess.CompletedProcess[str]:
    user = ["--unshare-user", "--uid", "1000"] if found == "userns" else []
    command = ["bwrap", *user, *extra, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--ro-bind", "/", "/"]
    return subprocess.run(
        [*command, "--proc", "/proc", "--dev", "/dev", "true"], capture_output=True, text=True, check=False
    )


@functools.cache
def _can_disable_userns() -> bool:
    return _try("userns", ["--disable-userns"]).returncode == 0
