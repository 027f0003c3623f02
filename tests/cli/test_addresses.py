from __future__ import annotations

from pathlib import Path

import pytest

from datauab.cli.accounts import local_address, public_address
from datauab.settings import load_settings


@pytest.mark.parametrize(
    ("chosen", "public", "local"),
    [
        ({}, "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ({"host": "10.1.2.3", "port": 9000}, "http://10.1.2.3:9000", "http://10.1.2.3:9000"),
        ({"address": "https://club.example.org/"}, "https://club.example.org", "http://127.0.0.1:8000"),
    ],
)
def test_links_carry_what_browsers_open(tmp_path: Path, chosen: dict[str, str], public: str, local: str) -> None:
    settings = load_settings(tmp_path, **chosen)
    assert public_address(settings) == public
    assert local_address(settings) == local


def test_a_class_room_gets_an_address_of_this_machine_and_no_wildcard(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, host="0.0.0.0")
    assert "0.0.0.0" not in public_address(settings)
    assert local_address(settings) == "http://127.0.0.1:8000"
