"""What the API of teams takes and answers; the team's page shows the same."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class TeamNameWanted(BaseModel):
    """The name that a team shall have."""

    name: str = Field(max_length=400, description="1 to 60 printable characters; nobody else's here")


class InvitationWanted(BaseModel):
    """Whom to invite."""

    account: str = Field(max_length=400, description="the name with which the team mate signs in")


class MergeWanted(BaseModel):
    """Which team to ask to become one."""

    team: str = Field(max_length=400, description="its name, upper and lower case alike")


class MateAnswer(BaseModel):
    """A member of one's own team."""

    account: str
    name: str = Field(description="as the board shows it")
    captain: bool
    you: bool


class OtherTeamAnswer(BaseModel):
    """A team as anybody may see it: without account names."""

    id: int
    name: str
    size: int
    members: list[str] = Field(description="names as the board shows them")


class InvitationAnswer(BaseModel):
    """An invitation that waits for the caller's answer."""

    id: int
    team: OtherTeamAnswer
    at: datetime


class SentInvitationAnswer(BaseModel):
    """An invitation of the caller's team that was not answered yet; whether the account exists is not told."""

    id: int
    account: str
    at: datetime


class MergeAnswer(BaseModel):
    """A wish that two teams become one; `team` is the other one."""

    id: int
    team: OtherTeamAnswer
    at: datetime
    asked: bool = Field(description="whether the other team asks, so that the caller's captain answers")


class OwnTeamAnswer(BaseModel):
    """The caller's team, as its members see it."""

    id: int
    name: str
    captain: str = Field(description="the captain's account")
    you_lead: bool = Field(description="whether the caller is its captain")
    made_at: datetime
    members: list[MateAnswer]
    invited: list[SentInvitationAnswer]
    merges: list[MergeAnswer]


class QuotaAnswer(BaseModel):
    """What one entrant, a member or a team together, used today and may use.

    Attempts that wait for their score count as scored until they end.
    """

    scored: int
    daily_scored: int
    attempts: int
    daily_attempts: int
    resets_at: datetime
    total_scored: int | None = Field(description="scored attempts in the open phase, where it limits them")
    most_total_scored: int | None


class TeamAnswer(BaseModel):
    """Everything about teams of one competition that concerns the caller."""

    competition: str
    max_size: int = Field(description="members of a team at most; 1: everybody enters alone")
    until: datetime | None = Field(description="when teams stop changing; none where no end is set")
    closed: str = Field(description="why nothing can be changed now; empty where it can")
    team: OwnTeamAnswer | None
    invitations: list[InvitationAnswer]
    quota: QuotaAnswer
