"""The API of rules and of final attempts."""

from __future__ import annotations

from fastapi import APIRouter

from datauab.competition import Competition
from datauab.web import taking_part
from datauab.web.api import REFUSALS, Anybody, InClub, Member
from datauab.web.club import Club
from datauab.web.final_state import final_state
from datauab.web.session import Viewer
from datauab.web.taking_part_models import FinalAnswer, FinalChoice, RulesAccepted, RulesAnswer

router = APIRouter(tags=["taking part"], responses=REFUSALS, prefix="/competitions/{name}")


@router.get("/rules")
def show_rules(name: str, club: InClub, viewer: Anybody) -> RulesAnswer:
    """Give the rules, and whether the caller accepted them."""
    competition = club.competition(name, instructor=bool(viewer and viewer.instructor))
    return rules_state(club, competition, viewer)


@router.post("/rules")
def accept_rules(name: str, accepted: RulesAccepted, club: InClub, viewer: Member) -> RulesAnswer:
    """Accept the rules with the hash of the text that was read."""
    competition = club.competition(name, instructor=viewer.instructor)
    taking_part.accept_rules(club, competition, viewer.name, accepted.sha256)
    return rules_state(club, competition, viewer)


@router.get("/final")
def show_final(name: str, club: InClub, viewer: Member) -> FinalAnswer:
    """Tell which attempts of the caller's entrant count on the private board, and which could."""
    competition = club.competition(name, instructor=viewer.instructor)
    return final_state(club, competition, viewer)


@router.put("/final")
def choose_final(name: str, choice: FinalChoice, club: InClub, viewer: Member) -> FinalAnswer:
    """Choose the attempts that count on the private board, in place of an earlier choice."""
    competition = club.competition(name, instructor=viewer.instructor)
    taking_part.choose_final(club, competition, viewer.name, choice.attempts)
    return final_state(club, competition, viewer)


def rules_state(club: Club, competition: Competition, viewer: Viewer | None) -> RulesAnswer:
    """The rules as `viewer` finds them."""
    before = club.ledger.accepted_rules(competition.name, viewer.name) if viewer else None
    rules = competition.rules
    return RulesAnswer(
        competition=competition.name,
        text=rules.text,
        sha256=rules.sha256,
        accepted=before == rules.sha256,
        changed=before is not None and before != rules.sha256,
    )
