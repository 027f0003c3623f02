"""Garbage is collected again once packages are loaded, whatever happened meanwhile."""

from __future__ import annotations

import gc
import importlib

import pytest

from datauab.autograde.loading import without_collections


def test_it_is_collected_again_also_where_a_package_is_missing() -> None:
    assert gc.isenabled()
    with pytest.raises(ModuleNotFoundError), without_collections():
        importlib.import_module("no_such_package_4711")
    assert gc.isenabled()


def test_who_found_it_switched_off_leaves_it_so() -> None:
    with without_collections():
        with without_collections():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
