"""Who owns the course's files where the club runs as root: a machine account of its own.

The web service and instructors' servers use that account and not root's: a process with root's number can write
kernel settings below ``/proc/sys`` even without a single capability. Hub, grader and the commands of a root shell pass
every permission; a default access list on the folders lets the account use what those create there. Where the club
runs as an ordinary user, everything is that user's and there is nothing to do.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from datauab.autograde import sandbox
from datauab.doorbell import doorbell_folder
from datauab.hub.accounts import FIRST_MACHINE_ACCOUNT
from datauab.settings import Settings
from datauab.starter import kits_folder

#: Just below the students' accounts.
COURSE_ACCOUNT = FIRST_MACHINE_ACCOUNT - 1

#: Folders of the course that an instructor works in, beside the gradebook.
COURSE_FOLDERS = ("source", "release", "submitted", "autograded", "feedback")

# POSIX access list as the kernel stores it (linux/posix_acl_xattr.h): version 2, then (tag, permissions, id).
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER, _NOBODY = 0x01, 0x02, 0x04, 0x10, 0x20, 0xFFFFFFFF
_LIST = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, permissions, number)
    for tag, permissions, number in (
        (_USER_OBJ, 7, _NOBODY),
        (_USER, 7, COURSE_ACCOUNT),
        (_GROUP_OBJ, 5, _NOBODY),
        (_MASK, 7, _NOBODY),
        (_OTHER, 5, _NOBODY),
    )
)


def course_account() -> int | None:
    """Give the machine account of the course, or None where the club does not run as root."""
    return COURSE_ACCOUNT if sandbox.mode() == "account" else None


def give_course(settings: Settings) -> None:
    """Make the course's folders; they, gradebook, doorbells and starter kits then belong to the course's account.

    ``gradebook/hub`` stays the deployment's own: accounts, cookies and the hub's tokens.
    """
    folders = [settings.root / name for name in COURSE_FOLDERS]
    for folder in (*folders, settings.gradebook, settings.attempts):
        folder.mkdir(parents=True, exist_ok=True)
    shared = (doorbell_folder(settings.state), kits_folder(settings.state))
    account = course_account()
    if account is None:
        return
    for folder in folders:
        _give(folder, account, listed=True)
    for path in settings.gradebook.iterdir():
        if path.name != "hub":
            _give(path, account, listed=False)
    os.chown(settings.gradebook, account, account)
    for folder in shared:
        _give(folder, account, listed=False)


def _give(top: Path, account: int, *, listed: bool) -> None:
    """Change the owner of a tree without following links; `listed`: what others create there is shared too."""
    os.chown(top, account, account, follow_symlinks=False)
    if not top.is_dir() or top.is_symlink():
        return
    for _, folders, files, here in os.fwalk(top):
        for name in (*folders, *files):
            os.chown(name, account, account, dir_fd=here, follow_symlinks=False)
        if listed:
            os.setxattr(here, "system.posix_acl_default", _LIST)
