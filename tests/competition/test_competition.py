from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from datauab.competition import Phase, Points, load_competition, load_competitions
from datauab.errors import ConfigurationError
from datauab.metrics import METRICS

COMPLETE = """
title = "Prices"
summary = "Predict prices."
authors = ["Ada"]
date = 2026-01-01
cover = "img/cover.svg"
dataset = "bitcoin"
public_share = 0.4

[predictions]
kind = "real"

[metric]
name = "r2"
direction = "maximize"

[[phases]]
name = "term"
opens = 2026-01-01T00:00:00Z

[points]
begin = 0.0
full = 0.9
"""


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "competition.toml").write_text(text)
    return folder


def test_a_complete_file_loads_under_its_folder_name(tmp_path: Path) -> None:
    competition = load_competition(write(tmp_path / "prices", COMPLETE))
    assert competition.name == "prices"
    assert competition.phases[0].opens == datetime(2026, 1, 1, tzinfo=UTC)


def required_keys() -> list[str]:
    return re.findall(r"^(\w+) =", COMPLETE, flags=re.MULTILINE)


@pytest.mark.parametrize("key", required_keys())
def test_each_missing_key_is_named_with_its_file(tmp_path: Path, key: str) -> None:
    text = re.sub(rf"^{key} = .*$", "", COMPLETE, count=1, flags=re.MULTILINE)
    with pytest.raises(ConfigurationError) as caught:
        load_competition(write(tmp_path / "prices", text))
    assert key in str(caught.value)
    assert str(tmp_path / "prices" / "competition.toml") in str(caught.value)
    assert "found" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("public_share = 0.4", "public_share = 1.4", ["public_share", "1.4"]),
        ("public_share = 0.4", "publik_share = 0.4", ["publik_share", "no such key"]),
        ('kind = "real"', 'kind = "guess"', ["predictions.kind", "guess"]),
        ('kind = "real"', 'kind = "class"', ["classes"]),
        ('direction = "maximize"', 'direction = "up"', ["metric.direction", "up"]),
        ("opens = 2026-01-01T00:00:00Z", "opens = 2026-01-01T00:00:00", ["opens", "offset"]),
        ("full = 0.9", "full = 0.0", ["differ"]),
        ("title =", "title = = ", ["TOML"]),
        ('title = "Prices"', 'name = "other"\ntitle = "Prices"', ["name"]),
    ],
)
def test_a_wrong_value_is_refused_with_key_and_found(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_competition(write(tmp_path / "prices", COMPLETE.replace(old, new)))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        load_competition(tmp_path)


def test_the_club_competitions_load_and_agree_with_their_metrics(checkout: Path) -> None:
    competitions = load_competitions(checkout / "source")
    assert {"bitcoin", "got", "mnist", "lesions"} <= set(competitions)
    for competition in competitions.values():
        assert METRICS[competition.metric.name].direction == competition.metric.direction
        assert all(name in METRICS for name in competition.metric.secondary)
        assert (checkout / "source" / competition.name / competition.cover).is_file()


@given(st.integers(-1000, 1000), st.integers(1, 1000))
def test_a_phase_includes_its_opening_and_excludes_its_closing(offset: int, length: int) -> None:
    opens = datetime(2026, 3, 29, tzinfo=UTC)
    phase = Phase(name="p", opens=opens, closes=opens + timedelta(minutes=length))
    assert phase.contains(opens + timedelta(minutes=offset)) == (0 <= offset < length)


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_points_are_a_share_and_full_where_they_should_be(begin: float, full: float, score: float) -> None:
    if abs(begin - full) < 1e-6:
        return
    points = Points(begin=begin, full=full)
    assert 0 <= points.share(score) <= 1
    assert points.share(begin) == 0
    assert points.share(full) == 1


def test_a_phase_that_closes_before_it_opens_is_refused() -> None:
    opens = datetime(2026, 3, 29, tzinfo=UTC)
    with pytest.raises(ValidationError, match="close after it opens"):
        Phase(name="p", opens=opens, closes=opens)
