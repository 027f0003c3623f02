"""What the lint says of the four competitions on their real data: what is true, and nothing else."""

from __future__ import annotations

import pytest

from datauab.lint import lint
from datauab.settings import Settings

TRUE = {
    # the public scores of 195 characters are known to about 0.05, and none and all marks are 0.06 apart
    "got": {"public-part-too-small", "class-derived", "rows-repeated"},
    "bitcoin": set(),
    "mnist": {"images-repeated"},  # binarised ones of a single stroke
    "lesions": set(),
}
"""Findings that must be there, by competition."""

ALLOWED = {"phase-without-end", "public-part-too-small", "class-rare"}
"""Findings that depend on the split, or are meant."""


@pytest.mark.parametrize("name", sorted(TRUE))
def test_a_shipped_competition_has_its_true_findings_only(name: str, club: Settings) -> None:
    findings = lint(club, name).findings
    codes = {one.code for one in findings}
    assert TRUE[name] <= codes, findings
    assert codes <= TRUE[name] | ALLOWED, findings
    assert not [one for one in findings if one.severity == "error"], findings


def test_the_year_in_which_the_living_are_told_of_is_found(club: Settings) -> None:
    (leak,) = [one for one in lint(club, "got").findings if one.code == "class-derived"]
    assert leak.message.startswith(("age + dateOfBirth", "dateOfBirth + age"))
    assert leak.severity == "warning"
