"""What README.md promises exists."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from datauab.cli import app
from datauab.settings import Settings

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def plain(name: str) -> str:
    """Normalise a distribution's name as package indexes do (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def commands() -> list[str]:
    return sorted(set(re.findall(r"\./club ([a-z|]+(?: [a-z|]+)?)", README)))


@pytest.mark.parametrize("line", commands())
def test_each_command_of_the_readme_is_one(line: str) -> None:
    verbs = line.split()
    known = get_command(app).commands  # type: ignore[attr-defined]  # a group, as it has several commands
    assert verbs[0] in known, f"README names ./club {line}; known: {sorted(known)}"
    below = getattr(known[verbs[0]], "commands", {})
    for verb in verbs[1].split("|") if len(verbs) > 1 and below else []:
        assert verb in below, f"README names ./club {line}; known: {sorted(below)}"


def test_each_command_explains_itself() -> None:
    runner = CliRunner()
    for verb in get_command(app).commands:  # type: ignore[attr-defined]  # a group, as it has several commands
        result = runner.invoke(app, [verb, "--help"])
        assert result.exit_code == 0, verb


def test_each_setting_of_the_readme_is_one() -> None:
    for name in re.findall(r"DATAUAB_([A-Z_]+)", README):
        assert name.lower() in Settings.model_fields, name


def test_each_picture_and_folder_of_the_readme_exists(checkout: Path) -> None:
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (checkout / path).is_file(), path
    for folder in re.findall(r"`([a-z]+)/`", README):
        assert (checkout / folder).is_dir(), folder


def test_each_dependency_is_locked_and_has_its_reason(checkout: Path) -> None:
    text = (checkout / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    locked = {
        plain(line.split("==")[0]) for line in (checkout / "constraints.txt").read_text().splitlines() if "==" in line
    }
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        name = plain(re.split(r"[\[<>=!~; ]", requirement)[0])
        assert name in locked, f"{name} is not in constraints.txt"
        line = next(line for line in text.splitlines() if f'"{requirement}"' in line)
        assert "#" in line, f"{name} has no reason in pyproject.toml"


def test_the_lock_files_carry_no_addresses(checkout: Path) -> None:
    assert "://" not in (checkout / "constraints.txt").read_text()
    assert '"resolved"' not in (checkout / "deploy" / "proxy" / "package-lock.json").read_text()


def test_each_package_that_is_imported_is_a_named_dependency(checkout: Path) -> None:
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {plain(re.split(r"[\[<>=!~; ]", requirement)[0]) for requirement in project["dependencies"]}
    owners = packages_distributions()
    for path in (checkout / "datauab").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for top in {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names) - {"datauab"}:
                assert {plain(owner) for owner in owners.get(top, [])} & named, f"{path} imports {top}"
