"""``club up``: prepares what is missing, then runs the whole club until Ctrl-C."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console

from datauab.cli import doctor
from datauab.cli.accounts import local_address, public_address
from datauab.errors import ClubError
from datauab.settings import Settings, load_settings

console = Console(highlight=False, soft_wrap=True)


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Hold the deployment's lock, so that two clubs never share one folder.

    Raises
    ------
    ClubError
        Where another ``club up`` holds it.
    """
    settings.state.mkdir(parents=True, exist_ok=True)
    with (settings.state / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ClubError(
                f"another ./club up runs in {settings.root}; stop it first, or use another checkout"
            ) from error
        yield


def check_machine(settings: Settings) -> None:
    """Refuse to start where something is missing that nothing below could replace.

    Raises
    ------
    ClubError
        With the first finding that stops the club, or the ports that are taken.
    """
    for check in (doctor.check_sandbox, doctor.check_node):
        finding = check(settings)
        if finding.level == "missing":
            raise ClubError(f"{finding.subject}: {finding.text}")
    if doctor.port_taken(settings.host, settings.port):
        raise ClubError(
            f"port {settings.port} of {settings.host or 'this machine'} is in use; expected it free: "
            f"stop what listens there, or ./club up --port {settings.port + 1000}"
        )


def prepare(settings: Settings) -> None:
    """Prepare data, gradebook, assignments and baselines; quick where all stand."""
    from datauab import baselines, course
    from datauab.cli.data import prepare_datasets
    from datauab.competition import load_competitions
    from datauab.ledger import Ledger

    competitions = load_competitions(settings.source)
    # What an imported bundle brought has no raw data of its own: it is prepared already.
    needed = {item.dataset for item in competitions.values() if item.metric.name != "program"}
    prepared = prepare_datasets(settings, sorted(needed), download=False)
    with console.status("opening the gradebook"):
        ledger = Ledger.open(settings)
    released = course.ensure_released(settings, ledger, lambda name: console.print(f"  releasing [bold]{name}[/]"))
    if released:
        console.print(f"released {len(released)} assignments")
    constants = {name: item.baselines for name, item in prepared.items()}
    rows = {name: item.manifest.rows["test"] for name, item in prepared.items()}
    for name, row in baselines.ensure_baselines(settings, ledger, competitions, constants, rows):
        console.print(f"  baseline of [bold]{name}[/]: {row}")


def up(
    port: Annotated[int | None, typer.Option(help="public port")] = None,
    host: Annotated[str | None, typer.Option(help="address to listen on; 0.0.0.0 for a class room")] = None,
) -> None:
    """Prepare what is missing, start proxy, hub, web service and grader, and run until Ctrl-C."""
    from datauab.cli.supervisor import supervised

    chosen: dict[str, Any] = {key: value for key, value in (("port", port), ("host", host)) if value is not None}
    settings = load_settings(**chosen)
    with only_one(settings):
        check_machine(settings)
        prepare(settings)
        invitation = welcome(settings)
        # The hub and its services read their settings anew: what was chosen here reaches them by the environment.
        export(chosen)
        with supervised(settings) as supervisor:
            with console.status("starting proxy, hub, web service and grader"):
                supervisor.start()
                supervisor.wait_ready(local_address(settings), lambda line: console.print(f"  {line}"))
            if not supervisor.stopping:
                console.print(invitation)
            supervisor.run(console.print)
            console.print("stopping")
    console.print("stopped; nothing is left running")


def export(chosen: dict[str, Any]) -> None:
    """Pass settings chosen on the command line on to child processes."""
    from datauab.settings import export_environment

    export_environment(chosen)


def welcome(settings: Settings) -> str:
    """Create the instructors that do not exist yet; give what an operator must know, with new one-time passwords."""
    from datauab.hub.invite import create_instructor, invite_link

    lines = [f"\n[bold]{settings.club}[/] is at [bold]{public_address(settings)}/[/]"]
    if settings.authenticator == "invite":
        for name in settings.instructors:
            password = create_instructor(settings, name)
            how = (
                f"one-time password [bold]{password}[/]" if password else "password as chosen (./club instructor reset)"
            )
            lines.append(f"instructor   {name}, {how}")
        if settings.signups:
            lines.append(f"students     join at {invite_link(settings, public_address(settings))}")
    lines.append("Ctrl-C stops everything.")
    return "\n".join(lines)
