"""Ports of loopback for services that a test starts."""

from __future__ import annotations

import contextlib
import random
import socket

#: Below the ports from which the kernel takes one for whoever connects, so that nobody has it a moment later.
PORTS = range(10_000, 32_000)

_chance = random.SystemRandom()


def free_ports(count: int) -> int:
    """Give the first of `count` neighbouring ports that nobody uses."""
    for _ in range(200):
        first = _chance.choice(PORTS)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise RuntimeError(f"no {count} neighbouring ports of 127.0.0.1 are free in {PORTS}")


def free_port() -> int:
    """Give a port that nobody uses."""
    return free_ports(1)
