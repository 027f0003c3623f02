"""What the API of rules and of final attempts takes and answers."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class RulesAnswer(BaseModel):
    """The rules of a competition, and whether the caller accepted them as they are now."""

    competition: str
    text: str = Field(description="plain text with simple marks (headings, lists, bold); empty: nothing to accept")
    sha256: str = Field(description="hash of the text; a changed text must be accepted again")
    accepted: bool
    changed: bool = Field(description="whether the caller accepted an older text")


class RulesAccepted(BaseModel):
    """Acceptance of the text that has this hash."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class FinalChoice(BaseModel):
    """The attempts that shall count on the private board; none: leave it to the rule."""

    attempts: list[int] = Field(max_length=100)


class FinalAttemptAnswer(BaseModel):
    """An attempt that could be chosen."""

    id: int
    author: str = Field(description="who of the team made it, as the board shows the name")
    received_at: datetime
    filename: str
    score: float | None = Field(description="public score; none where it may not be seen yet")
    chosen: bool
    by_rule: bool = Field(description="whether it would count where nothing is chosen, as far as may be told")


class FinalAnswer(BaseModel):
    """What the caller's entrant may choose for the private board, and chose."""

    competition: str
    most: int
    until: datetime | None
    closed: str = Field(description="why nothing can be chosen now; empty where it can")
    chosen: list[int]
    rule: str = Field(description="what counts where nothing is chosen")
    note: str = Field(description="why scores are not shown; empty where they are")
    attempts: list[FinalAttemptAnswer]
