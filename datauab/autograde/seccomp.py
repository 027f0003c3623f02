"""A filter of system calls: a notebook needs none that make namespaces, mounts, keys or look into other processes.

The mount, pid and network namespaces are the wall. This takes away the parts of the kernel that most ways over such
walls went through, user namespaces first: in them a process has every capability again, and reaches code of the
kernel that otherwise only root does.
"""

from __future__ import annotations

import errno
import platform
import struct

_CLONE_NEWUSER = 0x1000_0000
_X32 = 0x4000_0000  # calls of the x32 ABI on x86_64 have this bit, and would pass under other numbers
_ALLOW = 0x7FFF_0000
_ERRNO = 0x0005_0000

# linux/bpf_common.h: load a word, jump if equal / not less / any bit set, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Offsets in struct seccomp_data (linux/seccomp.h).
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16

_CLONE3 = 435
_NEW_MOUNT_API = (428, 429, 430, 431, 432, 433, 442)
_IO_URING = (425, 426, 427)
# AUDIT_ARCH_*, (clone, unshare), and: setns, mount, umount2, pivot_root, chroot, keyctl, add_key, request_key, bpf,
# perf_event_open, userfaultfd, ptrace, process_vm_readv, process_vm_writev, kexec_load, init_module, finit_module,
# open_by_handle_at, name_to_handle_at, fanotify_init.
_MACHINES = {
    "x86_64": (
        0xC000_003E,
        (56, 272),
        (308, 165, 166, 155, 161, 250, 248, 249, 321, 298, 323, 101, 310, 311, 246, 175, 313, 304, 303, 300),
    ),
    "aarch64": (
        0xC000_00B7,
        (220, 97),
        (268, 40, 39, 41, 51, 219, 217, 218, 280, 241, 282, 117, 270, 271, 104, 105, 273, 265, 264, 262),
    ),
}


def program() -> bytes | None:
    """The filter as bwrap's ``--seccomp`` reads it (struct sock_filter, one after another); None on other machines."""
    found = _MACHINES.get(platform.machine())
    if found is None:
        return None
    architecture, makers, denied = found
    refuse = _step(_RETURN, _ERRNO | errno.EPERM)
    steps = [_step(_LOAD, _ARCHITECTURE), _step(_EQUAL, architecture, 1, 0), refuse]
    steps += [_step(_LOAD, _NUMBER), _step(_AT_LEAST, _X32, 0, 1), refuse]
    for number in (*denied, *_NEW_MOUNT_API, *_IO_URING):
        steps += [_step(_EQUAL, number, 0, 1), refuse]
    # Its flags lie in memory, where a filter cannot look; the C library then asks with clone.
    steps += [_step(_EQUAL, _CLONE3, 0, 1), _step(_RETURN, _ERRNO | errno.ENOSYS)]
    for number in makers:
        steps += [_step(_EQUAL, number, 0, 4), _step(_LOAD, _FIRST_ARGUMENT), _step(_ANY_BIT, _CLONE_NEWUSER, 0, 1)]
        steps += [refuse, _step(_RETURN, _ALLOW)]
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
