"""Fixtures that every part of the suite shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Give the root of this checkout."""
    return CHECKOUT


@pytest.fixture(scope="session")
def raw() -> Path:
    """Give the folder of real raw files: ``DATAUAB_RAW``, else ``shared/data`` beside the checkout."""
    folder = Path(os.environ.get("DATAUAB_RAW") or CHECKOUT.parent / "shared" / "data").resolve()
    if not (folder / "bitcoin" / "bitcoin_dataset.csv").is_file():
        pytest.fail(
            f"no raw data at {folder}: set DATAUAB_RAW to the folder that holds bitcoin/, got/, mnist/, lesions/"
        )
    return folder
