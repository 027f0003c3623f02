"""``club invite`` and ``club instructor``: who may sign in."""

from __future__ import annotations

import contextlib
import socket
from typing import Annotated

import typer
from rich.console import Console

from datauab.errors import ClubError
from datauab.settings import Settings, load_settings

app = typer.Typer(help="Instructors' accounts.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=True)


WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound


def local_address(settings: Settings) -> str:
    """Give the address at which this machine itself reaches the club, without a last slash."""
    return f"http://{'127.0.0.1' if settings.host in WILDCARDS else settings.host}:{settings.port}"


def public_address(settings: Settings) -> str:
    """Give the address that browsers open, without a last slash.

    That is the setting `address`; else host and port, where a host that stands for all of this machine's addresses
    is replaced by the one that leads to other networks.
    """
    if settings.address:
        return settings.address.rstrip("/")
    if settings.host not in WILDCARDS:
        return local_address(settings)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        # Connecting a datagram socket sends nothing: it only chooses the local address (192.0.2.0/24 is nobody's).
        probe.connect(("192.0.2.1", 9))
        return f"http://{probe.getsockname()[0]}:{settings.port}"
    return local_address(settings)


def invite(
    new: Annotated[bool, typer.Option("--new", help="make every link given out so far worthless")] = False,
) -> None:
    """Print the link by which students join and choose their own password."""
    from datauab.hub.invite import invite_link, revoke_invites

    settings = load_settings()
    if new:
        revoke_invites(settings)
    console.print(invite_link(settings, public_address(settings)))


@app.command("add")
def add(name: Annotated[str, typer.Argument(help="account name")]) -> None:
    """Create an instructor and print the one-time password."""
    from datauab.hub.invite import create_instructor

    password = create_instructor(load_settings(), name)
    if password is None:
        raise ClubError(f"an account {name!r} exists; to give it a new password: ./club instructor reset {name}")
    console.print(f"{name}: one-time password [bold]{password}[/] (a new one is asked for at the first sign-in)")


@app.command("reset")
def reset(name: Annotated[str, typer.Argument(help="account name, of an instructor or a student")]) -> None:
    """Give an account a new one-time password and print it."""
    from datauab.hub.invite import reset_password

    console.print(f"{name}: one-time password [bold]{reset_password(load_settings(), name)}[/]")
