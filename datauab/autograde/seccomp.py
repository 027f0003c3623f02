"""A filter of system calls: a notebook needs none that make namespaces, mounts, keys or look into other processes.

The mount, pid and network namespaces are the wall. This takes away the parts of the kernel that most ways over such
walls went through, user namespaces first: in them a process has every capability again, and reaches code of the
kernel that otherwise only root does. It also takes away

- families of sockets but local ones, IP and netlink: others lead past a network namespace (vsock, to the host of a
  virtual machine) or into rarely walked code of the kernel,
- memory that is no process's and in no folder (System V, ``memfd_create``), which no limit of a run would count,
- questions about network interfaces: asked of a connection that the grader opened, they are answered from its network.
"""

from __future__ import annotations

import errno
import platform
import struct

_CLONE_NEWUSER = 0x1000_0000
_X32 = 0x4000_0000  # calls of the x32 ABI on x86_64 have this bit, and would pass under other numbers
_ALLOW = 0x7FFF_0000
_ERRNO = 0x0005_0000
_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK

# linux/bpf_common.h: load a word, jump if equal / not less / any bit set, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Offsets in struct seccomp_data (linux/seccomp.h).
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24

_CLONE3 = 435
_NEW_MOUNT_API = (428, 429, 430, 431, 432, 433, 442)
_IO_URING = (425, 426, 427)
_PIDFD_GETFD, _MEMFD_SECRET = 438, 447
_INTERFACES = (0x8910, 0x8A00)  # ioctl requests from the first to below the second (linux/sockios.h)
# AUDIT_ARCH_*, (clone, unshare), (socket, socketpair), ioctl, memfd_create, and: setns, mount, umount2, pivot_root,
# chroot, keyctl, add_key, request_key, bpf, perf_event_open, userfaultfd, ptrace, process_vm_readv, process_vm_writev,
# kexec_load, init_module, finit_module, open_by_handle_at, name_to_handle_at, fanotify_init, kcmp, syslog, shmget,
# msgget, semget.
_MACHINES = {
    "x86_64": (
        0xC000_003E,
        (56, 272),
        (41, 53),
        16,
        319,
        (308, 165, 166, 155, 161, 250, 248, 249, 321, 298, 323, 101, 310, 311, 246, 175, 313, 304, 303, 300,
         312, 103, 29, 68, 64),
    ),
    "aarch64": (
        0xC000_00B7,
        (220, 97),
        (198, 199),
        29,
        279,
        (268, 40, 39, 41, 51, 219, 217, 218, 280, 241, 282, 117, 270, 271, 104, 105, 273, 265, 264, 262,
         272, 116, 194, 186, 190),
    ),
}  # fmt: skip


def program() -> bytes | None:
    """The filter as bwrap's ``--seccomp`` reads it (struct sock_filter, one after another); None on other machines."""
    found = _MACHINES.get(platform.machine())
    if found is None:
        return None
    architecture, makers, sockets, control, memory, denied = found
    refuse = _step(_RETURN, _ERRNO | errno.EPERM)
    steps = [_step(_LOAD, _ARCHITECTURE), _step(_EQUAL, architecture, 1, 0), refuse]
    steps += [_step(_LOAD, _NUMBER), _step(_AT_LEAST, _X32, 0, 1), refuse]
    for number in (*denied, *_NEW_MOUNT_API, *_IO_URING, _PIDFD_GETFD):
        steps += [_step(_EQUAL, number, 0, 1), refuse]
    # Flags of clone3 lie in memory, where a filter cannot look; the C library then asks with clone. Who finds no files
    # in memory either, as on an older Linux, makes them in a folder.
    for number in (_CLONE3, memory, _MEMFD_SECRET):
        steps += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _ERRNO | errno.ENOSYS)]
    for number in makers:
        steps += [_step(_EQUAL, number, 0, 4), _step(_LOAD, _FIRST_ARGUMENT), _step(_ANY_BIT, _CLONE_NEWUSER, 0, 1)]
        steps += [refuse, _step(_RETURN, _ALLOW)]
    steps += [_step(_EQUAL, control, 0, 5), _step(_LOAD, _SECOND_ARGUMENT)]
    steps += [_step(_AT_LEAST, _INTERFACES[0], 0, 2), _step(_AT_LEAST, _INTERFACES[1], 1, 0)]
    steps += [refuse, _step(_RETURN, _ALLOW)]
    unknown = _step(_RETURN, _ERRNO | errno.EAFNOSUPPORT)
    for number in sockets:
        steps += [_step(_EQUAL, number, 0, len(_FAMILIES) + 3), _step(_LOAD, _FIRST_ARGUMENT)]
        left = range(len(_FAMILIES), 0, -1)  # each jumps over those after it, and over the refusal
        steps += [_step(_EQUAL, family, most, 0) for family, most in zip(_FAMILIES, left, strict=True)]
        steps += [unknown, _step(_RETURN, _ALLOW)]
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
