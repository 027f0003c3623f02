"""What the servers of students and instructors see: their sandboxes, homes and environments."""

from __future__ import annotations

import hashlib
import os
import sysconfig
from dataclasses import replace
from pathlib import Path

from datauab.autograde import sandbox
from datauab.autograde.sandbox import Bind, Sandbox, Tmpfs
from datauab.hub import server_config
from datauab.hub.names import PATTERN
from datauab.hub.ownership import COURSE_FOLDERS, course_account, give_course
from datauab.hub.server_config import Group
from datauab.settings import Settings

RUNTIME = "/run/jupyter"


def home_name(name: str) -> str:
    """Give the folder name of a user's home; names of other authenticators may hold any character."""
    if PATTERN.fullmatch(name):
        return name
    # Longer than any plain name, so that nobody can choose a name that is somebody's digest.
    return f"user-{hashlib.sha256(name.encode()).hexdigest()[:40]}"


def inside_home(name: str) -> Path:
    """Path of a user's home inside the sandbox."""
    return Path("/home") / home_name(name)


def prepare_home(settings: Settings, name: str, account: int | None) -> Path:
    """Make a user's home, which nobody else can enter.

    Parameters
    ----------
    settings : Settings
        The deployment.
    name : str
        The user.
    account : int or None
        Machine account that owns it; None: the deployment's own.
    """
    settings.homes.mkdir(mode=0o711, parents=True, exist_ok=True)
    home = settings.homes / home_name(name)
    home.mkdir(mode=0o700, exist_ok=True)
    if account is not None and home.lstat().st_uid != account:
        # A home from before: the club was run without root's rights, or the user was an instructor.
        for folder, folders, files in os.walk(home):
            for entry in (*folders, *files):
                os.chown(Path(folder) / entry, account, account, follow_symlinks=False)
        os.chown(home, account, account)
    home.chmod(0o700)
    return home


def _common(settings: Settings, name: str, group: Group) -> Sandbox:
    return Sandbox(
        ro_binds=(
            *sandbox.base_binds(),
            *sandbox.python_binds(),
            Bind(settings.public, optional=True),
            Bind(server_config.config_folder(settings, group)),
        ),
        rw_binds=(Bind(settings.homes / home_name(name), inside_home(name)),),
        tmpfs=(Tmpfs("/tmp", 2048), Tmpfs("/run", 64)),  # noqa: S108  the sandbox's own
        # The debugger listens on a loopback port that asks for no password; without its server the kernels have none.
        masks=(Path(sysconfig.get_path("purelib")) / "debugpy" / "server",),
        symlinks=sandbox.base_symlinks(),
        devices=gpu_devices(),
        inherit_env=True,
        share_network=True,  # to the hub; what listens there must know its callers, so loopback is no way in
        hostname="jupyter",
        shm_mb=1024,
    )


def student_sandbox(settings: Settings, name: str, account: int | None) -> Sandbox:
    """Wall of a student's server: the own home, the public data, the programs; of the platform nothing."""
    return replace(_common(settings, name, "student"), account=account, rlimits=(("core", 0), ("nproc", 4096)))


def instructor_sandbox(settings: Settings, name: str) -> Sandbox:
    """Wall of an instructor's server: as a student's, and the course.

    The hub's accounts and the key of the receipts stay hidden: an instructor can grade, not forge. It may make
    sandboxes of its own, because the formgrader autogrades.
    """
    common = _common(settings, name, "instructor")
    files = (settings.root / "nbgrader_config.py", settings.root / "club.toml", settings.secrets / "split")
    return replace(
        common,
        ro_binds=(*common.ro_binds, *(Bind(path, optional=True) for path in files)),
        rw_binds=(*common.rw_binds, *map(Bind, course_folders(settings))),
        tmpfs=(*common.tmpfs, Tmpfs(str(settings.secrets), 1, 0o755)),
        masks=(*common.masks, settings.gradebook / "hub"),
        account=course_account(),
        nestable=True,
    )


def course_folders(settings: Settings) -> tuple[Path, ...]:
    """Give the folders of the course that an instructor works in."""
    return (*(settings.root / name for name in COURSE_FOLDERS), settings.gradebook)


def gpu_devices() -> tuple[Path, ...]:
    """Give the device nodes of NVIDIA's GPUs; none where there is no GPU."""
    nodes = [*sorted(Path("/dev").glob("nvidia*")), *sorted(Path("/dev").glob("nvidia-caps/*"))]
    return tuple(path for path in nodes if not path.is_dir())


def environment(settings: Settings, name: str, group: Group) -> dict[str, str]:
    """Give the environment of a server beside what JupyterHub itself adds for it; nothing is inherited."""
    home = str(inside_home(name))
    return {
        **sandbox.python_env(),
        "HOME": home,
        "USER": name,
        "SHELL": "/bin/bash",
        "TMPDIR": "/tmp",  # noqa: S108  the sandbox's own
        "JUPYTER_CONFIG_PATH": str(server_config.config_folder(settings, group)),
        "JUPYTER_RUNTIME_DIR": RUNTIME,
        "DATAUAB_PUBLIC": str(settings.public),
        "DATAUAB_WEB_URL": f"http://127.0.0.1:{settings.web_port}{settings.web_prefix}",
    }


def link_course(settings: Settings, home: Path) -> None:
    """Show the course in an instructor's home as ``course``: the formgrader needs it below the server's folder."""
    give_course(settings)
    link = home / "course"
    if not link.is_symlink() or link.readlink() != settings.root:
        link.unlink(missing_ok=True)
        link.symlink_to(settings.root)
