"""Walls between modules that import-linter's contracts cannot name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "datauab"
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_gradebook_module_opens_nbgraders_database(path: Path) -> None:
    if path.name != "gradebook.py":
        assert not {name for name in imported(path) if name.startswith("nbgrader.api")}


# Dask's own messages are pickles. This module keeps Dask from building anything but data out of them;
# tests/autograde/test_cluster_pickle.py holds it to that.
GUARD = PACKAGE / "autograde" / "cluster_pickle.py"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_reads_pickles(path: Path) -> None:
    readers = imported(path) & {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
    assert readers == ({"pickle"} if path == GUARD else set())
    assert "allow_pickle=True" not in path.read_text(encoding="utf-8")


def test_the_guard_of_pickles_reads_by_its_own_list_only() -> None:
    tree = ast.parse(GUARD.read_text(encoding="utf-8"))
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {name for name in used if name.startswith("pickle.")} == {"pickle.Unpickler", "pickle.loads"}
    stores = [ast.unparse(node.targets[0]) for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    assert "pickle.loads" in stores
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Call) and "pickle." in ast.unparse(node.func)]


def test_no_module_takes_the_place_of_a_function_that_notebooks_call() -> None:
    import datauab

    assert not {path.stem for path in PACKAGE.iterdir()} & set(datauab.__all__)
