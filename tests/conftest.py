"""Fixtures that every part of the suite shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


#: Read before the fixture below takes the deployment's variables away.
RAW = Path(os.environ.get("DATAUAB_RAW") or CHECKOUT.parent / "shared" / "data").resolve()


@pytest.fixture(scope="session", autouse=True)
def no_deployment() -> None:
    """Hide the settings of whoever runs the tests: each test makes a deployment of its own."""
    for name in [name for name in os.environ if name.startswith("DATAUAB_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Give the root of this checkout."""
    return CHECKOUT


@pytest.fixture(scope="session")
def raw() -> Path:
    """Give the folder of real raw files: ``DATAUAB_RAW``, else ``shared/data`` beside the checkout."""
    if not (RAW / "bitcoin" / "bitcoin_dataset.csv").is_file():
        pytest.fail(f"no raw data at {RAW}: set DATAUAB_RAW to the folder that holds bitcoin/, got/, mnist/, lesions/")
    return RAW
