"""Competitions of every kind of prediction."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from datauab.competition import Competition


@pytest.fixture(scope="session")
def competition_of() -> Callable[..., Competition]:
    def make(kind: str, classes: tuple[int, ...] = ()) -> Competition:
        return Competition.model_validate(
            {
                "name": "sample",
                "title": "Sample",
                "summary": "A competition of one kind.",
                "authors": ["Club"],
                "date": "2026-09-01",
                "cover": "img/cover.svg",
                "dataset": "sample",
                "public_share": 0.5,
                "predictions": {"kind": kind, "classes": classes},
                "metric": {"name": "accuracy", "direction": "maximize"},
                "phases": [{"name": "open", "opens": "2026-09-01T00:00:00Z"}],
                "points": {"begin": 0.0, "full": 1.0},
            }
        )

    return make
